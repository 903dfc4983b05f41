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
