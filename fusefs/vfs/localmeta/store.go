package localmeta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// commitAt is how long a journal may become before it is committed, and
	// refuseAt at which length changes are refused: then commits have failed
	// for a while.
	commitAt = 4 << 20
	refuseAt = 32 << 20
	// rowBytes is added to what a change is expected to need, for the keys of the
	// rows that it makes.
	rowBytes = 64
)

// Store is the local metadata of one mount. All methods are safe for concurrent
// use and ask no network; they wait for the disk while a commit is under way.
// Errors of changes are syscall.Errno: ENOSPC at the bounds and on a full disk,
// EIO after damage, ENAMETOOLONG.
type Store struct {
	o     Options
	log   *slog.Logger
	notes []string

	wake chan struct{} // something waits for a commit
	quit chan struct{} // Close was called
	done chan struct{} // run has returned

	// mu guards what follows.
	mu      sync.Mutex
	db      *bbolt.DB
	tx      *bbolt.Tx
	t       tables
	journal *journal // nil in memory
	gen     uint64
	dirty   int64 // bytes of changes since the last commit
	broken  error // why nothing works any more
	closed  bool
}

// Notes are what a person should know of how the store was opened.
func (s *Store) Notes() []string { return slices.Clone(s.notes) }

// Usage tells the bytes that are kept, and their bound.
func (s *Store) Usage() (used, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.t.used, s.o.MaxBytes
}

// Sync has everything that was changed on the disk when it returns.
func (s *Store) Sync() error {
	return s.do(func() error {
		if s.dirty == 0 {
			return nil
		}
		return s.commit()
	})
}

// Close commits and closes. Every later call is an error, or finds nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.quit)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.broken == nil && s.dirty > 0 {
		func() {
			defer s.guard(&err)()
			err = s.commit()
		}()
	}
	s.closeDB()
	if s.o.Files != nil {
		if errors.Is(s.broken, errDamaged) {
			err = errors.Join(err, s.o.Files.setAside())
		}
		s.o.Files.Close()
	}
	if err != nil {
		return fmt.Errorf("close the local metadata: %w", err)
	}
	return nil
}

// run commits.
func (s *Store) run() {
	defer close(s.done)
	timer := time.NewTimer(s.o.CommitEvery)
	defer timer.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-s.wake:
		}
		timer.Reset(s.o.CommitEvery)
		select {
		case <-s.quit:
			return
		case <-timer.C:
		}
		err := s.Sync()
		if s.gaveUp() {
			return // which was told
		}
		if err != nil {
			s.log.Error("local metadata not written", "err", err)
			s.want()
		}
	}
}

// want has run commit.
func (s *Store) want() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// do runs fn under the lock; what is broken stays so, and damage found now makes
// it so.
func (s *Store) do(fn func() error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil || s.tx == nil {
		return syscall.EIO // damaged, or closed
	}
	func() {
		defer s.guard(&err)()
		err = fn()
	}()
	if errors.Is(err, errDamaged) || errors.Is(err, errLost) {
		s.fail(err)
		return syscall.EIO
	}
	return err
}

// fail gives the store up. Close sets aside what is damaged; where it does not come to that,
// the next Open finds the damage.
func (s *Store) fail(err error) {
	s.broken = err
	s.want() // run ends
	s.log.Error("local metadata cannot be read any more; none are kept until this mount is made anew", "err", err)
}

// gaveUp says that nothing is kept any more.
func (s *Store) gaveUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken != nil
}

// change records and applies r, which may need so many bytes more.
func (s *Store) change(r *record, need int64) error {
	if !r.valid() {
		return syscall.ENAMETOOLONG
	}
	return s.do(func() error { return s.changeLocked(r, need) })
}

func (s *Store) changeLocked(r *record, need int64) error {
	if need > 0 && s.t.used+need > s.o.MaxBytes {
		return syscall.ENOSPC
	}
	if s.journal != nil {
		switch {
		case s.journal.size > refuseAt:
			return syscall.ENOSPC
		case s.journal.size < 0:
			if err := s.journal.start(s.gen); err != nil {
				return errnoOf(err)
			}
		}
		if err := s.journal.add(r); err != nil {
			s.log.Warn("local metadata not taken", "err", err)
			return errnoOf(err)
		}
	}
	if err := s.t.apply(r); err != nil {
		return damage(err)
	}
	if s.dirty == 0 {
		s.want()
	}
	s.dirty += int64(len(r.data)) + rowBytes
	if s.dirty > commitAt {
		if err := s.commit(); err != nil {
			s.log.Error("local metadata not written", "err", err)
		}
	}
	return nil
}

func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}

// commit makes all changes part of the bbolt file, and begins a new journal. When
// it fails the changes stay in the journal, and are tried again.
func (s *Store) commit() error {
	err := s.t.b[tabInfo].Put(generationKey, binary.BigEndian.AppendUint64(nil, s.gen+1))
	if err == nil {
		err = s.tx.Commit()
	} else {
		err = errors.Join(err, s.tx.Rollback())
	}
	s.tx = nil
	if err == nil {
		s.gen++
		s.dirty = 0
		if again := s.begin(); again != nil {
			return damage(again)
		}
		if s.journal != nil {
			// Where that fails, the next change tries it again, or is refused.
			err = s.journal.start(s.gen)
		}
		return err
	}
	if s.journal == nil {
		return damage(err)
	}
	again := s.begin()
	if again == nil {
		again = s.t.check()
	}
	if again == nil {
		again = s.journal.read(s.gen, s.t.apply)
	}
	switch {
	case systemTrouble(again):
		return fmt.Errorf("%w: %w", errLost, again)
	case again != nil:
		return damage(again)
	}
	return fmt.Errorf("commit: %w", err)
}
