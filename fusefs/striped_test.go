package fusefs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// severalChannels is a round trip for which a remote opens three data channels beside
// that for metadata.
const severalChannels = 15 * time.Millisecond

// waitChannels waits until a mount has as many channels as it may.
func waitChannels(t *testing.T, m *mount, channels int) {
	t.Helper()
	testenv.Eventually(t, 10*time.Second, fmt.Sprint(channels, " channels are open"), func() bool {
		var carried []int64
		m.ask("channels", &carried)
		return len(carried) == channels
	})
}

// wantStripes checks that with several channels large files went over more than one.
func wantStripes(t *testing.T, m *mount, channels int) {
	t.Helper()
	var carried []int64
	m.ask("channels", &carried)
	busy := 0
	for _, n := range carried {
		if n > 2<<20 {
			busy++
		}
	}
	t.Logf("the channels carried %d bytes", carried)
	if want := min(channels, 2); busy < want {
		t.Errorf("large files went over %d channels, want at least %d", busy, want)
	}
}

// striped is a file that is open on all channels, with what it should have in it.
type striped struct {
	*os.File
	t    *testing.T
	want []byte
}

// newStriped writes more than a file needs to be opened on further channels.
func newStriped(t *testing.T, name string) *striped {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	s := &striped{File: f, t: t}
	t.Cleanup(func() { f.Close() })
	s.write(randomBytes(4_300_000), 0)
	must(t, f.Sync())
	return s
}

// write writes in pieces that go out together.
func (s *striped) write(data []byte, off int64) {
	s.t.Helper()
	if grow := off + int64(len(data)) - int64(len(s.want)); grow > 0 {
		s.want = append(s.want, make([]byte, grow)...)
	}
	copy(s.want[off:], data)
	for len(data) > 0 {
		n := min(len(data), 1<<20)
		_, err := s.WriteAt(data[:n], off)
		must(s.t, err)
		data, off = data[n:], off+int64(n)
	}
}

// check closes the file and looks at what it is on the mount and on the server.
func (s *striped) check(names ...string) {
	s.t.Helper()
	must(s.t, s.Close())
	for _, name := range names {
		if got := readFile(s.t, name); !bytes.Equal(got, s.want) {
			at := 0
			for at < min(len(got), len(s.want)) && got[at] == s.want[at] {
				at++
			}
			s.t.Errorf("%s: %d bytes, want %d; the first other one is at %d", name, len(got), len(s.want), at)
		}
	}
}

// What is written through several channels comes out as it was written, in order, where
// order matters.
func testStriped(t *testing.T, dir, server string) {
	fill := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	for name, change := range map[string]func(s *striped) (now string){
		"overlap": func(s *striped) string {
			for i := range 24 {
				s.write(fill(byte('a'+i), 700_001), int64(i%5)*300_007)
			}
			return "overlap"
		},
		"truncate": func(s *striped) string {
			for i := range 4 {
				s.write(fill(byte('a'+i), 2<<20), 1<<20)
				must(s.t, s.Truncate(2<<20))
				s.want = s.want[:2<<20]
				s.write(fill(byte('A'+i), 100_000), 2_500_000)
			}
			return "truncate"
		},
		"append": func(s *striped) string {
			f, err := os.OpenFile(s.Name(), os.O_WRONLY|os.O_APPEND, 0)
			must(s.t, err)
			for i := range 8 {
				s.write(fill(byte('a'+i), 1<<20), int64(i)<<19)
				more := fill(byte('A'+i), 300_001)
				_, err := f.Write(more)
				must(s.t, err)
				s.want = append(s.want, more...)
			}
			must(s.t, f.Close())
			return "append"
		},
		"rename": func(s *striped) string {
			must(s.t, os.WriteFile(dir+"/renamed", []byte("in the way"), 0o644))
			s.write(fill('a', 3<<20), 0)
			must(s.t, os.Rename(s.Name(), dir+"/renamed"))
			s.write(fill('b', 3<<20), 2<<20)
			return "renamed"
		},
		"unlink": func(s *striped) string {
			s.write(fill('a', 3<<20), 0)
			must(s.t, os.Remove(s.Name()))
			must(s.t, os.WriteFile(s.Name(), []byte("another"), 0o644))
			s.write(fill('b', 3<<20), 2<<20)
			got, err := io.ReadAll(io.NewSectionReader(s, 0, 1<<40))
			must(s.t, err)
			if !bytes.Equal(got, s.want) {
				s.t.Errorf("the unlinked file has %d other bytes, want %d", len(got), len(s.want))
			}
			s.want = []byte("another")
			return "unlink"
		},
		"mmap": func(s *striped) string {
			pages, err := unix.Mmap(int(s.Fd()), 0, len(s.want), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			must(s.t, err)
			for i := 0; i < len(pages); i += 50_000 {
				pages[i], s.want[i] = 'm', 'm'
			}
			must(s.t, unix.Msync(pages, unix.MS_SYNC))
			must(s.t, unix.Munmap(pages))
			s.write(fill('w', 2<<20), 1<<20)
			return "mmap"
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStriped(t, dir+"/"+name)
			now := change(s)
			s.check(server+"/"+now, dir+"/"+now)
		})
	}
}
