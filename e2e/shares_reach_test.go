package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// TestWhoReachesTheShares: on a bare host smbd listens on loopback and nothing of
// NetBIOS does; where it listens on more, who is not allowed is refused, and status
// and doctor say what would let him in.
func TestWhoReachesTheShares(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	t.Run("loopback and nothing else", func(t *testing.T) {
		port, second := testenv.FreePort(t), testenv.FreePort(t)
		b := newBridge(t, bridgeOptions{}, port)
		b.replaceConfig(fmt.Sprintf("ports: [%d]\n  interfaces: [127.0.0.1]", port), fmt.Sprintf("ports: [%d, %d]", port, second))
		b.start()
		for _, p := range []int{port, second} { // as 445 and 139 are in the container
			at := listeners(t, p)
			if len(at) == 0 {
				t.Errorf("nothing listens on port %d", p)
			}
			for _, a := range at {
				if !a.Unmap().IsLoopback() {
					t.Errorf("port %d: listens on %s", p, a)
				}
			}
			if out, err := smbTry(t, "127.0.0.1", p, "SSHFS Share", "ls"); err != nil {
				t.Errorf("port %d: %v: %s", p, err, out)
			}
		}
		for _, pid := range b.smbdProcesses() {
			if n := udpSockets(t, pid); n > 0 {
				t.Errorf("smbd process %d has %d UDP sockets: NetBIOS is to be off", pid, n)
			}
		}
	})
	t.Run("an address that is not allowed", func(t *testing.T) {
		const stranger = "198.51.100.7" // for documentation (RFC 5737): nobody's
		testenv.RunOK(t, "ip", "addr", "replace", stranger+"/32", "dev", "lo")
		defer testenv.RunOK(t, "ip", "addr", "del", stranger+"/32", "dev", "lo")
		b := newBridge(t, bridgeOptions{}, testenv.FreePort(t))
		b.replaceConfig("interfaces: [127.0.0.1]", "interfaces: [127.0.0.1, "+stranger+"]")
		b.start()
		refused := func() bool {
			d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(stranger)}}
			conn, err := d.Dial("tcp", net.JoinHostPort(stranger, strconv.Itoa(b.Port)))
			if err != nil {
				t.Fatal(err) // it listens there; whom it hears is another matter
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			_, err = conn.Read(make([]byte, 1)) // it hangs up
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
		if !refused() {
			t.Error("smbd listens to a stranger")
		}
		b.eventually(20*time.Second, "the refused address is in status", func() error {
			if got := b.observed().SMB.Refused; len(got) != 1 || got[0] != stranger {
				return fmt.Errorf("refused: %q", got)
			}
			return nil
		})
		if out, _, _ := b.run("status"); !strings.Contains(out, stranger) || !strings.Contains(out, "hosts_allow") {
			t.Errorf("status: %s", out)
		}
		if out, _, _ := b.run("doctor"); !strings.Contains(out, "smb.hosts_allow: ["+stranger+"]") {
			t.Errorf("doctor does not name the setting:\n%s", out)
		}
		// With that setting he is let in.
		b.stop(syscall.SIGTERM, 10*time.Second)
		b.replaceConfig("interfaces:", "hosts_allow: ["+stranger+"]\n  interfaces:")
		b.start()
		if out, err := smbTry(t, stranger, b.Port, "SSHFS Share", "ls"); err != nil {
			t.Errorf("with the setting: %v: %s", err, out)
		}
	})
}

// TestWhatSMBDSees: from inside smbd's mount namespace neither keys nor state nor the
// control socket are there, and the mounts are.
func TestWhatSMBDSees(t *testing.T) {
	testenv.Require(t, "unshare") // nsenter is of the same package
	t.Parallel()
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, "hello"), "there")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	b.share("files") // a client's process is one of them
	inside := func(pid int, script string, args ...string) string {
		t.Helper()
		argv := append([]string{"nsenter", "--mount", "--target", strconv.Itoa(pid), "sh", "-c", script, "sh"}, args...)
		out, stderr, _ := testenv.Run(t, nil, argv...)
		return strings.TrimSpace(out + stderr)
	}
	pids := b.smbdProcesses()
	if len(pids) < 2 {
		t.Fatalf("smbd's processes: %v", pids)
	}
	for _, pid := range pids {
		for _, dir := range []string{sshd.SSHDir, filepath.Join(b.RunDir, "control")} {
			if out := inside(pid, `ls -A "$1"`, dir); out != "" {
				t.Errorf("process %d sees in %s: %s", pid, dir, out)
			}
		}
		// Of the state there is Samba's own and nothing else.
		if out := inside(pid, `ls -A "$1"`, b.State); out != "samba" {
			t.Errorf("process %d sees in %s: %s", pid, b.State, out)
		}
		if out := inside(pid, `cat "$1"/id_ed25519 "$2"/desired.json; echo x > "$1"/new`, sshd.SSHDir, b.State); strings.Contains(out, "PRIVATE KEY") || !strings.Contains(out, "Read-only") {
			t.Errorf("process %d: %s", pid, out)
		}
		if out := inside(pid, `cat "$1"`, filepath.Join(b.RunDir, "mnt", "files", "hello")); out != "there" {
			t.Errorf("process %d sees of the mount: %s", pid, out)
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		// SETGID, SETUID and NET_BIND_SERVICE, and no way to more.
		for _, want := range []string{"CapBnd:\t00000000000004c0\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("process %d lacks %q", pid, want)
			}
		}
	}
	if _, err := os.Stat(sshd.IdentityFile); err != nil {
		t.Errorf("out here: %v", err)
	}
}

// replaceConfig changes a part of the configuration file.
func (b *bridge) replaceConfig(old, replacement string) {
	b.t.Helper()
	text, err := os.ReadFile(b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		b.t.Fatalf("no %q in %s", old, text)
	}
	writeFile(b.t, b.config, strings.Replace(string(text), old, replacement, 1))
}

// smbdProcesses are the processes that run with this bridge's smb.conf.
func (b *bridge) smbdProcesses() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		cmdline, _ := os.ReadFile(d + "/cmdline")
		if program, rest, _ := strings.Cut(string(cmdline), "\x00"); strings.HasSuffix(program, "smbd") && strings.Contains(rest, "--configfile="+b.Dir) {
			pid, _ := strconv.Atoi(filepath.Base(d))
			pids = append(pids, pid)
		}
	}
	return pids
}

// listeners are the addresses on which something listens at a TCP port.
func listeners(t testing.TB, port int) (at []netip.Addr) {
	t.Helper()
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != "0A" || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			// Words of four bytes, each in this machine's order.
			hex, _, _ := strings.Cut(f[1], ":")
			var ip []byte
			for i := 0; i < len(hex); i += 8 {
				var word [4]byte
				for j := range word {
					n, err := strconv.ParseUint(hex[i+2*j:i+2*j+2], 16, 8)
					if err != nil {
						t.Fatal(err)
					}
					word[3-j] = byte(n) // little-endian machines, as all are on which this runs
				}
				ip = append(ip, word[:]...)
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				at = append(at, a)
			}
		}
	}
	return at
}

// udpSockets counts a process's UDP sockets.
func udpSockets(t testing.TB, pid int) (n int) {
	t.Helper()
	udp := map[string]bool{}
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 {
				udp["socket:["+f[9]+"]"] = true
			}
		}
	}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && udp[target] {
			n++
		}
	}
	return n
}
