package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"

	"sshfs-bridge/bridge/confine"
	"sshfs-bridge/fusefs/vfs/localmeta"
)

// Credential is who a worker runs as. It has no capability, whoever it is.
type Credential = confine.Identity

// StartOptions are what Start needs.
type StartOptions struct {
	// Exe and Args are the program; empty Exe is this program, empty Args
	// is the hidden command "worker".
	Exe  string
	Args []string
	// Env is added to the worker's environment, which is empty otherwise
	// but for PATH, TZ and the like.
	Env []string
	// Dev is /dev/fuse with the mount on it. Start takes it over and closes
	// it in every case.
	Dev *os.File
	// Mountpoint is where Dev is mounted: if this process may, the kernel's
	// read-ahead is widened there once the worker answers, and the kernel made to
	// forget what nobody uses when it remembers too much. Empty leaves it alone.
	Mountpoint string
	// Spec is the mount to serve.
	Spec Spec
	// Metadata are the files in which it keeps what the server does not; nil
	// keeps that in memory. Start takes them over and closes them in every case.
	Metadata *localmeta.Files
	// Credential is who the worker runs as; nil is the caller.
	Credential *Credential
	// Detached starts a worker that can outlive its starter: it is in a
	// session of its own, and Process.Release lets it go.
	Detached bool
	// Logger takes the worker's records; nil discards them.
	Logger *slog.Logger
	// OnEvent is called for each event, one at a time and in order. It must
	// not block for long, and may call the methods of Process that do not
	// wait (Answer, Login, Retry). The first call may come before
	// Start has returned.
	OnEvent func(Event)
}

// processName is what ps shows.
const processName = "sshfs-bridge"

// envStart carries, to the first of the worker's two executions, what it has
// to become (startOrder).
const envStart = "SSHFS_BRIDGE_WORKER"

type startOrder struct {
	Identity *confine.Identity `json:"identity,omitempty"`
	Detached bool              `json:"detached,omitempty"`
}

// Start starts a worker and sends it its Spec. It returns when the process
// runs, before the remote is reached: Process.WaitConnected tells how that
// went. The end of ctx kills the worker.
//
// The worker is sent SIGTERM when the thread that called Start ends, which in
// Go means with the process, unless that thread's goroutine was locked to it.
func Start(ctx context.Context, o StartOptions) (*Process, error) {
	defer o.Dev.Close()
	if o.Metadata != nil {
		defer o.Metadata.Close()
	}
	o.Spec.Metadata = o.Metadata != nil
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	if o.Exe == "" {
		o.Exe = "/proc/self/exe" // also when another program is at its path by now
	}
	if len(o.Args) == 0 {
		o.Args = []string{"worker"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	become, err := json.Marshal(startOrder{Identity: o.Credential, Detached: o.Detached})
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	defer theirs.Close()
	said, stderr, err := os.Pipe()
	if err != nil {
		ours.close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	defer stderr.Close()

	//nolint:noctx // Process ends it; a context would race with its own wait
	cmd := exec.Command(o.Exe, o.Args...)
	cmd.Args[0] = processName
	cmd.Dir = "/"
	cmd.Env = append(append(inherited(), o.Env...), envStart+"="+string(become))
	cmd.ExtraFiles = []*os.File{o.Dev, theirs}
	if o.Metadata != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, o.Metadata.List()...)
	}
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if o.Detached {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	if err := cmd.Start(); err != nil {
		ours.close()
		said.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	p := newProcess(cmd, ours, o)
	p.run(ctx, said)
	if err := ours.send(order{Version: protocolVersion, Spec: &o.Spec}); err != nil {
		p.Kill()
		if ended := p.Err(); ended != nil {
			err = errors.Join(err, ended)
		}
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return p, nil
}

// inherited is what a worker gets of our environment.
func inherited() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	// USER and LOGNAME name the user of a remote that names none; the others
	// are for whoever looks into a Go program.
	for _, key := range []string{"TZ", "USER", "LOGNAME", "GOTRACEBACK", "GODEBUG", "GOMAXPROCS", "GOMEMLIMIT", "GORACE", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}
