package smbconf

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// badValue says why s cannot be the value of a setting, or "". smb.conf has no
// way to quote: smbd folds runs of white space and drops it at both ends, joins
// a line that ends in a backslash with the next one, substitutes % (for which
// there is no escape), and strips quotes (source: lib/util/tini.c,
// lib/substitute.c, param/loadparm.c).
func badValue(s string) string {
	switch {
	case s == "":
		return "is empty"
	case !utf8.ValidString(s):
		return fmt.Sprintf("%q is not UTF-8", s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Sprintf("%q has a control character in it", s)
	case strings.ContainsAny(s, `%"`):
		return fmt.Sprintf("%q has a %% or a double quote in it, which Samba would replace", s)
	case strings.HasSuffix(s, `\`):
		return fmt.Sprintf("%q ends in a backslash, which joins it with the next line", s)
	case strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.Contains(s, "  "):
		return fmt.Sprintf("%q has spaces at an end or several in a row, which Samba would drop", s)
	}
	return ""
}

const (
	// maxShareName is Windows' and Samba's limit, in characters.
	maxShareName = 80
	// maxComment is enough for a remote, and short enough for every browser.
	maxComment = 200
	// notInShareName are the characters that Samba's own tools refuse in a
	// share's name (source: param/loadparm.h, INVALID_SHARENAME_CHARS), and the
	// brackets that end a section's name.
	notInShareName = `%<>*?|/\+=;:",[]`
)

// reservedShareNames mean something else to smbd than a share of that name.
// It compares without case and white space.
var reservedShareNames = map[string]bool{
	"global": true, "globals": true, "homes": true, "printers": true, "ipc$": true, "print$": true, "admin$": true,
}

// badShareName says why s cannot be the name of a share, or "".
func badShareName(s string) string {
	switch {
	case s == "":
		return "is empty"
	case utf8.RuneCountInString(s) > maxShareName:
		return fmt.Sprintf("%q is longer than %d characters", s, maxShareName)
	case strings.ContainsAny(s, notInShareName):
		return fmt.Sprintf("%q has one of %s in it", s, notInShareName)
	case s[0] == '.' || s[0] == '#':
		return fmt.Sprintf("%q begins with %q", s, s[:1])
	case strings.HasSuffix(s, "$"):
		return fmt.Sprintf("%q ends in $, which hides a share", s)
	case reservedShareNames[strings.ToLower(strings.ReplaceAll(s, " ", ""))]:
		return fmt.Sprintf("%q is a name that Samba has taken", s)
	}
	return badValue(s)
}

// CleanComment returns text as the comment of a share: what smb.conf cannot
// carry is replaced by its full-width likeness or left out, and a long text is
// cut. The result is valid or empty; a valid comment is returned as it is.
func CleanComment(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '%':
			return '％'
		case r == '"':
			return '＂'
		case r == utf8.RuneError:
			return '?'
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' }), " ")
	for len(text) > maxComment {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return strings.TrimRight(text, `\ `)
}
