// Package toucher wakes who watches a directory of a mount when something in it
// changed on the server.
//
// smbd tells a Mac of changes that the kernel tells smbd (inotify), and the
// kernel tells only of what is done through the mount: what a worker learns of
// the server, it can make the kernel forget, but not tell. So somebody has to do
// something in the mount: set an extended attribute (vfs.TouchXattr) that the
// worker takes and does not keep, which is IN_ATTRIB to the watchers and nothing
// to anybody else.
//
// # Terms
//
// Toucher is the supervisor's side: it hands changes to a helper, a process of
// its own that it starts at the first change. Main is the helper.
//
// # Invariants
//
//   - No process touches a mount that it serves or supervises: the helper does,
//     and has nothing else to do. A mount that does not answer keeps the helper
//     waiting for that mount and for no other; what cannot be told is dropped.
//   - The helper has no capability. It goes below a mount point only where a
//     mount is, follows no link and crosses into no other mount: a server's names
//     lead it nowhere else.
//
// Lock order: there is one mutex in the helper, and nothing is called under it.
package toucher
