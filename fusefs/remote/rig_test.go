package remote_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

// rig is a Remote over a counting server that serves a directory of the test.
type rig struct {
	*remote.Remote
	t      testing.TB
	server *testenv.CountServer
	dir    string
	dialer *rigDialer

	mu     sync.Mutex
	states []remote.State
	asked  int // how often the test connected with a person there
}

// rigDialer dials a counting server, and refuses on demand.
type rigDialer struct {
	server *testenv.CountServer

	mu     sync.Mutex
	refuse error
	dials  int
	asking int // of dials: a person may have been asked
	conns  []*testenv.CountConn
}

func (d *rigDialer) Dial(ctx context.Context, interactive bool) (remote.Conn, error) {
	d.mu.Lock()
	d.dials++
	if interactive {
		d.asking++
	}
	refuse := d.refuse
	d.mu.Unlock()
	if refuse != nil {
		return nil, refuse
	}
	c, err := d.server.Dial(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	return rigConn{c}, nil
}

func (d *rigDialer) setRefuse(err error) {
	d.mu.Lock()
	d.refuse = err
	d.mu.Unlock()
}

func (d *rigDialer) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials
}

// Connect is the Remote's, and notes that a person was there to be asked.
func (g *rig) Connect(ctx context.Context, interactive bool) error {
	if interactive {
		g.mu.Lock()
		g.asked++
		g.mu.Unlock()
	}
	return g.Remote.Connect(ctx, interactive)
}

// nobodyElseIsAsked: a person is asked when the test says that there is one, and
// never by a redial, a further connection or a dial on demand.
func (g *rig) nobodyElseIsAsked() {
	g.mu.Lock()
	asked := g.asked
	g.mu.Unlock()
	g.dialer.mu.Lock()
	defer g.dialer.mu.Unlock()
	if g.dialer.asking > asked {
		g.t.Errorf("%d dials of %d might have asked a person, who was there for %d", g.dialer.asking, g.dialer.dials, asked)
	}
}

// live gives how many connections are open.
func (d *rigDialer) live() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, c := range d.conns {
		if c.Err() == nil {
			n++
		}
	}
	return n
}

type rigConn struct{ *testenv.CountConn }

func (c rigConn) OpenSFTP(ctx context.Context) (io.ReadWriteCloser, error) {
	rwc, err := c.CountConn.OpenSFTP(ctx)
	if errors.Is(err, testenv.ErrRefused) {
		err = fmt.Errorf("%w: %w", sshdial.ErrChannelRefused, err)
	}
	return rwc, err
}

// newRig starts a server and a Remote that is connected to it, and ends both with
// the test.
func newRig(t testing.TB, so testenv.CountOptions, o remote.Options) *rig {
	t.Helper()
	g := unconnected(t, so, o)
	if err := g.Connect(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return g
}

func unconnected(t testing.TB, so testenv.CountOptions, o remote.Options) *rig {
	t.Helper()
	return unconnectedBy(t, so, o, func(d *rigDialer) remote.Dialer { return d })
}

// unconnectedBy is unconnected with a Dialer made of the rig's.
func unconnectedBy(t testing.TB, so testenv.CountOptions, o remote.Options, dialer func(*rigDialer) remote.Dialer) *rig {
	t.Helper()
	testenv.NoLeaks(t)
	g := &rig{t: t, dir: t.TempDir()}
	if so.Dir == "" {
		so.Dir = g.dir
	}
	g.server = testenv.NewCountServer(t, so)
	g.dialer = &rigDialer{server: g.server}
	o.Dialer = dialer(g.dialer)
	o.OnState = func(s remote.Status) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if n := len(g.states); n == 0 || g.states[n-1] != s.State {
			g.states = append(g.states, s.State)
		}
	}
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	g.Remote = remote.New(o)
	t.Cleanup(func() {
		g.server.Resume()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		g.Close(ctx)
		g.nobodyElseIsAsked()
	})
	return g
}

func (g *rig) seen() []remote.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]remote.State(nil), g.states...)
}

// eventually waits until the Remote's state is s.
func (g *rig) eventually(s remote.State) {
	g.t.Helper()
	testenv.Eventually(g.t, 10*time.Second, "state "+string(s), func() bool { return g.Status().State == s })
}

// put writes a file on the server.
func (g *rig) put(name string, data []byte) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), data, 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// onServer gives what a file on the server holds.
func (g *rig) onServer(name string) []byte {
	g.t.Helper()
	data, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		g.t.Fatal(err)
	}
	return data
}

// same fails the test when got is not want, and says where they part.
func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if sha256.Sum256(got) == sha256.Sum256(want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Errorf("%s: %d bytes, want %d; they part at %d", what, len(got), len(want), at)
}

// random gives n bytes that are the same for the same seed.
func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

func (g *rig) open(name string, flags remote.OpenFlags) *remote.File {
	g.t.Helper()
	f, _, err := g.Open(g.t.Context(), name, flags, 0o644)
	if err != nil {
		g.t.Fatal(err)
	}
	return f
}

var (
	forRead  = remote.OpenFlags{Read: true}
	forWrite = remote.OpenFlags{Write: true, Create: true, Truncate: true}
)

// readAll reads n bytes with several ReadAts in flight, as read-ahead does.
func readAll(ctx context.Context, f *remote.File, n, chunk, ahead int) ([]byte, error) {
	buf := make([]byte, n)
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
	)
	slots := make(chan struct{}, ahead)
	for off := 0; off < n; off += chunk {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			part := buf[off:min(off+chunk, n)]
			if got, err := f.ReadAt(ctx, part, int64(off)); err != nil {
				once.Do(func() { first = fmt.Errorf("at %d (%d bytes): %w", off, got, err) })
			}
		})
	}
	wg.Wait()
	return buf, first
}

// writeAll writes data in chunks.
func writeAll(ctx context.Context, f *remote.File, data []byte, chunk int) error {
	for off := 0; off < len(data); off += chunk {
		if err := f.WriteAt(ctx, data[off:min(off+chunk, len(data))], int64(off)); err != nil {
			return fmt.Errorf("at %d: %w", off, err)
		}
	}
	return nil
}
