package docker

// Capability is one of the kernel's capabilities and what it is needed for.
type Capability struct{ Name, Why string }

// Capabilities are what the hardened profile keeps of the kernel's rights. The
// supervisor gives up each of them for every child that has no use for it: a
// worker has none at all, smbd has no SYS_ADMIN.
func Capabilities() []Capability {
	return []Capability{
		{"SYS_ADMIN", "mount(2): the remotes, the hub, smbd's own view of the file system"},
		{"SETUID", "workers run as the owner of the SSH directory, smbd as the owner of the files"},
		{"SETGID", "the same for groups"},
		{"KILL", "ending a worker that hangs, which runs as another user"},
	}
}

// Limits of the hardened profile. A remote or a client that goes wild stays
// inside them; DESIGN's memory budget (512 MiB for all caches) fits with room
// for smbd, and a thousand tasks are enough for a dozen mounts and Macs.
const (
	pidsLimit   = 1024
	memoryLimit = "1536m"
)

// tmpfs are the directories of a read-only root that are written to, all in
// memory and gone with the container.
func tmpfs() []string {
	return []string{
		"/run:rw,nosuid,nodev,noexec,mode=755,size=64m",
		"/tmp:rw,nosuid,nodev,noexec,mode=1777,size=64m",
	}
}

// securityOptions: programs that raise their rights cannot, and AppArmor's
// profile for containers, which refuses every mount whatever the capabilities,
// does not apply. Where there is no AppArmor (Docker Desktop, OrbStack, Colima)
// the latter has no effect. The seccomp filter stays Docker's own: it allows
// mount(2) to whoever has SYS_ADMIN.
func securityOptions() []string {
	return []string{"no-new-privileges:true", "apparmor=unconfined"}
}
