package dropin

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs"
)

// supervise runs a supervisor beside the machine's commands, without smbd.
func (m *machine) supervise() *client.Client {
	m.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	config := bridge.DefaultConfig()
	config.SSHDir, config.AgentSocket = m.sshd.SSHDir, ""
	config.StateDir, config.RunDir, config.Hub = filepath.Join(m.dir, "sstate"), filepath.Join(m.dir, "srun"), filepath.Join(m.dir, "hub")
	config.SMB.Enabled = false
	s, err := bridge.New(bridge.Options{Config: config, Exe: exe})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	m.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			m.t.Errorf("supervisor: %v", err)
		}
	})
	for i, v := range m.env {
		if strings.HasPrefix(v, "TEST_SOCKET=") {
			m.env[i] = "TEST_SOCKET=" + config.ControlSocket()
		}
	}
	c := &client.Client{Socket: config.ControlSocket()}
	testenv.Eventually(m.t, 20*time.Second, "the supervisor", func() bool {
		_, err := c.Status(m.t.Context())
		return err == nil
	})
	return c
}

func (m *machine) mounts(c *client.Client) []api.MountStatus {
	m.t.Helper()
	mounts, err := c.Mounts(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return mounts
}

const forAll = "allow_other,uid=1000,gid=1000"

func TestSupervised_listShowsIt(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	c := m.supervise()
	data := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	for _, unmount := range [][]string{{"fusermount", "-u"}, {"umount"}} {
		one, two := m.mountpoint(), m.mountpoint()
		m.must("sshfs", "-o", forAll, m.sshd.Remote(""), one)
		m.must("sshfs", "-o", forAll+",noexec", m.sshd.Remote(""), two) // the same name twice
		list := m.mounts(c)
		if len(list) != 2 || list[0].Name == list[1].Name {
			t.Fatalf("list: %+v", list)
		}
		for i, s := range list {
			if s.Source != api.SourceSSHFS || s.State != api.StateUp || s.Mountpoint != []string{one, two}[i] || s.Share != "" {
				t.Errorf("list: %+v", s)
			}
		}
		if on, err := fusefs.MountAt(two); err != nil || on == nil || !strings.Contains(on.Options, "noexec") {
			t.Errorf("mount table: %+v, %v", on, err)
		}
		if err := os.WriteFile(filepath.Join(one, "file"), data, 0o644); err != nil {
			t.Error(err)
		}
		code, out := m.run("sshfs", "-o", forAll, m.sshd.Remote(""), one)
		if code != 1 || !strings.Contains(out, "is busy") {
			t.Errorf("mounted twice: %d, %q", code, out)
		}
		m.must(unmount[0], append(unmount[1:], one)...)
		if got, err := os.ReadFile(filepath.Join(m.sshd.Home, "file")); err != nil || !bytes.Equal(got, data) {
			t.Errorf("on the server: %d bytes, %v", len(got), err)
		}
		m.must(unmount[0], append(unmount[1:], two)...)
		if list := m.mounts(c); len(list) != 0 {
			t.Errorf("list: %+v", list)
		}
	}
}

func TestSupervised_errorsAreTheSame(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	c := m.supervise()
	dir := m.mountpoint()
	for remote, want := range map[string]string{
		m.sshd.Remote("nothing/here"): "nothing/here", "nosuchhost.invalid:": "nosuchhost.invalid",
	} {
		code, out := m.run("sshfs", "-o", forAll, remote, dir)
		if code != 1 || !strings.HasPrefix(out, "sshfs: ") || !strings.Contains(out, want) {
			t.Errorf("%s: %d, %q", remote, code, out)
		}
		if list := m.mounts(c); len(list) != 0 {
			t.Errorf("%s: list: %+v", remote, list)
		}
	}
}

func TestSupervised_foreground(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	c := m.supervise()
	dir := m.mountpoint()
	for _, end := range []func(pid int) error{
		func(pid int) error { return unix.Kill(pid, unix.SIGINT) },
		func(int) error { return unix.Unmount(dir, 0) },
	} {
		cmd := m.command("sshfs", "-f", "-o", forAll, m.sshd.Remote(""), dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitMounted(t, dir, true)
		testenv.Eventually(t, 10*time.Second, "the mount in the list", func() bool {
			list := m.mounts(c)
			return len(list) == 1 && list[0].State == api.StateUp
		})
		if err := end(cmd.Process.Pid); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || out.Len() != 0 {
			t.Errorf("%v, %q", err, out.String())
		}
		waitMounted(t, dir, false)
	}
}

// A mount that a supervisor would open to everybody is not given to it.
func TestSupervised_privateMountStaysPrivate(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	c := m.supervise()
	for _, options := range []string{"uid=1000,gid=1000", "allow_other"} {
		dir := m.mountpoint()
		code, out := m.run("sshfs", "-o", options, m.sshd.Remote(""), dir)
		if code != 0 || !strings.Contains(out, "beside the supervisor") || strings.Count(out, "\n") != 1 {
			t.Errorf("%d, %q", code, out)
		}
		if list := m.mounts(c); len(list) != 0 {
			t.Errorf("list: %+v", list)
		}
		m.must("fusermount", "-u", dir)
	}
}

// The supervisor mounts its own again unless it is told that they shall go.
func TestSupervised_unmountOfItsOwn(t *testing.T) {
	m := newMachine(t, testenv.SSHDOptions{})
	c := m.supervise()
	for i, place := range []string{"srun/mnt", "hub"} {
		name := "files" + strconv.Itoa(i)
		_, err := c.Mount(t.Context(), api.MountRequest{Spec: api.MountSpec{Name: name, Remote: m.sshd.Remote("")}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.must("umount", filepath.Join(m.dir, place, name))
		if list := m.mounts(c); len(list) != 0 {
			t.Errorf("%s: list: %+v", place, list)
		}
	}
}
