package remote

import (
	"log/slog"
	"time"
)

// Options is what a Remote is made of. Every zero value but the Dialer's means
// the default that its comment names.
type Options struct {
	// Dialer makes the connections. Required.
	Dialer Dialer
	// Root is the directory that the Remote shows, as the user gave it: ""
	// or "~" the home directory, "~/x" or "x" below it, "~user/x" where the
	// server can expand that, or absolute.
	Root string

	// PathTimeout bounds every operation on a path (5 s).
	PathTimeout time.Duration
	// DataTimeout is how long an operation on an open file waits for progress,
	// and how long it waits for a lost connection (30 s).
	DataTimeout time.Duration
	// DialTimeout bounds one attempt to connect that asks no person (15 s), where the
	// Dialer (a PatientDialer) does not.
	DialTimeout time.Duration
	// LossGrace is how long after a loss operations on paths still wait for the
	// first attempt to reconnect, before they fail at once (1.5 s and what a
	// login takes over the way; below 0 none).
	LossGrace time.Duration
	// KeepaliveInterval is the silence after which the server is asked for a
	// sign of life, and the time it has to give one; two missing in a row end
	// the connection (5 s). A PatientConn's own word comes first.
	KeepaliveInterval time.Duration
	// BackoffMin and BackoffMax are the first and the longest pause between
	// attempts to reconnect, before jitter (250 ms, 30 s). The pause stays
	// below 2 s while an open file waits.
	BackoffMin, BackoffMax time.Duration
	// ChannelIdle closes data channels and further connections that were not
	// used for so long (30 s).
	ChannelIdle time.Duration

	// MaxChannels bounds the SFTP channels of one connection, the control channel
	// of the first one included (10, which OpenSSH allows); with 1 the control
	// channel carries the file data, too. MaxConnections bounds the connections
	// (3): one more than the first is made at once where the way is so long that
	// a stream will want it, all others when a stream has proven to need them.
	MaxChannels, MaxConnections int
	// WindowBytes bounds what all files together have written and the server
	// has not acknowledged (64 MiB), and with it the writes that are queued: 256 for
	// each MiB. Below it the window is one second of the measured throughput.
	WindowBytes int
	// ReadRate and WriteRate bound the file data that crosses the link, in bytes
	// a second, RequestRate the operations on paths a second (0: no bound). What
	// is beyond waits its turn, an operation on a path for PathTimeout at most.
	ReadRate, WriteRate int64
	RequestRate         int

	// OnDemand connects at the first use instead of by Connect alone, and
	// goes back to idle instead of trying for ever when nothing is open.
	OnDemand bool
	// IdleAfter closes the connection after that time without use and
	// without open files; the next use connects again (0: never).
	IdleAfter time.Duration

	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
	// OnState is called at every change of state, in order, from one goroutine,
	// without any lock held. Close waits for it.
	OnState func(Status)
}

// Defaults of Options.
const (
	defaultPathTimeout = 5 * time.Second
	defaultDataTimeout = 30 * time.Second
	defaultDialTimeout = 15 * time.Second
	defaultLossGrace   = 1500 * time.Millisecond
	defaultKeepalive   = 5 * time.Second
	defaultBackoffMin  = 250 * time.Millisecond
	defaultBackoffMax  = 30 * time.Second
	defaultChannelIdle = 30 * time.Second
	defaultMaxChannels = 10
	defaultMaxConns    = 3
	defaultWindow      = 64 << 20
)

// waitedBackoff bounds the pause between attempts while an open file waits for
// the connection: its patience is DataTimeout.
const waitedBackoff = 2 * time.Second

func (o Options) withDefaults() Options {
	durations := []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.PathTimeout, defaultPathTimeout},
		{&o.DataTimeout, defaultDataTimeout},
		{&o.DialTimeout, defaultDialTimeout},
		{&o.LossGrace, defaultLossGrace},
		{&o.KeepaliveInterval, defaultKeepalive},
		{&o.BackoffMin, defaultBackoffMin},
		{&o.BackoffMax, defaultBackoffMax},
		{&o.ChannelIdle, defaultChannelIdle},
	}
	for _, d := range durations {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	o.LossGrace = max(o.LossGrace, 0)
	if o.MaxChannels <= 0 {
		o.MaxChannels = defaultMaxChannels
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = defaultMaxConns
	}
	if o.WindowBytes <= 0 {
		o.WindowBytes = defaultWindow
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
