package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs/sshdial"
)

type mountOptions struct {
	spec       api.MountSpec
	options    []string
	identities []string
	uid, gid   int64
	keep       bool
	noWait     bool
}

func (o *mountOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVarP(&o.spec.ReadOnly, "read-only", "r", false, "refuse every change")
	f.IntVarP(&o.spec.Port, "port", "p", 0, "port of the SSH server")
	f.StringArrayVarP(&o.identities, "identity", "i", nil, "private key, as the supervisor sees it (~/.ssh is its SSH directory; may be repeated)")
	f.StringVarP(&o.spec.ProxyJump, "jump", "J", "", "jump hosts, as ssh -J ([USER@]HOST[:PORT],...)")
	f.StringArrayVarP(&o.options, "option", "o", nil, "option of ssh or sshfs: KEYWORD=VALUE, ro, uid=N, gid=N (may be repeated)")
	f.Int64Var(&o.uid, "uid", -1, "owner of every file")
	f.Int64Var(&o.gid, "gid", -1, "group of every file")
	f.BoolVar(&o.spec.RemoteIDs, "remote-ids", false, "show the server's own owners and modes")
	f.StringVar(&o.spec.Cache, "cache", "", "default, strict (ask the server always) or off")
	f.StringVar(&o.spec.Symlinks, "symlinks", "", "xsym (as a Mac reads them), resolve, contained, raw, follow, transform or transform-contained")
	f.StringVar(&o.spec.AgentSocket, "agent", "", "socket of an ssh-agent")
	f.BoolVar(&o.spec.OnDemand, "on-demand", false, "connect at the first use")
	f.IntVar(&o.spec.IdleSeconds, "idle", 0, "close the connection after so many seconds without use")
	f.BoolVar(&o.keep, "keep-trying", false, "keep the mount although it cannot be reached now, and go on trying")
	f.BoolVar(&o.noWait, "no-wait", false, "do not wait until it is up, and keep it")
}

func newMountCommand(g *global) *cobra.Command {
	var o mountOptions
	c := &cobra.Command{
		Use:   "mount [USER@]HOST[:PATH] [NAME]",
		Short: "Add a mount, and wait until it is up",
		Long: `mount adds a directory of an SSH server and waits until it is up, or says
exactly why it is not. Passwords, passphrases, one-time codes and unknown host
keys are asked for on the terminal. Without PATH it is the home directory;
without NAME the last part of the path, or the host, is the name of the share.

A mount that comes up is kept: it is there again after a restart, until it is
unmounted. One that fails the first time is not kept, unless --keep-trying says
so.

EXIT STATUS
  0  the mount is up
  2  the command line makes no sense
  4  no supervisor answers
  5  the mount is not up, with the reason`,
		Example: `  sshfs-bridge mount alice@nas.example.com:/srv/media
  sshfs-bridge mount -p 2222 -i ~/.ssh/id_backup backup@host:/data Backup
  sshfs-bridge mount --read-only -J bastion.example.com build01:/var/log logs
  docker exec -it sshfs-bridge sshfs-bridge mount nas`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error { return runMount(c.Context(), g, &o, args) },
	}
	o.addFlags(c.Flags())
	return c
}

// request makes the request of the flags and arguments.
func (o *mountOptions) request(args []string) (api.MountRequest, error) {
	spec := o.spec
	spec.Remote = args[0]
	if len(args) > 1 {
		spec.Name = args[1]
		if err := bridge.CheckName(spec.Name); err != nil {
			return api.MountRequest{}, &usageError{err}
		}
	}
	if _, err := sshdial.ParseTarget(spec.Remote); err != nil {
		return api.MountRequest{}, &usageError{fmt.Errorf("%w: USER@HOST:PATH is what a remote looks like", err)}
	}
	for _, id := range o.identities {
		spec.IdentityFiles = append(spec.IdentityFiles, identityPath(id))
	}
	for _, v := range o.options {
		if err := applyOption(&spec, v); err != nil {
			return api.MountRequest{}, &usageError{fmt.Errorf("-o %s: %w", v, err)}
		}
	}
	for _, id := range []struct {
		flag string
		v    int64
		out  **uint32
	}{{"uid", o.uid, &spec.UID}, {"gid", o.gid, &spec.GID}} {
		if id.v == -1 {
			continue
		}
		if id.v < 0 || id.v >= 1<<32-1 {
			return api.MountRequest{}, &usageError{fmt.Errorf("--%s: %d is no number of a user or group", id.flag, id.v)}
		}
		n := uint32(id.v)
		*id.out = &n
	}
	return api.MountRequest{Spec: spec, KeepTrying: o.keep, NoWait: o.noWait}, nil
}

// identityPath is a key as the worker shall look for it: a path that the shell
// has made of ~/.ssh goes back to that, because the supervisor's SSH directory
// may be elsewhere.
func identityPath(path string) string {
	if home, err := os.UserHomeDir(); err == nil {
		if rel, err := filepath.Rel(filepath.Join(home, ".ssh"), path); err == nil && filepath.IsLocal(rel) {
			return "~/.ssh/" + rel
		}
	}
	return path
}

func runMount(ctx context.Context, g *global, o *mountOptions, args []string) error {
	req, err := o.request(args)
	if err != nil {
		return err
	}
	t := openTerminal()
	defer t.close()
	st, err := g.client().Mount(ctx, req, g.progress(req.Spec.Remote), t.asker())
	if err != nil {
		return err
	}
	return g.printMounted(st, o.keep || o.noWait)
}

// progress tells on standard error what goes on while a command waits.
func (g *global) progress(remote string) func(api.Event) {
	if g.json {
		return nil
	}
	return func(e api.Event) {
		switch {
		case e.Kind == api.EventState && e.State == api.StateConnecting && e.Previous != api.StateConnecting:
			g.notef("connecting to %s ...\n", remote)
		case e.Kind == api.EventHostKey:
			g.notef("accepted the host key: %s\n", e.Message)
		case e.Kind == api.EventNote:
			g.notef("note: %s\n", e.Message)
		}
	}
}

// printMounted tells how to get at a mount.
func (g *global) printMounted(st api.MountStatus, lenient bool) error {
	if g.json {
		if err := g.printJSON(st); err != nil {
			return err
		}
	} else {
		g.printf("%s is %s: %s\n", st.Name, st.State, st.Remote)
		if st.Cause != "" {
			g.printf("  %s\n", st.Cause)
		}
		if st.URL == "" {
			g.printf("  mounted at %s\n", st.Mountpoint)
		} else {
			g.printf("%s\nopen %s\n", st.URL, st.URL)
		}
	}
	if !st.State.Good() && !lenient {
		return &codeError{code: exitDegraded}
	}
	return nil
}
