package api

import "time"

// MountSpec is the desired state of one mount, as a configuration file, the
// environment or the mount command gives it.
type MountSpec struct {
	// Name is the mount's name: its folder in the hub, its SMB share and the
	// argument of every command. Empty in a request means "derive it from
	// the remote".
	Name string `json:"name"`
	// Remote is [USER@]HOST[:PATH] as sshfs takes it, or
	// sftp://[USER@]HOST[:PORT][/PATH]. An empty PATH is the home directory.
	Remote string `json:"remote"`
	// Port overrides the port of ssh_config and of the remote; 0 leaves it.
	Port int `json:"port,omitempty"`
	// IdentityFiles are private keys to offer before those of ssh_config.
	IdentityFiles []string `json:"identity_files,omitempty"`
	// ProxyJump overrides ssh_config's ProxyJump ("none" for a direct way).
	ProxyJump string `json:"proxy_jump,omitempty"`
	// SSHOptions are "Keyword=value" as after ssh -o; they win over ssh_config.
	SSHOptions []string `json:"ssh_options,omitempty"`
	// AgentSocket is the path of an ssh-agent socket; empty means the
	// supervisor's SSH_AUTH_SOCK.
	AgentSocket string `json:"agent_socket,omitempty"`
	// SSHDir is the directory that "~/.ssh" means; empty is the supervisor's.
	SSHDir string `json:"ssh_dir,omitempty"`
	// ReadOnly refuses every change, before the server is asked.
	ReadOnly bool `json:"read_only,omitempty"`
	// UID and GID own every file; nil is the supervisor's setting.
	UID *uint32 `json:"uid,omitempty"`
	GID *uint32 `json:"gid,omitempty"`
	// RemoteIDs shows the server's own owners and modes (POSIX mode, with the
	// kernel's default_permissions) instead of UID and GID.
	RemoteIDs bool `json:"remote_ids,omitempty"`
	// Cache is "default", "strict" or "off"; empty is "default".
	Cache string `json:"cache,omitempty"`
	// CacheSeconds is how old names and attributes may be, with Cache "default"; 0 is
	// 20.
	CacheSeconds int `json:"cache_seconds,omitempty"`
	// Symlinks is "xsym" (as a Mac reads them), "resolve" (the target, inside
	// the tree only), "contained" (as sshfs shows them: links that are absolute
	// or have a ".." cannot be followed), "raw" (as they are), "follow" (the
	// server follows them), "transform" (raw, with absolute targets inside the
	// tree made relative) or "transform-contained"; empty is "xsym" for a share
	// and "contained" for a drop-in.
	Symlinks string `json:"symlinks,omitempty"`
	// MacFiles says where a Mac's own files (.DS_Store and its like) go: "local",
	// into the mount's local metadata, or "server", as any other file. Empty is
	// "local" where smbd shares the mount, and "server" elsewhere.
	MacFiles string `json:"mac_files,omitempty"`
	// Mountpoint puts the mount somewhere other than in the hub. Such a
	// mount has no share of its own, and it is not kept over a restart.
	Mountpoint string `json:"mountpoint,omitempty"`
	// OnDemand connects at the first use, and IdleSeconds closes the
	// connection after that time without use (0 keeps it).
	OnDemand    bool `json:"on_demand,omitempty"`
	IdleSeconds int  `json:"idle_seconds,omitempty"`
	// ReadRate and WriteRate bound the file data that crosses the link, in bytes a
	// second, and RequestRate the operations on names a second; 0 leaves them
	// unbounded. What is beyond waits its turn.
	ReadRate    int64 `json:"read_rate,omitempty"`
	WriteRate   int64 `json:"write_rate,omitempty"`
	RequestRate int   `json:"request_rate,omitempty"`
	// MaxOpenFiles bounds the files and directories that are open at once; one more
	// is refused. MaxNames bounds the files that are remembered without being in
	// use, and MaxUnwritten the bytes that were written and that the server has not
	// acknowledged. 0 is the default of each: 16384, 100000 and 64 MiB.
	MaxOpenFiles int   `json:"max_open_files,omitempty"`
	MaxNames     int   `json:"max_names,omitempty"`
	MaxUnwritten int64 `json:"max_unwritten,omitempty"`
}

// The values of MountSpec.MacFiles.
const (
	MacFilesLocal  = "local"
	MacFilesServer = "server"
)

// MaxCacheSeconds is the most that MountSpec.CacheSeconds can be: a year.
const MaxCacheSeconds = 365 * 86400

// State is where a mount stands.
type State string

// The states of a mount. Mounting, Unmounting and Failed are the
// supervisor's; the others are the remote's, told by the mount's worker.
const (
	StateMounting   State = "mounting"    // the worker is being started
	StateIdle       State = "idle"        // no connection: the first use dials
	StateConnecting State = "connecting"  // the first connection is being made
	StateUp         State = "up"          // connected
	StateDegraded   State = "degraded"    // the connection was lost and is being tried again
	StateDown       State = "down"        // needs a person: login or host key refused
	StateNeedsLogin State = "needs-login" // needs an answer that only a person can give
	StateUnmounting State = "unmounting"  // being taken down
	StateFailed     State = "failed"      // the worker cannot be kept running
)

// MountStatus is the observed state of one mount.
type MountStatus struct {
	Name       string `json:"name"`
	Remote     string `json:"remote"`
	Mountpoint string `json:"mountpoint"`
	// Share is the SMB share's name, empty where the mount has none of its own.
	Share    string `json:"share,omitempty"`
	URL      string `json:"url,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`
	// Source is where the mount was asked for: "config", "environment",
	// "command" or "sshfs".
	Source string    `json:"source"`
	State  State     `json:"state"`
	Since  time.Time `json:"since"`
	// Cause says why the state is what it is, with what to do; empty while up.
	Cause string `json:"cause,omitempty"`
	// LastError is the latest cause of trouble, also when that is over, and
	// LastErrorAt when it was told.
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
	// Attempts and NextAttempt are the reconnects since the link was lost.
	Attempts    int        `json:"attempts,omitempty"`
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	// Restarts is how often the worker was started again.
	Restarts  int           `json:"restarts"`
	WorkerPID int           `json:"worker_pid,omitempty"`
	Questions []Question    `json:"questions,omitempty"`
	Notes     []string      `json:"notes,omitempty"`
	Traffic   *TrafficStats `json:"traffic,omitempty"`
}

// Question is something that only a person can answer: a password, a
// passphrase, a one-time code or an unknown host key.
type Question struct {
	ID   string `json:"id"`
	Kind string `json:"kind"` // "password", "passphrase", "keyboard-interactive", "host-key"
	// Prompt is the text to show, already free of control characters.
	Prompt string `json:"prompt"`
	// Echo says that the answer may be seen while it is typed.
	Echo bool `json:"echo"`
}

// Answer answers a Question.
type Answer struct {
	ID string `json:"id"`
	// Text is the answer; a host key is accepted with "yes".
	Text string `json:"text"`
	// Cancel says that the person gave up.
	Cancel bool `json:"cancel,omitempty"`
}
