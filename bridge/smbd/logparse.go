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

// What messages tell of clients and shares.
var (
	logConnect = regexp.MustCompile(`^(?:\S+ )?\(ipv[46]:(\S+):\d+\) (connect to|closed connection to) service (.+?)(?: initially as user .*)?$`)
	logDenied  = regexp.MustCompile(`Denied connection from (?:\S+ \()?([0-9A-Fa-f.:]+)\)?`)
	logExit    = regexp.MustCompile(`^Server exit `)
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
	clients map[int]string // address of the client of each smbd process
}

func newLogParser(log *slog.Logger, refused func(string)) *logParser {
	return &logParser{log: log, refused: refused, clients: map[int]string{}}
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
	client, share := p.who(text[0])
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

// who says which client and share a message is about, and remembers the
// client of a process.
func (p *logParser) who(text string) (client, share string) {
	if m := logDenied.FindStringSubmatch(text); m != nil {
		p.refused(m[1])
		return m[1], ""
	}
	client = p.clients[p.pid]
	if m := logConnect.FindStringSubmatch(text); m != nil {
		client, share = m[1], m[3]
		const most = 4096 // processes that ended without saying so
		if len(p.clients) >= most {
			clear(p.clients)
		}
		if p.pid != 0 {
			p.clients[p.pid] = client
		}
	}
	if logExit.MatchString(text) {
		delete(p.clients, p.pid)
	}
	return client, share
}
