package sftp_test

import (
	"io"
	"os"
	"testing"

	"golang.org/x/crypto/ssh"

	"sshfs-bridge/e2e/testenv"
)

// connectSSH is a session through a real sshd and x/crypto's channel, with the
// cipher that our connections prefer.
func connectSSH(tb testing.TB, dir string) io.ReadWriteCloser {
	tb.Helper()
	srv := testenv.StartSSHD(tb, testenv.SSHDOptions{SFTPArgs: []string{"-d", dir}})
	key, err := os.ReadFile(srv.IdentityFile)
	must(tb, err)
	signer, err := ssh.ParsePrivateKey(key)
	must(tb, err)
	conn, err := ssh.Dial("tcp", srv.Addr, &ssh.ClientConfig{
		Config:          ssh.Config{Ciphers: []string{ssh.CipherAES128GCM}},
		User:            srv.User,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(srv.HostKeys()[0]),
	})
	must(tb, err)
	tb.Cleanup(func() {
		conn.Close()
		conn.Wait()
	})
	channel, requests, err := conn.OpenChannel("session", nil)
	must(tb, err)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		ssh.DiscardRequests(requests)
	}()
	tb.Cleanup(func() { <-drained })
	ok, err := channel.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
	if err != nil || !ok {
		tb.Fatalf("subsystem: %v, %v", ok, err)
	}
	return channel
}
