package toucher

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/confine"
	"sshfs-bridge/fusefs/vfs"
)

// envConfined says that the helper has taken its rights away already.
const envConfined = "SSHFS_BRIDGE_TOUCHER"

// Main is the helper: the hidden command "toucher". It takes orders from standard
// input and returns at its end, whatever still waits in a mount.
func Main() error {
	if os.Getenv(envConfined) == "" {
		limits := confine.Limits{DeathSignal: unix.SIGKILL}
		return fmt.Errorf("toucher: %w", confine.Exec("/proc/self/exe", os.Args, append(os.Environ(), envConfined+"=1"), limits))
	}
	if err := confine.Verify(-1); err != nil {
		return fmt.Errorf("toucher is not for people: sshfs-bridge serve calls it (%w)", err)
	}
	return serve(os.Stdin, touch)
}

// maxPerMount bounds the orders that wait for one mount.
const maxPerMount = 64

// serve has each mount's orders carried out in turn, and no mount wait for
// another.
func serve(in io.Reader, do func(order) error) error {
	var mu sync.Mutex
	waiting := map[string][]order{} // GUARDED_BY(mu); what is there is being worked on
	drain := func(mountpoint string) {
		for {
			mu.Lock()
			queue := waiting[mountpoint]
			if len(queue) == 0 {
				delete(waiting, mountpoint)
				mu.Unlock()
				return
			}
			o := queue[0]
			waiting[mountpoint] = queue[1:]
			mu.Unlock()
			// A mount that is gone, or a name that is: there is nobody to be told.
			_ = do(o)
		}
	}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("toucher: %w", err)
		}
		var o order
		if err := json.Unmarshal(line, &o); err != nil {
			return fmt.Errorf("toucher: an order is not understood: %w", err)
		}
		mu.Lock()
		queue, busy := waiting[o.Mountpoint]
		if len(queue) < maxPerMount {
			waiting[o.Mountpoint] = append(queue, o)
		}
		mu.Unlock()
		if !busy {
			go drain(o.Mountpoint) // ends with the process: it may wait in a mount for ever
		}
	}
}

// touch touches the entries of a directory of a mount, or the directory.
func touch(o order) error {
	root, err := unix.Open(o.Mountpoint, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	var st unix.Statx_t
	if err := unix.Statx(root, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, 0, &st); err != nil {
		return err
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return fmt.Errorf("nothing is mounted on %s", o.Mountpoint)
	}
	dir := root
	if o.Dir != "" {
		if dir, err = below(root, o.Dir); err != nil {
			return err
		}
		defer unix.Close(dir)
	}
	touched := false
	for _, name := range o.Names {
		fd, err := below(dir, name)
		if err != nil {
			continue
		}
		touched = set(fd) == nil || touched
		unix.Close(fd)
	}
	if touched {
		return nil
	}
	return set(dir)
}

func below(dir int, path string) (int, error) {
	return unix.Openat2(dir, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
}

// set sets the attribute through the descriptor's name, as a descriptor of this
// kind (O_PATH) takes none itself.
func set(fd int) error {
	return unix.Setxattr(fmt.Sprintf("/proc/self/fd/%d", fd), vfs.TouchXattr, nil, 0)
}
