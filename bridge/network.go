package bridge

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// InContainer says whether this is the appliance's container: Docker decides
// there who reaches smbd, and how the Mac's ports map to it. The image says so
// with the variable that container managers have agreed upon
// (systemd.io/CONTAINER_INTERFACE); traces of a container such as /.dockerenv
// are not enough to listen on more than loopback.
func InContainer() bool { return os.Getenv("container") != "" }

func homeOf(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		return ""
	}
	return u.HomeDir
}

// ShareURL is the address of a share for Finder. It carries user and port,
// since Finder refuses a local address without them.
func (c *Config) ShareURL(share string) string {
	u := url.URL{Scheme: "smb", Host: c.SMB.PublishedHost, Path: "/" + share, User: url.UserPassword("guest", "")}
	if strings.Contains(c.SMB.PublishedHost, ":") {
		u.Host = "[" + c.SMB.PublishedHost + "]"
	}
	if c.SMB.PublishedPort != 0 && c.SMB.PublishedPort != 445 {
		u.Host = net.JoinHostPort(c.SMB.PublishedHost, strconv.Itoa(c.SMB.PublishedPort))
	}
	if c.SMB.Auth == "password" {
		u.User = url.User(c.smbAccount())
	}
	return u.String()
}

// smbAccount is the account on whose behalf smbd works: the one with the
// configured number.
func (c *Config) smbAccount() string { return userName(c.UID) }

func userName(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

func groupName(gid uint32) string {
	g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10))
	if err != nil {
		return ""
	}
	return g.Name
}

// defaultGateway reads the IPv4 default gateway, where a container's published
// ports come from; the zero Addr where there is none.
func defaultGateway() netip.Addr {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return netip.Addr{}
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		// Iface Destination Gateway Flags ...: numbers in hex, host byte order.
		fields := strings.Fields(s.Text())
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" {
			continue
		}
		b, err := hex.DecodeString(fields[2])
		if err != nil || len(b) != 4 {
			continue
		}
		var a [4]byte
		binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(b))
		if addr := netip.AddrFrom4(a); !addr.IsUnspecified() {
			return addr
		}
	}
	return netip.Addr{}
}
