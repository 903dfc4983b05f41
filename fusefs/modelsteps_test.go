package fusefs

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// modelGen makes random steps. A step depends on nothing but the generator, so that
// others can be left out.
type modelGen struct {
	rnd   *rand.Rand
	links bool
}

func (g *modelGen) steps(n int) []modelStep {
	var steps []modelStep
	for range n {
		steps = append(steps, g.step())
	}
	return steps
}

var modelNames = []string{"a", "b", "c", "dir", "long name with spaces", "ü", "x.txt"}

// path gives one of few paths, so that operations meet.
func (g *modelGen) path() string {
	p := modelNames[g.rnd.IntN(len(modelNames))]
	for g.rnd.IntN(3) == 0 {
		p = filepath.Join(p, modelNames[g.rnd.IntN(len(modelNames))])
	}
	return p
}

func (g *modelGen) bytes() []byte {
	b := make([]byte, g.rnd.IntN([]int{10, 5000, 300_000}[g.rnd.IntN(3)])+1)
	for i := range b {
		b[i] = byte(g.rnd.Uint32())
	}
	return b
}

func (g *modelGen) step() modelStep {
	p, q := g.path(), g.path()
	switch g.rnd.IntN(29) {
	case 0:
		return modelStep{"mkdir " + p, func(s *side) (string, error) { return "", os.Mkdir(s.at(p), 0o755) }}
	case 1, 2:
		data := g.bytes()
		return modelStep{fmt.Sprintf("write file %s (%d)", p, len(data)), func(s *side) (string, error) {
			return "", os.WriteFile(s.at(p), data, 0o644)
		}}
	case 3:
		return modelStep{"remove " + p, func(s *side) (string, error) { return "", syscall.Unlink(s.at(p)) }}
	case 4:
		return modelStep{"rmdir " + p, func(s *side) (string, error) { return "", syscall.Rmdir(s.at(p)) }}
	case 5, 6:
		return modelStep{"rename " + p + " to " + q, func(s *side) (string, error) { return "", os.Rename(s.at(p), s.at(q)) }}
	case 7:
		return modelStep{"read " + p, func(s *side) (string, error) {
			b, err := os.ReadFile(s.at(p))
			return string(b), err
		}}
	case 8:
		return modelStep{"list " + p, func(s *side) (string, error) {
			entries, err := os.ReadDir(s.at(p))
			return fmt.Sprint(entries), err
		}}
	case 9:
		return modelStep{"stat " + p, func(s *side) (string, error) { return statText(s.at(p)) }}
	case 10:
		size := g.rnd.Int64N(400_000)
		return modelStep{fmt.Sprintf("truncate %s to %d", p, size), func(s *side) (string, error) {
			return "", os.Truncate(s.at(p), size)
		}}
	case 11:
		mode := fs.FileMode(0o600 | g.rnd.Uint32N(0o100))
		return modelStep{fmt.Sprintf("chmod %s %o", p, mode), func(s *side) (string, error) {
			if st, err := os.Stat(s.at(p)); err == nil && st.IsDir() {
				return "", nil
			}
			return "", os.Chmod(s.at(p), mode)
		}}
	case 12:
		at := time.Unix(1_500_000_000+g.rnd.Int64N(1000), 0)
		return modelStep{"utimes " + p, func(s *side) (string, error) {
			if err := os.Chtimes(s.at(p), at, at); err != nil {
				return "", err
			}
			st, err := os.Stat(s.at(p))
			if err != nil {
				return "", err
			}
			return st.ModTime().String(), nil
		}}
	case 13:
		if !g.links {
			return g.step()
		}
		return modelStep{"symlink " + q, func(s *side) (string, error) {
			return "", os.Symlink("target-"+filepath.Base(p), s.at(q))
		}}
	case 14, 15:
		flags := []int{0, 0, os.O_TRUNC, os.O_EXCL, os.O_APPEND}[g.rnd.IntN(5)]
		return modelStep{fmt.Sprintf("open %s with %#x", p, flags), func(s *side) (string, error) {
			f, err := os.OpenFile(s.at(p), os.O_RDWR|os.O_CREATE|flags, 0o644)
			if err == nil {
				s.open = append(s.open, f)
			}
			return "", err
		}}
	case 16:
		data := g.bytes()
		return modelStep{fmt.Sprintf("append %d to %s", len(data), p), func(s *side) (string, error) {
			f, err := os.OpenFile(s.at(p), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return "", err
			}
			if _, err := f.Write(data); err != nil {
				return "", err
			}
			return "", f.Close()
		}}
	case 17:
		if g.rnd.IntN(4) > 0 {
			return g.step()
		}
		return modelStep{"close all", func(s *side) (string, error) { return "", s.close() }}
	case 18, 19, 20, 21:
		return g.rarer(p, q)
	default:
		return g.onOpen()
	}
}

// rarer does what fewer programs do.
func (g *modelGen) rarer(p, q string) modelStep {
	switch g.rnd.IntN(5) {
	case 0:
		return modelStep{"rename " + p + " to " + q + ", not replacing", func(s *side) (string, error) {
			return "", unix.Renameat2(unix.AT_FDCWD, s.at(p), unix.AT_FDCWD, s.at(q), unix.RENAME_NOREPLACE)
		}}
	case 1:
		// SFTP does not tell that two names are one file: nobody uses both.
		return modelStep{"close all, link " + p + " to " + q + " and remove it", func(s *side) (string, error) {
			if err := s.close(); err != nil {
				return "", err
			}
			if st, err := os.Lstat(s.at(p)); err == nil && !st.Mode().IsRegular() {
				return "", nil
			}
			_ = unix.Removexattr(s.at(p), modelXattr) // it is the name's here
			if err := os.Link(s.at(p), s.at(q)); err != nil {
				return "", err
			}
			return "", os.Remove(s.at(p))
		}}
	case 2:
		value := g.bytes()
		value = value[:min(len(value), 1000)]
		return modelStep{"set an attribute of " + p, func(s *side) (string, error) {
			return "", unix.Setxattr(s.at(p), modelXattr, value, 0)
		}}
	case 3:
		return modelStep{"get an attribute of " + p, func(s *side) (string, error) {
			value := make([]byte, 1000)
			n, err := unix.Getxattr(s.at(p), modelXattr, value)
			return string(value[:max(n, 0)]), err
		}}
	default:
		return modelStep{"rmdir of the open directory " + p, func(s *side) (string, error) {
			d, err := os.Open(s.at(p))
			if err != nil {
				return "", err
			}
			defer d.Close()
			if err := syscall.Rmdir(s.at(p)); err != nil {
				return "", err
			}
			entries, listed := d.ReadDir(-1)
			_, made := unix.Openat(int(d.Fd()), "x", unix.O_CREAT|unix.O_WRONLY, 0o644)
			return fmt.Sprint(entries, errnoName(listed), errnoName(made)), nil
		}}
	}
}

const modelXattr = "user.model"

func (s *side) at(p string) string { return filepath.Join(s.root, p) }

// onOpen does something with one or two of the open files.
func (g *modelGen) onOpen() modelStep {
	pick, pick2, off := g.rnd.IntN(1<<20), g.rnd.IntN(1<<20), g.rnd.Int64N(200_000)
	step := func(what string, do func(s *side, f *os.File) (string, error)) modelStep {
		return modelStep{fmt.Sprintf("%s, open file %d", what, pick), func(s *side) (string, error) {
			if len(s.open) == 0 {
				return "", nil
			}
			return do(s, s.open[pick%len(s.open)])
		}}
	}
	switch g.rnd.IntN(8) {
	case 0, 1:
		data := g.bytes()
		return step(fmt.Sprintf("write %d at %d", len(data), off), func(_ *side, f *os.File) (string, error) {
			// With O_APPEND it goes to the end, as Linux has it.
			n, err := unix.Pwrite(int(f.Fd()), data, off)
			return fmt.Sprint(n), err
		})
	case 2:
		return step(fmt.Sprintf("read at %d", off), func(_ *side, f *os.File) (string, error) {
			buf := make([]byte, 50_000)
			n, err := f.ReadAt(buf, off)
			if n > 0 {
				err = nil
			}
			return string(buf[:n]), err
		})
	case 3:
		return step(fmt.Sprintf("truncate to %d", off), func(_ *side, f *os.File) (string, error) { return "", f.Truncate(off) })
	case 4:
		return step("fstat", func(_ *side, f *os.File) (string, error) {
			st, err := f.Stat()
			if err != nil {
				return "", err
			}
			return fmt.Sprint(st.Size(), st.Mode()), nil
		})
	case 5:
		data := g.bytes()
		return step(fmt.Sprintf("map and write %d", len(data)), func(_ *side, f *os.File) (string, error) {
			st, err := f.Stat()
			if err != nil || st.Size() == 0 {
				return "", err
			}
			m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				return "", err
			}
			copy(m[len(m)/2:], data)
			err = unix.Msync(m, unix.MS_SYNC)
			if err := unix.Munmap(m); err != nil {
				return "", err
			}
			return "", err
		})
	case 6:
		return step("fsync", func(_ *side, f *os.File) (string, error) { return "", f.Sync() })
	default:
		return step(fmt.Sprintf("copy a range at %d to file %d", off, pick2), func(s *side, f *os.File) (string, error) {
			in, out := off, int64(1000)
			n, err := unix.CopyFileRange(int(f.Fd()), &in, int(s.open[pick2%len(s.open)].Fd()), &out, 40_000, 0)
			return fmt.Sprint(n), err
		})
	}
}
