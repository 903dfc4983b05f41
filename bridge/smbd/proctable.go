package smbd

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// process is one process of Samba's.
type process struct {
	pid, parent, group int
	name               string // as ps shows it, at most 15 bytes
}

// processes are the live processes that work with our smb.conf: those whose
// command line names it, and those in a process group with one of them. The
// latter because newer versions replace the command line of the processes
// that they fork ("smbd: client [127.0.0.1]").
func (s *Server) processes() (ours []process) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []process
	groups := map[int]bool{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		p, ok := parseStat(stat)
		if !ok {
			continue
		}
		p.pid = pid
		all = append(all, p)
		// Reading the command line of every process costs more than looking
		// at the names first.
		if !isSamba(p.name) {
			continue
		}
		if cmdline, err := os.ReadFile("/proc/" + e.Name() + "/cmdline"); err == nil && s.named(cmdline) {
			groups[p.group] = true
		}
	}
	for _, p := range all {
		if groups[p.group] {
			ours = append(ours, p)
		}
	}
	return ours
}

// pids are the processes' numbers.
func (s *Server) pids() (pids []int) {
	for _, p := range s.processes() {
		pids = append(pids, p.pid)
	}
	return pids
}

// parseStat reads /proc/PID/stat: "PID (NAME) STATE PARENT GROUP ...", where
// the name may hold anything. Zombies are left out.
func parseStat(stat []byte) (process, bool) {
	open, shut := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || shut < open {
		return process{}, false
	}
	field := strings.Fields(string(stat[shut+1:]))
	if len(field) < 3 || field[0] == "Z" || field[0] == "X" {
		return process{}, false
	}
	parent, err1 := strconv.Atoi(field[1])
	group, err2 := strconv.Atoi(field[2])
	return process{parent: parent, group: group, name: string(stat[open+1 : shut])}, err1 == nil && err2 == nil
}

// isSamba says whether a process name can be one of Samba's.
func isSamba(name string) bool {
	return strings.HasPrefix(name, "smbd") || strings.HasPrefix(name, "samba-dcerpcd") || strings.HasPrefix(name, "rpcd_")
}

// named says whether a command line names our smb.conf.
func (s *Server) named(cmdline []byte) bool {
	args := strings.Split(string(bytes.TrimRight(cmdline, "\x00")), "\x00")
	return isSamba(filepath.Base(args[0])) && slices.Contains(args, "--configfile="+s.o.ConfPath)
}

// clientProcesses are the children of the main smbd that serve clients: all
// but its helpers.
func (s *Server) clientProcesses(parent int) (pids []int) {
	helpers := []string{"notifyd", "cleanupd", "scavenger", "lpqd"}
	for _, p := range s.processes() {
		if p.parent != parent || slices.ContainsFunc(helpers, func(h string) bool { return strings.Contains(p.name, h) }) {
			continue
		}
		pids = append(pids, p.pid)
	}
	return pids
}
