package worker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/api"
)

// protocolVersion changes when a message changes its meaning. Both ends are
// the same program, except while it is being replaced.
const protocolVersion = 1

const (
	// maxMessage bounds a line; a Spec with many host keys is the longest.
	maxMessage = 4 << 20
	// writeTimeout is how long the other end may take to read. It always
	// reads, so more means that it is stuck.
	writeTimeout = 10 * time.Second
)

// order is a message to the worker; one field is set.
type order struct {
	Version int         `json:"v,omitempty"` // with Spec
	Spec    *Spec       `json:"spec,omitempty"`
	Answer  *api.Answer `json:"answer,omitempty"`
	Login   bool        `json:"login,omitempty"`
	Retry   bool        `json:"retry,omitempty"`
	Stop    bool        `json:"stop,omitempty"`
	Cache   int64       `json:"cache,omitempty"` // another bound of the data cache, in bytes
	Level   *slog.Level `json:"level,omitempty"` // another level of the records
	Call    *call       `json:"call,omitempty"`
	Cancel  uint64      `json:"cancel,omitempty"` // the ID of a call that nobody waits for any more
}

// call wants a reply.
type call struct {
	ID uint64 `json:"id"`
	Op string `json:"op"`
}

// The operations of a call.
const (
	opStats   = "stats"
	opDrain   = "drain"
	opRefresh = "refresh"
	opRelease = "release"
)

// report is a message from the worker; one field is set.
type report struct {
	Version        int             `json:"v,omitempty"` // the first message
	State          *StateEvent     `json:"state,omitempty"`
	Question       *api.Question   `json:"question,omitempty"`
	QuestionClosed string          `json:"question_closed,omitempty"`
	HostKey        string          `json:"host_key,omitempty"`
	Notes          []string        `json:"notes,omitempty"`
	Changed        *Change         `json:"changed,omitempty"`
	ForgetUnused   bool            `json:"forget_unused,omitempty"` // the kernel shall, which only the starter may say
	Connected      *connectOutcome `json:"connected,omitempty"`
	Reply          *reply          `json:"reply,omitempty"`
}

// connectOutcome is how the first connection went.
type connectOutcome struct {
	Error *ConnectError `json:"error,omitempty"`
}

// reply answers a call.
type reply struct {
	ID    uint64            `json:"id"`
	Error string            `json:"error,omitempty"`
	Stats *api.TrafficStats `json:"stats,omitempty"`
}

// link is one end of the socket pair. Sending is safe for concurrent use;
// one goroutine receives.
type link struct {
	conn net.Conn
	in   *bufio.Reader
	mu   sync.Mutex // serialises writes
}

// newLink takes the file over.
func newLink(f *os.File) (*link, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &link{conn: conn, in: bufio.NewReader(conn)}, nil
}

// socketPair makes both ends; neither is inherited unless passed on.
func socketPair() (ours *link, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "control")
	ours, err = newLink(os.NewFile(uintptr(fds[0]), "control"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// send writes one message.
func (l *link) send(m any) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(line) >= maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(line))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(line, '\n'))
	return err
}

// receive reads the next message into m. io.EOF: the other end is gone.
func (l *link) receive(m any) error {
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
				return io.EOF
			}
			return err
		}
		if len(line) > maxMessage {
			return fmt.Errorf("a message is longer than %d bytes", maxMessage)
		}
	}
	if err := json.Unmarshal(line, m); err != nil {
		return fmt.Errorf("a message is not understood: %w", err)
	}
	return nil
}

func (l *link) close() { l.conn.Close() }
