package sftp_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// server is a kind of SFTP server that the contract suite runs against.
type server struct {
	name string
	// quirks of the server that a test must bear.
	wholeLinks bool // relative link targets become absolute
	noAtime    bool // sets the access time to the modification time
	// connect starts a session whose starting directory is dir.
	connect func(t testing.TB, dir string) io.ReadWriteCloser
}

func servers() []server {
	return []server{
		{name: "counting", connect: connectCounting},
		{name: "openssh", connect: connectOpenSSH},
		{name: "sshd", connect: connectSSH},
		{name: "pkg-sftp", connect: connectPkgSFTP, wholeLinks: true, noAtime: true},
	}
}

func connectCounting(tb testing.TB, dir string) io.ReadWriteCloser {
	tb.Helper()
	return testenv.NewCountServer(tb, testenv.CountOptions{Dir: dir}).Connect()
}

const openSSHServer = "/usr/lib/openssh/sftp-server"

// connectOpenSSH runs OpenSSH's sftp-server on pipes, as sshd does.
func connectOpenSSH(tb testing.TB, dir string) io.ReadWriteCloser {
	tb.Helper()
	if _, err := os.Stat(openSSHServer); err != nil {
		testenv.Require(tb, "sshd")
		tb.Fatal(err)
	}
	cmd := exec.Command(openSSHServer, "-e", "-d", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	conn := pipes{Reader: out, WriteCloser: in}
	tb.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return conn
}

// pipes joins a child's stdout and stdin. The child ends with its stdin.
type pipes struct {
	io.Reader
	io.WriteCloser
}

// connectPkgSFTP serves with pkg/sftp over a Unix socket pair's like in memory.
func connectPkgSFTP(tb testing.TB, dir string) io.ReadWriteCloser {
	tb.Helper()
	client, serverEnd := net.Pipe()
	srv, err := pkgsftp.NewServer(serverEnd, pkgsftp.WithServerWorkingDirectory(dir))
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve()
		srv.Close()
	}()
	tb.Cleanup(func() {
		client.Close()
		<-served
	})
	return client
}

// testContext is the deadline of one test's calls.
func testContext(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

// newClient is a session on s in a fresh directory.
func newClient(tb testing.TB, s server) (*sftp.Client, string) {
	tb.Helper()
	dir := tb.TempDir()
	c, err := sftp.New(testContext(tb), s.connect(tb, dir), sftp.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c, dir
}

func eachServer(t *testing.T, f func(t *testing.T, s server, c *sftp.Client, dir string)) {
	t.Helper()
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			testenv.NoLeaks(t)
			c, dir := newClient(t, s)
			f(t, s, c, dir)
		})
	}
}
