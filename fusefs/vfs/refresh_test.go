package vfs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What was asked for before a refresh, and answered after it, is no answer to who
// looks after it: the change may have come in between.
func TestRefresh_doesNotTakeWhatIsOnItsWay(t *testing.T) {
	bubble(t, Options{NoBackgroundCheck: true}, func(g *rig) {
		g.file("old", "x")
		g.file("f", "short")
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			g.list(g.root)
		}()
		time.Sleep(8 * time.Millisecond) // the server has been asked, and its answer is on its way
		g.must(os.Rename(filepath.Join(g.dir, "old"), filepath.Join(g.dir, "new")))
		g.file("f", "longer than it was")
		time.Sleep(time.Millisecond)
		g.Refresh()
		if got := g.list(g.root); !slices.Equal(got, []string{"f", "new"}) {
			t.Errorf("listed %q", got)
		}
		<-asked
		n, err := g.Lookup(g.ctx, g.root, "f")
		g.must(err)
		if n.Attr.Size != uint64(len("longer than it was")) {
			t.Errorf("%d bytes", n.Attr.Size)
		}
	})
}
