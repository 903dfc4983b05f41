package smbconf

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzRender: whatever a share's name, path and comment are, either Validate
// refuses them, or smbd's way of reading gives back exactly what was written,
// in as many sections and settings as there should be.
func FuzzRender(f *testing.F) {
	valid := [...]string{"files", "/mnt/files", "alice@nas:/srv", "WORKGROUP", "sshuser", "eth0", "192.0.2.0/24", "/var/lib/x", "/run/log"}
	for _, text := range []string{
		"My Photos", "/mnt/My Photos", "a]\n[b", "/a\nb = c", "\nb = c", "x\\", "/x\\", "x%U", "/%$(HOME)", "a\\", "/a\\ ", "\\", ";a", "/;a", "#b", "=", "/=", "/",
		"\u0085", "/\u2028", "\u00a0x\u00a0", "a  b", "/a\t b", "a \v b", "global", "\"a\"", "/\"a\"", "\"\"", "a b", "127.0.0.1", "::/0", "@wheel", "/helpers.log", "",
	} {
		for i := range valid { // one at a time, or the others' problems would hide it
			v := valid
			v[i] = text
			f.Add(v[0], v[1], v[2], false, true, v[3], v[4], v[5], v[6], v[7], v[8])
		}
	}
	f.Fuzz(func(t *testing.T, name, path, comment string, readOnly, strict bool, server, account, iface, host, private, log string) {
		c := guest(Version{4, 22, 0})
		c.Shares = append(c.Shares, Share{name, path, comment, readOnly, strict})
		c.Workgroup, c.NetBIOSName, c.ForceUser, c.ForceGroup = server, server, account, account
		c.Interfaces, c.HostsAllow = append(c.Interfaces, iface), append(c.HostsAllow, host)
		c.Dirs.Private, c.Dirs.Log = private, log
		data, err := c.Render()
		if err != nil {
			return
		}
		back, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, back); diff != "" {
			t.Fatal(diff)
		}
		if bytes.Count(data, []byte("\n[")) != 1+len(c.Shares) || bytes.ContainsRune(data, '%') {
			t.Fatalf("a section or a substitution too many:\n%s", data)
		}
		again, err := back.Render()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("not stable: %v", err)
		}
	})
}

// FuzzParse: no file crashes it, and what it accepts is what was written.
func FuzzParse(f *testing.F) {
	for _, c := range []Config{guest(Version{4, 17, 0}), password(Version{4, 24, 0})} {
		for _, render := range []func() ([]byte, error){c.Render, c.RenderCommented} {
			data, err := render()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte("[global]\n\\\n\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted an invalid Config: %v", err)
		}
	})
}

// FuzzCleanComment: the result can always be a comment.
func FuzzCleanComment(f *testing.F) {
	f.Add("a%b\"c\\")
	f.Add("\xff\u0085\x7f ")
	f.Fuzz(func(t *testing.T, text string) {
		got := CleanComment(text)
		if got != "" && badValue(got) != "" || len(got) > maxComment {
			t.Fatalf("%q: %s", got, badValue(got))
		}
		if badValue(text) == "" && len(text) <= maxComment && got != text {
			t.Fatalf("changed a valid comment %q to %q", text, got)
		}
	})
}
