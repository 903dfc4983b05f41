package dropin

import "strings"

// splitOptions splits what follows -o at its commas. As in fuse_opt(3), a
// backslash takes the next character as it is, or three octal digits as a byte.
func splitOptions(list string) ([]string, error) {
	if strings.ContainsRune(list, 0) {
		return nil, usagef("-o: an option holds a NUL")
	}
	var options []string
	var b strings.Builder
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == ',':
			options = append(options, b.String())
			b.Reset()
		case c == '\\' && i+1 == len(list):
			return nil, usagef("-o %s: a backslash ends it", list)
		case c == '\\':
			octal, ok := octalByte(list[i+1:])
			if ok {
				b.WriteByte(octal)
				i += 3
				continue
			}
			i++
			b.WriteByte(list[i])
		default:
			b.WriteByte(c)
		}
	}
	return append(options, b.String()), nil
}

// octalByte reads three octal digits of at most 377. A NUL is not one: no
// option could hold it.
func octalByte(s string) (byte, bool) {
	if len(s) < 3 || s[0] < '0' || s[0] > '3' || s[1] < '0' || s[1] > '7' || s[2] < '0' || s[2] > '7' {
		return 0, false
	}
	n := (s[0]-'0')<<6 | (s[1]-'0')<<3 | s[2] - '0'
	return n, n != 0
}

// isList says whether an option is a keyword whose value may hold commas.
func isList(option string) bool {
	name, _, _ := strings.Cut(option, "=")
	switch strings.ToLower(name) {
	case "ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes",
		"casignaturealgorithms", "preferredauthentications", "proxyjump", "kbdinteractivedevices":
		return true
	default:
		// The value was cut at its first comma, the next one is its second piece.
		_, known := lookup(name)
		_, keyword := lookupKeyword(name)
		return !known && !keyword
	}
}
