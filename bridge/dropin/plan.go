package dropin

import (
	"slices"

	"sshfs-bridge/bridge/api"
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
	if p.spec.Symlinks == "" {
		p.spec.Symlinks = "raw"
	}
}

// source is what the mount table shows.
func (p *plan) source() string {
	if p.fsname != "" {
		return p.fsname
	}
	return p.spec.Remote
}
