package e2e

import (
	"bytes"
	endian "encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// finder works in a folder of a share as Finder does, and knows where that folder is
// on the server.
type finder struct {
	c      finderClient
	t      testing.TB
	b      *bridge
	dir    string // in the share
	server string // on the server
}

func (f *finder) at(name string) string { return filepath.Join(f.dir, name) }

// must fails the test at an error.
func (f *finder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *finder) put(name, content string) { f.t.Helper(); f.must(f.c.write(f.at(name), content)) }
func (f *finder) mkdir(name string)        { f.t.Helper(); f.must(f.c.mkdir(f.at(name))) }
func (f *finder) remove(name string)       { f.t.Helper(); f.must(f.c.remove(f.at(name))) }
func (f *finder) rename(from, to string) {
	f.t.Helper()
	f.must(f.c.rename(f.at(from), f.at(to), false))
}

// duplicate copies a file with all that belongs to it.
func (f *finder) duplicate(from, to string) {
	f.t.Helper()
	f.must(f.c.duplicate(f.at(from), f.at(to)))
	streams, err := f.c.streams(f.at(from))
	f.must(err)
	for _, stream := range streams {
		content, err := f.c.read(f.at(from + stream))
		f.must(err)
		f.put(to+stream, content)
	}
}

func (f *finder) removeTree(name string) {
	f.t.Helper()
	for _, err := range removeTree(f.c, f.at(name)) {
		f.t.Error(err)
	}
}

// is fails the test where a file or stream holds something else.
func (f *finder) is(name, want string) {
	f.t.Helper()
	got, err := f.c.read(f.at(name))
	if err != nil || got != want {
		f.t.Errorf("%s: %.200q, %v; want %.200q", name, got, err, want)
	}
}

// isNot fails the test where there is a file or stream of that name.
func (f *finder) isNot(name string) {
	f.t.Helper()
	if got, err := f.c.read(f.at(name)); err == nil {
		f.t.Errorf("%s is there: %.200q", name, got)
	}
}

// The streams in which a Mac keeps what is not the file's data. A colon within a
// name is sent as the private character that stands for it.
const (
	infoStream = ":AFP_AfpInfo"
	resource   = ":AFP_Resource"
	tags       = ":com.apple.metadata\uf022_kMDItemUserTags"
)

// afpInfoOf is Finder's metadata of a file (Netatalk's AfpInfo): its type and
// creator, flags, and where its icon lies.
func afpInfoOf(finderInfo string) string {
	b := make([]byte, 60)
	copy(b, "AFP\x00")
	endian.BigEndian.PutUint32(b[4:], 0x00000100)  // version
	endian.BigEndian.PutUint32(b[12:], 0x80000000) // no backup date
	copy(b[16:48], finderInfo)
	return string(b)
}

// doubleOf is a file ._NAME with a resource fork, as an archive has it.
func doubleOf(fork string) string {
	var b bytes.Buffer
	b.WriteString("\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
	for _, v := range []any{uint16(2), uint32(9), uint32(50), uint32(32), uint32(2), uint32(82), uint32(len(fork))} {
		_ = endian.Write(&b, endian.BigEndian, v) // a Buffer takes everything
	}
	return b.String() + strings.Repeat("\x00", 32) + fork
}

// finderWorks does what Finder does with files, each followed by a look at the
// server: nothing may be there but the user's own files.
func finderWorks(t *testing.T, b *bridge, home string) {
	works := 0
	for client, connect := range finderClients {
		t.Run(client, func(t *testing.T) {
			share := connect(b.in(t), "files")
			for _, c := range finderCases {
				t.Run(c.what, func(t *testing.T) {
					works++
					dir := fmt.Sprint(works)
					if err := share.mkdir(dir); err != nil {
						t.Fatal(err)
					}
					f := &finder{c: share, t: t, b: b.in(t), dir: dir, server: filepath.Join(home, dir)}
					c.do(f)
					want := c.left
					if want == nil {
						want = map[string]string{}
					}
					if got := tree(t, f.server); !maps.Equal(got, want) {
						t.Errorf("on the server are %.2000q,\nwant %.2000q", got, want)
					}
				})
			}
		})
	}
	names, err := os.ReadDir(home)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if _, err := fmt.Sscan(n.Name(), new(int)); err != nil {
			t.Errorf("%s is at the root of the share on the server", n.Name())
		}
	}
}

// finderRestart: what Finder keeps of a file is there after a restart, and gone
// when the file is.
func finderRestart(t *testing.T, b *bridge, home string) {
	share := newGoFinder(b, "files")
	if err := share.mkdir("restart"); err != nil {
		t.Fatal(err)
	}
	f := &finder{c: share, t: t, b: b, dir: "restart", server: filepath.Join(home, "restart")}
	fork := strings.Repeat("fork", 50_000)
	f.put("doc", "data")
	f.put("doc"+tags, "red")
	f.put("doc"+resource, fork)
	f.put("doc"+infoStream, afpInfoOf("TEXTttxt"))
	f.put(".DS_Store", "Bud1")
	b.stop(syscall.SIGTERM, 10*time.Second)
	b.start()
	b.eventually(20*time.Second, "the share is back", func() error {
		_, err := b.dialShare("files")
		return err
	})
	f.c = newGoFinder(b, "files")
	f.is("doc", "data")
	f.is("doc"+tags, "red")
	f.is("doc"+resource, fork)
	f.is("doc"+infoStream, afpInfoOf("TEXTttxt"))
	f.is(".DS_Store", "Bud1")
	f.remove("doc")
	f.put("doc", "another")
	f.isNot("doc" + tags)
	f.isNot("doc" + resource)
	if got := tree(t, f.server); !maps.Equal(got, map[string]string{"doc": "another"}) {
		t.Errorf("on the server: %q", got)
	}
}

// lists fails the test where the folder holds anything but a file of that name, or a
// Mac's listing brings other metadata with it.
func (f *finder) lists(name, finderInfo, fork string) {
	f.t.Helper()
	entries, err := f.c.list(f.dir)
	f.must(err)
	if len(entries) != 1 || entries[0].Name != name {
		f.t.Fatalf("listed: %+v, want %q", entries, name)
	}
	if _, mac := f.c.(macFinder); !mac {
		return
	}
	if e := entries[0]; !strings.HasPrefix(string(e.FinderInfo[:]), finderInfo) || e.Resource != uint64(len(fork)) {
		f.t.Errorf("listed: %+v, want %q and a fork of %d bytes", e, finderInfo, len(fork))
	}
}

// listed is what the client sees in a folder.
func (f *finder) listed(dir string) []string {
	f.t.Helper()
	entries, err := f.c.list(filepath.Join(f.dir, dir))
	f.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}
