package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sshfs-bridge/bridge/api"
)

// sshfsFlags are sshfs's options without a value that have nothing to do
// here: the mount is what they ask for in any case.
var sshfsFlags = []string{
	"rw", "allow_other", "allow_root", "reconnect", "default_permissions", "big_writes", "noatime",
	"nodev", "nosuid", "auto", "noauto", "_netdev", "nonempty", "delay_connect",
}

// linkFlags are sshfs's options that say how links are shown: for each, what it
// makes of what was asked for so far ("" where nothing was, or where it is not
// named). They mean the same in any order.
var linkFlags = map[string]map[string]string{
	"follow_symlinks": {"": "follow"},
	"transform_symlinks": {
		"": "transform-contained", "raw": "transform", "transform": "transform", "follow": "follow",
	},
	"contain_symlinks": {
		"": "contained", "transform": "transform-contained", "transform-contained": "transform-contained", "follow": "follow",
	},
	"no_contain_symlinks": {
		"": "raw", "transform": "transform", "transform-contained": "transform", "follow": "follow",
	},
}

// applyOption applies what follows -o: one of ssh's options, or several of
// sshfs's with commas between them. A comma inside of a value of ssh's
// (Ciphers=a,b) belongs to the value.
func applyOption(spec *api.MountSpec, v string) error {
	for _, o := range splitOptions(v) {
		if err := applyOne(spec, o); err != nil {
			return err
		}
	}
	return nil
}

func splitOptions(v string) []string {
	var out []string
	for part := range strings.SplitSeq(v, ",") {
		known := part == "ro" || linkFlags[part] != nil || slices.Contains(sshfsFlags, part) || strings.Contains(part, "=")
		if !known && len(out) > 0 && strings.Contains(out[len(out)-1], "=") {
			out[len(out)-1] += "," + part
			continue
		}
		out = append(out, part)
	}
	return out
}

func applyOne(spec *api.MountSpec, o string) error {
	key, value, has := strings.Cut(o, "=")
	if !has {
		key, value, has = strings.Cut(o, " ")
	}
	if !has {
		switch {
		case o == "ro":
			spec.ReadOnly = true
		case linkFlags[o] != nil:
			mode, ok := linkFlags[o][spec.Symlinks]
			if !ok {
				mode = linkFlags[o][""]
			}
			spec.Symlinks = mode
		case slices.Contains(sshfsFlags, o):
		case o == "":
			return errors.New("the option is empty")
		default:
			return fmt.Errorf("%q is none of sshfs's options; those of ssh are KEYWORD=VALUE", o)
		}
		return nil
	}
	switch strings.ToLower(key) {
	case "uid":
		return parseNumber(value, &spec.UID)
	case "gid":
		return parseNumber(value, &spec.GID)
	case "port":
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is no port", value)
		}
		spec.Port = int(n)
	case "identityfile":
		spec.IdentityFiles = append(spec.IdentityFiles, identityPath(value))
	case "proxyjump":
		spec.ProxyJump = value
	case "idmap", "umask", "fsname", "subtype", "max_read":
		// What they tune is done by other means here.
	case "cache_seconds":
		return parseLimit(value, &spec.CacheSeconds)
	case "cache_timeout", "dcache_timeout":
		if value == "0" {
			spec.Cache = "strict"
			return nil
		}
		return parseLimit(value, &spec.CacheSeconds)
	case "mac_files":
		spec.MacFiles = value
	case "read_rate":
		return parseSize(value, &spec.ReadRate)
	case "write_rate":
		return parseSize(value, &spec.WriteRate)
	case "request_rate":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return fmt.Errorf("%q is no number of requests a second", value)
		}
		spec.RequestRate = int(n)
	case "max_open_files":
		return parseLimit(value, &spec.MaxOpenFiles)
	case "max_names":
		return parseLimit(value, &spec.MaxNames)
	case "max_unwritten":
		return parseSize(value, &spec.MaxUnwritten)
	case "cache":
		switch value {
		case "yes":
			spec.Cache = ""
		case "no":
			spec.Cache = "off"
		default: // a mode of ours; who checks the mount knows them
			spec.Cache = value
		}
	default:
		spec.SSHOptions = append(spec.SSHOptions, key+"="+value)
	}
	return nil
}

func parseSize(v string, out *int64) error {
	n, err := api.ParseSize(v)
	*out = n
	return err
}

func parseLimit(v string, out *int) error {
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no limit", v)
	}
	*out = int(n)
	return nil
}

func parseNumber(v string, out **uint32) error {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == 1<<32-1 {
		return fmt.Errorf("%q is no number of a user or group", v)
	}
	id := uint32(n)
	*out = &id
	return nil
}
