package e2e

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/e2e/testenv"
)

var update = flag.Bool("update", false, "write docs/tour.md anew")

const tourFile = "../docs/tour.md"

// tour is a session at the terminal that is written down.
type tour struct {
	b       *bridge
	text    strings.Builder
	replace []string // what differs from run to run, and what stands for it
}

// say adds a paragraph.
func (o *tour) say(text string) { o.text.WriteString("\n" + text + "\n") }

// show runs a command and writes down what it printed.
func (o *tour) show(wantCode int, line string) {
	o.b.t.Helper()
	args := strings.Fields(strings.NewReplacer(o.shown()...).Replace(line))
	// Both outputs in one, as a terminal shows them.
	all, _, code := testenv.Run(o.b.t, o.b.env, append([]string{"sh", "-c", `exec "$0" "$@" 2>&1`, binary}, args[1:]...)...)
	if code != wantCode {
		o.b.t.Errorf("%s: exit %d, want %d\n%s", line, code, wantCode, all)
	}
	o.record(line, all, code)
}

// shell writes down what another program printed.
func (o *tour) shell(line string, argv ...string) {
	o.b.t.Helper()
	stdout, stderr, code := testenv.Run(o.b.t, o.b.env, argv...)
	o.record(line, stdout+stderr, code)
}

func (o *tour) record(line, out string, code int) {
	fmt.Fprintf(&o.text, "\n    $ %s\n", line)
	for l := range strings.Lines(o.tidy(out)) {
		o.text.WriteString(strings.TrimRight("    "+strings.TrimRight(l, "\n"), " ") + "\n")
	}
	if code != 0 {
		fmt.Fprintf(&o.text, "    (exit code %d)\n", code)
	}
}

// converse runs a command on a terminal, where somebody answers each question, and
// writes down what the terminal showed.
func (o *tour) converse(line, question string, answers ...string) {
	o.b.t.Helper()
	command := "SSHFS_BRIDGE_SOCKET=" + filepath.Join(o.b.RunDir, "control", "sock") + "; export SSHFS_BRIDGE_SOCKET; exec " + binary + " "
	x := newTerminal(o.b.t, command+strings.TrimPrefix(strings.NewReplacer(o.shown()...).Replace(line), "sshfs-bridge "))
	for _, a := range answers {
		x.expect(question, 20*time.Second)
		x.say(a)
	}
	x.wait(time.Minute)
	o.record(line, strings.ReplaceAll(x.out.String(), "\r", ""), 0)
}

// waitFor waits until a mount is in that state.
func (o *tour) waitFor(name string, state api.State) {
	o.b.t.Helper()
	o.b.eventually(60*time.Second, name+" is "+string(state), func() error {
		if st := o.b.status(name); st.State != state {
			return fmt.Errorf("%s: %s", st.State, st.Cause)
		}
		return nil
	})
}

// shown is replace the other way round.
func (o *tour) shown() []string {
	var back []string
	for i := 0; i < len(o.replace); i += 2 {
		back = append(back, o.replace[i+1], o.replace[i])
	}
	return back
}

// what differs from run to run without being of this machine.
var tourPatterns = []struct {
	pattern *regexp.Regexp
	to      string
}{
	{regexp.MustCompile(`pid \d+`), "pid 4711"},
	{regexp.MustCompile(`version [^\s,]+`), "version 1.0"},
	{regexp.MustCompile(`\b(up|starting|degraded) \d+s\b`), "$1 2s"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(µs|ms)\b`), "20ms"},
	{regexp.MustCompile(`\b\d+s\b`), "2s"},
	{regexp.MustCompile(`attempt \d+ in`), "attempt 4 in"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z|\b\d\d:\d\d:\d\d(\.\d+)?\b`), "10:00:00"},
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]+`), "SHA256:..."},
	{regexp.MustCompile(`SSH-2.0-OpenSSH_\S+( Debian\S+)?`), "SSH-2.0-OpenSSH_9.9"},
	{regexp.MustCompile(`Samba \d[\d.]*\d`), "Samba 4.22"},
	{regexp.MustCompile(`\d+(\.\d+)? (B|KiB|MiB)\b`), "N $2"},
	{regexp.MustCompile(`\b\d+%`), "N%"},
	{regexp.MustCompile(`holds \d+ files`), "holds 3 files"},
	{regexp.MustCompile(`ssh-ed25519 AAAA\S+`), "ssh-ed25519 AAAA..."},
	{regexp.MustCompile(`(?m)^.*\(Ctrl-C leaves it to itself.*\n`), ""}, // told by a busy machine only
}

func (o *tour) tidy(out string) string {
	out = strings.NewReplacer(o.replace...).Replace(out)
	for _, p := range tourPatterns {
		out = p.pattern.ReplaceAllString(out, p.to)
	}
	return aligned(out)
}

// momentary are columns that show what is just then, and what stands for it.
var momentary = map[string]string{"READING": "-", "WRITING": "-", "WAITING": "-", "HITS": "N%"}

// aligned sets tables anew: their columns follow what was replaced.
func aligned(out string) string {
	gap := regexp.MustCompile(` {2,}`)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	var header []string
	for line := range strings.Lines(out) {
		cells := gap.Split(strings.TrimRight(line, " \n"), -1)
		switch verdict := slices.Contains([]string{"ok", "note", "FAIL"}, cells[0]); {
		case len(cells) == 3 && verdict:
			line = strings.Join(cells, "\t") + "\n"
		case len(cells) == 2 && cells[0] == "" && strings.HasPrefix(line, strings.Repeat(" ", 20)): // its remedy
			line = "\t\t  " + cells[1] + "\n"
		case len(cells) > 3:
			if cells[0] == "NAME" {
				header = cells
			} else if len(cells) == len(header) {
				for i, title := range header {
					if same, ok := momentary[title]; ok {
						cells[i] = same
					}
				}
			}
			line = strings.Join(cells, "\t") + "\n"
		}
		io.WriteString(w, line)
	}
	w.Flush()
	return b.String()
}

// docs/tour.md is what a person sees in the first hour. This test takes the tour
// and fails when it is not as the page says.
func TestTour(t *testing.T) {
	testenv.Require(t, "sshd", "smbclient")
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	media := filepath.Join(sshd.Home, "media")
	ownedBy(t, media, sshd.User)
	writeFile(t, filepath.Join(media, "readme.txt"), "hello from the server\n")
	other := testenv.StartSSHD(t, testenv.SSHDOptions{Password: true})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	o := &tour{b: b, replace: []string{
		sshd.Remote(filepath.Join(sshd.HomeSeen, "media")), "alice@nas:/srv/media",
		sshd.Remote(filepath.Join(sshd.HomeSeen, "nowhere")), "alice@nas:/srv/nowhere",
		filepath.Join(sshd.HomeSeen, "nowhere"), "/srv/nowhere",
		other.User + "@" + other.Addr, "bob@backup:2222", other.User + "@127.0.0.1", "bob@backup", other.HomeSeen, "/home/bob",
		fmt.Sprintf("[127.0.0.1]:%d", other.Port), "[backup]:2222", other.Addr, "192.0.2.11:2222", fmt.Sprint(other.Port), "2222",
		fmt.Sprintf("[127.0.0.1]:%d", sshd.Port), "[nas]:22",
		sshd.SSHDir, "/ssh", b.State, "/var/lib/sshfs-bridge", b.RunDir, "/run/sshfs-bridge", b.Hub, "/samba-share",
		b.config, "/etc/sshfs-bridge/config.yaml", fmt.Sprint(b.Port), "10445", sshd.Addr, "192.0.2.10:22", fmt.Sprint(sshd.Port), "22",
		sshd.Alias, "nas", "root", "alice", other.User, "bob",
	}}
	b.env = append(b.env, "SSHFS_BRIDGE_CONFIG="+b.config) // as in the image: commands see what serve does
	o.text.WriteString("# The first hour\n\nWritten by a test (`go test ./e2e -run TestTour -update`), so it stays true. Times, process numbers, amounts and paths are replaced.\n")
	o.begin(b, sshd)
	o.withPassword()
	o.lostLink(sshd)
	o.restart(b)
	o.changedKey(sshd)
	o.say("And a mount goes when it is told to.")
	o.show(0, "sshfs-bridge umount media")
	o.show(0, "sshfs-bridge umount backup")
	o.show(0, "sshfs-bridge list")

	if *update {
		writeFile(t, tourFile, o.text.String())
	}
	want, err := os.ReadFile(tourFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), o.text.String()); diff != "" {
		t.Errorf("the tour is not as %s says (-update writes it anew):\n%s", tourFile, diff)
	}
}

func (o *tour) begin(b *bridge, sshd *testenv.SSHD) {
	o.say("`sshfs-bridge serve` runs, as the container's entry point or as a service of a Linux host. There is nothing yet.")
	o.show(0, "sshfs-bridge status")
	o.say("One line adds a remote. It is checked before anything is kept: a wrong path is told, and nothing is left of it.")
	o.show(5, "sshfs-bridge mount alice@nas:/srv/nowhere")
	o.show(0, "sshfs-bridge mount alice@nas:/srv/media")
	o.say("That address is for Finder (Go, Connect to Server). Any SMB client sees the same.")
	o.shell("smbclient -N -U guest% -p 10445 //127.0.0.1/media -c 'more readme.txt'",
		"sh", "-c", fmt.Sprintf("smbclient -N -U guest%% -p %d //127.0.0.1/media -c 'get readme.txt -' 2>/dev/null", b.Port))
	o.show(0, "sshfs-bridge list")
	o.show(0, "sshfs-bridge url media")
	o.say("The same mount again is no error; another one of that name is.")
	o.show(1, "sshfs-bridge mount bob@nas:/tmp media")
	o.say("What is wrong with a configuration is told at once, all of it, and nothing running is touched.")
	writeFile(b.t, b.Dir+"/new.yaml", "cache_memory: a lot\nmounts:\n  photos: {remote: 'alice@nas:', read_olny: true}\n")
	o.replace = append(o.replace, b.Dir+"/new.yaml", "new.yaml")
	o.show(3, "sshfs-bridge config check --config new.yaml")
}

func (o *tour) withPassword() {
	o.say("A server that wants a password asks for it on the terminal. It is kept in memory only, and shown nowhere.")
	o.converse("sshfs-bridge mount -p 2222 bob@backup:/home/bob backup", "Password for", testenv.SSHDPassword)
	o.waitFor("backup", api.StateUp)
	o.say("`status` tells how each mount is, `status --watch` does so all the time.")
	o.show(0, "sshfs-bridge status")
}

func (o *tour) lostLink(sshd *testenv.SSHD) {
	o.say("A server goes away. The mount says so, answers from its cache what it can, and comes back by itself.")
	sshd.Stop()
	o.b.eventually(20*time.Second, "the loss is noticed", func() error {
		if st := o.b.status("media"); st.State != "degraded" || st.Attempts < 2 || st.NextAttempt == nil || time.Until(*st.NextAttempt) < 300*time.Millisecond {
			return fmt.Errorf("%s, %d attempts", st.State, st.Attempts)
		}
		return nil
	})
	o.show(5, "sshfs-bridge status media")
	sshd.Start()
	o.waitFor("media", api.StateUp)
	o.show(0, "sshfs-bridge list")
}

func (o *tour) restart(b *bridge) {
	o.say("Mounts outlive a restart of the supervisor, and of the machine. While none runs, every command says so.")
	b.stop(syscall.SIGTERM, 10*time.Second)
	o.show(4, "sshfs-bridge list")
	b.start()
	o.waitFor("media", api.StateUp)
	o.waitFor("backup", api.StateNeedsLogin)
	o.say("What a person typed is not kept over it: that mount waits for somebody to type it again.")
	o.show(5, "sshfs-bridge status backup")
	o.converse("sshfs-bridge login backup", "Password for", testenv.SSHDPassword)
}

func (o *tour) changedKey(sshd *testenv.SSHD) {
	o.say("A server shows another host key than before. It was set up anew, or it is somebody else: nothing is sent to it, and nothing is tried again, until a person has looked.")
	sshd.Stop()
	sshd.NewHostKeys()
	sshd.Start()
	o.waitFor("media", api.StateDown)
	o.show(5, "sshfs-bridge status media")
	o.show(5, "sshfs-bridge doctor media")
	o.say("Here it was set up anew. Its old line goes, and the next login takes the new key.")
	o.shell("ssh-keygen -R '[nas]:22'", "sh", "-c", fmt.Sprintf("ssh-keygen -f %s -R '[127.0.0.1]:%d' >/dev/null 2>&1", sshd.KnownHosts, sshd.Port))
	o.show(0, "sshfs-bridge login media")
}
