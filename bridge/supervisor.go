package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/toucher"
)

// Supervisor keeps mounts and smbd as they shall be. New makes one, Run runs it.
type Supervisor struct {
	o    Options
	log  *slog.Logger
	ring *logRing
	bus  *eventBus
	sys  system
	keys *hostKeys
	smb  *smbRunner

	notify *notifier
	// toucher tells smbd what others changed on the servers.
	toucher *toucher.Toucher
	// watchEvery differs in tests only.
	watchEvery time.Duration

	// change serialises what changes the desired state: mount, umount, reload,
	// the end. It is held while units are stopped, and taken before mu.
	change chan struct{}

	mu       sync.Mutex
	c        Config            // GUARDED_BY(mu)
	des      desired           // GUARDED_BY(mu)
	units    []*unit           // GUARDED_BY(mu), in the order in which they were asked for
	problems map[string]string // GUARDED_BY(mu), what the machine lacks, by subject
	since    time.Time         // GUARDED_BY(mu)
	stopping bool              // GUARDED_BY(mu)

	unitCtx context.Context //nolint:containedctx // the life of all units, set by Run before the first one starts
}

// New checks the options. It starts nothing.
func New(o Options) (*Supervisor, error) {
	o.Config.normalise()
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if o.Exe == "" {
		// Not its path: where the program was replaced, children of this version
		// are still what this version speaks with.
		o.Exe = "/proc/self/exe"
	}
	base := slog.DiscardHandler
	if o.Logger != nil {
		base = o.Logger.Handler()
	}
	ring := &logRing{}
	s := &Supervisor{
		o: o, ring: ring, log: slog.New(ring.handler(base)), bus: &eventBus{},
		change: make(chan struct{}, 1), c: o.Config, problems: map[string]string{},
		unitCtx: context.Background(), watchEvery: watchEvery,
	}
	s.sys = newRealSystem(s)
	s.keys = &hostKeys{dir: o.Config.StateDir, log: s.log}
	s.smb = newSMBRunner(s)
	s.toucher = toucher.New(toucher.Options{Exe: o.Exe, Logger: s.log})
	s.notify = &notifier{m: o.ServiceManager, log: s.log}
	return s, nil
}

// Config is the configuration in force.
func (s *Supervisor) Config() Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c
}

// lockChange waits for the right to change the desired state.
func (s *Supervisor) lockChange(ctx context.Context) error {
	select {
	case s.change <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Supervisor) unlockChange() { <-s.change }

// find is the unit of a name, nil where there is none.
func (s *Supervisor) find(name string) *unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.units {
		if sameName(u.m.Name, name) {
			return u
		}
	}
	return nil
}

// forgetUnit takes a unit off the list; false when it is not on it any more.
func (s *Supervisor) forgetUnit(u *unit) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.units, u)
	if i >= 0 {
		s.units = slices.Delete(s.units, i, i+1)
	}
	return i >= 0
}

// allUnits is a snapshot of the units.
func (s *Supervisor) allUnits() []*unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.units)
}

// setProblem tells what the machine lacks; an empty text says that it is there.
func (s *Supervisor) setProblem(subject, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == "" {
		delete(s.problems, subject)
		return
	}
	s.problems[subject] = text
}

func (s *Supervisor) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Status is the observed state, without the workers' traffic.
func (s *Supervisor) Status() api.Status {
	smb := s.smb.status()
	st := api.Status{
		Version: s.o.Version.Version, PID: os.Getpid(), SMB: smb,
		Ready: smb.State == "up" || smb.State == "off", Mounts: []api.MountStatus{},
	}
	for _, u := range s.allUnits() {
		st.Mounts = append(st.Mounts, s.unitStatus(u))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Since, st.Stopping, st.Hub = s.since, s.stopping, s.c.Hub
	if s.c.SMB.Enabled {
		st.HubURL = s.c.ShareURL(HubShare)
	}
	for _, subject := range sortedKeys(s.problems) {
		st.Problems = append(st.Problems, s.problems[subject])
	}
	return st
}

// unitStatus is a unit's status with what only the supervisor knows.
func (s *Supervisor) unitStatus(u *unit) api.MountStatus {
	st := u.status()
	if c := s.Config(); st.Share != "" && c.SMB.Enabled {
		st.URL = c.ShareURL(st.Share)
	}
	return st
}

// WaitMount blocks until the named mount is up (or idle by wish), and until
// smbd answers where it is enabled. It returns an error that says why when the
// mount needs a person or fails, or when ctx ends first.
func (s *Supervisor) WaitMount(ctx context.Context, name string) (api.MountStatus, error) {
	events, cancel := s.bus.subscribe("")
	defer func() { cancel() }()
	for {
		st := s.Status()
		i := slices.IndexFunc(st.Mounts, func(m api.MountStatus) bool { return sameName(m.Name, name) })
		switch {
		case i >= 0 && st.Mounts[i].State.NeedsPerson():
			return st.Mounts[i], &api.Error{Code: api.CodeNotUp, Mount: name, Message: fmt.Sprintf("%s is %s: %s", name, st.Mounts[i].State, st.Mounts[i].Cause)}
		case i >= 0 && st.Mounts[i].State.Good() && st.Ready:
			return st.Mounts[i], nil
		}
		select {
		case _, ok := <-events:
			if !ok { // lagged behind, or the supervisor ended
				if s.isStopping() {
					return api.MountStatus{}, &api.Error{Code: api.CodeUnavailable, Mount: name, Message: "the supervisor is stopping"}
				}
				events, cancel = s.bus.subscribe("")
			}
		case <-ctx.Done():
			if i >= 0 {
				return st.Mounts[i], fmt.Errorf("waiting for %s: %w (mount: %s %s, smbd: %s %s)", name, ctx.Err(), st.Mounts[i].State, st.Mounts[i].Cause, st.SMB.State, st.SMB.Cause)
			}
			return api.MountStatus{}, fmt.Errorf("waiting for %s: %w (smbd: %s %s)", name, ctx.Err(), st.SMB.State, st.SMB.Cause)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
