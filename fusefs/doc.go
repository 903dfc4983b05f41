// Package fusefs puts a remote tree behind the kernel: it mounts, serves the
// FUSE protocol through go-fuse, and hands each operation to fusefs/vfs.
//
// Mount and Unmount need privileges; NewServer needs none, as it takes the
// descriptor that Mount returned, possibly in another process. The process that
// serves a mount must never touch that mount itself: an operation of its own
// would wait for a goroutine that the Go runtime may not be able to run.
//
// Server methods named as FUSE operations are thin: they translate the request,
// call the vfs.FS, and turn its error into an errno (errno.go, the one table).
// An interrupt from the kernel ends the wait of an operation that only looks; an
// operation that changes something is given a few seconds to come to an end, as
// a caller that sees EINTR would try it again.
//
// Calls into the kernel (invalidations) never happen while a lock is held, and
// those that may wait for pages come from their own goroutine.
package fusefs
