package smbd

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// logHeader is the line before each message:
//
//	[2026/11/21 19:45:18.299840,  3, pid=7969, class=vfs] ../../source3/smbd/service.c:840(make_connection)
//
// The message follows in lines that are indented by two blanks.
var logHeader = regexp.MustCompile(`^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?, +(\d+)(?:, pid=(\d+))?[^\]]*?(?:, class=(\w+))?\] \S+:\d+\((\w+)\)$`)

// What messages tell of clients and shares. The module full_audit writes
//
//	USER|ADDRESS|connect|ok|SHARE
var (
	logConnect = regexp.MustCompile(`^[^|]*\|([^|]+)\|(connect|disconnect)\|ok\|(.+)$`)
	logDenied  = regexp.MustCompile(`Denied connection from (?:\S+ \()?([0-9A-Fa-f.:]+)\)?`)
)

// logNoise are messages whose level says too much.
var logNoise = []struct {
	prefix string
	level  slog.Level
}{
	{"smbd version ", slog.LevelInfo},
	{"Copyright ", slog.LevelDebug},
	{"INFO: Profiling turned OFF", slog.LevelDebug},
	{"idmap range not specified", slog.LevelDebug},
	{"tdbsam_open: Converting version 0.0", slog.LevelDebug}, // the first start with an empty directory
	{"tdbsam_convert_backup: updated", slog.LevelDebug},
	{"Denied connection from", slog.LevelWarn},
	// Before it has read where its log is, each program tries the default.
	{"reopen_one_log: Unable to open new log file", slog.LevelDebug},
}

// logParser makes records of lines.
type logParser struct {
	log     *slog.Logger
	refused func(addr string)

	open    bool // a header was seen
	level   slog.Level
	pid     int
	class   string
	text    []string
	clients map[int]*logClient // of each smbd process
}

// logClient is whom an smbd process serves.
type logClient struct {
	addr   string
	shares int // that it is connected to
}

func newLogParser(log *slog.Logger, refused func(string)) *logParser {
	return &logParser{log: log, refused: refused, clients: map[int]*logClient{}}
}

// line takes the next line.
func (p *logParser) line(l logLine) {
	m := logHeader.FindStringSubmatch(l.text)
	if l.plain {
		if m == nil { // before the log is open, headers come this way too
			p.log.LogAttrs(context.Background(), quieter(l.text, slog.LevelInfo), "smbd: "+l.text)
		}
		return
	}
	if m != nil {
		p.flush()
		p.open, p.level, p.class = true, level(m[1]), m[3]
		p.pid, _ = strconv.Atoi(m[2])
		return
	}
	if text := strings.TrimSpace(l.text); text != "" {
		const most = 40 // a panic's backtrace fits
		if len(p.text) < most {
			p.text = append(p.text, text)
		}
	}
}

// level maps Samba's levels: 0 is an error, 1 a warning, 2 a notice, all
// above is for those who look for something.
func level(s string) slog.Level {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil || n >= 3:
		return slog.LevelDebug
	case n == 2:
		return slog.LevelInfo
	case n == 1:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// flush ends the record that is being collected.
func (p *logParser) flush() {
	text := p.text
	open := p.open
	p.open, p.text = false, nil
	if len(text) == 0 {
		return
	}
	level := p.level
	if !open { // more of a message that was taken to be complete
		level = slog.LevelInfo
	}
	level = quieter(text[0], level)
	client, share := "", ""
	if m := logConnect.FindStringSubmatch(text[0]); m != nil && open && p.class == "full_audit" {
		client, share = m[1], m[3]
		does := map[string]string{"connect": "connects to", "disconnect": "leaves"}[m[2]]
		level, text = slog.LevelInfo, []string{"a client " + does + " a share"}
		p.connected(client, m[2] == "connect")
	} else {
		client = p.who(text[0])
	}
	ctx := context.Background()
	if !p.log.Enabled(ctx, level) {
		return
	}
	record := slog.NewRecord(time.Now(), level, "smbd: "+strings.Join(text, "\n"), 0)
	if open && p.pid != 0 {
		record.AddAttrs(slog.Int("pid", p.pid))
	}
	if open && p.class != "" {
		record.AddAttrs(slog.String("class", p.class))
	}
	if client != "" {
		record.AddAttrs(slog.String("client", client))
	}
	if share != "" {
		record.AddAttrs(slog.String("share", share))
	}
	_ = p.log.Handler().Handle(ctx, record) // nowhere to tell that the log fails
}

// quieter is the level that a message deserves.
func quieter(text string, level slog.Level) slog.Level {
	for _, noise := range logNoise {
		if strings.HasPrefix(text, noise.prefix) {
			return noise.level
		}
	}
	return level
}

// connected remembers which client a process serves, until it has left all shares.
func (p *logParser) connected(addr string, comes bool) {
	const most = 4096 // processes that ended without saying so
	if len(p.clients) >= most {
		clear(p.clients)
	}
	c := p.clients[p.pid]
	switch {
	case p.pid == 0:
	case comes && c != nil && c.addr == addr:
		c.shares++
	case comes:
		p.clients[p.pid] = &logClient{addr: addr, shares: 1}
	case c != nil:
		if c.shares--; c.shares <= 0 {
			delete(p.clients, p.pid)
		}
	}
}

// who says which client a message is about.
func (p *logParser) who(text string) string {
	if m := logDenied.FindStringSubmatch(text); m != nil {
		p.refused(m[1])
		return m[1]
	}
	if c := p.clients[p.pid]; c != nil {
		return c.addr
	}
	return ""
}
