package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

const copied = 16 << 20

var (
	longest    = strings.Repeat("n", 251) + ".txt"
	bigContent = strings.Repeat("0123456789abcdef", copied/16)
	bigFork    = strings.Repeat("resource fork ", 30_000) // 420,000 bytes: more than an attribute holds
)

// finderCases are what Finder does (FIELD.md), and what is on the server then.
var finderCases = []struct {
	what string
	do   func(f *finder)
	left map[string]string
}{
	{"copy in, with metadata and resource fork", func(f *finder) {
		f.put("photo.jpg", "pixels")
		f.put("photo.jpg"+infoStream, afpInfoOf("JPEG8BIM"))
		f.put("photo.jpg"+resource, bigFork)
		f.put("photo.jpg:com.apple.quarantine", "0081;65a0;Safari;")
		when := time.Date(2019, 7, 1, 12, 30, 0, 0, time.UTC)
		f.must(f.c.setModified(f.at("photo.jpg"), when))
		f.is("photo.jpg", "pixels")
		f.is("photo.jpg"+infoStream, afpInfoOf("JPEG8BIM"))
		f.is("photo.jpg"+resource, bigFork)
		f.is("photo.jpg:com.apple.quarantine", "0081;65a0;Safari;")
		fi, err := os.Stat(f.server + "/photo.jpg")
		f.must(err)
		if !fi.ModTime().Equal(when) {
			f.t.Errorf("modified %v, want %v", fi.ModTime(), when)
		}
		f.lists("photo.jpg", "JPEG8BIM", bigFork)
	}, map[string]string{"photo.jpg": "pixels"}},

	{"duplicate on the server", func(f *finder) {
		f.put("movie", bigContent)
		f.put("movie"+infoStream, afpInfoOf("MooVTVOD"))
		f.put("movie"+resource, bigFork)
		f.put("movie"+tags, "red")
		before := f.b.status("files").Traffic
		f.duplicate("movie", "movie copy")
		after := f.b.status("files").Traffic
		if read, wrote := after.ReadBytes-before.ReadBytes, after.WriteBytes-before.WriteBytes; read+wrote > copied/16 {
			f.t.Errorf("of %d bytes %d came over the link and %d went", copied, read, wrote)
		}
		f.is("movie copy"+infoStream, afpInfoOf("MooVTVOD"))
		f.is("movie copy"+resource, bigFork)
		f.is("movie copy"+tags, "red")
	}, map[string]string{"movie": bigContent, "movie copy": bigContent}},

	{"safe-save beside the file", func(f *finder) {
		f.put("letter.txt", "old")
		f.put("letter.txt"+tags, "red")
		f.put(".letter.txt.sb-5f2a91c3-hQy2Vd", "new")
		f.put(".letter.txt.sb-5f2a91c3-hQy2Vd"+tags, "red")
		f.must(f.c.rename(f.at(".letter.txt.sb-5f2a91c3-hQy2Vd"), f.at("letter.txt"), true))
		f.is("letter.txt", "new")
		f.is("letter.txt"+tags, "red")
		f.isNot(".letter.txt.sb-5f2a91c3-hQy2Vd")
	}, map[string]string{"letter.txt": "new"}},

	{"safe-save through .TemporaryItems", func(f *finder) {
		f.put("letter.txt", "old")
		saving := ".TemporaryItems/folders.501/TemporaryItems/(A Document Being Saved By TextEdit)"
		at := ""
		for part := range strings.SplitSeq(saving, "/") {
			at += part
			f.mkdir(at)
			at += "/"
		}
		f.put(at+"letter.txt", "new")
		f.put(at+"letter.txt"+infoStream, afpInfoOf("TEXTttxt"))
		f.rename("letter.txt", at+"letter.txt.old")
		f.rename(at+"letter.txt", "letter.txt")
		f.removeTree(".TemporaryItems")
		f.is("letter.txt", "new")
		f.is("letter.txt"+infoStream, afpInfoOf("TEXTttxt"))
	}, map[string]string{"letter.txt": "new"}},

	{"move to the trash: there is none, so Finder deletes", func(f *finder) {
		f.put("rubbish", "x")
		for _, name := range []string{".Trashes", ".Trashes/501"} {
			if err := f.c.mkdir(name); err == nil {
				f.t.Errorf("%s was made at the root of the share", name)
			}
		}
		f.remove("rubbish")
	}, nil},

	{"rename in case only, with tags", func(f *finder) {
		f.put("readme.TXT", "text")
		f.put("readme.TXT"+tags, "blue")
		f.rename("readme.TXT", "ReadMe.txt")
		f.is("ReadMe.txt", "text")
		f.is("ReadMe.txt"+tags, "blue")
		if names := f.listed("."); !slices.Equal(names, []string{"ReadMe.txt"}) {
			f.t.Errorf("listed: %q", names)
		}
	}, map[string]string{"ReadMe.txt": "text"}},

	{"a folder with an icon of its own", func(f *finder) {
		const icon = "folder/Icon\uf00d" // a carriage return
		f.mkdir("folder")
		f.put(icon, "")
		f.put(icon+infoStream, afpInfoOf("\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00")) // invisible
		f.put(icon+resource, bigFork)
		f.put("folder"+infoStream, afpInfoOf("\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00")) // has an icon
		f.is(icon+resource, bigFork)
		f.is("folder"+infoStream, afpInfoOf("\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00"))
		f.rename("folder", "renamed")
		f.is("renamed/Icon\uf00d"+resource, bigFork)
		f.is("renamed"+infoStream, afpInfoOf("\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00"))
	}, map[string]string{"renamed/": "", "renamed/Icon\r": ""}},

	{"tags", func(f *finder) {
		f.mkdir("folder")
		f.put("folder/doc", "x")
		f.put("folder/doc"+tags, "red")
		f.put("folder"+tags, "green")
		f.rename("folder", "moved")
		f.is("moved/doc"+tags, "red")
		f.is("moved"+tags, "green")
		f.put("moved/doc"+tags, "a longer list of tags")
		f.is("moved/doc"+tags, "a longer list of tags")
		f.remove("moved/doc" + tags)
		f.isNot("moved/doc" + tags)
		f.is("moved/doc", "x")
		// They go with their file.
		f.put("moved/doc"+tags, "red")
		f.remove("moved/doc")
		f.put("moved/doc", "y")
		f.isNot("moved/doc" + tags)
	}, map[string]string{"moved/": "", "moved/doc": "y"}},

	{"the longest of names, with a resource fork", func(f *finder) {
		f.put(longest, "x")
		f.put(longest+resource, bigFork)
		f.put(longest+infoStream, afpInfoOf("TEXTttxt"))
		f.is(longest+resource, bigFork)
		f.rename(longest, "short")
		f.is("short"+resource, bigFork)
		f.rename("short", longest)
		f.is(longest+resource, bigFork)
		f.is(longest+infoStream, afpInfoOf("TEXTttxt"))
		f.remove(longest)
	}, nil},

	{"metadata on names that are shown otherwise", metadataOnOddNames, nil},

	{"an archive with ._ files", func(f *finder) {
		fork := doubleOf("fork of doc")
		f.put("archive.zip", "PK")
		f.put("doc", "data")
		f.mkdir("__MACOSX")
		f.put("__MACOSX/._doc", fork)
		f.is("__MACOSX/._doc", fork)
		// What only has such a name is a file like any other.
		f.put("._notes", "plain text")
		f.is("._notes", "plain text")
	}, map[string]string{"archive.zip": "PK", "doc": "data", "__MACOSX/": "", "._notes": "plain text"}},

	{"Finder's own files", func(f *finder) {
		f.mkdir("folder")
		f.put("folder/.DS_Store", "\x00\x00\x00\x01Bud1")
		f.is("folder/.DS_Store", "\x00\x00\x00\x01Bud1")
		f.put("folder/.DS_Store", "\x00\x00\x00\x01Bud1, later")
		f.is("folder/.DS_Store", "\x00\x00\x00\x01Bud1, later")
		f.put(".DS_Store", "Bud1")
		// As on a local disk, a folder with one is not empty to who removes just the
		// folder; Finder removes what is in it first.
		if err := f.c.remove(f.at("folder")); err == nil {
			f.t.Error("a folder was removed with what the client sees in it")
		}
		f.removeTree("folder")
	}, nil},

	{"a package", func(f *finder) {
		for _, dir := range []string{"App.app", "App.app/Contents", "App.app/Contents/MacOS", "App.app/Contents/Resources"} {
			f.mkdir(dir)
		}
		f.put("App.app/Contents/Info.plist", "<plist/>")
		f.put("App.app/Contents/MacOS/App", "code")
		f.put("App.app/Contents/Resources/icon.icns", "icns")
		f.put("App.app"+tags, "grey")
		f.rename("App.app", "App 2.app")
		f.is("App 2.app/Contents/MacOS/App", "code")
		f.is("App 2.app"+tags, "grey")
	}, map[string]string{
		"App 2.app/": "", "App 2.app/Contents/": "", "App 2.app/Contents/MacOS/": "", "App 2.app/Contents/Resources/": "",
		"App 2.app/Contents/Info.plist": "<plist/>", "App 2.app/Contents/MacOS/App": "code", "App 2.app/Contents/Resources/icon.icns": "icns",
	}},

	{"delete a tree with metadata everywhere", func(f *finder) {
		f.mkdir("tree")
		f.mkdir("tree/sub")
		for _, name := range []string{"tree/a", "tree/sub/b"} {
			f.put(name, "x")
			f.put(name+resource, "fork")
			f.put(name+tags, "red")
		}
		f.put("tree/.DS_Store", "Bud1")
		f.put("tree/sub/.DS_Store", "Bud1")
		f.removeTree("tree")
	}, nil},

	{"many files in one directory", func(f *finder) {
		const many = 400
		f.mkdir("many")
		var want []string
		for i := range many {
			name := fmt.Sprintf("IMG_%04d.jpg", i)
			f.put("many/"+name, "x")
			want = append(want, name)
		}
		if names := f.listed("many"); !slices.Equal(names, want) {
			f.t.Errorf("%d are listed, %d were made", len(names), many)
		}
		f.removeTree("many")
	}, nil},

	{"free space", func(f *finder) {
		var st syscall.Statfs_t
		f.must(syscall.Statfs(f.server, &st))
		total, free, err := f.c.free(f.dir)
		f.must(err)
		if want := st.Blocks * uint64(st.Frsize); total != want {
			f.t.Errorf("%d bytes in all, want %d", total, want)
		}
		want := st.Bavail * uint64(st.Frsize)
		if free == 0 || free > want*2 || free < want/2 {
			f.t.Errorf("%d bytes free, want about %d", free, want)
		}
	}, nil},
}
