package demo

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
)

// largeBytes is the size of the large sample.
const largeBytes = 64 << 20

// sample is one file, folder or link of the demo.
type sample struct {
	path    string // relative, with slashes, as it lies on the server
	content func(io.Writer) error
	link    string // the target of a symlink; content is nil then
	// why says what is odd about it; empty for an ordinary one.
	why string
}

// samples are what the demo serves. The large file's size is a parameter so
// that tests can be quick.
func samples(large int64) []sample {
	long := "a name of 255 bytes " + strings.Repeat("0123456789", 23) + ".txt"
	long += strings.Repeat("x", 255-len(long))
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	return []sample{
		{path: "Read me.txt", content: text(readMe)},
		{path: "Pictures/Sunset.png", content: writePicture},
		{path: "Large/noise.bin", content: func(w io.Writer) error { return writeNoise(w, 1, large) }},
		{path: "Large/empty", content: text("")},
		{path: "Projects/website/index.html", content: text("<!doctype html>\n<title>Demo</title>\n<p>Hello.\n")},
		{path: "Projects/website/assets/style.css", content: text("p { color: teal }\n")},
		{path: "Projects/current", link: "website", why: "a symlink to a folder"},
		{path: "Latest picture.png", link: "Pictures/Sunset.png", why: "a symlink to a file"},
		{path: "Names/caf\u00e9 (NFC).txt", content: text("composed\n"), why: "an accent in one character"},
		{path: "Names/u\u0308bermut (NFD).txt", content: text("decomposed\n"), why: "an accent of its own"},
		{path: "Names/12:30 meeting.txt", content: text("colon\n"), why: "a colon"},
		{path: "Names/She said \"yes\".txt", content: text("quotes\n"), why: "quotes"},
		{path: "Names/what? star* pipe| <angle>.txt", content: text("wildcards\n"), why: "what SMB forbids"},
		{path: "Names/back\\slash.txt", content: text("backslash\n"), why: "SMB's own separator"},
		{path: "Names/ends with a dot.", content: text("dot\n"), why: "a dot at the end"},
		{path: "Names/ends with a space ", content: text("space\n"), why: "a space at the end"},
		{path: "Names/\U0001F469\u200D\U0001F680 lift-off.txt", content: text("emoji\n"), why: "an emoji of several code points"},
		{path: "Names/" + long, content: text("long\n"), why: "255 bytes"},
		{path: "Names/.hidden", content: text("hidden\n"), why: "hidden"},
	}
}

const readMe = `These files lie on an SFTP server inside the demo. What you see is the whole
way: SFTP server, SSH, sshfs-bridge, smbd, SMB, Finder.

Change, copy and delete what you like: it is gone when the demo ends.
`

// WriteSamples fills dir with the samples; dir must exist. large is the size
// of the large one in bytes.
func WriteSamples(dir string, large int64) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("samples: %w", err)
	}
	defer root.Close()
	for _, s := range samples(large) {
		if err := s.write(root); err != nil {
			return fmt.Errorf("samples: %w", err)
		}
	}
	return nil
}

func (s sample) write(root *os.Root) error {
	if err := root.MkdirAll(path.Dir(s.path), 0o755); err != nil {
		return err
	}
	if s.link != "" {
		return root.Symlink(s.link, s.path)
	}
	f, err := root.Create(s.path)
	if err != nil {
		return err
	}
	return errors.Join(s.content(f), f.Close())
}

// writeNoise writes size bytes that look random and are the same each time
// for a seed: nothing on the way can compress or guess them.
func writeNoise(w io.Writer, seed byte, size int64) error {
	noise := rand.NewChaCha8([32]byte{seed})
	_, err := io.CopyN(w, noise, size)
	return err
}

// writePicture paints a sky, a sun and a sea.
func writePicture(w io.Writer) error {
	const width, height, horizon = 960, 600, 400
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetRGBA(x, y, shade(x-width/2, y-horizon, y*255/height))
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return err
	}
	_, err := buf.WriteTo(w)
	return err
}

// shade is the colour of a point, counted from where the sun sets.
func shade(dx, dy, depth int) color.RGBA {
	d := uint8(min(depth, 255))
	switch {
	case dy >= 0 && dx*dx < (dy+30)*(dy+30)/2 && dy/6%2 == 0:
		return color.RGBA{R: 250, G: 190, B: 90, A: 255} // the sun on the water
	case dy >= 0:
		return color.RGBA{R: 20, G: 60, B: 255 - d/2, A: 255}
	case dx*dx+dy*dy < 110*110:
		return color.RGBA{R: 255, G: 220, B: 120, A: 255}
	default:
		return color.RGBA{R: 90 + d/2, G: 60 + d/3, B: 150 - d/3, A: 255}
	}
}
