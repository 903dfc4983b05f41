package smbconf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
	"strconv"
)

// Version is a release of Samba.
type Version struct{ Major, Minor, Patch int }

// oldestVersion is the first release that the settings are known for: Validate
// refuses an older one. They are known up to 4.24, and a newer release gets the
// settings of that one.
var oldestVersion = Version{4, 17, 0}

// String is the version as Samba writes it, 4.22.11.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// AtLeast says whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

var versionPattern = regexp.MustCompile(`(?:^|[^0-9.])([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:[^0-9]|$)`)

// ParseVersion finds the version in what smbd -V prints, with whatever a
// distribution has added to it ("Version 4.17.12-Debian").
func ParseVersion(s string) (Version, error) {
	m := versionPattern.FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("no Samba version in %q", s)
	}
	var n [3]int
	for i, digits := range m[1:] {
		if digits != "" {
			n[i], _ = strconv.Atoi(digits) // at most four digits
		}
	}
	return Version{n[0], n[1], n[2]}, nil
}

// DetectVersion asks the smbd at path which release it is. It blocks until
// smbd has answered or ctx is done.
func DetectVersion(ctx context.Context, smbd string) (Version, error) {
	out, err := exec.CommandContext(ctx, smbd, "-V").Output()
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return Version{}, fmt.Errorf("%s not found: install Samba (apt-get install samba): %w", smbd, err)
		}
		return Version{}, fmt.Errorf("%s -V: %w", smbd, err)
	}
	v, err := ParseVersion(string(bytes.TrimSpace(out)))
	if err != nil {
		return Version{}, fmt.Errorf("%s -V: %w", smbd, err)
	}
	return v, nil
}
