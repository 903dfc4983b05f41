package api

import "time"

// The fixed names of the protocol.
const (
	// Prefix begins every path of this version of the protocol.
	Prefix = "/v1"
	// VersionHeader carries the program's version, both ways.
	VersionHeader = "Sshfs-Bridge-Version"
	// Host is the pseudo-host that every request must name.
	Host = "sshfs-bridge.local"
	// DefaultSocket is where the supervisor listens unless told otherwise.
	DefaultSocket = "/run/sshfs-bridge/control/sock"
	// SocketEnv names the environment variable that gives another socket.
	SocketEnv = "SSHFS_BRIDGE_SOCKET"
)

// Version says what program answers.
type Version struct {
	Version   string `json:"version"`
	Commit    string `json:"commit,omitempty"`
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform"`
	SMBD      string `json:"smbd,omitempty"`
}

// Status is the whole observed state.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	// Ready says that smbd answers; the mounts have their own states.
	Ready    bool          `json:"ready"`
	Stopping bool          `json:"stopping,omitempty"`
	SMB      SMBStatus     `json:"smb"`
	Mounts   []MountStatus `json:"mounts"`
	// Problems are what the machine lacks, each with what to do.
	Problems []string `json:"problems,omitempty"`
	// Hub is the directory that shows every mount, HubURL its share.
	Hub    string `json:"hub"`
	HubURL string `json:"hub_url,omitempty"`
}

// Degraded says whether anything is not as it should be: smbd does not
// answer, or a mount is neither up nor idle.
func (s Status) Degraded() bool {
	if !s.Ready || len(s.Problems) > 0 {
		return true
	}
	for _, m := range s.Mounts {
		if !m.State.Good() {
			return true
		}
	}
	return false
}

// SMBStatus is the observed state of smbd.
type SMBStatus struct {
	State    string    `json:"state"` // "starting", "up", "unhealthy", "backoff", "stopped", "off"
	Since    time.Time `json:"since"`
	Cause    string    `json:"cause,omitempty"`
	PID      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	Ports    []int     `json:"ports"`
	// PublishedHost and PublishedPort are what a Mac connects to.
	PublishedHost string `json:"published_host"`
	PublishedPort int    `json:"published_port"`
	Auth          string `json:"auth"`
	// Refused are the addresses of clients that smb.hosts_allow kept out, the
	// latest last.
	Refused []string `json:"refused,omitempty"`
}

// Health is the answer of GET /healthz.
type Health struct {
	OK bool `json:"ok"`
	// Reasons are why it is not.
	Reasons []string `json:"reasons,omitempty"`
}
