package dropin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sshfs-bridge/fusefs"
)

const fusermountHelp = `fusermount: [options] mountpoint
Options:
 -h		    print help
 -V		    print version
 -u		    unmount
 -q		    quiet
 -z		    lazy unmount
`

// fusermountArgs is what a command line of fusermount asks for.
type fusermountArgs struct {
	unmount, lazy, quiet, help, version bool
	mountpoint                          string
}

func parseFusermount(args []string) (fusermountArgs, error) {
	var a fusermountArgs
	var operands []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			operands = append(operands, args[i+1:]...)
			i = len(args)
		case arg == "--help":
			a.help = true
		case arg == "--version":
			a.version = true
		case len(arg) < 2 || arg[0] != '-':
			operands = append(operands, arg)
		default:
			for _, c := range arg[1:] {
				switch c {
				case 'u':
					a.unmount = true
				case 'z':
					a.lazy = true
				case 'q':
					a.quiet = true
				case 'h':
					a.help = true
				case 'V':
					a.version = true
				default:
					return a, usagef("unknown option %q: -u, -z and -q unmount, sshfs mounts", arg)
				}
			}
		}
	}
	switch {
	case a.help || a.version:
		return a, nil
	case len(operands) == 0:
		return a, usagef("missing mountpoint argument")
	case len(operands) > 1:
		return a, usagef("extra arguments after the mountpoint: %s", strings.Join(operands[1:], " "))
	case a.lazy && !a.unmount:
		return a, usagef("-z can only be used with -u")
	case !a.unmount:
		return a, usagef("only -u is done here: fusermount -u %s (to mount, use sshfs)", operands[0])
	}
	a.mountpoint = operands[0]
	return a, nil
}

// Fusermount is fusermount(1) and fusermount3(1) with -u [-z] [-q]: it
// returns 0 when the mount is gone and what was written has reached the
// server.
func Fusermount(ctx context.Context, args []string, o Options) int {
	o = o.withDefaults()
	a, err := parseFusermount(args)
	switch {
	case err != nil:
		return o.fail("fusermount", err)
	case a.help:
		fmt.Fprint(o.Stdout, fusermountHelp)
		return 0
	case a.version:
		fmt.Fprintf(o.Stdout, "fusermount3 version: 3.14.0 (sshfs-bridge %s)\n", o.Version)
		return 0
	}
	err = o.fusermount(ctx, a)
	switch {
	case err == nil:
		return 0
	case a.quiet:
		return 1
	default:
		return o.fail("fusermount", err)
	}
}

func (o Options) fusermount(ctx context.Context, a fusermountArgs) error {
	path, err := resolve(a.mountpoint)
	if err != nil {
		return fmt.Errorf("bad mount point %s: %w", a.mountpoint, err)
	}
	on, err := fusefs.MountAt(path)
	switch {
	case err != nil:
		return err
	case on == nil:
		return fmt.Errorf("%s is not mounted", path)
	case ours(on):
		return o.unmountOurs(ctx, path, on, a.lazy)
	case on.FSType != "fuse" && on.FSType != "fuseblk" && !strings.HasPrefix(on.FSType, "fuse."):
		return fmt.Errorf("%s is a mount of type %s, not of FUSE", path, on.FSType)
	}
	flags := unix.UMOUNT_NOFOLLOW
	if a.lazy {
		flags |= unix.MNT_DETACH
	}
	switch err := unix.Unmount(path, flags); {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: unmounting needs root", path)
	case err != nil:
		return fmt.Errorf("failed to unmount %s: %w", path, err)
	}
	return nil
}
