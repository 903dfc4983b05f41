package sshdial

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// paths maps names of files as a configuration gives them. A Mac's ~/.ssh is
// elsewhere in a container (read only, as /ssh), and its own files
// name it in several ways.
type paths struct {
	sshDir, home, localUser string
}

// file is the place of a file; a relative name is looked for in SSHDir.
func (p paths) file(name string) string {
	if rest, ok := inSSHDir(name, p.home); ok {
		return filepath.Join(p.sshDir, rest)
	}
	if rest, ok := inLinuxHome(name); ok {
		if _, err := os.Lstat(name); err != nil {
			return filepath.Join(p.sshDir, rest)
		}
	}
	if name == "~" {
		return p.home
	}
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		return filepath.Join(p.home, rest)
	}
	if !filepath.IsAbs(name) {
		return filepath.Join(p.sshDir, name)
	}
	return name
}

// include is the place of an Include pattern in the file from: as file, but
// for the system's own configuration.
func (p paths) include(pattern, from string) string {
	const system = "/etc/ssh"
	if !filepath.IsAbs(pattern) && !strings.HasPrefix(pattern, "~") && filepath.Dir(from) == system {
		return filepath.Join(system, pattern)
	}
	return p.file(pattern)
}

// inSSHDir recognises what a person's ~/.ssh is called, and returns the name
// below it.
func inSSHDir(name, home string) (rest string, ok bool) {
	var after string
	switch {
	case strings.HasPrefix(name, "~/"):
		after = name[2:]
	case strings.HasPrefix(name, "~"), strings.HasPrefix(name, "/Users/"):
		// ~name/.ssh, /Users/name/.ssh
		_, after, ok = strings.Cut(strings.TrimPrefix(name, "/Users/"), "/")
		if !ok {
			return "", false
		}
	case home != "" && strings.HasPrefix(name, strings.TrimSuffix(home, "/")+"/"):
		after = strings.TrimPrefix(name, strings.TrimSuffix(home, "/")+"/")
	default:
		return "", false
	}
	after = strings.TrimLeft(after, "/")
	if after == ".ssh" {
		return "", true
	}
	return strings.CutPrefix(after, ".ssh/")
}

// inLinuxHome is inSSHDir for the homes of a Linux host. Here such a name may
// be meant literally, so the caller looks first.
func inLinuxHome(name string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(name, "/root/.ssh/"); ok {
		return rest, true
	}
	if name, ok = strings.CutPrefix(name, "/home/"); !ok {
		return "", false
	}
	_, after, _ := strings.Cut(name, "/")
	return strings.CutPrefix(after, ".ssh/")
}

// env replaces ${NAME} by the environment's value. HOME and USER are the
// person's, not this process's.
func (p paths) env(s string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("${ is not closed in %q", s)
		}
		switch name {
		case "HOME":
			b.WriteString(p.home)
		case "USER", "LOGNAME":
			b.WriteString(p.localUser)
		default:
			v, ok := os.LookupEnv(name)
			if !ok {
				return "", fmt.Errorf("environment variable %s is not set", name)
			}
			b.WriteString(v)
		}
		s = rest
	}
}

// expandTokens replaces %x by tokens['x'], and %% by a percent sign.
func expandTokens(s string, tokens map[byte]string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", fmt.Errorf("%q ends with a %%", s)
		}
		if s[i] == '%' {
			b.WriteByte('%')
			continue
		}
		v, ok := tokens[s[i]]
		if !ok {
			return "", fmt.Errorf("%%%c means nothing in %q", s[i], s)
		}
		b.WriteString(v)
	}
	return b.String(), nil
}
