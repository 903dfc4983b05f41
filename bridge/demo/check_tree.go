package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// pair is one file as it lies on the server and as SMB shows it.
type pair struct {
	server string // path below the directory
	shown  string // path below the share
	info   fs.FileInfo
	folder bool // SMB shows a folder
}

// list walks both trees side by side: each name on the server must be on the
// share, and none else.
func (c *checker) list(_ context.Context, s *Step) error {
	exact, mapped, folders := 0, 0, 0
	var walk func(server, shown string) error
	walk = func(server, shown string) error {
		var entries []os.FileInfo
		if err := s.timed(func() (err error) { entries, err = c.share.ReadDir(shown); return err }); err != nil {
			return err
		}
		pairs, err := c.match(server, shown, entries)
		if err != nil {
			return err
		}
		folders++
		for _, p := range pairs {
			if canonical(path.Base(p.shown)) == canonical(path.Base(p.server)) && !hasMapped(p.shown) {
				exact++
			} else {
				mapped++
			}
			switch {
			case p.info.IsDir():
				if err := walk(p.server, p.shown); err != nil {
					return err
				}
			case p.folder: // a link that is shown as the folder it leads to
			default:
				c.tree = append(c.tree, p)
			}
		}
		return nil
	}
	if err := walk("", ""); err != nil {
		return err
	}
	s.Detail = fmt.Sprintf("%d names in %d folders, none missing", exact+mapped, folders)
	if mapped > 0 {
		s.Detail += fmt.Sprintf(" (%d as SMB spells them)", mapped)
	}
	return nil
}

// match pairs a directory's entries with those of the share: by name, and what
// is left by kind and content, since a name that SMB cannot carry is shown
// spelt otherwise.
func (c *checker) match(server, shown string, entries []os.FileInfo) ([]pair, error) {
	there, err := os.ReadDir(filepath.Join(c.o.Dir, server))
	if err != nil {
		return nil, err
	}
	byName := make(map[string]os.FileInfo, len(entries))
	for _, e := range entries {
		byName[canonical(e.Name())] = e
	}
	var pairs []pair
	var rest []fs.FileInfo
	for _, e := range there {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if match, ok := byName[canonical(e.Name())]; ok {
			delete(byName, canonical(e.Name()))
			pairs = append(pairs, pair{path.Join(server, e.Name()), path.Join(shown, match.Name()), info, match.IsDir()})
			continue
		}
		rest = append(rest, info)
	}
	for _, info := range rest {
		p := pair{server: path.Join(server, info.Name()), info: info}
		key, err := c.similar(p, shown, byName)
		if err != nil {
			return nil, err
		}
		p.shown, p.folder = path.Join(shown, byName[key].Name()), byName[key].IsDir()
		pairs = append(pairs, p)
		delete(byName, key)
	}
	for _, e := range byName {
		return nil, fmt.Errorf("%q is on the share and does not lie on the server", path.Join(shown, e.Name()))
	}
	return pairs, nil
}

// similar finds the entry that shows p under another name.
func (c *checker) similar(p pair, dir string, entries map[string]os.FileInfo) (string, error) {
	for key, e := range entries {
		if e.IsDir() != p.info.IsDir() {
			continue
		}
		if e.IsDir() {
			return key, nil
		}
		if e.Size() != p.info.Size() {
			continue
		}
		got, err := c.share.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		if want, err := os.ReadFile(c.onServer(p.server)); err == nil && bytes.Equal(got, want) {
			return key, nil
		}
	}
	return "", fmt.Errorf("%q lies on the server and is not on the share", p.server)
}

// read reads every file through SMB and compares its hash.
func (c *checker) read(_ context.Context, s *Step) error {
	for _, p := range c.tree {
		got := sha256.New()
		var head bytes.Buffer
		err := s.timed(func() error {
			f, err := c.share.Open(p.shown)
			if err != nil {
				return err
			}
			n, err := io.CopyBuffer(io.MultiWriter(got, &limited{&head, xsymSize}), f, make([]byte, 1<<20))
			s.Bytes += n
			return errors.Join(err, f.Close())
		})
		if err != nil {
			return err
		}
		if p.info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(c.onServer(p.server))
			if err != nil {
				return err
			}
			if shown, ok := xsymTarget(head.Bytes()); ok {
				if shown != target {
					return fmt.Errorf("the link %q leads to %q on the share and to %q on the server", p.server, shown, target)
				}
				continue
			}
		}
		want, err := hashFile(c.onServer(p.server))
		if err != nil {
			return err
		}
		if !bytes.Equal(got.Sum(nil), want) {
			return fmt.Errorf("%q differs from what lies on the server", p.server)
		}
	}
	s.Detail = fmt.Sprintf("%d files, equal hashes", len(c.tree))
	return nil
}

// freeSpace compares the volume's size with that of the server's filesystem.
func (c *checker) freeSpace(_ context.Context, s *Step) error {
	var size, free uint64
	err := s.timed(func() error {
		info, err := c.share.Statfs("")
		if err != nil {
			return err
		}
		unit := info.BlockSize() * info.FragmentSize()
		size, free = info.TotalBlockCount()*unit, info.AvailableBlockCount()*unit
		return nil
	})
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(c.o.Dir, &st); err != nil {
		return err
	}
	want := st.Blocks * uint64(max(st.Frsize, 1))
	if diff := max(size, want) - min(size, want); diff > want/100 {
		return fmt.Errorf("the volume has %d bytes, and the server's filesystem %d", size, want)
	}
	s.Detail = fmt.Sprintf("%s of %s free", byteCount(free), byteCount(size))
	return nil
}

// xsymSize is the size of a symlink as macOS writes it on SMB.
const xsymSize = 1067

// xsymTarget reads the target out of such a file.
func xsymTarget(data []byte) (string, bool) {
	rest, ok := bytes.CutPrefix(data, []byte("XSym\n"))
	if !ok || len(data) != xsymSize {
		return "", false
	}
	lines := bytes.SplitN(rest, []byte("\n"), 3) // length, MD5, target
	if len(lines) != 3 {
		return "", false
	}
	n, err := strconv.Atoi(string(lines[0]))
	if err != nil || n < 0 || n > len(lines[2]) {
		return "", false
	}
	return string(lines[2][:n]), true
}

// limited keeps the first n bytes and lets the others go. One byte more than
// asked for is kept, to tell an exact size.
type limited struct {
	buf *bytes.Buffer
	n   int
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.n + 1 - l.buf.Len(); room > 0 {
		l.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// hashFile is the SHA-256 of a file on this machine.
func hashFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), errors.Join(err, f.Close())
}

// byteCount is a size for people.
func byteCount(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
