package sshdial

import (
	"fmt"
	"strings"
)

// line is one setting of a configuration file: a keyword in lower case and its
// arguments. rest is the text after the keyword, for keywords that take
// a whole command.
type line struct {
	keyword string // as written
	key     string // in lower case
	args    []string
	rest    string
	at      origin
}

// origin is where a setting stands, for messages.
type origin struct {
	file string // a file's name, or "option"
	line int    // 0 where there are no lines
}

func (o origin) String() string {
	if o.line == 0 {
		return o.file
	}
	return fmt.Sprintf("%s:%d", o.file, o.line)
}

// splitLine reads one line as OpenSSH does: KEYWORD ARGS or KEYWORD=ARGS, with
// quotes, backslashes and comments. ok is false for an empty line.
func splitLine(text string, at origin) (l line, ok bool, err error) {
	text = strings.Trim(text, " \t\r\f\v\n")
	if text == "" || text[0] == '#' {
		return line{}, false, nil
	}
	if strings.ContainsRune(text, 0) {
		return line{}, false, fmt.Errorf("%s: holds a NUL", at)
	}
	end := strings.IndexAny(text, " \t=")
	if end < 0 {
		end = len(text)
	}
	l = line{keyword: strings.Trim(text[:end], `"`), at: at}
	l.key = strings.ToLower(l.keyword)
	l.rest = strings.TrimLeft(text[end:], " \t")
	if after, found := strings.CutPrefix(l.rest, "="); found {
		l.rest = strings.TrimLeft(after, " \t")
	}
	if l.args, err = splitArgs(l.rest); err != nil {
		return line{}, false, fmt.Errorf("%s: %s: %w", at, l.keyword, err)
	}
	if len(l.args) == 0 {
		return line{}, false, fmt.Errorf("%s: %s has no value", at, l.keyword)
	}
	return l, true, nil
}

// splitArgs splits at blanks outside quotes. A backslash takes the special
// meaning of a quote, a backslash or (outside quotes) a blank away, and is an
// ordinary character otherwise. A # where an argument could begin ends the line.
func splitArgs(s string) ([]string, error) {
	var args []string
	for i := 0; i < len(s); {
		switch s[i] {
		case ' ', '\t':
			i++
			continue
		case '#':
			return args, nil
		}
		var b strings.Builder
		var quote byte
		for ; i < len(s); i++ {
			c := s[i]
			if c == '\\' && i+1 < len(s) {
				next := s[i+1]
				if next == '\'' || next == '"' || next == '\\' || quote == 0 && next == ' ' {
					b.WriteByte(next)
					i++
					continue
				}
			}
			if quote == 0 && (c == ' ' || c == '\t') {
				break
			}
			switch {
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case quote != 0 && c == quote:
				quote = 0
			default:
				b.WriteByte(c)
			}
		}
		if quote != 0 {
			return nil, fmt.Errorf("a quote is not closed")
		}
		args = append(args, b.String())
	}
	return args, nil
}

// matchPattern matches * and ? against the whole of s, without regard to case
// (host names have none).
func matchPattern(pattern, s string) bool {
	pattern, s = strings.ToLower(pattern), strings.ToLower(s)
	// The last star, and where in s it stands, are all that ever needs to be
	// gone back to: linear in practice, quadratic at worst.
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchList matches a list of patterns: one must match, and no negated (!)
// one may.
func matchList(patterns []string, s string) bool {
	matched := false
	for _, p := range patterns {
		negated, ok := strings.CutPrefix(p, "!")
		if ok {
			if matchPattern(negated, s) {
				return false
			}
		} else if matchPattern(p, s) {
			matched = true
		}
	}
	return matched
}
