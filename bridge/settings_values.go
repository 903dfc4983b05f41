package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sshfs-bridge/bridge/api"
)

func pathSetting(key string, field func(*Config) *string) setting {
	return setting{
		key: key,
		set: func(c *Config, v []string) error { return parsePath(v[0], field(c)) },
		get: func(c *Config) any { return *field(c) },
	}
}

func oneOf(field func(*Config) *string, values ...string) func(*Config, []string) error {
	return func(c *Config, v []string) error { return pick(v[0], values, field(c)) }
}

func mountOneOf(field func(*api.MountSpec) *string, values ...string) func(*api.MountSpec, []string) error {
	return func(m *api.MountSpec, v []string) error { return pick(v[0], values, field(m)) }
}

func pick(v string, values []string, out *string) error {
	if !slices.Contains(values, v) {
		return fmt.Errorf("%q is none of %s", v, strings.Join(values, ", "))
	}
	*out = v
	return nil
}

func parsePath(v string, out *string) error {
	switch {
	case !filepath.IsAbs(v):
		return fmt.Errorf("%q is not an absolute path", v)
	case strings.ContainsFunc(v, isControl):
		return fmt.Errorf("the path %q holds a control character", v)
	}
	*out = filepath.Clean(v)
	return nil
}

func parseBool(v string, out *bool) error {
	switch strings.ToLower(v) {
	case "true", "yes", "on", "1":
		*out = true
	case "false", "no", "off", "0":
		*out = false
	default:
		return fmt.Errorf("%q is neither true nor false", v)
	}
	return nil
}

func parseInt(v string, least, most int, out *int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%q is not a number from %d to %d", v, least, most)
	}
	*out = n
	return nil
}

func parsePort(v string, out *int) error { return parseInt(v, 1, math.MaxUint16, out) }

func parseID(v string, out *uint32) error {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return fmt.Errorf("%q is not a user or group number", v)
	}
	*out = uint32(n)
	return nil
}

func setPorts(c *Config, v []string) error {
	if len(v) == 0 {
		return errors.New("at least one port is needed")
	}
	ports := make([]int, len(v))
	for i := range v {
		if err := parsePort(v[i], &ports[i]); err != nil {
			return err
		}
		if slices.Contains(ports[:i], ports[i]) {
			return fmt.Errorf("port %d is named twice", ports[i])
		}
	}
	c.SMB.Ports = ports
	return nil
}

func setHostsAllow(c *Config, v []string) error {
	for _, h := range v {
		if _, err := netip.ParseAddr(h); err == nil {
			continue
		}
		if _, err := netip.ParsePrefix(h); err != nil {
			return fmt.Errorf("%q is neither an address nor a network as 192.0.2.0/24", h)
		}
	}
	c.SMB.HostsAllow = v
	return nil
}

func setPublishedHost(c *Config, v []string) error {
	if v[0] == "" || strings.ContainsFunc(v[0], func(r rune) bool { return r <= ' ' || strings.ContainsRune("/@?#[]\\\"", r) }) {
		return fmt.Errorf("%q is no host name or address", v[0])
	}
	c.SMB.PublishedHost = v[0]
	return nil
}

func setLogLevel(c *Config, v []string) error {
	var l slog.Level
	if err := l.UnmarshalText([]byte(v[0])); err != nil {
		return fmt.Errorf("%q is none of debug, info, warn, error", v[0])
	}
	c.LogLevel = l
	return nil
}

func setCacheBytes(c *Config, v []string) error {
	n, err := api.ParseSize(v[0])
	if err != nil {
		return err
	}
	if n < 16<<20 {
		return fmt.Errorf("%q is out of range: at least 16MiB", v[0])
	}
	c.CacheBytes = n
	return nil
}

func formatSize(n int64) string {
	for _, u := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n>>u.shift > 0 && n&(1<<u.shift-1) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// minRate is the least that a mount's data rates can be bounded to, in bytes a second,
// and minRequestRate the least for its requests: below that a Mac gives up on the share.
const (
	minRate        = 64 << 10
	minRequestRate = 10
)

func parseRate(v string, out *int64) error {
	n, err := api.ParseSize(v)
	if err != nil {
		return err
	}
	*out = n
	return checkRate(n)
}

func checkRate(n int64) error {
	if n != 0 && n < minRate {
		return fmt.Errorf("%d bytes a second is out of range: 0 (no bound) or at least 64KiB", n)
	}
	return nil
}

func checkRequestRate(n int) error {
	if n != 0 && n < minRequestRate {
		return fmt.Errorf("%d a second is out of range: 0 (no bound) or at least %d", n, minRequestRate)
	}
	return nil
}

func parseRequestRate(v string, out *int) error {
	if err := parseInt(v, 0, math.MaxInt32, out); err != nil {
		return err
	}
	return checkRequestRate(*out)
}

// The least of a mount's limits: below them ordinary programs fail, or a link is
// never full.
const (
	minOpenFiles = 64
	minNames     = 1000
	minUnwritten = 1 << 20
)

func parseUnwritten(v string, out *int64) error {
	n, err := api.ParseSize(v)
	if err != nil {
		return err
	}
	*out = n
	if n < minUnwritten || n > 1<<30 {
		return fmt.Errorf("%s is out of range: 1MiB to 1GiB", v)
	}
	return nil
}

// checkLimits checks a mount's limits; 0 is the default of each.
func checkLimits(m api.MountSpec) (key string, err error) {
	switch {
	case m.CacheSeconds < 0 || m.CacheSeconds > api.MaxCacheSeconds:
		return "cache_seconds", fmt.Errorf("%d is out of range: 1 to %d", m.CacheSeconds, api.MaxCacheSeconds)
	case m.MaxOpenFiles != 0 && m.MaxOpenFiles < minOpenFiles:
		return "max_open_files", fmt.Errorf("%d is less than %d", m.MaxOpenFiles, minOpenFiles)
	case m.MaxNames != 0 && m.MaxNames < minNames:
		return "max_names", fmt.Errorf("%d is less than %d", m.MaxNames, minNames)
	case m.MaxUnwritten != 0 && (m.MaxUnwritten < minUnwritten || m.MaxUnwritten > 1<<30):
		return "max_unwritten", fmt.Errorf("%d bytes is out of range: 1MiB to 1GiB", m.MaxUnwritten)
	}
	return "", nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func checkTexts(v []string) error {
	for _, s := range v {
		if s == "" || strings.ContainsFunc(s, isControl) {
			return fmt.Errorf("%q is empty or holds a control character", s)
		}
	}
	return nil
}

func setInterfaces(c *Config, v []string) error { c.SMB.Interfaces = v; return checkTexts(v) }
