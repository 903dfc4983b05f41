package bridge

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// orphanAge is how long a dead child must have been waiting before it counts
// as an orphan. Our own children are each waited for by a goroutine, which
// takes milliseconds; nobody waits for an orphan, so it stays.
const orphanAge = 3 * time.Second

// reapOrphans does what PID 1 must: it collects dead processes that were
// handed to us by the kernel when their parents died. It leaves alone those
// that somebody here waits for: taking their exit status away would make
// exec.Cmd.Wait fail.
func reapOrphans(ctx context.Context, logger *slog.Logger) {
	if os.Getpid() != 1 {
		// Outside a container too, what our children leave behind comes to us.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			logger.Debug("no child subreaper", "err", err)
		}
	}
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, syscall.SIGCHLD)
	defer signal.Stop(sig)
	dead := map[int]time.Time{} // zombies, and when we first saw them
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-sig:
		case <-again:
		}
		collect(dead, time.Now(), logger)
		again = nil
		if len(dead) > 0 {
			again = time.After(orphanAge / 2)
		}
	}
}

// collect looks for zombies of ours and reaps those that have waited too long.
func collect(dead map[int]time.Time, now time.Time, logger *slog.Logger) {
	zombies := zombieChildren()
	for pid := range dead {
		if !zombies[pid] {
			delete(dead, pid)
		}
	}
	for pid := range zombies {
		first, ok := dead[pid]
		if !ok {
			dead[pid] = now
			continue
		}
		if now.Sub(first) < orphanAge {
			continue
		}
		var status unix.WaitStatus
		if got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); err == nil && got == pid {
			logger.Debug("orphan reaped", "pid", pid, "state", status.ExitStatus())
			delete(dead, pid)
		}
	}
}

// zombieChildren lists the dead children of this process that nobody has
// waited for.
func zombieChildren() map[int]bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	self := strconv.Itoa(os.Getpid())
	zombies := map[int]bool{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// PID (NAME) STATE PPID ...: the name may hold spaces and brackets.
		i := bytes.LastIndexByte(stat, ')')
		fields := bytes.Fields(stat[i+1:])
		if i > 0 && len(fields) > 1 && string(fields[0]) == "Z" && string(fields[1]) == self {
			zombies[pid] = true
		}
	}
	return zombies
}
