package fusefs

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/fusefs/vfs"
)

// Who follows a file as tail does reads each line that is appended on the server, and
// no zeros, however often it grows, in each cache mode and through the kernel's pages.
func TestFollowedFile(t *testing.T) {
	for _, mode := range cacheModes {
		for _, kind := range []mountKind{kindFixed, kindShare} {
			t.Run(fmt.Sprint(mode, "/", kind), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				must(t, os.WriteFile(dir+"/log", []byte("the first line\n"), 0o644))
				o := kind.options(mode)
				o.AttrTTL = 20 * time.Millisecond
				m := mountDir(t, serveSpec{Dir: dir, Options: o})
				writer, err := os.OpenFile(dir+"/log", os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				defer writer.Close()
				f, err := os.Open(m.path("log"))
				must(t, err)
				defer f.Close()
				got, err := io.ReadAll(f)
				must(t, err)
				want := "the first line\n"
				for i := range 200 {
					line := fmt.Sprintf("line %d\n", i)
					_, err := writer.WriteString(line)
					must(t, err)
					want += line
					waitFor(t, "the size", func() bool {
						st, err := f.Stat()
						must(t, err)
						return st.Size() == int64(len(want))
					})
					more, err := io.ReadAll(f)
					must(t, err)
					if got = append(got, more...); string(got) != want {
						t.Fatalf("after line %d, %q was read", i, more)
					}
				}
			})
		}
	}
}

// A file that is replaced on the server is the old one to its end to who has it open,
// and the new one to who opens it, through the kernel's pages too.
func TestReplacedWhileOpen(t *testing.T) {
	const size = 4 << 20
	for _, mode := range cacheModes {
		for _, kind := range []mountKind{kindFixed, kindShare} {
			t.Run(fmt.Sprint(mode, "/", kind), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				put := func(name, content string, age time.Duration) {
					must(t, os.WriteFile(dir+"/"+name, []byte(content), 0o644))
					at := time.Now().Add(-age)
					must(t, os.Chtimes(dir+"/"+name, at, at))
				}
				put("f", strings.Repeat("o", size), time.Hour)
				o := kind.options(mode)
				o.AttrTTL = time.Second
				m := mountDir(t, serveSpec{Dir: dir, Options: o})
				first, err := os.Open(m.path("f"))
				must(t, err)
				defer first.Close()
				old := make([]byte, size)
				_, err = io.ReadFull(first, old[:128<<10])
				must(t, err)
				put("f.new", strings.Repeat("N", size/2), time.Minute)
				must(t, os.Rename(dir+"/f.new", dir+"/f"))
				if mode == vfs.CacheDefault {
					waitFor(t, "the new size", func() bool {
						st, err := os.Stat(m.path("f"))
						must(t, err)
						return st.Size() == size/2
					})
				}
				wantFile(t, m.path("f"), strings.Repeat("N", size/2))
				if _, err = io.ReadFull(first, old[128<<10:]); err != nil || string(old) != strings.Repeat("o", size) {
					t.Errorf("who had it open read %d old bytes of %d: %v", strings.Count(string(old), "o"), size, err)
				}
				wantFile(t, m.path("f"), strings.Repeat("N", size/2))
			})
		}
	}
}
