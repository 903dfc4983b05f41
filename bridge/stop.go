package bridge

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Docker kills after ten seconds; these add up to less than eight.
const (
	stopSMB      = 2 * time.Second
	stopUnits    = 4 * time.Second
	stopTeardown = time.Second
	stopControl  = 500 * time.Millisecond
)

// stop takes everything down in the order that loses nothing: no new
// requests; smbd closes its clients' files, which sends what they wrote on its
// way; the workers drain and the mounts go; then the tree and the socket.
func (s *Supervisor) stop(server *http.Server, endSMB func()) error {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.log.Info("supervisor is stopping")
	s.notify.tell(notifyStopping, "STATUS=what was written lands")
	// What is being changed is finished first, as far as that is quick.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	if s.lockChange(ctx) == nil {
		defer s.unlockChange()
	}
	cancel()
	endSMB()
	s.stopUnits()
	ctx, cancel = context.WithTimeout(context.Background(), stopTeardown)
	defer cancel()
	if err := s.sys.teardown(ctx); err != nil {
		s.log.Error("mount tree not taken down", "err", err)
	}
	s.bus.close() // ends the streams, which Shutdown would wait for
	ctx, cancel = context.WithTimeout(context.Background(), stopControl)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // the streams of people who do not let go
	}
	return nil
}

// stopUnits takes all mounts down at once, so that the slowest one sets the
// time. What is still mounted after it goes with the tree, lazily.
func (s *Supervisor) stopUnits() {
	ctx, cancel := context.WithTimeout(context.Background(), stopUnits)
	defer cancel()
	var group sync.WaitGroup
	for _, u := range s.allUnits() {
		group.Go(func() {
			if err := u.stop(ctx, stopUnits-time.Second); err == nil {
				return
			}
			u.log.Error("mount does not end, its worker is killed")
			if p := u.worker(); p != nil {
				p.Kill()
			}
			if err := s.sys.detach(u.m, true); err != nil {
				u.log.Error("mount not detached", "err", err)
			}
		})
	}
	group.Wait()
}
