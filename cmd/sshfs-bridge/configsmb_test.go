package main

import (
	"bytes"
	"strings"
	"testing"
)

// config smb prints what smbd reads with the reasons, which smbd passes over.
func TestConfigSMB_reasons(t *testing.T) {
	printed := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		args = append([]string{"config", "smb", "--samba", "4.22.0"}, args...)
		if code := execute(t.Context(), args, nil, &out, &errs); code != 0 {
			t.Fatalf("%q: exit %d: %s", args, code, &errs)
		}
		return out.String()
	}
	explained, bare := printed(), printed("--explain=false")
	settings := func(text string) (out []string) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				out = append(out, line)
			}
		}
		return out
	}
	if a, b := strings.Join(settings(explained), "\n"), strings.Join(settings(bare), "\n"); a != b {
		t.Errorf("with reasons:\n%s\nwithout:\n%s", a, b)
	}
	if n := strings.Count(explained, "\t# "); n < len(settings(bare)) {
		t.Errorf("%d lines of reasons for %d settings", n, len(settings(bare)))
	}
	if strings.Count(bare, "#") != 1 {
		t.Errorf("comments where none were asked for:\n%s", bare)
	}
}
