package dropin

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFusermount(t *testing.T) {
	tests := map[string]fusermountArgs{
		"-u /mnt":     {unmount: true, mountpoint: "/mnt"},
		"-uz /mnt":    {unmount: true, lazy: true, mountpoint: "/mnt"},
		"-zu -q /mnt": {unmount: true, lazy: true, quiet: true, mountpoint: "/mnt"},
		"/mnt -u":     {unmount: true, mountpoint: "/mnt"},
		"-u -- -odd":  {unmount: true, mountpoint: "-odd"},
		"-h":          {help: true},
		"--version":   {version: true},
	}
	for line, want := range tests {
		got, err := parseFusermount(words(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(fusermountArgs{})); diff != "" {
			t.Errorf("%s:\n%s", line, diff)
		}
	}
	for line, want := range map[string]string{
		"": "missing mountpoint", "-u": "missing mountpoint", "/mnt": "only -u", "-z /mnt": "only be used with -u",
		"-u /a /b": "extra arguments", "-u -x /mnt": "unknown option", "-o ro /mnt": "unknown option",
	} {
		if _, err := parseFusermount(words(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
	}
}

func TestParseUmount(t *testing.T) {
	tests := map[string]umountArgs{
		"/mnt":                 {operands: []string{"/mnt"}},
		"-l /mnt /b":           {lazy: true, operands: []string{"/mnt", "/b"}},
		"-fv --lazy /mnt":      {lazy: true, operands: []string{"/mnt"}},
		"-q -n -i -- -odd":     {quiet: true, operands: []string{"-odd"}},
		"-a":                   {foreign: true},
		"-a -t fuse":           {foreign: true},
		"-t fuse.sshfs /mnt":   {foreign: true, operands: []string{"/mnt"}},
		"-R /mnt":              {foreign: true, operands: []string{"/mnt"}},
		"--recursive /mnt":     {foreign: true, operands: []string{"/mnt"}},
		"-h":                   {foreign: true},
		"":                     {foreign: true},
		"--types nfs -l /data": {foreign: true, lazy: true, operands: []string{"/data"}},
	}
	for line, want := range tests {
		if diff := cmp.Diff(want, parseUmount(words(line)), cmp.AllowUnexported(umountArgs{})); diff != "" {
			t.Errorf("%s:\n%s", line, diff)
		}
	}
}

// What is not ours reaches the system's umount with its options, and its exit
// code comes back.
func TestUmount_handsOverWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "umount")
	script := "#!/bin/sh\necho \"$@\"\nexit 16\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"-l " + dir, "-a -t nfs", "--help", "-R /x /y"} {
		var out bytes.Buffer
		code := Umount(t.Context(), words(line), Options{Stdout: &out, Stderr: &out, SystemUmount: program, ControlSocket: "none"})
		if code != 16 || strings.TrimSpace(out.String()) != line {
			t.Errorf("umount %s: %d, %q", line, code, out.String())
		}
	}
}

func TestUmount_withoutTheSystems(t *testing.T) {
	dir := t.TempDir()
	o := Options{SystemUmount: filepath.Join(dir, "none"), ControlSocket: "none"}
	for line, want := range map[string]string{dir: "", "-a": "only umount [-l] [-f] MOUNTPOINT"} {
		var out bytes.Buffer
		o.Stderr = &out
		if code := Umount(t.Context(), words(line), o); code == 0 || !strings.Contains(out.String(), want) {
			t.Errorf("umount %s: %d, %q", line, code, out.String())
		}
	}
}

func TestFusermount_errors(t *testing.T) {
	dir := t.TempDir()
	for line, want := range map[string]string{
		"-u " + dir:          "is not mounted",
		"-u " + dir + "/x/y": "bad mount point",
		"-u /proc":           "not of FUSE",
		"-u":                 "missing mountpoint",
	} {
		var out bytes.Buffer
		code := Fusermount(t.Context(), words(line), Options{Stderr: &out, ControlSocket: "none"})
		if code != 1 || !strings.Contains(out.String(), want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("fusermount %s: %d, %q", line, code, out.String())
		}
	}
	var out bytes.Buffer
	if code := Fusermount(t.Context(), []string{"-uq", dir}, Options{Stderr: &out, ControlSocket: "none"}); code != 1 || out.Len() != 0 {
		t.Errorf("-q: %d, %q", code, out.String())
	}
}

func TestRecord(t *testing.T) {
	o := Options{RunDir: t.TempDir()}
	p := &plan{}
	p.spec.Mountpoint, p.spec.Remote = "/mnt/x", "host:"
	if _, ok := o.holderOf("/mnt/x"); ok {
		t.Error("a holder before there is one")
	}
	forget := o.record(p)
	r, ok := o.holderOf("/mnt/x")
	if !ok || r.PID != os.Getpid() || r.Remote != "host:" {
		t.Fatalf("%+v, %v", r, ok)
	}
	if _, ok := o.holderOf("/mnt/y"); ok {
		t.Error("another mountpoint has the same holder")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := r.wait(ctx); err == nil || !strings.Contains(err.Error(), "on its way") {
		t.Errorf("wait: %v", err)
	}
	r.Started = "1" // another process of that number
	if r.alive() || r.wait(t.Context()) != nil {
		t.Error("another process was taken for the holder")
	}
	forget()
	if _, err := os.Stat(o.recordFile("/mnt/x")); !os.IsNotExist(err) {
		t.Errorf("the record stays: %v", err)
	}
}
