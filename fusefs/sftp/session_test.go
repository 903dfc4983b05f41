package sftp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

func TestLostConnectionFailsEveryCall(t *testing.T) {
	c, s, _ := countedClient(t, testenv.CountOptions{})
	s.Stall()
	var calls []*sftp.Call[sftp.Attrs]
	for range 1000 {
		calls = append(calls, c.StartStat("f"))
	}
	s.Break()
	for _, call := range calls {
		if _, err := call.Wait(testContext(t)); !errors.Is(err, sftp.ErrConnectionLost) || !errors.Is(err, testenv.ErrBroken) {
			t.Fatalf("error: %v", err)
		}
	}
	<-c.Done()
	if err := c.Err(); !errors.Is(err, sftp.ErrConnectionLost) {
		t.Errorf("session: %v", err)
	}
	_, err := c.Stat(testContext(t), "f")
	if !errors.Is(err, sftp.ErrConnectionLost) || !errors.Is(err, sftp.ErrNotSent) {
		t.Errorf("call after the end: %v", err)
	}
}

func TestClose(t *testing.T) {
	c, s, _ := countedClient(t, testenv.CountOptions{})
	s.Stall()
	call := c.StartStat("f")
	must(t, c.Close())
	if _, err := call.Wait(testContext(t)); !errors.Is(err, sftp.ErrClosed) || !errors.Is(err, sftp.ErrConnectionLost) {
		t.Errorf("error: %v", err)
	}
	must(t, c.Close())
}

// stuckConn does not let go of a blocked Read when it is closed.
type stuckConn struct{ net.Conn }

func (stuckConn) Close() error { return nil }

func TestCloseOfAStuckStreamReturns(t *testing.T) {
	testenv.NoLeaks(t)
	s := testenv.NewCountServer(t, testenv.CountOptions{})
	client, far := net.Pipe()
	served := make(chan error)
	go func() { served <- s.Serve(far) }()
	c, err := sftp.New(testContext(t), stuckConn{client}, sftp.Options{})
	must(t, err)
	if err := c.Close(); !errors.Is(err, sftp.ErrStuck) {
		t.Errorf("close: %v", err)
	}
	client.Close()
	must(t, c.Close())
	must(t, <-served)
}

func TestNewGivesUpWithItsContext(t *testing.T) {
	testenv.NoLeaks(t)
	client, far := net.Pipe()
	defer far.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := sftp.New(ctx, client, sftp.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error: %v", err)
	}
}

// talker is a server that says one thing and hangs up.
func talker(t *testing.T, says string) io.ReadWriteCloser {
	t.Helper()
	client, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		far.Read(make([]byte, 64))
		io.WriteString(far, says)
		far.Close()
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return client
}

func TestNewRefusesWhatIsNotSFTP3(t *testing.T) {
	for _, test := range []struct{ name, says, want string }{
		{"nothing", "", "EOF"},
		{"half a frame", "\x00\x00\x00\x05\x02\x00", "unexpected EOF"},
		{"text", "Welcome to nas! You have mail.\n", `"Welcome to nas!`},
		{"status", "\x00\x00\x00\x05\x65\x00\x00\x00\x03", "type 101"},
		{"version 2", "\x00\x00\x00\x05\x02\x00\x00\x00\x02", "version 2"},
		{"version 6", "\x00\x00\x00\x05\x02\x00\x00\x00\x06", "version 6"},
		{"bad extension", "\x00\x00\x00\x0a\x02\x00\x00\x00\x03\x00\x00\x00\xffx", "cut short"},
		{"short frame", "\x00\x00\x00\x04\x02\x00\x00\x00\x03", "frame of 4 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			testenv.NoLeaks(t)
			_, err := sftp.New(testContext(t), talker(t, test.says), sftp.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, sftp.ErrConnectionLost) {
				t.Errorf("error: %v, want %q", err, test.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		server testenv.CountOptions
		client sftp.Options
		want   sftp.Limits
	}{
		{"as OpenSSH", testenv.CountOptions{}, sftp.Options{}, sftp.Limits{MaxRead: 261120, MaxWrite: 261120, MaxOpenHandles: 1000}},
		{"unknown", testenv.CountOptions{Without: []string{"*"}}, sftp.Options{}, sftp.Limits{MaxRead: 32768, MaxWrite: 32768}},
		{
			"small", testenv.CountOptions{MaxPacket: 34000, MaxRead: 64000, MaxWrite: 64000, MaxHandles: 3}, sftp.Options{},
			sftp.Limits{MaxRead: 32976, MaxWrite: 32976, MaxOpenHandles: 3},
		},
		{"huge", testenv.CountOptions{MaxPacket: 1 << 30, MaxRead: 1 << 30, MaxWrite: 1 << 30}, sftp.Options{}, sftp.Limits{MaxRead: 261120, MaxWrite: 261120, MaxOpenHandles: 1000}},
		{"set", testenv.CountOptions{}, sftp.Options{MaxPacket: 4096, MaxReadPacket: 8192}, sftp.Limits{MaxRead: 8192, MaxWrite: 4096}},
	} {
		t.Run(test.name, func(t *testing.T) {
			testenv.NoLeaks(t)
			s := testenv.NewCountServer(t, test.server)
			c, err := sftp.New(testContext(t), s.Connect(), test.client)
			must(t, err)
			if got := c.Limits(); got != test.want {
				t.Errorf("limits %+v, want %+v", got, test.want)
			}
			must(t, c.Close())
		})
	}
}
