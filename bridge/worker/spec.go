package worker

import (
	"log/slog"
	"time"

	"sshfs-bridge/bridge/api"
)

// Spec is what a worker is told at its start.
type Spec struct {
	// Mount is the mount, resolved: UID and GID are set unless RemoteIDs.
	Mount api.MountSpec `json:"mount"`
	// Shown says that smbd shows the mount to its clients.
	Shown bool `json:"shown,omitempty"`
	// SSHDir is what "~/.ssh" means and HomeDir what "~" else means.
	SSHDir  string `json:"ssh_dir"`
	HomeDir string `json:"home_dir"`
	// AgentSocket is an ssh-agent's socket, empty for none; that of Mount wins.
	AgentSocket string `json:"agent_socket,omitempty"`
	// AcceptedHostKeys are known_hosts lines that were accepted earlier.
	AcceptedHostKeys []string `json:"accepted_host_keys,omitempty"`
	// LogLevel is the least level of the records that the worker writes.
	LogLevel slog.Level `json:"log_level"`
	// CacheBytes bounds the data cache; 0 is the filesystem's default.
	CacheBytes int64 `json:"cache_bytes,omitempty"`
	// Metadata says that descriptors 5 to 7 are the files of the mount's local
	// metadata; Start sets it.
	Metadata bool `json:"metadata,omitempty"`
	// Interactive says that a person answers questions during the first
	// connection. Without it a login that needs one is StateNeedsLogin.
	Interactive bool `json:"interactive,omitempty"`
}

// Event is what a worker tells; exactly one field is set.
type Event struct {
	// State is a change of the mount's state.
	State *StateEvent
	// Question wants an answer by Process.Answer.
	Question *api.Question
	// QuestionClosed is the ID of a question that needs no answer any more.
	QuestionClosed string
	// HostKeyAccepted is a known_hosts line to keep, and to give to later
	// workers in Spec.AcceptedHostKeys.
	HostKeyAccepted string
	// Notes are remarks on the settings, such as ssh_config keywords that
	// have no effect here.
	Notes []string
	// Changed is what others did on the server in a directory that somebody
	// here holds open.
	Changed *Change
}

// Change is what others did in a directory: Dir is its path in the mount as it is
// shown ("" is the root), Names are some of what is new or changed in it, none
// where something is only gone.
type Change struct {
	Dir   string   `json:"dir"`
	Names []string `json:"names,omitempty"`
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
	ReasonNeedsPerson  Reason = "needs-person"  // a question that nobody answered
	ReasonNoPath       Reason = "no-path"       // the remote directory does not exist
	ReasonNotDirectory Reason = "not-directory" // the remote path is a file
	ReasonPermission   Reason = "permission"    // the remote path is not ours to see
	ReasonOther        Reason = "other"
)

// StateEvent is a change of the mount's state.
type StateEvent struct {
	State api.State `json:"state"`
	Since time.Time `json:"since"`
	// Cause says why, for people; empty while up.
	Cause  string `json:"cause,omitempty"`
	Reason Reason `json:"reason,omitempty"`
	// Attempts were made since the link was lost; NextAttempt is the next
	// one, zero when none is planned.
	Attempts    int       `json:"attempts,omitempty"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
}

// ConnectError is why the first connection failed.
type ConnectError struct {
	Reason Reason `json:"reason"`
	Cause  string `json:"cause"`
}

// Error is Cause: it names the remote already.
func (e *ConnectError) Error() string { return e.Cause }
