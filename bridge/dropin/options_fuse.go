package dropin

import (
	"fmt"
	"math"
	"strconv"

	"golang.org/x/sys/unix"
)

// fuseOptions are those of libfuse.
func fuseOptions() []option {
	return []option{
		word("allow_other", honoured, "let other users in (without it the mount is for the caller only)", func(p *plan) { p.allowOther = true }),
		word("allow_root", honoured, "let root in beside the caller", nil),
		word("default_permissions", honoured, "let the kernel check modes and owners", func(p *plan) { p.defaultPermissions = true }),
		valued("fsname", kindText, "NAME", honoured, "the name in the mount table; not where a supervisor mounts", func(p *plan, v string) error { p.fsname = v; return nil }),
		valued("subtype", kindText, "NAME", noEffect, "the type is always fuse.sshfs-bridge", nil),
		valued("max_read", kindNumber, "N", honoured, "the largest read request of the kernel; not where a supervisor mounts", applyMaxRead),
		word("auto_unmount", always, "the mount goes when its process ends", nil),
		word("nonempty", honoured, "do not mention that the mountpoint holds files", func(p *plan) { p.nonempty = true }),
		word("no_rofd_flush", noEffect, "closing a file that was only read asks nothing of the server", nil),
		word("noforget", noEffect, "inode numbers stay the same anyhow", nil),
		valued("remember", kindSeconds, "T", noEffect, "inode numbers stay the same anyhow", nil),
		valued("modules", kindText, "M1[:M2...]", refused, "libfuse's modules would change which files are shown: put the directory after the host's colon", nil),
		valued("max_background", kindNumber, "N", noEffect, "the kernel's queue follows the work", nil),
		valued("congestion_threshold", kindNumber, "N", noEffect, "the kernel's queue follows the work", nil),
		valued("max_readahead", kindNumber, "N", noEffect, "what is read ahead follows what is read", nil),
		valued("max_threads", kindNumber, "N", noEffect, "requests are served in parallel", nil),
		valued("max_idle_threads", kindNumber, "N", noEffect, "requests are served in parallel", nil),
		word("clone_fd", noEffect, "requests are served in parallel", nil),
		word("async_read", always, "reads are sent in parallel", nil),
		word("sync_read", noEffect, "reads are sent in parallel", nil),
		word("atomic_o_trunc", always, "opening and truncating is one request", nil),
		word("writeback_cache", noEffect, "close must report what the server says", nil),
	}
}

func applyMaxRead(p *plan, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return fmt.Errorf("max_read=%s is no size in bytes", v)
	}
	p.maxRead = n
	return nil
}

// mountOptions are those of mount(8).
func mountOptions() []option {
	mflag := func(name string, set uintptr, note string) option {
		return word(name, honoured, note, func(p *plan) { p.mountFlags |= set })
	}
	clear := func(name string, off uintptr, note string) option {
		return word(name, honoured, note, func(p *plan) { p.mountFlags &^= off })
	}
	fstab := "meant for fstab, mount or systemd"
	options := []option{
		word("ro", honoured, "refuse every change", func(p *plan) { p.spec.ReadOnly = true }),
		word("rw", honoured, "allow changes", func(p *plan) { p.spec.ReadOnly = false }),
		mflag("noexec", unix.MS_NOEXEC, "run no programs from here"),
		clear("exec", unix.MS_NOEXEC, "programs may be run from here"),
		mflag("noatime", unix.MS_NOATIME, "reading changes no time stamps"),
		clear("atime", unix.MS_NOATIME, "the server decides about time stamps of reading"),
		mflag("nodiratime", unix.MS_NODIRATIME, "listing changes no time stamps"),
		clear("diratime", unix.MS_NODIRATIME, "the server decides about time stamps of listing"),
		word("relatime", elsewhere, "the server decides about time stamps of reading", nil),
		word("norelatime", elsewhere, "the server decides about time stamps of reading", nil),
		word("strictatime", elsewhere, "the server decides about time stamps of reading", nil),
		word("nosuid", always, "set-uid programs of a remote have no power here", nil),
		word("suid", noEffect, "set-uid programs of a remote have no power here", nil),
		word("nodev", always, "device files of a remote are no devices here", nil),
		word("dev", noEffect, "device files of a remote are no devices here", nil),
		word("sync", noEffect, "close and fsync already report when the server has everything", nil),
		word("dirsync", always, "changes of names wait for the server", nil),
		word("async", always, "writes wait for the server when a file is closed", nil),
	}
	for _, name := range []string{"defaults", "auto", "noauto", "_netdev", "nofail", "user", "nouser", "users", "owner", "group", "blkdev"} {
		options = append(options, word(name, elsewhere, fstab, nil))
	}
	for _, name := range []string{"user", "comment", "context", "fscontext", "defcontext", "rootcontext"} {
		options = append(options, valued(name+"=", kindText, "TEXT", elsewhere, fstab, nil))
	}
	return options
}

// oldOptions are those of sshfs 2, libfuse 2 and macFUSE, which many scripts
// still hold.
func oldOptions() []option {
	quiet := func(name, note string) option { return word(name, noEffect, note, nil) }
	mac := "only means something on macOS"
	return []option{
		quiet("intr", "requests can always be interrupted"),
		quiet("nointr", "requests can always be interrupted"),
		valued("intr_signal", kindNumber, "N", noEffect, "requests can always be interrupted", nil),
		word("big_writes", always, "writes are as large as the kernel makes them", nil),
		word("large_read", always, "reads are as large as the kernel makes them", nil),
		quiet("hard_remove", "a file that is open and removed is removed on the server"),
		quiet("use_ino", "SFTP tells no inode numbers"),
		quiet("readdir_ino", "SFTP tells no inode numbers"),
		quiet("nopath", "paths are always known"),
		quiet("nolocalcaches", mac), quiet("noappledouble", mac+"; what a Mac writes through SMB is kept locally"),
		quiet("noapplexattr", mac), quiet("defer_permissions", mac), quiet("auto_xattr", mac), quiet("local", mac),
		quiet("nobrowse", mac), quiet("noubc", mac), quiet("novncache", mac), quiet("negative_vncache", mac),
		quiet("extended_security", mac), quiet("allow_recursion", mac),
		valued("volname", kindText, "NAME", noEffect, mac+"; the share's name is the volume's", nil),
		valued("volicon", kindText, "FILE", noEffect, mac, nil),
		valued("iosize", kindNumber, "N", noEffect, mac, nil),
		valued("daemon_timeout", kindNumber, "N", noEffect, mac+"; every operation has a deadline of its own", nil),
	}
}
