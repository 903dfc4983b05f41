package sftp_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"sshfs-bridge/fusefs/sftp"
)

// TestReadDir_endOfTheStreamIsNoEndOfTheListing: a killed server closes its
// stream in good order; what it had not yet listed is not missing.
func TestReadDir_endOfTheStreamIsNoEndOfTheListing(t *testing.T) {
	client, server := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer server.Close()
		frame := make([]byte, 1024)
		read := func() byte { // one request; its kind
			if _, err := io.ReadFull(server, frame[:4]); err != nil {
				return 0
			}
			n := int(frame[2])<<8 | int(frame[3])
			if _, err := io.ReadFull(server, frame[:n]); err != nil {
				return 0
			}
			return frame[0]
		}
		read() // INIT
		server.Write([]byte{0, 0, 0, 5, 2, 0, 0, 0, 3})
		if read() != 11 { // OPENDIR
			return
		}
		server.Write([]byte{0, 0, 0, 10, 102, frame[1], frame[2], frame[3], frame[4], 0, 0, 0, 1, 'h'})
		read() // READDIR: no answer, the server is gone
	}()
	c, err := sftp.New(t.Context(), client, sftp.Options{})
	must(t, err)
	names, err := c.ReadDir(t.Context(), "/")
	if !errors.Is(err, sftp.ErrConnectionLost) {
		t.Errorf("%d names, %v", len(names), err)
	}
	c.Close()
	<-served
}
