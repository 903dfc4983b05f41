package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/docker"
	"sshfs-bridge/e2e/testenv"
)

// TestDockerHardened: without --privileged, on exactly the rights that
// docker.Capabilities lists, everything works; without any one of them it does not.
func TestDockerHardened(t *testing.T) {
	image := dockerImage(t)
	testenv.Require(t, "smbclient")
	sshd := dockerSSHD(t, testenv.SSHDOptions{Hardened: true})
	writeFile(t, filepath.Join(sshd.Home, "hello.txt"), "hello\n")
	// As a Mac's user has it: the keys belong to somebody who is not root, and
	// only he can read them.
	for _, dir := range []string{sshd.SSHDir, filepath.Join(sshd.SSHDir, "config"), sshd.KnownHosts, sshd.IdentityFile} {
		if err := os.Chown(dir, 501, 20); err != nil {
			t.Fatal(err)
		}
	}
	spec := docker.Default(docker.Hardened)
	spec.Name, spec.SSHDir, spec.Volume = "sshfs-bridge-e2e-hardened", sshd.SSHDir, "sshfs-bridge-e2e-hardened"
	removeVolume(t, spec.Volume)

	t.Run("all of them", func(t *testing.T) {
		a := startAppliance(t, spec)
		a.exec("sshfs-bridge", "mount", sshd.Remote(""), "home")
		putAndGet(t, "127.0.0.1", a.port, "home", "data.bin", filepath.Join(sshd.Home, "data.bin"), 16<<20)
		t.Run("nothing can be written outside of it", func(t *testing.T) {
			if out, err := a.execTry("bash", "-c", "echo x > /etc/x"); err == nil {
				t.Errorf("the root is writable: %s", out)
			}
		})
		t.Run("what each process may do", func(t *testing.T) { processRights(t, a, "home") })
		start := time.Now()
		if err := worksHardened(a, sshd); err != nil {
			t.Error(err)
		}
		t.Logf("a second mount, a file, a worker that hangs, docker stop: %v", time.Since(start).Round(time.Millisecond))
		a.comesBack("start", "home") // the volume remembers
	})

	for _, c := range docker.Capabilities() {
		t.Run("without "+c.Name, func(t *testing.T) {
			t.Parallel() // these are containers that mostly wait
			spec := spec
			spec.Image, spec.Ports, spec.Keep = image, nil, false
			spec.Name += "-" + strings.ToLower(c.Name)
			spec.Volume = spec.Name
			args, err := spec.Args()
			if err != nil {
				t.Fatal(err)
			}
			removeVolume(t, spec.Volume)
			a := newAppliance(t, spec.Name)
			i := slices.Index(args, c.Name)
			dockerDo(t, slices.Delete(args, i-1, i+1)...)
			if err := worksHardened(a, sshd); err == nil {
				t.Errorf("works without %s, which is listed for: %s", c.Name, c.Why)
			} else {
				t.Logf("as it should be: %v", firstLine(err.Error()))
			}
		})
	}
}

// removeVolume removes a volume now and when the test has ended.
func removeVolume(t testing.TB, name string) {
	t.Helper()
	remove := func() {
		// A volume that the container of a killed run still has stays.
		if ids, err := exec.Command("docker", "ps", "-aq", "--filter", "volume="+name).Output(); err == nil {
			for _, id := range strings.Fields(string(ids)) {
				_ = exec.Command("docker", "rm", "-f", id).Run()
			}
		}
		_ = exec.Command("docker", "volume", "rm", "-f", name).Run()
	}
	remove()
	t.Cleanup(remove)
}

// worksHardened does what a user does first, and returns what went wrong.
func worksHardened(a *appliance, sshd *testenv.SSHD) error {
	if err := a.healthy(12 * time.Second); err != nil {
		return err
	}
	if out, err := a.execTry("timeout", "10", "sshfs-bridge", "mount", sshd.Remote(""), "home2"); err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	if out, err := smbTry(a.t, a.ip(), 445, "home2", "put /etc/hostname probe; ls probe; del probe"); err != nil || strings.Contains(out, "NT_STATUS_") {
		return fmt.Errorf("smbclient: %w: %s", err, out)
	}
	// A worker that hangs can be got rid of: stopping does not wait for it until
	// Docker loses patience.
	if err := a.signal(a.mount("home2").WorkerPID, syscall.SIGSTOP); err != nil {
		return err
	}
	if out, err := dockerTry(a.t, "stop", a.name); err != nil {
		return fmt.Errorf("docker stop: %w: %s", err, out)
	}
	if code := strings.TrimSpace(dockerDo(a.t, "inspect", "-f", "{{.State.ExitCode}}", a.name)); code != "0" {
		return fmt.Errorf("with a worker that hangs, docker stop ended it with %s", code)
	}
	return nil
}

// signal sends a signal from this machine, where root may do so whatever the
// container's own rights are.
func (a *appliance) signal(pid int, sig syscall.Signal) error {
	a.t.Helper()
	for line := range strings.Lines(dockerDo(a.t, "top", a.name, "-eo", "pid")) {
		host, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			continue // the heading
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", host))
		if err == nil && strings.Contains(string(status), fmt.Sprintf("\nNSpid:\t%d\t%d\n", host, pid)) {
			return syscall.Kill(host, sig)
		}
	}
	return fmt.Errorf("the container has no process %d", pid)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// processRights reads from /proc what the kernel lets each process do.
func processRights(t *testing.T, a *appliance, mount string) {
	t.Helper()
	const sysAdmin = 21
	capabilities := func(pid int, set string) (mask uint64) {
		t.Helper()
		out := a.exec("bash", "-c", fmt.Sprintf("grep -h ^%s: /proc/%d/status", set, pid))
		if _, err := fmt.Sscanf(strings.TrimPrefix(out, set+":"), "%x", &mask); err != nil {
			t.Fatalf("%s of %d: %q: %v", set, pid, out, err)
		}
		return mask
	}
	worker := a.mount(mount).WorkerPID
	for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb"} {
		if mask := capabilities(worker, set); mask != 0 {
			t.Errorf("the worker's %s is %x", set, mask)
		}
	}
	smbd := a.status().SMB.PID
	for _, set := range []string{"CapEff", "CapPrm"} {
		if capabilities(smbd, set)&(1<<sysAdmin) != 0 {
			t.Errorf("smbd has SYS_ADMIN in %s", set)
		}
	}
	for _, pid := range []int{worker, smbd} {
		if out := a.exec("bash", "-c", fmt.Sprintf("grep -h ^NoNewPrivs /proc/%d/status", pid)); !strings.HasSuffix(strings.TrimSpace(out), "1") {
			t.Errorf("process %d can gain privileges: %s", pid, out)
		}
	}
	// What smbd sees of the keys, the state and the control socket is nothing.
	host := strings.TrimSpace(dockerDo(t, "inspect", "-f", "{{.State.Pid}}", a.name))
	if host == "" || host == "0" {
		t.Fatal("no process")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, dir := range []string{"/ssh", "/run/sshfs-bridge/control"} {
		out, err := exec.CommandContext(ctx, "docker", "exec", a.name, "bash", "-c", fmt.Sprintf("ls -A /proc/%d/root%s", smbd, dir)).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err == nil && got != "" {
			t.Errorf("smbd sees %q in %s", got, dir)
		} else if err != nil && !strings.Contains(got, os.ErrPermission.Error()) {
			t.Logf("%s as smbd sees it: %v %s", dir, err, got)
		}
	}
}
