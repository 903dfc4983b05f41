package bridge

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// YAML is the configuration as a file that LoadConfig would read to the same
// effect, with the source of each mount as a comment.
func (c *Config) YAML() ([]byte, error) {
	top := yaml.MapSlice{}
	smb := yaml.MapSlice{}
	for _, s := range c.Settings() {
		if isEmpty(s.Value) {
			continue
		}
		if sub, ok := strings.CutPrefix(s.Key, "smb."); ok {
			smb = append(smb, yaml.MapItem{Key: sub, Value: s.Value})
			continue
		}
		top = append(top, yaml.MapItem{Key: s.Key, Value: s.Value})
	}
	out, err := yaml.Marshal(append(top, yaml.MapItem{Key: "smb", Value: smb}))
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	if len(c.Mounts) == 0 {
		return out, nil
	}
	out = append(out, "mounts:\n"...)
	for _, m := range c.Mounts {
		item, err := yaml.Marshal(yaml.MapSlice{{Key: m.Name, Value: mountYAML(m)}})
		if err != nil {
			return nil, fmt.Errorf("write the configuration: %w", err)
		}
		from := m.Source
		if m.File != "" {
			from = fmt.Sprintf("%s:%d", m.File, m.Line)
		}
		out = append(out, "  # "+from+"\n"...)
		for line := range strings.Lines(string(item)) {
			out = append(out, "  "+line...)
		}
	}
	return out, nil
}

// mountYAML lists what a mount sets.
func mountYAML(m Mount) yaml.MapSlice {
	var out yaml.MapSlice
	for _, kv := range []yaml.MapItem{
		{Key: "remote", Value: m.Remote}, {Key: "port", Value: m.Port},
		{Key: "identity_files", Value: m.IdentityFiles}, {Key: "proxy_jump", Value: m.ProxyJump},
		{Key: "ssh_options", Value: m.SSHOptions}, {Key: "agent_socket", Value: m.AgentSocket},
		{Key: "ssh_dir", Value: m.SSHDir}, {Key: "read_only", Value: m.ReadOnly}, {Key: "uid", Value: m.UID},
		{Key: "gid", Value: m.GID}, {Key: "remote_ids", Value: m.RemoteIDs}, {Key: "cache", Value: m.Cache}, {Key: "cache_seconds", Value: m.CacheSeconds},
		{Key: "symlinks", Value: m.Symlinks}, {Key: "mac_files", Value: m.MacFiles}, {Key: "on_demand", Value: m.OnDemand}, {Key: "idle_seconds", Value: m.IdleSeconds},
		{Key: "read_rate", Value: showRate(m.ReadRate)}, {Key: "write_rate", Value: showRate(m.WriteRate)}, {Key: "request_rate", Value: m.RequestRate},
		{Key: "max_open_files", Value: m.MaxOpenFiles}, {Key: "max_names", Value: m.MaxNames}, {Key: "max_unwritten", Value: showRate(m.MaxUnwritten)},
	} {
		if !isEmpty(kv.Value) {
			out = append(out, kv)
		}
	}
	return out
}

// showRate is a rate as a file has it, "" where there is no bound.
func showRate(n int64) string {
	if n == 0 {
		return ""
	}
	return formatSize(n)
}

// isEmpty says whether a value is one that need not be shown.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	case []int:
		return len(v) == 0
	case int:
		return v == 0
	case bool:
		return !v
	case *uint32:
		return v == nil
	}
	return false
}
