package dropin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// holderRecord says which process holds a standalone mount, so that
// fusermount can wait until that has brought everything to the server.
type holderRecord struct {
	Mountpoint string `json:"mountpoint"`
	Remote     string `json:"remote"`
	PID        int    `json:"pid"`
	// Started is the process's start time as the kernel counts it: a pid
	// alone may be another process's by now.
	Started string `json:"started"`
}

// recordFile is where the record of a mountpoint lies.
func (o Options) recordFile(mountpoint string) string {
	sum := sha256.Sum256([]byte(mountpoint))
	return filepath.Join(o.RunDir, "sshfs", hex.EncodeToString(sum[:8])+".json")
}

// record notes that this process holds the mount, and returns what takes the
// note away. A note that cannot be made is no failure of the mount.
func (o Options) record(p *plan) (forget func()) {
	nothing := func() {}
	started, err := startTime(os.Getpid())
	if err != nil {
		return nothing
	}
	r := holderRecord{Mountpoint: p.spec.Mountpoint, Remote: p.spec.Remote, PID: os.Getpid(), Started: started}
	data, err := json.Marshal(r)
	if err != nil {
		return nothing
	}
	file := o.recordFile(r.Mountpoint)
	if os.MkdirAll(filepath.Dir(file), 0o755) != nil || os.WriteFile(file, data, 0o644) != nil {
		return nothing
	}
	return func() {
		if now, ok := o.holderOf(r.Mountpoint); ok && now.PID == r.PID {
			_ = os.Remove(file)
		}
	}
}

// holderOf finds the living holder of a mountpoint.
func (o Options) holderOf(mountpoint string) (holderRecord, bool) {
	data, err := os.ReadFile(o.recordFile(mountpoint))
	if err != nil {
		return holderRecord{}, false
	}
	var r holderRecord
	if json.Unmarshal(data, &r) != nil || r.Mountpoint != mountpoint || !r.alive() {
		return holderRecord{}, false
	}
	return r, true
}

func (r holderRecord) alive() bool {
	started, err := startTime(r.PID)
	return err == nil && started == r.Started
}

// end tells the holder of a mount that is unmounted to end, and returns when it
// has: what was written has landed then. It is told, as it may not see it by
// itself: a copy of the mount in another mount namespace keeps the connection to
// the kernel open.
func (r holderRecord) end(ctx context.Context) error {
	if r.alive() {
		if err := unix.Kill(r.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("unmounted, but its process %d cannot be told to end: %w", r.PID, err)
		}
	}
	return r.wait(ctx)
}

// wait returns when the holder has ended, and with an error when ctx ends first.
func (r holderRecord) wait(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for r.alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("what was written to %s is still on its way to %s (process %d)", r.Mountpoint, r.Remote, r.PID)
		}
	}
	return nil
}

// startTime is a process's start in the kernel's ticks. A zombie has ended.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name is in parentheses and may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", errors.New("unexpected format of /proc/PID/stat")
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", fs.ErrNotExist
	}
	return fields[19], nil
}
