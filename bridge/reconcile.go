package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

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
		cachePart:   s.cachePart,
		remoteChanged: func(mountpoint string, c worker.Change) {
			s.toucher.Touch(mountpoint, c.Dir, c.Names)
		},
	}, s.log)
	s.mu.Lock()
	s.units = append(s.units, u)
	s.mu.Unlock()
	s.smb.changed()
	s.shareCache()
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
func (s *Supervisor) Reload(ctx context.Context) (api.ReloadResult, error) {
	if s.o.Reload == nil {
		return api.ReloadResult{}, nil
	}
	s.notify.reloading()
	defer s.notify.tell(notifyReady)
	result, leaving, later, err := s.apply(ctx)
	if err != nil {
		return result, err
	}
	for _, u := range leaving {
		<-u.removed
	}
	return result, s.addLater(ctx, later)
}

// apply reads the configuration and does at once what can be done at once: leaving
// are the mounts that are on their way out, later those that wait for their names.
func (s *Supervisor) apply(ctx context.Context) (r api.ReloadResult, leaving []*unit, later []Mount, err error) {
	if err := s.lockChange(ctx); err != nil {
		return r, nil, nil, err
	}
	defer s.unlockChange()
	if s.isStopping() {
		return r, nil, nil, errStopping("")
	}
	next, err := s.o.Reload()
	if err != nil {
		s.bus.publish(api.Event{Kind: api.EventConfig, Message: "the new configuration was refused: " + err.Error()})
		return r, nil, nil, err
	}
	restart, waiting := s.adopt(next)
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
	s.shareCache()
	s.setLogLevel(next.LogLevel)
	r = api.ReloadResult{Removed: len(drop), Added: len(want), NextStart: waiting, Notes: notes}
	msg := fmt.Sprintf("configuration read again: %d mounts taken away, %d added", r.Removed, r.Added)
	s.log.Info("configuration read again", "removed", r.Removed, "added", r.Added, "notes", notes)
	if len(waiting) > 0 {
		s.log.Warn("some settings change with the next start only", "keys", waiting)
		msg += "; with the next start: " + strings.Join(waiting, ", ")
	}
	s.bus.publish(api.Event{Kind: api.EventConfig, Message: msg})
	return r, drop, later, nil
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

// nextStart are the settings that cannot change while this runs: what they are about
// is in use.
var nextStart = []string{
	"state_dir", "run_dir", "hub", "metrics_listen", "log_format",
	"smb.enabled", "smb.program", "smb.ports", "smb.interfaces",
}

// adopt takes over the settings that can change while running. restart says that
// they concern every mount, waiting which others changed: those stay as they are.
func (s *Supervisor) adopt(next Config) (restart bool, waiting []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.c
	before, after := old.values(), next.values()
	for _, key := range nextStart {
		if !reflect.DeepEqual(before[key], after[key]) {
			waiting = append(waiting, key)
		}
	}
	next.StateDir, next.RunDir, next.Hub = old.StateDir, old.RunDir, old.Hub
	next.SMB.Program, next.SMB.Enabled, next.SMB.Ports, next.SMB.Interfaces = old.SMB.Program, old.SMB.Enabled, old.SMB.Ports, old.SMB.Interfaces
	next.MetricsListen, next.LogFormat = old.MetricsListen, old.LogFormat
	s.c = next
	return next.SSHDir != old.SSHDir || next.AgentSocket != old.AgentSocket || next.UID != old.UID || next.GID != old.GID, waiting
}

// setLogLevel has everyone log from that level on.
func (s *Supervisor) setLogLevel(l slog.Level) {
	if s.o.Level != nil {
		s.o.Level.Set(l)
	}
	for _, u := range s.allUnits() {
		if p := u.worker(); p != nil {
			if err := p.SetLogLevel(l); err != nil {
				u.log.Debug("worker not told the level of its log", "err", err)
			}
		}
	}
}

// sameMount says whether two mounts ask for the same, wherever they were asked for.
func sameMount(a, b Mount) bool {
	return a.Source == b.Source && reflect.DeepEqual(a.MountSpec, b.MountSpec)
}

func errStopping(mount string) *api.Error {
	return &api.Error{Code: api.CodeUnavailable, Mount: mount, Message: "the supervisor is stopping"}
}
