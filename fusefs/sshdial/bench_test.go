package sshdial_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sshdial"
)

// BenchmarkRead reads a file over one channel, by cipher.
func BenchmarkRead(b *testing.B) {
	const size = 64 << 20
	s := testenv.StartSSHD(b, testenv.SSHDOptions{})
	if err := os.WriteFile(filepath.Join(s.Home, "data"), make([]byte, size), 0o644); err != nil {
		b.Fatal(err)
	}
	for _, cipher := range []string{"", ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES128CTR} {
		name, o := cipher, sshdial.Options{SSHDir: s.SSHDir, Overrides: []string{"Ciphers=" + cipher}}
		if cipher == "" {
			name, o.Overrides = "default", nil
		}
		b.Run("cipher="+name, func(b *testing.B) {
			r, err := sshdial.Resolve(sshdial.Target{Host: s.Alias}, o)
			if err != nil {
				b.Fatal(err)
			}
			c, err := r.Dial(context.Background(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			ch, err := c.OpenSFTP(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			client, err := sftp.NewClientPipe(ch, ch, sftp.MaxPacketUnchecked(255<<10))
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			b.SetBytes(size)
			for b.Loop() {
				f, err := client.Open("data")
				if err != nil {
					b.Fatal(err)
				}
				if n, err := f.WriteTo(io.Discard); n != size || err != nil {
					b.Fatal(n, err)
				}
				f.Close()
			}
		})
	}
}

// BenchmarkDial connects and logs in.
func BenchmarkDial(b *testing.B) {
	s := testenv.StartSSHD(b, testenv.SSHDOptions{})
	r, err := sshdial.Resolve(sshdial.Target{Host: s.Alias}, sshdial.Options{SSHDir: s.SSHDir})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, err := r.Dial(context.Background(), nil)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
