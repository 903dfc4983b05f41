package bridge

import (
	"context"
	"errors"

	"sshfs-bridge/bridge/api"
)

// Supervisor keeps mounts and smbd as they shall be. New makes one, Run runs it.
type Supervisor struct {
	o Options
}

// New checks the options. It starts nothing.
func New(o Options) (*Supervisor, error) { return &Supervisor{o: o}, nil }

// Run supervises until ctx ends, then drains and takes everything down, within
// about eight seconds. It returns nil after such an end, and otherwise why it
// could not start; an *api.Error or *ConfigError says what to do.
func (s *Supervisor) Run(ctx context.Context) error { return errors.ErrUnsupported }

// WaitMount blocks until the named mount is up (or idle by wish), and until
// smbd answers where it is enabled. It returns an error that says why when the
// mount needs a person or fails, or when ctx ends first.
func (s *Supervisor) WaitMount(ctx context.Context, name string) (api.MountStatus, error) {
	return api.MountStatus{}, errors.ErrUnsupported
}

// Status is the observed state, without the workers' traffic.
func (s *Supervisor) Status() api.Status { return api.Status{} }
