// Package remote is one directory tree of one SSH server, kept reachable over a link that
// may break. Every operation ends in bounded time; a lost connection is made again; what
// was open or half done goes on where it was, or fails, and never goes on with other
// data.
//
// # Terms
//
//   - Connection: one SSH connection (Conn), made by a Dialer.
//   - Channel: one SFTP session on a connection. The control channel of a link carries
//     what concerns paths, data channels carry open files. SSH lets a channel have 2 MiB
//     on the way, so a stream over a long way needs several.
//   - Link: what is open between two losses: the first connection with the control
//     channel, data channels, further connections. It ends as a whole with its first
//     connection or control channel; the others come and go.
//   - Flow: the file data in flight in one direction. It is bounded to what the link
//     carries in about two round trips, so that nothing waits behind it for long; what it
//     could use beyond its channels' windows makes the link grow.
//   - Lane: an open file's handle on one channel. Handles belong to a session: a file
//     that is striped is opened once per channel. The first lane is home, where what must
//     keep its order goes. Where a server allows no more handles, files that are idle are
//     left without any, and opened again when they are used.
//   - Op: a queued change of an open file, held until it is acknowledged.
//   - Object: what all files opened under one name share: where it is now, and what it
//     must look like to be opened again.
//
// # What is promised
//
//   - An operation on a path ends within PathTimeout, and at once while the link is known
//     to be down: after a failed attempt to connect, after LossGrace, or after another
//     one timed out with no sign of life since (which is asked for each second). It waits
//     for the first connection, for one that is made on demand, and for a person's
//     attempt.
//   - An operation on an open file ends after DataTimeout without progress, and waits as
//     long for a lost connection. A request that is merely behind others in the server's
//     queue is not late, and one that outlives its connection without an answer has only
//     what is left of that time on the next. Where a connection falls silent, both times
//     can follow each other: first it is noticed, then waited for.
//   - Trouble with the link is ErrLinkDown, ErrTimeout or ErrChanged, and never answers
//     to fs.ErrNotExist and the like: causes are kept out of the chain.
//   - A change whose answer was lost (mkdir, rmdir, remove, rename, link, symlink,
//     exclusive create) is found out by looking, and asked for again where it did not
//     happen. What somebody else did in that moment cannot be told apart from what we
//     did.
//   - A file is opened again by path, with no flag that changes anything, and only goes
//     on if type, owner, size and mtime are what they were; while our own writes are
//     under way, if the size lies between what was acknowledged and what was sent. What
//     the server refuses to open although it is unchanged is asked for again until
//     DataTimeout. SFTP v3 has no inode numbers: a file that was replaced by one that
//     looks the same is taken for it. A file that we removed or replaced ends with its
//     session. While a rename or remove of ours is under way, nothing is opened by the
//     names that it concerns; where its answer never comes, the server is asked what
//     became of it. Who uses a Remote keeps the first open of a name apart from a rename
//     to it.
//   - Writes are acknowledged, in flight, or held here; never more than WindowBytes of
//     them, nor than the link carries in about a second once that is known. They are sent
//     again after a loss at the same offsets, so nothing is doubled. Overlapping writes
//     are never in flight together, and a change of attributes (a size among them) goes
//     behind all writes before it: on one channel of a server that keeps the order in the
//     same flight, otherwise after they are acknowledged.
//   - A refused login or host key is never tried again by itself. There is one dial at a
//     time, with a jittered back-off, and further connections ask no person. One of these
//     is made at once where a round trip is so long that a stream will want it, others
//     when a stream has proven to need them; small files cause none.
//
// # What a stalled session may still do
//
// When a connection is given up because it is silent, the server may not know: what it
// had received of it may be carried out later, until its own TCP gives up. These are
// writes that are sent again to the same offsets with the same bytes, so the file is
// right unless it was written again in between at the same place by a later write of
// ours: then the old bytes can come back. A change of the size (ftruncate, an open that
// empties the file) that is carried out so late cuts off what was written behind it
// since. A server that ends dead sessions soon (ClientAliveInterval) makes that window
// small; nothing a client can do closes it. An acknowledged write that was not synced can
// be lost with the server's machine; that is what Sync is for. Whether that machine was
// started anew between a write and its Sync cannot be seen, if the connection was lost
// and the file has the size that it should have.
//
// # Memory
//
// A Remote holds at most WindowBytes of writes, in buffers of which half may be empty,
// and half of WindowBytes for what it knows of each (opCost), which counts where a
// program writes single bytes here and there; besides, for each of its channels
// (MaxChannels times MaxConnections), the 2 MiB that may be on their way and half a MiB
// of its own: 235 MiB with the defaults, whatever happens to the link.
//
// # Locks
//
// LOCK ORDER: File.mu before objectTable.mu; Remote.mu before objectTable.mu and
// tasks.mu; link.mu before a session's own; the locks of copySet, gate, flow (estMu, then
// its gate's), rateLimit, rttEstimate, requestList, counters and tasks are leaves.
// File.mu and Remote.mu, File.mu and link.mu, and two File.mu are never held together.
// Nothing waits for the network, for a window or for another goroutine while it holds a
// lock. A goroutine takes a File's room before the flow's, and waits for either only
// while it holds no answered request of its own.
package remote
