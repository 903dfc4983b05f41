package bridge

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"sshfs-bridge/fusefs/sshdial"
)

// maxNameBytes keeps a name inside what a share name may have (80 characters)
// with room for a suffix.
const maxNameBytes = 72

// reservedNames mean something else to smbd, to us or to a file system.
var reservedNames = []string{"global", "homes", "printers", "print$", "ipc$", "admin$", "netlogon", "sysvol", "profiles", strings.ReplaceAll(strings.ToLower(HubShare), " ", "")}

// CheckName says whether name can be a folder, a share and a part of a URL.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case !utf8.ValidString(name):
		return errors.New("the name is not valid UTF-8")
	case len(name) > maxNameBytes:
		return fmt.Errorf("the name has %d bytes, at most %d fit", len(name), maxNameBytes)
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.Contains(name, "  "):
		return fmt.Errorf("the name %q has spaces at an end or several in a row, which Samba would drop", name)
	case slices.Contains(reservedNames, strings.ReplaceAll(strings.ToLower(name), " ", "")): // as smbd compares them
		return fmt.Errorf("the name %q is reserved", name)
	}
	for i, r := range name {
		if !nameRune(r) {
			return fmt.Errorf("the name %q holds %q: letters, digits, '.', '_', '-' and single spaces are allowed", name, r)
		}
		if i == 0 && (r == '.' || r == '-') {
			return fmt.Errorf("the name %q begins with %q", name, r)
		}
	}
	if strings.HasSuffix(name, ".") {
		return fmt.Errorf("the name %q ends with a dot", name)
	}
	if !norm.NFC.IsNormalString(name) {
		return fmt.Errorf("the name %q is not in Unicode's composed form (NFC)", name)
	}
	return nil
}

func nameRune(r rune) bool {
	return r == ' ' || r == '.' || r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
}

// DeriveName makes a name of a remote: the last element of its path, or the
// host where there is none. It is empty for a remote that makes no sense.
func DeriveName(remote string) string {
	t, err := sshdial.ParseTarget(remote)
	if err != nil {
		return ""
	}
	base := path.Base(path.Clean("/" + t.Path))
	if base == "/" || strings.Trim(base, "~.") == "" {
		base = hostName(t.Host)
	}
	if name := tidyName(base); CheckName(name) == nil {
		return name
	}
	if name := tidyName(t.Host + "-" + base); CheckName(name) == nil {
		return name
	}
	return "remote"
}

// hostName is the first label of a host name, and an address whole.
func hostName(host string) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return host
	}
	label, _, _ := strings.Cut(host, ".")
	return label
}

// tidyName replaces what a name must not hold.
func tidyName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r != utf8.RuneError && nameRune(r) {
			return r
		}
		return '-'
	}, norm.NFC.String(s))
	for strings.Contains(s, "--") {
		s = strings.ReplaceAll(s, "--", "-")
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
	s = strings.TrimLeft(s, "-. ")
	for len(s) > maxNameBytes {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return strings.TrimRight(s, "-. ")
}

// sameName compares names as SMB does: without regard to case.
func sameName(a, b string) bool { return strings.EqualFold(a, b) }
