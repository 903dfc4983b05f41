package smbd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/e2e/testenv"
	"sshfs-bridge/smbconf"
)

// The test binary is its own smbd-exec, and a fake smbd when it is called so.
func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "smbd":
		fakeSMBD()
	case len(os.Args) > 1 && os.Args[1] == "smbd-exec":
		fmt.Fprintln(os.Stderr, ExecMain(os.Args[2:]))
		os.Exit(1)
	case len(os.Args) > 1 && os.Args[1] == "supervise":
		supervise(os.Args[2:])
	}
	os.Exit(testenv.Main(m))
}

// fakeSMBD misbehaves as the file "behaviour" beside it says.
func fakeSMBD() {
	b, _ := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "behaviour"))
	kind, addr, _ := strings.Cut(string(b), " ")
	switch kind {
	case "exit":
		fmt.Fprintln(os.Stderr, "the configuration is bad")
		os.Exit(7)
	case "deaf": // takes connections, says nothing, and does not want to end
		signal.Ignore(syscall.SIGTERM)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			os.Exit(1)
		}
		for {
			l.Accept()
		}
	}
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// setup is an smbd of a test's own.
type setup struct {
	t    *testing.T
	dir  string
	conf smbconf.Config
	o    Options
	log  *records
	list bool // probe as in earnest: to list the shares, smbd starts a dozen programs
}

// fileUser is the account on whose behalf files are touched.
const fileUser = "games"

func newSetup(t *testing.T) *setup {
	t.Helper()
	dir := testenv.PublicDir(t, "") // guests walk into it
	conf := smbconf.Default(smbconf.Version{Major: 4, Minor: 17}, filepath.Join(dir, "run"), filepath.Join(dir, "private"))
	port := testenv.FreePort(t)
	conf.Ports, conf.ForceUser, conf.ForceGroup = []int{port}, fileUser, groupOf(t, fileUser)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	d := conf.Dirs
	log := &records{}
	s := &setup{t: t, dir: dir, conf: conf, log: log, o: Options{
		ConfPath:    filepath.Join(dir, "smb.conf"),
		Dirs:        Dirs{Private: d.Private, Lock: d.Lock, State: d.State, Cache: d.Cache, PID: d.PID, NCALRPC: d.NCALRPC, Log: d.Log},
		Listen:      []string{addr},
		HealthEvery: 200 * time.Millisecond,
		Logger:      slog.New(log),
	}}
	s.addShare("files")
	return s
}

func groupOf(t *testing.T, name string) string {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return g.Name
}

// addShare adds a share over a new directory and writes smb.conf.
func (s *setup) addShare(name string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, "share-"+name)
	if err := os.Mkdir(path, 0o777); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		s.t.Fatal(err)
	}
	s.conf.Shares = append(s.conf.Shares, smbconf.Share{Name: name, Path: path})
	s.writeConf()
	return path
}

func (s *setup) writeConf() {
	s.t.Helper()
	text, err := s.conf.Render()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.o.ConfPath, text, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// run runs smbd until the test ends, and checks that nothing of it is left.
func (s *setup) run() *Server {
	s.t.Helper()
	srv := New(s.o)
	srv.policy.noList = !s.list
	s.runServer(srv)
	s.ready(srv)
	return srv
}

// ready waits until smbd is ready.
func (s *setup) ready(srv *Server) {
	s.t.Helper()
	select {
	case <-srv.Ready():
	case <-time.After(time.Minute):
		s.t.Fatalf("not ready: %+v", srv.Status())
	}
}

func (s *setup) runServer(srv *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				s.t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			s.t.Error("Run does not end")
		}
		if left := srv.pids(); len(left) > 0 {
			s.t.Errorf("processes left: %v", left)
		}
		if s.t.Failed() {
			s.t.Log(s.log.text())
		}
	})
}

// client is an SMB connection; share "" only logs in.
type client struct {
	conn    net.Conn
	session *smb2.Session
	share   *smb2.Share
}

func (s *setup) dial(share string) (*client, error) {
	return dialFrom("", s.o.Listen[0], "guest", "", share)
}

func dialFrom(local, addr, user, password, share string) (*client, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if local != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	session, err := (&smb2.Dialer{Initiator: &smb2.NTLMInitiator{User: user, Password: password}}).Dial(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &client{conn: conn, session: session}
	if share != "" {
		if c.share, err = session.Mount(share); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

func (s *setup) client(share string) *client {
	s.t.Helper()
	c, err := s.dial(share)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.conn.Close() })
	return c
}

// records is a log handler that keeps what it is given.
type records struct {
	mu   sync.Mutex
	list []slog.Record
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, rec.Clone())
	return nil
}

func (r *records) all() []slog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *records) text() string {
	var b strings.Builder
	for _, rec := range r.all() {
		fmt.Fprintf(&b, "%v %s", rec.Level, rec.Message)
		rec.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&b, " %s", a); return true })
		b.WriteByte('\n')
	}
	return b.String()
}
