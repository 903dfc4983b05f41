//go:build !linux

package sshdial

import (
	"net"
	"time"
)

// setUserTimeout has no counterpart here: keepalives have to do.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
