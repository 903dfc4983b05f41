package bridge

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sshfs-bridge/bridge/api"
)

// health says whether the appliance does its work. A remote that is away is
// not its fault: restarting the container would mend nothing and hurt the rest.
func (s *Supervisor) health() api.Health {
	st := s.Status()
	h := api.Health{OK: true}
	add := func(format string, args ...any) {
		h.OK = false
		h.Reasons = append(h.Reasons, fmt.Sprintf(format, args...))
	}
	if !st.Ready {
		add("smbd is %s: %s", st.SMB.State, st.SMB.Cause)
	}
	for _, m := range st.Mounts {
		if m.State == api.StateFailed {
			add("%s has failed: %s", m.Name, m.Cause)
		}
	}
	if st.Stopping {
		add("the supervisor is stopping")
	}
	return h
}

// getHealth answers 200 or 503; with ?verbose the status is always 200, so
// that a client can read the reasons.
func (s *Supervisor) getHealth(w http.ResponseWriter, r *http.Request) error {
	h := s.health()
	if !h.OK && !truthy(r.URL.Query().Get("verbose")) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return writeJSON(w, h)
}

// trafficWait is how long a worker may take to count; one that hangs costs
// its numbers, never the answer.
const trafficWait = 500 * time.Millisecond

// addTraffic asks all workers at once for their counters.
func (s *Supervisor) addTraffic(ctx context.Context, mounts []api.MountStatus) {
	ctx, cancel := context.WithTimeout(ctx, trafficWait)
	defer cancel()
	var group sync.WaitGroup
	for i := range mounts {
		u := s.find(mounts[i].Name)
		if u == nil {
			continue
		}
		if p := u.worker(); p != nil {
			group.Go(func() {
				if t, err := p.Stats(ctx); err == nil {
					mounts[i].Traffic = &t
				}
			})
		}
	}
	group.Wait()
}
