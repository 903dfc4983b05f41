package e2e

// trial is a setting of ours with another value than ours: what Samba has by
// default, or what others recommend. "" is Samba's default.
type trial struct {
	setting string // as the table calls it
	with    changes
	since   int // the minor version of Samba 4 that has it
	why     string
}

// trials are the settings of FIELD.md 4 and those that smbd's work on a file
// depends on besides. Each is tried against what is rendered for this smbd, one at
// a time; why is what we chose, with the reason.
func trials() []trial {
	one := func(name, value, why string) trial {
		shown := value
		if value == "" {
			shown = "(default)"
		}
		return trial{setting: name + " = " + shown, with: changes{name: value}, why: why}
	}
	since := func(minor int, t trial) trial {
		t.since = minor
		return t
	}
	return []trial{
		one("vfs objects", "catia fruit", "With a streams module: without one smbd offers no metadata in listings (a Mac then asks for each entry), and Finder's metadata cannot be kept."),
		one("vfs objects", "", "catia and fruit with it: names that only a Mac allows, and Apple's extension."),
		one("fruit:aapl", "no", "Yes. Without it a Mac asks for each entry of a listing; our client does not, so the count does not show it."),
		one("readdir_attr:aapl_finder_info", "no", "Yes: without it a listing says that no file has labels, an icon of its own or the invisible flag. One question an entry, answered from memory."),
		one("readdir_attr:aapl_rsize", "no", "Yes: without it a listing says that no file has a resource fork. As above."),
		one("readdir_attr:aapl_max_access", "yes", "No: every file may be tried; the server's refusal is the answer."),
		one("fruit:metadata", "netatalk", "Stream: no question less, and no conversion between two forms."),
		one("fruit:resource", "stream", "File: a resource fork is `._NAME`, which the mount keeps locally, of any size; an attribute ends at 64 KiB."),
		one("fruit:convert_adouble", "yes", "No: there is nothing to convert, and smbd opens `._NAME` for each entry to see."),
		one("fruit:nfs_aces", "yes", "No: a Mac would send a chmod for each file that it copies, which is the server's own affair."),
		one("fruit:copyfile", "yes", "No: one call for a whole file holds up everything else of that Mac; 1 MiB pieces are copied on the server just the same."),
		one("fruit:encoding", "private", "Native: characters are stored as they were typed."),
		one("fruit:time machine", "yes", "No: a backup wants a disk that cannot go away, and locks that the server honours."),
		one("fruit:veto_appledouble", "yes", "No: what unpacks a Mac's archive makes `._` files itself."),
		one("fruit:zero_file_id", "no", "Default (yes): a Mac makes its own file numbers, and those of the mount say nothing to it."),
		one("fruit:wipe_intentionally_left_blank_rfork", "yes", "Default (no): a fork that a program left empty is kept."),
		one("fruit:delete_empty_adfiles", "yes", "Default (no): as above."),
		one("store dos attributes", "yes", "No: they would be an attribute of each new file; a Mac has its own flags."),
		one("map archive", "yes", "No: smbd would keep the archive flag in the execute bit of the user's file."),
		one("map hidden", "yes", "No: as above, the hidden flag."),
		one("map system", "yes", "No: as above, the system flag."),
		one("map readonly", "yes", "No: a mode without the write bit is no lock; the server says what may be written."),
		one("ea support", "yes", "No: a Mac does not use them."),
		one("inherit permissions", "no", "Yes: otherwise every new file is made writable for everybody (0666) by a chmod of its own. The folder decides instead."),
		one("case sensitive", "auto", "Yes, as the server is: otherwise smbd reads the whole directory for a name that is not there."),
		one("preserve case", "no", "Yes: a new name is what was typed."),
		one("short preserve case", "no", "Yes, as above."),
		one("mangled names", "illegal", "No: a name is what it is."),
		one("stat cache", "no", "Default (yes): it is only used without case sensitivity."),
		one("getwd cache", "no", "Default (yes)."),
		one("directory name cache size", "0", "Default (100)."),
		one("kernel change notify", "no", "Default (yes): that is how a change on the server reaches Finder."),
		trial{setting: "oplocks, level2 oplocks, smb2 leases = no", with: changes{"oplocks": "no", "level2 oplocks": "no", "smb2 leases": "no"},
			why: "Yes, but in a share with `cache: strict` or `off`: a lease lets the Mac keep a file open and cached, and what others change on the server breaks none."},
		one("durable handles", "no", "Yes: a Mac that slept takes its open files up again."),
		one("posix locking", "yes", "No, as durable handles need it so."),
		one("kernel oplocks", "yes", "No, as durable handles need it so; FUSE has no kernel leases."),
		one("kernel share modes", "yes", "No, as above."),
		one("strict sync", "no", "Yes: a flush that a Mac asks for reaches the server's disk. It is rare (saving, not copying)."),
		one("sync always", "yes", "Default (no): it would be a flush for each write."),
		one("strict allocate", "yes", "No: a new size must not be filled with zeros over the network."),
		one("strict locking", "yes", "Default (auto)."),
		one("aio read size", "0", "Default (1): a read that waits for the server holds up nothing else."),
		one("aio write size", "0", "Default (1), as above."),
		one("use sendfile", "yes", "No: a read that waits inside sendfile holds up everything else of that Mac."),
		one("dfree cache time", "0", "30 s: a Mac asks all the time."),
		one("follow symlinks", "no", "Yes, but for the hub: mounts show none."),
		one("wide links", "yes", "No: nothing outside of a share is anybody's business."),
		one("server multi channel support", "yes", "No: a Mac would be told addresses that it cannot reach, and guests may not use them."),
		one("hide dot files", "no", "Default (yes)."),
		one("nt acl support", "no", "Default (yes)."),
		one("dos filetimes", "no", "Default (yes)."),
		since(22, one("vfs mkdir use tmp name", "yes", "No: a new folder would be made under another name and renamed, a round trip more.")),
		since(22, one("smb3 directory leases", "yes", "No: a change on the server breaks no lease; notification refreshes Finder.")),
		since(22, one("smb3 unix extensions", "yes", "No: a Mac does not ask for them.")),
		since(22, one("fruit:posix_opens", "no", "Yes: a Mac may rename and delete what is open.")),
		since(22, one("fruit:ignore_zero_aces", "no", "Yes: macOS 26 sends ACLs without entries, which would take all rights away; our client sends none.")),
		trial{setting: "vfs objects = catia fruit streams_depot", with: changes{"vfs objects": "catia fruit streams_depot", "streams_depot:directory": depotDir, "streams_depot:check_valid": "no"},
			why: "Attributes: see Streams below."},
		trial{setting: "vfs objects = catia fruit streams_xattr xattr_tdb", with: changes{"vfs objects": "catia fruit streams_xattr xattr_tdb"},
			why: "Attributes of the mount: see Streams below."},
		trial{setting: "everything as Samba has it, with fruit", with: sambaDefaults(), why: "What the settings are worth together."},
	}
}

// sambaDefaults takes out all that we set for what smbd does to files.
func sambaDefaults() changes {
	ch := changes{"vfs objects": "fruit streams_xattr"}
	for _, name := range []string{
		"fruit:encoding", "fruit:metadata", "fruit:resource", "fruit:time machine", "fruit:convert_adouble", "fruit:nfs_aces", "fruit:copyfile",
		"readdir_attr:aapl_rsize", "readdir_attr:aapl_finder_info", "readdir_attr:aapl_max_access", "store dos attributes", "map archive", "map hidden",
		"map system", "map readonly", "ea support", "case sensitive", "preserve case", "short preserve case", "mangled names", "inherit permissions",
		"oplocks", "level2 oplocks", "durable handles", "posix locking", "kernel oplocks", "kernel share modes", "strict sync", "strict allocate",
		"use sendfile", "dfree cache time", "vfs mkdir use tmp name", "smb3 directory leases", "smb3 unix extensions", "fruit:posix_opens",
		"fruit:ignore_zero_aces", "fruit:veto_localized",
	} {
		ch[name] = ""
	}
	return ch
}
