package testenv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// countSession is the serving side of one session.
type countSession struct {
	s       *CountServer
	handles map[string]*countHandle
	next    int
	asked   int // bytes that the READ being served asked for
}

// countHandle is an open file, or a directory with what is still to be listed.
type countHandle struct {
	path   string
	file   *os.File
	append bool
	names  []string // directory: what READDIR has not given yet
	dir    bool
}

func newCountSession(s *CountServer) *countSession {
	return &countSession{s: s, handles: make(map[string]*countHandle)}
}

func (c *countSession) closeAll() {
	for _, h := range c.handles {
		h.file.Close()
	}
}

func (c *countSession) serveLink(l *countLink) {
	defer c.closeAll()
	for {
		m, err := l.request()
		if err != nil {
			return
		}
		out, err := c.serve(m.b[4:], m.of)
		if len(out) > 0 || err != nil {
			if l.reply(countMsg{b: out, of: m.of, eof: err != nil}) != nil {
				return
			}
		}
		if err != nil {
			// The link stays until the client has taken the end, or closes it.
			for err = nil; err == nil; {
				_, err = l.request()
			}
			return
		}
	}
}

func (c *countSession) serveStream(conn io.ReadWriter) error {
	defer c.closeAll()
	in := bufio.NewReaderSize(conn, 64*1024)
	for {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n > c.s.o.MaxPacket {
			return errTooLong
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(in, frame); err != nil {
			return err
		}
		out, err := c.serve(frame, stamp{epoch: -1})
		if len(out) > 0 {
			if _, werr := conn.Write(out); werr != nil {
				return werr
			}
		}
		if err != nil {
			return err
		}
	}
}

var errTooLong = errors.New("testenv: request is too long")

// serve serves one request. An error ends the session after the bytes.
func (c *countSession) serve(frame []byte, of stamp) ([]byte, error) {
	if len(frame) > c.s.o.MaxPacket {
		return nil, errTooLong
	}
	if len(frame) < 5 {
		return nil, errBadMessage
	}
	packet := frame[0]
	f := &fields{b: frame[1:]}
	id := uint32(0)
	if packet != fxpInit {
		id = f.u32()
	}
	op, path := c.describe(packet, *f)
	c.s.arrived(op, of)
	if c.s.o.OnRequest != nil {
		c.s.o.OnRequest(op, path)
	}
	bad := c.s.faultFor(op, path)
	if bad != nil {
		if out, served, err := bad.before(c, id); !served {
			return out, err
		}
	}
	out := c.do(packet, op, id, f)
	if bad != nil {
		var end bool
		if out, end = bad.after(c, out); end {
			return out, io.EOF
		}
	}
	return out, nil
}

// describe gives a request's kind and path; f is a copy.
func (c *countSession) describe(packet byte, f fields) (op, path string) {
	switch packet {
	case fxpInit:
		return "init", ""
	case fxpExtended:
		ext := f.str()
		op, _, _ = strings.Cut(ext, "@")
		switch op {
		case "limits", "users-groups-by-id":
			return op, ""
		}
	default:
		op = countOps[packet]
		if op == "" {
			op = fmt.Sprintf("type %d", packet)
		}
	}
	path = f.str()
	if h := c.handles[path]; h != nil {
		path = h.path
	}
	return op, path
}

// local is the file that a path means.
func (c *countSession) local(path string) string {
	if !filepath.IsAbs(path) {
		// Not cleaned: "l/.." is the kernel's to resolve.
		return c.s.o.Dir + "/" + path
	}
	return path
}

func (c *countSession) do(packet byte, op string, id uint32, f *fields) []byte {
	switch packet {
	case fxpInit:
		return c.version()
	case fxpExtended:
		return c.extended(f.str(), id, f)
	case fxpOpen, fxpOpendir, fxpClose, fxpRead, fxpWrite, fxpFstat, fxpFsetstat, fxpReaddir:
		return c.doHandle(packet, id, f)
	case fxpLstat, fxpStat, fxpSetstat, fxpRemove, fxpMkdir, fxpRmdir, fxpRealpath, fxpRename, fxpReadlink, fxpSymlink:
		return c.doPath(packet, id, f)
	}
	return statusReply(id, statusUnsupported, "no such request: "+op)
}

var countExtensions = [][2]string{
	{"posix-rename@openssh.com", "1"},
	{"statvfs@openssh.com", "2"},
	{"hardlink@openssh.com", "1"},
	{"fsync@openssh.com", "1"},
	{"lsetstat@openssh.com", "1"},
	{"limits@openssh.com", "1"},
	{"expand-path@openssh.com", "1"},
	{"copy-data", "1"},
	{"users-groups-by-id@openssh.com", "1"},
}

func (c *countSession) offers(ext string) bool {
	return !slices.Contains(c.s.o.Without, ext) && !slices.Contains(c.s.o.Without, "*")
}

func (c *countSession) version() []byte {
	r := &reply{b: []byte{0, 0, 0, 0, fxpVersion}}
	r.u32(3)
	for _, e := range countExtensions {
		if c.offers(e[0]) {
			r.str(e[0]).str(e[1])
		}
	}
	return r.done()
}
