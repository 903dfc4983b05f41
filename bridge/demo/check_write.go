package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
)

const (
	// writeBytes is how much the check writes.
	writeBytes = 16 << 20
	// changeAt and changeBytes are what it overwrites.
	changeAt, changeBytes = 5<<20 + 123, 64 << 10

	firstName  = "written through SMB.bin"
	secondName = "renamed: gr\u00fc\u00dfe \U0001F44B.bin"
)

// newFolder makes a folder, which must be on the server at once.
func (c *checker) newFolder(_ context.Context, s *Step) error {
	if err := s.timed(func() error { return c.share.Mkdir(c.folder, 0o755) }); err != nil {
		return err
	}
	info, err := os.Stat(c.onServer(c.folder))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is no folder on the server", c.folder)
	}
	s.Detail = "on the server at once"
	return nil
}

// write writes a new file. When it is closed the server has it: no waiting.
func (c *checker) write(_ context.Context, s *Step) error {
	name := path.Join(c.folder, firstName)
	want := sha256.New()
	err := s.timed(func() error {
		f, err := c.share.Create(name)
		if err != nil {
			return err
		}
		err = writeNoise(chunked{io.MultiWriter(f, want)}, 2, writeBytes)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return err
	}
	s.Bytes = writeBytes
	s.Detail = byteCount(writeBytes) + ", equal hash on the server at once"
	return c.compare(name, want)
}

// chunked passes on pieces of 1 MiB: SMB writes one piece a round trip.
type chunked struct{ io.Writer }

// ReadFrom is what io.Copy calls.
func (b chunked) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{b.Writer}, r, make([]byte, 1<<20))
}

// change overwrites a piece in the middle of the file.
func (c *checker) change(_ context.Context, s *Step) error {
	name := path.Join(c.folder, firstName)
	piece := bytes.Repeat([]byte("changed "), changeBytes/8)
	before, err := os.ReadFile(c.onServer(name))
	if err != nil {
		return err
	}
	err = s.timed(func() error {
		f, err := c.share.OpenFile(name, os.O_RDWR, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(piece, changeAt)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return err
	}
	copy(before[changeAt:], piece)
	want := sha256.New()
	want.Write(before)
	s.Bytes = changeBytes
	s.Detail = byteCount(changeBytes) + " in the middle, equal hash at once"
	return c.compare(name, want)
}

// rename gives the file an odd name, and moves it.
func (c *checker) rename(_ context.Context, s *Step) error {
	from, to := path.Join(c.folder, firstName), path.Join(c.folder, secondName)
	want, err := hashFile(c.onServer(from))
	if err != nil {
		return err
	}
	shown := path.Join(c.folder, smbName(secondName))
	if err := s.timed(func() error { return c.share.Rename(from, shown) }); err != nil {
		return err
	}
	if _, err := os.Lstat(c.onServer(from)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q still lies on the server", from)
	}
	renamed, err := c.renamed(to)
	if err != nil {
		return err
	}
	got, err := hashFile(renamed)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%q differs after the rename", to)
	}
	s.Detail = "to a name with a colon, an accent and an emoji"
	return nil
}

// renamed finds the one file in the check's folder. Its name must be the one
// that was given, where the server maps names as a Mac expects.
func (c *checker) renamed(to string) (string, error) {
	entries, err := os.ReadDir(c.onServer(c.folder))
	if err != nil {
		return "", err
	}
	if len(entries) != 1 || canonical(entries[0].Name()) != canonical(path.Base(to)) {
		return "", fmt.Errorf("%q is not on the server: %v lies there", to, entries)
	}
	return c.onServer(path.Join(c.folder, entries[0].Name())), nil
}

// remove deletes the file and the folder, which must be gone at once.
func (c *checker) remove(_ context.Context, s *Step) error {
	err := s.timed(func() error {
		return errors.Join(
			c.share.Remove(path.Join(c.folder, smbName(secondName))),
			c.share.Remove(c.folder))
	})
	if err != nil {
		return err
	}
	if _, err := os.Lstat(c.onServer(c.folder)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q still lies on the server", c.folder)
	}
	s.Detail = "gone from the server at once"
	return nil
}

// compare holds what lies on the server against the hash of what was written.
func (c *checker) compare(name string, want hash.Hash) error {
	got, err := hashFile(c.onServer(name))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want.Sum(nil)) {
		return fmt.Errorf("%q on the server differs from what was written", name)
	}
	return nil
}
