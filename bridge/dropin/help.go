package dropin

import (
	"fmt"
	"io"
	"strings"
)

// compatible is the version of sshfs whose command line this is.
const compatible = "3.7.3"

const usageText = `usage: sshfs [user@]host:[dir] mountpoint [options]

    -h   --help            print help
    -V   --version         print version
    -o OPT,[OPT...]        options, see below; a comma inside a value is \,
`

const usageEnd = `
Any other keyword of ssh_config(5) may follow -o, as in -o ServerAliveInterval=15.
A line marked * is accepted and has no effect here; - is refused.

Examples
    sshfs alice@nas.example.com:/srv/media /mnt
    sshfs -o allow_other,uid=1000,gid=1000 alice@nas.example.com: /samba-share
    sshfs -p 2222 -o IdentityFile=~/.ssh/nas,ProxyJump=gate nas:/srv /mnt
    fusermount -u /mnt
`

// writeHelp prints the whole command line.
func writeHelp(w io.Writer) {
	fmt.Fprint(w, usageText)
	for _, s := range table() {
		fmt.Fprintf(w, "\n%s:\n", s.title)
		for _, o := range s.options {
			mark := " "
			switch o.effect {
			case noEffect, elsewhere:
				mark = "*"
			case refused:
				mark = "-"
			case honoured, always:
			}
			writeColumns(w, mark, o.usage(), o.note)
		}
	}
	fmt.Fprint(w, usageEnd)
}

// usage is an option as one types it.
func (o option) usage() string {
	var forms []string
	if o.short != "" {
		forms = append(forms, strings.TrimSpace(o.short+" "+o.arg))
	}
	if o.name != "" {
		form := "-o " + o.name
		if o.kind != kindFlag {
			form = strings.TrimSuffix(form, "=") + "=" + o.arg
		}
		forms = append(forms, form)
	}
	return strings.Join(forms, ", ")
}

// writeColumns prints "mark usage  note" with the notes below each other and
// no line beyond 100 columns.
func writeColumns(w io.Writer, mark, usage, note string) {
	const indent, width = 32, 100
	line := fmt.Sprintf("  %s %s", mark, usage)
	if len(line) >= indent-1 {
		fmt.Fprintln(w, line)
		line = ""
	}
	line += strings.Repeat(" ", indent-len(line))
	empty := true
	for word := range strings.FieldsSeq(note) {
		if !empty && len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line, empty = strings.Repeat(" ", indent), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	fmt.Fprintln(w, line)
}

// WriteOptions writes the table of all options in Markdown, for the manual.
func WriteOptions(w io.Writer) error {
	var b strings.Builder
	names := map[effect]string{
		honoured: "honoured", always: "always so", noEffect: "no effect (reported)",
		elsewhere: "not for us (silent)", refused: "refused",
	}
	for _, s := range table() {
		fmt.Fprintf(&b, "### %s\n\n| option | here | |\n|---|---|---|\n", s.title)
		for _, o := range s.options {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(o.usage(), "|", "\\|"), names[o.effect], strings.ReplaceAll(o.note, "|", "\\|"))
		}
		b.WriteString("\n")
	}
	b.WriteString("Any other keyword of ssh_config(5) may follow `-o`: " + strings.Join(strings.Fields(sshKeywords), ", ") + ".\n")
	_, err := io.WriteString(w, b.String())
	return err
}
