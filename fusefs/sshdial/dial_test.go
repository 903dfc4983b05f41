package sshdial_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// person answers questions: the answers in order, by kind.
type person struct {
	mu      sync.Mutex
	answers map[string][]string
	asked   []sshdial.Question
}

func (p *person) Ask(_ context.Context, q sshdial.Question) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, q)
	list := p.answers[q.Kind]
	if len(list) == 0 {
		return "", sshdial.ErrNoPerson
	}
	p.answers[q.Kind] = list[1:]
	return list[0], nil
}

func says(kind string, answers ...string) *person {
	return &person{answers: map[string][]string{kind: answers}}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// route resolves remote (by default the server's alias) with what a person
// who knows the server would have.
func route(t *testing.T, s *testenv.SSHD, o sshdial.Options) *sshdial.Route {
	t.Helper()
	return routeTo(t, s, s.Alias, o)
}

func routeTo(t *testing.T, s *testenv.SSHD, remote string, o sshdial.Options) *sshdial.Route {
	t.Helper()
	if o.SSHDir == "" {
		o.SSHDir = s.SSHDir
	}
	o.Overrides = append(o.Overrides, "GlobalKnownHostsFile=none")
	target, err := sshdial.ParseTarget(remote)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sshdial.Resolve(target, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustDial(t *testing.T, r *sshdial.Route, asker sshdial.Asker) *sshdial.Conn {
	t.Helper()
	c, err := r.Dial(testContext(t), asker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// list opens SFTP on c and lists the session's home with pkg/sftp.
func list(t *testing.T, c *sshdial.Conn) []string {
	t.Helper()
	ch, err := c.OpenSFTP(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	client, err := sftp.NewClientPipe(ch, ch)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	infos, err := client.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range infos {
		names = append(names, i.Name())
	}
	return names
}

func startSSHD(t *testing.T, o testenv.SSHDOptions) *testenv.SSHD {
	t.Helper()
	testenv.NoLeaks(t)
	s := testenv.StartSSHD(t, o)
	if err := os.WriteFile(filepath.Join(s.Home, "hello"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// remove takes the names away from the SSH directory.
func remove(t *testing.T, s *testenv.SSHD, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := os.Remove(filepath.Join(s.SSHDir, n)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDialServers(t *testing.T) {
	for name, o := range map[string]testenv.SSHDOptions{
		"plain":         {},
		"sftp-server":   {ExternalSFTP: true},
		"hardened":      {Hardened: true, Chroot: true, User: "nobody"},
		"rsa host key":  {HostKeyTypes: []string{"rsa"}},
		"ecdsa and rsa": {HostKeyTypes: []string{"ecdsa", "rsa"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSSHD(t, o)
			c := mustDial(t, route(t, s, sshdial.Options{}), nil)
			if names := list(t, c); len(names) != 1 || names[0] != "hello" {
				t.Errorf("listed %v", names)
			}
			if d, err := c.Ping(testContext(t)); err != nil || d <= 0 {
				t.Errorf("Ping: %v, %v", d, err)
			}
			info := c.Info()
			if !strings.HasPrefix(info.ServerVersion, "SSH-2.0-OpenSSH") || info.Cipher == "" || info.User != s.User || info.Addr != s.Addr ||
				!strings.Contains(info.HostKeyFingerprint, ssh.FingerprintSHA256(s.HostKeys()[0])) {
				t.Errorf("Info: %+v", info)
			}
			if err := c.Err(); err != nil {
				t.Errorf("Err of a live connection: %v", err)
			}
			_ = c.Close()
			<-c.Done()
			if !errors.Is(c.Err(), sshdial.ErrClosed) {
				t.Errorf("Err after Close: %v", c.Err())
			}
			if _, err := c.OpenSFTP(testContext(t)); !errors.Is(err, sshdial.ErrClosed) {
				t.Errorf("OpenSFTP after Close: %v", err)
			}
			if _, err := c.Ping(testContext(t)); !errors.Is(err, sshdial.ErrClosed) {
				t.Errorf("Ping after Close: %v", err)
			}
		})
	}
}

func TestMaxSessions(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{MaxSessions: 1})
	c := mustDial(t, route(t, s, sshdial.Options{}), nil)
	first, err := c.OpenSFTP(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.OpenSFTP(testContext(t)); !errors.Is(err, sshdial.ErrChannelRefused) {
			t.Fatalf("a second channel: %v", err)
		}
	}
	first.Close()
	// The server takes a moment to forget the first.
	testenv.Eventually(t, 5*time.Second, "another channel after the first was closed", func() bool {
		ch, err := c.OpenSFTP(testContext(t))
		if err == nil {
			ch.Close()
		}
		return err == nil
	})
}

func TestNoSFTP(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{NoSFTP: true})
	c := mustDial(t, route(t, s, sshdial.Options{}), nil)
	if _, err := c.OpenSFTP(testContext(t)); !errors.Is(err, sshdial.ErrNoSFTP) {
		t.Errorf("OpenSFTP: %v", err)
	}
	if _, err := c.Ping(testContext(t)); err != nil {
		t.Errorf("the connection did not survive: %v", err)
	}
}

func TestServerDies(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	r := route(t, s, sshdial.Options{})
	c := mustDial(t, r, nil)
	ch, err := c.OpenSFTP(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the end of the connection was not noticed")
	}
	if err := c.Err(); err == nil || errors.Is(err, sshdial.ErrClosed) {
		t.Errorf("Err: %v", err)
	}
	if _, err := io.ReadAll(ch); err != nil && !errors.Is(err, io.EOF) {
		t.Logf("the channel ended with %v", err)
	}
	if _, err := c.OpenSFTP(testContext(t)); err == nil {
		t.Error("OpenSFTP on a dead connection")
	}
	_, err = r.Dial(testContext(t), nil)
	var auth *sshdial.AuthError
	if err == nil || errors.As(err, &auth) {
		t.Errorf("dial of a stopped server: %v", err)
	}
	s.Start()
	if names := list(t, mustDial(t, r, nil)); len(names) != 1 {
		t.Errorf("after a restart: %v", names)
	}
}

func TestFrozenServer(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{})
	c := mustDial(t, route(t, s, sshdial.Options{}), nil)
	s.Freeze()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ping: %v", err)
	}
	if _, err := c.OpenSFTP(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("OpenSFTP: %v", err)
	}
	r := route(t, s, sshdial.Options{Overrides: []string{"ConnectTimeout=1"}})
	begin := time.Now()
	if _, err := r.Dial(testContext(t), nil); !errors.Is(err, sshdial.ErrTimeout) {
		t.Errorf("Dial: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Dial took %v", d)
	}
	begin = time.Now()
	_ = c.Close()
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Close waited for the network: %v", d)
	}
	s.Thaw()
}

// TestManyAtOnce opens, pings and closes from many goroutines while the
// connection is closed, or the server dies.
func TestManyAtOnce(t *testing.T) {
	s := startSSHD(t, testenv.SSHDOptions{MaxSessions: 4})
	for name, end := range map[string]func(*sshdial.Conn){
		"Close":       func(c *sshdial.Conn) { _ = c.Close() },
		"server dies": func(*sshdial.Conn) { s.KillSessions() },
	} {
		t.Run(name, func(t *testing.T) {
			c := mustDial(t, route(t, s, sshdial.Options{}), nil)
			ctx := testContext(t)
			var wg sync.WaitGroup
			var opened atomic.Int64
			for range 8 {
				wg.Go(func() {
					for c.Err() == nil {
						ch, err := c.OpenSFTP(ctx)
						if err == nil {
							opened.Add(1)
							_, _ = ch.Write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3})
							_, _ = io.ReadFull(ch, make([]byte, 9))
							_ = ch.Close()
							_ = ch.Close()
						}
						_, _ = c.Ping(ctx)
					}
				})
			}
			testenv.Eventually(t, 20*time.Second, "some channels", func() bool { return opened.Load() > 20 })
			end(c)
			wg.Wait()
			if ctx.Err() != nil {
				t.Error("it took until the deadline")
			}
		})
	}
}
