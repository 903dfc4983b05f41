package sshdial

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// jump is a hop as ProxyJump or ProxyCommand names it, before its own
// configuration is looked at.
type jump struct {
	target  Target
	options Options // Overrides, IdentityFiles, ProxyJump of this hop alone
}

// jumps are the hops before this one, the nearest to us first.
func (e *evaluator) jumps(h *hop) ([]jump, error) {
	tokens := map[byte]string{'h': h.hostName, 'n': h.alias, 'p': strconv.Itoa(h.port), 'r': h.user}
	if l, ok := e.get("proxyjump"); ok {
		if strings.EqualFold(l.args[0], "none") || l.args[0] == "" {
			return nil, nil
		}
		spec, err := expandTokens(l.args[0], tokens)
		if err != nil {
			return nil, fmt.Errorf("%s: ProxyJump: %w", l.at, err)
		}
		js, err := parseJumps(spec)
		if err != nil {
			return nil, fmt.Errorf("%s: ProxyJump: %w", l.at, err)
		}
		return js, nil
	}
	l, ok := e.get("proxycommand")
	if !ok || strings.EqualFold(strings.TrimSpace(l.rest), "none") {
		return nil, nil
	}
	j, ok := parseProxyCommand(l.args)
	if !ok {
		return nil, &UnsupportedError{Keyword: l.keyword, Value: l.rest, Where: l.at.String()}
	}
	// The jump host itself may be given by tokens too.
	for _, s := range []*string{&j.target.Host, &j.target.User} {
		var err error
		if *s, err = expandTokens(*s, tokens); err != nil {
			return nil, fmt.Errorf("%s: ProxyCommand: %w", l.at, err)
		}
	}
	if err := j.target.check(); err != nil {
		return nil, fmt.Errorf("%s: ProxyCommand: %w", l.at, err)
	}
	return []jump{j}, nil
}

// parseJumps reads [USER@]HOST[:PORT] or ssh://..., separated by commas.
func parseJumps(spec string) ([]jump, error) {
	var js []jump
	for _, part := range strings.Split(spec, ",") {
		t, err := parseJump(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		js = append(js, jump{target: t})
	}
	return js, nil
}

func parseJump(s string) (Target, error) {
	t, err := ParseTarget(s)
	if err != nil {
		return Target{}, err
	}
	// What is a path in a remote is a port in a jump.
	if t.Path != "" && !strings.Contains(s, "://") {
		if t.Port, err = parsePort(t.Path); err != nil {
			return Target{}, fmt.Errorf("jump host %q: %w", s, err)
		}
	}
	t.Path = ""
	return t, nil
}

// text is the jump as ProxyJump names it.
func (j jump) text() string {
	host := j.target.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if j.target.User != "" {
		host = j.target.User + "@" + host
	}
	if j.target.Port != 0 {
		host += ":" + strconv.Itoa(j.target.Port)
	}
	return strings.ReplaceAll(host, "%", "%%") // it is expanded again
}

// parseProxyCommand understands "ssh [options] -W %h:%p [USER@]HOST": the jump
// of the days before ProxyJump. ok is false for anything else.
func parseProxyCommand(args []string) (j jump, ok bool) {
	if len(args) > 0 && args[0] == "exec" {
		args = args[1:]
	}
	if len(args) == 0 || path.Base(args[0]) != "ssh" {
		return j, false
	}
	forward, host := false, ""
	for args = args[1:]; len(args) > 0; {
		arg := args[0]
		args = args[1:]
		if isStderrRedirect(arg) {
			if strings.HasSuffix(arg, ">") && len(args) > 0 {
				args = args[1:]
			}
			continue
		}
		if arg == "" || arg[0] != '-' || arg == "-" || arg == "--" {
			if host != "" || strings.HasPrefix(arg, "-") || arg == "" {
				return j, false // a command to run there
			}
			host = arg
			continue
		}
		for flags := arg[1:]; flags != ""; {
			flag := flags[0]
			flags = flags[1:]
			if strings.IndexByte("qxXaATtNnvkC46", flag) >= 0 {
				continue // neither route nor trust, for one channel
			}
			value := flags
			if value == "" {
				if len(args) == 0 {
					return j, false
				}
				value, args = args[0], args[1:]
			}
			flags = ""
			switch flag {
			case 'W':
				forward = value == "%h:%p" || value == "[%h]:%p"
				if !forward {
					return j, false
				}
			case 'p':
				p, err := parsePort(value)
				if err != nil {
					return j, false
				}
				j.target.Port = p
			case 'l':
				j.target.User = value
			case 'i':
				j.options.IdentityFiles = append(j.options.IdentityFiles, value)
			case 'o':
				j.options.Overrides = append(j.options.Overrides, value)
			case 'J':
				j.options.ProxyJump = value
			default:
				return j, false
			}
		}
	}
	if !forward || host == "" {
		return j, false
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		j.target.User, host = host[:i], host[i+1:]
	}
	j.target.Host = host
	return j, true
}

func isStderrRedirect(arg string) bool {
	return strings.HasPrefix(arg, "2>")
}
