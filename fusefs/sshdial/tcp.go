package sshdial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// defaultUserTimeout is how long sent data may go without an
	// acknowledgement before the kernel gives the connection up.
	defaultUserTimeout = 20 * time.Second
	keepAliveIdle      = 15 * time.Second
	keepAliveInterval  = 5 * time.Second
	keepAliveCount     = 3
)

// connect makes the TCP connection to the first hop, within its time.
func (r *Route) connect(ctx context.Context, h *hop) (net.Conn, error) {
	dctx, cancel := context.WithTimeoutCause(ctx, h.connectTimeout, ErrTimeout)
	defer cancel()
	dial := r.options.DialContext
	if dial == nil {
		d := net.Dialer{}
		if h.bindAddress != "" {
			ip, err := net.ResolveIPAddr("ip", h.bindAddress)
			if err != nil {
				return nil, fmt.Errorf("BindAddress %s: %w", h.bindAddress, err)
			}
			d.LocalAddr = &net.TCPAddr{IP: ip.IP, Zone: ip.Zone}
		}
		dial = d.DialContext
	}
	conn, err := dial(dctx, h.network, h.addr())
	if err != nil {
		if ctx.Err() == nil && errors.Is(context.Cause(dctx), ErrTimeout) {
			err = errors.Join(ErrTimeout, err)
		}
		return nil, fmt.Errorf("connect to %s: %w", h.addr(), err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := h.tune(tcp); err != nil {
			r.log.Debug("cannot set socket options", "remote", h.String(), "err", err)
		}
	}
	return conn, nil
}

// tune makes the kernel notice a peer that is gone: probes while nothing is
// sent, and a bound on how long what was sent stays unacknowledged.
func (h *hop) tune(conn *net.TCPConn) error {
	timeout := defaultUserTimeout
	if h.aliveInterval > 0 && h.aliveCount > 0 {
		timeout = min(h.aliveInterval*time.Duration(h.aliveCount), time.Hour)
	}
	alive := conn.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: h.tcpKeepAlive, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	})
	return errors.Join(alive, conn.SetNoDelay(true), setUserTimeout(conn, timeout))
}
