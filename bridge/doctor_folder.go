package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"sshfs-bridge/fusefs/remote"
	"sshfs-bridge/fusefs/sftp"
)

// checkFolder looks at the folder that a mount of path would show to user, in two
// round trips.
func checkFolder(ctx context.Context, check string, c *sftp.Client, user, path string) Finding {
	fail := func(finding, remedy string) Finding { return Finding{check, VerdictFail, finding, remedy} }
	path, err := remote.ExpandRoot(ctx, c, path)
	if err != nil {
		return fail(err.Error(), "write the path from / on, or try `sftp` there")
	}
	// The dot asks for the right to enter besides that to read.
	realpath, stat, open := c.StartRealpath(path), c.StartStat(path), c.StartOpenDir(strings.TrimRight(path, "/")+"/.")
	absolute, realErr := realpath.Wait(ctx)
	a, err := stat.Wait(ctx)
	h, openErr := open.Wait(ctx)
	if openErr == nil {
		defer func() { c.StartCloseHandle(h).Abandon() }()
	}
	if realErr == nil && !strings.HasPrefix(path, "/") {
		path = absolute
	}
	path = plain(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(path+" is not there", "name a folder that is there, or make this one on the server")
	case errors.Is(err, fs.ErrPermission):
		return fail(user+" may not get at "+path, "on the server, let "+user+" enter the folders above it, or log in as somebody who may")
	case err != nil:
		return fail(err.Error(), "try `sftp` there")
	case a.Valid&sftp.AttrMode != 0 && a.Mode&syscall.S_IFMT != syscall.S_IFDIR:
		return fail(path+" is no folder", "name the folder that it is in")
	}
	var names *sftp.Call[sftp.UsersGroups]
	if a.Valid&sftp.AttrUIDGID != 0 {
		names = c.StartUsersGroupsByID([]uint32{a.UID}, []uint32{a.GID})
	}
	if openErr == nil { // some servers look only when they are asked for what is in it
		if _, openErr = c.StartReadDirPacket(h).Wait(ctx); errors.Is(openErr, io.EOF) && c.Err() == nil {
			openErr = nil // it is empty
		}
	}
	found := path + " is a folder"
	if names != nil {
		known, _ := names.Wait(ctx) // without them there are the numbers
		found += " of " + nameOr(known.Users, a.UID) + ":" + nameOr(known.Groups, a.GID)
	}
	if a.Valid&sftp.AttrMode != 0 {
		found += fmt.Sprintf(", mode %04o", a.Mode&0o7777)
	}
	switch {
	case errors.Is(openErr, fs.ErrPermission):
		return fail(found+": "+user+" may not look into it", "on the server, let "+user+" read and enter it, or log in as somebody who may")
	case openErr != nil:
		return fail(found+": "+openErr.Error(), "try `sftp` there")
	}
	return Finding{check, VerdictOK, found, ""}
}

// nameOr is the one name that the server gave, else the number.
func nameOr(names []string, id uint32) string {
	if len(names) == 1 && names[0] != "" {
		return plain(names[0])
	}
	return strconv.FormatUint(uint64(id), 10)
}

// plain is what a server says, cut to the length of a path, and quoted where a terminal
// could trip over it.
func plain(s string) string {
	s = s[:min(len(s), syscall.PathMax)]
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable) {
		return s
	}
	return strconv.Quote(s)
}
