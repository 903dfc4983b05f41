// Package vfs is the filesystem without FUSE: inodes, names, caches, handles,
// read-ahead and writes over one remote tree. fusefs puts it behind a kernel;
// tests can call it directly.
//
// # Terms
//
// A node is an inode: a number that is stable, the name and parent under which
// the remote knows it, and what is known of its attributes. Nodes stay in
// memory as the cache of their directory; a node that the kernel knows (lookup
// count) or that is open (handles) is never dropped.
//
// A listing is complete when every name of the directory is a child node: then
// a name that is no child does not exist (a negative entry). Listings and
// attributes are fresh for Options.AttrTTL after they were asked for.
//
// A tick is a number that grows with every change of our own. An answer of the
// remote that was asked for before a change of ours never overwrites what that
// change made of a node: attributes never go back in time.
//
// A version is size and modification time of a file when its data were fetched.
// Cached data (spans here, pages in the kernel) are used while the version
// holds. Times of SFTP are whole seconds, so a file that was changed within two
// seconds of being fetched has a racy version, which is not trusted later.
//
// A writer is the one open remote file through which all handles of a node
// write: writes, truncations and changes of attributes are queued on it in order.
// A node is dirty while something is queued that no flush has covered. A read
// that must go to the server flushes first.
//
// What asks the server by a name and what changes that name, or one above it, never
// meet (nameUse): an open, a rename and a removal of one file wait for one another, as
// do the rename of a directory and whatever goes by names in it, and an answer under a
// name that is just being changed is nobody's.
//
// A span is a piece of file data, fetched or being fetched. Spans of all files
// share one budget. A handle that is read in sequence is a stream; what is fetched
// ahead for all streams together stays within half of the budget.
//
// # Round trips
//
// Every operation names in its comment how many it waits for. Work that nobody
// waits for (listing ahead, reading ahead, closing a reader, checking listings
// again) runs in goroutines that FS.Close waits for.
//
// # Lock order
//
//	FS.here -> handle.mu -> FS.mu -> spanCache.mu
//	FS.here -> localmeta.Store.mu
//
// Who waits for a name (nameUse) holds none of them: names are kept first.
//
// FS.mu guards every node and is never held over a call of the Remote or of
// the Kernel. handle.mu orders nothing but one handle's read pattern.
package vfs
