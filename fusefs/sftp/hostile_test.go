package sftp_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/fusefs/sftp"
)

// Every way to break the protocol ends the session with an error that says so,
// and takes the other calls along.
func TestBrokenRepliesEndTheSession(t *testing.T) {
	names := func(names ...string) testenv.Fault { return testenv.Fault{Kind: testenv.FaultNames, Names: names} }
	everywhere := []testenv.Fault{
		{Kind: testenv.FaultWrongID},
		{Kind: testenv.FaultTwice},
		{Kind: testenv.FaultWrongType},
		{Kind: testenv.FaultGarbage},
		{Kind: testenv.FaultHugeLength},
	}
	for _, test := range []struct {
		op     string
		call   func(ctx context.Context, c *sftp.Client, h sftp.Handle) error
		faults []testenv.Fault
	}{
		{"stat", func(ctx context.Context, c *sftp.Client, _ sftp.Handle) error { _, err := c.Stat(ctx, "f"); return err }, []testenv.Fault{{Kind: testenv.FaultShortField}}},
		{"open", func(ctx context.Context, c *sftp.Client, _ sftp.Handle) error {
			_, err := c.Open(ctx, "f", sftp.FlagRead, sftp.Attrs{})
			return err
		}, []testenv.Fault{{Kind: testenv.FaultShortField}}},
		{"read", func(ctx context.Context, c *sftp.Client, h sftp.Handle) error {
			_, err := c.Read(ctx, h, 0, make([]byte, 100_000))
			return err
		}, []testenv.Fault{{Kind: testenv.FaultShortField}, {Kind: testenv.FaultLongData}, names("f")}},
		{"mkdir", func(ctx context.Context, c *sftp.Client, _ sftp.Handle) error { return c.Mkdir(ctx, "d", sftp.Attrs{}) }, nil},
		{"readdir", func(ctx context.Context, c *sftp.Client, _ sftp.Handle) error {
			_, err := c.ReadDir(ctx, ".")
			return err
		}, []testenv.Fault{
			{Kind: testenv.FaultShortField}, {Kind: testenv.FaultCount}, names("a", "../etc"), names("/"), names("a\x00b"), names(""), names("a/b"),
		}},
		{"readlink", func(ctx context.Context, c *sftp.Client, _ sftp.Handle) error {
			_, err := c.Readlink(ctx, "l")
			return err
		}, []testenv.Fault{
			names(), names("a", "b"), names("a\x00b"), names(""),
		}},
		{"statvfs", func(ctx context.Context, c *sftp.Client, _ sftp.Handle) error {
			_, err := c.StatVFS(ctx, ".")
			return err
		}, []testenv.Fault{{Kind: testenv.FaultShortField}}},
		{"users-groups-by-id", func(ctx context.Context, c *sftp.Client, _ sftp.Handle) error {
			_, err := c.UsersGroupsByID(ctx, []uint32{0}, []uint32{0})
			return err
		}, []testenv.Fault{{Kind: testenv.FaultShortField}}},
	} {
		for _, fault := range append(test.faults, everywhere...) {
			fault.Op, fault.Times = test.op, 1
			t.Run(test.op, func(t *testing.T) {
				c, s, dir := countedClient(t, testenv.CountOptions{})
				ctx := testContext(t)
				must(t, os.WriteFile(filepath.Join(dir, "f"), make([]byte, 50_000), 0o600))
				must(t, os.Symlink("f", filepath.Join(dir, "l")))
				h, err := c.Open(ctx, "f", sftp.FlagRead, sftp.Attrs{})
				must(t, err)
				s.Inject(testenv.Fault{Kind: testenv.FaultSwallow, Op: "lstat"})
				other := c.StartLstat("f")
				hits, _ := s.Inject(fault)
				err = test.call(ctx, c, h)
				if !errors.Is(err, sftp.ErrProtocol) && fault.Kind != testenv.FaultTwice {
					t.Errorf("fault %v: %v", fault, err)
				}
				if _, err := other.Wait(ctx); !errors.Is(err, sftp.ErrProtocol) || !errors.Is(err, sftp.ErrConnectionLost) {
					t.Errorf("fault %v: another call: %v", fault, err)
				}
				if hits() != 1 {
					t.Errorf("fault %v applied %d times", fault, hits())
				}
				t.Log(c.Err())
			})
		}
	}
}

func TestEarlyEnd(t *testing.T) {
	for kind, want := range map[testenv.FaultKind]error{testenv.FaultEOF: io.EOF, testenv.FaultCut: io.ErrUnexpectedEOF} {
		for _, op := range []string{"stat", "read"} {
			c, s, dir := countedClient(t, testenv.CountOptions{})
			ctx := testContext(t)
			must(t, os.WriteFile(filepath.Join(dir, "f"), make([]byte, 200_000), 0o600))
			h, err := c.Open(ctx, "f", sftp.FlagRead, sftp.Attrs{})
			must(t, err)
			s.Inject(testenv.Fault{Kind: kind, Op: op})
			if op == "stat" {
				_, err = c.Stat(ctx, "f")
			} else {
				_, err = c.Read(ctx, h, 0, make([]byte, 200_000))
			}
			if !errors.Is(err, want) || !errors.Is(err, sftp.ErrConnectionLost) {
				t.Errorf("%s: %v, want %v", op, err, want)
			}
		}
	}
}

func TestStatusErrors(t *testing.T) {
	for code, want := range map[uint32]error{
		sftp.StatusNoSuchFile: fs.ErrNotExist, sftp.StatusPermissionDenied: fs.ErrPermission,
		sftp.StatusUnsupported: errors.ErrUnsupported, sftp.StatusFileExists: fs.ErrExist,
		sftp.StatusFailure: nil, 12345: nil, sftp.StatusEOF: nil,
	} {
		c, s, _ := countedClient(t, testenv.CountOptions{})
		s.Inject(testenv.Fault{Kind: testenv.FaultStatus, Op: "stat", Status: code})
		_, err := c.Stat(testContext(t), "f")
		var status *sftp.StatusError
		if !errors.As(err, &status) || status.Code != code || status.Msg != "injected" || want != nil && !errors.Is(err, want) {
			t.Errorf("status %d: %v", code, err)
		}
		must(t, c.Err())
	}
}

func TestOddReadReplies(t *testing.T) {
	c, s, dir := countedClient(t, testenv.CountOptions{})
	ctx := testContext(t)
	must(t, os.WriteFile(filepath.Join(dir, "f"), make([]byte, 1000), 0o600))
	h, err := c.Open(ctx, "f", sftp.FlagRead, sftp.Attrs{})
	must(t, err)
	s.Inject(testenv.Fault{Kind: testenv.FaultShortData, Op: "read", Times: 1})
	if n, err := c.Read(ctx, h, 0, make([]byte, 1000)); n != 500 || err != nil {
		t.Errorf("short: %d, %v", n, err)
	}
	_, remove := s.Inject(testenv.Fault{Kind: testenv.FaultNoData, Op: "read"})
	if n, err := c.Read(ctx, h, 0, make([]byte, 1000)); n != 0 || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("empty: %d, %v", n, err)
	}
	remove()
	if n, err := c.Read(ctx, h, 0, nil); n != 0 || err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("nothing asked: %d, %v", n, err)
	}
	must(t, c.Err())
}

// A listing that never ends, or never has a name, is given up.
func TestEndlessListing(t *testing.T) {
	c, s, _ := countedClient(t, testenv.CountOptions{})
	s.Inject(testenv.Fault{Kind: testenv.FaultNames, Op: "readdir", Names: []string{".", ".."}})
	if _, err := c.ReadDir(testContext(t), "."); !errors.Is(err, sftp.ErrTooManyEntries) {
		t.Errorf("error: %v", err)
	}
}

// A listing of long names is given up before it fills the memory.
func TestEndlessListing_ofLongNames(t *testing.T) {
	c, s, _ := countedClient(t, testenv.CountOptions{})
	names := slices.Repeat([]string{strings.Repeat("n", 250)}, 400)
	replies, _ := s.Inject(testenv.Fault{Kind: testenv.FaultNames, Op: "readdir", Names: names})
	if _, err := c.ReadDir(testContext(t), "."); !errors.Is(err, sftp.ErrTooManyEntries) {
		t.Errorf("error: %v", err)
	}
	if got := replies() * 400 * 250; got > 100<<20 {
		t.Errorf("%d MiB of names were taken", got>>20)
	}
}

// A large listing that ends is given as a whole.
func TestListing_ofAMillionNames(t *testing.T) {
	c, s, _ := countedClient(t, testenv.CountOptions{})
	const replies, names = 1000, 1000
	s.Inject(testenv.Fault{Kind: testenv.FaultNames, Op: "readdir", Times: replies, Names: slices.Repeat([]string{strings.Repeat("n", 20)}, names)})
	all, err := c.ReadDir(testContext(t), ".")
	if err != nil || len(all) != replies*names {
		t.Errorf("%d names, %v", len(all), err)
	}
}
