package sftp

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// slowWriter is a stream whose server answers a WRITE before Write has returned.
type slowWriter struct {
	last    int // bytes of the Write that ends the request
	id      uint32
	answer  chan []byte
	release chan struct{}
	closed  chan struct{}
	rest    []byte
}

func (s *slowWriter) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		select {
		case s.rest = <-s.answer:
		case <-s.closed:
			return 0, io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *slowWriter) Write(p []byte) (int, error) {
	if len(p) == s.last {
		b := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 17, fxpStatus}, s.id)
		s.answer <- append(b, make([]byte, 12)...)
		<-s.release
	}
	return len(p), nil
}

func (s *slowWriter) Close() error { close(s.closed); return nil }

// Lent data may be used for something else once there is a result: so there is none
// while the stream still has them.
func TestDirectWriteHasNoResultWhileItsDataAreInUse(t *testing.T) {
	data := make([]byte, 64<<10)
	header := headerLen + 4 + len("h") + 8 + 4
	s := &slowWriter{
		last: len(data) - (sshPacket - header), id: 7,
		answer: make(chan []byte), release: make(chan struct{}), closed: make(chan struct{}),
	}
	c := newClient(s, Options{})
	c.limits = Limits{MaxRead: maxPayload, MaxWrite: maxPayload}
	c.nextID = s.id
	close(c.greeted)
	c.routines.Go(c.write)
	c.routines.Go(c.read)
	call := c.StartWriteDirect("h", 0, data)
	testenv.Eventually(t, 10*time.Second, "the answer was taken", func() bool { return c.Counters().InFlight == 0 })
	select {
	case <-call.Done():
		t.Error("there is a result while the data are being written")
	default:
	}
	close(s.release)
	if _, err := call.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
