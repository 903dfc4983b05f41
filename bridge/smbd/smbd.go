package smbd

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

var errNotBuilt = errors.New("smbd: not built yet")

// ErrNotInstalled says that there is no smbd; its text names the command that installs it.
var ErrNotInstalled = errors.New("smbd is not installed")

// PortBusyError says who listens where smbd shall.
type PortBusyError struct {
	Addr string // host:port
	PID  int    // 0 where it cannot be seen
	Name string // the program
}

func (e *PortBusyError) Error() string { return "" }

// Dirs are smbd's directories; each is created with the right mode by Run.
type Dirs struct {
	Private, Lock, State, Cache, PID, NCALRPC string
}

// Options are what a Server needs.
type Options struct {
	// Program is smbd; empty looks for it. The other programs of Samba are looked for beside it and in the path.
	Program string
	// Exe is this program (it starts smbd with the hidden command smbd-exec); empty is the running one.
	Exe string
	// ConfPath is smb.conf, written before Run by the caller.
	ConfPath string
	// Dirs are those that smb.conf names.
	Dirs Dirs
	// Cover are directories and files that smbd must not see.
	Cover []string
	// Keep are directories below a covered one that smbd needs.
	Keep []string
	// Listen are the addresses (host:port, host may be empty) that smb.conf makes smbd listen on.
	Listen []string
	// ProbeAddr is where the probe connects; empty is the first of Listen on loopback.
	ProbeAddr string
	// ProbeShare is opened and listed before smbd counts as ready; empty: only the list of shares.
	ProbeShare string
	// User and Password are the probe's; empty is guest.
	User, Password string
	// HealthEvery is the pause between two probes (10 s).
	HealthEvery time.Duration
	// StopGrace is how long smbd may take after SIGTERM (3 s).
	StopGrace time.Duration
	// Logger takes smbd's log as records, nil discards it.
	Logger *slog.Logger
	// OnState is called for each change of Status().State, in order; it must not block.
	OnState func(Status)
}

// State is where smbd stands.
type State string

// The states of smbd.
const (
	StateStarting State = "starting"
	StateReady    State = "ready"
	StateBackoff  State = "backoff" // ended, to be started again
	StateSick     State = "sick"    // runs, does not answer
	StateStopped  State = "stopped"
)

// Status is a snapshot.
type Status struct {
	State    State     `json:"state"`
	Since    time.Time `json:"since"`
	Cause    string    `json:"cause,omitempty"`
	PID      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	// Refused are addresses that "hosts allow" refused, newest last, at most 16.
	Refused []string `json:"refused,omitempty"`
}

// Server runs one smbd.
type Server struct{}

// New returns a Server; Run starts it.
func New(o Options) *Server { return &Server{} }

// Check says what keeps smbd from starting: not installed, port busy.
func (s *Server) Check(ctx context.Context) error { return errNotBuilt }

// Run starts smbd and keeps it running until ctx ends; then it stops smbd and
// returns nil. An error of Check at the first start is returned at once.
func (s *Server) Run(ctx context.Context) error { return errNotBuilt }

// Ready is closed when smbd was ready for the first time.
func (s *Server) Ready() <-chan struct{} { return nil }

// Healthy is nil while the last probe succeeded.
func (s *Server) Healthy() error { return errNotBuilt }

// Status is a snapshot; safe for concurrent use.
func (s *Server) Status() Status { return Status{} }

// Reload makes every smbd process read smb.conf again; sessions go on.
func (s *Server) Reload(ctx context.Context) error { return errNotBuilt }

// CloseShare ends the smbd processes that have a client on share.
func (s *Server) CloseShare(ctx context.Context, share string) error { return errNotBuilt }

// ClosePath ends the smbd processes that have files open at or below path.
func (s *Server) ClosePath(ctx context.Context, path string) error { return errNotBuilt }

// Sessions counts the clients.
func (s *Server) Sessions(ctx context.Context) (int, error) { return 0, errNotBuilt }

// SetPassword creates user in smbd's own password database, or changes its password.
func (s *Server) SetPassword(ctx context.Context, user, password string) error { return errNotBuilt }

// SetCredentials changes what the probe logs in with.
func (s *Server) SetCredentials(user, password string) {}

// ExecMain is the hidden command "smbd-exec": it is given the arguments after
// its name, and returns only on error.
func ExecMain(args []string) error { return errNotBuilt }
