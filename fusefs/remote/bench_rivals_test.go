package remote_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/sync/errgroup"

	"sshfs-bridge/fusefs/sshdial"
)

// smallAtOnce is how many small files are read at the same time by who can do that.
const smallAtOnce = 64

// each runs f for each of names, as many as smallAtOnce at a time.
func each(b *testing.B, names []string, f func(name string) error) {
	b.Helper()
	var next atomic.Int64
	var group errgroup.Group
	for range smallAtOnce {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(names) {
					return nil
				}
				if err := f(names[i]); err != nil {
					return err
				}
			}
		})
	}
	check(b, group.Wait())
}

// usClient is this package.
type usClient struct{ x *real }

func dialUs(_ *testing.B, x *real) client { return usClient{x} }

// in gives a name of the server below the root.
func (c usClient) in(name string) string { return strings.TrimPrefix(name, c.x.sshd.HomeSeen+"/") }

func (c usClient) read(b *testing.B, name string, size int) {
	b.Helper()
	f, _, err := c.x.Open(b.Context(), c.in(name), forRead, 0)
	check(b, err)
	check(b, discardAll(b.Context(), f, size))
	_, err = f.Close(b.Context())
	check(b, err)
}

func (c usClient) write(b *testing.B, name string, size int) {
	b.Helper()
	f, _, err := c.x.Open(b.Context(), c.in(name), forWrite, 0o644)
	check(b, err)
	check(b, writeAll(b.Context(), f, make([]byte, size), 1<<20))
	_, err = f.Sync(b.Context())
	check(b, err)
	_, err = f.Close(b.Context())
	check(b, err)
}

func (c usClient) readAll(b *testing.B, dir string, names []string) {
	b.Helper()
	each(b, names, func(name string) error {
		f, a, err := c.x.Open(b.Context(), c.in(path.Join(dir, name)), forRead, 0)
		if err != nil {
			return err
		}
		if _, err = f.ReadAt(b.Context(), make([]byte, a.Size), 0); err != nil {
			return err
		}
		_, err = f.Close(b.Context())
		return err
	})
}

func (c usClient) list(b *testing.B, dir string) int {
	b.Helper()
	entries, err := c.x.ReadDir(b.Context(), c.in(dir))
	check(b, err)
	return len(entries)
}

// pkgClient is pkg/sftp's client, with all its options for speed.
type pkgClient struct{ *pkgsftp.Client }

func dialPkgSFTP(b *testing.B, x *real) client {
	b.Helper()
	route, err := sshdial.Resolve(sshdial.Target{Host: x.sshd.Alias}, sshdial.Options{SSHDir: x.sshd.SSHDir, DialContext: x.dialProxy})
	check(b, err)
	conn, err := route.Dial(b.Context(), nil)
	check(b, err)
	b.Cleanup(func() { conn.Close() })
	stream, err := conn.OpenSFTP(b.Context())
	check(b, err)
	c, err := pkgsftp.NewClientPipe(stream, stream, pkgsftp.MaxPacketUnchecked(255<<10), pkgsftp.UseConcurrentWrites(true))
	check(b, err)
	b.Cleanup(func() { c.Close() })
	return pkgClient{c}
}

func (c pkgClient) read(b *testing.B, name string, _ int) {
	b.Helper()
	in, err := c.Open(name)
	check(b, err)
	_, err = in.WriteTo(io.Discard)
	check(b, err)
	check(b, in.Close())
}

func (c pkgClient) write(b *testing.B, name string, size int) {
	b.Helper()
	out, err := c.Create(name)
	check(b, err)
	_, err = out.ReadFromWithConcurrency(strings.NewReader(string(make([]byte, size))), 64)
	check(b, err)
	check(b, out.Sync())
	check(b, out.Close())
}

func (c pkgClient) readAll(b *testing.B, dir string, names []string) {
	b.Helper()
	each(b, names, func(name string) error {
		in, err := c.Open(path.Join(dir, name))
		if err != nil {
			return err
		}
		if _, err = in.WriteTo(io.Discard); err != nil {
			return err
		}
		return in.Close()
	})
}

func (c pkgClient) list(b *testing.B, dir string) int {
	b.Helper()
	entries, err := c.ReadDir(dir)
	check(b, err)
	return len(entries)
}

// sftpClient is OpenSSH's sftp, which is told what to do when it has logged in.
type sftpClient struct {
	stdin io.Writer
	lines *bufio.Scanner
	local string // a directory
}

func dialOpenSSH(b *testing.B, x *real) client {
	b.Helper()
	host, port, err := net.SplitHostPort(x.proxy.Addr())
	check(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sftp", "-q", "-b", "-", "-P", port, "-i", x.sshd.IdentityFile,
		"-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", x.sshd.User+"@"+host)
	stdin, err := cmd.StdinPipe()
	check(b, err)
	stdout, err := cmd.StdoutPipe()
	check(b, err)
	check(b, cmd.Start())
	b.Cleanup(func() {
		stdin.Close()
		cancel()
		_ = cmd.Wait() // killed, if it did not end by itself
	})
	c := &sftpClient{stdin, bufio.NewScanner(stdout), b.TempDir()}
	c.run(b)
	return c
}

// run gives commands, and returns what they print once they are done.
func (c *sftpClient) run(b *testing.B, commands ...string) []string {
	b.Helper()
	_, err := fmt.Fprintln(c.stdin, strings.Join(append(commands, "pwd"), "\n"))
	check(b, err)
	var out []string
	for c.lines.Scan() {
		switch line := c.lines.Text(); {
		case strings.HasPrefix(line, "Remote working directory"):
			return out
		case !strings.HasPrefix(line, "sftp> "):
			out = append(out, line)
		}
	}
	b.Fatalf("sftp ended: %v\n%s", c.lines.Err(), strings.Join(out, "\n"))
	return nil
}

func (c *sftpClient) read(b *testing.B, name string, _ int) {
	b.Helper()
	c.run(b, fmt.Sprintf("get %s %s/in", name, c.local))
}

func (c *sftpClient) write(b *testing.B, name string, size int) {
	b.Helper()
	local := filepath.Join(c.local, "out")
	check(b, os.WriteFile(local, make([]byte, size), 0o644))
	c.run(b, fmt.Sprintf("put -f %s %s", local, name))
}

func (c *sftpClient) readAll(b *testing.B, dir string, names []string) {
	b.Helper()
	var commands []string
	for _, name := range names {
		commands = append(commands, fmt.Sprintf("get %s %s/", path.Join(dir, name), c.local))
	}
	c.run(b, commands...)
}

func (c *sftpClient) list(b *testing.B, dir string) int {
	b.Helper()
	return len(c.run(b, "ls -1f "+dir))
}
