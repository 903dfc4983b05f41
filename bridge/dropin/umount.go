package dropin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs"
)

// umount(8)'s exit codes.
const (
	umountUsage  = 1
	umountFailed = 32
)

// umountArgs is what a command line of umount asks for, as far as it
// concerns our mounts.
type umountArgs struct {
	lazy, quiet bool
	operands    []string
	// foreign says that the command line chooses mounts by other means than
	// their names (-a, -R, -t ...), or asks for something else: it belongs
	// to the system's umount as a whole.
	foreign bool
}

func parseUmount(args []string) umountArgs {
	var a umountArgs
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			a.operands = append(a.operands, args[i+1:]...)
			return a
		case arg == "--lazy":
			a.lazy = true
		case arg == "--quiet":
			a.quiet = true
		case arg == "--force", arg == "--verbose", arg == "--no-mtab", arg == "--internal-only", arg == "--no-canonicalize":
		case arg == "-t", arg == "--types", arg == "-O", arg == "--test-opts", arg == "-N", arg == "--namespace":
			a.foreign = true
			i++
		case strings.HasPrefix(arg, "--"):
			a.foreign = true
		case len(arg) > 1 && arg[0] == '-':
			for _, c := range arg[1:] {
				switch c {
				case 'l':
					a.lazy = true
				case 'q':
					a.quiet = true
				case 'f', 'v', 'n', 'i', 'c':
				default:
					a.foreign = true
				}
			}
		default:
			a.operands = append(a.operands, arg)
		}
	}
	a.foreign = a.foreign || len(a.operands) == 0
	return a
}

// Umount is umount(8): it ends our own mounts as Fusermount does, and hands
// everything else to the system's umount.
func Umount(ctx context.Context, args []string, o Options) int {
	o = o.withDefaults()
	a := parseUmount(args)
	if a.foreign {
		return o.systemUmount(ctx, args)
	}
	code := 0
	var rest []string
	for _, operand := range a.operands {
		path, on := findOurs(operand)
		if on == nil {
			rest = append(rest, operand)
			continue
		}
		if err := o.unmountOurs(ctx, path, on, a.lazy); err != nil {
			code = umountFailed
			if !a.quiet {
				o.fail("umount", err)
			}
		}
	}
	if len(rest) > 0 {
		code = max(code, o.systemUmount(ctx, without(args, a.operands, rest)))
	}
	return code
}

// without takes the operands that are done out of a command line.
func without(args, operands, rest []string) []string {
	var out []string
	for _, arg := range args {
		if slices.Contains(operands, arg) && !slices.Contains(rest, arg) {
			continue
		}
		out = append(out, arg)
	}
	return out
}

// findOurs finds our mount that an operand means: its mountpoint, or what the
// mount table shows as its source.
func findOurs(operand string) (path string, on *mountinfo.Info) {
	if path, err := resolve(operand); err == nil {
		if on, err := fusefs.MountAt(path); err == nil && ours(on) {
			return path, on
		}
	}
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Source != operand || !ours(m), false })
	if err != nil || len(mounts) == 0 {
		return "", nil
	}
	last := mounts[len(mounts)-1]
	return last.Mountpoint, last
}

// systemUmount runs the system's umount, or does its work where there is none.
func (o Options) systemUmount(ctx context.Context, args []string) int {
	program := o.systemProgram()
	if program == "" {
		return o.plainUmount(args)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Stdin, o.Stdout, o.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	default:
		o.fail("umount", err)
		return umountFailed
	}
}

// systemProgram finds umount(8), which must not be this program by that name.
func (o Options) systemProgram() string {
	candidates := []string{"/usr/bin/umount", "/bin/umount", "/usr/bin/umount.distrib"}
	if o.SystemUmount != "" {
		candidates = []string{o.SystemUmount}
	}
	self, err := os.Stat("/proc/self/exe")
	for _, name := range candidates {
		info, statErr := os.Stat(name)
		if statErr == nil && !info.IsDir() && (err != nil || !os.SameFile(self, info)) {
			return name
		}
	}
	return ""
}

// plainUmount is umount2(2) for each operand.
func (o Options) plainUmount(args []string) int {
	a := parseUmount(args)
	if a.foreign {
		fmt.Fprintln(o.Stderr, "umount: umount(8) is not installed: only umount [-l] [-f] MOUNTPOINT... works here")
		return umountUsage
	}
	code := 0
	flags := 0
	if a.lazy {
		flags |= unix.MNT_DETACH
	}
	for _, operand := range a.operands {
		path, err := resolve(operand)
		if err == nil {
			err = unix.Unmount(path, flags)
		}
		if errors.Is(err, unix.EINVAL) {
			err = errors.New("not mounted")
		}
		if err != nil {
			code = umountFailed
			if !a.quiet {
				o.fail("umount", fmt.Errorf("%s: %w", operand, err))
			}
		}
	}
	return code
}
