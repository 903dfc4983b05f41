package bench

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sshfs-bridge/e2e/testenv"
)

// link is a real sshd behind a proxy with a delay, and what a client needs to log in.
type link struct {
	sshd  *testenv.SSHD
	proxy *testenv.FaultProxy
	bare  *testenv.FaultProxy // the same delay, with nothing but an echo behind it
	port  string
	known string // known_hosts with the proxy's address
	home  string // a home directory in which nothing is configured
	ssh   string // an SSH directory in which the host linkHost leads to the proxy
}

const linkHost = "bench"

func newLink(tb testing.TB) *link {
	tb.Helper()
	sshd := testenv.StartSSHD(tb, testenv.SSHDOptions{})
	l := &link{sshd: sshd, proxy: testenv.NewFaultProxy(tb, sshd.Addr), bare: testenv.NewFaultProxy(tb, testenv.StartEcho(tb)), home: tb.TempDir()}
	_, port, err := net.SplitHostPort(l.proxy.Addr())
	must(tb, err)
	l.port = port
	var b strings.Builder
	for _, key := range sshd.HostKeys() {
		fmt.Fprintf(&b, "[127.0.0.1]:%s %s", port, ssh.MarshalAuthorizedKey(key))
	}
	l.known = filepath.Join(l.home, "known_hosts")
	must(tb, os.WriteFile(l.known, []byte(b.String()), 0o600))
	l.ssh = filepath.Join(l.home, "ssh")
	must(tb, os.Mkdir(l.ssh, 0o700))
	must(tb, os.WriteFile(filepath.Join(l.ssh, "config"), fmt.Appendf(nil, "Host %s\n  HostName 127.0.0.1\n  Port %s\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n",
		linkHost, port, sshd.User, sshd.IdentityFile, l.known), 0o600))
	return l
}

// delay sets the round-trip time for what is sent from now on.
func (l *link) delay(rttMS float64) {
	oneWay := time.Duration(rttMS * float64(time.Millisecond) / 2)
	l.proxy.SetDelay(oneWay)
	l.bare.SetDelay(oneWay)
}

// remote is the server's directory as sshfs names it.
func (l *link) remote() string { return l.sshd.User + "@127.0.0.1:" + l.sshd.HomeSeen }

// sshOptions are those of sshfs that lead to the proxy.
func (l *link) sshOptions() []string {
	return []string{"-p", l.port, "-o", "IdentityFile=" + l.sshd.IdentityFile, "-o", "UserKnownHostsFile=" + l.known, "-o", "StrictHostKeyChecking=yes"}
}
