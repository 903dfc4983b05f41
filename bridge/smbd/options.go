package smbd

import (
	"log/slog"
	"net"
	"path/filepath"
	"time"
)

// Dirs are smbd's directories, as smb.conf names them. Run creates each with
// the right mode.
type Dirs struct {
	Private, Lock, State, Cache, PID, NCALRPC string
	// Log takes the log files of smbd's helpers; empty: none is created.
	Log string
}

// Options are what a Server needs.
type Options struct {
	// Program is smbd; empty looks for it in the path and in the usual
	// directories. Samba's other programs are looked for beside it too.
	Program string
	// Exe is this program, which starts smbd by its hidden command; empty is
	// the running one. ExecArgs are that command, by default "smbd-exec".
	Exe      string
	ExecArgs []string
	// ConfPath is smb.conf; the caller writes it before Run.
	ConfPath string
	// Dirs are smbd's directories.
	Dirs Dirs
	// Cover are directories and files that smbd must not see; what does not
	// exist is left out.
	Cover []string
	// Keep are directories below a covered one that smbd sees nevertheless.
	Keep []string
	// Listen are the addresses (host:port, host may be empty) at which
	// smb.conf makes smbd listen: they are looked at before the start.
	Listen []string
	// ProbeAddr is where our own client connects; empty is the first of
	// Listen, on loopback where that has no host.
	ProbeAddr string
	// ProbeShare is a share that is opened and listed before smbd counts as
	// ready; empty: only the list of shares is asked for. One that cannot be
	// listed for some seconds, because something dead lies upon its directory,
	// is told and does not keep smbd from being ready.
	ProbeShare string
	// User and Password are what the probe logs in with; empty is guest.
	User, Password string
	// HealthEvery is the pause between two probes once smbd is ready; 0 is 10 s.
	HealthEvery time.Duration
	// ProbeTimeout bounds each probe; 0 is 5 s. The first ones may take three
	// times as long: to list the shares, smbd starts programs.
	ProbeTimeout time.Duration
	// StopGrace is how long smbd may take to end after SIGTERM; 0 is 3 s.
	StopGrace time.Duration
	// Logger takes smbd's log as records, nil discards it.
	Logger *slog.Logger
	// OnState is called for each change of the state, one call at a time and
	// in order; it must not block.
	OnState func(Status)
}

// policy is when smbd is started again. It differs in tests only.
type policy struct {
	// The first restart follows at once, later ones wait longer, up to the
	// maximum, with jitter; smbd that ran for wellAfter starts over.
	backoffFirst, backoffMax, wellAfter time.Duration
	// readyTimeout is how long smbd may take to answer its first probe
	// before it is started anew.
	readyTimeout time.Duration
	// shareFor is how long ProbeShare may keep smbd from being ready.
	shareFor time.Duration
	// sickFor is how long smbd may run without answering before it is started
	// anew, at the price of every session; sickPause lies between the probes
	// meanwhile. A machine that is only busy must not be taken for that.
	sickFor, sickPause time.Duration
	// noList leaves the list of shares out of the probes.
	noList bool
}

func defaultPolicy() policy {
	return policy{
		backoffFirst: 100 * time.Millisecond, backoffMax: 30 * time.Second, wellAfter: 30 * time.Second,
		readyTimeout: time.Minute, shareFor: 5 * time.Second, sickFor: 45 * time.Second, sickPause: time.Second,
	}
}

func (o *Options) setDefaults() {
	if o.Exe == "" {
		o.Exe = "/proc/self/exe"
	}
	if len(o.ExecArgs) == 0 {
		o.ExecArgs = []string{"smbd-exec"}
	}
	if o.ProbeAddr == "" && len(o.Listen) > 0 {
		o.ProbeAddr = loopback(o.Listen[0])
	}
	if o.HealthEvery <= 0 {
		o.HealthEvery = 10 * time.Second
	}
	if o.ProbeTimeout <= 0 {
		o.ProbeTimeout = 5 * time.Second
	}
	if o.StopGrace <= 0 {
		o.StopGrace = 3 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// loopback is addr with an unspecified host replaced by the loopback address.
func loopback(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// logPipe is where smbd writes its log.
func (o *Options) logPipe() string { return filepath.Join(o.Dirs.PID, "log.pipe") }

// State is where smbd stands.
type State string

// The states of smbd.
const (
	StateStarting State = "starting"
	StateReady    State = "ready"
	StateSick     State = "sick"    // runs, but does not answer as it should
	StateBackoff  State = "backoff" // ended or did not start; to be started again
	StateStopped  State = "stopped" // not started, or stopped by us
)

// Status is what is known of smbd.
type Status struct {
	State State     `json:"state"`
	Since time.Time `json:"since"`
	// Cause says why it is not ready, with what to do where we know.
	Cause    string `json:"cause,omitempty"`
	PID      int    `json:"pid,omitempty"` // of the main process
	Restarts int    `json:"restarts"`
	// Refused are the addresses that "hosts allow" refused, the latest
	// last, each once, at most 16.
	Refused []string `json:"refused,omitempty"`
}
