package e2e

import (
	"bytes"
	encoding "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

// Where an SMB2 message has what these tests look at (MS-SMB2 2.2.1.2).
const (
	smb2Status, smb2Command, smb2Flags, smb2Signature, smb2Body = 8, 12, 16, 48, 64

	smb2TreeConnect        = 3    // a command; those before it are the login's
	smb2Answer, smb2Signed = 1, 8 // flags
	smb2Transform          = 0xfd // the first byte of a message that is encrypted
)

var le = encoding.LittleEndian

// TestSharesWithAPassword_onTheWire: a request that is not signed is refused, and a
// client that asks for encryption shows the network neither data nor names.
func TestSharesWithAPassword_onTheWire(t *testing.T) {
	testenv.Require(t, "smbclient")
	t.Parallel()
	const name, content = "a name that is nobody's business", "what it holds is not, either"
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	writeFile(t, filepath.Join(sshd.Home, name), content)
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir, Config: "  auth: password\n"})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "files")
	var account api.Password
	check(t, json.Unmarshal([]byte(b.ok("password", "--json")), &account))

	t.Run("signing", func(t *testing.T) {
		for _, signed := range []bool{true, false} {
			isTreeConnect := func(message []byte) bool { return le.Uint16(message[smb2Command:]) == smb2TreeConnect }
			port, seen := relaySMB(t, b.Port, func(message []byte) {
				if !signed && isTreeConnect(message) && message[smb2Flags]&smb2Answer == 0 {
					message[smb2Flags] &^= smb2Signed
					clear(message[smb2Signature:smb2Body])
				}
			})
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			check(t, err)
			t.Cleanup(func() { conn.Close() })
			// 3.0.2, as 3.1.1 has this request signed whatever the server asks for.
			s, err := (&smb2.Dialer{Negotiator: smb2.Negotiator{SpecifiedDialect: 0x0302}, Initiator: &smb2.NTLMInitiator{User: account.User, Password: account.Password}}).Dial(conn)
			check(t, err)
			if _, err = s.Mount("files"); signed != (err == nil) {
				t.Errorf("signed: %t: %v", signed, err)
			}
			var answers []uint32
			for _, message := range seen() {
				if isTreeConnect(message) && message[smb2Flags]&smb2Answer != 0 {
					answers = append(answers, le.Uint32(message[smb2Status:]))
				}
			}
			if want := map[bool]uint32{true: 0, false: 0xC0000022}[signed]; !slices.Equal(answers, []uint32{want}) { // STATUS_ACCESS_DENIED
				t.Errorf("signed: %t: the server answered %#x, want %#x", signed, answers, want)
			}
		}
	})
	t.Run("encryption", func(t *testing.T) {
		for _, protection := range []string{"sign", "encrypt"} {
			port, seen := relaySMB(t, b.Port, func([]byte) {})
			out, stderr, code := testenv.Run(t, nil, "smbclient", "-U", account.User+"%"+account.Password, "--client-protection="+protection, "-p", fmt.Sprint(port), "//127.0.0.1/files",
				"-c", fmt.Sprintf(`get "%s" -`, name))
			if code != 0 || !strings.Contains(out, content) {
				t.Fatalf("exit %d: %s%s", code, out, stderr)
			}
			var sealed, open int // messages after the login
			for _, message := range seen() {
				switch {
				case message[0] == smb2Transform:
					sealed++
				case le.Uint16(message[smb2Command:]) >= smb2TreeConnect:
					open++
				}
			}
			encrypted := protection == "encrypt"
			if (sealed > 0) != encrypted || (open == 0) != encrypted {
				t.Errorf("%s: %d messages were encrypted, %d were not", protection, sealed, open)
			}
			wire := bytes.Join(seen(), nil)
			for what, text := range map[string][]byte{"data": []byte(content), "names": utf16le(name)} {
				if bytes.Contains(wire, text) == encrypted {
					t.Errorf("%s: the network sees %s: %t", protection, what, !encrypted)
				}
			}
		}
	})
}

func utf16le(s string) (out []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		out = le.AppendUint16(out, u)
	}
	return out
}

// relaySMB passes connections on to an SMB server on this machine. Each message,
// before it is passed on, is given to edit, which may change it; seen has them all.
func relaySMB(t *testing.T, server int, edit func(message []byte)) (port int, seen func() [][]byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var mu sync.Mutex // guards messages, and edit
	var messages [][]byte
	var wg sync.WaitGroup
	relay := func(from, to net.Conn) {
		defer from.Close()
		defer to.Close()
		for {
			var length [4]byte
			if _, err := io.ReadFull(from, length[:]); err != nil {
				return
			}
			message := make([]byte, encoding.BigEndian.Uint32(length[:]))
			if _, err := io.ReadFull(from, message); err != nil {
				return
			}
			mu.Lock()
			edit(message)
			messages = append(messages, message)
			mu.Unlock()
			if _, err := to.Write(append(length[:], message...)); err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server))
			if err != nil {
				client.Close()
				return
			}
			wg.Go(func() { relay(client, to) })
			wg.Go(func() { relay(to, client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port, func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(messages)
	}
}
