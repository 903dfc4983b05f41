package bridge

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// watchEvery is the pause between two looks at the configuration file. A
// change counts when two looks in a row see the same, so that a file that is
// still being written is not read.
const watchEvery = time.Second

// fileSign tells one state of a file from another; empty is no file. Where an
// editor puts a new file in place, inode and ctime change; where it writes
// into the old one, ctime does.
func fileSign(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return ""
	}
	sign := fmt.Sprint(fi.Size(), fi.ModTime().UnixNano())
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		sign += fmt.Sprint(" ", st.Dev, st.Ino, st.Ctim.Nano())
	}
	return sign
}

// watchFile calls changed, one call at a time, after the file has changed and come to
// rest, until ctx ends; read is its sign when it was last read. It polls: inotify says
// nothing of a directory that Docker Desktop shares with its virtual machine.
func watchFile(ctx context.Context, path, read string, every time.Duration, changed func()) {
	before := fileSign(path)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := fileSign(path)
		if now == before && now != read && now != "" { // a file that is away keeps what it said
			read = now
			changed()
		}
		before = now
	}
}

// reload reloads for a reason that nobody waits for the outcome of.
func (s *Supervisor) reload(ctx context.Context, why string) {
	if _, err := s.Reload(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("reload refused, the old configuration stays", "reason", why, "err", err)
	}
}
