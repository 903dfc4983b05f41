package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"sshfs-bridge/bridge/api"
)

// desiredVersion is the format of desired.json. A file of a newer one is
// refused rather than misread and overwritten.
const desiredVersion = 1

// desired is what commands changed, as desired.json keeps it: the mounts they
// added, and those of the configuration that they took away.
type desired struct {
	Version   int             `json:"version"`
	Mounts    []api.MountSpec `json:"mounts"`
	Unmounted []string        `json:"unmounted,omitempty"`
}

func desiredPath(stateDir string) string { return filepath.Join(stateDir, "desired.json") }

// loadDesired reads the file; a missing one is empty. A file that cannot be
// understood is kept beside its place, and note says so.
func loadDesired(stateDir string) (d desired, note string, err error) {
	path := desiredPath(stateDir)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return desired{Version: desiredVersion}, "", nil
	}
	if err != nil {
		return d, "", fmt.Errorf("read the desired state: %w", err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		aside := path + ".damaged"
		if err := os.Rename(path, aside); err != nil {
			return d, "", fmt.Errorf("put the damaged desired state aside: %w", err)
		}
		return desired{Version: desiredVersion}, fmt.Sprintf("%s was damaged and is now %s: mounts that were added by command are gone", path, aside), nil
	}
	if d.Version > desiredVersion {
		return d, "", fmt.Errorf("%s was written by a newer sshfs-bridge (format %d): run that one, or move the file away", path, d.Version)
	}
	// A mount that no longer passes the checks must not keep the others from starting.
	kept := d.Mounts[:0]
	for _, m := range d.Mounts {
		if ps := CheckSpec(m); len(ps) > 0 {
			note = fmt.Sprintf("the mount %q of %s is left out: %s", m.Name, path, ps[0])
			continue
		}
		kept = append(kept, m)
	}
	d.Mounts = kept
	return d, note, nil
}

// peekDesired reads the file as it is, for somebody who only looks; what cannot be
// read or understood is empty.
func peekDesired(stateDir string) *desired {
	var d desired
	data, err := os.ReadFile(desiredPath(stateDir))
	if err != nil || json.Unmarshal(data, &d) != nil || d.Version > desiredVersion {
		return &desired{}
	}
	return &d
}

// save writes the file atomically, so that a kill leaves the old or the new one.
func (d desired) save(stateDir string) error {
	d.Version = desiredVersion
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the desired state: %w", err)
	}
	if err := renameio.WriteFile(desiredPath(stateDir), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("save the desired state: %w", err)
	}
	return nil
}

// add puts a mount in, in place of one of the same name.
func (d *desired) add(m api.MountSpec) {
	d.remove(m.Name)
	d.Mounts = append(d.Mounts, m)
}

// remove takes a mount out, and forgets that a configured one was unmounted.
func (d *desired) remove(name string) {
	d.Mounts = slices.DeleteFunc(d.Mounts, func(m api.MountSpec) bool { return sameName(m.Name, name) })
	d.Unmounted = slices.DeleteFunc(d.Unmounted, func(n string) bool { return sameName(n, name) })
}

// merge is the desired state: the mounts of the configuration but those that
// were unmounted by command, then the mounts of commands. The configuration
// wins where both use a name; notes say so.
func (d *desired) merge(configured []Mount) (all []Mount, notes []string) {
	for _, m := range configured {
		if !slices.ContainsFunc(d.Unmounted, func(n string) bool { return sameName(n, m.Name) }) {
			all = append(all, m)
		}
	}
	for _, m := range d.Mounts {
		i := slices.IndexFunc(configured, func(o Mount) bool { return sameName(o.Name, m.Name) })
		if i >= 0 {
			notes = append(notes, fmt.Sprintf("the mount %q that was added by command gives way to the one of the %s", m.Name, configured[i].Source))
			continue
		}
		all = append(all, Mount{MountSpec: m, Source: api.SourceCommand})
	}
	return all, notes
}

// clone is a copy that can be changed without touching the original.
func (d desired) clone() desired {
	d.Mounts, d.Unmounted = slices.Clone(d.Mounts), slices.Clone(d.Unmounted)
	return d
}
