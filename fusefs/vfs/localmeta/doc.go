// Package localmeta keeps what belongs to a mount and not to its server:
// extended attributes of its files, and whole small files and directories (a
// Mac's .DS_Store and its like), which exist here alone. The filesystem (vfs)
// owns one Store a mount and tells it of every rename and removal.
//
// # Terms
//
// A path is relative to the mount's root, without slashes at the ends; "" is
// the root. An entry is what is kept under a path; it has a number, by which
// its attributes and its content are found, so that a rename moves names and
// never content. A local entry is a file or directory of its own; any other
// stands for a file of the server. An orphan is a local file without a name
// that somebody still has open.
//
// # What is kept when
//
// The store is one bbolt file and one journal beside it. A change is appended to
// the journal (one write(2), not synced) before its operation returns: it
// survives the end of the process, however sudden. Every two seconds, at 4 MiB
// of journal and at Sync and Close, all changes go to the bbolt file as one
// synced transaction, and the journal begins anew: so a power cut loses two
// seconds at most and never more than whole operations, and closing a thousand
// .DS_Store costs one fsync and not a thousand. A journal and each of its
// records carry the generation of the file that they continue; what was left from before is
// passed over, and a torn end is cut off.
//
// # Invariants
//
//   - Every operation is one journal record: after a crash it happened whole
//     or not at all.
//   - Applying a record to the same state gives the same state, numbers of
//     entries included; what the bounds refuse never becomes a record.
//   - A store that cannot be read is set aside (a copy under another name), and
//     an empty one takes its place (Store.Notes).
//   - Only one process has a store open (flock on the bbolt file).
//
// Store.mu is the only lock; it is held during a commit.
package localmeta
