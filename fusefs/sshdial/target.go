package sshdial

import "errors"

// Target is a remote as it was given, before ssh_config is looked at.
type Target struct {
	User string // empty: not given
	Host string // a name, an alias of ssh_config or an address; never empty
	Port int    // 0: not given
	Path string // as given; empty is the home directory
}

// ParseTarget reads [USER@]HOST[:PATH], USER@[IPV6]:PATH and
// sftp://[USER@]HOST[:PORT][/PATH].
func ParseTarget(remote string) (Target, error) {
	return Target{}, errors.New("not built yet")
}
