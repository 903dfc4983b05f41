package smbconf

import "path/filepath"

// HubName is the name of the share that shows every mount as a folder. It is
// the name that older instructions for sshfs in a container use.
const HubName = "SSHFS Share"

// Default is the Config of an smbd that only this machine reaches: ports 445
// and 139 on loopback, guests welcome. Its directories lie below runDir but for
// the private one, which must last and lies in privateDir.
func Default(v Version, runDir, privateDir string) Config {
	in := func(name string) string { return filepath.Join(runDir, name) }
	return Config{
		Version:     v,
		Workgroup:   "WORKGROUP",
		NetBIOSName: "SSHFS-BRIDGE",
		Ports:       []int{445, 139},
		Interfaces:  []string{"lo"},
		HostsAllow:  Loopback(),
		ForceUser:   "sshuser",
		ForceGroup:  "sshuser",
		Auth:        AuthGuest,
		LogLevel:    1,
		Dirs: Dirs{
			Private: privateDir,
			Lock:    in("lock"), State: in("state"), Cache: in("cache"),
			PID: in("pid"), NCALRPC: in("ncalrpc"), Log: in("log"),
		},
	}
}

// Loopback is the HostsAllow of a server for this machine alone.
func Loopback() []string { return []string{"127.0.0.0/8", "::1"} }

// All returns the directories, each once, in a fixed order: what must be
// created before smbd starts.
func (d Dirs) All() []string {
	return []string{d.Private, d.Lock, d.State, d.Cache, d.PID, d.NCALRPC, d.Log}
}

// Hub is the share at path that shows every mount as a folder.
func Hub(path string) Share {
	return Share{Name: HubName, Path: path, Comment: "Every mount as a folder"}
}
