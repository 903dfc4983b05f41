package smbd

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// PortBusyError says who listens where smbd shall.
type PortBusyError struct {
	Addr string // host:port
	PID  int    // 0 where it cannot be seen
	Name string // the program, empty where it cannot be seen
}

func (e *PortBusyError) Error() string {
	who := "another program, which is not visible from here (outside this container?)"
	if e.PID != 0 {
		who = fmt.Sprintf("%s (pid %d)", e.Name, e.PID)
	}
	advice := "stop it or choose another port"
	if e.Name == "smbd" {
		advice = "stop it (systemctl disable --now smbd) or choose another port"
	}
	return fmt.Sprintf("port %s is in use by %s: %s", e.Addr, who, advice)
}

// checkPorts says which of the addresses cannot be listened on, all at once.
func checkPorts(ctx context.Context, addrs []string) error {
	var errs []error
	for _, addr := range addrs {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			l.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			busy := &PortBusyError{Addr: addr}
			busy.PID, busy.Name = listener(addr)
			errs = append(errs, busy)
		case errors.Is(err, syscall.EACCES):
			errs = append(errs, fmt.Errorf("port %s needs root or CAP_NET_BIND_SERVICE, or choose one above 1023: %w", addr, err))
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			errs = append(errs, fmt.Errorf("%s is no address of this machine: %w", addr, err))
		default:
			errs = append(errs, fmt.Errorf("listen on %s: %w", addr, err))
		}
	}
	return errors.Join(errs...)
}

// listener finds the process that listens on addr or on its port at every
// address.
func listener(addr string) (pid int, name string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, ""
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, ""
	}
	ip := net.ParseIP(host)
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, inode := range listening(table, ip, n) {
			sockets["socket:["+inode+"]"] = true
		}
	}
	if len(sockets) == 0 {
		return 0, ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err != nil || !sockets[link] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		pid, _ = strconv.Atoi(filepath.Base(dir))
		comm, _ := os.ReadFile(dir + "/comm")
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}

// listening are the inodes of the sockets in table that listen on port, at ip
// or at every address.
func listening(table string, ip net.IP, port int) (inodes []string) {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	const stateListen = "0A"
	for sc := bufio.NewScanner(f); sc.Scan(); {
		// sl local_address rem_address st tx:rx tr:tm retr uid timeout inode
		field := strings.Fields(sc.Text())
		if len(field) < 10 || field[3] != stateListen {
			continue
		}
		addr, hexPort, _ := strings.Cut(field[1], ":")
		p, err := strconv.ParseUint(hexPort, 16, 16)
		if err != nil || int(p) != port {
			continue
		}
		at := kernelIP(addr)
		if at == nil || ip == nil || ip.IsUnspecified() || at.IsUnspecified() || at.Equal(ip) {
			inodes = append(inodes, field[9])
		}
	}
	return inodes
}

// kernelIP decodes an address of /proc/net/tcp: 32-bit words, little endian on
// every machine that we run on.
func kernelIP(s string) net.IP {
	b, err := hex.DecodeString(s)
	if err != nil || len(b)%4 != 0 {
		return nil
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	return net.IP(b)
}
