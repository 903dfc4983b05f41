package bench

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
	version string // empty where it is not installed
	// keepsModes: chmod and utimes reach the server.
	keepsModes bool
	// open gets it ready; the session is warm then.
	open func(ctx context.Context, l *link) (*mount, error)
}

// serveCommand is a program that serves a mount in the foreground.
type serveCommand func(l *link, mountpoint, scratch string) (argv, env []string)

// mountSystems are the ways to mount.
func mountSystems(bridge string) []system {
	return []system{
		{name: local, keepsModes: true, version: "the server's own directory", open: func(_ context.Context, l *link) (*mount, error) {
			return &mount{dir: l.sshd.Home}, nil
		}},
		{name: sshfs, keepsModes: true, version: version(sshfs, "--version"), open: opener(sshfs, sshfsCommand)},
		{name: rcln, version: version(rcln, "version"), open: opener(rcln, rcloneCommand)},
		{name: us, keepsModes: true, version: version(bridge, "version"), open: opener(us, func(l *link, mountpoint, scratch string) ([]string, []string) {
			argv := append([]string{bridge, "sshfs", "-f"}, l.sshOptions()...)
			return append(argv, l.remote(), mountpoint), []string{"SSHFS_BRIDGE_SOCKET=" + filepath.Join(scratch, "none"), "HOME=" + l.home}
		})},
	}
}

// present are the systems that are installed and asked for; absent names the
// others.
func present(all []system, set settings) (found []system, absent []string) {
	for _, s := range all {
		if s.version == "" || len(set.Systems) > 0 && !slices.Contains(set.Systems, s.name) {
			absent = append(absent, s.name)
			continue
		}
		found = append(found, s)
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
