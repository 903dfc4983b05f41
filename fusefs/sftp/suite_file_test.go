package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// readFile reads a file of size bytes with all READs in flight together.
func readFile(ctx context.Context, c *sftp.Client, h sftp.Handle, size int) ([]byte, error) {
	data := make([]byte, size)
	step := int(c.Limits().MaxRead)
	type piece struct {
		off  int
		buf  []byte
		call *sftp.Call[int]
	}
	var pieces []piece
	for off := 0; off < size; off += step {
		buf := data[off:min(off+step, size)]
		pieces = append(pieces, piece{off, buf, c.StartRead(h, uint64(off), buf)})
	}
	for _, p := range pieces {
		n, err := p.call.Wait(ctx)
		for err == nil && n < len(p.buf) {
			var m int
			m, err = c.Read(ctx, h, uint64(p.off+n), p.buf[n:])
			n += m
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func writeFile(ctx context.Context, c *sftp.Client, h sftp.Handle, data []byte, direct bool) error {
	step := int(c.Limits().MaxWrite)
	startWrite := c.StartWrite
	if direct {
		startWrite = c.StartWriteDirect
	}
	var calls []*sftp.Call[struct{}]
	for off := 0; off < len(data); off += step {
		calls = append(calls, startWrite(h, uint64(off), data[off:min(off+step, len(data))]))
	}
	for _, call := range calls {
		if _, err := call.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func TestReadWrite(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		for _, direct := range []bool{false, true} {
			ctx := testContext(t)
			data := randomBytes(5<<20 + 12345)
			h, err := c.Open(ctx, "f", sftp.FlagRead|sftp.FlagWrite|sftp.FlagCreate|sftp.FlagTruncate, sftp.Attrs{Valid: sftp.AttrMode, Mode: 0o640})
			must(t, err)
			must(t, writeFile(ctx, c, h, data, direct))
			if has(t, c, sftp.ExtFsync, func() error { return c.Fsync(ctx, h) }) {
				must(t, c.Fsync(ctx, h))
			}
			local, err := os.ReadFile(filepath.Join(dir, "f"))
			must(t, err)
			if !bytes.Equal(local, data) {
				t.Fatal("what was written differs")
			}
			got, err := readFile(ctx, c, h, len(data))
			must(t, err)
			if !bytes.Equal(got, data) {
				t.Fatal("what was read differs")
			}
			if n, err := c.Read(ctx, h, uint64(len(data)), make([]byte, 10)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("read at the end: %d, %v", n, err)
			}
			if n, err := c.Read(ctx, h, uint64(len(data)-4), make([]byte, 10)); n != 4 || err != nil {
				t.Errorf("read across the end: %d, %v", n, err)
			}
			must(t, c.CloseHandle(ctx, h))
		}
		if a, err := os.Stat(filepath.Join(dir, "f")); err != nil || a.Mode().Perm()&^0o640 != 0 {
			t.Errorf("created as %v, %v", a.Mode(), err)
		}
	})
}

func TestOpenFlags(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		h, err := c.Open(ctx, "f", sftp.FlagWrite|sftp.FlagCreate|sftp.FlagExclusive, sftp.Attrs{})
		must(t, err)
		must(t, c.Write(ctx, h, 3, []byte("x")))
		must(t, c.CloseHandle(ctx, h))
		if _, err := c.Open(ctx, "f", sftp.FlagWrite|sftp.FlagCreate|sftp.FlagExclusive, sftp.Attrs{}); err == nil {
			t.Error("exclusive create of what is there: no error")
		}
		if b, _ := os.ReadFile(filepath.Join(dir, "f")); string(b) != "\x00\x00\x00x" {
			t.Errorf("file with a hole: %q", b)
		}
		if err := c.CloseHandle(ctx, "no such handle"); err == nil {
			t.Error("close of no handle: no error")
		}
		if err := c.Write(ctx, h, 0, make([]byte, c.Limits().MaxWrite+1)); !errors.Is(err, sftp.ErrNotSent) {
			t.Errorf("write beyond the limit: %v", err)
		}
		if c.Err() != nil {
			t.Errorf("session: %v", c.Err())
		}
	})
}

func TestCopyData(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		if !has(t, c, sftp.ExtCopyData, func() error { return c.CopyData(ctx, "a", 0, 0, "b", 0) }) {
			return
		}
		data := randomBytes(300_000)
		must(t, os.WriteFile(filepath.Join(dir, "a"), data, 0o600))
		from, err := c.Open(ctx, "a", sftp.FlagRead, sftp.Attrs{})
		must(t, err)
		to, err := c.Open(ctx, "b", sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
		must(t, err)
		first, rest := c.StartCopyData(from, 0, 100_000, to, 0), c.StartCopyData(from, 100_000, 0, to, 100_000)
		_, err = first.Wait(ctx)
		must(t, err)
		_, err = rest.Wait(ctx)
		must(t, err)
		if b, _ := os.ReadFile(filepath.Join(dir, "b")); !bytes.Equal(b, data) {
			t.Error("the copy differs")
		}
	})
}

// Requests that overwrite each other show that the order of the wire is that of
// the Start calls.
func TestOrder(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		h, err := c.Open(ctx, "f", sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
		must(t, err)
		var calls []*sftp.Call[struct{}]
		const n = 300
		for i := range n {
			size := uint64(i + 1)
			if i%2 == 1 {
				size = 0
			}
			calls = append(calls, c.StartFsetstat(h, sftp.Attrs{Valid: sftp.AttrSize, Size: size}))
		}
		calls = append(calls, c.StartFsetstat(h, sftp.Attrs{Valid: sftp.AttrSize, Size: 77}))
		st := c.StartFstat(h)
		end := c.StartCloseHandle(h)
		for _, call := range append(calls, end) {
			_, err := call.Wait(ctx)
			must(t, err)
		}
		a, err := st.Wait(ctx)
		must(t, err)
		if a.Size != 77 {
			t.Errorf("size %d at the end", a.Size)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	eachServer(t, func(t *testing.T, s server, c *sftp.Client, dir string) {
		ctx := testContext(t)
		data := randomBytes(200_000)
		var group sync.WaitGroup
		for g := range 16 {
			group.Go(func() {
				name := string(rune('a' + g))
				h, err := c.Open(ctx, name, sftp.FlagRead|sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 10 {
					part := data[i*1000 : 100_000+i*5000]
					if err := writeFile(ctx, c, h, part, i%2 == 0); err != nil {
						t.Error(err)
					}
					got, err := readFile(ctx, c, h, len(part))
					if err != nil || !bytes.Equal(got, part) {
						t.Errorf("read back: %v", err)
					}
					if a, err := c.Stat(ctx, name); err != nil || a.Mode&syscall.S_IFMT != syscall.S_IFREG {
						t.Errorf("stat: %+v, %v", a, err)
					}
				}
				if err := c.CloseHandle(ctx, h); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		testenv.Eventually(t, 5*time.Second, "nothing in flight", func() bool { return c.Counters().InFlight == 0 })
		if n := c.Counters(); n.Abandoned != 0 || n.Requests["open"] != 16 {
			t.Errorf("counters: %+v", n)
		}
	})
}
