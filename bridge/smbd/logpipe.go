package smbd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxLine is the longest line of smbd's log that is kept.
	maxLine = 8 << 10
	// logQueue is how many lines may wait for the logger. smbd must never
	// wait for it: a client would hang. What does not fit is counted.
	logQueue = 4096
	// logIdle ends a record whose last line may have been seen: only the
	// header of the next one would tell.
	logIdle = 50 * time.Millisecond
)

// openLogPipe makes the FIFO. It is opened for writing as well, so that it
// never ends while no smbd has it open.
func openLogPipe(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
}

// logLine is a line of the log, or (plain) of smbd's standard output.
type logLine struct {
	text  string
	plain bool
}

// logReader takes what smbd and its helpers say and makes records of it.
type logReader struct {
	pipe    *os.File
	lines   chan logLine
	dropped atomic.Uint64
	end     chan struct{}
	wait    sync.WaitGroup
}

// startLog reads pipe until stop. refused is called with each address that
// smbd refused.
func startLog(pipe *os.File, log *slog.Logger, refused func(addr string)) *logReader {
	r := &logReader{pipe: pipe, lines: make(chan logLine, logQueue), end: make(chan struct{})}
	r.wait.Go(r.read)
	r.wait.Go(func() { r.records(newLogParser(log, refused)) })
	return r
}

// stop ends the reading, after what has been said so far became records.
func (r *logReader) stop() {
	// What is in the pipe is read without waiting for more.
	if err := r.pipe.SetReadDeadline(time.Now().Add(logIdle)); err != nil {
		r.pipe.Close()
	}
	close(r.end)
	r.wait.Wait()
	r.pipe.Close()
	os.Remove(r.pipe.Name())
}

func (r *logReader) put(l logLine) {
	select {
	case r.lines <- l:
	default:
		r.dropped.Add(1)
	}
}

// read takes lines from the pipe as fast as they come.
func (r *logReader) read() {
	defer close(r.lines)
	in := bufio.NewReaderSize(r.pipe, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			r.put(logLine{text: string(bytes.TrimRight(line, "\r\n"))})
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a line that is too long
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

// records hands the lines to the parser until the reading ends.
func (r *logReader) records(p *logParser) {
	idle := time.NewTimer(logIdle)
	defer idle.Stop()
	for {
		select {
		case l, ok := <-r.lines:
			if !ok {
				p.flush()
				return
			}
			if n := r.dropped.Swap(0); n > 0 {
				p.log.LogAttrs(context.Background(), slog.LevelWarn, "lines of smbd's log were lost", slog.Uint64("lines", n))
			}
			p.line(l)
			idle.Reset(logIdle)
		case <-idle.C:
			p.flush()
		}
	}
}

// plain takes what is written to smbd's standard output and error.
func (r *logReader) plain() io.Writer { return &plainLines{r: r} }

type plainLines struct {
	r    *logReader
	part []byte // a line without its end yet
}

func (w *plainLines) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			w.part = append(w.part, line[:min(len(line), maxLine-min(len(w.part), maxLine))]...)
			continue
		}
		text := string(bytes.TrimSpace(append(w.part, line...)))
		w.part = w.part[:0]
		if text == "" {
			continue
		}
		select {
		case <-w.r.end: // nobody reads any more
		default:
			w.r.put(logLine{text: text, plain: true})
		}
	}
	return len(p), nil
}
