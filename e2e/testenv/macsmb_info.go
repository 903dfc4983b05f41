package testenv

import (
	"time"
)

// MacEntry is a line of a listing as a Mac with Apple's extension reads it.
type MacEntry struct {
	Name      string
	Size      uint64
	Directory bool
	// Mode are the Unix mode's bits, Access the rights that the server says the
	// client has, FinderInfo the 16 bytes that Finder wants and Resource the size
	// of the resource fork: zero where the server leaves them out.
	Mode       uint16
	Access     uint32
	FinderInfo [16]byte
	Resource   uint64
}

const idBothDirectory = 37

// List lists a directory, "" for the share's root.
func (c *MacSMB) List(path string) ([]MacEntry, error) {
	d, err := c.Open(path, MacOpen{Create: OpenExisting, Directory: true})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var all []MacEntry
	for {
		in, err := d.query("*", 0)
		if err == StatusNoMoreFiles {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, entries(in[le.Uint16(in[2:])-smbHeader:])...)
	}
}

func entries(b []byte) (all []MacEntry) {
	for {
		e := MacEntry{
			Name: fromUTF16(b[104 : 104+le.Uint32(b[60:])]), Size: le.Uint64(b[40:]), Directory: le.Uint32(b[56:])&0x10 != 0,
			Access: le.Uint32(b[64:]), Resource: le.Uint64(b[70:]), Mode: le.Uint16(b[94:]),
		}
		copy(e.FinderInfo[:], b[78:94])
		if e.Name != "." && e.Name != ".." {
			all = append(all, e)
		}
		next := le.Uint32(b)
		if next == 0 {
			return all
		}
		b = b[next:]
	}
}

const (
	infoFile, infoFS = 1, 2
	basicInfo        = 4
	renameInfo       = 10
	dispositionInfo  = 13
	streamInfo       = 22
	fullSizeInfo     = 7
)

func (f *MacFile) queryInfo(kind, class byte) ([]byte, error) {
	b := append(le.AppendUint16(nil, 41), kind, class)
	b = le.AppendUint32(b, 1<<16-1)
	b = append(b, make([]byte, 16)...)
	in, err := f.c.roundTrip(commandQueryInfo, append(b, f.id[:]...))
	if err != nil {
		return nil, err
	}
	return in[le.Uint16(in[2:])-smbHeader:][:le.Uint32(in[4:])], nil
}

func (f *MacFile) setInfo(class byte, data []byte) error {
	b := append(le.AppendUint16(nil, 33), infoFile, class)
	b = le.AppendUint32(b, uint32(len(data)))
	b = le.AppendUint16(b, smbHeader+32)
	b = append(b, make([]byte, 6)...)
	b = append(b, f.id[:]...)
	_, err := f.c.roundTrip(commandSetInfo, append(b, data...))
	return err
}

// SetModified sets the time of the last change.
func (f *MacFile) SetModified(at time.Time) error {
	const epoch = 116444736000000000 // of Unix, in SMB's ticks of 100 ns
	b := make([]byte, 40)
	le.PutUint64(b[16:], uint64(at.UnixNano()/100+epoch))
	return f.setInfo(basicInfo, b)
}

// Remove has the file removed when its last handle is closed.
func (f *MacFile) Remove() error {
	return f.setInfo(dispositionInfo, []byte{1})
}

// Streams are the names of the streams, as ":AFP_AfpInfo:$DATA".
func (f *MacFile) Streams() ([]string, error) {
	b, err := f.queryInfo(infoFile, streamInfo)
	if err != nil {
		return nil, err
	}
	var all []string
	for len(b) >= 24 {
		all = append(all, fromUTF16(b[24:24+le.Uint32(b[4:])]))
		next := le.Uint32(b)
		if next == 0 {
			break
		}
		b = b[next:]
	}
	return all, nil
}

// Free tells the share's size and free space, in bytes.
func (f *MacFile) Free() (total, free uint64, err error) {
	b, err := f.queryInfo(infoFS, fullSizeInfo)
	if err != nil {
		return 0, 0, err
	}
	unit := uint64(le.Uint32(b[24:])) * uint64(le.Uint32(b[28:]))
	return le.Uint64(b) * unit, le.Uint64(b[8:]) * unit, nil
}

// Rename moves the open file to a path below the share.
func (f *MacFile) Rename(to string, replace bool) error {
	name := utf16le(pathSMB(to))
	b := make([]byte, 16)
	if replace {
		b[0] = 1
	}
	b = le.AppendUint32(b, uint32(len(name)))
	return f.setInfo(renameInfo, append(b, name...))
}

// AfpInfo is the 60 bytes of the stream AFP_AfpInfo, with Finder's 32 bytes.
func AfpInfo(finder [32]byte) []byte {
	b := make([]byte, 60)
	copy(b, "AFP\x00\x00\x00\x01\x00")
	b[12], b[13], b[14] = 0x80, 0, 0 // never backed up
	copy(b[16:], finder[:])
	return b
}

// Search asks a directory for exactly one name, in which way Apple's client looks up
// each name (SMBClient-494, smb2fs_smb_cmpd_query_dir_one).
func (c *MacSMB) Search(path, pattern string) ([]MacEntry, error) {
	d, err := c.Open(path, MacOpen{Create: OpenExisting, Directory: true})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	in, err := d.query(pattern, queryRestart|querySingle)
	if err != nil {
		return nil, err
	}
	return entries(in[le.Uint16(in[2:])-smbHeader:]), nil
}

// Flags of QUERY_DIRECTORY (MS-SMB2 2.2.33).
const (
	queryRestart = 1
	querySingle  = 2
)

// query asks a directory for entries whose names fit the pattern.
func (f *MacFile) query(pattern string, flags byte) ([]byte, error) {
	name := utf16le(pattern)
	b := append(le.AppendUint16(nil, 33), idBothDirectory, flags)
	b = le.AppendUint32(b, 0)
	b = append(b, f.id[:]...)
	b = le.AppendUint16(b, smbHeader+32)
	b = le.AppendUint16(b, uint16(len(name)))
	b = le.AppendUint32(b, 1<<20)
	return f.c.roundTrip(commandQueryDirectory, append(b, name...))
}
