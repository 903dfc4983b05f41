package sshdial_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// oneTimeCodes asks for a password and then a code, which is never the same.
func oneTimeCodes(code *atomic.Int64) func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	return func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		a, err := ask("", "Welcome\x1b[2J", []string{"Password: "}, []bool{false})
		if err != nil || a[0] != "pw" {
			return nil, errors.New("wrong password")
		}
		b, err := ask("", "", []string{"Code: "}, []bool{true})
		if err != nil || b[0] != fmt.Sprint(code.Add(1)) {
			return nil, errors.New("wrong code")
		}
		return nil, nil
	}
}

func TestOneTimeCodes(t *testing.T) {
	var code, begun atomic.Int64
	inner := oneTimeCodes(&code)
	addr := fakeServer(t, &ssh.ServerConfig{
		KeyboardInteractiveCallback: func(m ssh.ConnMetadata, c ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			begun.Add(1)
			return inner(m, c)
		},
	}, nil)
	r := fakeRoute(t, addr)
	p := says(sshdial.KindKeyboardInteractive, "pw", "1")
	mustDial(t, r, p)
	if len(p.asked) != 2 || p.asked[0].Echo || !p.asked[1].Echo {
		t.Errorf("asked %+v", p.asked)
	}
	for _, q := range p.asked {
		if strings.ContainsAny(q.Prompt, "\x1b") || !strings.Contains(q.Prompt, "alice@") {
			t.Errorf("prompt %q", q.Prompt)
		}
	}
	// A redial does not even begin: it would be counted as a failure.
	if _, err := r.Dial(testContext(t), nil); !errors.Is(err, sshdial.ErrNeedsPerson) || begun.Load() != 1 {
		t.Errorf("redial: %v, begun %d times", err, begun.Load())
	}
	// The person is asked for the code alone.
	p = says(sshdial.KindKeyboardInteractive, "2")
	mustDial(t, r, p)
	if len(p.asked) != 1 {
		t.Errorf("asked %+v", p.asked)
	}
}

func TestPartialSuccess(t *testing.T) {
	var code atomic.Int64
	addr := fakeServer(t, &ssh.ServerConfig{
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: oneTimeCodes(&code)}}
		},
	}, nil)
	r := fakeRoute(t, addr)
	_, err := r.Dial(testContext(t), nil)
	if auth := wantAuthError(t, err); !errors.Is(err, sshdial.ErrNeedsPerson) || len(auth.Partial) != 1 || auth.Partial[0] != "publickey" {
		t.Errorf("with nobody there: %v", err)
	}
	mustDial(t, r, says(sshdial.KindKeyboardInteractive, "pw", "1"))
}

func TestEndlessQuestions(t *testing.T) {
	addr := fakeServer(t, &ssh.ServerConfig{
		MaxAuthTries: 2,
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			for {
				if _, err := ask("", strings.Repeat("x", 10000), nil, nil); err != nil {
					return nil, err
				}
			}
		},
	}, nil)
	never := askerFunc(func(context.Context, sshdial.Question) (string, error) { return "", nil })
	_, err := fakeRoute(t, addr).Dial(testContext(t), never)
	wantAuthError(t, err)
}

func TestServerAlive(t *testing.T) {
	addr := fakeServer(t, &ssh.ServerConfig{NoClientAuth: true}, nil)
	for _, want := range []struct {
		options  []string
		interval time.Duration
		count    int
	}{
		{nil, 0, 0},
		{[]string{"ServerAliveInterval=60"}, time.Minute, 3},
		{[]string{"ServerAliveInterval=20", "ServerAliveCountMax=10"}, 20 * time.Second, 10},
	} {
		c := mustDial(t, fakeRoute(t, addr, want.options...), nil)
		if interval, count := c.Keepalive(); interval != want.interval || count != want.count {
			t.Errorf("%q: %v, %d times", want.options, interval, count)
		}
	}
}

// TestKeepsOrder: servers of which it is not known do not pass for such that handle one
// request after the other.
func TestKeepsOrder(t *testing.T) {
	for version, want := range map[string]bool{
		"SSH-2.0-OpenSSH_9.2p1 Debian-2":      true,
		"SSH-2.0-OpenSSH_for_Windows_9.5":     true,
		"SSH-2.0-dropbear_2022.83":            true,
		"SSH-2.0-tinyssh_20230101-1 abcdefgh": true,
		"SSH-2.0-AsyncSSH_2.10.1":             false,
		"SSH-2.0-mod_sftp":                    false,
		"SSH-2.0-Go":                          false,
	} {
		t.Run(version, func(t *testing.T) {
			addr := fakeServer(t, &ssh.ServerConfig{NoClientAuth: true, ServerVersion: version}, nil)
			if got := mustDial(t, fakeRoute(t, addr), nil).KeepsOrder(); got != want {
				t.Error(got)
			}
		})
	}
}

// TestServerAsks has a server open channels and make requests of its own.
func TestServerAsks(t *testing.T) {
	result := make(chan error, 1)
	addr := fakeServer(t, &ssh.ServerConfig{NoClientAuth: true}, func(sc *ssh.ServerConn) {
		for _, typ := range []string{"x11", "auth-agent@openssh.com", "forwarded-tcpip", "session", "nonsense"} {
			if ch, _, err := sc.OpenChannel(typ, nil); err == nil {
				ch.Close()
				result <- fmt.Errorf("%s was accepted", typ)
				return
			}
		}
		for range 50 {
			if ok, _, err := sc.SendRequest("hostkeys-00@openssh.com", true, make([]byte, 1000)); ok || err != nil {
				result <- fmt.Errorf("a request: %v, %w", ok, err)
				return
			}
		}
		result <- nil
	})
	c := mustDial(t, fakeRoute(t, addr), nil)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if _, err := c.OpenSFTP(testContext(t)); !errors.Is(err, sshdial.ErrChannelRefused) {
		t.Errorf("OpenSFTP: %v", err)
	}
}

func TestNoSSHServer(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(net.Conn)
		want  error
		text  string
	}{
		"says nothing":       {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, sshdial.ErrTimeout, ""},
		"web server":         {func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, sshdial.ErrNotSSH, "400 Bad Request"},
		"refuses":            {func(c net.Conn) { _, _ = c.Write([]byte("Not allowed at this time\r\n")) }, sshdial.ErrNotSSH, "Not allowed at this time"},
		"SSH 1":              {func(c net.Conn) { _, _ = c.Write([]byte("SSH-1.5-old\n")); _, _ = io.Copy(io.Discard, c) }, sshdial.ErrNotSSH, "SSH-1.5"},
		"control characters": {func(c net.Conn) { _, _ = c.Write([]byte("\x1b[2Jboo\n")) }, sshdial.ErrNotSSH, "?[2Jboo"},
		"endless line":       {func(c net.Conn) { pour(c, []byte("x")) }, sshdial.ErrNotSSH, ""},
		"endless lines":      {func(c net.Conn) { pour(c, []byte("hello\n")) }, sshdial.ErrNotSSH, "hello"},
		"garbage after the version": {func(c net.Conn) {
			_, _ = c.Write([]byte("SSH-2.0-x\r\n"))
			pour(c, []byte{0xff, 0, 0x80})
		}, nil, ""},
		"huge packet": {func(c net.Conn) {
			_, _ = c.Write([]byte("SSH-2.0-x\r\n\xff\xff\xff\xff\x04"))
			_, _ = io.Copy(io.Discard, c)
		}, nil, ""},
		"silence after the version": {func(c net.Conn) {
			_, _ = c.Write([]byte("SSH-2.0-x\r\n"))
			_, _ = io.Copy(io.Discard, c)
		}, sshdial.ErrTimeout, ""},
		"hangs up": {func(net.Conn) {}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, c.serve)
			begin := time.Now()
			_, err := fakeRoute(t, addr, "ConnectTimeout=1").Dial(testContext(t), nil)
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v; want %v with %q", err, c.want, c.text)
			}
			var auth *sshdial.AuthError
			var key *sshdial.HostKeyError
			if errors.As(err, &auth) || errors.As(err, &key) {
				t.Errorf("taken for a refusal: %v", err)
			}
		})
	}
}

func pour(c net.Conn, b []byte) {
	b = bytes.Repeat(b, 1000)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

func TestUnreachable(t *testing.T) {
	testenv.NoLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := l.Addr().(*net.TCPAddr)
	l.Close()
	_, err = fakeRoute(t, addr).Dial(testContext(t), nil)
	var op *net.OpError
	if !errors.As(err, &op) {
		t.Errorf("nobody listens: %v", err)
	}
	// A network that swallows everything.
	r, err := sshdial.Resolve(sshdial.Target{User: "u", Host: "h"}, sshdial.Options{
		SSHDir: t.TempDir(), Overrides: []string{"ConnectTimeout=1"},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if network != "tcp" || addr != "h:22" {
				t.Errorf("dialled %s %s", network, addr)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Dial(testContext(t), nil); !errors.Is(err, sshdial.ErrTimeout) {
		t.Errorf("a black hole: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("mount is going")
	cancel(why)
	if _, err := r.Dial(ctx, nil); !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestIncompatible(t *testing.T) {
	addr := fakeServer(t, &ssh.ServerConfig{NoClientAuth: true, Config: ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1}}}, nil)
	if _, err := fakeRoute(t, addr).Dial(testContext(t), nil); !errors.Is(err, sshdial.ErrIncompatible) {
		t.Errorf("got %v", err)
	}
}

// TestServerText: what a server says reaches no terminal as it came.
func TestServerText(t *testing.T) {
	said := "SSH-2.0-x\r\n" + string(disconnectPacket("\x1b]0;title\a"))
	addr := listen(t, func(c net.Conn) {
		_, _ = c.Write([]byte(said))
		_, _ = io.Copy(io.Discard, c)
	})
	_, err := fakeRoute(t, addr, "ConnectTimeout=2").Dial(testContext(t), nil)
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\a") || !strings.Contains(err.Error(), "title") {
		t.Errorf("got %q", err)
	}
}

// disconnectPacket is an unencrypted packet of RFC 4253, 6.
func disconnectPacket(text string) []byte {
	payload := ssh.Marshal(struct {
		Reason   uint32 `sshtype:"1"`
		Message  string
		Language string
	}{11, text, ""})
	padding := 8 - (5+len(payload))%8 + 8
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	packet = append(packet, byte(padding))
	return append(append(packet, payload...), make([]byte, padding)...)
}

// TestBreaksDuringLogin must be the network's failure, worth another try, and
// must not ask a person anything.
func TestBreaksDuringLogin(t *testing.T) {
	for name, config := range map[string]*ssh.ServerConfig{
		"with a key": {PublicKeyCallback: func(m ssh.ConnMetadata, _ ssh.PublicKey) (*ssh.Permissions, error) {
			hangUp(m)
			return nil, errors.New("no")
		}},
		"with a password": {PasswordCallback: func(m ssh.ConnMetadata, _ []byte) (*ssh.Permissions, error) {
			hangUp(m)
			return nil, errors.New("no")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := says(sshdial.KindPassword, "one", "two", "three")
			_, err := fakeRoute(t, fakeServer(t, config, nil)).Dial(testContext(t), p)
			var auth *sshdial.AuthError
			if err == nil || errors.As(err, &auth) || len(p.asked) > 1 {
				t.Errorf("got %v, asked %+v", err, p.asked)
			}
		})
	}
}

// hangUp closes the connection below.
func hangUp(m ssh.ConnMetadata) {
	if c, ok := m.(io.Closer); ok {
		_ = c.Close()
	}
}

// TestPersonTakesTime: the time in which a person is asked does not count.
func TestPersonTakesTime(t *testing.T) {
	addr := fakeServer(t, &ssh.ServerConfig{
		PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil },
	}, nil)
	slow := askerFunc(func(ctx context.Context, _ sshdial.Question) (string, error) {
		select {
		case <-time.After(1500 * time.Millisecond):
			return "pw", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	mustDial(t, fakeRoute(t, addr, "ConnectTimeout=1"), slow)
}
