package sftp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// scripted is a server whose bytes are known beforehand: VERSION, then, once the
// gate is open, everything else, then the end.
type scripted struct {
	io.Reader
	gate  chan struct{}
	hello io.Reader
}

const allExtensions = sftp.ExtPosixRename + " " + sftp.ExtStatVFS + " " + sftp.ExtCopyData + " " + sftp.ExtUsersGroupsByID + " " + sftp.ExtExpandPath

func newScripted(replies []byte) *scripted {
	hello := packet(2, 3)
	for _, ext := range strings.Fields(allExtensions) {
		hello = append(hello, text(ext)...)
		hello = append(hello, text("1")...)
	}
	return &scripted{Reader: bytes.NewReader(replies), gate: make(chan struct{}), hello: bytes.NewReader(seal(hello))}
}

func (s *scripted) Read(p []byte) (int, error) {
	if n, err := s.hello.Read(p); err == nil {
		return n, nil
	}
	<-s.gate
	return s.Reader.Read(p)
}

func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s *scripted) Close() error                { return nil }

// packet begins a frame; seal fills in its length.
func packet(kind byte, id uint32, rest ...[]byte) []byte {
	b := []byte{0, 0, 0, 0, kind}
	b = binary.BigEndian.AppendUint32(b, id)
	return append(b, bytes.Join(rest, nil)...)
}

func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func text(s string) []byte {
	return append(u32(uint32(len(s))), s...)
}

// battery starts one request of each shape; they get the ids 0, 1, 2...
func battery(c *sftp.Client) (waits []func(context.Context) error) {
	buf := make([]byte, 4096)
	add := func(f func(context.Context) error) { waits = append(waits, f) }
	add(waiting(c.StartStat("f")))
	add(waiting(c.StartOpen("f", sftp.FlagRead, sftp.Attrs{})))
	add(waiting(c.StartRead("h", 0, buf)))
	add(waiting(c.StartReadDirPacket("h")))
	add(waiting(c.StartReadlink("l")))
	add(waiting(c.StartRealpath(".")))
	add(waiting(c.StartStatVFS(".")))
	add(waiting(c.StartUsersGroupsByID([]uint32{1, 2}, []uint32{3})))
	add(waiting(c.StartMkdir("d", sftp.Attrs{})))
	add(waiting(c.StartExpandPath("~")))
	c.StartOpen("abandoned", sftp.FlagRead, sftp.Attrs{}).Abandon()
	return waits
}

func waiting[T any](call *sftp.Call[T]) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := call.Wait(ctx)
		return err
	}
}

// goodReplies are a server's honest answers to battery.
func goodReplies() [][]byte {
	attrs := bytes.Join([][]byte{u32(0x8000000f), make([]byte, 28), u32(1), text("x@y"), text("z")}, nil)
	names := bytes.Join([][]byte{u32(3), text("."), text(""), u32(0), text("name"), text("long name"), attrs, text("b"), text("b"), attrs}, nil)
	return [][]byte{
		seal(packet(105, 0, attrs)),
		seal(packet(102, 1, text("handle"))),
		seal(packet(103, 2, text(strings.Repeat("d", 4096)))),
		seal(packet(104, 3, names)),
		seal(packet(104, 4, u32(1), text("../target"), text(""), u32(0))),
		seal(packet(104, 5, u32(1), text("/home"), text("/home"), u32(0))),
		seal(packet(201, 6, make([]byte, 88))),
		seal(packet(201, 7, text("\x00\x00\x00\x01a\x00\x00\x00\x01b"), text("\x00\x00\x00\x00"))),
		seal(packet(101, 8, u32(0), text("ok"), text(""))),
		seal(packet(101, 9, u32(2))),
		seal(packet(102, 10, text("late"))),
	}
}

// survive runs battery against a server's bytes: every call must come to an end,
// and memory must stay in proportion.
func survive(t *testing.T, replies []byte) (results []error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn := newScripted(replies)
	c, err := sftp.New(ctx, conn, sftp.Options{MaxPacket: 32768})
	if err != nil {
		t.Fatal(err)
	}
	waits := battery(c)
	close(conn.gate)
	for _, wait := range waits {
		err := wait(ctx)
		if ctx.Err() != nil {
			t.Fatal("a call does not end")
		}
		results = append(results, err)
	}
	<-c.Done()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > uint64(4<<20+32*len(replies)) {
		t.Errorf("%d bytes of replies made the client allocate %d", len(replies), used)
	}
	return results
}

func TestBatteryIsAnsweredWell(t *testing.T) {
	for i, err := range survive(t, bytes.Join(goodReplies(), nil)) {
		if (err != nil) != (i == 9) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// The battery asks for the names of two users and of one group.
func TestUsersGroups_otherNumbersOfNames(t *testing.T) {
	name := "\x00\x00\x00\x01a"
	for reply, lists := range map[string][][]byte{
		"one user":      {text(name), text(name)},
		"three users":   {text(name + name + name), text(name)},
		"no group":      {text(name + name), text("")},
		"two groups":    {text(name + name), text(name + name)},
		"a huge name":   {text(name + "\xff\xff\xff\xff"), text(name)},
		"half a length": {text(name + name + "\x00"), text(name)},
		"one list":      {text(name + name)},
	} {
		results := survive(t, seal(packet(201, 7, lists...)))
		if err := results[7]; !errors.Is(err, sftp.ErrProtocol) {
			t.Errorf("%s: %v", reply, err)
		}
	}
}

// FuzzStream feeds the client whatever bytes after VERSION.
func FuzzStream(f *testing.F) {
	good := goodReplies()
	f.Add(bytes.Join(good, nil))
	for i, frame := range good {
		f.Add(frame[:len(frame)-1])
		f.Add(append(bytes.Clone(frame), frame...))
		bad := bytes.Clone(frame)
		bad[8] = byte(i + 1) // another request's id
		f.Add(bad)
	}
	f.Add(packet(103, 2, text("length field of zero")))
	f.Add([]byte("\xff\xff\xff\xff\x65\x00\x00\x00\x00"))
	f.Add(seal(packet(104, 3, u32(0xffffffff))))
	f.Add(seal(packet(104, 3, u32(20000), make([]byte, 240_000))))
	f.Add(seal(packet(105, 0, u32(0x80000000), u32(0xffffffff))))
	f.Add(seal(packet(103, 2, u32(4097), make([]byte, 4097))))
	f.Fuzz(func(t *testing.T, replies []byte) { survive(t, replies) })
}

// FuzzReply gives one request a reply of any type and content in a frame that is
// right, which gets deeper than FuzzStream.
func FuzzReply(f *testing.F) {
	for _, frame := range goodReplies() {
		f.Add(frame[8], frame[4], frame[9:])
		f.Add(frame[8], byte(101), append(u32(4), text("message")...))
		f.Add(frame[8], byte(101), append(u32(4), 0xff, 0xff, 0xff, 0xff))
	}
	f.Fuzz(func(t *testing.T, id, kind byte, payload []byte) {
		if len(payload) > 300_000 {
			return
		}
		survive(t, seal(packet(kind, uint32(id), payload)))
	})
}
