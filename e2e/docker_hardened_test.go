package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
	spec := docker.Default(docker.Hardened)
	spec.Name, spec.SSHDir, spec.Volume = "sshfs-bridge-e2e-hardened", sshd.SSHDir, "sshfs-bridge-e2e-hardened"
	removeVolume := func() { _ = exec.Command("docker", "volume", "rm", "-f", spec.Volume).Run() }
	removeVolume()
	t.Cleanup(removeVolume)

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
		a.stopsInTime()
		a.comesBack("start", "home") // the volume remembers
	})

	args, err := func() ([]string, error) { s := spec; s.Image, s.Ports = image, nil; return s.Args() }()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range docker.Capabilities() {
		t.Run("without "+c.Name, func(t *testing.T) {
			i := slices.Index(args, c.Name)
			a := newAppliance(t, spec.Name)
			dockerDo(t, slices.Delete(slices.Clone(args), i-1, i+1)...)
			if err := worksHardened(a, sshd); err == nil {
				t.Errorf("works without %s, which is listed for: %s", c.Name, c.Why)
			} else {
				t.Logf("as it should be: %v", firstLine(err.Error()))
			}
		})
	}
}

// worksHardened does what a user does first, and returns what went wrong.
func worksHardened(a *appliance, sshd *testenv.SSHD) error {
	if err := a.healthy(8 * time.Second); err != nil {
		return err
	}
	if out, err := a.execTry("timeout", "10", "sshfs-bridge", "mount", sshd.Remote(""), "home2"); err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	out, err := smbTry(a.t, a.ip(), 445, "home2", "put /etc/hostname probe; ls probe; del probe")
	if err == nil && strings.Contains(out, "NT_STATUS") {
		err = fmt.Errorf("smbclient: %s", out)
	}
	return err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// processRights reads from /proc what the kernel lets each process do.
func processRights(t *testing.T, a *appliance, mount string) {
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
	for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"} {
		if mask := capabilities(worker, set); mask != 0 {
			t.Errorf("the worker's %s is %x", set, mask)
		}
	}
	smbd := a.status().SMB.PID
	for _, set := range []string{"CapEff", "CapPrm", "CapBnd"} {
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
