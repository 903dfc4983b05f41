package smbd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// controlTimeout bounds each call of Samba's own tools. They answer within
// milliseconds, unless a stuck smbd holds one of its databases locked.
const controlTimeout = 3 * time.Second

// closePolitely is how long clients' processes may take to close a share before
// they are ended.
const closePolitely = 300 * time.Millisecond

// tool runs one of Samba's programs with our smb.conf.
func (s *Server) tool(ctx context.Context, stdin, name string, args ...string) ([]byte, error) {
	program, err := s.program()
	if err != nil {
		return nil, err
	}
	path, err := findProgram(name, program)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = childEnv()
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		text := strings.Join(strings.Fields(said.String()+" "+out.String()), " ")
		if text != "" {
			return nil, fmt.Errorf("%s: %w: %s", name, err, text[:min(len(text), 400)])
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out.Bytes(), nil
}

// Reload makes every smbd process read smb.conf again. Sessions go on; a
// client that asks for a new share finds it when Reload has returned and its
// own process has come to the message, which is at once unless it is busy.
func (s *Server) Reload(ctx context.Context) error {
	_, err := s.tool(ctx, "", "smbcontrol", "--configfile="+s.o.ConfPath, "all", "reload-config")
	if err == nil {
		return nil
	}
	// Without the tool: each process does the same at SIGHUP.
	pid := s.Status().PID
	if pid == 0 {
		return nil // not running: it reads the file when it starts
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "reload by signal", slog.Any("err", err))
	if err := syscall.Kill(-pid, syscall.SIGHUP); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("reload smbd: %w", err)
	}
	return nil
}

// usage is what smbstatus tells.
type usage struct {
	Sessions map[string]struct {
		Server serverID `json:"server_id"`
	} `json:"sessions"`
	Tcons map[string]struct {
		Service string   `json:"service"`
		Server  serverID `json:"server_id"`
	} `json:"tcons"`
	OpenFiles map[string]struct {
		ServicePath string `json:"service_path"`
		Filename    string `json:"filename"`
		Opens       map[string]struct {
			Server serverID `json:"server_id"`
		} `json:"opens"`
	} `json:"open_files"`
}

// on lists the processes that have a client on share.
func (u usage) on(share string) (pids []string) {
	for _, t := range u.Tcons {
		if strings.EqualFold(t.Service, share) { // as smbd compares names
			pids = append(pids, t.Server.PID)
		}
	}
	return pids
}

type serverID struct {
	PID string `json:"pid"`
}

func (s *Server) usage(ctx context.Context) (usage, error) {
	var u usage
	out, err := s.tool(ctx, "", "smbstatus", "--configfile="+s.o.ConfPath, "--json")
	if err != nil {
		return u, err
	}
	// Before the first client there is nothing, not even an object.
	if i := bytes.IndexByte(out, '{'); i >= 0 {
		if err := json.Unmarshal(out[i:], &u); err != nil {
			return u, fmt.Errorf("smbstatus: %w", err)
		}
	}
	return u, nil
}

// Sessions counts the clients that are logged in.
func (s *Server) Sessions(ctx context.Context) (int, error) {
	if s.Status().PID == 0 {
		return 0, nil
	}
	u, err := s.usage(ctx)
	return len(u.Sessions), err
}

// CloseShare closes a share that does not come back, with its open files, and what
// its clients have on other shares goes on. A Mac does not connect to it again by
// itself. A process that does not close it at once, as it waits for the mount, is
// ended as EndShare does.
func (s *Server) CloseShare(ctx context.Context, share string) error {
	if s.Status().PID == 0 {
		return nil
	}
	for start := time.Now(); time.Since(start) < closePolitely; {
		u, err := s.usage(ctx)
		if err != nil {
			break
		}
		pids := u.on(share)
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if _, err := s.tool(ctx, "", "smbcontrol", "--configfile="+s.o.ConfPath, pid, "close-share", share); err != nil {
				s.log.LogAttrs(ctx, slog.LevelDebug, "share not closed politely", slog.Any("err", err))
			}
		}
	}
	return s.EndShare(ctx, share)
}

// EndShare ends the smbd processes that have a client on share, so that
// none hangs on a mount that is gone: the clients connect again by themselves,
// to all their shares, since smbd has one process a client. What they have open
// fails on all of them, but for durable handles on other shares, which a process
// that ends politely leaves to be taken up again. Other clients are not touched.
// When it cannot be found out who has the share, every client's process is ended.
func (s *Server) EndShare(ctx context.Context, share string) error {
	return s.endClients(ctx, func(u usage) []string { return u.on(share) })
}

// ClosePath ends the smbd processes that have something open at or below
// path, through whatever share (the hub has every mount in it).
func (s *Server) ClosePath(ctx context.Context, path string) error {
	path = filepath.Clean(path)
	return s.endClients(ctx, func(u usage) (pids []string) {
		for _, f := range u.OpenFiles {
			at := filepath.Join(f.ServicePath, f.Filename)
			if at != path && !strings.HasPrefix(at, path+"/") {
				continue
			}
			for _, o := range f.Opens {
				pids = append(pids, o.Server.PID)
			}
		}
		return pids
	})
}

// endClients ends the clients' processes that which selects.
func (s *Server) endClients(ctx context.Context, which func(usage) []string) error {
	parent := s.Status().PID
	if parent == 0 {
		return nil
	}
	clients := s.clientProcesses(parent)
	u, err := s.usage(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // the caller's haste is no reason to end everybody
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "cannot see who uses a share, ending every client's process", slog.Any("err", err))
	} else {
		chosen := which(u)
		clients = slices.DeleteFunc(clients, func(pid int) bool { return !slices.Contains(chosen, strconv.Itoa(pid)) })
	}
	return s.endProcesses(ctx, parent, clients)
}

// endProcesses ends children of smbd: by SIGTERM, so that smbd gives the
// client's locks back itself, and by SIGKILL when one does not listen.
func (s *Server) endProcesses(ctx context.Context, parent int, pids []int) error {
	const polite, patience = 300 * time.Millisecond, 2 * time.Second
	pause := time.Millisecond
	for start, sig := time.Now(), syscall.SIGTERM; ; {
		alive := s.clientProcesses(parent)
		pids = slices.DeleteFunc(pids, func(pid int) bool { return !slices.Contains(alive, pid) })
		switch {
		case len(pids) == 0:
			return nil
		case time.Since(start) > patience:
			return fmt.Errorf("smbd processes %v do not end", pids)
		case time.Since(start) > polite:
			sig = syscall.SIGKILL
		}
		signalAll(pids, sig)
		timer := time.NewTimer(pause)
		pause = min(2*pause, 50*time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			signalAll(pids, syscall.SIGKILL)
			return ctx.Err()
		case <-timer.C:
		}
	}
}
