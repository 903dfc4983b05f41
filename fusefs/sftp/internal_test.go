package sftp

import (
	"errors"
	"io"
	"math"
	"testing"
)

// mute is a stream that takes everything and never answers.
type mute struct{ closed chan struct{} }

func (m mute) Read([]byte) (int, error)    { <-m.closed; return 0, io.EOF }
func (m mute) Write(p []byte) (int, error) { return len(p), nil }
func (m mute) Close() error                { close(m.closed); return nil }

// muted is a session as after VERSION.
func muted(t *testing.T) *Client {
	t.Helper()
	c := newClient(mute{make(chan struct{})}, Options{})
	close(c.greeted)
	c.routines.Go(c.write)
	c.routines.Go(c.read)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestIDsOfWaitingRequestsAreNotUsedAgain(t *testing.T) {
	c := muted(t)
	c.nextID = math.MaxUint32 - 1
	ids := make(map[uint32]bool)
	for range 5 {
		ids[c.StartStat("f").id] = true
	}
	c.mu.Lock()
	c.nextID = math.MaxUint32 - 1
	c.mu.Unlock()
	for range 5 {
		ids[c.StartStat("f").id] = true
	}
	if len(ids) != 10 {
		t.Errorf("%d ids for 10 requests", len(ids))
	}
}

func TestTooManyUnansweredRequestsEndTheSession(t *testing.T) {
	c := muted(t)
	for range maxOrphans + 1 {
		call := c.StartCloseHandle("h") // sent even when abandoned
		call.Abandon()
	}
	<-c.Done()
	if !errors.Is(c.Err(), ErrProtocol) {
		t.Errorf("session: %v", c.Err())
	}
}
