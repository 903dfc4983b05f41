package api

// MountRequest asks for a mount: the body of POST /v1/mounts. The answer is a
// stream of Events that ends with EventDone or EventFailed.
type MountRequest struct {
	Spec MountSpec `json:"spec"`
	// Source is SourceCommand unless it says SourceSSHFS.
	Source string `json:"source,omitempty"`
	// KeepTrying keeps a mount that cannot be reached at first; otherwise a
	// mount that fails the first time is taken away again.
	KeepTrying bool `json:"keep_trying,omitempty"`
	// NoWait answers as soon as the mount is part of the desired state.
	NoWait bool `json:"no_wait,omitempty"`
	// Interactive says that a person reads the stream and answers questions.
	Interactive bool `json:"interactive,omitempty"`
}

// Where a mount was asked for.
const (
	SourceConfig      = "config"
	SourceEnvironment = "environment"
	SourceCommand     = "command"
	SourceSSHFS       = "sshfs"
)

// HostKeyRequest settles a host key: the body of POST /v1/mounts/NAME/hostkey.
type HostKeyRequest struct {
	// Action is "accept" or "forget".
	Action string `json:"action"`
}

// HostKeyResult says what HostKeyRequest changed.
type HostKeyResult struct {
	Forgotten []string `json:"forgotten"` // known_hosts lines taken out
}

// PasswordRequest changes the password of the shares: the body of POST
// /v1/smb/password.
type PasswordRequest struct {
	// Password is the new one; empty has one made.
	Password string `json:"password,omitempty"`
}

// Password is who logs in to the shares with what.
type Password struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// ReloadResult says what POST /v1/reload changed.
type ReloadResult struct {
	Removed int `json:"removed"` // mounts taken away, those to be made anew among them
	Added   int `json:"added"`
	// NextStart are the settings that changed and have no effect before the
	// supervisor is started again.
	NextStart []string `json:"next_start,omitempty"`
	// Notes are mounts that were left out, and why.
	Notes []string `json:"notes,omitempty"`
}

// MountList is the answer of GET /v1/mounts.
type MountList struct {
	Mounts []MountStatus `json:"mounts"`
}

// Good says that the state needs nobody's attention: up, or idle by wish.
func (s State) Good() bool { return s == StateUp || s == StateIdle }

// NeedsPerson says that nothing gets better until a person acts.
func (s State) NeedsPerson() bool {
	return s == StateDown || s == StateNeedsLogin || s == StateFailed
}
