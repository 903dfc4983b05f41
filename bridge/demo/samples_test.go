package demo

import (
	"bytes"
	"image/png"
	"os"
	"path"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

func TestSamples_areTheSameEachTime(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		if err := WriteSamples(dir, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range samples(1 << 20) {
		if n := len(path.Base(s.path)); n > 255 {
			t.Errorf("%q: %d bytes", s.path, n)
		}
		if !utf8.ValidString(s.path) {
			t.Errorf("%q is no UTF-8", s.path)
		}
		if s.link != "" {
			if target, err := os.Readlink(filepath.Join(one, s.path)); err != nil || target != s.link {
				t.Errorf("%q leads to %q (%v)", s.path, target, err)
			}
			continue
		}
		a, err := os.ReadFile(filepath.Join(one, s.path))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(two, s.path))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%q differs from one run to the next (%v)", s.path, err)
		}
	}
}

func TestSamples_pictureIsAPicture(t *testing.T) {
	var buf bytes.Buffer
	if err := writePicture(&buf); err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(&buf); err != nil || img.Bounds().Dx() < 100 {
		t.Errorf("%v, %v", img.Bounds(), err)
	}
}
