package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"sshfs-bridge/bridge/api"
)

var errNotBuilt = errors.New("worker: not built yet")

// Spec is what a worker is told at its start, as JSON over its control socket.
type Spec struct {
	// Mount is the mount, resolved: UID and GID are set unless RemoteIDs.
	Mount api.MountSpec `json:"mount"`
	// SSHDir is what "~/.ssh" means and HomeDir what "~" else means.
	SSHDir  string `json:"ssh_dir"`
	HomeDir string `json:"home_dir"`
	// AgentSocket is an ssh-agent's socket, empty for none. Mount.AgentSocket wins.
	AgentSocket string `json:"agent_socket,omitempty"`
	// AcceptedHostKeys are known_hosts lines that were accepted earlier.
	AcceptedHostKeys []string `json:"accepted_host_keys,omitempty"`
	// LogLevel is the least level that the worker writes.
	LogLevel slog.Level `json:"log_level"`
	// CacheBytes bounds the data cache; 0 is the filesystem's default.
	CacheBytes int64 `json:"cache_bytes,omitempty"`
	// Interactive says that a person answers questions during the first
	// connection. Without it a login that needs one is StateNeedsLogin.
	Interactive bool `json:"interactive,omitempty"`
}

// Credential is who a worker runs as. It has no capability, whoever it is.
type Credential struct {
	UID, GID uint32
	Groups   []uint32 // supplementary groups
}

// StartOptions are what Start needs.
type StartOptions struct {
	// Exe and Args are the program; empty Exe is this program, empty Args is "worker".
	Exe  string
	Args []string
	// Env is added to the worker's (otherwise nearly empty) environment.
	Env []string
	// Dev is /dev/fuse with the mount on it. Start takes it over and closes it in every case.
	Dev *os.File
	// Spec is the mount to serve.
	Spec Spec
	// Credential is who the worker runs as; nil is the caller.
	Credential *Credential
	// Detached starts a worker that outlives its starter: see Process.Release.
	Detached bool
	// Logger takes the worker's records, nil discards them.
	Logger *slog.Logger
	// OnEvent is called for each event, one at a time and in order; it must not block for long, and may call Process methods other than Wait, Drain and Stats.
	OnEvent func(Event)
}

// Event is what a worker tells; exactly one field is set.
type Event struct {
	State *StateEvent
	// Question wants an answer by Process.Answer.
	Question *api.Question
	// QuestionClosed is the ID of a question that needs no answer any more.
	QuestionClosed string
	// HostKeyAccepted is a known_hosts line to keep and to give back in Spec.AcceptedHostKeys.
	HostKeyAccepted string
	// Notes are remarks on the settings, e.g. ssh_config keywords without effect.
	Notes []string
}

// Reason sorts a failure, for exit codes and tests; Cause is for people.
type Reason string

// The reasons of a state.
const (
	ReasonNone         Reason = ""
	ReasonConfig       Reason = "config"        // the settings cannot work: remote, ssh_config
	ReasonUnreachable  Reason = "unreachable"   // no answer, refused, name unknown, lost
	ReasonHostKey      Reason = "host-key"      // changed, revoked, unknown
	ReasonLogin        Reason = "login"         // refused
	ReasonNeedsPerson  Reason = "needs-person"  // a question that nobody was there to answer
	ReasonNoPath       Reason = "no-path"       // the remote directory does not exist
	ReasonNotDirectory Reason = "not-directory" // the remote path is a file
	ReasonPermission   Reason = "permission"    // the remote path is not ours to see
	ReasonOther        Reason = "other"
)

// StateEvent is a change of the mount's state.
type StateEvent struct {
	State       api.State `json:"state"`
	Since       time.Time `json:"since"`
	Cause       string    `json:"cause,omitempty"`
	Reason      Reason    `json:"reason,omitempty"`
	Attempts    int       `json:"attempts,omitempty"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
}

// ConnectError is why the first connection failed.
type ConnectError struct {
	Reason Reason
	Cause  string
}

func (e *ConnectError) Error() string { return e.Cause }

// Process is a running worker.
type Process struct{}

// Start starts a worker and sends it its Spec. It returns when the process
// runs, before the remote is reached: WaitConnected tells how that went.
func Start(ctx context.Context, o StartOptions) (*Process, error) { return nil, errNotBuilt }

// PID is the worker's process id.
func (p *Process) PID() int { return 0 }

// Done is closed when the worker has ended and every event was delivered.
func (p *Process) Done() <-chan struct{} { return nil }

// Err says how the worker ended; nil before Done and after an orderly end (unmounted).
func (p *Process) Err() error { return errNotBuilt }

// WaitConnected waits for the first connection: nil when it is up (or the
// mount is on demand), a *ConnectError when it failed, another error when the
// worker ended. The worker goes on trying by itself where that makes sense.
func (p *Process) WaitConnected(ctx context.Context) error { return errNotBuilt }

// Answer answers a question.
func (p *Process) Answer(a api.Answer) error { return errNotBuilt }

// Login tries again now, with a person to answer questions.
func (p *Process) Login() error { return errNotBuilt }

// Retry tries again now, without a person.
func (p *Process) Retry() error { return errNotBuilt }

// Refresh forgets what is cached, so that the server is looked at anew.
func (p *Process) Refresh() error { return errNotBuilt }

// Drain waits until everything written has landed.
func (p *Process) Drain(ctx context.Context) error { return errNotBuilt }

// Stats asks for the counters.
func (p *Process) Stats(ctx context.Context) (api.TrafficStats, error) {
	return api.TrafficStats{}, errNotBuilt
}

// Stop asks the worker to drain and end, and kills it when ctx ends first.
func (p *Process) Stop(ctx context.Context) error { return errNotBuilt }

// Kill ends the worker at once and waits for its end.
func (p *Process) Kill() {}

// Release lets a Detached worker go on without its starter.
func (p *Process) Release(ctx context.Context) error { return errNotBuilt }

// Main is the worker's side: the hidden command "worker". Descriptor 3 is
// /dev/fuse, 4 the control socket, standard error takes JSON records.
func Main(ctx context.Context) error { return errNotBuilt }
