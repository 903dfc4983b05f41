package remote

import (
	"sync"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

type opKind int

const (
	opWrite opKind = iota
	opSetstat
	opCopy
	opFstat
	opFsync
	opClose
)

func (k opKind) String() string {
	return [...]string{"write", "setstat", "copy", "fstat", "fsync", "close"}[k]
}

// op is one operation in a file's queue. It is held until the server has
// acknowledged it, and is sent again when the connection is lost before that.
type op struct {
	kind  opKind
	seq   uint64 // the order in which the operations of all files were queued
	off   int64  // write, copy: where in this file
	data  []byte
	attrs Attrs // setstat: what to set; fstat: the answer

	src    *File // copy
	srcOff int64
	n      int64

	counted bool // a write that Remote.queued counts

	lane   *lane         // in flight
	sent   bool          // it was in flight once
	losses losses        // how often its answer was lost
	late   time.Duration // see requestList.begin

	done chan struct{} // closed at its end; nil where nobody waits
	err  error         // final once done is closed
}

// opCost is what a queued write takes besides its data, with all that is known of it
// while it is in flight, in bytes. The parts that cutLocked makes of one are not counted.
const opCost = 2 << 10

// changes says that the operation changes the file.
func (o *op) changes() bool { return o.kind == opWrite || o.kind == opSetstat || o.kind == opCopy }

// bytes is the file data that it carries over the link.
func (o *op) bytes() int64 { return int64(len(o.data)) }

// end is the end of what it writes.
func (o *op) end() int64 {
	switch o.kind {
	case opWrite:
		return o.off + int64(len(o.data))
	case opCopy:
		return o.off + o.n
	case opSetstat:
		if o.attrs.Valid&sftp.AttrSize != 0 {
			return int64(o.attrs.Size)
		}
	}
	return 0
}

// ordered says that everything before it must be done first, and nothing after
// it before it.
func (o *op) ordered() bool { return o.kind != opWrite && o.kind != opCopy }

// pooled buffers hold one full packet of the largest kind.
const pooledSize = 256 << 10

type bufferPool struct{ pool sync.Pool }

var buffers bufferPool

// get gives a buffer with room for n bytes, of length 0.
func (b *bufferPool) get(n int) []byte {
	if n < pooledSize/2 || n > pooledSize { // no more than half of it is empty
		return make([]byte, 0, n)
	}
	if v, ok := b.pool.Get().(*[]byte); ok {
		return (*v)[:0]
	}
	return make([]byte, 0, pooledSize)
}

func (b *bufferPool) put(buf []byte) {
	if cap(buf) == pooledSize {
		buf = buf[:0]
		b.pool.Put(&buf)
	}
}
