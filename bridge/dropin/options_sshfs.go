package dropin

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"sshfs-bridge/bridge/api"
)

// sshfsOptions are sshfs's own, but for caches and ownership.
func sshfsOptions() []option {
	return []option{
		{name: "port", short: "-p", kind: kindNumber, arg: "PORT", note: "the SSH server's port", apply: applyPort},
		{name: "", short: "-F", kind: kindText, arg: "FILE", note: "an ssh_config file that wins over ~/.ssh/config",
			apply: func(p *plan, v string) error { p.configFile = v; return nil }},
		{name: "", short: "-C", kind: kindFlag, effect: noEffect, note: "data are not compressed: links and CPUs of today gain nothing from it"},
		{name: "", short: "-f", kind: kindFlag, note: "stay in the foreground until unmounted",
			apply: func(p *plan, _ string) error { p.foreground = true; return nil }},
		{name: "", short: "-s", kind: kindFlag, effect: noEffect, note: "requests are always served in parallel"},
		{name: "debug", short: "-d", kind: kindFlag, note: "stay in the foreground and log everything", apply: applyDebug},
		{name: "sshfs_debug", kind: kindFlag, note: "log everything, until the mount is up",
			apply: func(p *plan, _ string) error { p.debug = true; return nil }},
		{name: "sshfs_verbose", short: "-v", kind: kindFlag, note: "log what happens, until the mount is up (with -f: on and on)",
			apply: func(p *plan, _ string) error { p.verbose = true; return nil }},
		{name: "", short: "-1", kind: kindFlag, effect: refused, note: "SSH protocol 1 is broken and is not spoken"},
		word("reconnect", always, "a lost connection is made again, and open files go on", nil),
		word("delay_connect", honoured, "connect when the mountpoint is first used", func(p *plan) { p.spec.OnDemand = true }),
		word("no_check_root", noEffect, "the remote directory is looked for; -o delay_connect mounts without", nil),
		word("password_stdin", honoured, "read the password from standard input", func(p *plan) { p.passwordStdin = true }),
		word("sshfs_sync", noEffect, "close and fsync already report when the server has everything", nil),
		word("no_readahead", noEffect, "what is read ahead follows what is read", nil),
		word("sync_readdir", noEffect, "a listing is always complete before it is shown", nil),
		valued("max_conns", kindNumber, "N", noEffect, "connections and channels are opened as a transfer needs them", nil),
		valued("max_write", kindNumber, "N", noEffect, "the server's own limit is used", nil),
		valued("workaround", kindText, "LIST", noEffect, "colon separated; servers are asked what they can do", checkWorkaround),
		valued("ssh_command", kindText, "CMD", honoured, "\"ssh\" with options: they are taken over; no other program is run", applySSHCommand),
		valued("ssh_protocol", kindNumber, "N", always, "2 is spoken; 1 is refused", func(_ *plan, v string) error {
			if v != "2" {
				return fmt.Errorf("ssh_protocol=%s is not spoken: only 2 is", v)
			}
			return nil
		}),
		valued("sftp_server", kindText, "SERV", noEffect, "the server's subsystem sftp is used, and no command is run there", nil),
		valued("directport", kindNumber, "PORT", refused, "SFTP is only spoken inside SSH", nil),
		word("passive", refused, "SFTP is only spoken inside SSH, not on standard input and output", nil),
		word("slave", refused, "SFTP is only spoken inside SSH, not on standard input and output", nil),
		word("disable_hardlink", noEffect, "hard links work where the server has them", nil),
	}
}

func applyPort(p *plan, v string) error {
	port, err := strconv.Atoi(v)
	if err != nil || port < 1 || port > math.MaxUint16 {
		return fmt.Errorf("port %q is not a number from 1 to 65535", v)
	}
	if p.spec.Port == 0 { // the first one wins, as in ssh
		p.spec.Port = port
	}
	return nil
}

func applyDebug(p *plan, _ string) error {
	p.debug, p.foreground = true, true
	return nil
}

// checkWorkaround knows the names; all of them have no effect.
func checkWorkaround(_ *plan, v string) error {
	for name := range strings.SplitSeq(v, ":") {
		switch strings.TrimPrefix(name, "no") {
		case "ne", "all", "rename", "renamexdev", "truncate", "buflimit", "fstat", "createmode", "nodelay", "nodelaysrv", "delay", "delaysrv":
		default:
			return fmt.Errorf("workaround=%s: %q is none of none, rename, renamexdev, truncate, buflimit, fstat, createmode", v, name)
		}
	}
	return nil
}

// cacheOptions are those of sshfs's directory cache, by both of its names.
func cacheOptions() []option {
	strictUnless := func(p *plan, v string) error {
		if v == "no" {
			p.strict()
		}
		return nil
	}
	age := "names and attributes are at most so old (20 s); of several such options the least holds; below 1: ask the server each time"
	options := []option{
		valued("dir_cache", kindBool, "BOOL", honoured, "no: ask the server each time", strictUnless),
		valued("cache", kindBool, "BOOL", honoured, "the older name of dir_cache", strictUnless),
	}
	for _, prefix := range []string{"dcache_", "cache_"} {
		for _, name := range []string{"timeout", "stat_timeout", "link_timeout", "dir_timeout"} {
			options = append(options, valued(prefix+name, kindNumber, "N", honoured, age, timeout))
		}
		for _, name := range []string{"max_size", "clean_interval", "min_clean_interval"} {
			options = append(options, valued(prefix+name, kindNumber, "N", noEffect, "the cache is bounded by memory and cleans itself", nil))
		}
	}
	return append(options,
		word("direct_io", honoured, "keep nothing in memory beyond a file's last close", func(p *plan) { p.spec.Cache = "off" }),
		word("kernel_cache", noEffect, "the kernel keeps a file for as long as it is known not to have changed", nil),
		word("auto_cache", always, "the kernel drops a file that has changed", nil),
		word("noauto_cache", noEffect, "a file that has changed is never shown as it was", nil),
		valued("entry_timeout", kindSeconds, "T", honoured, age, timeout),
		valued("attr_timeout", kindSeconds, "T", honoured, age, timeout),
		valued("negative_timeout", kindSeconds, "T", honoured, age, timeout),
		valued("ac_attr_timeout", kindSeconds, "T", honoured, age, timeout),
	)
}

// timeout takes the least of the times for which sshfs and the kernel would keep what
// they know, in whole seconds that are no more: here all of it has one age.
func timeout(p *plan, v string) error {
	t, err := strconv.ParseFloat(v, 64)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no number of seconds", v)
	case t < 0:
		t = api.MaxCacheSeconds // sshfs takes it for a large number
	case t < 1:
		p.strict()
		return nil
	}
	s := int(min(t, api.MaxCacheSeconds))
	if p.spec.CacheSeconds == 0 || s < p.spec.CacheSeconds {
		p.spec.CacheSeconds = s
	}
	return nil
}

// ownerOptions say who owns files, and how links are shown.
func ownerOptions() []option {
	return []option{
		valued("uid", kindNumber, "N", honoured, "the owner of every file", func(p *plan, v string) error { return applyID(v, &p.spec.UID) }),
		valued("gid", kindNumber, "N", honoured, "the group of every file", func(p *plan, v string) error { return applyID(v, &p.spec.GID) }),
		valued("umask", kindOctal, "M", noEffect, "modes are shown as the server has them", nil),
		valued("idmap", kindText, "TYPE", honoured, "none: the remote's ids; user: every file is shown as yours; file: has no effect", applyIDMap),
		valued("uidfile", kindText, "FILE", noEffect, "ids are not mapped by a file: see uid and gid", nil),
		valued("gidfile", kindText, "FILE", noEffect, "ids are not mapped by a file: see uid and gid", nil),
		valued("nomap", kindText, "TYPE", noEffect, "ids are not mapped by a file: see uid and gid", oneOf("nomap", "ignore", "error")),
		word("follow_symlinks", honoured, "show what the server finds behind a link", func(p *plan) { p.follow = true }),
		word("transform_symlinks", honoured, "make absolute targets inside the remote directory relative", func(p *plan) { p.transform = true }),
		word("contain_symlinks", honoured, "no link that is absolute or has \"..\" can be followed (the default)", func(p *plan) { p.uncontained = false }),
		word("no_contain_symlinks", honoured, "links lead where the server says: only for servers that are trusted fully", func(p *plan) { p.uncontained = true }),
	}
}

func applyID(v string, out **uint32) error {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return fmt.Errorf("%q is no user or group number", v)
	}
	id := uint32(n)
	*out = &id
	return nil
}

func applyIDMap(p *plan, v string) error {
	switch v {
	case "none":
		p.idmapUser = false
	case "user":
		p.idmapUser = true
	case "file":
		p.note("-o idmap=file has no effect: ids are not mapped by a file (-o uid=N,gid=N sets one owner)")
	default:
		return fmt.Errorf("idmap=%s: want none, user or file", v)
	}
	return nil
}

// oneOf accepts one of the values and does nothing with it.
func oneOf(name string, values ...string) func(p *plan, v string) error {
	return func(_ *plan, v string) error {
		for _, want := range values {
			if v == want {
				return nil
			}
		}
		return fmt.Errorf("%s=%s: want %s", name, v, strings.Join(values, " or "))
	}
}

// callerIDs are the ids that idmap=user shows: who called, through sudo too.
func callerIDs() (uid, gid uint32) {
	id := func(name string, fallback int) uint32 {
		if n, err := strconv.ParseUint(os.Getenv(name), 10, 32); err == nil {
			return uint32(n)
		}
		return uint32(fallback)
	}
	return id("SUDO_UID", os.Getuid()), id("SUDO_GID", os.Getgid())
}
