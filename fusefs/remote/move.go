package remote

import (
	"context"
	"fmt"
	"strings"

	"sshfs-bridge/fusefs/sftp"
)

// move is a change of ours that takes a name away, or gives it to another file: a
// rename, or a remove. While it is under way nobody knows what a name means that it
// concerns, and no file is opened again by it.
type move struct {
	t          *objectTable
	oldp, newp string    // newp is oldp for a remove
	objects    []*object // that are in doubt
}

// newMove makes a move, of which nothing is asked yet.
func (t *objectTable) newMove(oldp, newp string) *move {
	return &move{t: t, oldp: oldp, newp: newp}
}

// begin puts in doubt what is open under the names that the move concerns.
func (m *move) begin() {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	for p, o := range m.t.byPath {
		if p == m.oldp || p == m.newp || strings.HasPrefix(p, m.oldp+"/") {
			o.moving++
			o.moves++
			m.objects = append(m.objects, o)
		}
	}
}

// end says that the names mean what they say again, where it is known what became of
// the move; else a file is only ever opened again by them if it looks exactly as it did.
func (m *move) end(known bool) {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	if m.objects == nil {
		return
	}
	for _, o := range m.objects {
		o.moving--
		o.unsure = o.unsure || !known
	}
	m.objects = nil
	close(m.t.moved)
	m.t.moved = make(chan struct{})
}

// runMove is runErr for what m is asked for with.
func (r *Remote) runMove(ctx context.Context, op string, m *move,
	do func(ctx context.Context, c *sftp.Client) error,
	settle func(ctx context.Context, c *sftp.Client) (outcome, error),
) error {
	q := errRequest(op, m.oldp, do, settle)
	q.prepare = func(ctx context.Context) error { return r.prepare(ctx, m) }
	_, err := run(ctx, r, q)
	return err
}

// prepare opens again what is open under the name that m takes away and has no handle
// now: afterwards it could not be any more. If m was asked for before, it did not happen.
func (r *Remote) prepare(ctx context.Context, m *move) error {
	m.end(true)
	for _, f := range r.objects.at(m.newp) {
		_, err := f.lane(ctx, true, 0)
		if err != nil && ctx.Err() != nil {
			return contextCause(ctx)
		}
	}
	m.begin()
	return nil
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
	return !o.orphan && o.moving == 0 && !o.unsure
}
