package bridge

import (
	"context"
	"fmt"
	"reflect"
	"slices"

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

// Reload reads the configuration again and applies it: mounts that did not
// change are untouched. A configuration with problems is refused as a whole.
func (s *Supervisor) Reload(ctx context.Context) error {
	if s.o.Reload == nil {
		return nil
	}
	s.notify.reloading()
	defer s.notify.tell(notifyReady)
	leaving, later, err := s.apply(ctx)
	if err != nil {
		return err
	}
	for _, u := range leaving {
		<-u.removed
	}
	return s.addLater(ctx, later)
}

// apply reads the configuration and does at once what can be done at once: leaving
// are the mounts that are on their way out, later those that wait for their names.
func (s *Supervisor) apply(ctx context.Context) (leaving []*unit, later []Mount, err error) {
	if err := s.lockChange(ctx); err != nil {
		return nil, nil, err
	}
	defer s.unlockChange()
	if s.isStopping() {
		return nil, nil, errStopping("")
	}
	next, err := s.o.Reload()
	if err != nil {
		s.bus.publish(api.Event{Kind: api.EventConfig, Message: "the new configuration was refused: " + err.Error()})
		return nil, nil, err
	}
	restart := s.adopt(next)
	s.mu.Lock()
	want, notes := s.des.merge(next.Mounts)
	s.mu.Unlock()
	var drop []*unit
	for _, u := range s.allUnits() {
		if u.m.Source == api.SourceSSHFS || u.isLeaving() {
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
		s.leave(u, defaultDrain)
	}
	// A name is free when its mount is gone, which may take a while: the others
	// do not wait for it.
	var now []Mount
	for _, m := range want {
		if s.find(m.Name) == nil {
			now = append(now, m)
		} else {
			later = append(later, m)
		}
	}
	s.addUnits(now)
	s.smb.changed()
	msg := fmt.Sprintf("configuration read again: %d mounts taken away, %d added", len(drop), len(want))
	s.log.Info("configuration read again", "removed", len(drop), "added", len(want), "notes", notes)
	s.bus.publish(api.Event{Kind: api.EventConfig, Message: msg})
	return drop, later, nil
}

// addLater adds mounts whose names are free now, unless somebody else has taken
// them or does not want them any more.
func (s *Supervisor) addLater(ctx context.Context, later []Mount) error {
	if len(later) == 0 {
		return nil
	}
	if err := s.lockChange(ctx); err != nil {
		return err
	}
	defer s.unlockChange()
	if s.isStopping() {
		return errStopping("")
	}
	s.mu.Lock()
	wanted, _ := s.des.merge(s.c.Mounts)
	s.mu.Unlock()
	later = slices.DeleteFunc(later, func(m Mount) bool {
		return s.find(m.Name) != nil || !slices.ContainsFunc(wanted, func(w Mount) bool { return sameMount(w, m) })
	})
	s.addUnits(later)
	s.smb.changed()
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
