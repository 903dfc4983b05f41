package bridge

import (
	"cmp"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"

	"sshfs-bridge/bridge/api"
)

// DefaultConfigPath is the configuration file that is read when none is named
// and it exists.
const DefaultConfigPath = "/etc/sshfs-bridge/config.yaml"

// HubShare is the name of the share that shows every mount as a folder.
const HubShare = "SSHFS Share"

// Config is the complete configuration of a supervisor: what the file, the
// environment and the defaults say together. LoadConfig returns a valid one;
// one made by hand starts from DefaultConfig and is checked by Validate.
type Config struct {
	// SSHDir is what "~/.ssh" means to every mount.
	SSHDir string
	// AgentSocket is the ssh-agent of mounts that name none.
	AgentSocket string
	// StateDir holds what must last: the desired state, accepted host keys and
	// Samba's private files.
	StateDir string
	// RunDir holds what need not: mount points, smb.conf, sockets.
	RunDir string
	// Hub is the directory that shows every mount.
	Hub string
	// UID and GID own every file of a mount that says nothing else.
	UID, GID uint32
	// CacheBytes bounds the data caches of all workers together.
	CacheBytes int64
	LogLevel   slog.Level
	// LogFormat is "text" or "json".
	LogFormat string
	// MetricsListen is a loopback address and port at which /metrics and
	// /healthz are served besides; empty is none.
	MetricsListen string
	SMB           SMBConfig
	// Mounts are the mounts of the file and of the environment.
	Mounts []Mount
	// Files are the files that were read, Path the file that is read where it
	// exists.
	Files []string
	Path  string
	sign  string // of Path, when it was read
}

// SMBConfig is the part of Config that concerns smbd.
type SMBConfig struct {
	// Enabled starts smbd; without it mounts are local only.
	Enabled bool
	// Program is smbd's path.
	Program string
	// Ports are the TCP ports that smbd listens on.
	Ports []int
	// Interfaces are the addresses or interfaces that smbd listens on; empty
	// is all of a container, and loopback elsewhere.
	Interfaces []string
	// HostsAllow are the clients that are let in besides loopback and, in a
	// container, its gateway.
	HostsAllow []string
	// PublishedHost and PublishedPort are what a Mac connects to. Port 0 is
	// 10445 in a container, and the first of Ports elsewhere.
	PublishedHost string
	PublishedPort int
	// Auth is "guest", or "password" for a generated user and password.
	Auth string
}

// Mount is one wanted mount and where it was asked for.
type Mount struct {
	api.MountSpec
	// Source is one of the api.Source constants.
	Source string
	// File and Line are where a file defines it.
	File string
	Line int
	key  string // the path of its keys, for problems
}

// DefaultConfig returns the settings of this machine when nothing is configured.
func DefaultConfig() Config {
	c := Config{
		SSHDir:      defaultSSHDir(),
		AgentSocket: os.Getenv("SSH_AUTH_SOCK"),
		StateDir:    "/var/lib/sshfs-bridge",
		RunDir:      "/run/sshfs-bridge",
		Hub:         "/samba-share",
		CacheBytes:  512 << 20,
		LogLevel:    slog.LevelInfo,
		LogFormat:   "text",
		SMB: SMBConfig{
			Enabled:       true,
			Program:       "/usr/sbin/smbd",
			Ports:         []int{445},
			PublishedHost: "127.0.0.1",
			Auth:          "guest",
		},
	}
	c.UID, c.GID = defaultOwner()
	if InContainer() {
		c.SMB.Ports = []int{445, 139}
	}
	return c
}

// defaultOwner is who owns the files: sshuser of the image, else whoever called
// sudo, else nobody. smbd works as that account, so it must exist, and it
// should not be root.
func defaultOwner() (uid, gid uint32) {
	u, err := user.Lookup("sshuser")
	if err != nil {
		u, err = user.LookupId(cmp.Or(os.Getenv("SUDO_UID"), "1000"))
	}
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil || parseID(u.Uid, &uid) != nil || parseID(u.Gid, &gid) != nil {
		return 1000, 1000
	}
	return uid, gid
}

// defaultSSHDir is /ssh where that is mounted, else ~/.ssh of whoever called,
// through sudo too.
func defaultSSHDir() string {
	if fi, err := os.Stat("/ssh"); err == nil && fi.IsDir() {
		return "/ssh"
	}
	if u := os.Getenv("SUDO_USER"); u != "" && u != "root" {
		if home := homeOf(u); home != "" {
			return filepath.Join(home, ".ssh")
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return filepath.Join(home, ".ssh")
}

// ControlDir is the directory of the control socket.
func (c *Config) ControlDir() string { return filepath.Join(c.RunDir, "control") }

// ControlSocket is the control socket's path.
func (c *Config) ControlSocket() string { return filepath.Join(c.ControlDir(), "sock") }

// normalise fills in what follows from other settings. It rejects nothing.
func (c *Config) normalise() {
	if c.SMB.PublishedPort == 0 {
		c.SMB.PublishedPort = 10445
		if !InContainer() && len(c.SMB.Ports) > 0 {
			c.SMB.PublishedPort = c.SMB.Ports[0]
		}
	}
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Name == "" {
			m.Name = DeriveName(m.Remote)
		}
	}
}
