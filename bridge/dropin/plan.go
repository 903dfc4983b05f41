package dropin

import (
	"slices"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs/vfs"
)

// plan is what a command line of sshfs asks for.
type plan struct {
	// spec is the mount: remote, mountpoint and all that crosses to a worker.
	spec api.MountSpec

	foreground, debug, verbose bool
	help, version              bool

	// What the kernel is told.
	allowOther, defaultPermissions bool
	maxRead                        int
	fsname                         string
	mountFlags                     uintptr // MS_NOEXEC and the like

	follow, transform, uncontained bool // symlinks

	nonempty      bool
	passwordStdin bool
	idmapUser     bool
	configFile    string // -F

	// notes are what has no effect, in the order given, each once.
	notes []string
}

func (p *plan) note(text string) {
	if !slices.Contains(p.notes, text) {
		p.notes = append(p.notes, text)
	}
}

// strict makes the cache ask the server each time; "off" is stricter still.
func (p *plan) strict() {
	if p.spec.Cache != "off" {
		p.spec.Cache = "strict"
	}
}

// finish settles what depends on several options.
func (p *plan) finish() {
	if p.idmapUser {
		uid, gid := callerIDs()
		if p.spec.UID == nil {
			p.spec.UID = &uid
		}
		if p.spec.GID == nil {
			p.spec.GID = &gid
		}
	}
	// sshfs shows the remote's ids unless it is told otherwise.
	p.spec.RemoteIDs = p.spec.UID == nil && p.spec.GID == nil
	p.spec.Symlinks = string(p.symlinks())
}

// symlinks is how links are shown: contained unless the command line says
// otherwise, as with sshfs since 3.7.6.
func (p *plan) symlinks() vfs.SymlinkMode {
	switch {
	case p.follow:
		if p.uncontained {
			p.note("-o no_contain_symlinks has no effect with follow_symlinks: links that the server cannot follow are contained")
		}
		return vfs.SymlinksFollow
	case p.transform && p.uncontained:
		return vfs.SymlinksTransform
	case p.transform:
		p.note("-o transform_symlinks makes targets with \"..\", which cannot be followed without -o no_contain_symlinks")
		return vfs.SymlinksTransformContained
	case p.uncontained:
		return vfs.SymlinksRaw
	}
	return vfs.SymlinksContained
}

// source is what the mount table shows.
func (p *plan) source() string {
	if p.fsname != "" {
		return p.fsname
	}
	return p.spec.Remote
}
