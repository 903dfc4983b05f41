package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/docker"
	"sshfs-bridge/e2e/testenv"
)

// TestDockerMount is the appliance's whole life: a mount by docker exec, files
// through SMB, its processes killed one by one, stop, start, kill, start.
func TestDockerMount(t *testing.T) {
	sshd := dockerSSHD(t, testenv.SSHDOptions{})
	spec := docker.Default(docker.Privileged)
	spec.Name, spec.SSHDir, spec.Volume = "sshfs-bridge-e2e-mount", sshd.SSHDir, ""
	a := startAppliance(t, spec)

	media := filepath.Join(sshd.Home, "media")
	if err := os.Mkdir(media, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(media, "hello.txt"), "hello\n")
	out := a.exec("sshfs-bridge", "mount", sshd.Remote(media), "media")
	if m := a.mount("media"); m.State != api.StateUp {
		t.Fatalf("mount ended with 0 and %s is %s: %s\n%s", m.Name, m.State, m.Cause, out)
	}

	t.Run("128 MB in and out, in the share and in the hub", func(t *testing.T) {
		a := a.in(t)
		putAndGet(t, "127.0.0.1", a.port, "media", "big.bin", filepath.Join(media, "big.bin"), 128<<20)
		putAndGet(t, "127.0.0.1", a.port, "SSHFS Share", `media\small.bin`, filepath.Join(media, "small.bin"), 3<<20+1)
	})
	hasFork := a.putsFork("media", "hello.txt", media)
	hasFork(a)
	t.Run("the share is listed", func(t *testing.T) {
		a := a.in(t)
		out, err := commandTry(t, time.Minute, "smbclient", "-N", "-L", "//127.0.0.1", "-p", strconv.Itoa(a.port))
		if err != nil || !strings.Contains(out, "media") || !strings.Contains(out, "SSHFS Share") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("a wrong path is refused and leaves nothing", func(t *testing.T) {
		a := a.in(t)
		if out, err := a.execTry("sshfs-bridge", "mount", sshd.Remote(media+"/none"), "none"); err == nil || !strings.Contains(out, "none") {
			t.Errorf("%v\n%s", err, out)
		}
		if out := a.exec("sshfs-bridge", "list"); strings.Contains(out, "none") {
			t.Errorf("half mounted:\n%s", out)
		}
	})

	// backAfter kills a process and measures how long a client sees nothing.
	backAfter := func(t *testing.T, what string, pid int) {
		t.Helper()
		a := a.in(t)
		if pid <= 1 {
			t.Fatalf("%s has no process", what)
		}
		a.exec("bash", "-c", fmt.Sprintf("kill -9 %d", pid))
		start := time.Now()
		testenv.Eventually(t, 3*time.Second, "the share answers after kill -9 of "+what, func() bool {
			out, err := smbTry(t, "127.0.0.1", a.port, "media", "ls hello.txt")
			return err == nil && strings.Contains(out, "hello.txt") && !strings.Contains(out, "NT_STATUS_")
		})
		t.Logf("back %v after kill -9 of %s", time.Since(start).Round(time.Millisecond), what)
	}
	t.Run("kill -9 of the worker", func(t *testing.T) {
		a := a.in(t)
		before := a.mount("media").WorkerPID
		backAfter(t, "the worker", before)
		if after := a.mount("media"); after.WorkerPID == before || after.Restarts == 0 {
			t.Errorf("the worker is %d, was %d, restarts %d", after.WorkerPID, before, after.Restarts)
		}
		for _, at := range []string{"/run/sshfs-bridge/mnt/media", "/samba-share/media"} {
			if out := a.exec("bash", "-c", "grep -c ' "+at+" fuse' /proc/mounts || true"); strings.TrimSpace(out) != "1" {
				t.Errorf("mounted %s times at %s", strings.TrimSpace(out), at)
			}
		}
	})
	t.Run("kill -9 of smbd", func(t *testing.T) {
		a := a.in(t)
		before := a.status().SMB.PID
		backAfter(t, "smbd", before)
		if after := a.status().SMB.PID; after == before {
			t.Errorf("smbd is still %d", after)
		}
	})
	t.Run("no zombies, no smbd left over", func(t *testing.T) {
		a := a.in(t)
		testenv.Eventually(t, 5*time.Second, "no zombie is left", func() bool {
			out := a.exec("bash", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l")
			return strings.TrimSpace(out) == "0"
		})
	})

	t.Run("docker stop", func(t *testing.T) { a.in(t).stopsInTime() })
	t.Run("docker start", func(t *testing.T) { a.in(t).comesBack("start", "media") })
	t.Run("docker restart", func(t *testing.T) { a.in(t).comesBack("restart", "media") })
	t.Run("docker kill, then start", func(t *testing.T) {
		a := a.in(t)
		dockerDo(t, "kill", a.name)
		a.comesBack("start", "media")
		hasFork(a)
	})
	t.Run("umount", func(t *testing.T) {
		a := a.in(t)
		a.exec("sshfs-bridge", "umount", "media")
		smbRefused(t, "127.0.0.1", a.port, "media", "ls", "after umount")
		smbDo(t, "127.0.0.1", a.port, "SSHFS Share", "ls")
	})
}

// stopsInTime stops the container: inside Docker's ten seconds, of its own
// accord, and with every mount gone from this machine.
func (a *appliance) stopsInTime() {
	a.t.Helper()
	start := time.Now()
	dockerDo(a.t, "stop", a.name)
	took := time.Since(start)
	a.t.Logf("docker stop took %v", took.Round(time.Millisecond))
	if took > 9*time.Second {
		a.t.Errorf("docker stop took %v: it was killed", took)
	}
	if code := strings.TrimSpace(dockerDo(a.t, "inspect", "-f", "{{.State.ExitCode}}", a.name)); code != "0" {
		a.t.Errorf("it ended with %s", code)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		a.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "fuse.sshfs") && strings.Contains(line, "docker") {
			a.t.Errorf("left mounted: %s", line)
		}
	}
}

// comesBack starts the container with the given command, and waits until the
// mount of before is up and its files are there.
func (a *appliance) comesBack(command, mount string) {
	a.t.Helper()
	start := time.Now()
	dockerDo(a.t, command, a.name)
	a.waitHealthy(20 * time.Second)
	testenv.Eventually(a.t, 10*time.Second, mount+" is up again", func() bool {
		return a.mount(mount).State == api.StateUp
	})
	out := smbDo(a.t, "127.0.0.1", a.port, mount, "ls hello.txt")
	if !strings.Contains(out, "hello.txt") {
		a.t.Errorf("the file is not there:\n%s", out)
	}
	a.t.Logf("docker %s: back after %v", command, time.Since(start).Round(time.Millisecond))
}
