package smbconf

import (
	"strconv"
	"strings"
)

// setting is one line of a section, with the reason for it and where the reason
// comes from: a manual page, Samba's or Apple's source, what was measured or seen
// here (docs/samba.md), or "ours", a choice that needs no authority.
type setting struct{ name, value, why, source string }

// The sources that are named most.
const (
	man      = "man smb.conf"
	manFruit = "man vfs_fruit"
	measured = "measured: docs/samba.md"
	ours     = "ours"
)

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// globalSettings are the [global] section: who may connect and log in, where
// smbd keeps its things, and what is switched off because nothing here needs it.
func (c Config) globalSettings() []setting {
	var out []setting
	for _, group := range [][]setting{
		c.identitySettings(), c.networkSettings(), c.loginSettings(), c.protocolSettings(),
		c.switchedOff(), c.directorySettings(), c.logSettings(), c.fruitSettings(),
	} {
		out = append(out, group...)
	}
	return out
}

func (c Config) identitySettings() []setting {
	return []setting{
		{"server role", "standalone server", "No domain: this server knows its own accounts only.", man},
		{"workgroup", c.Workgroup, "The name of no domain, which every server has to have.", man},
		{"netbios name", c.NetBIOSName, "Fixed, because the machine's SID is kept under this name and a container's host name changes " +
			"with each container.", "source: passdb/machine_account_secrets.c"},
		{"server string", "sshfs-bridge", "The default tells every caller Samba's version.", man},
	}
}

func (c Config) networkSettings() []setting {
	ports := make([]string, len(c.Ports))
	for i, p := range c.Ports {
		ports[i] = strconv.Itoa(p)
	}
	out := []setting{
		{"smb ports", strings.Join(ports, " "), "Finder connects to 445, older instructions to 139; a fixed list, because without NetBIOS " +
			"smbd would choose by itself.", man},
	}
	if len(c.Interfaces) > 0 {
		out = append(out,
			setting{"interfaces", strings.Join(c.Interfaces, " "), "smbd listens on these and nowhere else: what is not bound cannot be reached.", man},
			setting{"bind interfaces only", "yes", "Otherwise \"interfaces\" only chooses names for broadcasts.", man})
	}
	return append(out,
		setting{"hosts allow", strings.Join(c.HostsAllow, " "), "Checked when a connection is accepted, before anything of it is read; everybody else is refused.",
			man + "; source: smbd/process.c"},
		setting{"disable netbios", "yes", "No broadcasts, no browsing, no nmbd: the URL names the server.", man},
		setting{"name resolve order", "host", "As nobody is to be asked by broadcast.", man},
		setting{"server multi channel support", "no", "It would tell a Mac the addresses of this machine's interfaces, which it cannot reach; guests " +
			"cannot use it either (default yes since 4.15).", man + "; Apple's smb_iod.c"},
	)
}

// loginSettings differ by Auth. Signing keys come from the login, so a guest
// session cannot be signed: "mandatory" would shut guests out.
func (c Config) loginSettings() []setting {
	out := []setting{
		{"security", "user", "Each session has its user, be it guest.", man},
		{"passdb backend", "tdbsam", "One account at most; kept in the private directory.", man},
	}
	if c.Auth == AuthPassword {
		return append(out,
			setting{"map to guest", "Never", "A wrong name or password is refused and never becomes a guest.", man},
			setting{"restrict anonymous", "2", "Without the password not even the names of the shares.", man},
			setting{"server signing", "mandatory", "The password yields a signing key, and macOS signs when asked: nobody on the way can alter " +
				"a session.", man + "; Apple's smb_gss.c"},
		)
	}
	return append(out,
		setting{"map to guest", "Bad User", "An unknown user name is a guest; macOS logs in as \"Guest\". The prior art has it too.", man},
		setting{"guest account", "nobody", "Not the account of the files: Samba gives the guest account the SID of Guest (RID 501), the files' owner maps to it, " +
			"and force user's token holds another SID, so that every write is refused.", "seen with 4.17"},
	)
}

func (c Config) protocolSettings() []setting {
	out := []setting{
		{"server min protocol", "SMB2_10", "SMB1 is unsafe and gone from macOS; SMB 2.1 is what every Mac since OS X 10.9 speaks.",
			"CVE-2021-44141 and its kind are SMB1 only"},
		{"client min protocol", "SMB2_10", "For Samba's own tools, as above.", man},
		{"host msdfs", "no", "No DFS referrals: Finder failed on them with Samba 4.22.0.", "Samba bug 15843"},
		{"smb2 leases", "yes", "Leases let a Mac keep a file open and cache it between an application's opens; only clients of this smbd " +
			"break them, so shares with cache \"strict\" grant none.", "source: locking/leases_db.c"},
	}
	if c.Version.AtLeast(4, 22) {
		out = append(out, setting{"smb3 unix extensions", "no", "They show POSIX modes and real symlinks instead of what fruit shows, and macOS does not " +
			"ask for them (default yes since 4.23).", man})
		out = append(out, setting{"smb3 directory leases", "no", "A change on the remote breaks no lease, so a leased listing would stay old; change " +
			"notification refreshes Finder instead (new in 4.22).", man})
	}
	return out
}

// switchedOff is what a file server for a few volumes does not need; each would
// be a process, a socket or code that parses a stranger's bytes.
func (c Config) switchedOff() []setting {
	return []setting{
		{"load printers", "no", "No printing: no spooler process, and nothing of its attack surface.", "CVE-2026-4480"},
		{"printing", "bsd", "As above: the kind of printing that looks for no print server.", man},
		{"printcap name", "/dev/null", "As above: no printers to find.", man},
		{"disable spoolss", "yes", "As above: no requests to print, either.", man},
		{"usershare max shares", "0", "Shares are made by the supervisor alone.", man},
		{"idmap config * : range", "1000000-1999999", "Not used, but smbd complains at each connection when it is missing.", "seen with 4.17"},
	}
}

func (c Config) directorySettings() []setting {
	out := []setting{
		{"private dir", c.Dirs.Private, "The machine's identity and the passdb, which last.", man},
	}
	const why = "Every directory that smbd writes to is named, so that the root file system can be read only."
	for _, d := range []struct{ name, dir string }{
		{"lock directory", c.Dirs.Lock}, {"state directory", c.Dirs.State}, {"cache directory", c.Dirs.Cache},
		{"pid directory", c.Dirs.PID}, {"ncalrpc dir", c.Dirs.NCALRPC},
	} {
		out = append(out, setting{d.name, d.dir, why, man})
	}
	return out
}

// logSettings: the supervisor turns smbd's lines into records; the log file is
// for the RPC helpers that smbd starts.
func (c Config) logSettings() []setting {
	return []setting{
		{"log level", strconv.Itoa(c.LogLevel), "1 tells who is refused, and what goes wrong.", man},
		{"log file", c.Dirs.Log + "/helpers.log", "For the helpers that list shares; smbd itself is told another place.", ours},
		{"max log size", "1024", "In KiB; one old file is kept, so the run directory cannot fill up.", man},
		{"enable core files", "no", "A core would hold what passed through smbd, and fill the run directory.", man},
		{"debug pid", "yes", "Says which client's smbd process wrote a line.", man},
	}
}

// fruitSettings are the options of vfs_fruit that smbd reads from [global] only.
func (c Config) fruitSettings() []setting {
	return []setting{
		{"fruit:aapl", "yes", "Apple's protocol extension: a listing brings sizes, dates and Finder's metadata with it, where a Mac would " +
			"otherwise ask for each entry.", manFruit + "; Apple's smbfs_smb_2.c"},
		{"fruit:model", "MacSamba", "The icon in Finder.", manFruit},
		{"fruit:nfs_aces", "no", "Otherwise a Mac sends a chmod for each copied file; modes are the server's own affair.", manFruit},
		{"fruit:copyfile", "no", "One blocking call for a whole file would stall every other request of the same Mac; it copies in pieces " +
			"instead, which are copied on the server just the same.", manFruit},
	}
}
