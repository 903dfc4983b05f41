package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
)

// check waits until everything is up and runs the self-check, whose steps are
// printed as they end.
func (o Options) check(ctx context.Context, supervisor *bridge.Supervisor, dir string, config bridge.Config) error {
	start := time.Now()
	wait, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if _, err := supervisor.WaitMount(wait, mountName); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		fmt.Fprintf(o.Out, "\nthe demo does not come up: %v\n", err)
		return fmt.Errorf("%w: %v", ErrCheck, err) //nolint:errorlint // as in SelfCheck
	}
	fmt.Fprintf(o.Out, "mount and smbd are up after %s\n\nself-check through SMB, as guest:\n", round(time.Since(start)))
	start = time.Now()
	steps, err := SelfCheck(ctx, CheckOptions{
		Addr:  net.JoinHostPort("127.0.0.1", strconv.Itoa(config.SMB.Ports[0])),
		Share: mountName, Dir: dir, Logger: o.Logger,
		OnStep: func(s Step) { writeStep(o.Out, s) },
	})
	if err != nil {
		fmt.Fprintf(o.Out, "\nFAILED after %d of %d steps\n", len(steps)-1, checkSteps)
		return err
	}
	fmt.Fprintf(o.Out, "\nall %d steps passed in %s\n", len(steps), round(time.Since(start)))
	return nil
}

// writeStep prints one line of the table.
func writeStep(w io.Writer, s Step) {
	mark, detail := "ok  ", s.Detail
	if s.Err != nil {
		mark, detail = "FAIL", s.Err.Error()
	}
	rate := ""
	if s.Bytes >= 1<<20 && s.Err == nil && s.Duration > 0 {
		rate = fmt.Sprintf(", %.0f MB/s", float64(s.Bytes)/1e6/s.Duration.Seconds())
	}
	fmt.Fprintf(w, "  %s  %-11s %8s  %s%s\n", mark, s.Name, round(s.Duration), detail, rate)
}

// round keeps a duration short.
func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	default:
		return d.Round(100 * time.Microsecond)
	}
}

// goOn says where to look and what to do next.
func (o Options) goOn(supervisor *bridge.Supervisor, config bridge.Config) {
	url := config.ShareURL(mountName)
	for _, m := range supervisor.Status().Mounts {
		if m.Name == mountName && m.URL != "" {
			url = m.URL
		}
	}
	program := o.program(config)
	var b strings.Builder
	fmt.Fprintf(&b, `
In Finder (Cmd-K), or in a terminal of the Mac:
    open %s

Mount a server of your own, beside the demo:
    %s mount alice@nas.example.com:/srv/media
See what is there:
    %s list

The demo serves until it is stopped (Ctrl-C); its files go with it.
`, url, program, program)
	fmt.Fprint(o.Out, b.String())
}

// containerID is how Docker calls a container's host unless told otherwise.
var containerID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// program is how a person calls this program for this supervisor.
func (o Options) program(config bridge.Config) string {
	usual := bridge.DefaultConfig()
	socket := ""
	if config.ControlSocket() != usual.ControlSocket() {
		socket = api.SocketEnv + "=" + config.ControlSocket() + " "
	}
	if !bridge.InContainer() {
		return socket + "sshfs-bridge"
	}
	if socket != "" {
		socket = "-e " + socket
	}
	name := "sshfs-bridge"
	if host, err := os.Hostname(); err == nil && containerID.MatchString(host) {
		name = host
	}
	return "docker exec -it " + socket + name + " sshfs-bridge"
}
