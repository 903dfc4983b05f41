package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sshfs-bridge/bridge"
	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/client"
)

// walk visits every command.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// TestHelp compares the help of every command with testdata/help: it is what
// people and completion see. UPDATE=1 writes it anew.
func TestHelp(t *testing.T) {
	root := newRootCommand(&global{})
	root.InitDefaultHelpCmd()
	walk(root, func(c *cobra.Command) {
		if c.DisableFlagParsing || c.Hidden || c.Name() == "help" || c.Name() == "completion" || c.Parent() != nil && c.Parent().Name() == "completion" {
			return
		}
		var out bytes.Buffer
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if code := execute(t.Context(), args, nil, &out, &out); code != 0 {
			t.Errorf("%q: exit %d: %s", args, code, &out)
		}
		file := filepath.Join("testdata", "help", strings.ReplaceAll(c.CommandPath(), " ", "-")+".txt")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s (UPDATE=1 go test ./cmd/sshfs-bridge writes it anew):\n%s", file, diff)
		}
	})
}

func TestCommands_everyOneHasHelpAndExamples(t *testing.T) {
	walk(newRootCommand(&global{}), func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s: no short help", c.CommandPath())
		}
		leaf := !c.HasSubCommands() && !c.Hidden && !c.DisableFlagParsing
		if leaf && c.Example == "" {
			t.Errorf("%s: no example", c.CommandPath())
		}
		seen := map[string]string{}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if other, ok := seen[f.Shorthand]; ok && f.Shorthand != "" {
				t.Errorf("%s: -%s is --%s and --%s", c.CommandPath(), f.Shorthand, f.Name, other)
			}
			seen[f.Shorthand] = f.Name
			if f.Usage == "" {
				t.Errorf("%s: --%s has no help", c.CommandPath(), f.Name)
			}
		})
	})
}

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{&usageError{errors.New("x")}, 2},
		{fmt.Errorf("serve: %w", &bridge.ConfigError{}), 3},
		{fmt.Errorf("x: %w", client.ErrUnreachable), 4},
		{client.ErrDenied, 6},
		{fs.ErrPermission, 6},
		{&api.Error{Code: api.CodeInvalid}, 2},
		{&api.Error{Code: api.CodeConfig}, 3},
		{&api.Error{Code: api.CodeNotUp}, 5},
		{&api.Error{Code: api.CodePermission}, 6},
		{&api.Error{Code: api.CodeNotFound}, 1},
		{&api.Error{Code: api.CodeExists}, 1},
		{errors.Join(&api.Error{Code: api.CodeNotFound}), 1},
		{&codeError{code: 5}, 5},
	} {
		if got := exitCode(tc.err); got != tc.want {
			t.Errorf("%v: exit %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestMountOptions(t *testing.T) {
	uid := func(n uint32) *uint32 { return &n }
	for _, tc := range []struct {
		o    string
		want api.MountSpec
		bad  bool
	}{
		{o: "ro", want: api.MountSpec{ReadOnly: true}},
		{o: "allow_other,uid=1000,reconnect", want: api.MountSpec{UID: uid(1000)}},
		{o: "IdentityFile=/k,port=2222", want: api.MountSpec{IdentityFiles: []string{"/k"}, Port: 2222}},
		{o: "Ciphers=a,b", want: api.MountSpec{SSHOptions: []string{"Ciphers=a,b"}}},
		{o: "Ciphers=a,b,ro", want: api.MountSpec{SSHOptions: []string{"Ciphers=a,b"}, ReadOnly: true}},
		{o: "ServerAliveInterval 5", want: api.MountSpec{SSHOptions: []string{"ServerAliveInterval=5"}}},
		{o: "ProxyJump=a,b@c", want: api.MountSpec{ProxyJump: "a,b@c"}},
		{o: "cache=no,idmap=user", want: api.MountSpec{Cache: "off"}},
		{o: "cache=strict", want: api.MountSpec{Cache: "strict"}},
		{o: "follow_symlinks", want: api.MountSpec{Symlinks: "follow"}},
		{o: "follow_symlinks,no_contain_symlinks", want: api.MountSpec{Symlinks: "follow"}},
		{o: "contain_symlinks", want: api.MountSpec{Symlinks: "contained"}},
		{o: "no_contain_symlinks,ro", want: api.MountSpec{Symlinks: "raw", ReadOnly: true}},
		{o: "no_contain_symlinks,contain_symlinks", want: api.MountSpec{Symlinks: "contained"}},
		{o: "transform_symlinks", want: api.MountSpec{Symlinks: "transform-contained"}},
		{o: "transform_symlinks,no_contain_symlinks", want: api.MountSpec{Symlinks: "transform"}},
		{o: "no_contain_symlinks,transform_symlinks", want: api.MountSpec{Symlinks: "transform"}},
		{o: "read_rate=2MiB,write_rate=65536,request_rate=50", want: api.MountSpec{ReadRate: 2 << 20, WriteRate: 1 << 16, RequestRate: 50}},
		{o: "read_rate=fast", bad: true},
		{o: "write_rate=-1", bad: true},
		{o: "request_rate=-1", bad: true},
		{o: "cache_seconds=5", want: api.MountSpec{CacheSeconds: 5}},
		{o: "dcache_timeout=90", want: api.MountSpec{CacheSeconds: 90}},
		{o: "cache_timeout=0", want: api.MountSpec{Cache: "strict"}},
		{o: "max_open_files=100,max_names=2000,max_unwritten=2MiB", want: api.MountSpec{MaxOpenFiles: 100, MaxNames: 2000, MaxUnwritten: 2 << 20}},
		{o: "max_open_files=0", bad: true},
		{o: "bogus", bad: true},
		{o: "", bad: true},
		{o: "uid=-1", bad: true},
		{o: "port=0", bad: true},
	} {
		var got api.MountSpec
		err := applyOption(&got, tc.o)
		if (err != nil) != tc.bad {
			t.Errorf("-o %s: %v", tc.o, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); !tc.bad && diff != "" {
			t.Errorf("-o %s:\n%s", tc.o, diff)
		}
	}
}

func TestSizes(t *testing.T) {
	var got []string
	for _, n := range []uint64{0, 1023, 1024, 1536, 5 << 20, 3 << 40} {
		got = append(got, size(n))
	}
	if want := []string{"0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.0 TiB"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
