package bridge

import (
	"fmt"
	"math"
	"strings"

	"sshfs-bridge/bridge/api"
)

// setting is one key of the configuration file's top level or of its smb
// section. The one table makes the loader, the environment and `config show`.
type setting struct {
	key  string // "smb.ports"
	list bool   // several values: a YAML list, commas in the environment
	// set checks one value (all of them for a list) and stores it.
	set func(c *Config, v []string) error
	// get returns what `config show` prints.
	get func(c *Config) any
}

// settings are the keys outside of mounts, in the order of `config show`.
func settings() []setting {
	return []setting{
		pathSetting("ssh_dir", func(c *Config) *string { return &c.SSHDir }),
		pathSetting("agent_socket", func(c *Config) *string { return &c.AgentSocket }),
		pathSetting("state_dir", func(c *Config) *string { return &c.StateDir }),
		pathSetting("run_dir", func(c *Config) *string { return &c.RunDir }),
		pathSetting("hub", func(c *Config) *string { return &c.Hub }),
		{key: "uid", set: func(c *Config, v []string) error { return parseID(v[0], &c.UID) }, get: func(c *Config) any { return c.UID }},
		{key: "gid", set: func(c *Config, v []string) error { return parseID(v[0], &c.GID) }, get: func(c *Config) any { return c.GID }},
		{key: "cache_memory", set: setCacheBytes, get: func(c *Config) any { return formatSize(c.CacheBytes) }},
		{key: "log_level", set: setLogLevel, get: func(c *Config) any { return strings.ToLower(c.LogLevel.String()) }},
		{key: "log_format", set: oneOf(func(c *Config) *string { return &c.LogFormat }, "text", "json"), get: func(c *Config) any { return c.LogFormat }},
		{key: "metrics_listen", set: setListen, get: func(c *Config) any { return c.MetricsListen }},
		{key: "smb.enabled", set: func(c *Config, v []string) error { return parseBool(v[0], &c.SMB.Enabled) }, get: func(c *Config) any { return c.SMB.Enabled }},
		pathSetting("smb.program", func(c *Config) *string { return &c.SMB.Program }),
		{key: "smb.ports", list: true, set: setPorts, get: func(c *Config) any { return c.SMB.Ports }},
		{key: "smb.interfaces", list: true, set: setInterfaces, get: func(c *Config) any { return c.SMB.Interfaces }},
		{key: "smb.hosts_allow", list: true, set: setHostsAllow, get: func(c *Config) any { return c.SMB.HostsAllow }},
		{key: "smb.published_host", set: setPublishedHost, get: func(c *Config) any { return c.SMB.PublishedHost }},
		{key: "smb.published_port", set: func(c *Config, v []string) error { return parsePort(v[0], &c.SMB.PublishedPort) }, get: func(c *Config) any { return c.SMB.PublishedPort }},
		{key: "smb.auth", set: oneOf(func(c *Config) *string { return &c.SMB.Auth }, "guest", "password"), get: func(c *Config) any { return c.SMB.Auth }},
	}
}

// mountSetting is one key of a mount.
type mountSetting struct {
	key  string
	list bool
	set  func(m *api.MountSpec, v []string) error
}

// mountSettings are the keys of an element of mounts.
func mountSettings() []mountSetting {
	return []mountSetting{
		{key: "name", set: func(m *api.MountSpec, v []string) error { m.Name = v[0]; return CheckName(v[0]) }},
		{key: "remote", set: func(m *api.MountSpec, v []string) error { m.Remote = v[0]; return checkRemote(v[0]) }},
		{key: "port", set: func(m *api.MountSpec, v []string) error { return parsePort(v[0], &m.Port) }},
		{key: "identity_files", list: true, set: func(m *api.MountSpec, v []string) error { m.IdentityFiles = v; return checkTexts(v) }},
		{key: "proxy_jump", set: func(m *api.MountSpec, v []string) error { m.ProxyJump = v[0]; return checkTexts(v) }},
		{key: "ssh_options", list: true, set: func(m *api.MountSpec, v []string) error { m.SSHOptions = v; return checkSSHOptions(v) }},
		{key: "agent_socket", set: func(m *api.MountSpec, v []string) error { return parsePath(v[0], &m.AgentSocket) }},
		{key: "ssh_dir", set: func(m *api.MountSpec, v []string) error { return parsePath(v[0], &m.SSHDir) }},
		{key: "read_only", set: func(m *api.MountSpec, v []string) error { return parseBool(v[0], &m.ReadOnly) }},
		{key: "uid", set: func(m *api.MountSpec, v []string) error { m.UID = new(uint32); return parseID(v[0], m.UID) }},
		{key: "gid", set: func(m *api.MountSpec, v []string) error { m.GID = new(uint32); return parseID(v[0], m.GID) }},
		{key: "remote_ids", set: func(m *api.MountSpec, v []string) error { return parseBool(v[0], &m.RemoteIDs) }},
		{key: "cache", set: mountOneOf(func(m *api.MountSpec) *string { return &m.Cache }, cacheModes...)},
		{key: "cache_seconds", set: func(m *api.MountSpec, v []string) error {
			return parseInt(v[0], 1, api.MaxCacheSeconds, &m.CacheSeconds)
		}},
		{key: "symlinks", set: mountOneOf(func(m *api.MountSpec) *string { return &m.Symlinks }, symlinkModes...)},
		{key: "mac_files", set: mountOneOf(func(m *api.MountSpec) *string { return &m.MacFiles }, macFiles...)},
		{key: "on_demand", set: func(m *api.MountSpec, v []string) error { return parseBool(v[0], &m.OnDemand) }},
		{key: "idle_seconds", set: func(m *api.MountSpec, v []string) error { return parseInt(v[0], 0, 365*86400, &m.IdleSeconds) }},
		{key: "read_rate", set: func(m *api.MountSpec, v []string) error { return parseRate(v[0], &m.ReadRate) }},
		{key: "write_rate", set: func(m *api.MountSpec, v []string) error { return parseRate(v[0], &m.WriteRate) }},
		{key: "request_rate", set: func(m *api.MountSpec, v []string) error { return parseRequestRate(v[0], &m.RequestRate) }},
		{key: "max_open_files", set: func(m *api.MountSpec, v []string) error {
			return parseInt(v[0], minOpenFiles, math.MaxInt32, &m.MaxOpenFiles)
		}},
		{key: "max_names", set: func(m *api.MountSpec, v []string) error { return parseInt(v[0], minNames, math.MaxInt32, &m.MaxNames) }},
		{key: "max_unwritten", set: func(m *api.MountSpec, v []string) error { return parseUnwritten(v[0], &m.MaxUnwritten) }},
	}
}

var (
	cacheModes   = []string{"default", "strict", "off"}
	symlinkModes = []string{"xsym", "resolve", "contained", "raw", "follow", "transform", "transform-contained"}
	macFiles     = []string{api.MacFilesLocal, api.MacFilesServer}
)

// Set gives the setting called key (as in a file: "smb.ports") new values.
func (c *Config) Set(key string, values ...string) error {
	for _, s := range settings() {
		if s.key != key {
			continue
		}
		if !s.list && len(values) != 1 {
			return fmt.Errorf("%s: one value is needed", key)
		}
		return s.set(c, values)
	}
	return fmt.Errorf("%s: unknown key", key)
}

// Setting is one setting in force, for `config show`.
type Setting struct {
	Key   string
	Value any
}

// Settings lists the settings outside of mounts, in a fixed order.
func (c *Config) Settings() []Setting {
	var out []Setting
	for _, s := range settings() {
		out = append(out, Setting{s.key, s.get(c)})
	}
	return out
}

// values are the settings outside of mounts by their keys.
func (c *Config) values() map[string]any {
	m := map[string]any{}
	for _, s := range c.Settings() {
		m[s.Key] = s.Value
	}
	return m
}
