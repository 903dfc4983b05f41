package main

import (
	"bytes"
	"io"
	"time"
)

// logSink takes a log to a writer that may block, or fail, for ever, as a pipe does
// whose reader is stuck or gone: Write never waits. What the writer does not take is
// lost there; `logs` still has it. Safe for concurrent use.
type logSink struct {
	records chan []byte   // nil ends it
	done    chan struct{} // closed when all before that was written
}

// The bounds of what waits for the writer, in records, and of what Close waits.
const (
	logSinkRecords = 4096
	logSinkFlush   = time.Second
)

func newLogSink(w io.Writer) *logSink {
	s := &logSink{records: make(chan []byte, logSinkRecords), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for r := <-s.records; r != nil; r = <-s.records {
			_, _ = w.Write(r) // nowhere to tell that the log fails
		}
	}()
	return s
}

func (s *logSink) Write(record []byte) (int, error) {
	select {
	case s.records <- bytes.Clone(record):
	default:
	}
	return len(record), nil
}

// Close waits until the writer has what was written, within bounds.
func (s *logSink) Close() {
	limit := time.NewTimer(logSinkFlush)
	defer limit.Stop()
	select {
	case s.records <- nil:
	case <-limit.C:
		return
	}
	select {
	case <-s.done:
	case <-limit.C:
	}
}
