package smbconf

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// FieldError says what is wrong with one field of a Config.
type FieldError struct {
	// Path leads to the field, as in share[media].path.
	Path string
	// Problem is what is wrong with it.
	Problem string
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Problem }

// problems collects FieldErrors.
type problems []error

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, &FieldError{Path: path, Problem: fmt.Sprintf(format, args...)})
}

// value adds what keeps s from being the value of a setting, and says whether
// it is one.
func (p *problems) value(path, s string) bool {
	if why := badValue(s); why != "" {
		p.add(path, "%s", why)
		return false
	}
	return true
}

// Validate returns nil or everything that is wrong with c at once: an error
// that joins one *FieldError each, in the order of the fields.
func (c Config) Validate() error {
	var p problems
	c.validateServer(&p)
	c.validateNetwork(&p)
	c.validateDirs(&p)
	c.validateShares(&p)
	return errors.Join(p...)
}

var (
	// NetBIOS names have fifteen characters at most.
	netbiosPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?$`)
	// What useradd takes; "+", "@" and "&" would mean a group to Samba.
	accountPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	// Linux interface names that need no quotes in Samba's list.
	interfacePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,14}$`)
)

func (c Config) validateServer(p *problems) {
	switch {
	case c.Version == Version{}:
		p.add("version", "is missing: which smbd will read the file?")
	case !c.Version.AtLeast(oldestVersion.Major, oldestVersion.Minor):
		p.add("version", "Samba %s is too old, %d.%d or newer is needed", c.Version, oldestVersion.Major, oldestVersion.Minor)
	case c.Version.Major > 9999 || c.Version.Minor > 9999 || c.Version.Patch > 9999 || c.Version.Minor < 0 || c.Version.Patch < 0:
		p.add("version", "%s is no version of Samba", c.Version)
	}
	for _, name := range []struct{ path, value string }{{"workgroup", c.Workgroup}, {"netbios_name", c.NetBIOSName}} {
		if !netbiosPattern.MatchString(name.value) {
			p.add(name.path, "%q must be 1 to 15 letters, digits and inner hyphens", name.value)
		}
	}
	for _, account := range []struct{ path, value string }{{"force_user", c.ForceUser}, {"force_group", c.ForceGroup}} {
		if !accountPattern.MatchString(account.value) {
			p.add(account.path, "%q is not the name of an account", account.value)
		}
	}
	if c.Auth != AuthGuest && c.Auth != AuthPassword {
		p.add("auth", "%q is neither %q nor %q", c.Auth, AuthGuest, AuthPassword)
	}
	if c.LogLevel < 0 || c.LogLevel > 10 {
		p.add("log_level", "%d is not between 0 and 10", c.LogLevel)
	}
}

func (c Config) validateNetwork(p *problems) {
	if len(c.Ports) == 0 {
		p.add("ports", "at least one port is needed")
	}
	for i, port := range c.Ports {
		switch at := fmt.Sprintf("ports[%d]", i); {
		case port < 1 || port > 65535:
			p.add(at, "%d is not between 1 and 65535", port)
		case slices.Index(c.Ports, port) != i:
			p.add(at, "%d is there twice", port)
		}
	}
	for i, s := range c.Interfaces {
		if !interfacePattern.MatchString(s) && !isAddress(s) {
			p.add(fmt.Sprintf("interfaces[%d]", i), "%q is neither the name of an interface nor an address", s)
		}
	}
	if len(c.HostsAllow) == 0 {
		p.add("hosts_allow", "nobody could connect; 0.0.0.0/0 and ::/0 let everybody in")
	}
	for i, s := range c.HostsAllow {
		if !isAddress(s) {
			p.add(fmt.Sprintf("hosts_allow[%d]", i), "%q is neither an address nor a prefix such as 192.168.0.0/16", s)
		}
	}
}

// isAddress says whether s is an IP address or a prefix, in the one spelling
// that netip gives it. Zones are refused: Samba's lists do not know them.
func isAddress(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" && a.String() == s
	}
	n, err := netip.ParsePrefix(s)
	return err == nil && n.String() == s
}

func (c Config) validateDirs(p *problems) {
	seen := map[string]string{}
	for _, d := range []struct{ path, dir string }{
		{"dirs.private", c.Dirs.Private}, {"dirs.lock", c.Dirs.Lock}, {"dirs.state", c.Dirs.State}, {"dirs.cache", c.Dirs.Cache},
		{"dirs.pid", c.Dirs.PID}, {"dirs.ncalrpc", c.Dirs.NCALRPC}, {"dirs.log", c.Dirs.Log},
	} {
		if !p.value(d.path, d.dir) || !p.directory(d.path, d.dir) {
			continue
		}
		if other, ok := seen[d.dir]; ok {
			p.add(d.path, "%s is the same directory as %s", d.dir, other)
		}
		seen[d.dir] = d.path
	}
}

// directory adds what keeps dir from being an absolute path without detours.
func (p *problems) directory(at, dir string) bool {
	if !path.IsAbs(dir) || path.Clean(dir) != dir {
		p.add(at, "%q is not an absolute path in its shortest form", dir)
		return false
	}
	if len(dir) > maxPath {
		p.add(at, "is longer than %d bytes", maxPath)
		return false
	}
	return true
}

// maxPath leaves smbd room for what it appends (socket names have 108 bytes in
// all, but only below ncalrpc, which is short by default).
const maxPath = 1024

func (c Config) validateShares(p *problems) {
	if len(c.Shares) == 0 {
		p.add("share", "there is none; the hub is always there")
	}
	seen := map[string]int{}
	for i, s := range c.Shares {
		at := fmt.Sprintf("share[%s]", s.Name)
		if why := badShareName(s.Name); why != "" {
			at = fmt.Sprintf("share[%d]", i)
			p.add(at+".name", "%s", why)
		}
		key := strings.ToLower(s.Name)
		if first, ok := seen[key]; ok {
			p.add(at+".name", "is the name of share %d too (upper and lower case are the same to a client)", first)
		} else {
			seen[key] = i
		}
		if p.value(at+".path", s.Path) {
			p.directory(at+".path", s.Path)
		}
		if s.Comment != "" {
			p.value(at+".comment", s.Comment)
			if len(s.Comment) > maxComment {
				p.add(at+".comment", "is longer than %d bytes", maxComment)
			}
		}
	}
}
