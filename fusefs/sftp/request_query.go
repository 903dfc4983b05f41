package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
)

// decodePath takes the NAME reply that carries one path.
func decodePath(d *decoder) (string, error) {
	if n := d.u32(); d.err == nil && n != 1 {
		return "", fmt.Errorf("%d names instead of one", n)
	}
	name := d.bytes()
	if d.err == nil && (len(name) == 0 || bytes.IndexByte(name, 0) >= 0) {
		return "", fmt.Errorf("bad path %q", name)
	}
	// The long name and the attributes, which mean nothing here, some servers
	// leave out.
	return string(name), d.err
}

// StartReadlink asks what a symbolic link says: any bytes but NUL.
func (c *Client) StartReadlink(path string) *Call[string] {
	return startPath(c, kindReadlink, path, nil, decodePath)
}

// Readlink is StartReadlink and Wait.
func (c *Client) Readlink(ctx context.Context, path string) (string, error) {
	return c.StartReadlink(path).Wait(ctx)
}

// StartRealpath asks for the absolute path; "." is the starting directory. Servers
// differ in what they say of a path that does not exist.
func (c *Client) StartRealpath(path string) *Call[string] {
	return startPath(c, kindRealpath, path, nil, decodePath)
}

// Realpath is StartRealpath and Wait.
func (c *Client) Realpath(ctx context.Context, path string) (string, error) {
	return c.StartRealpath(path).Wait(ctx)
}

// StartExpandPath is StartRealpath that also knows "~", "~/x" and "~user/x". Where
// the server lacks ExtExpandPath, "~" is taken for its starting directory, and
// "~user" is errors.ErrUnsupported.
func (c *Client) StartExpandPath(path string) *Call[string] {
	if c.Has(ExtExpandPath) {
		return startPath(c, kindExpandPath, path, nil, decodePath)
	}
	if path == "~" || strings.HasPrefix(path, "~/") {
		rest := strings.TrimLeft(path[1:], "/")
		if rest == "" {
			rest = "."
		}
		return c.StartRealpath(rest)
	}
	if strings.HasPrefix(path, "~") {
		return failed[string](c, kindExpandPath, unsupported(kindExpandPath, path))
	}
	return c.StartRealpath(path)
}

// ExpandPath is StartExpandPath and Wait.
func (c *Client) ExpandPath(ctx context.Context, path string) (string, error) {
	return c.StartExpandPath(path).Wait(ctx)
}

func decodeStatVFS(d *decoder) (StatVFS, error) {
	s := StatVFS{
		BlockSize: d.u64(), FragmentSize: d.u64(),
		Blocks: d.u64(), BlocksFree: d.u64(), BlocksAvailable: d.u64(),
		Files: d.u64(), FilesFree: d.u64(), FilesAvailable: d.u64(),
		FilesystemID: d.u64(), Flags: d.u64(), NameMax: d.u64(),
	}
	return s, d.err
}

// StartStatVFS asks for the file system that holds path. Without ExtStatVFS it is
// errors.ErrUnsupported.
func (c *Client) StartStatVFS(path string) *Call[StatVFS] {
	return startPath(c, kindStatVFS, path, nil, decodeStatVFS)
}

// StatVFS is StartStatVFS and Wait.
func (c *Client) StatVFS(ctx context.Context, path string) (StatVFS, error) {
	return c.StartStatVFS(path).Wait(ctx)
}

// startLimits asks for the session's limits. A limit of 0 means that the server
// does not say.
func (c *Client) startLimits() *Call[Limits] {
	return start(c, kindLimits, "", c.newFrame(kindLimits), func(d *decoder) (Limits, error) {
		packet, read, write, handles := d.u64(), d.u64(), d.u64(), d.u64()
		if d.err != nil {
			return Limits{}, d.err
		}
		if packet == 0 {
			packet = math.MaxUint64
		}
		payload := func(limit uint64) uint32 {
			if limit == 0 {
				limit = defaultPayload
			}
			// The packet also has the request's other fields: 1 KiB is more than
			// the longest handle takes. A server that allows next to nothing
			// still gets requests that can make progress.
			if packet > 2048 {
				limit = min(limit, packet-1024)
			}
			return uint32(max(512, min(limit, maxPayload)))
		}
		return Limits{MaxRead: payload(read), MaxWrite: payload(write), MaxOpenHandles: handles}, nil
	})
}

// StartUsersGroupsByID asks for the names of numeric ids. Without
// ExtUsersGroupsByID it is errors.ErrUnsupported.
func (c *Client) StartUsersGroupsByID(uids, gids []uint32) *Call[UsersGroups] {
	if !c.Has(ExtUsersGroupsByID) {
		return failed[UsersGroups](c, kindUsersGroups, unsupported(kindUsersGroups, ""))
	}
	f := c.newFrame(kindUsersGroups)
	for _, ids := range [][]uint32{uids, gids} {
		f.u32(uint32(4 * len(ids)))
		for _, id := range ids {
			f.u32(id)
		}
	}
	users, groups := len(uids), len(gids)
	return start(c, kindUsersGroups, "", f, func(d *decoder) (UsersGroups, error) {
		u, err1 := decodeIDNames(d.bytes(), users)
		g, err2 := decodeIDNames(d.bytes(), groups)
		return UsersGroups{Users: u, Groups: g}, errors.Join(d.err, err1, err2)
	})
}

// UsersGroupsByID is StartUsersGroupsByID and Wait.
func (c *Client) UsersGroupsByID(ctx context.Context, uids, gids []uint32) (UsersGroups, error) {
	return c.StartUsersGroupsByID(uids, gids).Wait(ctx)
}

// decodeIDNames takes n strings and nothing else.
func decodeIDNames(b []byte, n int) ([]string, error) {
	d := decoder{b: b}
	names := make([]string, 0, n)
	for range n {
		names = append(names, string(d.bytes()))
	}
	if d.err == nil && len(d.b) > 0 {
		return nil, fmt.Errorf("more names than the %d asked for", n)
	}
	return names, d.err
}
