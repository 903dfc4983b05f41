// Package bench measures a mount of ours beside sshfs, rclone and a local
// directory, and a share of ours beside sshfs and smbd, in one run.
//
// Terms. A work is one thing that people do (read a large file, unpack an
// archive). A system is one way to do it: the local directory, sshfs, rclone, us. A
// cell is a work on a system at one round-trip time, measured several times; what is
// reported is the median.
//
// Everything lies on a real sshd on loopback, behind a proxy that delays both
// directions. What is called cold is cold: each measurement has a fresh mount, and
// the machine's caches are dropped before it. What is called written lies on the
// server: the clock stops when the server's directory shows all of it, and the bytes
// are compared after that.
//
// A cell has a time limit. A work that can stop earlier does so, and its rate is
// that of the part that was done (marked ~), and it is not measured again; a work that
// hangs is ended by killing what serves its mount, and the cell has no figure. The whole
// ends within `make bench`'s 15 minutes, or `make bench-smb`'s 5: there are as many rounds as
// there is time for, three at most.
//
// Invariants: the process that serves a mount is never the one that looks into it
// (a documented deadlock), so every mount belongs to a child process; a failure or
// an interrupt leaves no mount and no process behind.
//
// Two benchmarks are the commands `make bench` and `make bench-smb`; the tests run
// the same with tiny sizes, so that it never rots. Environment variables choose what
// is measured: see settings.
package bench
