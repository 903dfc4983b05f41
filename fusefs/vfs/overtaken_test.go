package vfs

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// What is fetched ahead for one handle while another writes never hides what that one
// wrote, also where each has a file of its own since others changed it in between: neither
// from who comes to it while it is on its way, nor later.
func TestReadAheadBesideAWrite(t *testing.T) {
	for what, flags := range map[string]uint32{"read and write": syscall.O_RDWR, "write only": syscall.O_WRONLY} {
		for _, touched := range []bool{false, true} {
			for _, later := range []bool{false, true} {
				t.Run(fmt.Sprint(what, ", touched ", touched, ", later ", later), func(t *testing.T) {
					readAheadBesideAWrite(t, flags, touched, later)
				})
			}
		}
	}
}

func readAheadBesideAWrite(t *testing.T, flags uint32, touched, later bool) {
	bubble(t, Options{NoBackgroundCheck: true, MaxReadAhead: 2 << 20}, func(g *rig) {
		const piece = 256 << 10
		g.file("f", strings.Repeat("o", 16<<20))
		f := g.lookup(g.root, "f")
		rd, err := g.Open(g.ctx, f, syscall.O_RDONLY)
		g.must(err)
		defer g.Release(rd.FH)
		pos := int64(0)
		for ; pos < 2<<20; pos += piece {
			g.part(rd.FH, pos, piece)
		}
		if touched {
			at := time.Now().Add(-20 * time.Minute)
			g.must(os.Chtimes(g.dir+"/f", at, at))
			time.Sleep(5 * time.Second)
		}
		w, err := g.Open(g.ctx, f, flags)
		g.must(err)
		defer g.Release(w.FH)
		for ; pos < 6<<20; pos += piece {
			g.part(rd.FH, pos, piece)
		}
		time.Sleep(time.Second) // what is on its way arrives
		g.mu.Lock()
		n := g.nodes[f]
		g.mu.Unlock()
		ahead, before := g.spans.covered(n, pos), g.Stats().AheadBytes
		_, remove := g.srv.Inject(testenv.Fault{Kind: testenv.FaultDelay, Op: "write", Wait: 3 * time.Second, Times: 1})
		defer remove()
		g.must(g.Write(g.ctx, w.FH, []byte(strings.Repeat("N", piece)), ahead, 0))
		for ; pos < ahead-piece; pos += piece {
			g.part(rd.FH, pos, piece)
		}
		if g.Stats().AheadBytes == before {
			t.Fatal("nothing was fetched ahead of the write")
		}
		if later {
			time.Sleep(time.Second)
			g.must(g.Flush(g.ctx, w.FH))
		}
		if got := g.part(rd.FH, ahead, piece); strings.Trim(got, "N") != "" {
			t.Errorf("read %.5q", got)
		}
	})
}
