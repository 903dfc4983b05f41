package vfs

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Who reads the files of a directory one after another, and takes his time, has at most
// 8 MiB of them fetched ahead of him, or half of what the cache may hold, and none of
// them twice; who goes away has no more than that fetched for nothing.
func TestSiblingsAreBounded(t *testing.T) {
	const files, size = 60, 1 << 20
	for _, cache := range []int64{0, 8 << 20, 4 << 20} {
		t.Run(fmt.Sprint("cache of ", cache>>20), func(t *testing.T) {
			bubble(t, Options{CacheBytes: cache}, func(g *rig) {
				limit := int64(siblingBytes)
				if cache > 0 {
					limit = min(limit, cache/2)
				}
				content := strings.Repeat("0123456789abcdef", size/16)
				for i := range files {
					g.file(fmt.Sprintf("f%02d", i), content)
				}
				names := g.list(g.root)
				read := int64(0)
				r := g.srv.Rounds(func() {
					for _, name := range names[:files-10] {
						if g.read(g.lookup(g.root, name)) != content {
							t.Fatalf("%s is not what it was", name)
						}
						read += size
						time.Sleep(time.Second) // what is on its way arrives
						s := g.Stats()
						if s.WastedBytes > 0 {
							t.Fatalf("%d bytes were fetched for nothing when %d were read", s.WastedBytes, read)
						}
					}
				})
				if most := r.BytesRead - read; most > limit || most < limit/2 {
					t.Errorf("%d KiB are here ahead of the reader, the limit is %d", most>>10, limit>>10)
				}
				time.Sleep(time.Hour)
				if s := g.Stats(); int64(s.WastedBytes) > limit {
					t.Errorf("%d KiB were fetched for nothing", s.WastedBytes>>10)
				}
			})
		})
	}
}

// TestSiblingsOfHeads reads the head of each file of a directory, as who wants to know
// their types does.
func TestSiblingsOfHeads(t *testing.T) {
	const files, head = 100, 4 << 10
	for _, size := range []int{1 << 20, 500 << 10} {
		t.Run(fmt.Sprint(size>>10, " KiB"), func(t *testing.T) {
			bubble(t, Options{}, func(g *rig) {
				content := strings.Repeat("0123456789abcdef", size/16)
				for i := range files {
					g.file(fmt.Sprintf("f%02d", i), content)
				}
				names := g.list(g.root)
				r := g.srv.Rounds(func() {
					for _, name := range names {
						o, err := g.Open(g.ctx, g.lookup(g.root, name), syscall.O_RDONLY)
						g.must(err)
						if _, _, err := g.Read(g.ctx, o.FH, make([]byte, head), 0); err != nil {
							t.Error(err)
						}
						g.Release(o.FH)
						time.Sleep(time.Second) // what is on its way arrives
					}
				})
				most := int64(files * firstRead)
				if size <= smallFile {
					most = int64(files * size)
				}
				if r.BytesRead > most {
					t.Errorf("%d KiB were fetched, want %d", r.BytesRead>>10, most>>10)
				}
				time.Sleep(time.Hour)
				if s := g.Stats(); int64(s.WastedBytes) != r.BytesRead-files*head {
					t.Errorf("%d KiB are counted as wasted, %d were", s.WastedBytes>>10, (r.BytesRead-files*head)>>10)
				}
			})
		})
	}
}
