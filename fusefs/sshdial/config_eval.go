package sshdial

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Bounds of what a configuration may make us read.
const (
	maxConfigBytes  = 1 << 20 // of one file
	maxConfigFiles  = 256     // in one evaluation
	maxIncludeDepth = 16      // as OpenSSH
)

// settings is what an evaluation found: for each keyword the line that won, or
// all of them for those that add up.
type settings struct {
	first map[string]line
	multi map[string][]line
	notes []string
	noted map[string]bool
}

func (s *settings) get(key string) (line, bool) {
	l, ok := s.first[key]
	return l, ok
}

func (s *settings) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	if !s.noted[n] {
		s.noted[n] = true
		s.notes = append(s.notes, n)
	}
}

// evaluator reads configuration files for one host, as OpenSSH does: from top
// to bottom, the first value of a keyword wins, and what a Match line tests is
// what has been set above it.
type evaluator struct {
	settings
	paths     paths
	original  string // the host as given
	host      string // what Host lines match: the host name in the final pass
	localUser string
	final     bool // the second pass, for Match final
	wantFinal bool
	files     int
}

func newEvaluator(host, localUser string, p paths) *evaluator {
	return &evaluator{
		settings:  settings{first: map[string]line{}, multi: map[string][]line{}, noted: map[string]bool{}},
		paths:     p,
		original:  host,
		host:      host,
		localUser: localUser,
	}
}

// override sets a value as the command line does, before any file is read.
func (e *evaluator) override(text string) error {
	l, ok, err := splitLine(text, origin{file: "option " + quoteShort(text)})
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("option %q is empty", text)
	}
	if l.key == "host" || l.key == "match" || l.key == "include" {
		return fmt.Errorf("%s: %s belongs in a file", l.at, l.keyword)
	}
	if alias, ok := aliases[l.key]; ok {
		l.key = alias
	}
	if classify(l.key) == unknown {
		return fmt.Errorf("%s: ssh has no such option", l.at)
	}
	return e.apply(l)
}

// set is override for a keyword of our own, whatever its value holds.
func (e *evaluator) set(keyword, value, from string) error {
	l := line{keyword: keyword, key: strings.ToLower(keyword), args: []string{value}, rest: value, at: origin{file: from}}
	return e.apply(l)
}

// readAll evaluates the files, and once more for Match final where one asks
// for it, then with the host name that the first pass found.
func (e *evaluator) readAll(files []string, optional bool) error {
	for {
		for _, f := range files {
			err := e.readFile(f, 0, true)
			if err != nil && (!optional || !errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
		if e.final || !e.wantFinal {
			return nil
		}
		e.final, e.files = true, 0
		e.host = e.hostName()
		// Every value of the first pass stays; those that add up are the same
		// lines again, so they are recognised by where they stand.
	}
}

// hostName is the address as set so far.
func (e *evaluator) hostName() string {
	l, ok := e.get("hostname")
	if !ok {
		return e.original
	}
	// Only %h and %% may stand here; anything else is reported when the
	// route is built.
	name, err := expandTokens(l.args[0], map[byte]string{'h': e.original})
	if err != nil {
		return l.args[0]
	}
	return name
}

func (e *evaluator) user() string {
	if l, ok := e.get("user"); ok {
		return l.args[0]
	}
	return e.localUser
}

func (e *evaluator) readFile(name string, depth int, active bool) error {
	if e.files++; e.files > maxConfigFiles {
		return fmt.Errorf("%s: more than %d files are included", name, maxConfigFiles)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("ssh configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return fmt.Errorf("ssh configuration: %w", err)
	}
	if len(text) > maxConfigBytes {
		return fmt.Errorf("%s: larger than %d bytes", name, maxConfigBytes)
	}
	return e.readText(string(text), name, depth, active)
}

// readText evaluates one file. enclosing says whether it may set anything at
// all: a file included from a block that does not match may not.
func (e *evaluator) readText(text, name string, depth int, enclosing bool) error {
	active := enclosing
	n := 0
	for raw := range strings.Lines(text) {
		n++
		l, ok, err := splitLine(raw, origin{name, n})
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if alias, ok := aliases[l.key]; ok {
			l.key = alias
		}
		switch l.key {
		case "host":
			active = enclosing && matchList(l.args, e.host)
		case "match":
			matches, err := e.match(l, enclosing)
			if err != nil {
				return err
			}
			active = enclosing && matches
		case "include":
			if err := e.include(l, name, depth, active); err != nil {
				return err
			}
		default:
			if active {
				if err := e.apply(l); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (e *evaluator) include(l line, from string, depth int, active bool) error {
	if !active {
		return nil
	}
	if depth+1 > maxIncludeDepth {
		return fmt.Errorf("%s: Include goes deeper than %d files", l.at, maxIncludeDepth)
	}
	for _, pattern := range l.args {
		names, err := filepath.Glob(e.paths.include(pattern, from))
		if err != nil {
			return fmt.Errorf("%s: Include %q: %w", l.at, pattern, err)
		}
		sort.Strings(names)
		for _, name := range names {
			if err := e.readFile(name, depth+1, active); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply takes over one active setting.
func (e *evaluator) apply(l line) error {
	switch classify(l.key) {
	case honoured:
		// ProxyJump and ProxyCommand are two ways to say one thing.
		key := l.key
		if key == "proxyjump" || key == "proxycommand" {
			if _, set := e.first["proxyjump"]; set {
				return nil
			}
			if _, set := e.first["proxycommand"]; set {
				return nil
			}
		}
		if _, set := e.first[key]; !set {
			e.first[key] = l
		}
	case multiple:
		for _, have := range e.multi[l.key] {
			if have.at == l.at && have.args[0] == l.args[0] {
				return nil // the second pass
			}
		}
		e.multi[l.key] = append(e.multi[l.key], l)
	case refused:
		if _, set := e.first[l.key]; set {
			return nil
		}
		e.first[l.key] = l
		if v := strings.ToLower(l.args[0]); v != "no" && v != "none" && v != "false" {
			return &UnsupportedError{Keyword: l.keyword, Value: l.rest, Where: l.at.String()}
		}
	case idle:
		if v := strings.ToLower(l.args[0]); v != "no" && v != "none" && v != "false" {
			e.note("%s (%s) has no effect here", l.keyword, l.at)
		}
	default:
		e.note("%s (%s) is not known here", l.keyword, l.at)
	}
	return nil
}

func quoteShort(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return fmt.Sprintf("%q", s)
}
