package worker

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// The rates of a mount reach what keeps them.
func TestRates(t *testing.T) {
	testenv.Require(t, "root", "fuse", "sshd")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	const size = 3 << 20
	data := bytes.Repeat([]byte("data"), size/4)
	if err := os.WriteFile(filepath.Join(sshd.Home, "in"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	spec := specFor(sshd, "")
	spec.Mount.ReadRate, spec.Mount.WriteRate, spec.Mount.RequestRate = 2<<20, 2<<20, 20
	m := start(t, StartOptions{Spec: spec}).up()
	for what, f := range map[string]func() error{
		"reading": func() error {
			got, err := os.ReadFile(filepath.Join(m.at, "in"))
			if err == nil && !bytes.Equal(got, data) {
				err = fmt.Errorf("%d other bytes", len(got))
			}
			return err
		},
		"writing": func() error { return os.WriteFile(filepath.Join(m.at, "out"), data, 0o644) },
		"making directories": func() error {
			for i := range 20 {
				if err := os.Mkdir(filepath.Join(m.at, fmt.Sprint("d", i)), 0o755); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		start := time.Now()
		if err := f(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		// One and a half seconds, or one, less what may be used at once.
		if d := time.Since(start); d < 700*time.Millisecond {
			t.Errorf("%s took %v", what, d)
		}
	}
}
