package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/e2e/testenv"
)

// shareClient is an SMB client in a directory of a share. Its methods return what
// the client was told.
type shareClient interface {
	list(dir string) ([]string, error)
	read(name string) (string, error)
	write(name, content string) error
	rename(from, to string) error
	remove(name string) error
	// writeAll, readAll and removeAll do so with many files of one directory.
	writeAll(dir string, content map[string]string) error
	readAll(dir string, names []string) (map[string]string, error)
	removeAll(dir string, names []string) error
}

// shareClients are go-smb2 and smbclient, connected to a share as guest.
func (b *bridge) shareClients(share string) map[string]shareClient {
	b.t.Helper()
	testenv.Require(b.t, "smbclient")
	return map[string]shareClient{"go-smb2": goClient{b.share(share)}, "smbclient": &cliClient{b: b, share: share, dir: b.t.TempDir()}}
}

type goClient struct{ *smb2.Share }

func (c goClient) list(dir string) ([]string, error) {
	infos, err := c.ReadDir(dir)
	var names []string
	for _, fi := range infos {
		names = append(names, fi.Name())
	}
	slices.Sort(names)
	return names, err
}

func (c goClient) read(name string) (string, error) {
	data, err := c.ReadFile(name)
	return string(data), err
}
func (c goClient) write(name, content string) error { return c.WriteFile(name, []byte(content), 0o644) }
func (c goClient) rename(from, to string) error     { return c.Rename(from, to) }
func (c goClient) remove(name string) error         { return c.Remove(name) }

func (c goClient) writeAll(dir string, content map[string]string) error {
	var errs []error
	for name, text := range content {
		errs = append(errs, c.write(filepath.Join(dir, name), text))
	}
	return errors.Join(errs...)
}

func (c goClient) readAll(dir string, names []string) (map[string]string, error) {
	got, errs := map[string]string{}, []error{}
	for _, name := range names {
		text, err := c.read(filepath.Join(dir, name))
		got[name], errs = text, append(errs, err)
	}
	return got, errors.Join(errs...)
}

func (c goClient) removeAll(dir string, names []string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, c.remove(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// cliClient runs smbclient for each call.
type cliClient struct {
	b          *bridge
	share, dir string
}

func (c *cliClient) do(dir, command string) (string, error) {
	stdout, stderr, code := testenv.Run(c.b.t, append(os.Environ(), "LC_ALL=C.UTF-8"), "smbclient", "-N", "-U", "guest%", "-p", fmt.Sprint(c.b.Port),
		"//127.0.0.1/"+c.share, "-D", dir, "-c", command)
	out := stdout + stderr
	// It ends with 0 whatever the last command met.
	if status := regexp.MustCompile(`NT_STATUS_\w+`).FindString(out); status != "" || code != 0 {
		return out, fmt.Errorf("exit %d: %s: %s", code, status, strings.TrimSpace(out))
	}
	return out, nil
}

var cliEntry = regexp.MustCompile(`(?m)^  (.*?) +[ADHNRS]* +\d+  (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) .*$`)

func (c *cliClient) list(dir string) ([]string, error) {
	out, err := c.do(dir, "ls")
	var names []string
	for _, m := range cliEntry.FindAllStringSubmatch(out, -1) {
		if m[1] != "." && m[1] != ".." {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names, err
}

// split gives the directory and the name, as smbclient takes them.
func split(path string) (dir, name string) { return filepath.Dir(path), filepath.Base(path) }

func (c *cliClient) read(path string) (string, error) {
	dir, name := split(path)
	local := filepath.Join(c.dir, "got")
	if err := os.WriteFile(local, nil, 0o600); err != nil {
		return "", err
	}
	if _, err := c.do(dir, fmt.Sprintf(`get "%s" "%s"`, name, local)); err != nil {
		return "", err
	}
	data, err := os.ReadFile(local)
	return string(data), err
}

func (c *cliClient) write(path, content string) error {
	dir, name := split(path)
	local := filepath.Join(c.dir, "put")
	if err := os.WriteFile(local, []byte(content), 0o600); err != nil {
		return err
	}
	_, err := c.do(dir, fmt.Sprintf(`put "%s" "%s"`, local, name))
	return err
}

func (c *cliClient) rename(from, to string) error {
	dir, name := split(from)
	_, err := c.do(dir, fmt.Sprintf(`rename "%s" "%s"`, name, filepath.Base(to)))
	return err
}

func (c *cliClient) remove(path string) error {
	dir, name := split(path)
	_, err := c.do(dir, fmt.Sprintf(`del "%s"`, name))
	return err
}

func (c *cliClient) writeAll(dir string, content map[string]string) error {
	var commands []string
	for name, text := range content {
		local := filepath.Join(c.dir, fmt.Sprint(len(commands)))
		if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
			return err
		}
		commands = append(commands, fmt.Sprintf(`put "%s" "%s"`, local, name))
	}
	_, err := c.do(dir, strings.Join(commands, "; "))
	return err
}

func (c *cliClient) readAll(dir string, names []string) (map[string]string, error) {
	var commands []string
	local := func(i int) string { return filepath.Join(c.dir, fmt.Sprint(i)) }
	for i, name := range names {
		if err := os.WriteFile(local(i), nil, 0o600); err != nil {
			return nil, err
		}
		commands = append(commands, fmt.Sprintf(`get "%s" "%s"`, name, local(i)))
	}
	_, err := c.do(dir, strings.Join(commands, "; "))
	got := map[string]string{}
	for i, name := range names {
		data, rerr := os.ReadFile(local(i))
		got[name], err = string(data), errors.Join(err, rerr)
	}
	return got, err
}

func (c *cliClient) removeAll(dir string, names []string) error {
	var commands []string
	for _, name := range names {
		commands = append(commands, fmt.Sprintf(`del "%s"`, name))
	}
	_, err := c.do(dir, strings.Join(commands, "; "))
	return err
}

// in is b for a subtest, whose failures are its own.
func (b *bridge) in(t testing.TB) *bridge {
	c := *b
	c.t = t
	return &c
}

// tree is what lies below a directory of this machine: files with their content,
// links with their target, directories with a slash.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		switch {
		case fi.IsDir():
			found[name+"/"] = ""
		case fi.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			found[name] = "-> " + target
			return err
		default:
			data, err := os.ReadFile(path)
			found[name] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
