package remote_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sshdial"
)

// BenchmarkSSHD moves one large file to and from a real sshd, over a way with a
// delay, beside pkg/sftp's client and OpenSSH's sftp in the same run.
func BenchmarkSSHD(b *testing.B) {
	const size = 128 << 20
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		for _, who := range []struct {
			name string
			run  func(b *testing.B, x *real, write bool)
		}{{"us", benchUs}, {"pkgsftp", benchPkgSFTP}, {"openssh", benchOpenSSH}} {
			for _, op := range []string{"read", "write"} {
				b.Run(fmt.Sprintf("%s/rtt=%v/%s", op, rtt, who.name), func(b *testing.B) {
					x := newRealAway(b, testenv.SSHDOptions{}, remote.Options{}, rtt)
					check(b, os.WriteFile(x.file("in"), random(1, size), 0o644))
					b.SetBytes(size)
					who.run(b, x, op == "write")
					s := x.Status()
					b.ReportMetric(float64(s.Channels), "channels")
				})
			}
		}
	}
}

func benchUs(b *testing.B, x *real, write bool) {
	data := random(1, 128<<20)
	for b.Loop() {
		if !write {
			f, _, err := x.Open(b.Context(), "in", forRead, 0)
			check(b, err)
			_, err = readAll(b.Context(), f, len(data), 1<<20, 64)
			check(b, err)
			f.Close(b.Context())
			continue
		}
		f, _, err := x.Open(b.Context(), "out", forWrite, 0o644)
		check(b, err)
		check(b, writeAll(b.Context(), f, data, 1<<20))
		check(b, f.Sync(b.Context()))
		_, err = f.Close(b.Context())
		check(b, err)
	}
}

func benchPkgSFTP(b *testing.B, x *real, write bool) {
	route, err := sshdial.Resolve(sshdial.Target{Host: x.sshd.Alias}, sshdial.Options{SSHDir: x.sshd.SSHDir, DialContext: x.dialProxy})
	check(b, err)
	conn, err := route.Dial(b.Context(), nil)
	check(b, err)
	defer conn.Close()
	stream, err := conn.OpenSFTP(b.Context())
	check(b, err)
	c, err := pkgsftp.NewClientPipe(stream, stream, pkgsftp.MaxPacketUnchecked(255<<10), pkgsftp.UseConcurrentWrites(true))
	check(b, err)
	defer c.Close()
	for b.Loop() {
		from, to := x.file("in"), filepath.Join(b.TempDir(), "local")
		if write {
			from, to = to, x.file("out")
			check(b, os.WriteFile(from, random(1, 128<<20), 0o644))
			in, err := os.Open(from)
			check(b, err)
			out, err := c.Create(to)
			check(b, err)
			_, err = out.ReadFrom(in)
			check(b, err)
			check(b, out.Close())
			in.Close()
			continue
		}
		in, err := c.Open(from)
		check(b, err)
		_, err = in.WriteTo(io.Discard)
		check(b, err)
		in.Close()
	}
}

func benchOpenSSH(b *testing.B, x *real, write bool) {
	if _, err := exec.LookPath("sftp"); err != nil {
		b.Fatal(err)
	}
	host, port, err := net.SplitHostPort(x.proxy.Addr())
	check(b, err)
	local := filepath.Join(b.TempDir(), "local")
	check(b, os.WriteFile(local, random(1, 128<<20), 0o644))
	batch := filepath.Join(b.TempDir(), "batch")
	line := fmt.Sprintf("get %s %s\n", x.file("in"), local)
	if write {
		line = fmt.Sprintf("put %s %s\n", local, x.file("out"))
	}
	check(b, os.WriteFile(batch, []byte(line), 0o600))
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), "sftp", "-q", "-b", batch, "-P", port, "-i", x.sshd.IdentityFile,
			"-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", x.sshd.User+"@"+host)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}
