package remote

import (
	"errors"
	"testing"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// A link may be over before its control session has noticed: opening a file
// then is a loss, on which it is tried again, and not a file without a channel.
func TestOpen_linkIsOverBeforeItsSession(t *testing.T) {
	conn, err := testenv.NewCountServer(t, testenv.CountOptions{Dir: t.TempDir()}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := conn.OpenSFTP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	control, err := sftp.New(t.Context(), stream, sftp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	r := New(Options{})
	defer r.Close(t.Context())
	o, err := r.open(t.Context(), control, "file", OpenFlags{Read: true}, 0)
	if !isLost(err) || !errors.Is(err, sftp.ErrNotSent) {
		t.Errorf("%+v, %v", o, err)
	}
}
