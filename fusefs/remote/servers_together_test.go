package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"
	"sync"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
)

// atOnce writes a file while eight others look at names, and write and read files,
// as a copy in Finder meets a folder that is open beside it: whatever channels the
// remote uses carry something at the same time, and nothing may end up in what belongs
// to another.
func (c *contract) atOnce() {
	c.t.Helper()
	ctx, size := c.t.Context(), 8<<20
	if c.kind.slow {
		size = 1 << 20
	}
	if c.kind.rate == 0 {
		// A line that is slower than we are: the channels wait for each other.
		c.proxy.SetRate(testenv.ToServer, 16<<20)
		defer c.proxy.SetRate(testenv.ToServer, 0)
	}
	check(c.t, c.remote.Mkdir(ctx, "together", 0o755))
	data := random(18, size)
	writing, written := context.WithCancel(ctx)
	defer written()
	var others sync.WaitGroup
	for i := range 8 {
		// Requests of all lengths, shorter and longer than what is left of a WRITE
		// behind the first 32 KiB that a channel carries in one piece.
		name := path.Join("together", strings.Repeat("n", 1+25*i))
		others.Go(func() {
			for round := 0; round == 0 || writing.Err() == nil; round++ {
				if err := c.oneOfMany(ctx, name, random(uint64(100*i+round), 1000*i+round)); err != nil {
					c.t.Errorf("%d letters, round %d: %v", 1+25*i, round, err)
					return
				}
			}
		})
	}
	c.write("together/large", data)
	written()
	others.Wait()
	c.holds("together/large", data)
}

// oneOfMany writes a small file, looks at it and reads it back.
func (c *contract) oneOfMany(ctx context.Context, name string, data []byte) error {
	f, _, err := c.remote.Open(ctx, name, forWrite, 0o644)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := writeAll(ctx, f, data, 256<<10); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := f.Close(ctx); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if a, err := c.remote.Lstat(ctx, name); err != nil || a.Size != uint64(len(data)) {
		return fmt.Errorf("lstat: %d bytes, want %d: %w", a.Size, len(data), err)
	}
	f, _, err = c.remote.Open(ctx, name, remote.OpenFlags{Read: true}, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	got, err := readAll(ctx, f, len(data), 512<<10, 8)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("other bytes come back")
	}
	_, err = f.Close(ctx)
	return err
}
