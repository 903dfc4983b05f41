package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/smbconf"
)

// sambaDoc holds the tables of settings. BRIDGE_UPDATE_DOCS=1 measures the one of
// the installed smbd anew, with BRIDGE_SAMBA_IMAGE=IMAGE that of the image's.
const sambaDoc = "../docs/samba.md"

const rowOfOurs = "**ours**"

// TestSambaTable: each setting that was tried has its row, and each row was tried.
func TestSambaTable(t *testing.T) {
	if os.Getenv("BRIDGE_UPDATE_DOCS") != "" {
		measureSamba(t)
	}
	doc, err := os.ReadFile(sambaDoc)
	check(t, err)
	found := 0
	for section := range strings.SplitSeq(string(doc), "<!-- counted with ") {
		version, table, ok := strings.Cut(section, " -->")
		if !ok {
			continue
		}
		v, err := smbconf.ParseVersion(version)
		if err != nil {
			continue
		}
		found++
		table, _, _ = strings.Cut(table, "<!-- end -->")
		want := []string{"instead of ours", rowOfOurs}
		for _, tr := range trials() {
			if v.AtLeast(4, tr.since) {
				want = append(want, tr.setting)
			}
		}
		var rows []string
		for line := range strings.Lines(table) {
			if cells := strings.Split(line, "|"); len(cells) == len(sambaWorks())+4 && !strings.HasPrefix(line, "|---") {
				rows = append(rows, strings.TrimSpace(cells[1]))
			}
		}
		if !slices.Equal(rows, want) {
			t.Errorf("%s: the rows for Samba %s are\n%q\nwant\n%q", sambaDoc, v, rows, want)
		}
	}
	if found == 0 {
		t.Errorf("%s has no table", sambaDoc)
	}
}

// TestSambaTable_hasEverySetting: what is rendered has a row, or a reason why it needs
// none: it changes nothing that smbd asks of the mount.
func TestSambaTable_hasEverySetting(t *testing.T) {
	doc, err := os.ReadFile(sambaDoc)
	check(t, err)
	_, section, ok := strings.Cut(string(doc), "\n### Settings without a row\n")
	if !ok {
		t.Fatal("the section is gone")
	}
	section, _, _ = strings.Cut(section, "\n#")
	known := map[string]bool{}
	for i, part := range strings.Split(section, "`") {
		known[part] = known[part] || i%2 == 1
	}
	for _, tr := range trials() {
		if len(tr.with) <= 3 { // one setting, and what goes with it
			for name := range tr.with {
				known[name] = true
			}
		}
	}
	for _, v := range []smbconf.Version{{Major: 4, Minor: 17}, {Major: 4, Minor: 24}} {
		for line := range strings.Lines(smbConfFor(t, v, t.TempDir(), "/srv", 445, nil)) {
			if name, _, ok := strings.Cut(strings.TrimSpace(line), " = "); ok && !known[name] {
				t.Errorf("Samba %s: %s is neither in a trial nor below \"Settings without a row\"", v, name)
			}
		}
	}
}

// measureSamba counts for each setting and writes the table of this smbd.
func measureSamba(t *testing.T) {
	m := mountCounted(t, 0)
	run := hostSmbd
	if image := os.Getenv("BRIDGE_SAMBA_IMAGE"); image != "" {
		run = imageSmbd(t, image, filepath.Dir(m.mnt))
	}
	v := run.version(t)
	all := []trial{{setting: rowOfOurs}}
	for _, tr := range trials() {
		if v.AtLeast(4, tr.since) {
			all = append(all, tr)
		}
	}
	for i := range all {
		prepareWorks(t, fmt.Sprintf("%s/v%02d", m.dir, i))
	}
	var table strings.Builder
	fmt.Fprintf(&table, "<!-- counted with %s -->\n| instead of ours |", v)
	for _, w := range sambaWorks() {
		fmt.Fprintf(&table, " %s |", w.title)
	}
	fmt.Fprintf(&table, " ours, and why |\n|---|%s---|\n", strings.Repeat("---|", len(sambaWorks())))
	var ours map[string]counted
	for i, tr := range all {
		start := time.Now()
		port, stop := run.start(t, m.mnt, tr.with)
		n := m.countWorks(t, port, fmt.Sprintf("v%02d", i))
		stop()
		if ours == nil {
			ours = n
		}
		fmt.Fprintf(&table, "| %s |", tr.setting)
		for _, w := range sambaWorks() {
			fmt.Fprintf(&table, " %s |", cellOf(w, n[w.name], ours[w.name], i == 0))
		}
		fmt.Fprintf(&table, " %s |\n", tr.why)
		t.Logf("%s: %v", tr.setting, time.Since(start).Round(time.Millisecond))
	}
	table.WriteString("<!-- end -->")
	if !t.Failed() {
		replaceTable(t, fmt.Sprintf("<!-- counted with %d.%d.", v.Major, v.Minor), table.String())
	}
}

// cellOf shows the FUSE and SFTP requests of one unit: for ours themselves, for
// others what is more or less.
func cellOf(w sambaWork, n, ours counted, first bool) string {
	if n.err != nil {
		return "fails"
	}
	per := func(k int) float64 { return float64(k) / float64(w.units) }
	fuse, sftp := per(total(n.FUSE)), per(total(n.SFTP))
	if first {
		return fmt.Sprintf("%.1f / %.1f", fuse, sftp)
	}
	fuse -= per(total(ours.FUSE))
	sftp -= per(total(ours.SFTP))
	shown := func(d float64) string {
		if d > -0.25 && d < 0.25 { // once in a while an attribute's time is over
			return "="
		}
		return fmt.Sprintf("%+.1f", d)
	}
	if f, s := shown(fuse), shown(sftp); f != "=" || s != "=" {
		return f + " / " + s
	}
	return ""
}

func replaceTable(t *testing.T, mark, table string) {
	t.Helper()
	doc, err := os.ReadFile(sambaDoc)
	check(t, err)
	before, rest, ok := strings.Cut(string(doc), mark)
	if !ok {
		t.Fatalf("%s has no place for this table: %s", sambaDoc, mark)
	}
	_, after, _ := strings.Cut(rest, "<!-- end -->")
	check(t, os.WriteFile(sambaDoc, []byte(before+table+after), 0o644))
}
