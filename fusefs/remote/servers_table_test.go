package remote_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// table is where users read what the suite finds. BRIDGE_UPDATE_DOCS=1 writes the
// rows of the servers that this machine has.
const table = "../../docs/servers.md"

// finding is what a server turned out to be: a row of the table.
type finding struct {
	version  string
	sessions int // SFTP sessions on one connection; maxSessions and more are one
	limits   sftp.Limits
	offers   []string
	lacks    []string
}

// maxSessions is how many sessions are asked for: what we would use, and one.
const maxSessions = 10

// find looks at a server with nothing of ours between but the session.
func (c *contract) find() *finding {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	conn, err := c.login.Dial(ctx, nil)
	check(c.t, err)
	defer conn.Close()
	f := &finding{version: cleanVersion(conn.Info().ServerVersion)}
	if c.kind.version != nil {
		f.version = c.kind.version(c.t)
	}
	_, err = conn.Ping(ctx)
	check(c.t, err)
	for f.sessions < maxSessions {
		stream, err := conn.OpenSFTP(ctx)
		if err != nil {
			break
		}
		client, err := sftp.New(ctx, stream, sftp.Options{})
		if err != nil {
			break
		}
		defer client.Close()
		f.sessions++
		f.limits = client.Limits()
		if f.sessions > 1 {
			continue
		}
		for _, e := range []string{
			sftp.ExtPosixRename, sftp.ExtHardlink, sftp.ExtFsync, sftp.ExtStatVFS, sftp.ExtLimits,
			sftp.ExtCopyData, sftp.ExtLsetstat, sftp.ExtUsersGroupsByID, sftp.ExtExpandPath,
		} {
			if client.Has(e) {
				name, _, _ := strings.Cut(e, "@")
				f.offers = append(f.offers, name)
			}
		}
		if !client.Has(sftp.ExtPosixRename) {
			c.lack("replacing in one step")
		}
		if !client.Has(sftp.ExtFsync) {
			c.lack("fsync")
		}
	}
	if f.sessions == 0 {
		c.t.Fatal("no SFTP session")
	}
	return f
}

// cleanVersion is the software of a version line, without the distribution's part.
func cleanVersion(line string) string {
	line, _, _ = strings.Cut(strings.TrimPrefix(line, "SSH-2.0-"), " ")
	_, v, ok := strings.Cut(line, "_")
	if !ok {
		return line
	}
	return v
}

// row is the finding as a line of the table. The version comes second: it is what
// was tried, and the only part that may differ.
func (f *finding) row(k kind) string {
	sessions := fmt.Sprint(f.sessions)
	if f.sessions == maxSessions {
		sessions = fmt.Sprint(maxSessions, " or more")
	}
	slices.Sort(f.lacks)
	return fmt.Sprintf("| %s | %s | %s | %d / %d | %s | %s | %s |", k.name, f.version, sessions, f.limits.MaxRead>>10, f.limits.MaxWrite>>10,
		cmp.Or(strings.Join(f.offers, ", "), "none"), cmp.Or(strings.Join(f.lacks, ", "), "nothing"), cmp.Or(k.note, "-"))
}

// compare checks the server's row, or writes it.
func (f *finding) compare(t testing.TB, k kind) {
	t.Helper()
	if t.Failed() {
		return
	}
	doc, err := os.ReadFile(table)
	check(t, err)
	lines := strings.Split(string(doc), "\n")
	got := f.row(k)
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "| "+k.name+" |") })
	switch {
	case at < 0:
		t.Errorf("%s has no row for this server:\n%s", table, got)
	case os.Getenv("BRIDGE_UPDATE_DOCS") != "":
		lines[at] = got
		check(t, os.WriteFile(table, []byte(strings.Join(lines, "\n")), 0o644))
	case withoutVersion(lines[at]) != withoutVersion(got):
		t.Errorf("%s says\n%s\nand it is\n%s", table, lines[at], got)
	}
}

func withoutVersion(row string) string {
	cells := strings.Split(row, "|")
	if len(cells) < 3 {
		return row
	}
	return strings.Join(slices.Delete(cells, 2, 3), "|")
}

// TestServers_table: every kind has its row, and every row its kind.
func TestServers_table(t *testing.T) {
	doc, err := os.ReadFile(table)
	check(t, err)
	var rows, want []string
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, " | "); len(cells) == 7 {
			rows = append(rows, strings.TrimPrefix(cells[0], "| "))
		}
	}
	want = append(want, "Server")
	for _, k := range kinds() {
		want = append(want, k.name)
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the rows of %s are\n%q\nwant\n%q", table, rows, want)
	}
}
