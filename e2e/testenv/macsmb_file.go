package testenv

import (
	"crypto/rand"
	"slices"
	"strings"
)

// MacFile is an open file, directory or stream.
type MacFile struct {
	c  *MacSMB
	id [16]byte
	// Size is the file's when it was opened.
	Size uint64
	// Lease is what was granted of the lease that MacOpen asked for: a sum of
	// LeaseRead, LeaseHandle and LeaseWrite. Durable says whether the handle
	// outlives the connection.
	Lease   uint32
	Durable bool

	path       string
	asked      MacOpen
	lease, key [16]byte // the lease's key and the GUID by which a durable handle is claimed
}

// What a lease allows a client to keep.
const (
	LeaseRead, LeaseHandle, LeaseWrite = 1, 2, 4
)

// MacOpen says how something is opened.
type MacOpen struct {
	// Access is what is asked for; 0 is AccessRead.
	Access uint32
	// Create is one of the dispositions, 0 to 5 in SMB's order; see the
	// constants.
	Create uint32
	// Directory wants a directory.
	Directory bool
	// Lease asks for a lease to read, write and keep the handle, and Durable for
	// a handle that outlives the connection, as a Mac does for files.
	Lease, Durable bool
}

// Rights to ask for.
const (
	AccessRead    = 0x00120089
	AccessWrite   = 0x0012019f
	AccessDelete  = 0x00010000
	AccessAttr    = 0x00000080
	AccessSetAttr = 0x00000180
)

// Dispositions.
const (
	Supersede = iota
	OpenExisting
	CreateNew
	OpenOrCreate
	Overwrite
	OverwriteOrCreate
)

const (
	commandCreate         = 5
	commandClose          = 6
	commandFlush          = 7
	commandRead           = 8
	commandWrite          = 9
	commandQueryDirectory = 14
	commandQueryInfo      = 16
	commandSetInfo        = 17

	shareAll     = 7
	leaseOplock  = 0xff
	optDirectory = 1
)

// Open opens what path names below the share, with "/" between the names. The
// first one asks for Apple's extension.
func (c *MacSMB) Open(path string, o MacOpen) (*MacFile, error) {
	f := &MacFile{c: c, path: path, asked: o}
	_, _ = rand.Read(f.lease[:]) // crypto/rand never fails
	_, _ = rand.Read(f.key[:])
	return f, f.create(createContext{"DH2Q", append(make([]byte, 16), f.key[:]...)})
}

// Reclaim takes a durable handle up again after the connection that had it was
// lost, over another one to the same share. smbd wants no other context beside it, so
// Apple's extension is negotiated before, by an open of the share itself.
func (f *MacFile) Reclaim(c *MacSMB) error {
	root, err := c.Open("", MacOpen{Create: OpenExisting, Directory: true})
	if err != nil {
		return err
	}
	if err := root.Close(); err != nil {
		return err
	}
	f.c = c
	d := append(slices.Clone(f.id[:]), f.key[:]...)
	return f.create(createContext{"DH2C", append(d, 0, 0, 0, 0)})
}

// create is the request of an open; durable goes with it where it is wanted.
func (f *MacFile) create(durable createContext) error {
	c, o := f.c, f.asked
	name := utf16le(pathSMB(f.path))
	var contexts []createContext
	if !c.asked {
		c.asked = true
		d := le.AppendUint64(nil, 1) // the query
		d = le.AppendUint64(d, 7)    // server, volume, model
		contexts = append(contexts, createContext{"AAPL", le.AppendUint64(d, AppleReadDirAttr|AppleCopyFile|AppleUnixBased|AppleNFSACE)})
	}
	oplock := byte(0)
	if o.Lease {
		oplock = leaseOplock
		d := le.AppendUint32(slices.Clone(f.lease[:]), LeaseRead|LeaseHandle|LeaseWrite)
		contexts = append(contexts, createContext{"RqLs", append(d, make([]byte, 12)...)})
	}
	if o.Durable {
		contexts = append(contexts, durable)
	}
	access, options := o.Access, uint32(0)
	if access == 0 {
		access = AccessRead
	}
	if o.Directory {
		options |= optDirectory
	}
	packed := packContexts(contexts)
	b := append(le.AppendUint16(nil, 57), 0, oplock)
	b = le.AppendUint32(b, 2) // impersonation
	b = append(b, make([]byte, 16)...)
	for _, v := range []uint32{access, 0, shareAll, o.Create, options} {
		b = le.AppendUint32(b, v)
	}
	const fixed = 56
	b = le.AppendUint16(b, smbHeader+fixed)
	b = le.AppendUint16(b, uint16(len(name)))
	at := align8(fixed + max(len(name), 1))
	if len(packed) == 0 {
		at = -smbHeader
	}
	b = le.AppendUint32(b, uint32(smbHeader+at))
	b = le.AppendUint32(b, uint32(len(packed)))
	b = append(b, name...)
	if len(packed) > 0 {
		b = append(b, make([]byte, at-len(b))...)
		b = append(b, packed...)
	} else if len(name) == 0 {
		b = append(b, 0)
	}
	in, err := c.roundTrip(commandCreate, b)
	if err != nil {
		return err
	}
	f.Size = le.Uint64(in[48:])
	copy(f.id[:], in[64:])
	off, n := le.Uint32(in[80:]), le.Uint32(in[84:])
	if n > 0 {
		f.contexts(in[off-smbHeader : off-smbHeader+n])
	}
	return nil
}

func pathSMB(path string) string { return strings.ReplaceAll(path, "/", `\`) }

type createContext struct {
	name string
	data []byte
}

func align8(n int) int { return (n + 7) &^ 7 }

func packContexts(list []createContext) []byte {
	var out []byte
	for i, c := range list {
		const head = 24 // with a name of four characters and its padding
		size := align8(head + len(c.data))
		next := uint32(size)
		if i == len(list)-1 {
			next = 0
		}
		b := le.AppendUint32(nil, next)
		b = le.AppendUint16(b, 16)
		b = le.AppendUint16(b, uint16(len(c.name)))
		b = le.AppendUint16(b, 0)
		b = le.AppendUint16(b, head)
		b = le.AppendUint32(b, uint32(len(c.data)))
		b = append(append(b, c.name...), 0, 0, 0, 0)
		b = append(b, c.data...)
		out = append(out, append(b, make([]byte, size-len(b))...)...)
	}
	return out
}

// contexts reads what came with the answer to an open.
func (f *MacFile) contexts(b []byte) {
	for len(b) >= 16 {
		next := le.Uint32(b)
		name := string(b[le.Uint16(b[4:]):][:le.Uint16(b[6:])])
		data := b[le.Uint16(b[10:]):][:le.Uint32(b[12:])]
		switch name {
		case "AAPL":
			a := &f.c.Apple
			a.Server, a.Volume = le.Uint64(data[16:]), le.Uint64(data[24:])
			a.Model = fromUTF16(data[40 : 40+le.Uint32(data[36:])])
		case "RqLs":
			f.Lease = le.Uint32(data[16:])
		case "DH2Q":
			f.Durable = true
		}
		if next == 0 {
			return
		}
		b = b[next:]
	}
}

// Close closes the file.
func (f *MacFile) Close() error {
	b := append(le.AppendUint16(nil, 24), make([]byte, 6)...)
	_, err := f.c.roundTrip(commandClose, append(b, f.id[:]...))
	return err
}

// Read reads up to n bytes (at most 1 MiB).
func (f *MacFile) Read(n uint32, offset uint64) ([]byte, error) {
	b := append(le.AppendUint16(nil, 49), 80, 0)
	b = le.AppendUint32(b, n)
	b = le.AppendUint64(b, offset)
	b = append(b, f.id[:]...)
	b = append(b, make([]byte, 17)...)
	in, err := f.c.roundTrip(commandRead, b)
	if err != nil {
		return nil, err
	}
	off := int(in[2]) - smbHeader
	return slices.Clone(in[off : off+int(le.Uint32(in[4:]))]), nil
}

// Write writes all of data (at most 1 MiB).
func (f *MacFile) Write(data []byte, offset uint64) error {
	b := le.AppendUint16(nil, 49)
	b = le.AppendUint16(b, smbHeader+48)
	b = le.AppendUint32(b, uint32(len(data)))
	b = le.AppendUint64(b, offset)
	b = append(b, f.id[:]...)
	b = append(b, make([]byte, 16)...)
	_, err := f.c.roundTrip(commandWrite, append(b, data...))
	return err
}

// Flush has the server's disk hold what was written.
func (f *MacFile) Flush() error {
	b := append(le.AppendUint16(nil, 24), make([]byte, 6)...)
	_, err := f.c.roundTrip(commandFlush, append(b, f.id[:]...))
	return err
}
