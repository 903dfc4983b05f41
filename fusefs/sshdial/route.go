package sshdial

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Route is a Target whose configuration was evaluated. It is safe for
// concurrent use, and holds no connection of its own.
type Route struct {
	// Host is the target as given; HostName, Port and User are what the
	// configuration made of it.
	Host, HostName string
	Port           int
	User           string
	// HostKeyName is the name under which known_hosts lines, OnHostKeyAccepted
	// and HostKeyError have the target: host, [host]:port or its HostKeyAlias.
	HostKeyName string
	// Jumps are the hops before it, in the order they are dialled, for people.
	Jumps []string
	// Notes are settings that have no effect here, one sentence each.
	Notes []string
	// ConnectTimeout bounds a whole dial (15 s by default for each hop),
	// without the time in which a person is asked.
	ConnectTimeout time.Duration
	// ServerAliveInterval and ServerAliveCountMax are as configured, 0 where
	// they are not. Who owns the connection sends the keepalives (Conn.Ping).
	ServerAliveInterval time.Duration
	ServerAliveCountMax int

	options Options
	hops    []*hop // the last one is the target
	memory  *memory
	log     *slog.Logger
}

// maxHops bounds a chain of jump hosts, which may lead in a circle.
const maxHops = 8

// Resolve evaluates ssh_config for t. It reads files and asks nothing of the
// network. The error names the setting that is at fault: *UnsupportedError for
// one that cannot be followed here.
func Resolve(t Target, o Options) (*Route, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("remote %q: %w", t.Host, err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HomeDir == "" {
		o.HomeDir = filepath.Dir(o.SSHDir)
	}
	if o.LocalUser == "" {
		o.LocalUser = currentUser()
	}
	r := &Route{Host: t.Host, options: o, memory: newMemory(o.AcceptedHostKeys), log: o.Logger}
	if err := r.resolve(t, o, 0); err != nil {
		return nil, err
	}
	last := r.hops[len(r.hops)-1]
	r.HostName, r.Port, r.User, r.HostKeyName = last.hostName, last.port, last.user, last.keyName
	r.ServerAliveInterval, r.ServerAliveCountMax = last.aliveInterval, last.aliveCount
	for i, h := range r.hops {
		r.ConnectTimeout += h.connectTimeout
		if i < len(r.hops)-1 {
			r.Jumps = append(r.Jumps, h.String())
		}
	}
	return r, nil
}

// resolve appends the hops to t, those before it first.
func (r *Route) resolve(t Target, o Options, depth int) error {
	if depth >= maxHops {
		return fmt.Errorf("host %s: more than %d jump hosts: does ProxyJump lead in a circle? (set \"ProxyJump none\" for the jump host)", r.Host, maxHops-1)
	}
	p := paths{sshDir: o.SSHDir, home: o.HomeDir, localUser: o.LocalUser}
	e := newEvaluator(t.Host, o.LocalUser, p)
	if err := e.commandLine(t, o); err != nil {
		return err
	}
	files, optional, err := configFiles(o, p)
	if err != nil {
		return err
	}
	if err := e.readAll(files, optional); err != nil {
		return err
	}
	h, err := newHop(e, o)
	if err != nil {
		return err
	}
	before, err := e.jumps(h)
	if err != nil {
		return err
	}
	if n := len(before); n > 0 {
		// The last jump goes by way of those before it; only the
		// files, not our own options, concern it.
		next := before[n-1]
		jo := o
		jo.Port, jo.Overrides, jo.IdentityFiles, jo.ProxyJump = 0, next.options.Overrides, next.options.IdentityFiles, next.options.ProxyJump
		if n > 1 {
			var texts []string
			for _, j := range before[:n-1] {
				texts = append(texts, j.text())
			}
			jo.ProxyJump = strings.Join(texts, ",")
		}
		if err := r.resolve(next.target, jo, depth+1); err != nil {
			return fmt.Errorf("jump host %s: %w", next.target.Host, err)
		}
	}
	r.hops = append(r.hops, h)
	for _, n := range e.notes {
		if len(r.hops) == 1 || !slices.Contains(r.Notes, n) {
			r.Notes = append(r.Notes, n)
		}
	}
	return nil
}

// commandLine sets what is given besides the files.
func (e *evaluator) commandLine(t Target, o Options) error {
	var errs []error
	set := func(keyword, value, from string) { errs = append(errs, e.set(keyword, value, from)) }
	if o.Port != 0 {
		set("Port", fmt.Sprint(o.Port), "option port")
	}
	if o.ProxyJump != "" {
		set("ProxyJump", o.ProxyJump, "option proxy jump")
	}
	for i, f := range o.IdentityFiles {
		set("IdentityFile", f, fmt.Sprintf("option identity file %d", i+1))
	}
	for _, text := range o.Overrides {
		errs = append(errs, e.override(text))
	}
	if t.User != "" {
		set("User", t.User, "remote")
	}
	if t.Port != 0 {
		set("Port", fmt.Sprint(t.Port), "remote")
	}
	return errors.Join(errs...)
}

// configFiles are the files to read. A file that was named must exist.
func configFiles(o Options, p paths) (files []string, optional bool, err error) {
	if len(o.ConfigFiles) == 0 {
		return []string{filepath.Join(o.SSHDir, "config")}, true, nil
	}
	for _, f := range o.ConfigFiles {
		if strings.EqualFold(f, "none") {
			continue
		}
		f = p.file(f)
		if _, err := os.Stat(f); err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, false, fmt.Errorf("ssh configuration: %w", err)
		}
		files = append(files, f)
	}
	return files, false, nil
}

func currentUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}
