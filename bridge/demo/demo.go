package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
)

// mountName is the demo's mount and share.
const mountName = "demo"

// startTimeout is how long mount and smbd may take to come up.
const startTimeout = 60 * time.Second

// Options are the settings of a demo. The zero value works in the image.
type Options struct {
	// Dir is where samples, keys and the bridge's own directories are made;
	// empty is a temporary directory, removed at the end.
	Dir string
	// RunDir and Hub are the supervisor's. Empty is within Dir where Dir is
	// set, and otherwise the usual ones, so that every command finds the demo.
	RunDir, Hub string
	// SSHAddr is where the embedded SFTP server listens; empty is 127.0.0.1:0.
	SSHAddr string
	// Port is smbd's port; 0 is the usual ones.
	Port int
	// PublishedPort is the port that the Mac sees, for the URL that is
	// printed; 0 is 10445 in a container and smbd's own port elsewhere.
	PublishedPort int
	// Check ends Run after the self-check.
	Check bool
	// LargeBytes is the size of the large sample; 0 is 64 MiB.
	LargeBytes int64
	// Exe is the program to execute for the worker and smbd; empty is this one.
	Exe string
	// Out gets the report; nil is standard output.
	Out io.Writer
	// Logger gets what the parts log; nil discards it.
	Logger *slog.Logger
}

// ErrCheck is wrapped by the error of Run and SelfCheck when a step of the
// self-check failed.
var ErrCheck = errors.New("self-check failed")

// Run serves the samples through the whole bridge until ctx ends, prints what
// the self-check found and how to go on. It returns nil when it was stopped, or
// when Options.Check is set and every step passed. A failed check is returned
// in every case, without Options.Check when the demo ends.
func Run(ctx context.Context, o Options) (err error) {
	o = o.withDefaults()
	dir, remove, err := o.workDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()

	fmt.Fprintln(o.Out, "sshfs-bridge demo: sample files on an SFTP server of its own, shared by smbd")
	samplesDir := filepath.Join(dir, "samples")
	if err := os.MkdirAll(samplesDir, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := WriteSamples(samplesDir, o.LargeBytes); err != nil {
		return err
	}
	server, err := NewServer(ctx, ServerOptions{Dir: samplesDir, Addr: o.SSHAddr, SSHDir: filepath.Join(dir, "ssh"), Logger: o.Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	config := o.config(dir, server)
	if err := checkPorts(ctx, &config); err != nil {
		return err
	}
	supervisor, err := bridge.New(bridge.Options{
		Config: config, Logger: o.Logger, Exe: o.Exe, ReapOrphans: os.Getpid() == 1,
	})
	if err != nil {
		return err
	}
	return o.serve(ctx, supervisor, server, samplesDir, config)
}

func (o Options) withDefaults() Options {
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.LargeBytes == 0 {
		o.LargeBytes = largeBytes
	}
	return o
}

// workDir makes the directory, and returns what removes it. smbd's user
// passes through it; what is private lies deeper.
func (o Options) workDir() (dir string, remove func() error, err error) {
	if o.Dir != "" {
		dir, err = filepath.Abs(o.Dir)
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		remove = func() error { return nil }
	} else {
		dir, err = os.MkdirTemp("", "sshfs-bridge-demo-")
		remove = func() error { return os.RemoveAll(dir) }
	}
	if err != nil {
		return "", nil, fmt.Errorf("demo: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, errors.Join(fmt.Errorf("demo: %w", err), remove())
	}
	return dir, remove, nil
}

// config is a supervisor's configuration with the one mount.
func (o Options) config(dir string, server *Server) bridge.Config {
	c := bridge.DefaultConfig()
	c.SSHDir = filepath.Join(dir, "ssh")
	c.AgentSocket = ""
	c.StateDir = filepath.Join(dir, "state")
	if o.Dir != "" {
		c.RunDir, c.Hub = filepath.Join(dir, "run"), filepath.Join(dir, "hub")
	}
	if o.RunDir != "" {
		c.RunDir = o.RunDir
	}
	if o.Hub != "" {
		c.Hub = o.Hub
	}
	if o.Port != 0 {
		c.SMB.Ports = []int{o.Port}
	}
	if o.PublishedPort != 0 {
		c.SMB.PublishedPort = o.PublishedPort
	}
	c.Mounts = []bridge.Mount{{
		MountSpec: api.MountSpec{Name: mountName, Remote: server.Remote(), Port: server.Port()},
		Source:    api.SourceConfig,
	}}
	return c
}

// checkPorts says at once when another program has smbd's port.
func checkPorts(ctx context.Context, c *bridge.Config) error {
	for _, port := range c.SMB.Ports {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		switch {
		case err == nil:
			if err := l.Close(); err != nil {
				return err
			}
		case errors.Is(err, syscall.EADDRINUSE):
			return &api.Error{
				Code: api.CodeUnavailable, Message: fmt.Sprintf("port %d is in use by another program", port),
				Hint: fmt.Sprintf("stop it (`ss -ltnp sport = :%d` names it), or choose another port: sshfs-bridge demo --smb-port 10445", port),
			}
		case errors.Is(err, syscall.EACCES):
			return &api.Error{
				Code: api.CodePermission, Message: fmt.Sprintf("port %d needs root", port),
				Hint: "run the demo as root, or in Docker: make demo",
			}
		default:
			return fmt.Errorf("demo: port %d: %w", port, err)
		}
	}
	return nil
}

// serve runs server and supervisor, checks, and stays until ctx ends.
func (o Options) serve(ctx context.Context, supervisor *bridge.Supervisor, server *Server, samplesDir string, config bridge.Config) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// The server outlives the supervisor, which writes to it until its end.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer end()
	group.Go(func() {
		if err := server.Serve(life); err != nil {
			stop(err)
		}
	})
	ended := make(chan error, 1)
	go func() {
		err := supervisor.Run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("the supervisor ended by itself")
		}
		stop(err)
		ended <- err
	}()

	checkErr := o.check(ctx, supervisor, samplesDir, config)
	if ctx.Err() == nil && !o.Check {
		o.goOn(supervisor, config)
		<-ctx.Done()
	}
	stop(nil)
	if err := <-ended; err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(checkErr, context.Canceled) && !o.Check {
		return nil // stopped during the check
	}
	return checkErr
}
