package bridge

import (
	"context"
	"errors"
	"time"

	"sshfs-bridge/bridge/api"
)

// A mount that is taken away keeps its name until it is gone, which takes as long
// as what was written needs to land. Nobody waits for that but who asked for it.

// errLeaving says that a name is not free yet: u is on its way out.
type errLeaving struct{ u *unit }

func (e errLeaving) Error() string { return e.u.m.Name + " is being unmounted" }

// leave begins to take a unit away; what was written may take drain to land. Its
// removed is closed when it is gone. Where it is leaving already, a shorter drain
// counts from now.
func (s *Supervisor) leave(u *unit, drain time.Duration) {
	if !u.beginLeaving(drain) {
		return
	}
	// The share goes first, so that no client comes while its mount leaves.
	s.smb.hide(u.m.Name)
	u.cancel()
	go func() { // ends with run, whose steps each have an end
		<-u.done
		s.dropUnit(u)
	}()
}

// dropUnit forgets a unit that has ended.
func (s *Supervisor) dropUnit(u *unit) {
	if !s.forgetUnit(u) {
		return
	}
	s.smb.show(u.m.Name)
	s.smb.changed()
	s.shareCache()
	u.log.Info("mount removed")
	s.bus.publish(api.Event{Kind: api.EventRemoved, Mount: u.m.Name})
	close(u.removed)
}

// unitGone forgets a drop-in's mount that was unmounted by somebody else.
func (s *Supervisor) unitGone(u *unit) {
	<-u.done
	s.dropUnit(u)
}

// afterLeaving runs f, with the right to change, again and again until no name that
// it wants belongs to a mount on its way out.
func (s *Supervisor) afterLeaving(ctx context.Context, f func() error) error {
	for {
		if err := s.lockChange(ctx); err != nil {
			return err
		}
		err := f()
		s.unlockChange()
		var busy errLeaving
		if !errors.As(err, &busy) {
			return err
		}
		select {
		case <-busy.u.removed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
