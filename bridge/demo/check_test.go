package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// startSMBD serves dir as the share "demo" to guests, without the bridge, and
// returns its address.
func startSMBD(t *testing.T, dir string, extra ...string) string {
	t.Helper()
	testenv.Require(t, "smbd", "root")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	state := t.TempDir()
	conf := []string{
		"[global]", "server role = standalone server", "interfaces = lo", "bind interfaces only = yes",
		fmt.Sprintf("smb ports = %d", port), "map to guest = Bad User", "guest account = root",
		"disable netbios = yes", "load printers = no", "disable spoolss = yes", "host msdfs = no",
	}
	for _, d := range []string{"private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir"} {
		p := filepath.Join(state, strings.ReplaceAll(d, " ", "-"))
		if err := os.Mkdir(p, 0o755); err != nil {
			t.Fatal(err)
		}
		conf = append(conf, d+" = "+p)
	}
	conf = append(conf, "[demo]", "path = "+dir, "guest ok = yes", "guest only = yes", "writeable = yes", "force user = root")
	conf = append(conf, extra...)
	file := filepath.Join(state, "smb.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.Command("/usr/sbin/smbd", "--foreground", "--no-process-group", "--debug-stdout", "-s", file)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	testenv.Eventually(t, 20*time.Second, "smbd", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr
}

func TestSelfCheck_passesOnPlainSMBD(t *testing.T) {
	for name, extra := range map[string][]string{
		"plain":    nil,
		"as a Mac": {"vfs objects = catia fruit streams_depot", "fruit:encoding = native", "fruit:resource = stream", "fruit:metadata = stream"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := WriteSamples(dir, 3<<20); err != nil {
				t.Fatal(err)
			}
			steps, err := SelfCheck(t.Context(), CheckOptions{Addr: startSMBD(t, dir, extra...), Share: "demo", Dir: dir})
			for _, s := range steps {
				t.Logf("%-10s %8v %s %v", s.Name, s.Duration.Round(time.Millisecond), s.Detail, s.Err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "self-check*")); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	}
}

func TestSelfCheck_noticesWhatIsWrong(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, other} {
		if err := WriteSamples(d, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	addr := startSMBD(t, dir)
	tests := map[string]struct {
		spoil func()
		o     CheckOptions
		step  string
	}{
		"a share that is not there": {o: CheckOptions{Addr: addr, Share: "other", Dir: dir}, step: "connect"},
		"nobody listens":            {o: CheckOptions{Addr: "127.0.0.1:1", Share: "demo", Dir: dir}, step: "connect"},
		"a missing file": {
			spoil: func() { write(t, filepath.Join(other, "more"), "more") },
			o:     CheckOptions{Addr: addr, Share: "demo", Dir: other}, step: "list",
		},
		"another content": {
			spoil: func() {
				if err := os.Remove(filepath.Join(other, "more")); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(other, "Names/.hidden"), "HIDDEN\n")
			},
			o: CheckOptions{Addr: addr, Share: "demo", Dir: other}, step: "read",
		},
		"a write that goes elsewhere": {
			spoil: func() { write(t, filepath.Join(other, "Names/.hidden"), "hidden\n") },
			o:     CheckOptions{Addr: addr, Share: "demo", Dir: other}, step: "new folder",
		},
	}
	for _, name := range []string{
		"a share that is not there", "nobody listens", "a missing file", "another content", "a write that goes elsewhere",
	} {
		t.Run(name, func(t *testing.T) {
			tt := tests[name]
			if tt.spoil != nil {
				tt.spoil()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			steps, err := SelfCheck(ctx, tt.o)
			if !errors.Is(err, ErrCheck) {
				t.Fatalf("error %v", err)
			}
			if last := steps[len(steps)-1]; last.Name != tt.step || last.Err == nil {
				t.Errorf("failed at %q (%v), want %q", last.Name, last.Err, tt.step)
			}
		})
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestXsymTarget(t *testing.T) {
	file := func(target string) []byte {
		data := fmt.Appendf(nil, "XSym\n%04d\n%032x\n%s\n", len(target), 0, target)
		for len(data) < xsymSize {
			data = append(data, ' ')
		}
		return data
	}
	if target, ok := xsymTarget(file("../a b")); !ok || target != "../a b" {
		t.Errorf("a link was read as %q, %v", target, ok)
	}
	for name, data := range map[string][]byte{
		"short":  file("x")[:100],
		"longer": append(file("x"), 'x'),
		"other":  make([]byte, xsymSize),
	} {
		if _, ok := xsymTarget(data); ok {
			t.Errorf("%s: was taken for a link", name)
		}
	}
}
