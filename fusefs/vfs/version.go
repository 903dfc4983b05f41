package vfs

import "time"

// version is what a file's cached data are valid for.
type version struct {
	set   bool
	size  uint64
	mtime uint32
	// racy says that the file had changed so shortly before that another
	// change could go without a trace.
	racy bool
}

func versionOf(a Attrs) version { return version{set: true, size: a.Size, mtime: a.Mtime} }

// same says that both are the same and may be trusted to be.
func (v version) same(w version) bool {
	return v.set && w.set && v.size == w.size && v.mtime == w.mtime && !v.racy
}

// stamp makes the version of data that are fetched from now on.
func (f *FS) stamp(a Attrs) version {
	v := versionOf(a)
	now := time.Now().Add(f.skew).Unix()
	v.racy = int64(a.Mtime)+racyTime > now
	return v
}

// learnClock notes the server's clock from the time of a write of ours that was
// just acknowledged.
func (f *FS) learnClock(mtime uint32) {
	d := time.Until(time.Unix(int64(mtime), 0))
	// Whole seconds: a difference below two tells nothing.
	if d > -2*time.Second && d < 2*time.Second {
		d = 0
	}
	f.skew = d
}
