package remote

import "time"

// State is where a Remote stands.
type State string

// The states of a Remote.
const (
	// StateIdle: no connection; none was asked for yet, or it was closed
	// after a time without use. With OnDemand the first operation dials.
	StateIdle State = "idle"
	// StateConnecting: the first connection is being made.
	StateConnecting State = "connecting"
	// StateUp: connected.
	StateUp State = "up"
	// StateDegraded: the connection was lost, or could not be made, and is
	// being tried again.
	StateDegraded State = "degraded"
	// StateDown: refused (login, host key, root directory). Only Connect or
	// Retry leave it.
	StateDown State = "down"
	// StateNeedsLogin: a person must answer. Only Connect leaves it.
	StateNeedsLogin State = "needs-login"
)

// Status is a snapshot of a Remote.
type Status struct {
	State State
	Since time.Time
	// Cause says why the state is what it is; nil while up.
	Cause error
	// Attempts are the attempts to connect since the link was lost, and
	// NextAttempt is when the next one is made (zero: none is planned, or
	// one is being made).
	Attempts    int
	NextAttempt time.Time
	// RTT is the shortest round trip seen of late; 0 until one was measured.
	RTT time.Duration
	// ReadRate and WriteRate are the throughput seen of late, bytes a second.
	ReadRate, WriteRate float64
	// Connections and Channels are what is open now.
	Connections, Channels int
	// OpenFiles are the files that are open, PendingBytes what was written to
	// them and is not acknowledged.
	OpenFiles    int
	PendingBytes int64
	Counters     Counters
}

// Counters are what a Remote counted since it was made, over all sessions.
type Counters struct {
	// Requests are the SFTP requests sent, by kind ("OPEN", "READ", ...).
	Requests map[string]uint64
	// ReadBytes and WriteBytes are file data that came from, and that was
	// sent to, the server.
	ReadBytes, WriteBytes uint64
	// InFlight are requests sent and not answered.
	InFlight int
	// Dials are the connections tried, Reconnects the links made again after a
	// loss, Resumed the files opened again, Resent the writes sent again,
	// Settled the lost answers that were found out by looking.
	Dials, Reconnects, Resumed, Resent, Settled uint64
	// Waits is how often an operation waited for room in a window.
	Waits uint64
	// RoundTrips is how often somebody waited for the server's answer, and
	// RoundTripTime how long in all.
	RoundTrips    uint64
	RoundTripTime time.Duration
}
