package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/e2e/testenv"
)

// process is a child that serves, with all that it started. They are found by an
// environment variable that only they have, and by their ancestors, as some go to
// sessions of their own and others clear their environment.
type process struct {
	cmd   *exec.Cmd
	mark  string
	log   testenv.Buffer
	done  chan struct{} // closed when cmd was waited for
	known map[int]uint64
}

const markVariable = "BRIDGE_BENCH_MARK"

// startProcess starts a program whose processes can all be found by mark.
func startProcess(mark string, env []string, argv ...string) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), mark: mark, done: make(chan struct{}), known: map[int]uint64{}}
	p.cmd.Env = append(append(os.Environ(), env...), markVariable+"="+mark)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.WaitDelay = time.Second
	// A Ctrl-C is for us: we end them in order. They also end when we are
	// killed and cannot.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is of no interest, only that it did
	}()
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// family are the living processes that belong to p. It remembers them, as they
// lose their ancestors before they end.
func (p *process) family() []int {
	all := processes()
	var pids []int
	for pid, s := range all {
		if s.state == 'Z' || pid == os.Getpid() {
			continue
		}
		mine := p.known[pid] == s.start && s.start != 0
		for a := pid; !mine && a > 1; a = all[a].parent {
			mine = a == p.cmd.Process.Pid && !p.ended()
		}
		if !mine {
			environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			mine = bytes.Contains(environ, []byte(markVariable+"="+p.mark+"\x00"))
		}
		if mine {
			p.known[pid] = s.start
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// usage is what the family has used: processor time, and the sum of the largest
// resident sizes.
func (p *process) usage() (cpu time.Duration, peak int64) {
	for _, pid := range p.family() {
		cpu += processorTime(pid)
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
				kib, _ := strconv.ParseInt(f[1], 10, 64)
				peak += kib << 10
			}
		}
	}
	return cpu, peak
}

// end waits until the family is gone, at first for those that were told already,
// then telling them (SIGTERM), then by force. What needed force is an error.
func (p *process) end(patience time.Duration) error {
	p.family()
	if p.gone(patience) {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if p.gone(patience) {
		return nil
	}
	left := p.kill()
	return fmt.Errorf("had to be killed: %s\n%s", strings.Join(left, "; "), p.log.Tail(4096))
}

// kill ends the family at once and returns what it was.
func (p *process) kill() []string {
	var was []string
	testenv.Poll(5*time.Second, func() bool {
		pids := p.family()
		for _, pid := range pids {
			cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if text := strings.ReplaceAll(string(cmdline), "\x00", " "); !slices.Contains(was, text) {
				was = append(was, text)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(pids) == 0
	})
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
	return was
}

func (p *process) gone(patience time.Duration) bool {
	return testenv.Poll(patience, func() bool { return p.ended() && len(p.family()) == 0 })
}

type procStat struct {
	parent int
	state  byte
	start  uint64
}

// processes reads /proc.
func processes() map[int]procStat {
	all := map[int]procStat{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		data, err := os.ReadFile(filepath.Join(d, "stat"))
		if err != nil {
			continue
		}
		// The program's name, in parentheses, may hold anything.
		f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(f) < 20 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(d))
		parent, _ := strconv.Atoi(f[1])
		start, _ := strconv.ParseUint(f[19], 10, 64)
		all[pid] = procStat{parent, f[0][0], start}
	}
	return all
}

// detach unmounts lazily all that is mounted at or below a directory, and says
// what that was.
func detach(dir string) error {
	var errs []error
	left := testenv.MountsBelow(dir)
	for _, m := range slices.Backward(left) {
		errs = append(errs, fmt.Errorf("left mounted: %s", m), syscall.Unmount(m, syscall.MNT_DETACH))
	}
	return errors.Join(errs...)
}

// processorTime is what all threads of a process used, also those that ended. It is
// asked for by the process's clock (clock_getcpuclockid(3)), as /proc tells it in
// ticks of 10 ms, which a hundred small files hardly take; 0 for one that is gone.
func processorTime(pid int) time.Duration {
	const wholeProcess = 2 // CPUCLOCK_SCHED; bit 2 would be one thread
	var t unix.Timespec
	if unix.ClockGettime(^int32(pid)<<3|wholeProcess, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
