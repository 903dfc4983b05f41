package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Profile is the set of rights that a container gets.
type Profile int

const (
	// Hardened is every right that Capabilities lists and nothing else: the
	// default seccomp filter, no new privileges, a read-only root.
	Hardened Profile = iota
	// Privileged is --privileged, as older instructions have it: every right
	// there is. It works with every runtime.
	Privileged
)

// Port publishes a port of the container on the host.
type Port struct {
	// Host is a loopback address and a port.
	Host netip.AddrPort
	// Container is 445 or 139.
	Container uint16
}

func (p Port) String() string { return fmt.Sprintf("%s:%d", p.Host, p.Container) }

// Appliance is one container of the image. Default gives one to start from.
type Appliance struct {
	// Image and Name are the image's and the container's.
	Image, Name string
	Profile     Profile
	// Ports are published; a container on a network of its own needs none.
	Ports []Port
	// SSHDir is the user's ~/.ssh on the host, which the container reads; empty
	// is none. "~/.ssh" is for a shell or a compose file to resolve.
	SSHDir string
	// Volume keeps what must last: desired mounts, accepted host keys, local
	// metadata, Samba's identity. Empty is the container's own layer.
	Volume string
	// Detach leaves it running in the background, Keep starts it again after
	// a crash and at boot, Remove deletes it when it ends.
	Detach, Keep, Remove bool
	// Env are NAME=VALUE.
	Env []string
	// Command is what follows the image's name; empty is serve.
	Command []string
}

// Default is the appliance as the README starts it. Finder needs a port other
// than 445 at a local address, so 10445 is published beside it; where macOS's
// File Sharing holds 445, the first of Ports is left out.
func Default(p Profile) Appliance {
	loopback := netip.MustParseAddr("127.0.0.1")
	return Appliance{
		Image: "sshfs-bridge", Name: "sshfs-bridge", Profile: p,
		Ports: []Port{
			{Host: netip.AddrPortFrom(loopback, 445), Container: 445},
			{Host: netip.AddrPortFrom(loopback, 10445), Container: 445},
		},
		SSHDir: "~/.ssh", Volume: "sshfs-bridge",
		Detach: true, Keep: true,
	}
}

// Validate returns nil or everything that is wrong with a at once.
func (a Appliance) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if a.Image == "" {
		add("image: is missing")
	}
	for i, p := range a.Ports {
		if !p.Host.Addr().IsLoopback() || p.Host.Port() == 0 {
			add("ports[%d]: %s is not a port at a loopback address: it would be open to the network", i, p.Host)
		}
		if p.Container == 0 {
			add("ports[%d]: has no port of the container", i)
		}
	}
	if strings.Contains(a.SSHDir, ":") || strings.Contains(a.Volume, ":") {
		add("ssh_dir, volume: a colon cannot be in either, Docker splits there")
	}
	if a.SSHDir != "" && !strings.HasPrefix(a.SSHDir, "/") && !strings.HasPrefix(a.SSHDir, "~/") {
		add("ssh_dir: %q is not an absolute path", a.SSHDir)
	}
	if a.Keep && a.Remove {
		add("keep, remove: a container that is removed cannot be started again")
	}
	for i, e := range a.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			add("env[%d]: %q is not NAME=VALUE", i, e)
		}
	}
	return errors.Join(problems...)
}

// mounts are the bind mount of the SSH directory and the volume, as -v has them.
func (a Appliance) mounts() []string {
	var out []string
	if a.SSHDir != "" {
		out = append(out, a.SSHDir+":/ssh:ro")
	}
	if a.Volume != "" {
		out = append(out, a.Volume+":/var/lib/sshfs-bridge")
	}
	return out
}
