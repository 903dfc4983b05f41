package sshdial

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels of this package; test for them with errors.Is.
var (
	// ErrNeedsPerson says that the login, or an unknown host key, needs an
	// answer that only a person can give, and that nobody could be asked.
	ErrNeedsPerson = errors.New("needs an answer that only a person can give")
	// ErrNoPerson is what an Asker returns when nobody is there to answer.
	ErrNoPerson = errors.New("nobody is there to answer")
	// ErrChannelRefused says that the server opens no further channel on
	// this connection (MaxSessions), or would mix up what two of them carry. The
	// connection itself is unharmed.
	ErrChannelRefused = errors.New("server refused the channel")
	// ErrNoSFTP says that the server has no SFTP subsystem, or not for this
	// user.
	ErrNoSFTP = errors.New("server refused the SFTP subsystem")
	// ErrNotSSH says that whatever answered does not speak SSH 2.
	ErrNotSSH = errors.New("no SSH server answered")
	// ErrIncompatible says that we and the server have no algorithm of some
	// kind in common (or that the settings leave none).
	ErrIncompatible = errors.New("no algorithm in common with the server")
	// ErrTimeout says that a dial took longer than ConnectTimeout. It is
	// also a net.Error with Timeout() true.
	ErrTimeout error = timeoutError{}
	// ErrClosed says that Close was called on the connection.
	ErrClosed = errors.New("connection closed")
)

type timeoutError struct{}

func (timeoutError) Error() string   { return "no answer within the time allowed" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// UnsupportedError says that a setting would change the route or the trust in a
// way that is not possible here. The connection is not tried without it.
type UnsupportedError struct {
	Keyword, Value string
	Where          string // file:line, or the option
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: %s %s is not supported, and without it the connection would be another one: take it out for this host", e.Where, e.Keyword, quoteShort(e.Value))
}

// HostKeyError says that a host key was refused. Nothing was sent that could
// help whoever presented it.
type HostKeyError struct {
	// Host is the name under which the key is looked up, as in known_hosts.
	Host string
	// Got is the fingerprint (SHA256:...) of the key the server presented,
	// with its type; Want are those of the known keys.
	Got  string
	Want []string
	// File and Line are where the first known, or the revoked, key stands.
	File string
	Line int
	// Changed: other keys are known for the host. Revoked: the key, or the
	// authority that signed it, is marked as revoked. Neither: the key is
	// unknown and was not accepted, or Reason says what is wrong with it.
	Changed bool
	Revoked bool
	Reason  string
	// Err is ErrNeedsPerson where a person could have accepted the key.
	Err error
}

func (e *HostKeyError) Error() string {
	var b strings.Builder
	switch {
	case e.Revoked:
		fmt.Fprintf(&b, "host key of %s is revoked: %s", e.Host, e.Got)
	case e.Changed:
		fmt.Fprintf(&b, "host key of %s has changed: the server presents %s, known is %s", e.Host, e.Got, strings.Join(e.Want, ", "))
	default:
		fmt.Fprintf(&b, "host key of %s is not accepted: %s", e.Host, e.Got)
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.File != "" {
		fmt.Fprintf(&b, " (%s:%d)", e.File, e.Line)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives Err.
func (e *HostKeyError) Unwrap() error { return e.Err }

// AuthError says that the server refused the login. Repeating it by itself
// would provoke a ban list. It is ErrNeedsPerson (errors.Is) where something
// was left out because nobody could be asked: test for that first.
type AuthError struct {
	// User and Host are whose login was refused, and where (a jump host has
	// its own logins).
	User, Host string
	// Tried are the methods and identities that were offered, in order.
	Tried []string
	// Partial are the methods that the server accepted as a part of what it
	// wants; Allowed are those it would have gone on with.
	Partial []string
	Allowed []string
	// Notes say what could not be offered, and why (an identity file that
	// is missing, an agent that does not answer).
	Notes []string
	// Err is ErrNeedsPerson, the reason an Asker gave, or nil.
	Err error
}

func (e *AuthError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "login as %s at %s refused", e.User, e.Host)
	if len(e.Tried) > 0 {
		fmt.Fprintf(&b, "; tried %s", strings.Join(e.Tried, ", "))
	}
	if len(e.Partial) > 0 {
		fmt.Fprintf(&b, "; accepted so far: %s", strings.Join(e.Partial, ", "))
	}
	if len(e.Allowed) > 0 {
		fmt.Fprintf(&b, "; server allows %s", strings.Join(e.Allowed, ", "))
	}
	for _, n := range e.Notes {
		b.WriteString("; " + n)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives Err.
func (e *AuthError) Unwrap() error { return e.Err }
