package bridge

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/bridge/mounttree"
	"sshfs-bridge/bridge/worker"
	"sshfs-bridge/fusefs"
	"sshfs-bridge/fusefs/vfs"
)

// system is the machine as the supervisor needs it: the mount tree, the
// kernel's mounts, worker processes. Tests put another in its place.
type system interface {
	setup(ctx context.Context) error
	teardown(ctx context.Context) error
	mountpoint(m Mount) string
	mount(m Mount) (*os.File, error)
	detach(m Mount, lazy bool) error
	release(m Mount) error
	start(ctx context.Context, m Mount, dev *os.File, interactive bool, onEvent func(worker.Event)) (mountWorker, error)
}

// realSystem is this machine.
type realSystem struct {
	s       *Supervisor
	tree    *mounttree.Tree
	outside outsideMounts
}

func newRealSystem(s *Supervisor) *realSystem {
	return &realSystem{s: s, tree: mounttree.New(mounttree.Options{
		RunDir: s.o.Config.RunDir, Hub: s.o.Config.Hub, Logger: s.log,
	})}
}

func (r *realSystem) setup(ctx context.Context) error {
	if err := checkFUSE(); err != nil {
		return err
	}
	return r.tree.Setup(ctx)
}

func (r *realSystem) teardown(ctx context.Context) error { return r.tree.Teardown(ctx) }

func (r *realSystem) mountpoint(m Mount) string {
	if m.Mountpoint != "" {
		return m.Mountpoint
	}
	return r.tree.Mountpoint(m.Name)
}

func (r *realSystem) mount(m Mount) (*os.File, error) {
	if m.Mountpoint == "" {
		if err := r.tree.Add(m.Name); err != nil {
			return nil, err
		}
	}
	dev, err := fusefs.Mount(fusefs.MountOptions{
		// A share that is read-only the worker alone keeps so: what the kernel
		// keeps so, nobody could touch to tell smbd of a change on the server.
		Mountpoint: r.mountpoint(m), Source: m.Remote, ReadOnly: m.ReadOnly && m.Mountpoint != "",
		// smbd reads as the user of the files, and root looks after it.
		AllowOther: true, DefaultPermissions: m.RemoteIDs,
	})
	if err == nil && m.Mountpoint != "" {
		r.outside.note(m.Mountpoint)
	}
	return dev, err
}

func (r *realSystem) detach(m Mount, lazy bool) error {
	if m.Mountpoint == "" {
		return r.tree.Detach(m.Name, lazy)
	}
	return r.outside.detach(m.Mountpoint, lazy)
}

func (r *realSystem) release(m Mount) error {
	if m.Mountpoint != "" {
		return nil
	}
	return r.tree.Remove(m.Name)
}

func (r *realSystem) start(ctx context.Context, m Mount, dev *os.File, interactive bool, onEvent func(worker.Event)) (mountWorker, error) {
	c := r.s.Config()
	spec := worker.Spec{
		Mount: resolveSpec(m.MountSpec, &c), Shown: c.shows(m.MountSpec), SSHDir: c.SSHDir, AgentSocket: c.AgentSocket,
		AcceptedHostKeys: r.s.keys.lines(), LogLevel: c.LogLevel, CacheBytes: r.s.cachePart(),
		Interactive: interactive,
	}
	if m.SSHDir != "" {
		spec.SSHDir = m.SSHDir
	}
	cred := credentialOf(spec.SSHDir)
	spec.HomeDir = homeDirOf(spec.SSHDir)
	if cred != nil {
		cred.Groups = agentGroups(spec)
	}
	// A worker ends when it is told to, after what was written has landed; the
	// end of ctx must not kill it.
	p, err := worker.Start(context.WithoutCancel(ctx), worker.StartOptions{
		Exe: r.s.o.Exe, Dev: dev, Mountpoint: r.mountpoint(m), Spec: spec, Credential: cred, Metadata: r.s.metadataOf(&c, m),
		Logger: r.s.log.With("mount", m.Name), OnEvent: onEvent,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// shows says that smbd shows the mount to its clients: as a share of its own, or
// upon the hub.
func (c *Config) shows(m api.MountSpec) bool {
	return m.Mountpoint == "" || within(m.Mountpoint, c.Hub)
}

// resolveSpec fills in what the mount leaves to the supervisor's settings.
func resolveSpec(m api.MountSpec, c *Config) api.MountSpec {
	if !m.RemoteIDs {
		uid, gid := ptrOr(m.UID, c.UID), ptrOr(m.GID, c.GID)
		m.UID, m.GID = &uid, &gid
	}
	if m.Cache == "" {
		m.Cache = "default"
	}
	if m.MacFiles == "" {
		m.MacFiles = api.MacFilesServer
		if c.shows(m) {
			m.MacFiles = api.MacFilesLocal
		}
	}
	if m.Symlinks == "" {
		m.Symlinks = "xsym"
		if m.Mountpoint != "" {
			m.Symlinks = string(vfs.SymlinksContained)
		}
	}
	return m
}

// credentialOf is who may read the keys: the owner of the directory that
// holds them. It is nil where this process cannot become another.
func credentialOf(sshDir string) *worker.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	// Where there is none yet, it would belong to whose directory it would be
	// in; somebody else could not even find out that it is not there.
	var st syscall.Stat_t
	for syscall.Stat(sshDir, &st) != nil && sshDir != "/" {
		sshDir = filepath.Dir(sshDir)
	}
	return &worker.Credential{UID: st.Uid, GID: st.Gid}
}

// agentGroups lets a worker use an agent's socket that belongs to a group, as
// Docker Desktop's does.
func agentGroups(spec worker.Spec) []uint32 {
	sock := spec.AgentSocket
	if spec.Mount.AgentSocket != "" {
		sock = spec.Mount.AgentSocket
	}
	var st syscall.Stat_t
	if sock == "" || syscall.Stat(sock, &st) != nil || st.Mode&0o060 != 0o060 {
		return nil
	}
	return []uint32{st.Gid}
}

func ptrOr(p *uint32, v uint32) uint32 {
	if p != nil {
		return *p
	}
	return v
}
