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
	out := []setting{{"path", s.Path, ""}}
	if s.Comment != "" {
		out = append(out, setting{"comment", s.Comment, ""})
	}
	out = append(out, setting{"browseable", "yes", ""})
	if c.Auth == AuthPassword {
		out = append(out,
			setting{"guest ok", "no", "The one account, and nobody else."},
			setting{"guest only", "no", ""},
			setting{"valid users", c.ForceUser, ""})
	} else {
		out = append(out,
			setting{"guest ok", "yes", "No login: who may connect is decided by \"hosts allow\"."},
			setting{"guest only", "yes", ""})
	}
	return append(out,
		setting{"read only", yesNo(s.ReadOnly), ""},
		setting{"force user", c.ForceUser, "Every file belongs to one account, as sshfs shows them with uid= and gid=."},
		setting{"force group", c.ForceGroup, ""},
		setting{"create mask", "0777", "The client's mode is passed on; the server's own umask decides."},
		setting{"directory mask", "0777", ""},
		setting{"wide links", "no", "A link on the remote must not lead out of the share (CVE-2021-44141 and its kind)."},
		setting{"follow symlinks", "yes", ""},
	)
}

// macSettings are the modules for a Mac and their options, which smbd reads
// per share.
func (c Config) macSettings() []setting {
	out := []setting{
		{"vfs objects", "catia fruit streams_xattr", "In this order (man vfs_fruit): names a Mac may use and SMB may not, Apple's extension, and named " +
			"streams in extended attributes. Without a streams module smbd does not offer metadata in listings (source: vfs_fruit.c)."},
		{"fruit:encoding", "native", "The characters : ? * \" < > | are stored as the user typed them (man vfs_fruit, vfs_catia)."},
		{"fruit:metadata", "stream", "Finder's metadata and resource forks are streams in extended attributes, which the mount keeps locally: " +
			"nothing of them reaches the remote."},
		{"fruit:resource", "stream", ""},
		{"fruit:time machine", "no", ""},
		{"fruit:convert_adouble", "no", "Spares an open of ._NAME for every entry of a listing (Samba bug 15378)."},
		{"readdir_attr:aapl_rsize", "no", "Each of these costs a stat, an open or an access check per entry of a listing (man vfs_fruit)."},
		{"readdir_attr:aapl_finder_info", "no", ""},
		{"readdir_attr:aapl_max_access", "no", ""},
	}
	if c.Version.AtLeast(4, 22) {
		out = append(out,
			setting{"fruit:posix_opens", "yes", "A Mac may rename and delete what another program has open, as on a local disk (new in 4.24, " +
				"and in the later releases of 4.22 and 4.23)."},
			setting{"fruit:ignore_zero_aces", "yes", "macOS 26 sends ACLs without entries, which would take all rights away (Samba bug 15926; " +
				"releases as above)."},
		)
	}
	if c.Version.AtLeast(4, 24) {
		out = append(out, setting{"fruit:veto_localized", "yes", "Half of a Mac's requests in a large directory look for .localized (new in 4.24; " +
			"man vfs_fruit)."})
	}
	return out
}

func (c Config) attributeSettings() []setting {
	return []setting{
		{"store dos attributes", "no", "Spares a getxattr for every entry and a setxattr for every new file (man)."},
		{"map archive", "no", "Without stored attributes smbd would put them into the execute bits of files on the remote (man)."},
		{"map hidden", "no", ""},
		{"map system", "no", ""},
		{"map readonly", "no", "A mode without the write bit is not a lock: the server says what may be written."},
		{"ea support", "no", "OS/2 attributes, which a Mac does not use; spares a listxattr per entry (default yes since 4.9; man)."},
	}
}

func (c Config) nameSettings() []setting {
	return []setting{
		{"case sensitive", "yes", "As the remote is. Otherwise smbd reads the whole directory for every name that does not exist " +
			"(source: smbd/filename.c)."},
		{"preserve case", "yes", ""},
		{"short preserve case", "yes", ""},
		{"mangled names", "no", "No 8.3 names: a name is what it is."},
	}
}

func (c Config) ioSettings(s Share) []setting {
	out := []setting{
		{"oplocks", yesNo(!s.Strict), "A client may cache what it has open, unless the share says that others change it too (cache \"strict\")."},
		{"level2 oplocks", yesNo(!s.Strict), ""},
		{"durable handles", "yes", "A Mac that slept takes its open files up again. Needs the next three (man)."},
		{"posix locking", "no", ""},
		{"kernel oplocks", "no", ""},
		{"kernel share modes", "no", ""},
		{"strict sync", "yes", "A client's flush reaches the server; the mount makes it cheap where nothing is outstanding."},
		{"strict allocate", "no", "A new size must not be filled with zeros over the network (man)."},
		{"use sendfile", "no", "A read from a slow remote inside sendfile would hold up the whole smbd process of a Mac."},
		{"dfree cache time", "30", "In seconds: a Mac asks for the free space all the time."},
	}
	if c.Version.AtLeast(4, 22) {
		out = append(out, setting{"vfs mkdir use tmp name", "no", "Otherwise a new folder is made under another name and renamed: two round trips " +
			"more (new in 4.22; man)."})
	}
	return out
}
