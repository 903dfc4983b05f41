package dropin

import (
	"context"
	"io"
	"log/slog"
	"os"
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
	// Exe is the program to execute as holder (called "sshfs") and as worker
	// (first argument "worker"); empty is this program.
	Exe string
	// ControlSocket is the supervisor's socket; empty is the default one
	// (SSHFS_BRIDGE_SOCKET or /run/sshfs-bridge/control/sock), "none" never
	// asks a supervisor.
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
	// Logger gets what the worker logs in the foreground; nil discards it
	// unless -d is given.
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
	return o
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

// Sshfs is sshfs(1): it takes the arguments after the program's name and
// returns the exit code: 0 when the mount is up (with -f: when it is gone
// again), 1 otherwise, with the reason on Stderr. It blocks as sshfs does;
// ending ctx before the mount is up leaves nothing behind, and with -f it
// unmounts.
func Sshfs(ctx context.Context, args []string, o Options) int { return 1 }

// Fusermount is fusermount(1) and fusermount3(1) with -u [-z] [-q]: it
// returns 0 when the mount is gone and what was written has reached the
// server.
func Fusermount(ctx context.Context, args []string, o Options) int { return 1 }

// Umount is umount(8): it ends our own mounts as Fusermount does, and hands
// every other command line to the system's umount.
func Umount(ctx context.Context, args []string, o Options) int { return 1 }
