package bridge

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/crypto/ssh/knownhosts"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/fusefs/sshdial"
)

// hostKeys keeps the host keys that were accepted here, as known_hosts lines
// in the state directory. Those of the SSH directory are never touched.
type hostKeys struct {
	dir string
	log *slog.Logger
	mu  sync.Mutex // serialises the file
}

func (h *hostKeys) path() string { return filepath.Join(h.dir, "known_hosts") }

// lines are the accepted keys.
func (h *hostKeys) lines() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.read()
}

func (h *hostKeys) read() []string {
	data, err := os.ReadFile(h.path())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			h.log.Error("accepted host keys not read", "err", err)
		}
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (h *hostKeys) write(lines []string) error {
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	return renameio.WriteFile(h.path(), b.Bytes(), 0o600)
}

// keep adds a line.
func (h *hostKeys) keep(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.read()
	if line = strings.TrimSpace(line); line == "" || slices.Contains(lines, line) {
		return
	}
	if err := h.write(append(lines, line)); err != nil {
		h.log.Error("accepted host key not kept: it will be asked for again", "err", err)
	}
}

// matches says whether a known_hosts line is about one of the names.
func matches(line string, names []string) bool {
	hosts, _, _ := strings.Cut(line, " ")
	return slices.ContainsFunc(strings.Split(hosts, ","), func(p string) bool { return slices.Contains(names, p) })
}

// knows says whether a key was accepted here for one of the names.
func (h *hostKeys) knows(names []string) bool {
	return slices.ContainsFunc(h.lines(), func(l string) bool { return matches(l, names) })
}

// forget takes the lines of a host out and returns them. names are the ways
// in which known_hosts writes the host.
func (h *hostKeys) forget(names []string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kept, gone []string
	for _, line := range h.read() {
		if matches(line, names) {
			gone = append(gone, line)
		} else {
			kept = append(kept, line)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	return gone, h.write(kept)
}

// hostNames are the names under which known_hosts may hold a mount's remote:
// as it is given and as ssh_config resolves it, with the port where it is not 22.
func hostNames(m api.MountSpec, c *Config) []string {
	t, err := sshdial.ParseTarget(m.Remote)
	if err != nil {
		return nil
	}
	port := t.Port
	if m.Port != 0 {
		port = m.Port
	}
	hosts := []string{t.Host}
	r, err := sshdial.Resolve(t, sshdial.Options{
		SSHDir: c.SSHDir, HomeDir: homeDirOf(c.SSHDir), Overrides: m.SSHOptions, Port: m.Port, ProxyJump: m.ProxyJump,
	})
	if err == nil {
		hosts, port = append(hosts, r.HostName), r.Port
	}
	var names []string
	for _, h := range hosts {
		names = append(names, knownhosts.Normalize(net.JoinHostPort(h, strconv.Itoa(cmp.Or(port, 22)))))
	}
	return names
}

// hostOf is a remote without its path.
func hostOf(remote string) string {
	t, err := sshdial.ParseTarget(remote)
	if err != nil {
		return remote
	}
	return t.Host
}

// homeDirOf is the home directory that an SSH directory belongs to: its
// parent, where it is called .ssh, else itself.
func homeDirOf(sshDir string) string {
	if filepath.Base(sshDir) == ".ssh" {
		return filepath.Dir(sshDir)
	}
	return sshDir
}
