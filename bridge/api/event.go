package api

import "time"

// EventKind says what an Event tells.
type EventKind string

// The kinds of events. A stream that waits for a mount ends with exactly one
// EventDone or EventFailed; a reader skips the kinds it does not know.
const (
	EventState    EventKind = "state"    // a mount changed its state
	EventQuestion EventKind = "question" // a person must answer Question
	EventAnswered EventKind = "answered" // Question needs no answer any more
	EventNote     EventKind = "note"     // Message is worth knowing
	EventHostKey  EventKind = "host-key" // a host key was accepted; Message is its known_hosts line
	EventAdded    EventKind = "added"    // a mount was added to the desired state
	EventRemoved  EventKind = "removed"  // a mount was taken out of it
	EventRestart  EventKind = "restart"  // a worker died and is being started again
	EventSMB      EventKind = "smb"      // smbd changed its state, named in Message
	EventConfig   EventKind = "config"   // the configuration was read again, or refused
	EventDone     EventKind = "done"     // the request succeeded; Status is the mount
	EventFailed   EventKind = "failed"   // the request failed; Error says why
)

// Event is something that happened, as one JSON line of GET /v1/events and of
// the answer to POST /v1/mounts.
type Event struct {
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	// Mount is the name of the mount concerned, empty for the rest.
	Mount string `json:"mount,omitempty"`
	// State and Previous are set for EventState, Cause where there is one.
	State    State  `json:"state,omitempty"`
	Previous State  `json:"previous,omitempty"`
	Cause    string `json:"cause,omitempty"`
	// Attempts and NextAttempt are those of MountStatus.
	Attempts    int          `json:"attempts,omitempty"`
	NextAttempt *time.Time   `json:"next_attempt,omitempty"`
	Question    *Question    `json:"question,omitempty"`
	Message     string       `json:"message,omitempty"`
	Status      *MountStatus `json:"status,omitempty"`
	Error       *Error       `json:"error,omitempty"`
}

// LogRecord is one line of GET /v1/logs.
type LogRecord struct {
	Time    time.Time      `json:"time"`
	Level   string         `json:"level"` // "DEBUG", "INFO", "WARN", "ERROR"
	Message string         `json:"message"`
	Mount   string         `json:"mount,omitempty"`
	Attrs   map[string]any `json:"attrs,omitempty"`
}
