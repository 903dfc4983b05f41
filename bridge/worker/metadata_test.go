package worker

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// A disk that takes nothing leaves a mount that comes up, and says so.
func TestMetadataOnAFullDisk(t *testing.T) {
	files, err := localmeta.OpenFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files.DB.Close()
	if files.DB, err = os.OpenFile("/dev/full", os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	store, remarks, err := openMetadata(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if len(remarks) != 1 || !strings.Contains(remarks[0], "will be lost") {
		t.Errorf("remarks: %q", remarks)
	}
	if err := store.SetXattr("f", "user.a", []byte("1"), 0); err != nil {
		t.Error(err)
	}
}

// What was kept is there, and no remark is made of it.
func TestMetadataAreKept(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		files, err := localmeta.OpenFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		store, remarks, err := openMetadata(files, slog.New(slog.DiscardHandler))
		if err != nil || len(remarks) > 0 {
			t.Fatalf("%q, %v", remarks, err)
		}
		if err := store.SetXattr("f", "user.a", []byte("1"), 0); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	if fi, err := os.Stat(filepath.Join(dir, "metadata.damaged")); err != nil || fi.Size() > 0 {
		t.Errorf("%v, %v", fi, err)
	}
}
