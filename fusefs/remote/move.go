package remote

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sshfs-bridge/fusefs/sftp"
)

// move is a change of ours that takes a name away, or gives it to another file: a
// rename, or a remove. From when it is asked for until it is known what became of it,
// nobody knows what a name means that it concerns, and no file is opened by it.
type move struct {
	r        *Remote
	op       string
	from, to string // relative to the root; to is "" for a remove
	settle   settler
	objects  []*object // that are in doubt: none, once it is known what became of m
}

// run asks for m with do, as runErr does.
func (m *move) run(ctx context.Context, do func(ctx context.Context, c *sftp.Client) error) error {
	q := errRequest(m.op, m.from, do, m.settle)
	q.prepare = m.prepare
	_, err := run(ctx, m.r, q)
	return err
}

// prepare opens again what is open under the name that m takes away and has no handle
// now: afterwards it could not be any more. If m was asked for before, it did not happen.
func (m *move) prepare(ctx context.Context) error {
	m.end(false, true)
	for _, f := range m.r.objects.at(m.taken()) {
		_, err := f.lane(ctx, true, 0)
		if err != nil && ctx.Err() != nil {
			return contextCause(ctx)
		}
	}
	m.begin()
	return nil
}

// taken is the name that leads to something else afterwards, or to nothing.
func (m *move) taken() string {
	if m.to == "" {
		return m.from
	}
	return m.to
}

// begin puts in doubt what is open under the names that m concerns.
func (m *move) begin() {
	t := &m.r.objects
	t.mu.Lock()
	defer t.mu.Unlock()
	for p, o := range t.byPath {
		if p == m.from || p == m.to || strings.HasPrefix(p, m.from+"/") {
			o.moving++
			o.moves++
			m.objects = append(m.objects, o)
		}
	}
}

// end says whether m happened: the names mean something again. Where that is not sure, a
// file of which writes are under way may be another one that somebody has made since: that
// is only known once it was seen through its handle.
func (m *move) end(happened, sure bool) {
	t := &m.r.objects
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.objects == nil {
		return
	}
	if happened {
		t.movedLocked(m)
	}
	for _, o := range m.objects {
		o.moving--
		o.unsure = o.unsure || !sure && !o.exact
	}
	m.objects = nil
	close(t.moved)
	t.moved = make(chan struct{})
}

// movePause is the time between two attempts to find out what became of a move, or to
// tidy up behind it.
const movePause = time.Second

// find looks what became of m, of which nobody was told, until the server has answered.
// That it happened is sure, and that it did not where nothing has the new name.
func (m *move) find() (happened, sure bool) {
	for {
		var out outcome
		err := runErr(m.r.ctx, m.r, "look what became of a "+m.op, m.from, func(ctx context.Context, c *sftp.Client) (err error) {
			out, err = m.settle(ctx, c)
			return err
		}, nil)
		if err == nil || isStatus(err) || sleep(m.r.ctx, movePause) != nil {
			return err == nil && out == done, err == nil && out != notDone
		}
	}
}

// movedLocked notes that m happened to what was open.
func (t *objectTable) movedLocked(m *move) {
	if m.from == m.to {
		return
	}
	for _, o := range m.objects {
		if o.path == m.taken() {
			t.takeLocked(o)
			o.orphan = true
		}
	}
	for _, o := range m.objects {
		rest, below := strings.CutPrefix(o.path, m.from+"/")
		switch {
		case o.orphan:
			continue
		case o.path == m.from:
			rest = m.to
		case below:
			rest = m.to + "/" + rest
		default:
			continue // another move was later
		}
		open := t.takeLocked(o)
		o.path = rest
		if open {
			t.byPath[o.path] = o
		}
	}
}

// takeLocked takes o out of the table, and says whether it was there.
func (t *objectTable) takeLocked(o *object) bool {
	if t.byPath[o.path] != o {
		return false // its last file was closed
	}
	delete(t.byPath, o.path)
	return true
}

// locate gives the path of o, and how many moves have concerned it. It waits while one
// is under way. ErrChanged says that no name leads to o.
func (t *objectTable) locate(ctx context.Context, o *object) (path string, moves int, err error) {
	for {
		t.mu.Lock()
		path, moves = o.path, o.moves
		orphan, moving, moved := o.orphan, o.moving > 0, t.moved
		t.mu.Unlock()
		switch {
		case orphan:
			return "", 0, fmt.Errorf("%w: it has no name any more", ErrChanged)
		case !moving:
			return path, moves, nil
		}
		if err := waitFor(ctx, moved, -1); err != nil {
			return "", 0, err
		}
	}
}

// settled waits until it is known what the name p means.
func (t *objectTable) settled(ctx context.Context, p string) error {
	for {
		t.mu.Lock()
		o, moved := t.byPath[p], t.moved
		moving := o != nil && o.moving > 0
		t.mu.Unlock()
		if !moving {
			return nil
		}
		if err := waitFor(ctx, moved, -1); err != nil {
			return err
		}
	}
}

// movedSince says that a move has concerned o since locate gave moves.
func (t *objectTable) movedSince(o *object, moves int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return o.moves != moves
}

// named says that o can be opened again by its name now.
func (t *objectTable) named(o *object) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !o.orphan && o.moving == 0
}
