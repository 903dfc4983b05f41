package vfs

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// names maps names on the server to names as shown, and back. Without smb
// every name is shown as it is. With smb a name is shown so that SMB and a
// Mac can carry it:
//
//   - a byte that is not UTF-8 is %XX (XX from 80 to FF, upper case);
//   - U+F001 to U+F027 are shown as their bytes, in the same way: smbd has them stand
//     for what SMB cannot carry, and translates them back. Where a folder is searched for
//     exactly one name, as Macs look names up, smbd from 4.22 on does not: given here,
//     they are what they stand for;
//   - a space or dot at the end is U+F028 or U+F029, as Macs write them;
//   - a % that would be taken for one of ours is %25.
//
// remote(show(name)) is name, for every name.
type names struct{ smb bool }

const (
	shownSpace = "\uf028"
	shownDot   = "\uf029"

	// Between these smbd (catia) writes a colon and its like to a client, and reads
	// them back from one.
	firstStand, lastStand = '\uf001', '\uf027'
)

// meant is what smbd has these stand for (vfs_catia with fruit:encoding = native, which
// takes the table of Macs): control characters, and "*:<>?\|.
var meant = func() *strings.Replacer {
	var pairs []string
	for r := firstStand; r <= '\uf01f'; r++ {
		pairs = append(pairs, string(r), string(r-0xf000))
	}
	for i, c := range "\"*:<>?\\|" {
		pairs = append(pairs, string(rune('\uf020'+i)), string(c))
	}
	return strings.NewReplacer(pairs...)
}()

// standsIn says that something in a name that a user gave stands for what SMB cannot carry.
func (m names) standsIn(shown string) bool {
	return m.smb && strings.ContainsFunc(shown, func(r rune) bool { return r >= firstStand && r <= lastStand })
}

// show gives the name under which a remote name is shown.
func (m names) show(name string) string {
	if !m.smb || plain(name) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && size == 1, r >= firstStand && r <= lastStand:
			writeHex(&b, name[i:i+size])
		case name[i] == '%' && i+2 < len(name) && isOurs(name[i+1:i+3]):
			b.WriteString("%25")
		default:
			b.WriteString(name[i : i+size])
		}
		i += size
	}
	s := b.String()
	switch {
	case strings.HasSuffix(s, shownSpace), strings.HasSuffix(s, shownDot):
		// It ends in what stands for another: its last rune is shown in bytes.
		var e strings.Builder
		e.WriteString(s[:len(s)-len(shownDot)])
		writeHex(&e, s[len(s)-len(shownDot):])
		return e.String()
	case strings.HasSuffix(s, " "):
		return s[:len(s)-1] + shownSpace
	case strings.HasSuffix(s, ".") && s != "." && s != "..":
		return s[:len(s)-1] + shownDot
	}
	return s
}

// remote gives the name on the server for a name that a user gave. One that show
// never makes stands for itself.
func (m names) remote(shown string) string {
	if !m.smb || plain(shown) {
		return shown
	}
	shown = meant.Replace(shown)
	s := shown
	if t, ok := strings.CutSuffix(s, shownSpace); ok {
		s = t + " "
	} else if t, ok := strings.CutSuffix(s, shownDot); ok {
		s = t + "."
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isOurs(s[i+1:i+3]) {
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	name := b.String()
	if name == "" || strings.ContainsAny(name, "/\x00") || m.show(name) != shown {
		return shown
	}
	return name
}

// plain says that a name is shown as it is and has no other spelling.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || c == '%' {
			return false
		}
	}
	return !strings.HasSuffix(name, " ") && !strings.HasSuffix(name, ".")
}

// isOurs says whether %xx is something that show writes.
func isOurs(xx string) bool {
	if xx == "25" {
		return true
	}
	return isHex(xx[0]) && isHex(xx[1]) && unhex(xx[0]) >= 8
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'A' + 10
}

// writeHex writes each byte as %XX.
func writeHex(b *strings.Builder, bytes string) {
	const digits = "0123456789ABCDEF"
	for i := range len(bytes) {
		b.Write([]byte{'%', digits[bytes[i]>>4], digits[bytes[i]&15]})
	}
}

// nfc is the key under which all spellings of a name meet; "" for a name that
// has only one.
func nfc(name string) string {
	ascii := true
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii || !utf8.ValidString(name) {
		return ""
	}
	return norm.NFC.String(name)
}

// shortened gives what is shown for a name that is too long when it is escaped. It
// has a character beyond ASCII, so that looking for it reads the directory.
func shortened(shown, name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	end := fmt.Sprintf("\u2026%08x", h.Sum32())
	cut := shown[:maxName-len(end)]
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	return cut + end
}

// numbered gives the n-th name that is shown for a name that is taken.
func numbered(name string, n int) string {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		dot = len(name)
	}
	s := name[:dot] + " (" + strconv.Itoa(n) + ")" + name[dot:]
	if len(s) > maxName {
		return shortened(s, s)
	}
	return s
}

// temporaryName is a name beside p that nobody else gives.
func temporaryName(p string) string {
	dir, _ := path.Split(p)
	return fmt.Sprintf("%s.sshfs-bridge-%016x", dir, rand.Uint64())
}
