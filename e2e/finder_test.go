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

	"github.com/hirochachacha/go-smb2"
)

// finder works in a folder of a share as Finder does, and knows where that folder is
// on the server.
type finder struct {
	*smb2.Share
	t      testing.TB
	b      *bridge
	dir    string // in the share
	server string // on the server
}

func (f *finder) at(name string) string { return f.dir + "/" + name }

// must fails the test at an error.
func (f *finder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *finder) put(name, content string) {
	f.t.Helper()
	f.must(f.WriteFile(f.at(name), []byte(content), 0o644))
}

func (f *finder) mkdir(name string) { f.t.Helper(); f.must(f.Mkdir(f.at(name), 0o755)) }

// is fails the test where a file or stream holds something else.
func (f *finder) is(name, want string) {
	f.t.Helper()
	got, err := f.read(name)
	if err != nil || string(got) != want {
		f.t.Errorf("%s: %.200q, %v; want %.200q", name, got, err, want)
	}
}

// read reads a file or a stream. AfpInfo is read in one piece, as a Mac does: smbd
// takes no notice of the offset, so that who reads on never comes to an end.
func (f *finder) read(name string) ([]byte, error) {
	if !strings.HasSuffix(name, infoStream) {
		return f.ReadFile(f.at(name))
	}
	file, err := f.Open(f.at(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, 60)
	n, err := file.ReadAt(b, 0)
	return b[:n], err
}

// isNot fails the test where there is a file or stream of that name.
func (f *finder) isNot(name string) {
	f.t.Helper()
	if got, err := f.ReadFile(f.at(name)); err == nil {
		f.t.Errorf("%s is there: %.200q", name, got)
	}
}

// cli runs smbclient in the folder, for what go-smb2 cannot.
func (f *finder) cli(command string) {
	f.t.Helper()
	c := &cliClient{b: f.b, share: "files", dir: f.t.TempDir()}
	if _, err := c.do(f.dir, command); err != nil {
		f.t.Fatal(err)
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
	share := b.share("files")
	for i, c := range finderCases {
		t.Run(c.what, func(t *testing.T) {
			dir := fmt.Sprint(i)
			if err := share.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			f := &finder{Share: share, t: t, b: b.in(t), dir: dir, server: filepath.Join(home, dir)}
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
	share := b.share("files")
	if err := share.Mkdir("restart", 0o755); err != nil {
		t.Fatal(err)
	}
	f := &finder{Share: share, t: t, b: b, dir: "restart", server: filepath.Join(home, "restart")}
	fork := strings.Repeat("fork", 50_000)
	f.put("doc", "data")
	f.put("doc"+tags, "red")
	f.put("doc"+resource, fork)
	f.put("doc"+infoStream, afpInfoOf("TEXTttxt"))
	f.put(".DS_Store", "Bud1")
	b.stop(syscall.SIGTERM, 10*time.Second)
	b.start()
	b.eventually(20*time.Second, "the share is back", func() (err error) {
		f.Share, err = b.dialShare("files")
		return err
	})
	f.is("doc", "data")
	f.is("doc"+tags, "red")
	f.is("doc"+resource, fork)
	f.is("doc"+infoStream, afpInfoOf("TEXTttxt"))
	f.is(".DS_Store", "Bud1")
	f.must(f.Remove(f.at("doc")))
	f.put("doc", "another")
	f.isNot("doc" + tags)
	f.isNot("doc" + resource)
	if got := tree(t, f.server); !maps.Equal(got, map[string]string{"doc": "another"}) {
		t.Errorf("on the server: %q", got)
	}
}

// listed is what the client sees in a folder.
func (f *finder) listed(dir string) []string {
	f.t.Helper()
	infos, err := f.ReadDir(filepath.Join(f.dir, dir))
	f.must(err)
	var names []string
	for _, fi := range infos {
		names = append(names, fi.Name())
	}
	slices.Sort(names)
	return names
}
