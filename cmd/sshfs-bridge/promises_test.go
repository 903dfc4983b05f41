package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The exit codes of docs/cli.md are those of the program.
func TestExitCodes_areDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Exit codes")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \| (.+) \|$`).FindAllStringSubmatch(section, -1) {
		documented[m[1]] = m[2]
	}
	codes := []int{exitOK, exitError, exitUsage, exitConfig, exitUnreachable, exitDegraded, exitPermission}
	for i, code := range codes {
		if code != i {
			t.Errorf("code %d was renumbered to %d", i, code)
		}
		if documented[fmt.Sprint(code)] == "" {
			t.Errorf("code %d is not documented", code)
		}
	}
	if len(documented) != len(codes) {
		t.Errorf("%d codes are documented, there are %d", len(documented), len(codes))
	}
}

// A supervisor of another version is told of, once a command; what it says counts all
// the same.
func TestOtherVersion_isTold(t *testing.T) {
	dir, err := os.MkdirTemp("", "skew")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("SSHFS_BRIDGE_SOCKET", serveFake(t, dir))
	old := version
	version = "9.9.9"
	t.Cleanup(func() { version = old })
	t.Setenv("FAKE_VERSION", "1.0.0")
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"url", "media"}, nil, &stdout, &stderr); code != 0 {
		t.Errorf("exit %d", code)
	}
	if n := strings.Count(stderr.String(), "the supervisor is version 1.0.0, this program 9.9.9: restart it"); n != 1 {
		t.Errorf("told %d times: %s", n, &stderr)
	}
	if !strings.Contains(stdout.String(), "/media") {
		t.Errorf("no answer: %s", &stdout)
	}
}

// reading are the commands that tell something, each with arguments that work
// against the fake supervisor. Every other command is in acting.
var reading = map[string][]string{
	"list": nil, "status": nil, "url": nil, "logs": nil, "events": nil, "healthcheck": nil, "version": nil,
	"doctor": nil, "config check": nil, "config show": nil, "config smb": {"--samba", "4.22.0"}, "service status": nil, "reload": nil,
}

var acting = []string{
	"serve", "demo", "mount", "umount", "login", "hostkey accept", "hostkey forget", "refresh", "password",
	"service install", "service uninstall", "service start", "service stop",
}

// Every command that tells something tells it as JSON, on standard output, or says
// as JSON on standard error why it cannot.
func TestReadingCommands_haveJSON(t *testing.T) {
	dir, err := os.MkdirTemp("", "json")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("SSHFS_BRIDGE_SOCKET", serveFake(t, dir))
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("ssh_dir: %s\nstate_dir: %s\nuid: 65534\ngid: 65534\n", dir, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSHFS_BRIDGE_CONFIG", config)
	walk(newRootCommand(&global{}), func(c *cobra.Command) {
		if c.HasSubCommands() || c.Hidden || c.DisableFlagParsing {
			return
		}
		name := strings.TrimPrefix(c.CommandPath(), "sshfs-bridge ")
		args, reads := reading[name]
		if !reads {
			for _, a := range acting {
				if a == name {
					return
				}
			}
			t.Errorf("%s neither reads nor acts: name it in this file", name)
			return
		}
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append(append(strings.Fields(name), args...), "--json"), nil, &stdout, &stderr)
		told := &stdout
		if stdout.Len() == 0 {
			told = &stderr
		}
		n := 0
		for d := json.NewDecoder(bytes.NewReader(told.Bytes())); d.More(); n++ {
			var v map[string]any
			var list []any
			raw := json.RawMessage{}
			if err := d.Decode(&raw); err != nil {
				t.Errorf("%s: exit %d: %v\n%s%s", name, code, err, &stdout, &stderr)
				return
			}
			if json.Unmarshal(raw, &v) != nil && json.Unmarshal(raw, &list) != nil {
				t.Errorf("%s: %s", name, raw)
			}
		}
		if n == 0 {
			t.Errorf("%s: exit %d and no JSON", name, code)
		}
	})
}
