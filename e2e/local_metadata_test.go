package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hirochachacha/go-smb2"

	"sshfs-bridge/e2e/testenv"
)

// afpInfo is what Finder keeps of a file: signature, version, times, and type
// and creator with flags and a label.
func afpInfo(label byte) string {
	b := make([]byte, 60)
	copy(b, "AFP\x00\x00\x00\x01\x00\x00\x00\x00\x00\x80\x00\x00\x00TEXTttxt")
	b[25] = label << 1
	return string(b)
}

// appleDouble is a file as ditto and unzip make it beside one with a fork.
const appleDouble = "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02unpacked"

// put writes a file or a stream as a Mac does: opened or made, written at once.
func put(t testing.TB, share *smb2.Share, name, content string) {
	t.Helper()
	f, err := share.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	for off := 0; off < len(content); off += 256 << 10 {
		if _, err := f.WriteAt([]byte(content[off:min(len(content), off+256<<10)]), int64(off)); err != nil {
			t.Fatalf("write %s at %d: %v", name, off, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatalf("close %s: %v", name, err)
	}
}

// reads says whether a share's file or stream has a content.
func reads(share *smb2.Share, name, want string) error {
	f, err := share.Open(name)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer f.Close()
	got := make([]byte, len(want)+1)
	if strings.HasSuffix(name, ":AFP_AfpInfo") {
		got = got[:len(want)] // fruit has each read of it begin at its start
	}
	n := 0
	for n < len(got) {
		m, err := f.ReadAt(got[n:min(len(got), n+256<<10)], int64(n))
		n += m
		if m == 0 || err != nil {
			break // its end, or less than was written
		}
	}
	if !bytes.Equal(got[:n], []byte(want)) {
		return fmt.Errorf("%s: %d bytes that differ from the %d written: %.80q", name, n, len(want), got[:n])
	}
	return nil
}

// onServer are the paths below a directory of the server, files with their hash.
func onServer(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel := strings.TrimPrefix(p, dir+"/")
		if d.Type().IsRegular() {
			rel += " " + hashFile(t, p)
		}
		all = append(all, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func hashed(name, content string) string {
	sum := sha256.Sum256([]byte(content))
	return name + " " + string(sum[:])
}

// What only a Mac stores is there after everything that a file and a process can
// go through, and never on the server.
func TestMacMetadataThroughTheShare(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	dir := filepath.Join(sshd.Home, "data")
	ownedBy(t, dir, "root")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(filepath.Join(sshd.HomeSeen, "data")), "files")
	share := b.share("files")

	fork := make([]byte, 1<<20)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(fork); i++ {
		fork[i] = byte(r.Uint32())
	}
	if err := share.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{
		"folder/user.txt":                                    "the user's own",
		"folder/user.txt:AFP_AfpInfo":                        afpInfo(6),
		"folder/user.txt:AFP_Resource":                       string(fork),
		"folder/user.txt:com.apple.metadata_kMDItemUserTags": "bplist00 red",
		"folder:AFP_AfpInfo":                                 afpInfo(2),
		"folder/.DS_Store":                                   "Bud1 view of the folder",
		".DS_Store":                                          "Bud1 view of the share",
		"folder/._unzipped":                                  appleDouble,
		"folder/._text":                                      "only a name, not AppleDouble",
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range kept {
			if !yield(name) {
				return
			}
		}
	})
	for _, name := range names {
		put(t, share, name, kept[name])
	}
	check := func(when string) {
		t.Helper()
		share := b.share("files")
		for _, name := range names {
			if err := reads(share, name, kept[name]); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
	}
	wantServer := func(when, folder string) {
		t.Helper()
		want := []string{folder, hashed(folder+"/._text", kept[folder+"/._text"]), hashed(folder+"/user.txt", kept[folder+"/user.txt"])}
		if got := onServer(t, dir); !slices.Equal(got, want) {
			t.Errorf("%s: on the server are %q", when, got)
		}
	}
	check("just written")
	wantServer("just written", "folder")
	if err := share.Mkdir(".Trashes", 0o755); !os.IsPermission(err) {
		t.Errorf("mkdir .Trashes: %v, want no permission", err)
	}
	// The fork is found by its name, and not listed beside its file.
	listed, err := share.ReadDir("folder")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, fi := range listed {
		seen = append(seen, fi.Name())
	}
	if slices.Sort(seen); !slices.Equal(seen, []string{".DS_Store", "._text", "._unzipped", "user.txt"}) {
		t.Errorf("listed: %q", seen)
	}

	// kill -9 at once after the last close.
	syscall.Kill(b.status("files").WorkerPID, syscall.SIGKILL)
	b.eventually(10*time.Second, "the worker is back", func() error {
		share, err := b.dialShare("files")
		if err != nil {
			return err
		}
		return reads(share, "folder/user.txt", kept["folder/user.txt"])
	})
	check("after kill -9 of the worker")

	// A renamed folder takes everything along, as a renamed file does.
	share = b.share("files")
	if err := share.Rename("folder", "moved"); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if rest, ok := strings.CutPrefix(name, "folder"); ok {
			kept["moved"+rest] = kept[name]
			names[i] = "moved" + rest
		}
	}
	check("after a rename of the folder")
	wantServer("after a rename of the folder", "moved")
	if err := share.Rename("moved/user.txt", "moved/other.txt"); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"AFP_AfpInfo", "AFP_Resource", "com.apple.metadata_kMDItemUserTags"} {
		if err := reads(share, "moved/other.txt:"+stream, kept["moved/user.txt:"+stream]); err != nil {
			t.Errorf("after a rename of the file: %v", err)
		}
	}
	if err := share.Rename("moved/other.txt", "moved/user.txt"); err != nil {
		t.Fatal(err)
	}

	// The whole appliance ends, orderly and not.
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		b.stop(sig, 15*time.Second)
		b.start()
		b.eventually(10*time.Second, "the mount is back", func() error {
			share, err := b.dialShare("files")
			if err != nil {
				return err
			}
			return reads(share, "moved/user.txt", kept["moved/user.txt"])
		})
		check("after " + sig.String() + " of the supervisor")
	}
	wantServer("in the end", "moved")

	// With the file goes what was kept of it.
	share = b.share("files")
	if err := share.Remove("moved/user.txt"); err != nil {
		t.Fatal(err)
	}
	put(t, share, "moved/user.txt", "another")
	for _, stream := range []string{"AFP_Resource", "com.apple.metadata_kMDItemUserTags"} {
		if _, err := share.Open("moved/user.txt:" + stream); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of the next file of that name: %v", stream, err)
		}
	}
	for _, name := range []string{"moved/user.txt", "moved/._text"} {
		if err := share.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	// Nothing but a Mac's files is in it: it is empty, for who looks at the mount.
	if err := syscall.Rmdir(filepath.Join(b.RunDir, "mnt", "files", "moved")); err != nil {
		t.Errorf("rmdir: %v", err)
	}
	if got := onServer(t, dir); len(got) > 0 {
		t.Errorf("left on the server: %q", got)
	}
}

// A worker has its own mount's metadata open, and no other's; what cannot be read
// is set aside and told, and the mount comes up.
func TestDamagedMetadataAreSetAside(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "one")
	b.ok("mount", sshd.Remote(sshd.HomeSeen), "two")
	put(t, b.share("one"), ".DS_Store", "of one")
	put(t, b.share("two"), ".DS_Store", "of two")
	for _, name := range []string{"one", "two"} {
		if err := reads(b.share(name), ".DS_Store", "of "+name); err != nil {
			t.Error(err)
		}
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", b.status(name).WorkerPID))
		if err != nil {
			t.Fatal(err)
		}
		own := 0
		for _, l := range links {
			to, err := os.Readlink(l)
			if err != nil || !strings.HasPrefix(to, b.State) {
				continue
			}
			if !strings.HasPrefix(to, filepath.Join(b.State, "metadata", name+"-")) {
				t.Errorf("the worker of %s has %s open", name, to)
			}
			own++
		}
		if own == 0 {
			t.Errorf("the worker of %s has no metadata open: %q", name, links)
		}
	}
	b.stop(syscall.SIGTERM, 15*time.Second)
	found, err := filepath.Glob(filepath.Join(b.State, "metadata", "one-*", "metadata.db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	writeFile(t, found[0], strings.Repeat("not what it was ", 4096))
	b.start()
	b.eventually(10*time.Second, "both mounts are back", func() error {
		for _, name := range []string{"one", "two"} {
			if _, err := b.dialShare(name); err != nil {
				return err
			}
			if st := b.status(name); !st.State.Good() {
				return fmt.Errorf("%s: %s %s", name, st.State, st.Cause)
			}
		}
		return nil
	})
	if err := reads(b.share("two"), ".DS_Store", "of two"); err != nil {
		t.Error(err)
	}
	put(t, b.share("one"), ".DS_Store", "anew")
	if notes := strings.Join(b.status("one").Notes, "\n"); !strings.Contains(notes, "set aside") {
		t.Errorf("status does not tell: %q", notes)
	}
	if fi, err := os.Stat(filepath.Join(filepath.Dir(found[0]), "metadata.damaged")); err != nil || fi.Size() == 0 {
		t.Errorf("nothing was set aside: %v, %v", fi, err)
	}
}

// mac_files: server is for those who want a Mac's files beside the user's.
func TestMacFilesOnTheServer(t *testing.T) {
	sshd := testenv.StartSSHD(t, testenv.SSHDOptions{})
	dir := filepath.Join(sshd.Home, "data")
	ownedBy(t, dir, "root")
	b := startBridge(t, bridgeOptions{SSHDir: sshd.SSHDir})
	b.ok("mount", "-o", "mac_files=server", sshd.Remote(filepath.Join(sshd.HomeSeen, "data")), "files")
	share := b.share("files")
	put(t, share, ".DS_Store", "view")
	put(t, share, "._x", appleDouble)
	want := []string{hashed(".DS_Store", "view"), hashed("._x", appleDouble)}
	if got := onServer(t, dir); !slices.Equal(got, want) {
		t.Errorf("on the server are %q", got)
	}
	if _, stderr, code := b.run("mount", "-o", "mac_files=nowhere", sshd.Remote(sshd.HomeSeen), "bad"); code == 0 || !strings.Contains(stderr, "mac_files") {
		t.Errorf("mac_files=nowhere: exit %d, %s", code, stderr)
	}
}
