package sftp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// Bulk data must cost what the link's delay and window make it cost, and nothing
// more. Time is the bubble's, so the numbers are exact.
func TestBulkTakesTheLinksTime(t *testing.T) {
	const size = 8 << 20
	const roundTrip = 20 * time.Millisecond
	for _, test := range []struct {
		name        string
		window      int
		read, write time.Duration // at most
	}{
		{"no window", 0, roundTrip, roundTrip},
		// A window of 2 MiB a round trip; requests do not divide it evenly.
		{"2 MiB window", 2 << 20, 6 * roundTrip, 5 * roundTrip},
	} {
		t.Run(test.name, func(t *testing.T) {
			testenv.NoLeaks(t)
			data := randomBytes(size)
			synctest.Test(t, func(t *testing.T) {
				c, s, dir := countedClient(t, testenv.CountOptions{Delay: roundTrip / 2, Settle: -1, Window: test.window})
				ctx := testContext(t)
				h, err := c.Open(ctx, "f", sftp.FlagRead|sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
				must(t, err)
				began := time.Now()
				written := s.Rounds(func() { must(t, writeFile(ctx, c, h, data, false)) })
				if took := time.Since(began); took > test.write {
					t.Errorf("write took %v, want at most %v", took, test.write)
				}
				began = time.Now()
				var got []byte
				read := s.Rounds(func() {
					got, err = readFile(ctx, c, h, size)
					must(t, err)
				})
				if took := time.Since(began); took > test.read {
					t.Errorf("read took %v, want at most %v", took, test.read)
				}
				if !bytes.Equal(got, data) {
					t.Error("data differ")
				}
				want := (size + int(c.Limits().MaxRead) - 1) / int(c.Limits().MaxRead)
				if read.Requests["read"] != want || written.Requests["write"] != want || read.BytesRead != size {
					t.Errorf("requests: %v, %v", read, written)
				}
				local, err := os.ReadFile(filepath.Join(dir, "f"))
				if err != nil || !bytes.Equal(local, data) {
					t.Errorf("file differs: %v", err)
				}
			})
		})
	}
}

// A real server on pipes shows that nothing in the client is absurdly slow; the
// benchmarks have the figures.
func TestThroughput(t *testing.T) {
	testenv.NoLeaks(t)
	c, _ := newClient(t, server{connect: connectOpenSSH})
	ctx := testContext(t)
	data := randomBytes(32 << 20)
	h, err := c.Open(ctx, "f", sftp.FlagRead|sftp.FlagWrite|sftp.FlagCreate, sftp.Attrs{})
	must(t, err)
	rate := func(what string, f func()) {
		began := time.Now()
		f()
		mbs := float64(len(data)) / 1e6 / time.Since(began).Seconds()
		t.Logf("%s: %.0f MB/s", what, mbs)
		if mbs < 5 {
			t.Errorf("%s: %.1f MB/s", what, mbs)
		}
	}
	rate("write", func() { must(t, writeFile(ctx, c, h, data, false)) })
	rate("read", func() {
		got, err := readFile(ctx, c, h, len(data))
		must(t, err)
		if !bytes.Equal(got, data) {
			t.Error("data differ")
		}
	})
}
