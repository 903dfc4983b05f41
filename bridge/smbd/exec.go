package smbd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sshfs-bridge/bridge/confine"
)

// execOrder is the one argument of smbd-exec.
type execOrder struct {
	Argv  []string `json:"argv"`
	Cover []string `json:"cover,omitempty"`
	Keep  []string `json:"keep,omitempty"`
}

// capabilities are what smbd keeps; see the package comment.
var capabilities = []int{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_NET_BIND_SERVICE}

// ExecMain is the hidden command smbd-exec. It is given the arguments after
// the command's name, is started in a mount namespace of its own, and becomes
// smbd; it returns only on error, and the process must end then.
func ExecMain(args []string) error {
	if len(args) != 1 {
		return errors.New("smbd-exec is not for people: sshfs-bridge serve calls it")
	}
	var order execOrder
	if err := json.Unmarshal([]byte(args[0]), &order); err != nil {
		return fmt.Errorf("smbd-exec: %w", err)
	}
	if len(order.Argv) == 0 {
		return errors.New("smbd-exec: nothing to execute")
	}
	if err := inOwnNamespace(); err != nil {
		return fmt.Errorf("smbd-exec: %w", err)
	}
	// From now on mounts made outside arrive here, and none goes out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("smbd-exec: make the mounts slaves: %w", err)
	}
	if err := coverAll(order.Cover, order.Keep); err != nil {
		return fmt.Errorf("smbd-exec: %w", err)
	}
	return confine.Exec(order.Argv[0], order.Argv, os.Environ(), confine.Limits{Keep: capabilities})
}

// inOwnNamespace refuses to go on in the starter's mount namespace, where the
// covers would hide the keys from everyone.
func inOwnNamespace() error {
	ours, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	parents, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()))
	if err == nil && ours == parents {
		return errors.New("not in a mount namespace of its own")
	}
	return nil
}

// coverAll puts an empty read-only directory upon each path (or /dev/null,
// upon a file), except for what is kept.
func coverAll(cover, keep []string) error {
	type kept struct {
		path string
		fd   int
	}
	for _, path := range cover {
		fi, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cover %s: %w", path, err)
		}
		if !fi.IsDir() {
			if err := unix.Mount("/dev/null", path, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("cover %s: %w", path, err)
			}
			continue
		}
		// What is kept is held open while it is hidden, and shown again.
		var held []kept
		for _, k := range keep {
			rel, ok := strings.CutPrefix(filepath.Clean(k), filepath.Clean(path)+"/")
			if !ok {
				continue
			}
			fd, err := unix.Open(k, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("keep %s: %w", k, err)
			}
			held = append(held, kept{rel, fd})
		}
		const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
		if err := unix.Mount("covered", path, "tmpfs", flags, "mode=0755,size=4k,nr_inodes=64"); err != nil {
			return fmt.Errorf("cover %s: %w", path, err)
		}
		for _, k := range held {
			at := filepath.Join(path, k.path)
			if err := os.MkdirAll(at, 0o755); err != nil {
				return fmt.Errorf("keep %s: %w", at, err)
			}
			if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", k.fd), at, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("keep %s: %w", at, err)
			}
			unix.Close(k.fd)
		}
		if err := unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY|flags, "size=4k,nr_inodes=64"); err != nil {
			return fmt.Errorf("cover %s: %w", path, err)
		}
	}
	return nil
}
