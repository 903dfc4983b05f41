package sshdial

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Target is a remote as it was given, before ssh_config is looked at.
type Target struct {
	User string // empty: not given
	Host string // a name, an alias of ssh_config or an address; never empty
	Port int    // 0: not given
	Path string // as given; empty is the home directory
}

// ParseTarget reads [USER@]HOST[:PATH], [USER@][IPV6][:PATH] (the address in
// brackets) and sftp://[USER@]HOST[:PORT][/PATH]. In an URL, /PATH is absolute
// and /~/PATH is relative to the home directory.
func ParseTarget(remote string) (Target, error) {
	t, err := parseTarget(remote)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return Target{}, fmt.Errorf("remote %q: %w", remote, err)
	}
	return t, nil
}

func parseTarget(remote string) (Target, error) {
	for _, scheme := range []string{"sftp://", "ssh://"} {
		if len(remote) >= len(scheme) && strings.EqualFold(remote[:len(scheme)], scheme) {
			return parseURL(remote)
		}
	}
	var t Target
	login, rest := "", remote
	// The host in brackets may hold colons; a user, and a path, may hold
	// nearly anything.
	if i := strings.IndexByte(remote, '['); i == 0 || i > 0 && remote[i-1] == '@' && !strings.Contains(remote[:i], ":") {
		j := strings.IndexByte(remote[i:], ']')
		if j < 0 {
			return t, fmt.Errorf("the bracket is not closed")
		}
		login, t.Host, rest = remote[:i], remote[i+1:i+j], remote[i+j+1:]
		if rest != "" && rest[0] != ':' {
			return t, fmt.Errorf("expected \":PATH\" after the address")
		}
		t.Path = strings.TrimPrefix(rest, ":")
		t.User = strings.TrimSuffix(login, "@")
		if login != "" && t.User == "" {
			return t, fmt.Errorf("the user is empty")
		}
		return t, nil
	}
	login, t.Path, _ = strings.Cut(rest, ":")
	t.Host = login
	if i := strings.LastIndexByte(login, '@'); i >= 0 {
		t.User, t.Host = login[:i], login[i+1:]
		if t.User == "" {
			return t, fmt.Errorf("the user is empty")
		}
	}
	return t, nil
}

func parseURL(remote string) (Target, error) {
	var t Target
	u, err := url.Parse(remote)
	if err != nil {
		return t, fmt.Errorf("not a valid URL")
	}
	if _, has := u.User.Password(); has {
		return t, fmt.Errorf("a password does not belong in an URL; you are asked for it")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return t, fmt.Errorf("an URL of a remote ends with its path (write %%3F for \"?\" and %%23 for \"#\")")
	}
	t.User, t.Host, t.Path = u.User.Username(), u.Hostname(), u.Path
	if p := u.Port(); p != "" {
		if t.Port, err = parsePort(p); err != nil {
			return t, err
		}
	}
	if t.Path == "/~" || strings.HasPrefix(t.Path, "/~/") {
		t.Path = strings.TrimPrefix(strings.TrimPrefix(t.Path, "/~"), "/")
	}
	return t, nil
}

// check refuses what can be no host or user. Both end up in messages, in
// known_hosts lines (where * ? ! and | have a meaning) and in tokens.
func (t Target) check() error {
	if t.Host == "" {
		return fmt.Errorf("names no host (write [USER@]HOST[:PATH], and an IPv6 address in brackets)")
	}
	if err := checkName("host", t.Host); err != nil {
		return err
	}
	if strings.ContainsRune(t.Path, 0) {
		return fmt.Errorf("the path holds a NUL")
	}
	return checkName("user", t.User)
}

func checkName(what, s string) error {
	if len(s) > 255 {
		return fmt.Errorf("the %s is longer than 255 bytes", what)
	}
	if strings.HasPrefix(s, "-") {
		return fmt.Errorf("the %s begins with a dash", what)
	}
	bad := " \t\"'`$\\;&<>|(){}[],*?!#@"
	if what == "user" {
		// "DOMAIN\user" and "first last" exist.
		bad = "'`\";&<>|(){}"
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f || strings.IndexByte(bad, s[i]) >= 0 {
			return fmt.Errorf("the %s %q holds a character that it cannot have", what, s)
		}
	}
	return nil
}

func parsePort(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("%q is not a port", s)
	}
	return n, nil
}
