package mounttree

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// table reads this process's mount table, in mount order.
func table() ([]*mountinfo.Info, error) {
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	return all, nil
}

// Mounts lists the names at which something is mounted, sorted.
func (t *Tree) Mounts() ([]string, error) {
	all, err := table()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range all {
		if filepath.Dir(m.Mountpoint) == t.Dir() {
			names = append(names, filepath.Base(m.Mountpoint))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// HubCovered says whether something is mounted upon the hub, as a drop-in
// sshfs does, so that the folders of the mounts are hidden.
func (t *Tree) HubCovered() (bool, error) {
	if t.hub == "" {
		return false, nil
	}
	all, err := table()
	if err != nil {
		return false, err
	}
	// A mount upon the hub has the hub's mount, which is ours, as its parent.
	hubs := map[int]bool{}
	for _, m := range all {
		if m.Mountpoint == t.hub && isView(m) {
			hubs[m.ID] = true
		}
	}
	for _, m := range all {
		if m.Mountpoint == t.hub && hubs[m.Parent] {
			return true, nil
		}
	}
	return false, nil
}

// StaleMounts lists the mount points of what Setup detaches: everything below
// the run directory, and at or below the hub what is ours or lies upon ours.
// It reads the mount table only.
func (t *Tree) StaleMounts() ([]string, error) {
	all, err := table()
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, m := range t.stale(all) {
		paths = append(paths, m.Mountpoint)
	}
	return paths, nil
}

func (t *Tree) stale(all []*mountinfo.Info) []*mountinfo.Info {
	byID := make(map[int]*mountinfo.Info, len(all))
	for _, m := range all {
		byID[m.ID] = m
	}
	var stale []*mountinfo.Info
	for _, m := range all {
		switch {
		case within(m.Mountpoint, t.Dir()), within(m.Mountpoint, t.staging()):
			stale = append(stale, m)
		case t.hub != "" && within(m.Mountpoint, t.hub) && t.uponOurs(m, byID):
			stale = append(stale, m)
		}
	}
	return stale
}

// uponOurs says whether m, or a mount that it lies upon or in, at or below
// the hub, is one of ours.
func (t *Tree) uponOurs(m *mountinfo.Info, byID map[int]*mountinfo.Info) bool {
	for m != nil && within(m.Mountpoint, t.hub) {
		if isView(m) || m.FSType == FSType {
			return true
		}
		if m.Parent == m.ID {
			break
		}
		m = byID[m.Parent]
	}
	return false
}

func isView(m *mountinfo.Info) bool { return m.FSType == "tmpfs" && m.Source == Source }

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// clear detaches every stale mount. Each round detaches the outermost ones
// with all that lies below them, so that no path leads through a mount that
// may be dead; mounts upon each other take a round each.
func (t *Tree) clear(ctx context.Context) error {
	for range maxStacked {
		if err := ctx.Err(); err != nil {
			return err
		}
		all, err := table()
		if err != nil {
			return err
		}
		stale := t.stale(all)
		if len(stale) == 0 {
			return nil
		}
		for _, path := range outermost(stale) {
			done, err := unmount(path, true)
			if err != nil {
				return fmt.Errorf("detach %s: %w", path, err)
			}
			if !done {
				t.log.LogAttrs(ctx, slog.LevelDebug, "mount detached", slog.String("path", path))
			}
		}
	}
	return fmt.Errorf("something is mounted at %s again and again", t.Dir())
}

// outermost leaves out the mount points that lie below another one.
func outermost(mounts []*mountinfo.Info) []string {
	var paths []string
	for _, m := range mounts {
		paths = append(paths, m.Mountpoint)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	var out []string
	for _, p := range paths {
		// Sorting puts a directory before what is in it, but "a-b" between
		// "a" and "a/b": compare with every one kept.
		if !slices.ContainsFunc(out, func(o string) bool { return within(p, o) }) {
			out = append(out, p)
		}
	}
	return out
}
