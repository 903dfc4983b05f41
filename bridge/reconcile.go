package bridge

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
)

// addUnit makes the unit of a mount, which the caller starts.
func (s *Supervisor) addUnit(m Mount) *unit {
	u := newUnit(s.unitCtx, m, s.sys.mountpoint(m), unitParts{
		mount:       s.sys.mount,
		start:       s.sys.start,
		detach:      s.sys.detach,
		release:     s.sys.release,
		closeShare:  s.smb.closeShare,
		keepHostKey: s.keys.keep,
		publish:     s.bus.publish,
		gone:        s.unitGone,
		remoteChanged: func(mountpoint string, c worker.Change) {
			s.toucher.Touch(mountpoint, c.Dir, c.Names)
		},
	}, s.log)
	s.mu.Lock()
	s.units = append(s.units, u)
	s.mu.Unlock()
	s.smb.changed()
	u.log.Info("mount added", "remote", m.Remote, "source", m.Source)
	st := s.unitStatus(u)
	s.bus.publish(api.Event{Kind: api.EventAdded, Mount: m.Name, Status: &st})
	return u
}

// addUnits adds all before it starts the first: they share the cache memory.
func (s *Supervisor) addUnits(mounts []Mount) {
	units := make([]*unit, len(mounts))
	for i, m := range mounts {
		units[i] = s.addUnit(m)
	}
	for _, u := range units {
		u.start()
	}
}

// removeUnit stops a unit and forgets it.
func (s *Supervisor) removeUnit(u *unit, drain time.Duration) {
	// The share goes first, so that no client comes while its mount leaves.
	s.smb.hide(u.m.Name)
	// Waiting has no end of its own: the unit's steps each have theirs.
	_ = u.stop(context.Background(), drain)
	s.dropUnit(u)
}

func (s *Supervisor) dropUnit(u *unit) {
	s.mu.Lock()
	s.units = slices.DeleteFunc(s.units, func(o *unit) bool { return o == u })
	s.mu.Unlock()
	s.smb.show(u.m.Name)
	s.smb.changed()
	u.log.Info("mount removed")
	s.bus.publish(api.Event{Kind: api.EventRemoved, Mount: u.m.Name})
}

// unitGone forgets a drop-in's mount that was unmounted by somebody else.
func (s *Supervisor) unitGone(u *unit) {
	<-u.done
	if s.find(u.m.Name) == u {
		s.dropUnit(u)
	}
}

// Reload reads the configuration again and applies it: mounts that did not
// change are untouched. A configuration with problems is refused as a whole.
func (s *Supervisor) Reload(ctx context.Context) error {
	if s.o.Reload == nil {
		return nil
	}
	if err := s.lockChange(ctx); err != nil {
		return err
	}
	defer s.unlockChange()
	if s.isStopping() {
		return errStopping("")
	}
	s.notify.reloading()
	defer s.notify.tell(notifyReady)
	next, err := s.o.Reload()
	if err != nil {
		s.bus.publish(api.Event{Kind: api.EventConfig, Message: "the new configuration was refused: " + err.Error()})
		return err
	}
	restart := s.adopt(next)
	s.mu.Lock()
	want, notes := s.des.merge(next.Mounts)
	s.mu.Unlock()
	var drop []*unit
	for _, u := range s.allUnits() {
		if u.m.Source == api.SourceSSHFS {
			continue
		}
		i := slices.IndexFunc(want, func(m Mount) bool { return sameMount(m, u.m) })
		if i < 0 || restart {
			drop = append(drop, u)
			continue
		}
		want = slices.Delete(want, i, i+1)
	}
	for _, u := range drop {
		s.removeUnit(u, defaultDrain)
	}
	s.addUnits(want)
	s.smb.changed()
	msg := fmt.Sprintf("configuration read again: %d mounts taken away, %d added", len(drop), len(want))
	s.log.Info("configuration read again", "removed", len(drop), "added", len(want), "notes", notes)
	s.bus.publish(api.Event{Kind: api.EventConfig, Message: msg})
	return nil
}

// adopt takes over the settings that can change while running, and says
// whether they concern every mount. Directories stay until the next start.
func (s *Supervisor) adopt(next Config) (restart bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.c
	if next.StateDir != old.StateDir || next.RunDir != old.RunDir || next.Hub != old.Hub || next.SMB.Program != old.SMB.Program ||
		next.SMB.Enabled != old.SMB.Enabled || !slices.Equal(next.SMB.Ports, old.SMB.Ports) || !slices.Equal(next.SMB.Interfaces, old.SMB.Interfaces) || next.MetricsListen != old.MetricsListen {
		s.log.Warn("directories, smbd's program, ports and interfaces change with the next start only")
	}
	next.StateDir, next.RunDir, next.Hub = old.StateDir, old.RunDir, old.Hub
	next.SMB.Program, next.SMB.Enabled, next.SMB.Ports, next.SMB.Interfaces = old.SMB.Program, old.SMB.Enabled, old.SMB.Ports, old.SMB.Interfaces
	next.MetricsListen = old.MetricsListen
	s.c = next
	return next.SSHDir != old.SSHDir || next.AgentSocket != old.AgentSocket || next.UID != old.UID || next.GID != old.GID
}

// sameMount says whether two mounts ask for the same, wherever they were asked for.
func sameMount(a, b Mount) bool {
	return a.Source == b.Source && reflect.DeepEqual(a.MountSpec, b.MountSpec)
}

func errStopping(mount string) *api.Error {
	return &api.Error{Code: api.CodeUnavailable, Mount: mount, Message: "the supervisor is stopping"}
}
