package sftp

import "fmt"

// Bits of Attrs.Valid.
const (
	AttrSize   uint32 = 0x00000001 // Size
	AttrUIDGID uint32 = 0x00000002 // UID and GID
	AttrMode   uint32 = 0x00000004 // Mode
	AttrTimes  uint32 = 0x00000008 // Atime and Mtime

	attrExtended uint32 = 0x80000000
)

// Flags of Open (SSH_FXF_*).
const (
	FlagRead      uint32 = 0x00000001
	FlagWrite     uint32 = 0x00000002
	FlagAppend    uint32 = 0x00000004
	FlagCreate    uint32 = 0x00000008
	FlagTruncate  uint32 = 0x00000010
	FlagExclusive uint32 = 0x00000020
)

// Attrs are a file's attributes as SFTP version 3 has them. Only what Valid
// names means anything.
type Attrs struct {
	Valid        uint32 // AttrSize | AttrUIDGID | AttrMode | AttrTimes
	Size         uint64 // bytes
	UID, GID     uint32
	Mode         uint32 // st_mode as on the wire: type and permission bits
	Atime, Mtime uint32 // seconds since 1970
}

// Name is an entry of a directory.
type Name struct {
	Name  string // raw bytes, one path element
	Attrs Attrs  // as lstat has them
}

// Handle names an open file or directory. It is the server's and opaque.
type Handle string

// StatVFS is the reply to statvfs@openssh.com, field by field as statvfs(3).
type StatVFS struct {
	BlockSize       uint64 // f_bsize
	FragmentSize    uint64 // f_frsize: the unit of Blocks, BlocksFree, BlocksAvailable
	Blocks          uint64
	BlocksFree      uint64
	BlocksAvailable uint64
	Files           uint64
	FilesFree       uint64
	FilesAvailable  uint64
	FilesystemID    uint64
	Flags           uint64 // 1 read-only, 2 no set-uid
	NameMax         uint64
}

// UsersGroups are the names that a server gave for numeric ids, in the order
// in which they were asked for; "" where it has none. They are the server's words,
// any bytes of any length, and not to be trusted.
type UsersGroups struct {
	Users, Groups []string
}

// Limits are what a session can carry in one request.
type Limits struct {
	MaxRead        uint32 // payload bytes of one READ
	MaxWrite       uint32 // payload bytes of one WRITE
	MaxOpenHandles uint64 // 0: unknown
}

// kind tells requests apart: the packet type, or the extension's name.
type kind uint8

const (
	kindOpen kind = iota
	kindClose
	kindRead
	kindWrite
	kindLstat
	kindFstat
	kindSetstat
	kindFsetstat
	kindOpenDir
	kindReadDir
	kindRemove
	kindMkdir
	kindRmdir
	kindRealpath
	kindStat
	kindRename
	kindReadlink
	kindSymlink
	kindPosixRename
	kindHardlink
	kindFsync
	kindStatVFS
	kindLimits
	kindCopyData
	kindLsetstat
	kindUsersGroups
	kindExpandPath
	kindCount
)

// kinds gives each kind the name under which it is counted and reported, its
// packet type, the extension it needs, and the type of its successful reply.
var kinds = [kindCount]struct {
	name      string
	packet    byte
	extension string
	reply     byte
}{
	kindOpen:        {"open", fxpOpen, "", fxpHandle},
	kindClose:       {"close", fxpClose, "", fxpStatus},
	kindRead:        {"read", fxpRead, "", fxpData},
	kindWrite:       {"write", fxpWrite, "", fxpStatus},
	kindLstat:       {"lstat", fxpLstat, "", fxpAttrs},
	kindFstat:       {"fstat", fxpFstat, "", fxpAttrs},
	kindSetstat:     {"setstat", fxpSetstat, "", fxpStatus},
	kindFsetstat:    {"fsetstat", fxpFsetstat, "", fxpStatus},
	kindOpenDir:     {"opendir", fxpOpendir, "", fxpHandle},
	kindReadDir:     {"readdir", fxpReaddir, "", fxpName},
	kindRemove:      {"remove", fxpRemove, "", fxpStatus},
	kindMkdir:       {"mkdir", fxpMkdir, "", fxpStatus},
	kindRmdir:       {"rmdir", fxpRmdir, "", fxpStatus},
	kindRealpath:    {"realpath", fxpRealpath, "", fxpName},
	kindStat:        {"stat", fxpStat, "", fxpAttrs},
	kindRename:      {"rename", fxpRename, "", fxpStatus},
	kindReadlink:    {"readlink", fxpReadlink, "", fxpName},
	kindSymlink:     {"symlink", fxpSymlink, "", fxpStatus},
	kindPosixRename: {"posix-rename", fxpExtended, ExtPosixRename, fxpStatus},
	kindHardlink:    {"hardlink", fxpExtended, ExtHardlink, fxpStatus},
	kindFsync:       {"fsync", fxpExtended, ExtFsync, fxpStatus},
	kindStatVFS:     {"statvfs", fxpExtended, ExtStatVFS, fxpExtendedReply},
	kindLimits:      {"limits", fxpExtended, ExtLimits, fxpExtendedReply},
	kindCopyData:    {"copy-data", fxpExtended, ExtCopyData, fxpStatus},
	kindLsetstat:    {"lsetstat", fxpExtended, ExtLsetstat, fxpStatus},
	kindUsersGroups: {"users-groups-by-id", fxpExtended, ExtUsersGroupsByID, fxpExtendedReply},
	kindExpandPath:  {"expand-path", fxpExtended, ExtExpandPath, fxpName},
}

func (k kind) String() string {
	if k < kindCount {
		return kinds[k].name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Extensions that this package can use, for Has.
const (
	ExtPosixRename     = "posix-rename@openssh.com"
	ExtHardlink        = "hardlink@openssh.com"
	ExtFsync           = "fsync@openssh.com"
	ExtStatVFS         = "statvfs@openssh.com"
	ExtLimits          = "limits@openssh.com"
	ExtCopyData        = "copy-data"
	ExtLsetstat        = "lsetstat@openssh.com"
	ExtUsersGroupsByID = "users-groups-by-id@openssh.com"
	ExtExpandPath      = "expand-path@openssh.com"
)
