package localmeta

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// journalMagic begins a journal; the generation of the bbolt file that it
// continues follows, in eight bytes, and then the records.
const journalMagic = "sshfs-bridge journal 2\n"

const journalHead = len(journalMagic) + 8

// maxJournal bounds what is read of a journal.
const maxJournal = 64 << 20

// journal is the file of records since the last commit.
type journal struct {
	f    *os.File
	gen  uint64 // that it continues
	size int64  // negative: it could not be started
	buf  []byte
}

// start empties the journal; it continues generation gen from now on.
func (j *journal) start(gen uint64) error {
	// The room that its head has is kept: a full disk must not end the store. Until
	// the head is written, the one that is there speaks of an earlier generation.
	j.size = -1
	if err := j.f.Truncate(int64(journalHead)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	head := binary.LittleEndian.AppendUint64([]byte(journalMagic), gen)
	if _, err := j.f.WriteAt(head, 0); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.gen, j.size = gen, int64(len(head))
	return nil
}

// add appends a record. One that did not get in whole is taken back.
func (j *journal) add(r *record) error {
	j.buf = appendRecord(j.buf[:0], r, j.gen)
	if _, err := j.f.WriteAt(j.buf, j.size); err != nil {
		if terr := j.f.Truncate(j.size); terr != nil {
			return fmt.Errorf("journal: %w, and then: %w", err, terr)
		}
		return fmt.Errorf("journal: %w", err)
	}
	j.size += int64(len(j.buf))
	if cap(j.buf) > 1<<20 {
		j.buf = nil
	}
	return nil
}

// read gives the records of a journal that continues gen, and calls each for
// them; it stops at a torn end, which is cut off.
func (j *journal) read(gen uint64, each func(*record) error) error {
	b, err := io.ReadAll(io.LimitReader(io.NewSectionReader(j.f, 0, maxJournal), maxJournal))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	n, err := replay(b, gen, each)
	if err != nil {
		return err
	}
	if n == 0 {
		return j.start(gen)
	}
	j.gen, j.size = gen, int64(n)
	if err := j.f.Truncate(j.size); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// replay calls each for every whole record of b and says how long these are,
// with the head; 0 when b does not continue gen.
func replay(b []byte, gen uint64, each func(*record) error) (int, error) {
	if len(b) < journalHead || !bytes.HasPrefix(b, []byte(journalMagic)) || binary.LittleEndian.Uint64(b[len(journalMagic):]) != gen {
		return 0, nil
	}
	rest := b[journalHead:]
	for len(rest) > 0 {
		r, next, err := cutRecord(rest, gen)
		if err != nil {
			break
		}
		if err := each(&r); err != nil {
			return 0, err
		}
		rest = next
	}
	return len(b) - len(rest), nil //nolint:nilerr // a torn record is where the journal ends
}
