package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// waitBriefly gives a call up after a moment.
func waitBriefly[T any](t *testing.T, call *sftp.Call[T]) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := call.Wait(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("given up: %v", err)
	}
	if _, again := call.Wait(context.Background()); again != err { //nolint:errorlint // the very same error
		t.Errorf("waited again: %v", again)
	}
	return err
}

func TestUnansweredRequestHurtsNoOther(t *testing.T) {
	c, s, dir := countedClient(t, testenv.CountOptions{})
	must(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o600))
	s.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "stat", Path: "dead"})
	err := waitBriefly(t, c.StartStat("dead"))
	if errors.Is(err, sftp.ErrNotSent) || errors.Is(err, sftp.ErrConnectionLost) {
		t.Errorf("error: %v", err)
	}
	_, err = c.Stat(testContext(t), "f")
	must(t, err)
	// A call leaves the table just after its reply was delivered.
	testenv.Eventually(t, 5*time.Second, "one abandoned, none in flight", func() bool {
		n := c.Counters()
		return n.Abandoned == 1 && n.InFlight == 0
	})
}

func TestWaitReportsTheCause(t *testing.T) {
	c, s, _ := countedClient(t, testenv.CountOptions{})
	s.Stall()
	reason := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(reason)
	if _, err := c.Stat(ctx, "f"); !errors.Is(err, reason) || !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	s.Resume()
}

func TestAbandonedOpenIsClosed(t *testing.T) {
	for _, how := range []string{"wait given up", "abandoned before the reply", "abandoned after the reply"} {
		t.Run(how, func(t *testing.T) {
			c, s, dir := countedClient(t, testenv.CountOptions{})
			must(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o600))
			if how != "abandoned after the reply" {
				s.Stall()
			}
			for _, call := range []*sftp.Call[sftp.Handle]{c.StartOpen("f", sftp.FlagRead, sftp.Attrs{}), c.StartOpenDir(".")} {
				switch how {
				case "wait given up":
					// What was not sent yet will not be, and needs no close.
					testenv.Eventually(t, 5*time.Second, "the request is sent", func() bool { return c.Counters().WireOut > 60 })
					waitBriefly(t, call)
				case "abandoned before the reply":
					testenv.Eventually(t, 5*time.Second, "the request is sent", func() bool { return c.Counters().WireOut > 60 })
					call.Abandon()
				default:
					<-call.Done()
					call.Abandon()
				}
			}
			s.Resume()
			testenv.Eventually(t, 5*time.Second, "what was opened is closed", func() bool {
				n := s.Counted().Requests
				return n["open"]+n["opendir"] > 0 && n["close"] == n["open"]+n["opendir"] && c.Counters().Abandoned == 0
			})
			must(t, c.Err())
		})
	}
}

func TestAbandonedReadLeavesTheBufferAlone(t *testing.T) {
	c, s, dir := countedClient(t, testenv.CountOptions{})
	ctx := testContext(t)
	must(t, os.WriteFile(filepath.Join(dir, "f"), bytes.Repeat([]byte("x"), 200_000), 0o600))
	h, err := c.Open(ctx, "f", sftp.FlagRead, sftp.Attrs{})
	must(t, err)
	s.Stall()
	buf := make([]byte, 200_000)
	waitBriefly(t, c.StartRead(h, 0, buf))
	s.Resume()
	// The race detector would see a write; so does the comparison below.
	for range 100 {
		for i := range buf {
			buf[i] = 'y'
		}
	}
	must(t, c.CloseHandle(ctx, h)) // its reply comes after READ's
	if bytes.IndexByte(buf, 'x') >= 0 {
		t.Error("the reply was put into the buffer")
	}
}

func TestAbandonedWriteIsNotSent(t *testing.T) {
	c, s, _ := countedClient(t, testenv.CountOptions{Window: 256 * 1024})
	ctx := testContext(t)
	h, err := c.Open(ctx, "f", sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
	must(t, err)
	s.Stall()
	first := bytes.Repeat([]byte("a"), 200_000)
	var sent []*sftp.Call[struct{}]
	for i := range 3 { // fills the window, so that the writer blocks
		sent = append(sent, c.StartWrite(h, uint64(i*len(first)), first))
	}
	testenv.Eventually(t, 5*time.Second, "the window is full", func() bool { return c.Counters().BytesWritten >= 400_000 })
	lent := bytes.Repeat([]byte("b"), 100_000)
	err = waitBriefly(t, c.StartWrite(h, 10_000_000, lent))
	if !errors.Is(err, sftp.ErrNotSent) {
		t.Errorf("error: %v", err)
	}
	clear(lent)
	s.Resume()
	for _, call := range sent {
		_, err := call.Wait(ctx)
		must(t, err)
	}
	a, err := c.Fstat(ctx, h)
	must(t, err)
	if a.Size != 600_000 {
		t.Errorf("size %d", a.Size)
	}
}

// A write that was given up while it was being sent has the bytes that were
// lent, not those that the caller put there afterwards.
func TestAbandonedWriteKeepsItsBytes(t *testing.T) {
	c, s, dir := countedClient(t, testenv.CountOptions{Window: 64 * 1024})
	ctx := testContext(t)
	h, err := c.Open(ctx, "f", sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
	must(t, err)
	s.Stall()
	lent := bytes.Repeat([]byte("a"), 200_000)
	call := c.StartWrite(h, 0, lent)
	testenv.Eventually(t, 5*time.Second, "the write is being sent", func() bool { return c.Counters().BytesWritten == 200_000 })
	if err := waitBriefly(t, call); errors.Is(err, sftp.ErrNotSent) {
		t.Errorf("error: %v", err)
	}
	for i := range lent {
		lent[i] = 'b'
	}
	s.Resume()
	must(t, c.CloseHandle(ctx, h))
	if b, _ := os.ReadFile(filepath.Join(dir, "f")); !bytes.Equal(b, bytes.Repeat([]byte("a"), 200_000)) {
		t.Error("the file has other bytes")
	}
}
