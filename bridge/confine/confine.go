package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Identity is who a program runs as.
type Identity struct {
	UID, GID uint32
	Groups   []uint32
}

// Limits are what a program may be and have.
type Limits struct {
	// Identity is who it runs as; nil leaves that.
	Identity *Identity
	// Keep are the capabilities (unix.CAP_*) that root keeps; empty: none.
	// Another user than root has none in any case.
	Keep []int
	// DeathSignal is sent to it when the thread that started this process
	// ends; 0 sends none. (The kernel forgets what the starter set, because
	// it belongs to the thread that does not survive.)
	DeathSignal unix.Signal
}

// Exec replaces this process by the program at path, with these limits. It
// returns only on error, and then the process must end: its rights are
// partly gone.
func Exec(path string, argv, env []string, l Limits) error {
	runtime.LockOSThread() // never unlocked: this thread is no use for anything else
	if err := l.apply(); err != nil {
		return err
	}
	if err := unix.Exec(path, argv, env); err != nil {
		return &os.PathError{Op: "execute", Path: path, Err: err}
	}
	return nil
}

// apply limits the calling thread.
func (l Limits) apply() error {
	if err := dropBounding(l.Keep); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && err != unix.EINVAL {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	if l.Identity != nil {
		if err := l.Identity.become(); err != nil {
			return err
		}
	}
	if err := setCapabilities(l.Keep); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if l.DeathSignal != 0 {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(l.DeathSignal), 0, 0, 0); err != nil {
			return fmt.Errorf("set the parent death signal: %w", err)
		}
	}
	return nil
}

// dropBounding leaves only keep in the bounding set. Without CAP_SETPCAP that
// is not possible, and no error: the permitted set is cut down all the same,
// and no_new_privs keeps an execve from giving anything back.
func dropBounding(keep []int) error {
	for c := 0; ; c++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err == unix.EINVAL { // beyond the kernel's last capability
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the bounding set: %w", err)
		}
		if has == 0 || slices.Contains(keep, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			if err == unix.EPERM {
				return nil
			}
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
}

// become changes the thread's user. The plain functions of package syscall
// would change every thread, which the others need not survive.
func (id *Identity) become() error {
	if id.same() {
		return nil
	}
	groups := append([]uint32{}, id.Groups...)
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return fmt.Errorf("set the groups: %w", errno)
	}
	gid, uid := uintptr(id.GID), uintptr(id.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return fmt.Errorf("become group %d: %w", id.GID, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return fmt.Errorf("become user %d: %w", id.UID, errno)
	}
	return nil
}

// same says whether the process is that user already and may not change, as
// in a test that does not run as root.
func (id *Identity) same() bool {
	permitted, _ := capabilities()
	return permitted == 0 && os.Geteuid() == int(id.UID) && os.Getegid() == int(id.GID) && len(id.Groups) == 0
}

// setCapabilities leaves the thread those of its capabilities that are in keep.
func setCapabilities(keep []int) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("read the capabilities: %w", err)
	}
	var want [2]uint32
	for _, c := range keep {
		want[c/32] |= 1 << (c % 32)
	}
	for i := range data {
		data[i].Permitted &= want[i]
		data[i].Effective = data[i].Permitted
		data[i].Inheritable = 0
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return fmt.Errorf("set the capabilities: %w", err)
	}
	return nil
}

// capabilities are the calling thread's permitted ones.
func capabilities() (uint64, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, err
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// Verify says whether this process has no capability, can gain none, and is
// uid (when that is not negative). A program that was started through Exec
// checks so that nothing on the way went wrong unnoticed.
func Verify(uid int) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("read this process's rights: %w", err)
	}
	return verify(string(status), uid)
}

func verify(status string, uid int) error {
	fields := map[string]string{}
	for line := range strings.Lines(status) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	var errs []error
	for _, key := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if n, err := strconv.ParseUint(fields[key], 16, 64); err != nil || n != 0 {
			errs = append(errs, fmt.Errorf("%s is %s", key, fields[key]))
		}
	}
	if fields["NoNewPrivs"] != "1" {
		errs = append(errs, errors.New("no_new_privs is not set"))
	}
	if ids := strings.Fields(fields["Uid"]); uid >= 0 && (len(ids) != 4 || slices.ContainsFunc(ids, func(s string) bool { return s != strconv.Itoa(uid) })) {
		errs = append(errs, fmt.Errorf("the user is %s, not %d", fields["Uid"], uid))
	}
	return errors.Join(errs...)
}
