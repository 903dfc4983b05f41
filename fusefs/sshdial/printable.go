package sshdial

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrintable bounds what is shown of what a server sent.
const maxPrintable = 2 << 10

// printable makes what a server sent fit for a terminal and a log: no control
// characters but newlines, nothing that turns the direction of
// writing, and not too long.
func printable(s string) string {
	if len(s) > maxPrintable {
		s = s[:maxPrintable] + "..."
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}

// quotedError is an error of x/crypto/ssh, whose text may hold what a server
// sent, as it came.
type quotedError struct{ err error }

func (e quotedError) Error() string { return printable(e.err.Error()) }

func (e quotedError) Unwrap() error { return e.err }

// printables is printable for a list.
func printables(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = printable(s)
	}
	return out
}
