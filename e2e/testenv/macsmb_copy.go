package testenv

import (
	"bytes"
	"fmt"
)

const (
	commandIoctl     = 11
	requestResumeKey = 0x00140078 // FSCTL_SRV_REQUEST_RESUME_KEY
	copyChunkWrite   = 0x001480f2 // FSCTL_SRV_COPYCHUNK_WRITE
	resumeKeySize    = 24
	copyPiece        = 1 << 20
	copyPieces       = 16 // in one request
)

// CopyFrom has the server copy all of src to the start of the file, in pieces of 1 MiB.
func (f *MacFile) CopyFrom(src *MacFile) error {
	key, err := src.ioctl(requestResumeKey, nil)
	if err != nil {
		return err
	}
	key = key[:resumeKeySize]
	for at := uint64(0); at < src.Size; {
		begin, count := at, uint32(0)
		var pieces []byte
		for ; at < src.Size && count < copyPieces; count++ {
			n := min(src.Size-at, copyPiece)
			pieces = le.AppendUint64(pieces, at)
			pieces = le.AppendUint64(pieces, at)
			pieces = le.AppendUint32(pieces, uint32(n))
			pieces = le.AppendUint32(pieces, 0)
			at += n
		}
		b := le.AppendUint32(bytes.Clone(key), count)
		b = le.AppendUint32(b, 0)
		out, err := f.ioctl(copyChunkWrite, append(b, pieces...))
		if err != nil {
			return err
		}
		if n := le.Uint32(out[8:]); uint64(n) != at-begin {
			return fmt.Errorf("the server copied %d of %d bytes", n, at-begin)
		}
	}
	return nil
}

func (f *MacFile) ioctl(code uint32, in []byte) ([]byte, error) {
	const fixed, maxOut, isFSCTL = 56, 1 << 10, 1
	b := append(le.AppendUint16(nil, 57), 0, 0)
	b = le.AppendUint32(b, code)
	b = append(b, f.id[:]...)
	for _, v := range []uint32{smbHeader + fixed, uint32(len(in)), 0, 0, 0, maxOut, isFSCTL, 0} {
		b = le.AppendUint32(b, v)
	}
	out, err := f.c.roundTrip(commandIoctl, append(b, in...))
	if err != nil {
		return nil, err
	}
	return out[le.Uint32(out[32:])-smbHeader:][:le.Uint32(out[36:])], nil
}
