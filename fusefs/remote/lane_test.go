package remote

import (
	"slices"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// TestLane_isNotClosedUnderAReader takes a lane of a file that has not been used for
// long at the moment at which unused lanes are closed: a READ on a handle whose CLOSE
// went before fails, or reads whatever file the server gave that handle next.
func TestLane_isNotClosedUnderAReader(t *testing.T) {
	testenv.NoLeaks(t)
	server := testenv.NewCountServer(t, testenv.CountOptions{})
	r := New(Options{})
	defer r.Close(t.Context())
	l := &link{r: r}
	var channels []*channel
	for range 2 {
		c, err := sftp.New(t.Context(), server.Connect(), sftp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		channels = append(channels, &channel{conn: &conn{link: l}, client: c})
	}
	for range 50000 {
		f := r.newFile(OpenFlags{Read: true})
		for _, ch := range channels {
			f.lanes = append(f.lanes, newLane(ch, "no file's"))
		}
		further := f.lanes[1]
		further.lastUse.Store(0)
		channels[0].load.Store(1) // the further lane is the better one
		var (
			begin, over sync.WaitGroup
			taken       *lane
		)
		begin.Add(2)
		over.Go(func() {
			begin.Done()
			begin.Wait()
			taken, _ = f.lane(t.Context(), false, 0)
		})
		over.Go(func() {
			begin.Done()
			begin.Wait()
			f.shrink(time.Now().Add(-time.Minute))
		})
		over.Wait()
		if !slices.Contains(f.lanes, taken) {
			t.Fatal("a lane was given and closed")
		}
	}
}

// TestSiblings_ofAClosedFile: a copy may end just after its source was closed, and wakes
// the changes of the source's other files that wait for it. Unless it finds them, they
// are not sent until something else is done with these files.
func TestSiblings_ofAClosedFile(t *testing.T) {
	r := New(Options{})
	defer r.Close(t.Context())
	source, writer := r.newFile(OpenFlags{Read: true}), r.newFile(OpenFlags{Write: true})
	for _, f := range []*File{source, writer} {
		r.objects.add(f, "f", Attrs{}, asked{})
	}
	r.objects.drop(source)
	defer r.objects.drop(writer)
	if got := r.objects.siblings(source); !slices.Equal(got, []*File{writer}) {
		t.Errorf("%d other files, want the writer", len(got))
	}
}
