// Package dropin takes the command lines of sshfs(1), fusermount(1) and
// umount(8), so that what people know and what scripts hold works unchanged.
// The binary runs it when it is called by one of those names.
//
// # sshfs
//
// One table (options.go) describes every option that sshfs, libfuse and mount
// know: its name, what kind of value it takes, what comes of it here and why.
// The parser, the help text and the documentation are made of that table. An
// option is honoured, or it is accepted and reported as having no effect, once,
// on standard error; an unknown one is an error. Any other "-o Keyword=value"
// that ssh_config(5) knows goes to the SSH layer (keywords.go).
//
// What comes out is a plan: the api.MountSpec and how the kernel shall show
// the mount. A plan is carried out in one of two ways:
//
//   - supervised: a live supervisor on the control socket is asked, so that
//     `list` shows the mount with source "sshfs";
//   - standalone: a holder process mounts, starts the worker and stays until
//     the mount goes, as the sshfs process does. With -f the holder is the
//     process that was called; otherwise it is the same binary executed again
//     in a session of its own, and the caller relays its questions to the
//     terminal and ends when the mount is really up, or with the reason why not.
//
// # fusermount and umount
//
// Both end our mounts through the supervisor or directly, and return when
// what was written has reached the server: they wait for the holder to end.
// Anything else is handed to the system's own umount.
//
// # Invariants
//
//   - An exit with 0 means that the mount is there (or gone) at that moment.
//   - An exit with another code leaves nothing mounted and nothing running.
//   - No secret is written to a file, a log or a command line.
//   - The process that serves a mount is never the one that looks into it.
package dropin
