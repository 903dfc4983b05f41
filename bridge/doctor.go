package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
	"sshfs-bridge/smbconf"
)

// Verdict sorts a finding.
type Verdict string

// The verdicts.
const (
	VerdictOK   Verdict = "ok"
	VerdictNote Verdict = "note" // worth knowing, nothing is wrong
	VerdictFail Verdict = "FAIL"
)

// Finding is one thing that Diagnose looked at.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Finding says what is, Remedy what to do.
	Finding string `json:"finding"`
	Remedy  string `json:"remedy,omitempty"`
}

// DiagnoseOptions are what Diagnose looks at.
type DiagnoseOptions struct {
	Config      Config
	ConfigError error          // what LoadConfig said
	Client      *client.Client // of the running supervisor, if there is one
	Remotes     []string       // to look at instead of the mounts, by their names too
	Speed       bool           // measure the throughput of Remotes, some seconds each
	Progress    func(string)   // hears of what takes a while; nil tells nobody
}

// Diagnose looks at the machine, the supervisor and the remotes. It changes
// nothing, and takes at most about twenty seconds, more with Speed.
func Diagnose(ctx context.Context, o DiagnoseOptions) []Finding {
	if o.ConfigError != nil && o.Config.StateDir == "" { // nothing of it could be used
		o.Config = DefaultConfig()
	}
	fs := []Finding{checkConfig(o.ConfigError), checkDevFUSE(), checkCapability(), checkDir("state directory", o.Config.StateDir, "--state-dir"), checkDir("run directory", o.Config.RunDir, "--run-dir")}
	st, err := o.Client.Status(ctx)
	running := err == nil
	fs = append(fs, checkSMBD(ctx, &o.Config))
	if running {
		fs = append(fs, checkRunning(st)...)
	} else {
		fs = append(fs, Finding{"supervisor", VerdictNote, err.Error(), ""})
		fs = append(fs, checkPorts(ctx, &o.Config)...)
	}
	fs = append(fs, checkSSHDir(&o.Config))
	specs := remotesToCheck(&o.Config, st.Mounts, o.Remotes)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Speed { // one at a time: they would share the link and the processor
		for _, m := range specs {
			o.Progress("measuring " + m.Remote + ", some seconds")
			fs = append(fs, checkRemoteHost(ctx, &o.Config, m, true)...)
		}
		return fs
	}
	results := make(chan struct {
		i int
		f []Finding
	}, len(specs))
	for i, m := range specs {
		go func() {
			results <- struct {
				i int
				f []Finding
			}{i, checkRemoteHost(ctx, &o.Config, m, false)}
		}()
	}
	found := make([][]Finding, len(specs))
	slow := time.NewTimer(progressAfter)
	defer slow.Stop()
	for left := len(specs); left > 0; {
		select {
		case r := <-results:
			found[r.i] = r.f
			left--
		case <-slow.C:
			o.Progress(fmt.Sprintf("waiting for %d of %d remotes", left, len(specs)))
		}
	}
	for _, f := range found {
		fs = append(fs, f...)
	}
	return fs
}

// progressAfter is how long remotes may take before that is told.
const progressAfter = 2 * time.Second

func checkConfig(err error) Finding {
	if err != nil {
		return Finding{"configuration", VerdictFail, err.Error(), "mend the file; `sshfs-bridge config check` shows what is left"}
	}
	return Finding{"configuration", VerdictOK, "nothing is wrong", ""}
}

func checkDevFUSE() Finding {
	err := checkFUSE()
	if err == nil {
		return Finding{"/dev/fuse", VerdictOK, "can be opened", ""}
	}
	var e *api.Error
	if errors.As(err, &e) {
		return Finding{"/dev/fuse", VerdictFail, e.Message, e.Hint}
	}
	return Finding{"/dev/fuse", VerdictFail, err.Error(), ""}
}

// checkCapability looks at the effective capabilities of this process.
func checkCapability() Finding {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return Finding{"capabilities", VerdictFail, "cannot be read: " + err.Error(), "report this: every Linux tells them"}
	}
	var missing []string
	for _, c := range []struct {
		bit  int
		name string
	}{{unix.CAP_SYS_ADMIN, "SYS_ADMIN (to mount)"}, {unix.CAP_SETUID, "SETUID"}, {unix.CAP_SETGID, "SETGID (to run workers and smbd as others)"}, {unix.CAP_KILL, "KILL (to end them)"}} {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		return Finding{
			"capabilities", VerdictFail, "missing: " + strings.Join(missing, ", "),
			"in Docker: docker run --privileged (or --cap-add SYS_ADMIN, SETUID, SETGID, KILL); on a host: run as root",
		}
	}
	return Finding{"capabilities", VerdictOK, "all that are needed are there", ""}
}

func checkSMBD(ctx context.Context, c *Config) Finding {
	if !c.SMB.Enabled {
		return Finding{"smbd", VerdictNote, "switched off by configuration", ""}
	}
	v, err := smbconf.DetectVersion(ctx, c.SMB.Program)
	if err != nil {
		return Finding{"smbd", VerdictFail, err.Error(), "apt-get install samba, or set smb.program"}
	}
	sc, err := c.SMBConf(v, c.Mounts)
	if err != nil {
		return Finding{"smbd", VerdictFail, err.Error(), "choose an account that is there (uid, gid), or make one"}
	}
	if err := testparm(ctx, c.SMB.Program, sc); errors.Is(err, errUntried) {
		return Finding{"smbd", VerdictOK, "Samba " + v.String() + "; " + err.Error(), ""}
	} else if err != nil {
		return Finding{"smbd", VerdictFail, "Samba refuses our smb.conf: " + err.Error(), "report this with the output of `sshfs-bridge config smb`"}
	}
	return Finding{"smbd", VerdictOK, "Samba " + v.String() + ", its smb.conf passes testparm", ""}
}

func checkPorts(ctx context.Context, c *Config) []Finding {
	if !c.SMB.Enabled {
		return nil
	}
	var fs []Finding
	for _, addr := range c.smbListen() {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			fs = append(fs, Finding{"port " + addr, VerdictFail, err.Error(), "stop what listens there (ss -ltnp), or choose other ports: smb.ports"})
			continue
		}
		l.Close()
		fs = append(fs, Finding{"port " + addr, VerdictOK, "is free", ""})
	}
	return fs
}

func checkRunning(st api.Status) []Finding {
	fs := []Finding{{"supervisor", VerdictOK, fmt.Sprintf("runs as pid %d, version %s", st.PID, st.Version), ""}}
	switch {
	case st.SMB.State == "off":
	case st.Ready:
		fs = append(fs, Finding{"shares", VerdictOK, "smbd answers, published as " + st.HubURL, ""})
	default:
		fs = append(fs, Finding{"shares", VerdictFail, "smbd is " + st.SMB.State + ": " + st.SMB.Cause, "`sshfs-bridge logs` says more"})
	}
	for _, addr := range st.SMB.Refused {
		fs = append(fs, Finding{"clients", VerdictNote, "a client at " + addr + " was refused", "if it is yours, let it in: smb.hosts_allow: [" + addr + "]"})
	}
	if st.SMB.Auth == "guest" {
		fs = append(fs, Finding{"login", VerdictNote, "every program on this machine may use the shares", "set smb.auth to password where that is too much"})
	}
	for _, p := range st.Problems {
		fs = append(fs, Finding{"supervisor", VerdictFail, p, "when that is mended it goes on by itself; `sshfs-bridge logs --level warn` says more"})
	}
	for _, m := range st.Mounts {
		if m.State.Good() {
			fs = append(fs, Finding{"mount " + m.Name, VerdictOK, string(m.State) + ": " + m.Remote, ""})
			continue
		}
		remedy := "nothing needs to be done but to make the server reachable: it is tried again by itself"
		switch m.State {
		case api.StateNeedsLogin:
			remedy = "run `sshfs-bridge login " + m.Name + "` on a terminal"
		case api.StateDown:
			remedy = "mend that, then run `sshfs-bridge login " + m.Name + "`"
		case api.StateFailed:
			remedy = "`sshfs-bridge logs " + m.Name + "` says why, `sshfs-bridge login " + m.Name + "` tries again at once"
		case api.StateMounting, api.StateConnecting, api.StateUnmounting:
			remedy = "look again in some seconds"
		}
		fs = append(fs, Finding{"mount " + m.Name, VerdictFail, string(m.State) + ": " + m.Cause, remedy})
	}
	return fs
}

// checkDir looks whether a directory can take what must be kept in it.
func checkDir(check, dir, flag string) Finding {
	elsewhere := "make it writable, or choose another one (" + flag + ")"
	var st unix.Statfs_t
	switch err := unix.Access(dir, unix.W_OK|unix.X_OK); {
	case errors.Is(err, unix.ENOENT):
		return Finding{check, VerdictOK, dir + " is not there yet, serve makes it", ""}
	case err != nil:
		return Finding{check, VerdictFail, dir + " cannot be written: " + err.Error(), elsewhere}
	case unix.Statfs(dir, &st) == nil && (st.Bavail == 0 || st.Files > 0 && st.Ffree == 0):
		return Finding{check, VerdictFail, dir + " is full: what is changed by command cannot be kept", "make room there, or choose another one (" + flag + ")"}
	}
	return Finding{check, VerdictOK, dir + " can be written", ""}
}

func checkSSHDir(c *Config) Finding {
	entries, err := os.ReadDir(c.SSHDir)
	if err != nil {
		return Finding{"SSH directory", VerdictNote, c.SSHDir + " cannot be read: " + reason(err), "in Docker: -v ~/.ssh:/ssh:ro; elsewhere: ssh_dir"}
	}
	return Finding{"SSH directory", VerdictOK, fmt.Sprintf("%s holds %d files", c.SSHDir, len(entries)), ""}
}
