// Package sftp is a pipelined SFTP version 3 client over any byte stream.
//
// It is made for a filesystem whose latency is all round trips: a request goes
// onto the wire when it is started, however many others wait for their replies,
// and replies are matched by id in whatever order they come. The package knows
// nothing of SSH, of reconnecting or of retrying: one Client is one session, and
// when the stream ends, every call ends with it.
//
// # Terms
//
//   - call: one request and the reply to it. StartX puts a request into the
//     queue and returns its *Call; Wait gives the result. X(ctx, ...) does both.
//   - abandoned call: one whose Wait was given up (its context ended). Not yet
//     sent, it never is; already sent, its reply is thrown away when it comes,
//     and a handle that such a reply brings is closed again.
//   - session error: what ended the session. errors.Is(err, ErrConnectionLost)
//     holds for it, and for the error of every call that it took along.
//
// # Invariants
//
//   - Requests are on the wire in the order in which their StartX functions
//     were called (returned before the other was called, between goroutines).
//   - StartX never blocks on the network, so that no caller can be held beyond
//     its context by a stalled link: one goroutine writes, and gathers what has
//     queued up meanwhile into one Write.
//   - The bytes that a caller lends (READ's buffer, WRITE's data) are not touched
//     after Wait has returned, whether with a result or given up. StartWriteDirect
//     saves a copy and, in exchange, keeps the bytes when Wait is given up.
//   - A server cannot make the client allocate more than it asked for: frames
//     are at most 256 KiB, DATA at most what was asked, listings bounded. A reply
//     that breaks the protocol ends the session with an error that says how.
//
// # Goroutines and locks
//
// A Client has a reading goroutine, a writing one, and, at its end, one that
// closes the stream. Client.mu guards the queue and the table of calls; call.mu
// guards a call's state. LOCK ORDER: neither is ever taken while the other is
// held, and none while the stream is read or written.
package sftp
