package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/kardianos/service"

	"sshfs-bridge/bridge/api"
)

// serviceName is the unit's name without its suffix.
const serviceName = "sshfs-bridge"

// servicePath is where kardianos/service puts the unit.
const servicePath = "/etc/systemd/system/" + serviceName + ".service"

// ServiceState is what the service manager says of the service.
type ServiceState string

// The states of the service.
const (
	ServiceRunning      ServiceState = "running"
	ServiceStopped      ServiceState = "stopped"
	ServiceFailed       ServiceState = "failed"
	ServiceNotInstalled ServiceState = "not installed"
)

// ServiceOptions are what a unit is made of.
type ServiceOptions struct {
	// Exe is this program, Config the file that `serve` shall read, empty for
	// the usual one. Both are absolute.
	Exe, Config string
	// User is whose ~/.ssh and files are meant where the configuration does
	// not say; empty is root's and the usual account's.
	User string
}

// Service is the supervisor as a service of this Linux host.
type Service struct {
	unit    string
	manager service.Service
}

// NewService prepares the service. It fails where no systemd runs.
func NewService(o ServiceOptions) (*Service, error) {
	unit, err := ServiceUnit(o)
	if err != nil {
		return nil, err
	}
	if platform := service.Platform(); platform != "linux-systemd" {
		return nil, &api.Error{
			Code: api.CodeUnavailable, Message: "no systemd runs here (the service manager is " + platform + ")",
			Hint: "in a container, `docker run --restart unless-stopped` keeps it running; elsewhere have your init start `sshfs-bridge serve`",
		}
	}
	m, err := service.New(nothing{}, &service.Config{
		Name: serviceName, Executable: o.Exe, Option: service.KeyValue{"SystemdScript": unit},
	})
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	return &Service{unit: unit, manager: m}, nil
}

// nothing takes the place of a program that kardianos/service would run: the
// supervisor speaks to systemd itself.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }

// Install writes the unit and has it started at every boot; it does not start
// it now. The very same unit in place already is no error.
func (s *Service) Install() (path string, err error) {
	switch old, err := os.ReadFile(servicePath); {
	case err == nil && bytes.Equal(old, []byte(s.unit)):
		return servicePath, nil
	case err == nil:
		return "", &api.Error{
			Code: api.CodeExists, Message: "another " + servicePath + " is installed already",
			Hint: "`sshfs-bridge service uninstall` takes it away; own changes belong into a drop-in (systemctl edit " + serviceName + ")",
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", serviceError(err)
	}
	if err := s.manager.Install(); err != nil {
		return "", serviceError(err)
	}
	return servicePath, nil
}

// Uninstall stops the service and removes the unit.
func (s *Service) Uninstall() error {
	if state, err := s.State(); err == nil && state == ServiceRunning {
		if err := s.Stop(); err != nil {
			return err
		}
	}
	if _, err := os.Stat(servicePath); errors.Is(err, fs.ErrNotExist) {
		return notInstalled()
	}
	return serviceError(s.manager.Uninstall())
}

// Start starts the service, and returns when it is ready.
func (s *Service) Start() error { return serviceError(s.manager.Start()) }

// Stop stops the service, and returns when it has ended.
func (s *Service) Stop() error { return serviceError(s.manager.Stop()) }

// State asks the service manager.
func (s *Service) State() (ServiceState, error) {
	switch st, err := s.manager.Status(); {
	case errors.Is(err, service.ErrNotInstalled):
		return ServiceNotInstalled, nil
	case err != nil && strings.Contains(err.Error(), "failed state"):
		return ServiceFailed, nil
	case err != nil:
		return "", serviceError(err)
	case st == service.StatusRunning:
		return ServiceRunning, nil
	default:
		return ServiceStopped, nil
	}
}

func notInstalled() *api.Error {
	return &api.Error{Code: api.CodeNotFound, Message: "the service is not installed", Hint: "`sshfs-bridge service install` does it"}
}

// serviceError says what to do about an error of the service manager.
func serviceError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, service.ErrNotInstalled):
		return notInstalled()
	case errors.Is(err, fs.ErrPermission) || os.Geteuid() != 0:
		return &api.Error{Code: api.CodePermission, Message: "service: " + err.Error(), Hint: "run this as root"}
	default:
		return fmt.Errorf("service: %w (journalctl -u %s says more)", err, serviceName)
	}
}
