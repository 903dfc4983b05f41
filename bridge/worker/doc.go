// Package worker is both sides of a worker: the process that serves one mount.
//
// The supervisor (or a drop-in command) mounts and calls Start, which runs
// this program again with the hidden command "worker"; that calls Main. So a
// remote's trouble, a panic or a stuck server, ends one mount at most, and no
// process ever touches a mount that it serves itself.
//
// # What crosses
//
// Descriptor 3 is /dev/fuse with the mount on it; the starter closes its own
// copy at once, so that the mount dies with the worker and nobody hangs on
// it. Descriptor 4 is one end of a socket pair: JSON objects, one a line, in
// both directions (protocol.go). The first line from the starter is the Spec,
// the first one from the worker its protocol version. Standard error takes
// slog records as JSON, which become the starter's records; anything else on
// it (a panic) is an error record, and its last lines are part of Process.Err.
//
// # What a worker may do
//
// Main drops every capability (bounding set and all), becomes the owner of
// the keys, sets no_new_privs, and executes itself once more, as these rights
// belong to a thread (package confine). Then it checks that it has none left,
// and makes itself unreadable for others (not dumpable): it holds keys.
//
// # Life
//
// A worker lives as long as its mount: when that is unmounted, what was
// written lands and the worker ends with success. An unreachable remote never
// ends it: it reports states (StateEvent) and goes on trying. When its starter
// dies (end of file on descriptor 4, or SIGTERM as parent death signal) it
// lets writes land for a few seconds and ends, unless it was released.
//
// Lock order: link.mu is the only lock that is held over a write to the
// socket; Process.mu, session.mu and asker.mu are held over nothing that
// blocks.
package worker
