package sshdial

import (
	"context"
	"log/slog"
	"net"
)

// Options is everything besides the Target that decides how it is reached.
type Options struct {
	// SSHDir is the directory that "~/.ssh" means: config, known_hosts and
	// identities are looked for in it. "/Users/NAME/.ssh" and "~/.ssh" in a
	// configuration file mean it too, so that a Mac's own file works
	// elsewhere. Relative names of files are relative to it.
	SSHDir string
	// HomeDir is what "~" means otherwise; empty is the parent of SSHDir.
	HomeDir string
	// LocalUser is the user where nothing else names one, and the token %u;
	// empty is the user of this process.
	LocalUser string
	// ConfigFiles are read in this order; nil means SSHDir/config where that
	// exists, and the single entry "none" means no file at all.
	ConfigFiles []string
	// Overrides are "Keyword=value" or "Keyword value" as after ssh -o. They
	// win over the configuration files; an unknown keyword is an error.
	Overrides []string
	// Port wins over ssh_config and over the target; 0 leaves it to them.
	Port int
	// IdentityFiles are offered before those of ssh_config.
	IdentityFiles []string
	// ProxyJump is as after ssh -J; "none" means a direct way.
	ProxyJump string
	// AgentSocket is the path of an ssh-agent. It is looked at anew at each
	// dial, so it may appear later.
	AgentSocket string
	// AcceptedHostKeys are known_hosts lines that were accepted earlier
	// (see OnHostKeyAccepted); they count like lines of a known_hosts file.
	AcceptedHostKeys []string
	// OnHostKeyAccepted is called with a known_hosts line (no newline) when
	// an unknown host key was accepted. It must not block for long.
	OnHostKeyAccepted func(line string)
	// DialContext makes the TCP connection to the first hop; nil is a
	// net.Dialer. It is called with a network of "tcp", "tcp4" or "tcp6".
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
}

// The kinds of questions.
const (
	KindPassword            = "password"
	KindPassphrase          = "passphrase"
	KindKeyboardInteractive = "keyboard-interactive"
	KindHostKey             = "host-key"
)

// Question is something that only a person can answer.
type Question struct {
	// Kind is one of the Kind constants.
	Kind string
	// Prompt is the text to show. It is free of control characters (other
	// than newlines), whatever the server sent.
	Prompt string
	// Echo says that the answer may be seen while it is typed.
	Echo bool
}

// Asker puts questions to a person. A host key is accepted with "yes" or with
// its fingerprint. Ask returns ErrNoPerson where nobody is there to
// answer, and any other error where the person gave up. It is called from one
// goroutine at a time for one Dial.
type Asker interface {
	Ask(ctx context.Context, q Question) (string, error)
}
