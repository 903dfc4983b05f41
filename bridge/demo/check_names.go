package demo

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// macNames are the characters of the private use area that Macs put in the
// place of what SMB cannot carry; Samba's vfs_fruit does the same.
var macNames = strings.NewReplacer(
	"\uf020", "\"", "\uf021", "*", "\uf022", ":", "\uf023", "<", "\uf024", ">",
	"\uf025", "?", "\uf026", "\\", "\uf027", "|", "\uf028", " ", "\uf029", ".",
)

// canonical makes two spellings of a name equal: the mapped and the composed.
func canonical(name string) string { return norm.NFC.String(macNames.Replace(name)) }

// hasMapped says whether a name holds such a character.
func hasMapped(name string) bool { return macNames.Replace(name) != name }

// smbNames is the way back.
var smbNames = strings.NewReplacer(
	"\"", "\uf020", "*", "\uf021", ":", "\uf022", "<", "\uf023", ">", "\uf024",
	"?", "\uf025", "\\", "\uf026", "|", "\uf027",
)

// smbName is a name as a Mac would send it.
func smbName(name string) string { return smbNames.Replace(name) }
