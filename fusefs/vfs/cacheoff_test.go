package vfs

import (
	"strings"
	"syscall"
	"testing"
)

// With cache: off nothing of a file stays in memory when it is closed for the last time,
// and who reads it again has it fetched again; in the other modes it stays.
func TestCacheOffKeepsNothing(t *testing.T) {
	for mode, keeps := range map[CacheMode]bool{CacheDefault: true, CacheStrict: true, CacheOff: false} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, Options{Cache: mode}, func(g *rig) {
				content := strings.Repeat("0123456789abcdef", 1<<14)
				g.file("f", content)
				f := g.lookup(g.root, "f")
				beside, err := g.Open(g.ctx, f, syscall.O_RDONLY)
				g.must(err)
				g.read(f)
				g.Release(beside.FH)
				if n := g.Stats().CacheBytes; n > 0 != keeps {
					t.Errorf("%d bytes are in memory when nobody has the file open", n)
				}
				r := g.srv.Rounds(func() {
					if g.read(f) != content {
						t.Error("read again it is something else")
					}
				})
				if r.BytesRead > 0 == keeps {
					t.Errorf("%d bytes came when it was read again", r.BytesRead)
				}
			})
		})
	}
}
