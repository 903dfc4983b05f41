package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const bufferSize = 1 << 20

// mountWorks are the lines of the table for mounts.
func mountWorks() []work {
	return []work{
		{name: "read", title: "sequential read, %MB", unit: "MB/s", do: readLarge},
		{name: "write", title: "sequential write, %MB, and fsync", unit: "MB/s", fills: true, do: writeLarge, check: func(c *cell) error {
			return c.fix.same(c.fresh+"/large", c.fix.data[:c.done])
		}},
		{name: "walk", title: "cold walk with stat", unit: "files/s", do: walk},
		{name: "create", title: "create, write 4 KiB, close", unit: "files/s", fills: true, do: create, check: func(c *cell) error {
			for i := range c.done {
				if err := c.fix.same(c.fresh+created(i), c.fix.small(i)); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "untar", title: "untar 4 KiB files", unit: "files/s", fills: true, do: untar, check: checkUntar},
		{name: "smallread", title: "read 4 KiB files in order, cold", unit: "files/s", do: readSmall},
		{name: "random", title: "random 4 KiB reads, one at a time", unit: "reads/s", do: readRandom},
		{name: "copy", title: "duplicate %MB (copy_file_range)", unit: "MB/s", fills: true, do: duplicate, check: func(c *cell) error {
			return c.fix.same(c.fresh+"/copy", c.fix.data[:c.done])
		}},
	}
}

func megabytes(n int) float64 { return float64(n) / 1e6 }

var errOtherBytes = errors.New("other bytes than those on the server were read")

func readLarge(c *cell) (float64, error) {
	f, err := os.Open(filepath.Join(c.mount.dir, "large", "file"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, bufferSize)
	total := 0
	for !c.over() {
		n, err := f.Read(buf)
		if !bytes.Equal(buf[:n], c.fix.data[total:min(total+n, len(c.fix.data))]) {
			return 0, fmt.Errorf("at %d: %w", total, errOtherBytes)
		}
		total += n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	if !c.partial && total != len(c.fix.data) {
		return 0, fmt.Errorf("the file ends at %d: %w", total, errOtherBytes)
	}
	return megabytes(total), nil
}

func writeLarge(c *cell) (float64, error) {
	f, err := os.Create(filepath.Join(c.mount.dir, c.fresh, "large"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for c.done < len(c.fix.data) && !c.over() {
		n, err := f.Write(c.fix.data[c.done:min(c.done+bufferSize, len(c.fix.data))])
		if err != nil {
			return 0, err
		}
		c.done += n
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return megabytes(c.done), c.landed(c.fresh+"/large", c.done)
}

func walk(c *cell) (float64, error) {
	files := 0
	err := filepath.WalkDir(filepath.Join(c.mount.dir, "tree"), func(_ string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case c.over():
			return fs.SkipAll
		case d.IsDir():
			return nil
		}
		files++
		_, err = d.Info()
		return err
	})
	set := c.fix.set
	if want := set.fan() * set.fan() * set.leaves(); err == nil && !c.partial && files != want {
		err = fmt.Errorf("%d files, want %d", files, want)
	}
	return float64(files), err
}

func created(i int) string { return fmt.Sprintf("/f%03d", i) }

func create(c *cell) (float64, error) {
	for c.done < c.fix.set.fresh() && !c.over() {
		if err := os.WriteFile(filepath.Join(c.mount.dir, c.fresh+created(c.done)), c.fix.small(c.done), 0o644); err != nil {
			return 0, err
		}
		c.done++
	}
	for i := range c.done {
		if err := c.landed(c.fresh+created(i), smallSize); err != nil {
			return 0, err
		}
	}
	return float64(c.done), nil
}

// untar runs the program that people run.
func untar(c *cell) (float64, error) {
	ctx, cancel := context.WithDeadline(c.ctx, c.deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "tar", "--no-same-owner", "-x", "-f", c.fix.archive, "-C", filepath.Join(c.mount.dir, c.fresh))
	out, err := cmd.CombinedOutput()
	c.partial = ctx.Err() != nil
	if err != nil && !c.partial {
		return 0, fmt.Errorf("tar: %w\n%s", err, out)
	}
	for c.done < c.fix.set.fresh() {
		rel := filepath.Join(c.fresh, packed(c.done))
		if c.partial && !c.fix.landed(rel, smallSize) {
			break
		}
		if err := c.landed(rel, smallSize); err != nil {
			return 0, err
		}
		c.done++
	}
	return float64(c.done), c.ctx.Err()
}

func checkUntar(c *cell) error {
	for i := range c.done {
		rel := filepath.Join(c.fresh, packed(i))
		err := c.fix.same(rel, c.fix.small(i))
		if c.system.keepsModes && !c.partial {
			err = errors.Join(err, c.fix.sameMode(rel))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readSmall(c *cell) (float64, error) {
	dir := filepath.Join(c.mount.dir, "many")
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return 0, err
	}
	if len(entries) != c.fix.set.many() {
		return 0, fmt.Errorf("%d files, want %d", len(entries), c.fix.set.many())
	}
	for i, e := range entries {
		if c.over() {
			return float64(i), nil
		}
		got, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(got, c.fix.small(i)) {
			return 0, fmt.Errorf("%s: %w", e.Name(), errOtherBytes)
		}
	}
	return float64(len(entries)), nil
}

func readRandom(c *cell) (float64, error) {
	f, err := os.Open(filepath.Join(c.mount.dir, "large", "file"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, smallSize)
	for i := range c.fix.set.random() {
		if c.over() {
			return float64(i), nil
		}
		at := random.IntN(len(c.fix.data)/smallSize) * smallSize
		if _, err := f.ReadAt(buf, int64(at)); err != nil {
			return 0, err
		}
		if !bytes.Equal(buf, c.fix.data[at:at+smallSize]) {
			return 0, fmt.Errorf("at %d: %w", at, errOtherBytes)
		}
	}
	return float64(c.fix.set.random()), nil
}

// copyPiece is what one copy_file_range asks for: small enough that a rival that
// carries the bytes twice can be stopped.
const copyPiece = 8 << 20

func duplicate(c *cell) (float64, error) {
	in, err := os.Open(filepath.Join(c.mount.dir, "large", "file"))
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(c.mount.dir, c.fresh, "copy"))
	if err != nil {
		return 0, err
	}
	defer out.Close()
	for c.done < len(c.fix.data) && !c.over() {
		n, err := unix.CopyFileRange(int(in.Fd()), nil, int(out.Fd()), nil, min(copyPiece, len(c.fix.data)-c.done), 0)
		if err != nil {
			return 0, fmt.Errorf("copy_file_range: %w", err)
		}
		if n == 0 {
			return 0, fmt.Errorf("copy_file_range ends at %d: %w", c.done, io.ErrUnexpectedEOF)
		}
		c.done += n
	}
	if err := out.Close(); err != nil {
		return 0, err
	}
	return megabytes(c.done), c.landed(c.fresh+"/copy", c.done)
}
