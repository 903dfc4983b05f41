package localmeta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// Options is what a store is made of.
type Options struct {
	// Files are the store's; it closes them, also when Open fails. Nil keeps
	// everything in memory, until Close.
	Files *Files
	// MaxBytes bounds names and contents of all that is kept (256 MiB).
	MaxBytes int64
	// CommitEvery is the longest that a change waits for its commit (2 s).
	CommitEvery time.Duration
	// LockWait is how long another process may take to let go of the store
	// (5 s).
	LockWait time.Duration
	// Logger gets what happens; nil discards it.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.CommitEvery <= 0 {
		o.CommitEvery = 2 * time.Second
	}
	if o.LockWait <= 0 {
		o.LockWait = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// ErrInUse says that another process has the store.
var ErrInUse = errors.New("the local metadata are in use by another process")

var (
	// errDamaged says that the store's file cannot be read.
	errDamaged = errors.New("damaged")
	// errLost says that the machine refused what the store cannot go on without; its
	// files may be good.
	errLost = errors.New("lost")
)

var generationKey = []byte("generation")

// Open opens a store, or makes it. A store that is damaged is set aside, which
// Notes tells; one that another process has is waited for, and then ErrInUse.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{o: o, log: o.Logger, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	err := s.load()
	if errors.Is(err, errDamaged) && o.Files != nil {
		s.note(err)
		s.closeDB()
		if err = o.Files.setAside(); err == nil {
			err = s.load()
		}
	}
	if err != nil {
		s.closeDB()
		if o.Files != nil {
			o.Files.Close()
		}
		return nil, fmt.Errorf("open the local metadata: %w", err)
	}
	go s.run()
	return s, nil
}

// note keeps what a person should know.
func (s *Store) note(err error) {
	s.notes = append(s.notes, fmt.Sprintf("what was kept locally of this mount (Finder tags, resource forks, .DS_Store) could not be read (%v): it was set aside as %s, and begins anew", err, damagedFile))
	s.log.Error("local metadata set aside", "err", err, "path", damagedFile)
}

// load opens the files and brings the tables up to the journal's end.
func (s *Store) load() (err error) {
	defer s.guard(&err)()
	if err := s.openDB(); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return damage(err)
	}
	if err := s.t.check(); err != nil {
		return damage(err)
	}
	if b := s.t.b[tabInfo].Get(generationKey); len(b) == 8 {
		s.gen = binary.BigEndian.Uint64(b)
	}
	if s.o.Files == nil {
		return nil
	}
	s.journal = &journal{f: s.o.Files.Journal}
	if err := s.journal.read(s.gen, s.t.apply); err != nil {
		if systemTrouble(err) {
			return err
		}
		return damage(err)
	}
	if err := s.t.sweep(); err != nil {
		return damage(err)
	}
	return s.commit()
}

func damage(err error) error { return fmt.Errorf("%w: %w", errDamaged, err) }

// openDB opens the bbolt file. The lock is taken with it.
func (s *Store) openDB() error {
	o := &bbolt.Options{
		Timeout: s.o.LockWait, NoStatistics: true, FreelistType: bbolt.FreelistMapType,
		OpenFile: func(string, int, fs.FileMode) (*os.File, error) {
			if s.o.Files == nil {
				return memoryFile()
			}
			return again(s.o.Files.DB)
		},
		NoSync: s.o.Files == nil, NoGrowSync: s.o.Files == nil,
	}
	db, err := bbolt.Open(dbFile, 0o600, o)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return damage(err)
	case err != nil && !systemTrouble(err):
		return damage(err)
	case err != nil:
		return err
	}
	db.AllocSize = 1 << 20
	s.db = db
	return nil
}

// systemTrouble says that the machine refused, which says nothing of the file.
func systemTrouble(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno)
}

// begin begins the transaction in which everything happens until the next
// commit.
func (s *Store) begin() error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	s.tx = tx
	return s.t.open(tx)
}

// guard turns a panic (bbolt's about a page that cannot be, or a fault in its
// mapped file) into damage. It is deferred as guard(&err)().
func (s *Store) guard(err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if what := recover(); what != nil {
			*err = fmt.Errorf("%w: %v", errDamaged, what)
		}
	}
}

func (s *Store) closeDB() {
	// A transaction over a damaged file may not even end.
	var err error
	func() {
		defer s.guard(&err)()
		if s.tx != nil {
			err = s.tx.Rollback()
		}
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
	}()
	if err != nil {
		s.log.Debug("local metadata not closed", "err", err)
	}
	s.tx, s.db, s.journal = nil, nil, nil
}

// Memory opens a store that keeps everything in memory; Files is ignored. Where not
// even that is possible, which is logged, every change of it is EIO.
func Memory(o Options) *Store {
	o.Files = nil
	s, err := Open(o)
	if err == nil {
		return s
	}
	o = o.withDefaults()
	o.Logger.Error("extended attributes cannot be kept", "err", err)
	done := make(chan struct{})
	close(done)
	return &Store{o: o, log: o.Logger, quit: make(chan struct{}), done: done, broken: err}
}
