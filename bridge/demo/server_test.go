package demo

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"sshfs-bridge/e2e/testenv"
)

// startServer serves dir until the test ends.
func startServer(t *testing.T, dir string) (*Server, string) {
	t.Helper()
	sshDir := filepath.Join(t.TempDir(), "ssh")
	s, err := NewServer(t.Context(), ServerOptions{Dir: dir, SSHDir: sshDir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, sshDir
}

// dial logs in with what the server wrote for its clients.
func dial(t *testing.T, s *Server, sshDir string) *sftp.Client {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(sshDir, "id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	check, err := knownhosts.New(filepath.Join(sshDir, "known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
		User: serverUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: check,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client, err := sftp.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestServer_refusesEveryOtherWayIn(t *testing.T) {
	s, _ := startServer(t, t.TempDir())
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, auth := range map[string][]ssh.AuthMethod{
		"no login":    nil,
		"a password":  {ssh.Password("demo")},
		"another key": {ssh.PublicKeys(signer)},
	} {
		conn, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{
			User: serverUser, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 5 * time.Second,
		})
		if err == nil {
			conn.Close()
			t.Errorf("%s: was let in", name)
		}
	}
}

func TestServer_offersOnlyTheSubsystemSftp(t *testing.T) {
	s, sshDir := startServer(t, t.TempDir())
	key, err := os.ReadFile(filepath.Join(sshDir, "id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ClientConfig{
		User: serverUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}
	conn, err := ssh.Dial("tcp", s.Addr(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	session, err := conn.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Run("id"); err == nil {
		t.Error("a command was run")
	}
	if c, err := conn.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("a connection was forwarded")
	}
	config.User = "root"
	if c, err := ssh.Dial("tcp", s.Addr(), config); err == nil {
		c.Close()
		t.Error("another user was let in")
	}
}

func TestServer_confinesEveryRequest(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for link, target := range map[string]string{"abs": secret, "up": "../../../../../.." + secret, "dir": outside, "in": "inside"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "inside"), []byte("inside"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, sshDir := startServer(t, dir)
	c := dial(t, s, sshDir)
	for _, p := range []string{"abs", "up", "dir/secret", "../" + filepath.Base(outside) + "/secret", secret} {
		if f, err := c.Open(p); err == nil {
			f.Close()
			t.Errorf("open %s worked", p)
		}
		if _, err := c.Stat(p); err == nil {
			t.Errorf("stat %s worked", p)
		}
		for op, err := range map[string]error{
			"chmod": c.Chmod(p, 0o777), "truncate": c.Truncate(p, 0), "times": c.Chtimes(p, time.Now(), time.Now()),
			"link": c.Link(p, "hard"),
		} {
			if err == nil && p != "abs" && p != "up" { // a hard link to a symlink stays inside
				t.Errorf("%s %s worked", op, p)
			}
		}
	}
	if _, err := c.ReadDir("dir"); err == nil {
		t.Error("the outside was listed")
	}
	if err := c.Rename("inside", "dir/moved"); err == nil {
		t.Error("a file was moved out")
	}
	data, err := os.ReadFile(secret)
	if err != nil || string(data) != "secret" {
		t.Errorf("outside: %q, %v", data, err)
	}
	f, err := c.Open("in")
	if err != nil {
		t.Fatalf("a symlink inside: %v", err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "inside" {
		t.Errorf("a symlink inside: %q, %v", got, err)
	}
	f.Close()
	if target, err := c.ReadLink("abs"); err != nil || target != secret {
		t.Errorf("READLINK: %q, %v; a target is told as it is", target, err)
	}
}

func TestServer_filesystem(t *testing.T) {
	dir := t.TempDir()
	s, sshDir := startServer(t, dir)
	c := dial(t, s, sshDir)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.MkdirAll("a/b"))
	f, err := c.OpenFile("a/b/file", os.O_RDWR|os.O_CREATE|os.O_EXCL)
	must(err)
	_, err = f.Write([]byte("hello"))
	must(err)
	if _, err := c.OpenFile("a/b/file", os.O_RDWR|os.O_CREATE|os.O_EXCL); err == nil {
		t.Error("O_EXCL on an existing file worked")
	}
	// The handle means the file even after it has moved.
	must(c.PosixRename("a/b/file", "a/moved"))
	must(f.Truncate(2))
	must(f.Chmod(0o600))
	info, err := f.Stat()
	must(err)
	if info.Size() != 2 || info.Mode().Perm() != 0o600 {
		t.Errorf("FSTAT after a rename: %d bytes, mode %v", info.Size(), info.Mode())
	}
	must(f.Close())
	when := time.Unix(1_600_000_000, 0)
	must(c.Chtimes("a/moved", when, when))
	if info, err := os.Stat(filepath.Join(dir, "a/moved")); err != nil || !info.ModTime().Equal(when) {
		t.Errorf("times: %v, %v", info, err)
	}
	must(c.Symlink("moved", "a/link"))
	must(c.Link("a/moved", "a/hard"))
	if err := c.Rename("a/hard", "a/moved"); err == nil {
		t.Error("RENAME of v3 replaced its target")
	}
	must(c.PosixRename("a/hard", "a/other"))
	vfs, err := c.StatVFS("a")
	must(err)
	if vfs.TotalSpace() == 0 {
		t.Error("no space at all")
	}
	if err := c.Remove("a/b/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove what is not there: %v", err)
	}
	if err := c.RemoveDirectory("a"); err == nil {
		t.Error("a folder with files was removed")
	}
	must(c.Remove("a/link"))
	must(c.RemoveDirectory("a/b"))
	entries, err := c.ReadDir("a")
	must(err)
	if len(entries) != 2 {
		t.Errorf("listing: %v", entries)
	}
}

func TestServer_withOpenSSH(t *testing.T) {
	testenv.Require(t, "sftp")
	dir := t.TempDir()
	if err := WriteSamples(dir, 1<<20); err != nil {
		t.Fatal(err)
	}
	s, sshDir := startServer(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sftp", "-F", "none", "-b", "-", "-P", strconv.Itoa(s.Port()),
		"-i", filepath.Join(sshDir, "id_ed25519"), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile="+filepath.Join(sshDir, "known_hosts"), strings.TrimSuffix(s.Remote(), ":"))
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader("get Large/noise.bin\nput noise.bin Large/again.bin\nln -s noise.bin Large/link\ndf\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sftp: %v\n%s", err, out)
	}
	want, err := hashFile(filepath.Join(dir, "Large/noise.bin"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := hashFile(filepath.Join(dir, "Large/again.bin"))
	if err != nil || string(got) != string(want) {
		t.Errorf("there and back: %x, want %x (%v)", got, want, err)
	}
}

func TestServer_endsWhileClientsAreConnected(t *testing.T) {
	dir := t.TempDir()
	s, err := NewServer(t.Context(), ServerOptions{Dir: dir, SSHDir: filepath.Join(t.TempDir(), "ssh")})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context()) }()
	silent, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for _, ch := range []chan error{done, closed} {
		select {
		case err := <-ch:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the server does not end")
		}
	}
}
