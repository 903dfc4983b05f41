package toucher

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Options are what a Toucher needs.
type Options struct {
	// Exe and Args are the helper; empty Exe is this program, empty Args is the
	// hidden command "toucher".
	Exe  string
	Args []string
	// Env is added to the helper's environment, which is empty otherwise.
	Env []string
	// Logger gets what goes wrong; nil discards it.
	Logger *slog.Logger
}

// order is a line to the helper.
type order struct {
	Mountpoint string   `json:"mountpoint"`
	Dir        string   `json:"dir"`
	Names      []string `json:"names,omitempty"`
}

const (
	// maxWaiting bounds the changes that wait for the helper.
	maxWaiting = 256
	// writeTimeout is how long the helper may take to read a line. It always
	// reads, so more means that it is stuck.
	writeTimeout = 5 * time.Second
	// endTimeout is how long it may take to end after its input did.
	endTimeout = time.Second
)

// Toucher hands changes to the helper. Touch is safe for concurrent use; Run is
// called once.
type Toucher struct {
	o     Options
	queue chan order
}

// New returns a Toucher; Run lets it work.
func New(o Options) *Toucher {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.Args) == 0 {
		o.Args = []string{"toucher"}
	}
	return &Toucher{o: o, queue: make(chan order, maxWaiting)}
}

// Touch wakes who watches dir ("" is the root) of the mount at mountpoint, by
// touching the named entries, or dir itself where there are none or none is there
// any more. It waits for nothing; when too much waits already, this is dropped.
func (t *Toucher) Touch(mountpoint, dir string, names []string) {
	select {
	case t.queue <- order{mountpoint, dir, names}:
	default:
	}
}

// Run hands on what Touch is told until ctx ends, and waits for the helper's end
// then.
func (t *Toucher) Run(ctx context.Context) {
	var h *helper
	defer func() { h.end() }()
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-t.queue:
			if h.ended() {
				h.end()
				var err error
				if h, err = t.start(); err != nil {
					t.o.Logger.Warn("changes on the servers are not told to Macs", "err", err)
					continue
				}
			}
			if err := h.send(o); err != nil {
				t.o.Logger.Warn("a change on a server is not told to Macs", "err", err)
				h.end()
				h = nil
			}
		}
	}
}

// helper is the running helper; nil is none.
type helper struct {
	cmd  *exec.Cmd
	in   *os.File
	done chan struct{}
}

func (t *Toucher) start() (*helper, error) {
	exe := t.o.Exe
	if exe == "" {
		exe = "/proc/self/exe"
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the helper: %w", err)
	}
	defer read.Close()
	//nolint:noctx // end ends it
	cmd := exec.Command(exe, t.o.Args...)
	cmd.Dir, cmd.Stdin, cmd.Stderr = "/", read, os.Stderr
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}, t.o.Env...)
	for _, key := range []string{"GORACE", "GOCOVERDIR", "GOTRACEBACK"} {
		if v, ok := os.LookupEnv(key); ok {
			cmd.Env = append(cmd.Env, key+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("start the helper: %w", err)
	}
	h := &helper{cmd: cmd, in: write, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		if err := cmd.Wait(); err != nil {
			t.o.Logger.Warn("the helper that tells Macs of changes ended", "err", err)
		}
	}()
	return h, nil
}

func (h *helper) ended() bool {
	if h == nil {
		return true
	}
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

func (h *helper) send(o order) error {
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := h.in.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = h.in.Write(append(line, '\n'))
	return err
}

// end ends the helper and waits for it. One that waits in a mount is killed.
func (h *helper) end() {
	if h == nil {
		return
	}
	h.in.Close()
	timer := time.NewTimer(endTimeout)
	defer timer.Stop()
	select {
	case <-h.done:
	case <-timer.C:
		_ = h.cmd.Process.Kill() // it has just ended by itself otherwise
		<-h.done
	}
}
