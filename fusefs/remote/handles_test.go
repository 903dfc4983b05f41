package remote_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// fewHandles is a server that lets few files be open: half of 8 on each of two channels
// are the mount's.
var fewHandles = testenv.CountOptions{MaxHandles: 8, MaxSessions: 2}

// alone keeps a Remote to one connection.
func alone() remote.Options {
	o := quick()
	o.MaxConnections = 1
	return o
}

// TestHandles_moreFilesThanTheServerAllows has many files open on a server that
// allows few, before and after a loss, and each reads and writes what is its own.
func TestHandles_moreFilesThanTheServerAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, fewHandles, alone())
		const n, part = 60, 100_000
		var files [n]*remote.File
		var want [n][]byte
		for i := range files {
			files[i] = g.open(fmt.Sprint("f", i), remote.OpenFlags{Read: true, Write: true, Create: true})
			want[i] = random(uint64(i), 3*part)
		}
		for round := range 3 {
			for i, f := range files {
				check(t, f.WriteAt(t.Context(), want[i][round*part:(round+1)*part], int64(round*part)))
			}
			if round > 0 {
				g.server.Break()
			}
			for i, f := range files {
				got, err := readAll(t.Context(), f, (round+1)*part, part, 3)
				check(t, err)
				same(t, fmt.Sprint("read of ", i), got, want[i][:(round+1)*part])
			}
		}
		for i, f := range files {
			_, err := f.Close(t.Context())
			check(t, err)
			same(t, fmt.Sprint("f", i), g.onServer(fmt.Sprint("f", i)), want[i])
		}
	})
}

// TestHandles_whatHasNoNameIsKept removes and replaces open files whose handles had been
// let go of: who has them open reads on. When all handles are needed for such files,
// the next is refused, until one of them is closed.
func TestHandles_whatHasNoNameIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, fewHandles, alone())
		var files []*remote.File
		for i := range 20 {
			g.put(fmt.Sprint("f", i), random(uint64(i), 1000))
			files = append(files, g.open(fmt.Sprint("f", i), forRead))
		}
		check(t, g.Remove(t.Context(), "f0"))
		check(t, g.Rename(t.Context(), "f19", "f1"))
		for i, f := range files {
			got, err := readAll(t.Context(), f, 1000, 1000, 1)
			check(t, err)
			same(t, fmt.Sprint("read of ", i), got, random(uint64(i), 1000))
		}
		var kept []*remote.File
		for i := 0; ; i++ {
			f, _, err := g.Open(t.Context(), fmt.Sprint("n", i), forWrite, 0o644)
			if errors.Is(err, remote.ErrTooManyOpen) {
				break
			}
			check(t, err)
			kept = append(kept, f)
			check(t, g.Remove(t.Context(), fmt.Sprint("n", i)))
			if i > 20 {
				t.Fatal("the server's limit was not met")
			}
		}
		if len(kept) != 6 { // two channels with four each, and two nameless ones from before
			t.Errorf("%d files without a name were kept open", len(kept))
		}
		_, err := kept[0].Close(t.Context())
		check(t, err)
		f := g.open("again", forWrite)
		_, err = f.Close(t.Context())
		check(t, err)
		for _, f := range append(kept[1:], files...) {
			_, err := f.Close(t.Context())
			check(t, err)
		}
		if _, err := os.Stat(filepath.Join(g.dir, "f0")); err == nil {
			t.Error("the removed file is there")
		}
	})
}

// TestHandles_channelsAreOpenedForThem opens files beside no data, more than a channel
// takes: there are further channels then, and no file is opened again.
func TestHandles_channelsAreOpenedForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, testenv.CountOptions{MaxHandles: 100}, alone())
		const n = 84 * 3 // of what a channel has room for
		r := g.server.Rounds(func() {
			var files []*remote.File
			for i := range n {
				files = append(files, g.open(fmt.Sprint("f", i), forWrite))
			}
			if s := g.Status(); s.Channels != 4 || s.Connections != 1 {
				t.Errorf("%d channels on %d connections for %d files", s.Channels, s.Connections, n)
			}
			for _, f := range files {
				_, err := f.Close(t.Context())
				check(t, err)
			}
		})
		if r.Requests["open"] != n {
			t.Errorf("%d files were opened %d times", n, r.Requests["open"])
		}
	})
}

// TestSSHD_fewOpenFiles has more files open than a real sftp-server may.
func TestSSHD_fewOpenFiles(t *testing.T) {
	program := testenv.SFTPServerProgram()
	x := newReal(t, testenv.SSHDOptions{NoSFTP: true, Config: []string{"Subsystem sftp /usr/bin/prlimit --nofile=64 " + program}}, remote.Options{MaxChannels: 3, MaxConnections: 1})
	const n, part = 300, 10_000
	var files [n]*remote.File
	for i := range files {
		f, _, err := x.Open(t.Context(), fmt.Sprint("f", i), remote.OpenFlags{Read: true, Write: true, Create: true}, 0o644)
		check(t, err)
		files[i] = f
		check(t, f.WriteAt(t.Context(), random(uint64(i), part), 0))
	}
	x.proxy.Reset()
	for i, f := range files {
		check(t, f.WriteAt(t.Context(), random(uint64(i), part), part))
		got, err := readAll(t.Context(), f, 2*part, part, 2)
		check(t, err)
		same(t, fmt.Sprint("read of ", i), got, append(random(uint64(i), part), random(uint64(i), part)...))
	}
	for i, f := range files {
		_, err := f.Close(t.Context())
		check(t, err)
		got, err := os.ReadFile(filepath.Join(x.sshd.Home, fmt.Sprint("f", i)))
		check(t, err)
		same(t, fmt.Sprint("f", i), got, append(random(uint64(i), part), random(uint64(i), part)...))
	}
}
