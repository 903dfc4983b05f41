package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// setListen takes a loopback address with a port, or nothing: what is served
// there names every remote, and asks nobody who they are.
func setListen(c *Config, v []string) error {
	if v[0] != "" {
		a, err := netip.ParseAddrPort(v[0])
		if err != nil || a.Port() == 0 {
			return fmt.Errorf("%q is no address with a port, such as 127.0.0.1:9464", v[0])
		}
		if !a.Addr().IsLoopback() {
			return fmt.Errorf("%q is not this machine's own: a loopback address such as 127.0.0.1 or [::1] is needed", v[0])
		}
	}
	c.MetricsListen = v[0]
	return nil
}

// serveMetrics serves /metrics and /healthz on the configured loopback port
// until ctx ends. A port that is taken is told, and mended by the next start.
func (s *Supervisor) serveMetrics(ctx context.Context) {
	addr := s.Config().MetricsListen
	if addr == "" {
		return
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		s.log.Error("metrics are not served", "err", err)
		s.setProblem("metrics", fmt.Sprintf("metrics are not served: %v (metrics_listen)", err))
		return
	}
	server := &http.Server{
		Handler: s.metricsGuard(s.metricsRoutes()), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	s.log.Info("metrics are served", "addr", l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("metrics are served no longer", "err", err)
		s.setProblem("metrics", "metrics are served no longer: "+err.Error())
	}
}

func (s *Supervisor) metricsRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metricsHandler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { _ = s.getHealth(w, r) })
	return mux
}

// metricsGuard keeps browsers out: a page on the web can make one ask this
// port, under a name that it resolves to this machine.
func (s *Supervisor) metricsGuard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "" || !loopbackHost(r.Host) {
			http.Error(w, "refused", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}
