package smbconf

import (
	"errors"
	"fmt"
	"strings"
)

// section is one section of an smb.conf as smbd reads it.
type section struct {
	name   string
	params []param
}

type param struct{ name, value string }

// get returns the value of the last setting of that name, or "".
func (s section) get(name string) string {
	for i := len(s.params) - 1; i >= 0; i-- {
		if s.params[i].name == name {
			return s.params[i].value
		}
	}
	return ""
}

// isSpace is isspace(3) in the C locale, which smbd's reader goes by.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// readSections splits a file into sections the way smbd does (source:
// lib/util/tini.c), with what smbd forgives and what it passes over: that is
// what makes reading a file back say something about what smbd will see.
func readSections(data []byte) ([]section, error) {
	var out []section
	for _, line := range logicalLines(data) {
		if line[0] == '[' {
			name, _, closed := strings.Cut(line[1:], "]")
			if !closed {
				return nil, fmt.Errorf("a section without an end: %q", line)
			}
			out = append(out, section{name: name})
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue // smbd ignores it
		}
		if name = trimOne(name); name == "" {
			return nil, fmt.Errorf("a setting without a name: %q", line)
		}
		if len(out) == 0 {
			return nil, errors.New("a setting before the first section")
		}
		last := &out[len(out)-1]
		last.params = append(last.params, param{name, trimOne(value)})
	}
	return out, nil
}

// logicalLines returns the lines that are neither empty nor comments, with
// continuations joined and runs of white space folded.
func logicalLines(data []byte) []string {
	var lines []string
	for i := 0; i < len(data); {
		for i < len(data) && isSpace(data[i]) {
			i++
		}
		if i == len(data) {
			break
		}
		if data[i] == '#' || data[i] == ';' {
			for i < len(data) && data[i] != '\n' {
				i++
			}
			continue
		}
		var line []byte
		for ; i < len(data); i++ {
			c := data[i]
			if c == '\n' {
				if n, more := continued(line); more {
					line = line[:n]
					continue
				}
				break
			}
			if len(line) > 0 && isSpace(line[len(line)-1]) && isSpace(c) {
				continue
			}
			line = append(line, c)
		}
		if text, _, _ := strings.Cut(string(line), "\x00"); text != "" { // C strings end there
			lines = append(lines, text)
		}
	}
	return lines
}

// continued says whether a line ends in a backslash, white space after it
// aside, and where the line is then cut.
func continued(line []byte) (int, bool) {
	n := len(line)
	switch {
	case n > 0 && line[n-1] == '\\':
		return n - 1, true
	case n > 1 && line[n-2] == '\\' && isSpace(line[n-1]):
		return n - 2, true
	}
	return 0, false
}

func trimOne(s string) string {
	if s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	if s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
