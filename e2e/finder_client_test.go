package e2e

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// finderClient is an SMB client that does with a share what Finder does. A path
// names a file or one of its streams.
type finderClient interface {
	// list leaves out of a line what the client does not know.
	list(dir string) ([]testenv.MacEntry, error)
	// streams are the names of a file's streams, each with its leading colon.
	streams(path string) ([]string, error)
	read(path string) (string, error)
	write(path, content string) error
	// duplicate has the server copy a file's data.
	duplicate(from, to string) error
	mkdir(path string) error
	rename(from, to string, replace bool) error
	remove(path string) error
	setModified(path string, at time.Time) error
	free(dir string) (total, free uint64, err error)
}

// finderClients are all that there are, by name.
var finderClients = map[string]func(b *bridge, share string) finderClient{
	"Mac":     func(b *bridge, share string) finderClient { return macFinder{testenv.DialMacSMB(b.t, b.Port, share)} },
	"go-smb2": newGoFinder,
}

// goFinder is go-smb2, with smbclient for what that cannot.
type goFinder struct {
	goClient
	cli *cliClient
}

func newGoFinder(b *bridge, share string) finderClient {
	b.t.Helper()
	return goFinder{goClient{b.share(share)}, &cliClient{b: b, share: share, dir: b.t.TempDir()}}
}

func (c goFinder) list(dir string) (all []testenv.MacEntry, err error) {
	infos, err := c.ReadDir(dir)
	for _, fi := range infos {
		all = append(all, testenv.MacEntry{Name: fi.Name(), Directory: fi.IsDir()})
	}
	return all, err
}

var cliStream = regexp.MustCompile(`stream: \[(.*):\$DATA\]`)

func (c goFinder) streams(path string) (names []string, err error) {
	dir, name := split(path)
	out, err := c.cli.do(dir, `allinfo "`+name+`"`)
	for _, m := range cliStream.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	if len(names) > 0 { // what allinfo asks after these does not matter
		err = nil
	}
	return ofStreams(names), err
}

// ofStreams leaves out the file's data, which is a stream without a name.
func ofStreams(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return name == "" || name == ":" })
}

// read reads AfpInfo in one piece, as a Mac does: smbd takes no notice of the
// offset, so that who reads on never comes to an end.
func (c goFinder) read(path string) (string, error) {
	if !strings.HasSuffix(path, infoStream) {
		return c.goClient.read(path)
	}
	file, err := c.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b := make([]byte, infoSize)
	n, err := file.ReadAt(b, 0)
	return string(b[:n]), err
}

func (c goFinder) duplicate(from, to string) error {
	src, err := c.Open(from)
	if err != nil {
		return err
	}
	dst, err := c.Create(to)
	if err == nil {
		_, err = io.Copy(dst, src) // FSCTL_SRV_COPYCHUNK, as both are of one share
		err = errors.Join(err, dst.Close())
	}
	return errors.Join(err, src.Close())
}

func (c goFinder) mkdir(path string) error { return c.Mkdir(path, 0o755) }

func (c goFinder) rename(from, to string, replace bool) error {
	if !replace {
		return c.Rename(from, to)
	}
	_, err := c.cli.do("", `rename "`+pathOfCLI(from)+`" "`+pathOfCLI(to)+`" -f`)
	return err
}

func pathOfCLI(path string) string { return strings.ReplaceAll(path, "/", `\`) }

func (c goFinder) setModified(path string, at time.Time) error { return c.Chtimes(path, at, at) }

func (c goFinder) free(dir string) (total, free uint64, err error) {
	fi, err := c.Statfs(dir)
	if err != nil {
		return 0, 0, err
	}
	unit := fi.FragmentSize() * fi.BlockSize()
	return fi.TotalBlockCount() * unit, fi.AvailableBlockCount() * unit, nil
}

// macFinder asks as a Mac does: with Apple's extension, and with leases and durable
// handles for files.
type macFinder struct{ *testenv.MacSMB }

// infoSize is AfpInfo's, macPiece what a Mac reads, writes or copies at once.
const (
	infoSize = 60
	macPiece = 1 << 20
)

func (c macFinder) list(dir string) ([]testenv.MacEntry, error) { return c.List(dir) }

func (c macFinder) streams(path string) (names []string, err error) {
	err = with(c.MacSMB, path, testenv.MacOpen{Create: testenv.OpenExisting}, func(f *testenv.MacFile) (err error) {
		names, err = f.Streams()
		return err
	})
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, ":$DATA")
	}
	return ofStreams(names), err
}

func (c macFinder) read(path string) (string, error) {
	var all []byte
	piece := uint32(macPiece)
	if strings.HasSuffix(path, infoStream) {
		piece = infoSize
	}
	err := with(c.MacSMB, path, testenv.MacOpen{Create: testenv.OpenExisting, Lease: true, Durable: true}, func(f *testenv.MacFile) error {
		for uint64(len(all)) < f.Size {
			b, err := f.Read(piece, uint64(len(all)))
			if err != nil {
				return err
			}
			all = append(all, b...)
		}
		return nil
	})
	return string(all), err
}

func (c macFinder) write(path, content string) error {
	o := testenv.MacOpen{Create: testenv.OverwriteOrCreate, Access: copyAccess, Lease: true, Durable: true}
	if strings.HasSuffix(path, infoStream) || strings.HasSuffix(path, resource) {
		o.Create = testenv.OpenOrCreate // these two are changed in place
	}
	return with(c.MacSMB, path, o, func(f *testenv.MacFile) error {
		for at := 0; at < len(content); at += macPiece {
			if err := f.Write([]byte(content[at:min(at+macPiece, len(content))]), uint64(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c macFinder) duplicate(from, to string) error {
	return with(c.MacSMB, from, testenv.MacOpen{Create: testenv.OpenExisting, Lease: true, Durable: true}, func(src *testenv.MacFile) error {
		return with(c.MacSMB, to, testenv.MacOpen{Create: testenv.CreateNew, Access: copyAccess, Lease: true, Durable: true}, func(dst *testenv.MacFile) error {
			return dst.CopyFrom(src)
		})
	})
}

func (c macFinder) mkdir(path string) error {
	return with(c.MacSMB, path, testenv.MacOpen{Create: testenv.CreateNew, Directory: true, Access: testenv.AccessWrite},
		func(*testenv.MacFile) error { return nil })
}

func (c macFinder) rename(from, to string, replace bool) error {
	return with(c.MacSMB, from, testenv.MacOpen{Create: testenv.OpenExisting, Access: moveAccess}, func(f *testenv.MacFile) error {
		return f.Rename(to, replace)
	})
}

func (c macFinder) remove(path string) error {
	return with(c.MacSMB, path, testenv.MacOpen{Create: testenv.OpenExisting, Access: moveAccess}, (*testenv.MacFile).Remove)
}

func (c macFinder) setModified(path string, at time.Time) error {
	return with(c.MacSMB, path, testenv.MacOpen{Create: testenv.OpenExisting, Access: testenv.AccessSetAttr}, func(f *testenv.MacFile) error {
		return f.SetModified(at)
	})
}

func (c macFinder) free(dir string) (total, free uint64, err error) {
	err = with(c.MacSMB, dir, testenv.MacOpen{Create: testenv.OpenExisting, Directory: true}, func(f *testenv.MacFile) (err error) {
		total, free, err = f.Free()
		return err
	})
	return total, free, err
}
