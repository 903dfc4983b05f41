package dropin

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
)

// Options are what the drop-ins need of their surroundings. The zero value
// is right for a command started by a person.
type Options struct {
	// Stdin, Stdout and Stderr default to the process's own. Secrets are read
	// from the terminal (TTY), never from Stdin, but for -o password_stdin.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY is the terminal that questions are asked on; empty is /dev/tty.
	TTY string
	// Exe is the program to execute as holder (with "sshfs" as its name) and
	// as worker (first argument "worker"); empty is this program.
	Exe string
	// ControlSocket is the supervisor's socket; empty is the default one
	// (SSHFS_BRIDGE_SOCKET, else the supervisor's), "none" asks no supervisor.
	ControlSocket string
	// RunDir holds the records of standalone mounts; empty is
	// /run/sshfs-bridge.
	RunDir string
	// StateDir keeps the host keys that were accepted; empty is
	// /var/lib/sshfs-bridge.
	StateDir string
	// SSHDir is what "~/.ssh" means; empty is /ssh where that exists, else
	// ~/.ssh of the calling user.
	SSHDir string
	// SystemUmount is the program that ends what is not ours; empty is
	// /usr/bin/umount or /bin/umount.
	SystemUmount string
	// Version is what -V says of the program.
	Version string
	// Logger gets what workers log; nil is standard error with -d or -v, and
	// nothing otherwise.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.RunDir == "" {
		o.RunDir = "/run/sshfs-bridge"
	}
	if o.StateDir == "" {
		o.StateDir = "/var/lib/sshfs-bridge"
	}
	if o.SSHDir == "" {
		o.SSHDir = defaultSSHDir()
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	return o
}

// defaultSSHDir is /ssh where the user's directory is mounted there, else
// ~/.ssh of the calling user.
func defaultSSHDir() string {
	if info, err := os.Stat("/ssh"); err == nil && info.IsDir() {
		return "/ssh"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return filepath.Join(home, ".ssh")
}

// Names are the names that make the binary a drop-in, with the function to
// call: cmd/sshfs-bridge looks up filepath.Base(os.Args[0]) here.
func Names() map[string]func(ctx context.Context, args []string, o Options) int {
	return map[string]func(context.Context, []string, Options) int{
		"sshfs":            Sshfs,
		"mount.sshfs":      Sshfs,
		"mount.fuse.sshfs": Sshfs,
		"fusermount":       Fusermount,
		"fusermount3":      Fusermount,
		"umount":           Umount,
	}
}
