package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sshfs-bridge/bridge/api"
)

// Sources say where LoadConfig looks.
type Sources struct {
	// Path is the file; empty is the file that SSHFS_BRIDGE_CONFIG names, or
	// DefaultConfigPath where that exists.
	Path string
	// Environ are the variables, as os.Environ gives them.
	Environ []string
	// Override, if not nil, changes the settings at last (command-line flags).
	Override func(*Config)
}

// ConfigError holds every problem of a configuration.
type ConfigError struct{ Problems []api.Problem }

// Error returns one problem a line.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// API is the error as the control socket tells it.
func (e *ConfigError) API() *api.Error {
	return &api.Error{Code: api.CodeConfig, Message: "the configuration has problems", Problems: e.Problems}
}

// LoadConfig reads the file and the environment, fills in the rest and checks
// the whole. A *ConfigError holds all problems at once; then the Config is not
// to be used.
func LoadConfig(s Sources) (Config, error) {
	c := DefaultConfig()
	var problems []api.Problem
	path, named := s.Path, s.Path != ""
	if path == "" {
		path, named = lookEnv(s.Environ, ConfigEnv)
	}
	if path == "" {
		path = DefaultConfigPath
	}
	c.Path, c.sign = path, fileSign(path)
	switch data, err := os.ReadFile(path); {
	case err == nil:
		c.Files = append(c.Files, path)
		problems = append(problems, readYAML(&c, path, data)...)
	case errors.Is(err, fs.ErrNotExist) && !named:
	default:
		problems = append(problems, api.Problem{File: path, Message: "cannot be read: " + reason(err)})
	}
	problems = append(problems, readEnv(&c, s.Environ)...)
	if s.Override != nil {
		s.Override(&c)
	}
	c.normalise()
	for _, p := range c.problems() {
		told := func(q api.Problem) bool { return q.File == p.File && q.Key == p.Key }
		if !slices.ContainsFunc(problems, told) {
			problems = append(problems, p)
		}
	}
	slices.SortStableFunc(problems, func(a, b api.Problem) int {
		return cmp.Or(cmp.Compare(b.File, a.File), cmp.Compare(a.Line, b.Line))
	})
	if len(problems) > 0 {
		return c, &ConfigError{Problems: problems}
	}
	return c, nil
}

func lookEnv(environ []string, name string) (string, bool) {
	i := slices.IndexFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	if i < 0 || environ[i] == name+"=" {
		return "", false
	}
	return environ[i][len(name)+1:], true
}

// reason is what an error of a file operation says, without the path again.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return fmt.Sprint(err)
}
