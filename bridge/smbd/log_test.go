package smbd

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sshfs-bridge/e2e/testenv"
)

const logText = `[2026/11/21 19:44:48.901452,  0, pid=7223] ../../source3/smbd/server.c:1741(main)
  smbd version 4.17.12-Debian started.
  Copyright Andrew Tridgell and the Samba Team 1992-2022
[2026/11/21 19:47:26.521152,  1, pid=10720, class=full_audit] ../../source3/modules/vfs_full_audit.c:643(do_log)
  nobody|192.168.65.1|connect|ok|my media
[2026/11/21 19:47:26.6,  1, pid=10720] ../../a.c:1(f)
  x|10.0.0.1|connect|ok|as a client may call a file
[2026/11/21 19:47:27,  1, pid=10720, class=vfs] ../../source3/modules/vfs_fruit.c:1(ad_get)
  something odd
[2026/11/21 19:47:27.1,  5, pid=10720, effective(5, 60), real(0, 0), class=smb2] ../../a.c:1(f)
  detail
[2026/11/21 19:47:28,  1, pid=10720, class=full_audit] ../../source3/modules/vfs_full_audit.c:643(do_log)
  nobody|192.168.65.1|disconnect|ok|my media
[2026/11/21 19:47:29,  0, pid=10720] ../../a.c:1(f)
  another process with this number
[2026/11/21 19:47:30,  0] ../../lib/util/access.c:365(allow_access)
  Denied connection from 172.17.0.3 (172.17.0.3)
[2026/11/21 19:47:31,  1, pid=1] ../../a.c:1(f)
[2026/11/21 19:47:32,  1, pid=1] ../../a.c:1(f)
  the one before had no text
`

func TestLogBecomesRecords(t *testing.T) {
	kept := &records{}
	var refused []string
	p := newLogParser(slog.New(kept), func(a string) { refused = append(refused, a) })
	for line := range strings.Lines(logText) {
		p.line(logLine{text: strings.TrimSuffix(line, "\n")})
	}
	p.flush()
	p.line(logLine{text: "  more of it, too late"})
	p.flush()
	p.line(logLine{text: "cannot read smb.conf", plain: true})
	want := `INFO smbd: smbd version 4.17.12-Debian started.
Copyright Andrew Tridgell and the Samba Team 1992-2022 pid=7223
INFO smbd: a client connects to a share pid=10720 class=full_audit client=192.168.65.1 share=my media
WARN smbd: x|10.0.0.1|connect|ok|as a client may call a file pid=10720 client=192.168.65.1
WARN smbd: something odd pid=10720 class=vfs client=192.168.65.1
DEBUG smbd: detail pid=10720 class=smb2 client=192.168.65.1
INFO smbd: a client leaves a share pid=10720 class=full_audit client=192.168.65.1 share=my media
ERROR smbd: another process with this number pid=10720
WARN smbd: Denied connection from 172.17.0.3 (172.17.0.3) client=172.17.0.3
WARN smbd: the one before had no text pid=1
INFO smbd: more of it, too late
INFO smbd: cannot read smb.conf
`
	if d := cmp.Diff(want, kept.text()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"172.17.0.3"}, refused); d != "" {
		t.Error(d)
	}
}

// What a client can make smbd write must not make a record of another kind.
func FuzzLogParser(f *testing.F) {
	f.Add(logText)
	f.Add("[2026/11/21 19:44:48,  0] a.c:1(b)\n  x\n[")
	f.Add("x\x00\n\xff  \n")
	f.Fuzz(func(t *testing.T, text string) {
		kept := &records{}
		p := newLogParser(slog.New(kept), func(a string) {
			if strings.ContainsAny(a, " \n/") {
				t.Errorf("%q is no address", a)
			}
		})
		for line := range strings.Lines(text) {
			p.line(logLine{text: strings.TrimRight(line, "\r\n")})
		}
		p.flush()
		for _, rec := range kept.all() {
			if !strings.HasPrefix(rec.Message, "smbd: ") {
				t.Errorf("message %q", rec.Message)
			}
		}
	})
}

func TestLogPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.pipe")
	pipe, err := openLogPipe(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := &records{}
	r := startLog(pipe, slog.New(kept), func(string) {})
	for range 2 { // writers come and go
		w, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString("[2026/11/21 19:47:31,  1, pid=1] ../../a.c:1(f)\n  text\n  " + strings.Repeat("long", maxLine) + "\n"); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	testenv.Eventually(t, 20*time.Second, "two records", func() bool { return strings.Count(kept.text(), "smbd: text\nlong") == 2 })
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString("[2026/11/21 19:47:31,  1, pid=1] ../../a.c:1(f)\n  the last\n"); err != nil {
		t.Fatal(err)
	}
	plain := r.plain()
	if _, err := plain.Write([]byte("part")); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Write([]byte("s of a line\n")); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if got := kept.text(); !strings.Contains(got, "smbd: the last") || !strings.Contains(got, "smbd: parts of a line") {
		t.Errorf("after stop: %s", got)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the pipe is left: %v", err)
	}
}

func TestRefusedClientIsKnown(t *testing.T) {
	testenv.Require(t, "root", "smbd")
	s := newSetup(t)
	s.conf.HostsAllow = []string{"127.0.0.1"}
	s.writeConf()
	srv := s.run()
	if c, err := dialFrom("127.0.0.7", s.o.Listen[0], "guest", "", "files"); err == nil {
		c.conn.Close()
		t.Error("an address that is not allowed gets in")
	}
	testenv.Eventually(t, 20*time.Second, "the refused address", func() bool {
		r := srv.Status().Refused
		return len(r) == 1 && r[0] == "127.0.0.7"
	})
	s.client("files")
	testenv.Eventually(t, 20*time.Second, "a record of the client and its share", func() bool {
		return strings.Contains(s.log.text(), "client=127.0.0.1 share=files")
	})
	// The log goes on after a reload, which reads "log file" from smb.conf.
	if err := srv.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := strings.Count(s.log.text(), "share=files")
	s.client("files")
	testenv.Eventually(t, 20*time.Second, "a record after the reload", func() bool {
		return strings.Count(s.log.text(), "share=files") > before
	})
}
