package bridge

import (
	"fmt"
	"os/user"
	"path/filepath"
	"strings"

	"sshfs-bridge/bridge/api"
)

// ServiceUnit is the systemd unit of the supervisor. It carries what systemd
// offers against a program that was taken over, with one exception: all that
// gives a service a mount namespace of its own, where its mounts would be seen
// by nobody else. Those that do are named in the text.
func ServiceUnit(o ServiceOptions) (string, error) {
	command := []string{o.Exe, "serve"}
	if o.Config != "" {
		command = append(command, "--config", o.Config)
	}
	if !filepath.IsAbs(o.Exe) || o.Config != "" && !filepath.IsAbs(o.Config) {
		return "", &api.Error{Code: api.CodeInvalid, Message: "a service needs absolute paths"}
	}
	if strings.ContainsAny(o.Exe, `\"'$`) { // systemd's own rule
		return "", &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("systemd starts no program with such a name: %s", o.Exe)}
	}
	for i, word := range command {
		quoted, err := unitWord(word)
		if err != nil {
			return "", err
		}
		command[i] = quoted
	}
	text := strings.Replace(serviceUnit, "EXECSTART", strings.Join(command, " "), 1)
	if o.User == "" {
		return text, nil
	}
	u, err := user.Lookup(o.User)
	if err != nil {
		return "", &api.Error{Code: api.CodeInvalid, Message: err.Error()}
	}
	name, err := unitWord("SUDO_USER=" + u.Username)
	if err != nil {
		return "", err
	}
	// serve takes its defaults from these, as when it is called by sudo.
	env := fmt.Sprintf("# Whose ~/.ssh and files, where the configuration does not say.\nEnvironment=%s SUDO_UID=%s\n", name, u.Uid)
	return strings.Replace(text, "ExecReload=", env+"ExecReload=", 1), nil
}

// unitWord quotes a word as systemd reads command lines, where % and $ mean
// something and there is no shell.
func unitWord(w string) (string, error) {
	// kardianos/service reads braces as its template language.
	if strings.ContainsFunc(w, isControl) || strings.Contains(w, "{{") {
		return "", &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("%q cannot stand in a unit file", w)}
	}
	w = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(w)
	if strings.ContainsAny(w, " \\\"';#") {
		w = `"` + w + `"`
	}
	return w, nil
}

const serviceUnit = `# Written by "sshfs-bridge service install". Put changes of your own into a
# drop-in: systemctl edit sshfs-bridge

[Unit]
Description=Remote SSH servers as volumes (sshfs-bridge)
# It comes up with nothing reachable and connects when the network is there.
After=network.target nss-user-lookup.target
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
# Ready once the control socket answers; mounts come up as their servers do.
Type=notify
NotifyAccess=main
ExecStart=EXECSTART
ExecReload=/bin/kill -HUP $MAINPID
# The supervisor ends its children itself, in the order that loses nothing, in
# under ten seconds; whatever is left then is killed.
KillMode=mixed
TimeoutStartSec=60
TimeoutStopSec=20
# Told only while the control socket answers.
WatchdogSec=30
Restart=on-failure
RestartSec=2
# A wrong configuration does not mend itself. Not 2, which a wrong command line
# gives: a Go program that crashes, or that the watchdog ends, exits with 2 as well.
RestartPreventExitStatus=3
# A worker that eats too much memory is one mount's trouble, and is started again.
OOMPolicy=continue
LimitNOFILE=65536
LimitCORE=0
TasksMax=4096
UMask=0022

# Directories are made by the program. RuntimeDirectory= is left out: systemd
# empties it at the stop, and a mount may still lie in it.
StateDirectory=sshfs-bridge
StateDirectoryMode=0700

# Rights. SYS_ADMIN: mount(2), and smbd's own view of the file system. SETUID,
# SETGID: workers run as the owner of the keys, smbd as the owner of the files.
# KILL: ending them. NET_BIND_SERVICE: port 445. DAC_READ_SEARCH: finding
# ~/.ssh in a home directory that is closed to others. Workers have none of them.
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SETUID CAP_SETGID CAP_KILL CAP_NET_BIND_SERVICE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
KeyringMode=private
DevicePolicy=closed
DeviceAllow=/dev/fuse rw
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# mnt: smbd gets a mount namespace in which keys and sockets are covered.
RestrictNamespaces=mnt
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
ProtectClock=yes
ProtectHostname=yes
SystemCallArchitectures=native
# Everything that is called, but for quotactl: smbd asks for quotas and does without.
SystemCallFilter=@system-service @mount
SystemCallErrorNumber=EPERM

# Not here, because each puts the service into a mount namespace of its own, and
# a mount made in there is seen by no one else: PrivateMounts=, PrivateTmp=,
# PrivateDevices=, ProtectSystem=, ProtectHome=, ProtectProc=, ProcSubset=,
# ProtectKernelTunables=, ProtectKernelModules=, ProtectKernelLogs=,
# ProtectControlGroups=, ReadWritePaths=, ReadOnlyPaths=, InaccessiblePaths=,
# BindPaths=, TemporaryFileSystem=, MountFlags=, PrivateIPC=, LogNamespace=.
# What the last rows would protect needs capabilities that are not given above.
# MemoryDenyWriteExecute= is left out for smbd's libraries.

[Install]
WantedBy=multi-user.target
`
