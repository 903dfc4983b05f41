package testenv

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
	"unicode/utf16"
)

// MacSMB is an SMB client that asks as a Mac does, which none of the usual ones
// can: its first open of a share negotiates Apple's extension (AAPL), after
// which smbd's fruit behaves as it does for Finder. It logs in as guest, signs
// nothing, and has one request out at a time.
//
// What the server refuses is an NTStatus, other errors mean that the connection
// is gone. Not safe for concurrent use.
type MacSMB struct {
	t       testing.TB
	conn    net.Conn
	message uint64
	session uint64
	tree    uint32
	asked   bool // for Apple's extension
	// Apple is what the server said of it, zero before the first Open.
	Apple AppleServer
}

// AppleServer is the server's answer in the AAPL context.
type AppleServer struct {
	// Server are the capabilities of the server, Volume those of the share.
	Server, Volume uint64
	// Model chooses the icon in Finder.
	Model string
}

// What AppleServer.Server may hold.
const (
	AppleReadDirAttr = 1 // a listing brings Finder's metadata with it
	AppleCopyFile    = 2 // one request copies a whole file
	AppleUnixBased   = 4
	AppleNFSACE      = 8 // modes travel as ACLs
)

// What AppleServer.Volume may hold.
const (
	AppleResolveID     = 1
	AppleCaseSensitive = 2
	AppleFullSync      = 4 // a flush goes to the disk
)

// NTStatus is a server's refusal.
type NTStatus uint32

// Refusals that tests look for.
const (
	StatusNoMoreFiles           NTStatus = 0x80000006
	StatusNoSuchFile            NTStatus = 0xC000000F // a search found nothing
	StatusNotFound              NTStatus = 0xC0000034
	StatusLimitation            NTStatus = 0xC0000427 // what the file system cannot hold
	statusMoreProcessing        NTStatus = 0xC0000016
	statusPending               NTStatus = 0x00000103
	commandNegotiate                     = 0
	commandSession                       = 1
	commandTree                          = 3
	macTimeout                           = 30 * time.Second
	smbHeader                            = 64
	smbMaxFrame                          = 16 << 20
	smb302                               = 0x0302
	capLeasing, capLargeMTU              = 2, 4
	ntlmNegotiate, ntlmResponse          = 1, 3
	ntlmFlags                            = 0x205 // Unicode, target, NTLM
)

func (s NTStatus) Error() string { return fmt.Sprintf("NT status %#08x", uint32(s)) }

// DialMacSMB connects to a share on this machine as guest; the test's end
// disconnects.
func DialMacSMB(t testing.TB, port int, share string) *MacSMB {
	t.Helper()
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), macTimeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &MacSMB{t: t, conn: conn}
	c.negotiate()
	c.login()
	c.connect(`\\127.0.0.1\` + share)
	return c
}

// ConnectBeside connects the session to another share, as a Mac has all shares of a
// server in one; what is opened is still of the first.
func (c *MacSMB) ConnectBeside(share string) {
	c.t.Helper()
	first := c.tree
	c.connect(`\\127.0.0.1\` + share)
	c.tree = first
}

// Close ends the connection.
func (c *MacSMB) Close() { c.conn.Close() }

var le = binary.LittleEndian

// roundTrip sends a request and returns the answer's body. offset values in the
// bodies count from the header, so body[offset-smbHeader:] is what they mean.
func (c *MacSMB) roundTrip(command uint16, body []byte) ([]byte, error) {
	charge := uint16(1 + (len(body)-1)>>16)
	if command == commandRead || command == commandQueryDirectory {
		charge = 16 // 1 MiB
	}
	h := make([]byte, 4, 4+smbHeader+len(body))
	h = append(h, 0xfe, 'S', 'M', 'B')
	h = le.AppendUint16(h, smbHeader)
	h = le.AppendUint16(h, charge)
	h = le.AppendUint32(h, 0)
	h = le.AppendUint16(h, command)
	h = le.AppendUint16(h, 256) // credits wanted
	h = le.AppendUint32(h, 0)
	h = le.AppendUint32(h, 0)
	h = le.AppendUint64(h, c.message)
	h = le.AppendUint32(h, 0)
	h = le.AppendUint32(h, c.tree)
	h = le.AppendUint64(h, c.session)
	h = append(h, make([]byte, 16)...)
	h = append(h, body...)
	binary.BigEndian.PutUint32(h, uint32(len(h)-4))
	sent := c.message
	c.message += uint64(charge)
	if err := c.conn.SetDeadline(time.Now().Add(macTimeout)); err != nil {
		return nil, fmt.Errorf("SMB command %d: %w", command, err)
	}
	if _, err := c.conn.Write(h); err != nil {
		return nil, fmt.Errorf("SMB command %d: %w", command, err)
	}
	for {
		in, err := c.frame()
		if err != nil {
			return nil, fmt.Errorf("SMB command %d: %w", command, err)
		}
		if le.Uint64(in[24:]) != sent {
			continue // a lease break, which nobody here waits for
		}
		status := NTStatus(le.Uint32(in[8:]))
		if status == statusPending {
			continue
		}
		if command == commandSession {
			c.session = le.Uint64(in[40:])
		}
		if command == commandTree {
			c.tree = le.Uint32(in[36:])
		}
		if status == 0 {
			return in[smbHeader:], nil
		}
		return in[smbHeader:], status
	}
}

func (c *MacSMB) frame() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < smbHeader+2 || n > smbMaxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	in := make([]byte, n)
	_, err := io.ReadFull(c.conn, in)
	return in, err
}

func (c *MacSMB) negotiate() {
	c.t.Helper()
	b := le.AppendUint16(nil, 36)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, 1) // signing is possible
	b = le.AppendUint32(b, capLeasing|capLargeMTU)
	b = append(b, "a Mac, more less"...) // the client's GUID
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint16(b, smb302)
	if _, err := c.roundTrip(commandNegotiate, b); err != nil {
		c.t.Fatalf("negotiate: %v", err)
	}
}

// login is Guest's: any name that smbd does not know becomes one.
func (c *MacSMB) login() {
	c.t.Helper()
	first := append([]byte("NTLMSSP\x00"), ntlmNegotiate, 0, 0, 0)
	first = le.AppendUint32(first, ntlmFlags)
	first = append(first, make([]byte, 16)...)
	if _, err := c.roundTrip(commandSession, sessionSetup(first)); err != statusMoreProcessing {
		c.t.Fatalf("login: %v", err)
	}
	user := utf16le("Guest")
	last := append([]byte("NTLMSSP\x00"), ntlmResponse, 0, 0, 0)
	var payload []byte
	for _, field := range [][]byte{make([]byte, 24), make([]byte, 24), nil, user, nil, nil} {
		last = le.AppendUint16(last, uint16(len(field)))
		last = le.AppendUint16(last, uint16(len(field)))
		last = le.AppendUint32(last, uint32(64+len(payload)))
		payload = append(payload, field...)
	}
	last = append(le.AppendUint32(last, ntlmFlags), payload...)
	if _, err := c.roundTrip(commandSession, sessionSetup(last)); err != nil {
		c.t.Fatalf("login: %v", err)
	}
}

func sessionSetup(token []byte) []byte {
	b := le.AppendUint16(nil, 25)
	b = append(b, 0, 1)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint16(b, smbHeader+24)
	b = le.AppendUint16(b, uint16(len(token)))
	b = append(b, make([]byte, 8)...)
	return append(b, token...)
}

func (c *MacSMB) connect(share string) {
	c.t.Helper()
	name := utf16le(share)
	b := le.AppendUint16(nil, 9)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, smbHeader+8)
	b = le.AppendUint16(b, uint16(len(name)))
	if _, err := c.roundTrip(commandTree, append(b, name...)); err != nil {
		c.t.Fatalf("connect to %s: %v", share, err)
	}
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

func fromUTF16(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = le.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}
