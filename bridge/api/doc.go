// Package api holds the types that cross the control socket and that the
// command line prints: what a mount shall be (MountSpec), what it is
// (MountStatus), what happened (Event), what a person must answer (Question)
// and what went wrong (Error).
//
// It is a leaf: it imports nothing of this module, so that a client needs no
// more than this package and bridge/client. The JSON names are a promise to
// scripts: names are added, never changed. Durations are numbers of seconds in
// fields named *_seconds, sizes are bytes in fields named *_bytes, times are
// RFC 3339 in UTC.
package api
