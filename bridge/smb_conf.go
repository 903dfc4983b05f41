package bridge

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"

	"sshfs-bridge/smbconf"
)

// SMBConf is the smb.conf that follows from c for an smbd of version v that
// shows the given mounts.
func (c *Config) SMBConf(v smbconf.Version, mounts []Mount) (smbconf.Config, error) {
	account, group := c.smbAccount(), groupName(c.GID)
	if account == "" || group == "" {
		return smbconf.Config{}, fmt.Errorf("no account or group has the numbers uid %d, gid %d: smbd works as one (groupadd -g %d sshuser; useradd -M -u %d -g %d sshuser), or set uid and gid",
			c.UID, c.GID, c.GID, c.UID, c.GID)
	}
	sc := smbconf.Default(v, c.smbDir(), c.smbPrivateDir())
	sc.Ports = slices.Clone(c.SMB.Ports)
	sc.Interfaces = c.smbInterfaces()
	sc.HostsAllow = c.smbHostsAllow()
	sc.ForceUser, sc.ForceGroup = account, group
	if c.SMB.Auth == "password" {
		sc.Auth = smbconf.AuthPassword
	}
	sc.Shares = []smbconf.Share{smbconf.Hub(c.Hub)}
	for _, m := range mounts {
		strict := m.Cache == "strict" || m.Cache == "off"
		if strict && c.shows(m.MountSpec) {
			sc.Shares[0].Strict = true // the hub shows its files, too
		}
		if m.Mountpoint != "" {
			continue
		}
		sc.Shares = append(sc.Shares, smbconf.Share{
			Name: m.Name, Path: filepath.Join(c.RunDir, "mnt", m.Name), Comment: smbconf.CleanComment(m.Remote),
			ReadOnly: m.ReadOnly, Strict: strict,
		})
	}
	return sc, sc.Validate()
}

func (c *Config) smbDir() string        { return filepath.Join(c.RunDir, "smbd") }
func (c *Config) smbPrivateDir() string { return filepath.Join(c.StateDir, "samba") }
func (c *Config) smbConfPath() string   { return filepath.Join(c.smbDir(), "smb.conf") }

// smbInterfaces are those that smbd listens on: everything in a container,
// where Docker decides who gets in and hosts allow checks it again; only
// loopback elsewhere.
func (c *Config) smbInterfaces() []string {
	if len(c.SMB.Interfaces) > 0 {
		return slices.Clone(c.SMB.Interfaces)
	}
	if InContainer() {
		return nil
	}
	return []string{"lo"}
}

// smbHostsAllow are the clients: this machine, in a container the gateway, which
// published ports seem to come from, and whom the settings let in besides.
func (c *Config) smbHostsAllow() []string {
	allow := smbconf.Loopback()
	if gw := defaultGateway(); gw.IsValid() && InContainer() {
		allow = append(allow, gw.String())
	}
	for _, h := range c.SMB.HostsAllow {
		if !slices.Contains(allow, h) {
			allow = append(allow, h)
		}
	}
	return allow
}

// smbListen are the addresses that smb.conf makes smbd listen on, as far as
// they are known; they are checked before smbd starts.
func (c *Config) smbListen() []string {
	host := "127.0.0.1"
	switch ifs := c.smbInterfaces(); {
	case len(ifs) == 0:
		host = ""
	case ifs[0] != "lo":
		if p, err := netip.ParsePrefix(ifs[0]); err == nil {
			host = p.Addr().String()
		} else if a, err := netip.ParseAddr(ifs[0]); err == nil {
			host = a.String()
		} else {
			host = ""
		}
	}
	var listen []string
	for _, p := range c.SMB.Ports {
		listen = append(listen, net.JoinHostPort(host, strconv.Itoa(p)))
	}
	return listen
}
