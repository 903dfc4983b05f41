package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// forkSize is more than Linux and Samba have room for in attributes.
const forkSize = 1<<20 + 300_000

// putsFork writes a resource fork through the image's own smbd, and hasFork finds
// it again and nothing of it on the server: Samba's versions differ in where they
// keep it.
func (a *appliance) putsFork(share, file, serverDir string) (hasFork func(*appliance)) {
	a.t.Helper()
	dir := a.t.TempDir()
	fork := filepath.Join(dir, "fork")
	want := randomFile(a.t, fork, forkSize)
	before := serverNames(a.t, serverDir)
	smbDo(a.t, "127.0.0.1", a.port, share, fmt.Sprintf("put %s %s:AFP_Resource", fork, file))
	return func(a *appliance) {
		a.t.Helper()
		back := filepath.Join(a.t.TempDir(), "back")
		smbDo(a.t, "127.0.0.1", a.port, share, fmt.Sprintf("get %s:AFP_Resource %s", file, back))
		if hashFile(a.t, back) != want {
			a.t.Errorf("the fork of %s is another", file)
		}
		if after := serverNames(a.t, serverDir); !slices.Equal(before, after) {
			a.t.Errorf("on the server are %q, were %q", after, before)
		}
	}
}

func serverNames(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
