package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"sshfs-bridge/bridge/api"
)

// passwordPath is where the password of `auth: password` lies, readable by root
// only: smbd keeps a hash, and our own client logs in too.
func passwordPath(c *Config) string { return filepath.Join(c.StateDir, "smb-password") }

// readPassword is the password, empty where there is none yet.
func readPassword(c *Config) string {
	data, err := os.ReadFile(passwordPath(c))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func writePassword(c *Config, password string) error {
	if err := renameio.WriteFile(passwordPath(c), []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("the password cannot be kept: %w", err)
	}
	return nil
}

// ensurePassword makes the first password, and tells it: it is shown this once.
func (s *Supervisor) ensurePassword(c *Config) error {
	if _, err := os.Stat(passwordPath(c)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	password := rand.Text()
	if err := writePassword(c, password); err != nil {
		return err
	}
	if s.o.Tell != nil {
		s.o.Tell(fmt.Sprintf("The shares' user is %s, the password %s\nIt is shown this once; `sshfs-bridge password` makes another one.", c.smbAccount(), password))
	}
	return nil
}

// setPassword gives smbd the password that is kept.
func (r *smbRunner) setPassword(ctx context.Context, srv smbServer, c *Config) error {
	password := readPassword(c)
	if password == "" {
		return fmt.Errorf("no password in %s", passwordPath(c))
	}
	if err := srv.SetPassword(ctx, c.smbAccount(), password); err != nil {
		return fmt.Errorf("set the password: %w", err)
	}
	return nil
}

// minPassword is the fewest bytes of a password of somebody's own.
const minPassword = 8

// ChangePassword makes a new password for the shares, or takes the one that is
// given. Who is connected stays so until he connects again. It returns an
// *api.Error.
func (s *Supervisor) ChangePassword(ctx context.Context, password string) (api.Password, error) {
	if err := s.lockChange(ctx); err != nil {
		return api.Password{}, err
	}
	defer s.unlockChange()
	c := s.Config()
	if c.SMB.Auth != "password" {
		return api.Password{}, &api.Error{Code: api.CodeInvalid, Message: "the shares take guests: there is no password", Hint: "set smb.auth: password, and reload"}
	}
	switch {
	case password == "":
		password = rand.Text()
	case len(password) < minPassword || len(password) > 127 || strings.TrimSpace(password) != password || strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return api.Password{}, &api.Error{
			Code:    api.CodeInvalid,
			Message: fmt.Sprintf("the password needs %d to 127 bytes, no control characters, and no space at either end", minPassword),
		}
	}
	srv := s.smb.server()
	if srv == nil {
		return api.Password{}, &api.Error{Code: api.CodeUnavailable, Message: "smbd does not run: " + s.smb.status().Cause, Hint: "`sshfs-bridge doctor` says what to do"}
	}
	before := readPassword(&c)
	if err := writePassword(&c, password); err != nil {
		return api.Password{}, &api.Error{Code: api.CodeInternal, Message: err.Error()}
	}
	if err := srv.SetPassword(ctx, c.smbAccount(), password); err != nil {
		if kept := writePassword(&c, before); kept != nil {
			err = errors.Join(err, kept)
		}
		return api.Password{}, &api.Error{Code: api.CodeInternal, Message: err.Error()}
	}
	s.log.Info("password of the shares changed")
	return api.Password{User: c.smbAccount(), Password: password}, nil
}

func (s *Supervisor) postPassword(w http.ResponseWriter, r *http.Request) error {
	req, err := readJSON[api.PasswordRequest](r)
	if err != nil {
		return err
	}
	p, err := s.ChangePassword(r.Context(), req.Password)
	if err != nil {
		return err
	}
	return writeJSON(w, p)
}
