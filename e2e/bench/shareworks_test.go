package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// shareWorks are the lines of the table for shares: smbclient does them, which asks
// for one thing at a time, as Finder's engine does. What is got lands in memory,
// so that this machine's disk has no part in it.
func shareWorks() []work {
	return []work{
		{name: "get", title: "get %MB", unit: seconds, do: get},
		{name: "list", title: "list the tree", unit: seconds, do: list},
		{name: "mget", title: "get the 4 KiB files", unit: seconds, do: getMany},
		{name: "mput", title: "put 4 KiB files", unit: seconds, fills: true, do: putMany, check: func(c *cell) error {
			for i := range c.done {
				if err := c.fix.same(c.fresh+created(i), c.fix.small(i)); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

// inMemory calls f with an empty directory that lies in memory where it can.
func inMemory(f func(dir string) error) error {
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "bridge-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return f(dir)
}

// smb runs smbclient in a directory, within the cell's time; only that is timed.
func (c *cell) smb(dir, commands string) (string, error) {
	ctx, cancel := context.WithDeadline(c.ctx, c.deadline)
	defer cancel()
	c.begin()
	defer c.end()
	return c.mount.smbclient(ctx, dir, commands)
}

func get(c *cell) (float64, error) {
	return 1, inMemory(func(dir string) error {
		out, err := c.smb(dir, "get large/file file")
		if err != nil {
			return err
		}
		return sameFile(dir+"/file", c.fix.data, out)
	})
}

func getMany(c *cell) (float64, error) {
	return 1, inMemory(func(dir string) error {
		out, err := c.smb(dir, "cd many; prompt; mget *")
		for i := range c.fix.set.many() {
			if err == nil {
				err = sameFile(filepath.Join(dir, fmt.Sprintf("f%03d", i)), c.fix.small(i), out)
			}
		}
		return err
	})
}

// sameFile compares what smbclient got; out is what it said.
func sameFile(path string, want []byte, out string) error {
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s: %w", filepath.Base(path), errOtherBytes)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out[max(0, len(out)-1024):])
	}
	return err
}

var listedFile = regexp.MustCompile(`(?m)^  f\d\d `)

func list(c *cell) (float64, error) {
	out, err := c.smb("", "cd tree; recurse; ls")
	if err != nil {
		return 0, err
	}
	set := c.fix.set
	if got, want := len(listedFile.FindAllString(out, -1)), set.fan()*set.fan()*set.leaves(); got != want {
		return 0, fmt.Errorf("%d files were listed, want %d\n%s", got, want, out[max(0, len(out)-1024):])
	}
	return 1, nil
}

func putMany(c *cell) (float64, error) {
	return 1, inMemory(func(dir string) error {
		for i := range c.fix.set.fresh() {
			if err := os.WriteFile(dir+created(i), c.fix.small(i), 0o644); err != nil {
				return err
			}
		}
		out, err := c.smb(dir, "cd "+c.fresh+"; prompt; mput *")
		if err != nil {
			return err
		}
		for i := range c.fix.set.fresh() {
			if err := c.landed(c.fresh+created(i), smallSize); err != nil {
				return fmt.Errorf("%w\n%s", err, out[max(0, len(out)-1024):])
			}
			c.done++
		}
		c.end() // what was put has arrived
		return nil
	})
}
