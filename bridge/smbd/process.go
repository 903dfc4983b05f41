package smbd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// ErrNotInstalled says that there is no smbd here; its text names the command
// that installs it.
var ErrNotInstalled = errors.New("smbd is not installed: apt-get install samba")

// program finds smbd.
func (s *Server) program() (string, error) {
	if s.o.Program != "" {
		if _, err := os.Stat(s.o.Program); err != nil {
			return "", fmt.Errorf("%w (%w)", ErrNotInstalled, err)
		}
		return s.o.Program, nil
	}
	return findProgram("smbd", "")
}

// findProgram looks for one of Samba's programs: beside another one, in the
// path, and where distributions put them.
func findProgram(name, beside string) (string, error) {
	dirs := []string{"/usr/sbin", "/usr/bin", "/usr/local/samba/sbin", "/usr/local/samba/bin", "/usr/local/sbin", "/usr/local/bin"}
	if beside != "" {
		dir := filepath.Dir(beside)
		dirs = append([]string{dir, filepath.Join(dir, "../bin")}, dirs...)
	} else if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if name == "smbd" {
		return "", ErrNotInstalled
	}
	return "", fmt.Errorf("%s is not installed: apt-get install samba samba-common-bin", name)
}

// Testparm finds the testparm that belongs to the smbd program (as Options.Program);
// "" where there is none. Another Samba's would not know what this one reads.
func Testparm(program string) string {
	program, err := New(Options{Program: program}).program()
	if err != nil {
		return ""
	}
	path, err := findProgram("testparm", program)
	if dir := filepath.Dir(program); err != nil || filepath.Dir(path) != dir && filepath.Dir(path) != filepath.Join(dir, "../bin") {
		return ""
	}
	return path
}

// prepare makes the directories and clears away what an earlier run left.
func (s *Server) prepare(ctx context.Context) error {
	if err := s.makeDirs(); err != nil {
		return fmt.Errorf("start smbd: %w", err)
	}
	s.endLeftovers(ctx)
	// Samba remembers for a week which account had which SID. Where that was
	// under another configuration, the files' owner is nobody to the share, and
	// every write is refused.
	if s.o.Dirs.Lock == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(s.o.Dirs.Lock, "gencache.tdb")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("start smbd: %w", err)
	}
	return nil
}

// makeDirs makes smbd's directories with the modes that it insists on.
func (s *Server) makeDirs() error {
	for _, d := range []struct {
		path string
		mode os.FileMode
	}{
		{s.o.Dirs.Private, 0o700}, {s.o.Dirs.Lock, 0o755}, {s.o.Dirs.State, 0o755}, {s.o.Dirs.Cache, 0o755},
		{s.o.Dirs.PID, 0o755}, {s.o.Dirs.NCALRPC, 0o755}, {s.o.Dirs.Log, 0o755},
	} {
		if d.path == "" {
			continue
		}
		if err := os.MkdirAll(d.path, d.mode); err != nil {
			return err
		}
		// MkdirAll is subject to the umask, and the directory may be older.
		if err := os.Chmod(d.path, d.mode); err != nil {
			return err
		}
	}
	return nil
}

// child is a running smbd.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	sweep func()
	done  chan struct{} // closed when the main process ended
	err   error         // how; read after done
}

// start starts smbd through the hidden command.
func (s *Server) start(logs *logReader) (*child, error) {
	program, err := s.program()
	if err != nil {
		return nil, err
	}
	argv := []string{program, "--foreground", "--no-process-group", "--configfile=" + s.o.ConfPath,
		"--option=logging=file", "--option=log file=" + s.o.logPipe(), "--option=max log size=0",
		"--option=debug pid=yes", "--option=debug class=yes", "--option=debug uid=no", "--option=debug hires timestamp=no",
	}
	order, err := json.Marshal(execOrder{Argv: argv, Cover: s.o.Cover, Keep: s.o.Keep})
	if err != nil {
		return nil, fmt.Errorf("start smbd: %w", err)
	}
	//nolint:noctx // smbd is ended by stop: in order, and with its whole group
	cmd := exec.Command(s.o.Exe, append(slices.Clone(s.o.ExecArgs), string(order))...)
	cmd.Env = childEnv()
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start smbd: %w", err)
	}
	// What is said before the log is open, and by helpers: plain lines. The
	// helpers may keep it open after the main process, hence the delay.
	tail := &tail{}
	out := io.MultiWriter(tail, logs.plain())
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 200 * time.Millisecond
	if err := cmd.Start(); err != nil {
		stdin.Close()
		if errors.Is(err, syscall.EPERM) {
			err = fmt.Errorf("%w (a mount namespace of its own needs CAP_SYS_ADMIN: run the container with --privileged or --cap-add SYS_ADMIN)", err)
		}
		return nil, fmt.Errorf("start smbd: %w", err)
	}
	c := &child{cmd: cmd, stdin: stdin, done: make(chan struct{}), sweep: func() { s.endLeftovers(context.Background()) }}
	go func() {
		defer close(c.done)
		err := cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil
		}
		c.err = endedError(err, tail.last())
	}()
	return c, nil
}

// childEnv is all of our environment that smbd gets.
func childEnv() []string {
	env := []string{"LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, key := range []string{"TZ", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

func endedError(err error, said string) error {
	text := "smbd ended"
	if err != nil {
		text = "smbd ended: " + err.Error()
	}
	if said != "" {
		text += ": " + said
	}
	return errors.New(text)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) ended() error { return c.err }

// stop ends every process of smbd: by SIGTERM, and by SIGKILL what is left
// after grace. It returns when the main process is gone.
func (c *child) stop(grace time.Duration) {
	c.stdin.Close()
	signalAll([]int{-c.pid()}, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
	signalAll([]int{-c.pid()}, syscall.SIGKILL)
	<-c.done
	c.sweep()
}

// signalAll signals processes (or, negative, groups); those that are gone
// already are what was wanted.
func signalAll(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
}

// endLeftovers ends every process of Samba that works with our smb.conf:
// after a stop samba-dcerpcd, at the start whatever a killed predecessor left.
func (s *Server) endLeftovers(ctx context.Context) {
	const patience = 2 * time.Second
	pause := 2 * time.Millisecond
	for start := time.Now(); ; {
		pids := s.pids()
		if len(pids) == 0 {
			return
		}
		sig := syscall.SIGTERM
		if time.Since(start) > patience/2 {
			sig = syscall.SIGKILL
		}
		signalAll(pids, sig)
		if time.Since(start) > patience {
			s.log.LogAttrs(ctx, slog.LevelError, "processes of smbd do not end", slog.Any("pids", pids))
			return
		}
		timer := time.NewTimer(pause)
		pause = min(2*pause, 50*time.Millisecond)
		<-timer.C
	}
}

// tail keeps the last line that was written to it. It is used by one writer,
// and read after that ended.
type tail struct{ line []byte }

func (t *tail) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			t.line = append(t.line[:0], line[:min(len(line), 400)]...)
		}
	}
	return len(p), nil
}

func (t *tail) last() string { return string(t.line) }
