package smbd

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"
)

// SetPassword creates account in smbd's own password database (the private
// directory), or changes its password. The account must be one of the system
// (smbd needs its ids); the password never appears on a command line or in an
// error. smb.conf must exist; smbd need not run, and where it runs new logins
// meet the change at once, those of the probe too; who is logged in stays so.
func (s *Server) SetPassword(ctx context.Context, account, password string) error {
	if password == "" || strings.ContainsAny(password, "\r\n\x00") {
		return errors.New("set the SMB password: it must not be empty and must be one line")
	}
	if account == "" || strings.HasPrefix(account, "-") || strings.ContainsAny(account, ":/\r\n\x00") {
		return fmt.Errorf("set the SMB password: %q is no account name", account)
	}
	if _, err := user.Lookup(account); err != nil {
		return fmt.Errorf("set the SMB password: %w (useradd --system --no-create-home %s)", err, account)
	}
	if err := s.makeDirs(); err != nil {
		return fmt.Errorf("set the SMB password: %w", err)
	}
	if _, err := s.tool(ctx, password+"\n"+password+"\n", "smbpasswd", "-c", s.o.ConfPath, "-L", "-s", "-a", account); err != nil {
		return fmt.Errorf("set the SMB password: %w", err)
	}
	s.mu.Lock()
	if s.user == account {
		s.password = password
	}
	s.mu.Unlock()
	// An account that was disabled earlier stays so otherwise.
	if _, err := s.tool(ctx, "", "smbpasswd", "-c", s.o.ConfPath, "-L", "-e", account); err != nil {
		return fmt.Errorf("set the SMB password: %w", err)
	}
	return nil
}
