package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/client"
)

// ServiceManager is who started this program and wants to hear how it is
// (sd_notify(3)). The zero value is nobody.
type ServiceManager struct {
	// NotifySocket is a datagram socket; one that begins with @ is abstract.
	NotifySocket string
	// Watchdog is how long the manager waits for a sign of life before it ends
	// this program; 0 is for ever.
	Watchdog time.Duration
}

// ServiceManagerFromEnv reads what systemd put into the environment, and takes
// it out, so that no child speaks in this program's name.
func ServiceManagerFromEnv() ServiceManager {
	m := ServiceManager{NotifySocket: os.Getenv("NOTIFY_SOCKET")}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	pid := os.Getenv("WATCHDOG_PID")
	if err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.Watchdog = time.Duration(usec) * time.Microsecond
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // fails only for names that make no sense
	}
	return m
}

// What the service manager is told.
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"
	notifyAlive    = "WATCHDOG=1"
)

// notifier tells the service manager. A manager that cannot be told changes
// nothing for anybody else.
type notifier struct {
	m   ServiceManager
	log *slog.Logger
}

// tell sends assignments such as READY=1 in one datagram.
func (n *notifier) tell(assignments ...string) {
	if n.m.NotifySocket == "" {
		return
	}
	if err := n.send(strings.Join(assignments, "\n")); err != nil {
		n.log.Warn("service manager not told", "state", assignments[0], "err", err)
	}
}

func (n *notifier) send(text string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.m.NotifySocket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(text))
	return err
}

// reloading tells that a reload has begun; READY ends it.
func (n *notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	n.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// signsOfLife tells the manager again and again that the supervisor works, and
// how things are. It works as long as its control socket answers: one that is
// locked up does not, and is ended by the manager.
func (s *Supervisor) signsOfLife(ctx context.Context) {
	if s.notify.m.NotifySocket == "" || s.notify.m.Watchdog <= 0 {
		return
	}
	every, self := s.notify.m.Watchdog/3, s.self()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.answers(ctx, self, every); err == nil {
			s.notify.tell(notifyAlive, "STATUS="+s.summary())
		} else if ctx.Err() == nil {
			s.log.Error("the control socket does not answer", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// self is a client of this supervisor.
func (s *Supervisor) self() *client.Client {
	c := s.Config()
	return &client.Client{Socket: c.ControlSocket()}
}

func (s *Supervisor) answers(ctx context.Context, self *client.Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := self.Health(ctx)
	return err
}

// summary is everything in one line, for `systemctl status`.
func (s *Supervisor) summary() string {
	st := s.Status()
	good := 0
	for _, m := range st.Mounts {
		if m.State.Good() {
			good++
		}
	}
	return fmt.Sprintf("%d of %d mounts up, smbd %s", good, len(st.Mounts), st.SMB.State)
}
