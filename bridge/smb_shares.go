package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"sshfs-bridge/smbconf"
)

// changed brings smb.conf up to date with the mounts, and tells smbd.
func (r *smbRunner) changed() {
	r.mu.Lock()
	srv, unknown := r.srv, r.version == smbconf.Version{}
	r.mu.Unlock()
	if unknown {
		return // the first start writes the file
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	c := r.s.Config()
	if err := r.writeConf(ctx, &c); err != nil {
		r.s.log.Error("smb.conf not written, the old one stays", "err", err)
		r.s.setProblem("smb.conf", "the shares stay as they were: "+err.Error())
		return
	}
	r.s.setProblem("smb.conf", "")
	if srv == nil {
		return // smbd reads it when it starts
	}
	if err := srv.Reload(ctx); err != nil {
		r.s.log.Warn("smbd did not read its configuration again", "err", err)
	}
}

// hide takes a mount's share away; the unit of that name goes next.
func (r *smbRunner) hide(name string) {
	r.mu.Lock()
	r.hidden = append(r.hidden, name)
	r.mu.Unlock()
	r.changed()
}

// show ends hide, when the unit is gone.
func (r *smbRunner) show(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.hidden, name); i >= 0 {
		r.hidden = slices.Delete(r.hidden, i, i+1)
	}
}

// writeConf writes smb.conf when it differs from what is there, and Samba can read it.
func (r *smbRunner) writeConf(ctx context.Context, c *Config) error {
	r.write.Lock()
	defer r.write.Unlock()
	r.mu.Lock()
	v, hidden := r.version, slices.Clone(r.hidden)
	r.mu.Unlock()
	var mounts []Mount
	for _, u := range r.s.allUnits() {
		if !slices.Contains(hidden, u.m.Name) {
			mounts = append(mounts, u.m)
		}
	}
	sc, err := c.SMBConf(v, mounts)
	if err != nil {
		return fmt.Errorf("smb.conf: %w", err)
	}
	data, err := sc.Render()
	if err != nil {
		return fmt.Errorf("smb.conf: %w", err)
	}
	path := c.smbConfPath()
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := r.check(ctx, c.SMB.Program, sc); errors.Is(err, errUntried) {
		r.s.log.Debug("smb.conf is used as it is", "err", err)
	} else if err != nil {
		return fmt.Errorf("smb.conf: Samba refuses it: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("smb.conf: %w", err)
	}
	if err := renameio.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("smb.conf: %w", err)
	}
	return nil
}
