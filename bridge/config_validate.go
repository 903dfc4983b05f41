package bridge

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs/sshdial"
)

// Validate checks a Config and returns a *ConfigError with every problem, or nil.
func (c *Config) Validate() error {
	if p := c.problems(); len(p) > 0 {
		return &ConfigError{Problems: p}
	}
	return nil
}

// problems checks what one setting alone cannot tell: names that collide,
// directories that lie in each other, settings that exclude each other.
func (c *Config) problems() []api.Problem {
	var ps []api.Problem
	dirs := []struct{ key, dir string }{
		{"ssh_dir", c.SSHDir}, {"state_dir", c.StateDir}, {"run_dir", c.RunDir}, {"hub", c.Hub},
	}
	for i, a := range dirs {
		if !filepath.IsAbs(a.dir) {
			ps = append(ps, api.Problem{Key: a.key, Message: fmt.Sprintf("%q is not an absolute path", a.dir)})
			continue
		}
		for _, b := range dirs[:i] {
			if within(a.dir, b.dir) || within(b.dir, a.dir) {
				ps = append(ps, api.Problem{Key: a.key, Message: fmt.Sprintf("%s overlaps %s (%s)", a.dir, b.key, b.dir)})
			}
		}
	}
	if c.SMB.Enabled && len(c.SMB.Ports) == 0 {
		ps = append(ps, api.Problem{Key: "smb.ports", Message: "at least one port is needed"})
	}
	for i, m := range c.Mounts {
		key := cmp.Or(m.key, fmt.Sprintf("mounts[%d]", i))
		if m.Source == api.SourceEnvironment {
			key = envName("remote")
		}
		at := func(sub, msg string) {
			k := key
			if m.Source != api.SourceEnvironment {
				k += "." + sub
			}
			p := api.Problem{File: m.File, Line: m.Line, Key: k, Message: msg}
			if m.Source == api.SourceEnvironment {
				p.File = envFile
			}
			ps = append(ps, p)
		}
		for _, e := range CheckSpec(m.MountSpec) {
			at(e.Key, e.Message)
		}
		same := func(o Mount) bool { return o.Name != "" && sameName(o.Name, m.Name) }
		if j := slices.IndexFunc(c.Mounts[:i], same); j >= 0 {
			at("name", fmt.Sprintf("the name %q is taken by the mount of %s%s: give one of them another name", m.Name, c.Mounts[j].Remote, where(c.Mounts[j])))
		}
	}
	return ps
}

func where(m Mount) string {
	if m.Line == 0 {
		return ""
	}
	return " (line " + strconv.Itoa(m.Line) + ")"
}

// within says whether dir is base or lies below it.
func within(dir, base string) bool {
	rel, err := filepath.Rel(base, dir)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// CheckSpec checks one mount, whoever asks for it: every problem, with the
// key it concerns.
func CheckSpec(m api.MountSpec) []api.Problem {
	var ps []api.Problem
	add := func(key string, err error) {
		if err != nil {
			ps = append(ps, api.Problem{Key: key, Message: err.Error()})
		}
	}
	add("remote", checkRemote(m.Remote))
	if checkRemote(m.Remote) == nil || m.Name != "" {
		add("name", CheckName(m.Name))
	}
	if m.Port < 0 || m.Port > 65535 {
		add("port", fmt.Errorf("%d is not a number from 1 to 65535", m.Port))
	}
	add("identity_files", checkTexts(m.IdentityFiles))
	add("ssh_options", checkSSHOptions(m.SSHOptions))
	if m.ProxyJump != "" {
		add("proxy_jump", checkTexts([]string{m.ProxyJump}))
	}
	var s string
	for key, path := range map[string]string{"agent_socket": m.AgentSocket, "ssh_dir": m.SSHDir, "mountpoint": m.Mountpoint} {
		if path != "" {
			add(key, parsePath(path, &s))
		}
	}
	if m.Cache != "" {
		add("cache", pick(m.Cache, cacheModes, &s))
	}
	if m.Symlinks != "" {
		add("symlinks", pick(m.Symlinks, symlinkModes, &s))
	}
	if m.MacFiles != "" {
		add("mac_files", pick(m.MacFiles, macFiles, &s))
	}
	if m.RemoteIDs && (m.UID != nil || m.GID != nil) {
		add("remote_ids", fmt.Errorf("uid and gid have no meaning where the remote's own owners are shown"))
	}
	if m.IdleSeconds < 0 {
		add("idle_seconds", fmt.Errorf("%d is less than 0", m.IdleSeconds))
	}
	add("read_rate", checkRate(m.ReadRate))
	add("write_rate", checkRate(m.WriteRate))
	add("request_rate", checkRequestRate(m.RequestRate))
	add(checkLimits(m))
	return ps
}

func checkRemote(remote string) error {
	if remote == "" {
		return fmt.Errorf("the remote is missing: USER@HOST:PATH")
	}
	_, err := sshdial.ParseTarget(remote)
	return err
}

func checkSSHOptions(options []string) error {
	if err := checkTexts(options); err != nil {
		return err
	}
	for _, o := range options {
		key, v, ok := strings.Cut(o, "=")
		if !ok {
			key, v, ok = strings.Cut(o, " ")
		}
		if !ok || strings.TrimSpace(key) == "" || strings.TrimSpace(v) == "" {
			return fmt.Errorf("%q is not KEYWORD=VALUE", o)
		}
	}
	return nil
}
