package sshdial

import (
	"testing"
)

func TestParseTarget(t *testing.T) {
	for remote, want := range map[string]Target{
		"nas":                           {Host: "nas"},
		"nas:":                          {Host: "nas"},
		"alice@nas":                     {User: "alice", Host: "nas"},
		"alice@nas:/srv/media":          {User: "alice", Host: "nas", Path: "/srv/media"},
		"alice@nas:rel/a:b@c":           {User: "alice", Host: "nas", Path: "rel/a:b@c"},
		"nas:a@b":                       {Host: "nas", Path: "a@b"},
		"a@corp@nas:x":                  {User: "a@corp", Host: "nas", Path: "x"},
		"nas:[x]":                       {Host: "nas", Path: "[x]"},
		"[::1]":                         {Host: "::1"},
		"[fe80::1%en0]:/x":              {Host: "fe80::1%en0", Path: "/x"},
		"alice@[::1]:/x":                {User: "alice", Host: "::1", Path: "/x"},
		"sftp://nas":                    {Host: "nas"},
		"sftp://alice@nas:2222/srv/%20": {User: "alice", Host: "nas", Port: 2222, Path: "/srv/ "},
		"sftp://nas/~/docs":             {Host: "nas", Path: "docs"},
		"sftp://nas/~":                  {Host: "nas"},
		"SFTP://[::1]:22/x":             {Host: "::1", Port: 22, Path: "/x"},
	} {
		if got, err := ParseTarget(remote); err != nil || got != want {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %+v", remote, got, err, want)
		}
	}
	for _, remote := range []string{
		"", ":/x", "@nas", "alice@", "alice@:/x", "::1", "[::1", "[::1]x", "@[::1]:x", "na s:/x", "nas\n:/x", "-oProxyCommand=x:/y",
		"-l@nas", "$(id)@nas", "nas;id", "sftp://alice:secret@nas/", "sftp://nas:0/", "sftp://nas:99999/", "sftp://nas/x?y", "sftp://nas/x#y",
		"nas:a\x00b", "*:/x", "a?b", "!nas", "sftp://*/x",
	} {
		if got, err := ParseTarget(remote); err == nil {
			t.Errorf("ParseTarget(%q) = %+v; want an error", remote, got)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"alice@nas:/srv", "[::1]:x", "sftp://a@b:22/c", "a@b@c:d", "@", "[", "a@[b]:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err != nil {
			return
		}
		if got.Host == "" {
			t.Errorf("%q: no host", s)
		}
		if err := got.check(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}
