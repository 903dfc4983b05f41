package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/sshdial"
)

// remotesToCheck are those that are named, else those of the configuration;
// mounts that are up have shown that they work.
func remotesToCheck(c *Config, running []api.MountStatus, named []string) []api.MountSpec {
	var specs []api.MountSpec
	for _, r := range named {
		specs = append(specs, specOf(c, running, r))
	}
	if len(named) > 0 {
		return specs
	}
	for _, m := range c.Mounts {
		up := func(s api.MountStatus) bool { return s.Remote == m.Remote && s.State == api.StateUp }
		if !slices.ContainsFunc(running, up) {
			specs = append(specs, m.MountSpec)
		}
	}
	return specs
}

// specOf is the mount of that name, else a remote.
func specOf(c *Config, running []api.MountStatus, name string) api.MountSpec {
	all, _ := peekDesired(c.StateDir).merge(c.Mounts)
	if i := slices.IndexFunc(all, func(m Mount) bool { return sameName(m.Name, name) }); i >= 0 {
		return all[i].MountSpec
	}
	// The supervisor may have another configuration than the doctor was given.
	if i := slices.IndexFunc(running, func(m api.MountStatus) bool { return sameName(m.Name, name) }); i >= 0 {
		return api.MountSpec{Name: name, Remote: running[i].Remote}
	}
	return api.MountSpec{Remote: name}
}

// checkRemoteHost goes the way of a mount, step by step, with nobody to ask.
func checkRemoteHost(ctx context.Context, c *Config, m api.MountSpec, speed bool) []Finding {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	check := "remote " + m.Remote
	fail := func(err error, remedy string) []Finding {
		return []Finding{{check, VerdictFail, err.Error(), remedy}}
	}
	t, err := sshdial.ParseTarget(m.Remote)
	if err != nil {
		return fail(err, "write it as [USER@]HOST[:PATH]")
	}
	route, err := sshdial.Resolve(t, sshdial.Options{
		SSHDir: c.SSHDir, HomeDir: homeDirOf(c.SSHDir), Overrides: m.SSHOptions, Port: m.Port,
		IdentityFiles: m.IdentityFiles, ProxyJump: m.ProxyJump, AgentSocket: c.AgentSocket,
		AcceptedHostKeys: (&hostKeys{dir: c.StateDir, log: discardLog()}).lines(),
	})
	if err != nil {
		return fail(err, "change that line of ssh_config, or that option")
	}
	var fs []Finding
	for _, n := range route.Notes {
		fs = append(fs, Finding{check, VerdictNote, n, ""})
	}
	conn, err := route.Dial(ctx, nil)
	if err != nil {
		return append(fs, fail(err, dialRemedy(err))...)
	}
	defer conn.Close()
	info := conn.Info()
	fs = append(fs, Finding{check, VerdictOK, fmt.Sprintf("logged in as %s at %s (%s, %s, host key %s)", info.User, info.Addr, info.ServerVersion, info.Cipher, info.HostKeyFingerprint), ""})
	if rtt := roundTrip(ctx, conn); rtt > 0 {
		fs = append(fs, Finding{check, VerdictOK, "round-trip time " + rtt.Round(10*time.Microsecond).String(), ""})
	}
	channel, err := conn.OpenSFTP(ctx)
	if err != nil {
		return append(fs, fail(err, "the server needs `Subsystem sftp` in its sshd_config, allowed for this user")...)
	}
	session, err := sftp.New(ctx, channel, sftp.Options{})
	if err != nil {
		return append(fs, fail(err, "the server's SFTP service does not work: try `sftp` there")...)
	}
	defer session.Close()
	fs = append(fs, checkSFTP(check, session)...)
	fs = append(fs, checkFolder(ctx, check, session, info.User, t.Path))
	if speed {
		fs = append(fs, checkSpeed(whole, check, route)...)
	}
	return fs
}

// roundTrip is the best of a few: the first ones pay for what a fresh login
// still has to say. 0 is no answer.
func roundTrip(ctx context.Context, conn *sshdial.Conn) time.Duration {
	best := time.Duration(0)
	for range 4 {
		rtt, err := conn.Ping(ctx)
		if err != nil {
			break
		}
		if best == 0 || rtt < best {
			best = rtt
		}
	}
	return best
}

// checkSFTP tells which of the extensions that save time the server lacks.
func checkSFTP(check string, session *sftp.Client) []Finding {
	var lacks []string
	for _, e := range []string{"posix-rename@openssh.com", "fsync@openssh.com", "statvfs@openssh.com", "limits@openssh.com", "copy-data"} {
		if !session.Has(e) {
			lacks = append(lacks, e)
		}
	}
	if len(lacks) > 0 {
		return []Finding{{check, VerdictNote, fmt.Sprintf("the SFTP server lacks %v: everything works, some of it slower", lacks), ""}}
	}
	return []Finding{{check, VerdictOK, "the SFTP server has every extension that is of use", ""}}
}

// dialRemedy says what helps against a failed dial.
func dialRemedy(err error) string {
	var hk *sshdial.HostKeyError
	var auth *sshdial.AuthError
	switch {
	case errors.As(err, &hk) && hk.Changed:
		return "if the server was set up anew, take the old line out of known_hosts; otherwise somebody may be listening in"
	case errors.As(err, &hk):
		return "accept the host key: `sshfs-bridge mount` on a terminal asks for it"
	case errors.Is(err, sshdial.ErrNeedsPerson):
		return "a password or passphrase is needed: `sshfs-bridge mount` or `login` on a terminal asks for it"
	case errors.As(err, &auth):
		return "check the user name and the key, and that the server knows it"
	default:
		return "check the host's name, the port and the network"
	}
}
