package bridge

import (
	"fmt"
	"slices"
	"strings"

	"sshfs-bridge/bridge/api"
)

// envPrefix begins every variable that we read.
const envPrefix = "SSHFS_BRIDGE_"

// ConfigEnv names the configuration file, as --config does.
const ConfigEnv = envPrefix + "CONFIG"

// envFile stands for a file in a Problem about the environment.
const envFile = "environment"

// readEnv applies variables ("KEY=value") to c: SSHFS_BRIDGE_REMOTE and the
// other keys of a mount make one mount, the rest are settings. An unknown
// variable is a problem, because it is a slip of the pen that nobody would notice.
func readEnv(c *Config, environ []string) []api.Problem {
	values := map[string]string{}
	var names []string
	for _, kv := range environ {
		name, v, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, envPrefix) && name != ConfigEnv && name != api.SocketEnv && v != "" {
			values[name] = v
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var problems []api.Problem
	report := func(name string, err error) {
		if err != nil {
			problems = append(problems, api.Problem{File: envFile, Key: name, Message: err.Error()})
		}
	}
	known := map[string]bool{}
	for _, s := range settings() {
		name := envName(s.key)
		known[name] = true
		if v, ok := values[name]; ok {
			report(name, s.set(c, envValues(v, s.list)))
		}
	}
	m := Mount{Source: api.SourceEnvironment}
	var mountVars []string
	for _, s := range mountSettings() {
		name := envName(s.key)
		if known[name] {
			continue // uid, gid and the like: the setting for all is that of the one mount
		}
		known[name] = true
		if v, ok := values[name]; ok {
			mountVars = append(mountVars, name)
			report(name, s.set(&m.MountSpec, envValues(v, s.list)))
		}
	}
	for _, name := range names {
		if !known[name] {
			report(name, fmt.Errorf("unknown variable"))
		}
	}
	switch {
	case m.Remote != "":
		c.Mounts = append(c.Mounts, m)
	case len(mountVars) > 0:
		report(envName("remote"), fmt.Errorf("the remote is missing (USER@HOST:PATH), but %s is set", mountVars[0]))
	}
	return problems
}

// envName is the variable of a key: smb.published_port is
// SSHFS_BRIDGE_SMB_PUBLISHED_PORT; identity_files and ssh_options also go by
// their singular, since one is what one has.
func envName(key string) string {
	switch key {
	case "identity_files":
		key = "identity_file"
	case "ssh_options":
		key = "ssh_option"
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func envValues(v string, list bool) []string {
	if !list {
		return []string{v}
	}
	vals := strings.Split(v, ",")
	for i := range vals {
		vals[i] = strings.TrimSpace(vals[i])
	}
	return vals
}
