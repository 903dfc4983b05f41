package smbconf

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNotOurs says that a file is not one that this package wrote: it was
// changed by hand, or written by another release of sshfs-bridge.
var ErrNotOurs = errors.New("not an smb.conf as sshfs-bridge writes it")

// Parse reads back what Render or RenderCommented wrote. Every other file is
// refused with an error that is ErrNotOurs: the Config that it returns renders
// to the same settings, all of them and no others.
func Parse(data []byte) (Config, error) {
	sections, err := readSections(data)
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	c, err := configFrom(data, sections)
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	for _, render := range []func() ([]byte, error){c.Render, c.RenderCommented} {
		again, err := render()
		if err != nil {
			return Config{}, fmt.Errorf("%w: %w", ErrNotOurs, err)
		}
		if bytes.Equal(again, data) {
			return c, nil
		}
	}
	return Config{}, fmt.Errorf("%w: it has other settings, or in another order", ErrNotOurs)
}

// configFrom takes the fields of a Config out of the settings that hold them.
// Whether the other settings are right is for the caller to compare.
func configFrom(data []byte, sections []section) (Config, error) {
	if len(sections) == 0 || sections[0].name != "global" {
		return Config{}, errors.New("[global] is not its first section")
	}
	first, _, _ := strings.Cut(string(data), ";")
	version, err := ParseVersion(strings.TrimPrefix(first, header))
	if err != nil {
		return Config{}, err
	}
	g := sections[0].get
	c := Config{
		Version:     version,
		Workgroup:   g("workgroup"),
		NetBIOSName: g("netbios name"),
		Interfaces:  list(g("interfaces")),
		HostsAllow:  list(g("hosts allow")),
		Auth:        AuthGuest,
		Dirs: Dirs{
			Private: g("private dir"), Lock: g("lock directory"), State: g("state directory"), Cache: g("cache directory"),
			PID: g("pid directory"), NCALRPC: g("ncalrpc dir"), Log: strings.TrimSuffix(g("log file"), "/helpers.log"),
		},
	}
	if g("map to guest") == "Never" {
		c.Auth = AuthPassword
	}
	for _, s := range list(g("smb ports")) {
		port, err := strconv.Atoi(s)
		if err != nil {
			return Config{}, fmt.Errorf("smb ports: %w", err)
		}
		c.Ports = append(c.Ports, port)
	}
	if c.LogLevel, err = strconv.Atoi(g("log level")); err != nil {
		return Config{}, fmt.Errorf("log level: %w", err)
	}
	for _, s := range sections[1:] {
		c.ForceUser, c.ForceGroup = s.get("force user"), s.get("force group")
		c.Shares = append(c.Shares, Share{
			Name: s.name, Path: s.get("path"), Comment: s.get("comment"),
			ReadOnly: s.get("read only") == "yes", Strict: s.get("oplocks") == "no",
		})
	}
	return c, nil
}

// list splits a setting that holds several values; nil when it has none.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Fields(s)
}
