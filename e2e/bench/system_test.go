package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Names of systems.
const (
	us    = "sshfs-bridge"
	sshfs = "sshfs"
	rcln  = "rclone"
	local = "local"
)

// system is one way to get at the server's directory.
type system struct {
	name    string
	version string
	// keepsModes: chmod and utimes reach the server.
	keepsModes bool
	// command is the program that serves a mount in the foreground; nil where
	// nothing is mounted.
	command func(l *link, mountpoint, scratch string) (argv, env []string)
}

// systems are those that are installed, ours last; absent names the others.
func systems(t testing.TB, set settings, bridge string) (found []system, absent []string) {
	t.Helper()
	all := []system{
		{name: local, keepsModes: true, version: "the server's own directory"},
		{name: sshfs, keepsModes: true, version: version(sshfs, "--version"), command: sshfsCommand},
		{name: rcln, version: version(rcln, "version"), command: rcloneCommand},
		{name: us, keepsModes: true, version: version(bridge, "version"), command: func(l *link, mountpoint, scratch string) ([]string, []string) {
			argv := append([]string{bridge, "sshfs", "-f"}, l.sshOptions()...)
			return append(argv, l.remote(), mountpoint), []string{"SSHFS_BRIDGE_SOCKET=" + filepath.Join(scratch, "none"), "HOME=" + l.home}
		}},
	}
	for _, s := range all {
		switch {
		case len(set.Systems) > 0 && !contains(set.Systems, s.name):
		case s.version == "":
			absent = append(absent, s.name)
		default:
			found = append(found, s)
		}
	}
	return found, absent
}

func sshfsCommand(l *link, mountpoint, _ string) (argv, env []string) {
	argv = append([]string{"sshfs", "-f", "-F", "/dev/null"}, l.sshOptions()...)
	return append(argv, l.remote(), mountpoint), []string{"HOME=" + l.home}
}

// rcloneCommand mounts in the mode in which every program can read and write, as
// its manual recommends for a mount that is used like a disk. Its five seconds of
// waiting before an upload are left out, as the clock runs until the server has
// the bytes, and so is its hashing of what it uploaded.
func rcloneCommand(l *link, mountpoint, scratch string) (argv, env []string) {
	argv = []string{"rclone", "mount", "bench:" + l.sshd.HomeSeen, mountpoint, "--config", filepath.Join(scratch, "rclone.conf"),
		"--cache-dir", filepath.Join(scratch, "cache"), "--vfs-cache-mode", "full", "--vfs-write-back", "0s"}
	return argv, []string{"HOME=" + l.home, "RCLONE_CONFIG_BENCH_TYPE=sftp", "RCLONE_CONFIG_BENCH_HOST=127.0.0.1", "RCLONE_CONFIG_BENCH_PORT=" + l.port,
		"RCLONE_CONFIG_BENCH_USER=" + l.sshd.User, "RCLONE_CONFIG_BENCH_KEY_FILE=" + l.sshd.IdentityFile, "RCLONE_CONFIG_BENCH_KNOWN_HOSTS_FILE=" + l.known,
		"RCLONE_CONFIG_BENCH_SHELL_TYPE=unix", "RCLONE_CONFIG_BENCH_MD5SUM_COMMAND=none", "RCLONE_CONFIG_BENCH_SHA1SUM_COMMAND=none"}
}

// version is the line with its name that a program prints about itself; empty where
// it cannot be run.
func version(program string, arg string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, arg).CombinedOutput()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(strings.ToLower(line), filepath.Base(program)) {
			return strings.TrimSpace(line)
		}
	}
	return strings.TrimSpace(string(out))
}

// mount is a system in use. Its directory is served by another process.
type mount struct {
	dir     string
	scratch string
	proc    *process // nil for the local directory
}

// pids are the processes that serve it.
func (m *mount) pids() []int {
	if m.proc == nil {
		return nil
	}
	return m.proc.family()
}

const mountPatience = 30 * time.Second

// open mounts a system and returns when it answers. The session is warm then, and
// nothing but the names in the root has been asked for.
func (s system) open(ctx context.Context, l *link) (*mount, error) {
	if s.command == nil {
		return &mount{dir: l.sshd.Home}, nil
	}
	scratch, err := os.MkdirTemp("", "bridge-bench-")
	if err != nil {
		return nil, err
	}
	m := &mount{dir: filepath.Join(scratch, "mnt"), scratch: scratch}
	argv, env := s.command(l, m.dir, scratch)
	if err = os.Mkdir(m.dir, 0o755); err == nil {
		m.proc, err = startProcess(scratch, env, argv...)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(scratch))
	}
	up := poll(mountPatience, func() bool { return len(mountTable(m.dir)) > 0 || m.proc.ended() || ctx.Err() != nil })
	if up && !m.proc.ended() && ctx.Err() == nil {
		if _, err = within(mountPatience, m, func() (int, error) { entries, err := os.ReadDir(m.dir); return len(entries), err }); err == nil {
			return m, nil
		}
	}
	err = errors.Join(fmt.Errorf("%s does not mount: %w\n%s", s.name, errors.Join(ctx.Err(), err), m.proc.log.String()), m.abort())
	return nil, err
}

// within runs work that touches the mount. When it takes too long, the mount's
// process is killed, which is the one way to end a call that hangs in it.
func within[T any](limit time.Duration, m *mount, work func() (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := work()
		done <- outcome{v, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.v, o.err
	case <-timer.C:
	}
	if m.proc != nil {
		m.proc.kill()
	}
	o := <-done
	return o.v, fmt.Errorf("ended by force after %v: %w", limit, errors.Join(o.err, os.ErrDeadlineExceeded))
}

// close unmounts, and waits for the processes. A mount or a process that has to be
// removed by force is an error.
func (m *mount) close() error {
	if m.proc == nil {
		return nil
	}
	var err error
	if !poll(10*time.Second, func() bool {
		err = syscall.Unmount(m.dir, 0)
		return !errors.Is(err, syscall.EBUSY)
	}) || errors.Is(err, syscall.EINVAL) { // EINVAL: not mounted any more
		err = fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	return errors.Join(err, m.proc.end(10*time.Second), detach(m.dir), m.remove())
}

// abort removes all of it by force.
func (m *mount) abort() error {
	if m.proc == nil {
		return nil
	}
	m.proc.kill()
	_ = detach(m.dir) // it says what was there, which is no news
	return m.remove()
}

func (m *mount) remove() error {
	if left := mountTable(m.scratch); len(left) > 0 {
		return fmt.Errorf("still mounted: %q", left)
	}
	return os.RemoveAll(m.scratch)
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
