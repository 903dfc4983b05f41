// Package mounttree keeps the directory in which every mount is made and the
// hub that shows them, and it clears what a killed predecessor left there.
//
// # Terms
//
// The tree is RunDir/mnt, with one directory a mount (a mount point). The hub
// (/samba-share) is a second view of it: what is mounted at RunDir/mnt/NAME
// is seen at HUB/NAME too.
//
// # How it is built
//
// Both views are the same tiny tmpfs, mounted read-only, so that nothing can
// be written where nothing is mounted: not by smbd, not by root (what lands
// there would vanish with the container). The one writable mount of that
// tmpfs is in no namespace: it lives on a descriptor which only the Tree
// holds, and only mkdir and rmdir go through it. So there is no moment in
// which a view is writable.
//
// RunDir/mnt is shared, in a peer group of its own whatever the propagation
// of the mount below (private in a container, shared on most hosts): a mount
// made in it later reaches the hub and every mount namespace that was cloned
// from ours earlier. The hub is a slave of it, so that what is mounted upon
// the hub (a drop-in sshfs) stays there, and shared itself, so that this too
// reaches those namespaces.
//
// # Invariants
//
//   - Nothing in this package looks into a mount: no stat, no open, no
//     readdir at or below a mount point. A FUSE mount whose worker is dead
//     or stuck would hang the supervisor. The mount table is all it reads.
//   - A foreign mount at the hub (a volume of the user's) is never unmounted:
//     the hub is put upon it.
//
// Lock order: Tree.mu is the only lock; it is held over mount(2) and
// umount(2), and over nothing else that can block.
package mounttree
