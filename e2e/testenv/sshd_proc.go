package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sshdProc is a listening sshd and the processes below it. Each session is a
// process group of its own, so the tree is found through /proc.
type sshdProc struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd was waited for
}

func startSSHDProc(cmd *exec.Cmd, log *Buffer) (*sshdProc, error) {
	cmd.Stderr = log
	cmd.Stdout = log
	// A session may outlive its listener and hold the log's pipe open.
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start sshd: %w", err)
	}
	p := &sshdProc{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // killed: it always ends with an error
	}()
	return p, nil
}

func (p *sshdProc) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// freeze stops the listener first, so that the tree below holds still.
func (p *sshdProc) freeze() {
	p.signalTree(syscall.SIGSTOP)
}

func (p *sshdProc) thaw() {
	for _, pid := range descendants(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
}

func (p *sshdProc) kill() {
	if !p.ended() {
		// Frozen first: a session that the listener just began would
		// otherwise be missed, and lose its parent.
		sessions := p.signalTree(syscall.SIGSTOP)
		_ = p.cmd.Process.Kill()
		killAll(sessions)
	}
	<-p.done
}

func (p *sshdProc) killSessions() {
	sessions := p.signalTree(syscall.SIGSTOP)
	killAll(sessions)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
}

// signalTree signals the listener, then what is below it until nothing new
// appears; it returns the latter.
func (p *sshdProc) signalTree(sig syscall.Signal) []int {
	_ = p.cmd.Process.Signal(sig)
	seen := map[int]bool{}
	var all []int
	for {
		fresh := false
		for _, pid := range descendants(p.cmd.Process.Pid) {
			if !seen[pid] {
				seen[pid], fresh = true, true
				all = append(all, pid)
				_ = syscall.Kill(pid, sig)
			}
		}
		if !fresh {
			return all
		}
	}
}

// killAll kills and waits until the processes are gone (or zombies that
// another process must reap).
func killAll(pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	Poll(5*time.Second, func() bool {
		return !slices.ContainsFunc(pids, func(pid int) bool {
			_, state, ok := procStat(pid)
			return ok && state != "Z" && state != "X"
		})
	})
}

// descendants are the processes below pid, parents first.
func descendants(pid int) []int {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			if parent, state, ok := procStat(id); ok && state != "Z" {
				children[parent] = append(children[parent], id)
			}
		}
	}
	var all []int
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		all = append(all, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// procStat reads the parent and the state of a process.
func procStat(pid int) (parent int, state string, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", false
	}
	// The second field is the program in parentheses, which may hold anything.
	i := bytes.LastIndexByte(data, ')')
	if i < 0 {
		return 0, "", false
	}
	fields := strings.Fields(string(data[i+1:]))
	if len(fields) < 2 {
		return 0, "", false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, fields[0], err == nil
}
