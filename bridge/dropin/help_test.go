package dropin

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (go test -update writes it anew):\n%s", file, diff)
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if code := Sshfs(t.Context(), []string{"-h"}, Options{Stdout: &out}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	golden(t, "help.txt", out.Bytes())
}

func TestWriteOptions(t *testing.T) {
	var out bytes.Buffer
	if err := WriteOptions(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "options.md", out.Bytes())
}

func TestVersion(t *testing.T) {
	for name, run := range Names() {
		if name == "umount" {
			continue
		}
		var out bytes.Buffer
		if code := run(t.Context(), []string{"-V"}, Options{Stdout: &out, Version: "1.2.3"}); code != 0 || !bytes.Contains(out.Bytes(), []byte("1.2.3")) {
			t.Errorf("%s -V: %d, %q", name, code, out.String())
		}
	}
}
