package smbconf

import (
	"bytes"
	"strings"
)

// Render returns smb.conf as smbd shall read it, without comments but for the
// first line. It fails as Validate does.
func (c Config) Render() ([]byte, error) { return c.render(false) }

// RenderCommented is Render with each setting's reason and source above it.
func (c Config) RenderCommented() ([]byte, error) { return c.render(true) }

// header opens every file; Parse reads the version from it.
const header = "# Written by sshfs-bridge for Samba "

func (c Config) render(commented bool) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(header + c.Version.String() + "; what is changed here is lost.\n")
	writeSection(&b, "global", c.globalSettings(), commented)
	for i, s := range c.Shares {
		// The reasons are the same for every share: once is enough.
		writeSection(&b, s.Name, c.shareSettings(s), commented && i == 0)
	}
	return b.Bytes(), nil
}

func writeSection(b *bytes.Buffer, name string, settings []setting, commented bool) {
	b.WriteString("\n[" + name + "]\n")
	for _, s := range settings {
		if commented {
			b.WriteByte('\n')
			for _, line := range wrap(s.why+" ("+s.source+")", 96) {
				b.WriteString("\t# " + line + "\n")
			}
		}
		b.WriteString("\t" + s.name + " = " + s.value + "\n")
	}
}

// wrap breaks a text into lines of at most width bytes where a space allows it.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
