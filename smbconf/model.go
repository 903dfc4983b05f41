package smbconf

// Config is everything that smb.conf depends on. The zero value is not valid;
// Default gives one to start from. A Config is read only once it is in use.
type Config struct {
	// Version is the smbd that will read the file; it decides which settings
	// exist. DetectVersion finds it.
	Version Version
	// Workgroup and NetBIOSName are how the server calls itself. The name is
	// fixed rather than the host's, because Samba keeps its identity (the
	// machine SID) under it and a container has a new host name each time.
	Workgroup, NetBIOSName string
	// Ports are the TCP ports that smbd listens on, the first one preferred.
	Ports []int
	// Interfaces are the names (lo, eth0) or addresses (127.0.0.1, 10.0.0.2/24)
	// that smbd listens on, and no others; empty means all of them.
	Interfaces []string
	// HostsAllow are the addresses and prefixes that may connect. It must not
	// be empty: whoever wants everybody writes 0.0.0.0/0 and ::/0.
	HostsAllow []string
	// ForceUser and ForceGroup are the account on whose behalf every file
	// operation happens, and the one that AuthPassword asks for. Both must
	// exist in smbd's passwd and group files.
	ForceUser, ForceGroup string
	// Auth says who may log in.
	Auth Auth
	// Dirs are smbd's own directories.
	Dirs Dirs
	// LogLevel is Samba's, 0 to 10; 1 tells who is refused, and what goes wrong.
	LogLevel int
	// Shares in the order in which they are written.
	Shares []Share
}

// Auth says who may log in.
type Auth string

// The two ways to log in.
const (
	// AuthGuest lets everybody in as guest whom HostsAllow lets connect.
	AuthGuest Auth = "guest"
	// AuthPassword asks for ForceUser and its password in smbd's passdb, and
	// refuses guests and anonymous listings.
	AuthPassword Auth = "password"
)

// Dirs are the directories that smbd writes to; all absolute. They must exist
// when smbd starts, and no two may be the same.
type Dirs struct {
	// Private holds what must last: the machine's identity and the passdb.
	Private string
	// Lock, State and Cache hold databases that live as long as smbd.
	Lock, State, Cache string
	// PID holds smbd.pid.
	PID string
	// NCALRPC holds the sockets between smbd and its RPC helpers.
	NCALRPC string
	// Log takes the log files of the RPC helpers; smbd itself logs to stdout.
	Log string
}

// Share is one section: a directory that clients see as a volume.
type Share struct {
	// Name is what Finder shows and what follows the host in the URL. At most
	// 80 characters, unique without regard to case.
	Name string
	// Path is the shared directory, absolute.
	Path string
	// Comment is shown by browsers; CleanComment makes one of any text.
	Comment string
	// ReadOnly refuses every change.
	ReadOnly bool
	// Strict grants the client no lease and no oplock, so that it asks the
	// server each time: for directories that others change too.
	Strict bool
}
