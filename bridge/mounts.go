package bridge

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/worker"
)

// prepareMount checks a request, whose mount point is resolved, and gives the mount
// its name. existing is set when the very same mount is there already. errLeaving:
// the name is not free yet.
func (s *Supervisor) prepareMount(req api.MountRequest) (m Mount, existing *unit, err error) {
	m = Mount{MountSpec: req.Spec, Source: api.SourceCommand}
	if req.Source == api.SourceSSHFS {
		m.Source = api.SourceSSHFS
	}
	named := m.Name != ""
	if !named {
		m.Name = DeriveName(m.Remote)
		if m.Mountpoint != "" {
			m.Name = tidyName(filepath.Base(m.Mountpoint))
		}
	}
	if ps := CheckSpec(m.MountSpec); len(ps) > 0 {
		return m, nil, &api.Error{Code: api.CodeInvalid, Mount: m.Name, Message: joinProblems(ps)}
	}
	base := m.Name
	for n := 2; ; n++ {
		u := s.find(m.Name)
		if u == nil {
			return m, nil, nil
		}
		if u.isLeaving() {
			return m, nil, errLeaving{u}
		}
		if sameRequest(u.m.MountSpec, m.MountSpec) {
			return m, u, nil
		}
		if named || n > 99 {
			return m, nil, &api.Error{
				Code: api.CodeExists, Mount: m.Name, Message: fmt.Sprintf("the name %q is taken by the mount of %s", m.Name, u.m.Remote),
				Hint: "give another name (sshfs-bridge mount REMOTE NAME), or unmount that one first",
			}
		}
		m.Name = base + "-" + strconv.Itoa(n)
	}
}

// sameRequest compares two specs of mounts.
func sameRequest(a, b api.MountSpec) bool {
	return sameMount(Mount{MountSpec: a}, Mount{MountSpec: b})
}

func joinProblems(ps []api.Problem) string {
	text := ""
	for i, p := range ps {
		if i > 0 {
			text += "; "
		}
		if p.Key == "remote" || p.Key == "name" { // the message says so itself
			p.Key = ""
		}
		text += p.String()
	}
	return text
}

// enlist makes a mount part of the desired state for as long as this process
// runs; persist keeps it. Callers hold the right to change.
func (s *Supervisor) persist(m Mount) error {
	if m.Source != api.SourceCommand || m.Mountpoint != "" {
		return nil
	}
	s.mu.Lock()
	next := s.des.clone()
	dir := s.c.StateDir
	configured := slices.ContainsFunc(s.c.Mounts, func(c Mount) bool { return sameName(c.Name, m.Name) })
	s.mu.Unlock()
	if configured {
		// The configuration names this mount, and it was unmounted: it is
		// wanted again as it is written there.
		next.remove(m.Name)
	} else {
		next.add(m.MountSpec)
	}
	return s.saveDesired(next, dir)
}

func (s *Supervisor) saveDesired(next desired, dir string) error {
	if err := next.save(dir); err != nil {
		s.setProblem("state", err.Error())
		return &api.Error{Code: api.CodeInternal, Message: err.Error(), Hint: "make room in, or write access to, " + dir}
	}
	s.setProblem("state", "")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.des = next
	return nil
}

// Unmount takes a mount out of the desired state and down, and waits until it is
// gone; what was written may take drain to land. A ctx that ends first only ends
// the waiting. Asked again with a shorter drain, it ends sooner.
func (s *Supervisor) Unmount(ctx context.Context, name string, drain time.Duration) error {
	u, err := s.beginUnmount(ctx, name, drain)
	if err != nil {
		return err
	}
	select {
	case <-u.removed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Supervisor) beginUnmount(ctx context.Context, name string, drain time.Duration) (*unit, error) {
	if err := s.lockChange(ctx); err != nil {
		return nil, err
	}
	defer s.unlockChange()
	u := s.find(name)
	if u == nil {
		return nil, &api.Error{Code: api.CodeNotFound, Mount: name, Message: fmt.Sprintf("there is no mount called %q", name)}
	}
	s.mu.Lock()
	next := s.des.clone()
	dir := s.c.StateDir
	s.mu.Unlock()
	next.remove(u.m.Name)
	if u.m.Source == api.SourceConfig || u.m.Source == api.SourceEnvironment {
		next.Unmounted = append(next.Unmounted, u.m.Name)
	}
	if u.m.Source != api.SourceSSHFS {
		if err := s.saveDesired(next, dir); err != nil {
			return nil, err
		}
	}
	s.leave(u, drain)
	return u, nil
}

// hostKey forgets the accepted keys of a remote's host, and with accept lets
// its mount u, if there is one, try again, which accepts the key that the server
// has now.
func (s *Supervisor) hostKey(u *unit, m api.MountSpec, accept bool) ([]string, error) {
	c := s.Config()
	if m.SSHDir != "" {
		c.SSHDir = m.SSHDir
	}
	names := hostNames(m, &c)
	if len(names) == 0 {
		return nil, &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("%q is neither a mount nor a host", m.Remote)}
	}
	gone, err := s.keys.forget(names)
	if err != nil {
		return nil, &api.Error{Code: api.CodeInternal, Mount: m.Name, Message: "host keys not changed: " + err.Error()}
	}
	if !accept || u == nil {
		return gone, nil
	}
	if len(gone) == 0 && u.reason() == worker.ReasonHostKey {
		return nil, &api.Error{
			Code: api.CodeNotUp, Mount: u.m.Name, Message: "the key at fault is not one that was accepted here: " + u.status().Cause,
			Hint: "take that line out of known_hosts in the SSH directory (ssh-keygen -R HOST), then run `sshfs-bridge login " + u.m.Name + "`",
		}
	}
	// The worker holds the keys that it was started with: a new one starts.
	u.restart()
	return gone, nil
}
