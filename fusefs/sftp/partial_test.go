package sftp_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// A read that is given up while half of its reply has come leaves the buffer
// alone from then on, and the session goes on.
func TestReadAbandonedInTheMiddleOfItsReply(t *testing.T) {
	testenv.NoLeaks(t)
	client, far := net.Pipe()
	more := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		served <- func() error {
			io.ReadFull(far, make([]byte, 9)) // INIT
			if _, err := far.Write(seal(packet(2, 3))); err != nil {
				return err
			}
			data := text(string(bytes.Repeat([]byte("x"), 30_000)))
			if _, err := io.ReadFull(far, make([]byte, 26)); err != nil { // READ of "h"
				return err
			}
			reply := seal(packet(103, 0, data))
			if _, err := far.Write(reply[:10_000]); err != nil {
				return err
			}
			<-more
			if _, err := far.Write(reply[10_000:]); err != nil {
				return err
			}
			if _, err := io.ReadFull(far, make([]byte, 14)); err != nil { // STAT of "f"
				return err
			}
			_, err := far.Write(seal(packet(105, 1, u32(0))))
			return err
		}()
	}()
	c, err := sftp.New(testContext(t), client, sftp.Options{MaxPacket: 32768})
	must(t, err)
	buf := make([]byte, 30_000)
	call := c.StartRead("h", 0, buf)
	testenv.Eventually(t, 5*time.Second, "half of the reply has come", func() bool { return c.Counters().WireIn >= 9+10_000 })
	waitBriefly(t, call)
	for range 50 {
		clear(buf) // the race detector watches
	}
	more <- struct{}{}
	testenv.Eventually(t, 5*time.Second, "the rest has come", func() bool { return c.Counters().Abandoned == 0 })
	if bytes.IndexByte(buf, 'x') >= 0 {
		t.Error("the buffer was written after Wait")
	}
	if _, err := c.Stat(testContext(t), "f"); err != nil {
		t.Error(err)
	}
	must(t, <-served)
	if err := c.Close(); err != nil && !errors.Is(err, sftp.ErrConnectionLost) {
		t.Error(err)
	}
}
