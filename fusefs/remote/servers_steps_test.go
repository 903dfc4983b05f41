package remote_test

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

func (c *contract) names() {
	ctx, r := c.t.Context(), c.remote
	names := []string{" leading and trailing ", "Grüße", "日本語", "-dash", "back\\slash", "quote'\"$(`", "new\nline", "star*?[x]", "~tilde"}
	if c.kind.noRawNames {
		c.lack("names that are not UTF-8")
	} else {
		names = append(names, "not UTF-8 \xff\xfe")
	}
	slices.Sort(names)
	check(c.t, r.Mkdir(ctx, "names", 0o755))
	for _, name := range names {
		c.write("names/"+name, []byte(name))
	}
	if got := c.list("names"); !slices.Equal(got, names) {
		c.t.Errorf("listed as %q\nwant      %q", got, names)
	}
	for _, name := range names {
		c.holds("names/"+name, []byte(name))
		if err := r.Remove(ctx, "names/"+name); err != nil {
			c.t.Errorf("remove %q: %v", name, err)
		}
	}
	check(c.t, r.Rmdir(ctx, "names"))
}

func (c *contract) links() {
	ctx, r := c.t.Context(), c.remote
	c.write("target", []byte("target"))
	c.symlinks()
	switch err := r.Link(ctx, "target", "second"); {
	case errors.Is(err, errors.ErrUnsupported):
		c.lack("hard links")
	case err != nil:
		c.t.Errorf("link: %v", err)
	default:
		c.holds("second", []byte("target"))
		c.is("link over what is there", r.Link(ctx, "target", "second"), fs.ErrExist)
		check(c.t, r.Remove(ctx, "second"))
	}
}

func (c *contract) symlinks() {
	ctx, r := c.t.Context(), c.remote
	check(c.t, r.Symlink(ctx, "target", "link"))
	target, mode := "target", uint32(0o120000)
	if c.kind.absLinks {
		target = path.Join(c.root, "target")
	}
	if c.kind.followsLinks {
		mode = 0o100000
	}
	if got, err := r.Readlink(ctx, "link"); err != nil || got != target {
		c.t.Errorf("readlink: %q, %v; want %q", got, err, target)
	}
	c.is("symlink over what is there", r.Symlink(ctx, "target", "link"), fs.ErrExist)
	a, err := r.Lstat(ctx, "link")
	check(c.t, err)
	if a.Mode&0o170000 != mode {
		c.t.Errorf("lstat of a link: mode %o", a.Mode)
	}
	a, err = r.Stat(ctx, "link")
	check(c.t, err)
	if a.Size != uint64(len("target")) || a.Mode&0o170000 != 0o100000 {
		c.t.Errorf("stat through a link: %+v", a)
	}
	switch err := r.Lsetstat(ctx, "link", remote.Attrs{Valid: sftp.AttrTimes, Atime: 1e9, Mtime: 1e9}); {
	case errors.Is(err, errors.ErrUnsupported):
		c.lack("times of links")
	case err != nil:
		c.t.Errorf("lsetstat: %v", err)
	default:
		if a, err := r.Lstat(ctx, "link"); err != nil || a.Mtime != 1e9 {
			c.t.Errorf("times of a link: %+v, %v", a, err)
		}
	}
	entries, err := r.ReadDir(ctx, "")
	check(c.t, err)
	if !slices.ContainsFunc(entries, func(e remote.Entry) bool { return e.Name == "link" && e.Attrs.Mode&0o170000 == 0o120000 }) {
		c.t.Errorf("a link is no link in the listing")
	}
	check(c.t, r.Symlink(ctx, "nowhere", "dangling"))
	_, err = r.Stat(ctx, "dangling")
	c.is("stat of a link that leads nowhere", err, fs.ErrNotExist)
	check(c.t, r.Remove(ctx, "dangling"))
	check(c.t, r.Remove(ctx, "link"))
	c.holds("target", []byte("target"))
}

func (c *contract) attributes() {
	ctx, r := c.t.Context(), c.remote
	c.write("attrs", []byte("attributes"))
	want := remote.Attrs{Valid: sftp.AttrTimes | sftp.AttrMode, Mode: 0o640, Atime: 1_100_000_000, Mtime: 1_000_000_000}
	compare := func(how string) {
		c.t.Helper()
		a, err := r.Lstat(ctx, "attrs")
		check(c.t, err)
		if a.Mtime != want.Mtime || !c.kind.noAtime && a.Atime != want.Atime {
			c.t.Errorf("%s: times %d and %d, want %d and %d", how, a.Atime, a.Mtime, want.Atime, want.Mtime)
		}
		if a.Mode&0o7777 != want.Mode {
			c.t.Errorf("%s: mode %o, want %o", how, a.Mode, want.Mode)
		}
		if a.Size != uint64(len("attributes")) {
			c.t.Errorf("%s: %d bytes", how, a.Size)
		}
	}
	check(c.t, r.Setstat(ctx, "attrs", want))
	compare("setstat")
	// On an open file, behind a write, as a copy does it.
	want.Atime, want.Mtime, want.Mode = want.Atime+1000, want.Mtime+1000, 0o600
	f, _, err := r.Open(ctx, "attrs", remote.OpenFlags{Write: true}, 0)
	check(c.t, err)
	check(c.t, f.WriteAt(ctx, []byte("ATTRIBUTES"), 0))
	check(c.t, f.Setstat(ctx, want))
	_, err = f.Close(ctx)
	check(c.t, err)
	compare("fsetstat")
	if c.kind.noAtime {
		c.lack("times of access")
	}
	check(c.t, r.Setstat(ctx, "attrs", remote.Attrs{Valid: sftp.AttrSize, Size: 4}))
	c.holds("attrs", []byte("ATTR"))
	now := uint32(time.Now().Unix())
	c.write("recent", nil)
	if a, err := r.Lstat(ctx, "recent"); err != nil || a.Mtime+60 < now || a.Mtime > now+60 {
		c.t.Errorf("a new file is from %d, it is %d (%v)", a.Mtime, now, err)
	}
}

func (c *contract) freeSpace() {
	switch s, err := c.remote.StatFS(c.t.Context()); {
	case errors.Is(err, errors.ErrUnsupported):
		c.lack("free space")
	case err != nil:
		c.t.Errorf("statfs: %v", err)
	case s.Blocks == 0 || s.BlocksFree > s.Blocks:
		c.t.Errorf("statfs: %+v", s)
	}
}

func (c *contract) removedWhileOpen() {
	ctx := c.t.Context()
	data := random(12, 300_000)
	c.write("gone", data)
	f, _, err := c.remote.Open(ctx, "gone", remote.OpenFlags{Read: true, Write: true}, 0)
	check(c.t, err)
	check(c.t, c.remote.Remove(ctx, "gone"))
	got, err := readAll(ctx, f, len(data), 100_000, 2)
	check(c.t, err)
	same(c.t, "a removed file", got, data)
	f.Close(ctx)
	_, err = c.remote.Lstat(ctx, "gone")
	c.is("lstat of a removed file", err, fs.ErrNotExist)
}

func (c *contract) fsync() {
	ctx := c.t.Context()
	f, _, err := c.remote.Open(ctx, "synced", forWrite, 0o644)
	check(c.t, err)
	check(c.t, f.WriteAt(ctx, []byte("synced"), 0))
	_, err = f.Sync(ctx)
	check(c.t, err)
	_, err = f.Close(ctx)
	check(c.t, err)
	c.holds("synced", []byte("synced"))
}

func (c *contract) copyOnServer() {
	ctx := c.t.Context()
	if !c.remote.CanCopy() {
		c.lack("copies on the server")
		return
	}
	data := random(13, 700_000)
	c.write("source", data)
	src, _, err := c.remote.Open(ctx, "source", forRead, 0)
	check(c.t, err)
	dst, _, err := c.remote.Open(ctx, "copy", forWrite, 0o644)
	check(c.t, err)
	check(c.t, src.CopyTo(ctx, dst, 0, 0, int64(len(data))))
	_, err = dst.Close(ctx)
	check(c.t, err)
	src.Close(ctx)
	c.holds("copy", data)
}

// killed ends the server in the middle of a copy, in both directions, and starts it
// again.
func (c *contract) killed() {
	c.t.Helper()
	ctx := c.t.Context()
	size := 4 << 20
	if c.kind.slow {
		size = 1 << 20
	}
	data := random(14, size)
	c.write("in", data)
	in, _, err := c.remote.Open(ctx, "in", forRead, 0)
	check(c.t, err)
	out, _, err := c.remote.Open(ctx, "out", forWrite, 0o644)
	check(c.t, err)
	buf := make([]byte, 256<<10)
	for off := 0; off < len(data); off += len(buf) {
		if off == size/2 {
			c.stop()
			c.start()
		}
		n, err := in.ReadAt(ctx, buf, int64(off))
		if n < len(buf) {
			c.t.Fatalf("read at %d: %d bytes, %v", off, n, err)
		}
		check(c.t, out.WriteAt(ctx, buf, int64(off)))
	}
	_, err = out.Close(ctx)
	check(c.t, err)
	_, err = in.Close(ctx)
	check(c.t, err)
	c.holds("out", data)
	if s := c.remote.Status(); s.Counters.Reconnects == 0 || s.Counters.Resumed < 2 {
		c.t.Errorf("nothing was lost: %+v", s.Counters)
	}
}

// stripes copies a file over a long way, with one data channel and with as many as
// the server lets us have. How many a link takes depends on whether its windows or
// a busy processor limit it, and is told, not tested: TestStripe does that. That a
// stream uses what is there is tested.
func (c *contract) stripes(found *finding) {
	c.t.Helper()
	c.proxy.SetDelay(40 * time.Millisecond)
	size := 2 << 20
	if c.kind.slow {
		size = 256 << 10
	}
	c.connect(remote.Options{MaxChannels: 2, MaxConnections: 1})
	c.longWay(random(15, size))
	if s := c.remote.Status(); s.Channels > 2 {
		c.t.Errorf("%d channels, 2 are allowed", s.Channels)
	}
	c.connect(remote.Options{})
	c.longWay(random(16, 2*size))
	if !c.kind.slow {
		c.stripe(found.sessions)
	}
	s := c.remote.Status()
	c.t.Logf("%d channels on %d connections", s.Channels, s.Connections)
	if s.Channels > found.sessions*s.Connections {
		c.t.Errorf("%d channels on %d connections of %d sessions", s.Channels, s.Connections, found.sessions)
	}
}

// stripe copies a file that is long enough for several channels, and shows that it is
// read over two sessions or, where a connection takes one, on a further connection.
func (c *contract) stripe(sessions int) {
	c.t.Helper()
	want := 3 // the control channel and two for data
	if sessions == 1 {
		want = 2
	}
	testenv.Eventually(c.t, time.Minute, "channels for a long way", func() bool { return c.remote.Status().Channels >= want })
	const some = 128 << 10
	c.meter.forget()
	c.longWay(random(17, 8<<20))
	switch all, further := c.meter.readers(some); {
	case sessions == 1 && further == 0:
		c.t.Errorf("a stream did not use the further connection")
	case sessions > 1 && all < 2:
		c.t.Errorf("a stream used %d sessions of those that are open", all)
	}
}

// longWay writes and reads a file, with as much in flight as read-ahead has.
func (c *contract) longWay(data []byte) {
	c.t.Helper()
	ctx := c.t.Context()
	f, _, err := c.remote.Open(ctx, "long way", forWrite, 0o644)
	check(c.t, err)
	check(c.t, writeAll(ctx, f, data, 1<<20))
	_, err = f.Close(ctx)
	check(c.t, err)
	f, _, err = c.remote.Open(ctx, "long way", forRead, 0)
	check(c.t, err)
	got, err := readAll(ctx, f, len(data), 1<<20, 32)
	check(c.t, err)
	same(c.t, "over a long way", got, data)
	f.Close(ctx)
}
