package sftp

import (
	"encoding/binary"
	"errors"
)

// Packet types.
const (
	fxpInit          = 1
	fxpVersion       = 2
	fxpOpen          = 3
	fxpClose         = 4
	fxpRead          = 5
	fxpWrite         = 6
	fxpLstat         = 7
	fxpFstat         = 8
	fxpSetstat       = 9
	fxpFsetstat      = 10
	fxpOpendir       = 11
	fxpReaddir       = 12
	fxpRemove        = 13
	fxpMkdir         = 14
	fxpRmdir         = 15
	fxpRealpath      = 16
	fxpStat          = 17
	fxpRename        = 18
	fxpReadlink      = 19
	fxpSymlink       = 20
	fxpStatus        = 101
	fxpHandle        = 102
	fxpData          = 103
	fxpName          = 104
	fxpAttrs         = 105
	fxpExtended      = 200
	fxpExtendedReply = 201
)

const (
	protocolVersion = 3
	// headerLen is a frame's length, type and id. VERSION has its version where
	// the others have the id, so that every frame begins with these 9 bytes.
	headerLen = 9
	// maxFrame is the longest frame (without its length field) that we accept
	// or send: OpenSSH's SFTP_MAX_MSG_LENGTH.
	maxFrame = 256 * 1024
	// maxPayload is the longest READ or WRITE: what OpenSSH reports by limits@.
	maxPayload = maxFrame - 1024
	// defaultPayload is what every server must take.
	defaultPayload = 32 * 1024
	// maxHandle is the longest handle that the protocol allows.
	maxHandle = 256
	// maxStatusMsg bounds what is kept of a server's words.
	maxStatusMsg = 1024
	// minNameLen is the shortest entry of a NAME reply: two lengths and flags.
	minNameLen = 12
)

// frame is a request while it is put together: the length, type and id are
// filled in when it is queued.
type frame struct{ b []byte }

func (f *frame) reset(k kind) *frame {
	f.b = append(f.b[:0], 0, 0, 0, 0, kinds[k].packet, 0, 0, 0, 0)
	if ext := kinds[k].extension; ext != "" {
		f.str(ext)
	}
	return f
}

func (f *frame) u32(v uint32) *frame {
	f.b = binary.BigEndian.AppendUint32(f.b, v)
	return f
}

func (f *frame) u64(v uint64) *frame {
	f.b = binary.BigEndian.AppendUint64(f.b, v)
	return f
}

func (f *frame) str(s string) *frame {
	f.u32(uint32(len(s)))
	f.b = append(f.b, s...)
	return f
}

func (f *frame) attrs(a Attrs) *frame {
	f.u32(a.Valid & (AttrSize | AttrUIDGID | AttrMode | AttrTimes))
	if a.Valid&AttrSize != 0 {
		f.u64(a.Size)
	}
	if a.Valid&AttrUIDGID != 0 {
		f.u32(a.UID).u32(a.GID)
	}
	if a.Valid&AttrMode != 0 {
		f.u32(a.Mode)
	}
	if a.Valid&AttrTimes != 0 {
		f.u32(a.Atime).u32(a.Mtime)
	}
	return f
}

// seal fills in the header; extra bytes follow the frame on the wire.
func (f *frame) seal(id uint32, extra int) {
	binary.BigEndian.PutUint32(f.b[0:], uint32(len(f.b)-4+extra))
	binary.BigEndian.PutUint32(f.b[5:], id)
}

var errShort = errors.New("reply is cut short")

// decoder takes a reply's fields from its bytes. After an error every further
// field is zero, so that one check of err at the end is enough.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) u32() uint32 {
	if d.err != nil || len(d.b) < 4 {
		d.err = errShort
		return 0
	}
	v := binary.BigEndian.Uint32(d.b)
	d.b = d.b[4:]
	return v
}

func (d *decoder) u64() uint64 {
	if d.err != nil || len(d.b) < 8 {
		d.err = errShort
		return 0
	}
	v := binary.BigEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// bytes gives the next string without copying it: it is valid only as long as
// the reply's buffer.
func (d *decoder) bytes() []byte {
	n := d.u32()
	if d.err != nil || uint64(n) > uint64(len(d.b)) {
		d.err = errShort
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) attrs() Attrs {
	var a Attrs
	flags := d.u32()
	a.Valid = flags & (AttrSize | AttrUIDGID | AttrMode | AttrTimes)
	if flags&AttrSize != 0 {
		a.Size = d.u64()
	}
	if flags&AttrUIDGID != 0 {
		a.UID, a.GID = d.u32(), d.u32()
	}
	if flags&AttrMode != 0 {
		a.Mode = d.u32()
	}
	if flags&AttrTimes != 0 {
		a.Atime, a.Mtime = d.u32(), d.u32()
	}
	if flags&attrExtended != 0 {
		for n := d.u32(); n > 0 && d.err == nil; n-- {
			d.bytes()
			d.bytes()
		}
	}
	if d.err != nil {
		return Attrs{}
	}
	return a
}
