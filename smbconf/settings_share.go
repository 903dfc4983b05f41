package smbconf

// shareSettings are the section of one share. Everything is written in every
// section, also what could stand in [global]: a section can then be read, and
// compared, by itself.
func (c Config) shareSettings(s Share) []setting {
	var out []setting
	for _, group := range [][]setting{
		c.accessSettings(s), c.macSettings(), c.attributeSettings(), c.nameSettings(), c.ioSettings(s),
	} {
		out = append(out, group...)
	}
	return out
}

func (c Config) accessSettings(s Share) []setting {
	out := []setting{{"path", s.Path, "The mount, or the hub with all of them.", ours}}
	if s.Comment != "" {
		out = append(out, setting{"comment", s.Comment, "What a list of shares says of it: the remote.", ours})
	}
	out = append(out, setting{"browseable", "yes", "Finder lists the shares of a server that it is connected to.", man})
	if c.Auth == AuthPassword {
		out = append(out,
			setting{"guest ok", "no", "The one account, and nobody else.", man},
			setting{"guest only", "no", "As above.", man},
			setting{"valid users", c.ForceUser, "As above.", man})
	} else {
		out = append(out,
			setting{"guest ok", "yes", "No login: who may connect is decided by \"hosts allow\".", man},
			setting{"guest only", "yes", "Whoever he says he is: there is but one account.", man})
	}
	return append(out,
		setting{"read only", yesNo(s.ReadOnly), "As the mount is.", ours},
		setting{"force user", c.ForceUser, "Every file belongs to one account, as sshfs shows them with uid= and gid=.", man},
		setting{"force group", c.ForceGroup, "As above.", man},
		setting{"inherit permissions", "yes", "New files get their folder's read and write bits, new folders its mode: what is private on the server stays so. With masks " +
			"instead, smbd makes each new file writable for everybody, by a chmod that passes over the server's umask.", measured},
		setting{"wide links", "no", "A link on the remote must not lead out of the share.", "CVE-2021-44141 and its kind"},
		setting{"follow symlinks", yesNo(s.Name != HubName), "Mounts show smbd no links, so that deleting a folder never empties what one leads to. \"no\" on the hub: sshfs may have mounted upon it " +
			"without asking the supervisor.", ours},
	)
}

// macSettings are the modules for a Mac and their options, which smbd reads
// per share.
func (c Config) macSettings() []setting {
	out := []setting{
		{"vfs objects", "full_audit catia fruit streams_xattr", "In this order: the log of who connects, names a Mac may use and SMB may not, Apple's extension, and " +
			"named streams in extended attributes. Without a streams module smbd does not offer metadata in listings.", manFruit + "; source: vfs_fruit.c"},
		{"full_audit:success", "connect disconnect", "Which client connects to which share. The other way to be told, \"log level = 2\", writes two lines for each file " +
			"that is opened.", "man vfs_full_audit; " + measured},
		{"full_audit:syslog", "no", "To smbd's log, which the supervisor reads.", "man vfs_full_audit"},
		{"fruit:encoding", "native", "The characters : ? * \" < > | are stored as the user typed them. The manual says that it does not fully work with the next " +
			"setting; forks, labels and tags on such names do (4.17, 4.22).", manFruit + ", vfs_catia; tried: docs/samba.md"},
		{"fruit:metadata", "stream", "Finder's metadata are a stream in an extended attribute, which the mount keeps locally: " +
			"nothing of it reaches the remote.", manFruit},
		{"fruit:resource", "file", "A resource fork is the file ._NAME, which the mount keeps locally, too, and of any size. As a stream in " +
			"an attribute it ends at 64 KiB (Linux).", manFruit + ", man xattr"},
		{"fruit:veto_appledouble", "no", "What unpacks a Mac's archive makes files ._NAME itself, and must find them again.", manFruit},
		{"fruit:time machine", "no", "A backup wants a disk that does not go away.", ours},
		{"fruit:convert_adouble", "no", "Spares an open of ._NAME for every entry of a listing, and leaves the server's ._ files as they are.", "Samba bug 15378"},
		{"readdir_attr:aapl_rsize", "yes", "A listing tells a Mac which files have a resource fork; with \"no\" it says that none has. It costs one question " +
			"an entry, which the mount answers from memory.", measured},
		{"readdir_attr:aapl_finder_info", "yes", "The same for labels, icons of one's own, aliases and invisible files.", measured},
		{"readdir_attr:aapl_max_access", "no", "It would have smbd work out everybody's rights for each entry; here the server's refusal is the answer.", manFruit},
	}
	if c.Version.AtLeast(4, 22) {
		out = append(out,
			setting{"fruit:posix_opens", "yes", "A Mac may rename and delete what another program has open, as on a local disk (new in 4.24, " +
				"and in the later releases of 4.22 and 4.23).", manFruit},
			setting{"fruit:ignore_zero_aces", "yes", "macOS 26 sends ACLs without entries, which would take all rights away (releases as above).", "Samba bug 15926"},
		)
	}
	if c.Version.AtLeast(4, 24) {
		out = append(out, setting{"fruit:veto_localized", "yes", "Half of a Mac's requests in a large directory look for .localized (new in 4.24).", manFruit})
	}
	return out
}

func (c Config) attributeSettings() []setting {
	return []setting{
		{"store dos attributes", "no", "Spares a question for every entry and an extended attribute on every new file.", measured},
		{"map archive", "no", "Without stored attributes smbd would put this one into the execute bits of files on the remote.", man},
		{"map hidden", "no", "As above.", man},
		{"map system", "no", "As above.", man},
		{"map readonly", "no", "A mode without the write bit is not a lock: the server says what may be written.", man},
		{"ea support", "no", "OS/2's attributes, which a Mac does not use (default yes since 4.9).", man},
	}
}

func (c Config) nameSettings() []setting {
	return []setting{
		{"case sensitive", "yes", "As the remote is. Otherwise smbd reads the whole directory for every name that does not exist.",
			measured + "; source: smbd/filename.c"},
		{"preserve case", "yes", "Names are stored as they are typed.", man},
		{"short preserve case", "yes", "Short ones, too.", man},
		{"mangled names", "no", "No 8.3 names: a name is what it is.", man},
	}
}

func (c Config) ioSettings(s Share) []setting {
	out := []setting{
		{"oplocks", yesNo(!s.Strict), "A client may cache what it has open, unless the share says that others change it too (cache \"strict\").", man},
		{"level2 oplocks", yesNo(!s.Strict), "As above, for several readers.", man},
		{"durable handles", "yes", "A Mac that slept takes its open files up again, but for some that it had written and not flushed. Needs the next three.", man},
		{"posix locking", "no", "For durable handles. Locks hold between the clients of this smbd; SFTP knows none.", man},
		{"kernel oplocks", "no", "For durable handles; FUSE has no kernel leases.", man},
		{"kernel share modes", "no", "For durable handles.", man},
		{"strict sync", "yes", "A client's flush reaches the server's disk; it is rare, and costs nothing where nothing is outstanding.", measured},
		{"strict allocate", "no", "A new size must not be filled with zeros over the network.", man},
		{"use sendfile", "no", "A read from a slow remote inside sendfile would hold up the whole smbd process of a Mac.", man},
		{"dfree cache time", "30", "In seconds: a Mac asks for the free space all the time.", measured},
	}
	if c.Version.AtLeast(4, 22) {
		out = append(out, setting{"vfs mkdir use tmp name", "no", "Otherwise a new folder is made under another name and renamed: a round trip " +
			"more (new in 4.22).", measured})
	}
	return out
}
