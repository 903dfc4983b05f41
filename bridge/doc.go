// Package bridge is the supervisor of sshfs-bridge: it turns the desired state
// (mounts that were asked for) into running parts (workers, smbd), keeps them
// running, and tells what it sees over the control socket. It owns every child
// process.
//
// # Terms
//
//	remote         an SSH endpoint and a path on it
//	mount          one FUSE mount of one remote, called by its name
//	share          what smbd shows of a mount, called by the same name
//	hub            the directory and share that show every mount as a folder
//	worker         the process that serves one mount; it has no privilege
//	unit           the supervisor's side of a mount: goroutine, state, worker
//	desired state  which mounts there shall be: file + environment + command
//	observed state what is: api.Status
//
// # Finding your way
//
//	config*.go, settings*.go          the configuration: read, checked, filled in
//	names.go                          names of mounts, derived and checked
//	desired.go                        the desired state on disk
//	supervisor.go, start.go, stop.go  Run, from the lock to the last unmount
//	reconcile.go, mounts.go           desired state -> units
//	remove.go                         a mount that leaves, and its name
//	unit*.go, restart.go              one mount: states, worker, restarts, people
//	system.go, outside.go             the machine: mounting, workers, credentials
//	smb*.go                           smb.conf and smbd
//	hostkeys.go                       host keys that were accepted here
//	control.go, routes*.go            the control socket
//	events.go, logs.go                what happened, kept and streamed
//	metrics.go, health.go, listen.go  what others watch
//	watch.go                          a configuration file that changes
//	cachebudget.go                    one cache memory, shared by all workers live
//	service*.go, notify.go            systemd: the unit, readiness, watchdog
//	doctor*.go                        what is wrong with this machine
//	reap_linux.go                     the duties of PID 1
//
// # Invariants
//
//   - A unit never waits for another one: every mount has a goroutine of its
//     own, and what is shared (events, smb.conf) never blocks on a remote.
//   - Nobody waits for a mount that leaves but who asked for it: the right to
//     change is given back before the waiting.
//   - Children are this very program (/proc/self/exe), also after the file at its
//     path was replaced.
//   - Whatever waits does so on the monotonic clock.
//   - The desired state is on disk before a command that changes it returns.
//   - The supervisor never touches a path inside a mount that it supervises, and
//     keeps no FUSE descriptor after the worker has it.
//   - No secret passes through here except as an Answer in memory.
//
// # Lock order
//
// Supervisor.mu, then unit.mu, then the locks of eventBus and logRing. No lock is
// held while a child is called or waited for.
package bridge
