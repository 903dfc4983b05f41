package remote_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
	"sshfs-bridge/fusefs/sshdial"
)

// serversAtOnce is how many servers are tried at a time: most of it is waiting.
const serversAtOnce = 5

// TestServers runs one contract over every kind of server, through a login and a
// link as users have them, and compares what it finds with docs/servers.md.
func TestServers(t *testing.T) {
	testenv.NoLeaks(t)
	var (
		all   sync.WaitGroup
		docs  sync.Mutex
		slots = make(chan struct{}, serversAtOnce)
	)
	for _, k := range kinds() {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(k.name, func(t *testing.T) {
				testenv.Require(t, k.needs...)
				c := &contract{t: t, kind: k, served: k.start(t)}
				c.route()
				t.Cleanup(c.disconnect)
				found := c.find()
				c.connect(remote.Options{})
				c.steps()
				c.killed()
				if !k.plain {
					c.stripes(found)
				}
				if c.log != nil && c.penalties() > 0 {
					t.Errorf("%d penalties", c.penalties())
				}
				found.lacks = c.lacks
				docs.Lock()
				defer docs.Unlock()
				found.compare(t, k)
			})
		})
	}
	all.Wait()
}

// contract is the suite over one server.
type contract struct {
	*served
	t     testing.TB
	kind  kind
	proxy *testenv.FaultProxy
	login *sshdial.Route
	dials atomic.Int64

	remote *remote.Remote
	meter  *sessionMeter // of the sessions of remote
	lacks  []string      // what the server turned out not to have, in a user's words
}

// route makes the way to the server: through a proxy, with a host key that is not
// known yet and is accepted at the first login.
func (c *contract) route() {
	c.t.Helper()
	c.proxy = testenv.NewFaultProxy(c.t, c.addr)
	if c.kind.rate > 0 {
		c.proxy.SetDelay(10 * time.Millisecond)
		c.proxy.SetRate(testenv.ToServer, c.kind.rate)
		c.proxy.SetRate(testenv.ToClient, c.kind.rate)
	}
	var err error
	c.login, err = sshdial.Resolve(sshdial.Target{Host: "testhost"}, sshdial.Options{
		SSHDir: c.sshDir,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, c.proxy.Addr())
			if err == nil {
				// A long queue here would have what comes after it wait, rather than cut in.
				err = conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
			}
			return conn, err
		},
	})
	check(c.t, err)
}

// connect makes a Remote of o, in the place of the one before. Its patience is a busy
// machine's: what is shown here is what servers do, not how soon a silent one is noticed.
func (c *contract) connect(o remote.Options) {
	c.t.Helper()
	c.disconnect()
	o.BackoffMin, o.BackoffMax, o.LossGrace = quick().BackoffMin, quick().BackoffMax, time.Minute
	o.PathTimeout, o.DialTimeout, o.KeepaliveInterval = time.Minute, time.Minute, 15*time.Second
	c.meter = new(sessionMeter)
	o.Dialer, o.Root = meteredDialer{routeDialer{c.login, &c.dials}, c.meter}, c.root
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	c.remote = remote.New(o)
	check(c.t, c.remote.Connect(c.t.Context(), false))
}

func (c *contract) disconnect() {
	if c.remote == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.remote.Close(ctx); err != nil {
		c.t.Error(err)
	}
	c.remote = nil
}

func (c *contract) steps() {
	for _, s := range []struct {
		name string
		step func(*contract)
	}{
		{"directories", (*contract).directories},
		{"read and write", (*contract).readAndWrite},
		{"rename", (*contract).rename},
		{"names", (*contract).names},
		{"links", (*contract).links},
		{"attributes", (*contract).attributes},
		{"free space", (*contract).freeSpace},
		{"removed while open", (*contract).removedWhileOpen},
		{"fsync", (*contract).fsync},
		{"copy", (*contract).copyOnServer},
		{"at once", (*contract).atOnce},
	} {
		c.t.(*testing.T).Run(s.name, func(t *testing.T) {
			outer := c.t
			defer func() { c.t = outer }()
			c.t = t
			s.step(c)
		})
	}
}

// lack notes what a server has not.
func (c *contract) lack(what string) { c.lacks = append(c.lacks, what) }

// write makes a file, and waits until it is acknowledged.
func (c *contract) write(name string, data []byte) {
	c.t.Helper()
	f, _, err := c.remote.Open(c.t.Context(), name, forWrite, 0o644)
	check(c.t, err)
	check(c.t, writeAll(c.t.Context(), f, data, 256<<10))
	a, err := f.Close(c.t.Context())
	check(c.t, err)
	if a.Valid&sftp.AttrSize != 0 && a.Size != uint64(len(data)) {
		c.t.Errorf("%s: close says %d bytes, not %d", name, a.Size, len(data))
	}
}

// holds checks what a file holds, read through the remote, and on the server's
// disk where that can be seen.
func (c *contract) holds(name string, want []byte) {
	c.t.Helper()
	f, a, err := c.remote.Open(c.t.Context(), name, forRead, 0)
	check(c.t, err)
	if a.Size != uint64(len(want)) {
		c.t.Errorf("%s: %d bytes, want %d", name, a.Size, len(want))
	}
	got, err := readAll(c.t.Context(), f, len(want), 512<<10, 8)
	check(c.t, err)
	same(c.t, name, got, want)
	_, err = f.Close(c.t.Context())
	check(c.t, err)
	got, err = os.ReadFile(filepath.Join(c.dir, name))
	check(c.t, err)
	same(c.t, name+" on the disk", got, want)
}

func (c *contract) list(dir string) []string {
	c.t.Helper()
	entries, err := c.remote.ReadDir(c.t.Context(), dir)
	check(c.t, err)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// is checks that an error is, or is not, what it should be.
func (c *contract) is(what string, err, want error) {
	c.t.Helper()
	if !errors.Is(err, want) {
		c.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func (c *contract) directories() {
	ctx, r := c.t.Context(), c.remote
	check(c.t, r.Mkdir(ctx, "d", 0o755))
	c.is("mkdir of what is there", r.Mkdir(ctx, "d", 0o755), fs.ErrExist)
	check(c.t, r.Mkdir(ctx, "d/e", 0o755))
	var want []string
	for i := range 150 {
		name := strings.Repeat("long name ", 5) + string(rune('a'+i%26)) + string(rune('a'+i/26))
		f, _, err := r.Open(ctx, "d/"+name, remote.OpenFlags{Write: true, Create: true, Exclusive: true}, 0o644)
		check(c.t, err)
		_, err = f.Close(ctx)
		check(c.t, err)
		want = append(want, name)
	}
	want = append(want, "e")
	slices.Sort(want)
	if got := c.list("d"); !slices.Equal(got, want) {
		c.t.Errorf("a directory of %d is listed as %d: %q", len(want), len(got), got)
	}
	if err := r.Rmdir(ctx, "d"); err == nil || errors.Is(err, remote.ErrLinkDown) || errors.Is(err, fs.ErrNotExist) {
		c.t.Errorf("rmdir of a full directory: %v", err)
	}
	_, _, err := r.Open(ctx, "d/"+want[1], remote.OpenFlags{Write: true, Create: true, Exclusive: true}, 0o644)
	c.is("exclusive create of what is there", err, fs.ErrExist)
	check(c.t, r.Rmdir(ctx, "d/e"))
	_, err = r.ReadDir(ctx, "d/e")
	c.is("listing of nothing", err, fs.ErrNotExist)
	_, err = r.Lstat(ctx, "d/e")
	c.is("lstat of nothing", err, fs.ErrNotExist)
	_, _, err = r.Open(ctx, "d/e", forRead, 0)
	c.is("open of nothing", err, fs.ErrNotExist)
	c.is("rmdir of nothing", r.Rmdir(ctx, "d/e"), fs.ErrNotExist)
	c.is("remove of nothing", r.Remove(ctx, "d/e"), fs.ErrNotExist)
}

func (c *contract) readAndWrite() {
	ctx := c.t.Context()
	data := random(11, 5<<20+123)
	c.write("f", data)
	c.holds("f", data)
	// In the middle, behind the end, shorter, longer.
	f, _, err := c.remote.Open(ctx, "f", remote.OpenFlags{Read: true, Write: true}, 0)
	check(c.t, err)
	copy(data[1<<20:], "in the middle")
	check(c.t, f.WriteAt(ctx, []byte("in the middle"), 1<<20))
	data = append(data[:3<<20:3<<20], make([]byte, 1000)...)
	data = append(data, "behind a hole"...)
	check(c.t, f.Setstat(ctx, remote.Attrs{Valid: sftp.AttrSize, Size: 3 << 20}))
	check(c.t, f.WriteAt(ctx, []byte("behind a hole"), 3<<20+1000))
	a, err := f.Flush(ctx)
	check(c.t, err)
	if a.Valid != 0 && a.Size != uint64(len(data)) {
		c.t.Errorf("flush says %d bytes, not %d", a.Size, len(data))
	}
	n, err := f.ReadAt(ctx, make([]byte, 100), int64(len(data)))
	if n != 0 || err == nil {
		c.t.Errorf("read at the end: %d bytes, %v", n, err)
	}
	_, err = f.Close(ctx)
	check(c.t, err)
	c.holds("f", data)
}

func (c *contract) rename() {
	ctx, r := c.t.Context(), c.remote
	c.write("old", []byte("old"))
	c.write("new", []byte("the new one"))
	check(c.t, r.Rename(ctx, "new", "old"))
	c.holds("old", []byte("the new one"))
	_, err := r.Lstat(ctx, "new")
	c.is("lstat of what was renamed", err, fs.ErrNotExist)
	check(c.t, r.Mkdir(ctx, "dir", 0o755))
	check(c.t, r.Rename(ctx, "dir", "moved"))
	check(c.t, r.Rename(ctx, "old", "moved/old"))
	if got := c.list("moved"); !slices.Equal(got, []string{"old"}) {
		c.t.Errorf("a directory that was moved holds %q", got)
	}
	c.is("rename of nothing", r.Rename(ctx, "new", "old"), fs.ErrNotExist)
	check(c.t, r.Remove(ctx, "moved/old"))
	check(c.t, r.Rmdir(ctx, "moved"))
}
