package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// priorArt is sshfs with smbd on top, as the earlier container has it.
const priorArt = "sshfs+smbd"

// shareSystems are the ways to a share.
func shareSystems(bridge string) []system {
	prior := version(sshfs, "--version")
	if smbd := version("/usr/sbin/smbd", "--version"); smbd == "" {
		prior = ""
	} else if prior != "" {
		prior += ", smbd " + smbd
	}
	return []system{
		{name: priorArt, version: prior, open: openPriorArt},
		{name: us, version: version(bridge, "version"), open: func(ctx context.Context, l *link) (*mount, error) { return openOurShare(ctx, l, bridge) }},
	}
}

// openOurShare starts `serve` with one mount.
func openOurShare(ctx context.Context, l *link, bridge string) (*mount, error) {
	m, err := newMount()
	if err != nil {
		return nil, err
	}
	m.share, m.stop = "files", m.terminate
	err = m.serve(ctx, l, bridge)
	if err != nil {
		return nil, errors.Join(err, m.logged(), m.abort())
	}
	return m, nil
}

func (m *mount) serve(ctx context.Context, l *link, bridge string) (err error) {
	if m.port, err = freePort(); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(m.scratch, name) }
	config := fmt.Sprintf("run_dir: %s\nstate_dir: %s\nhub: %s\nssh_dir: %s\nsmb:\n  ports: [%d]\n  interfaces: [127.0.0.1]\n  published_port: %d\n",
		in("run"), in("state"), in("hub"), l.ssh, m.port, m.port)
	if err := os.WriteFile(in("config.yaml"), []byte(config), 0o644); err != nil {
		return err
	}
	env := []string{"SSHFS_BRIDGE_SOCKET=" + in("run/control/sock"), "HOME=" + l.home}
	if m.proc, err = startProcess(m.scratch, env, bridge, "serve", "--config", in("config.yaml")); err != nil {
		return err
	}
	command := func(args ...string) error {
		ctx, cancel := context.WithTimeout(ctx, mountPatience)
		defer cancel()
		cmd := exec.CommandContext(ctx, bridge, args...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	if err := m.ready(ctx, "serve", func() bool { return command("healthcheck") == nil }); err != nil {
		return err
	}
	if err := command("mount", linkHost+":"+l.sshd.HomeSeen, m.share); err != nil {
		return err
	}
	return m.ready(ctx, "the share", func() bool { return m.answers(ctx) })
}

// openPriorArt mounts as the earlier container's instructions say, and starts smbd
// with its smb.conf. Only the port, the addresses and the directories are ours.
func openPriorArt(ctx context.Context, l *link) (*mount, error) {
	beneath, err := opener(priorArt, func(l *link, mountpoint, _ string) (argv, env []string) {
		argv = append([]string{"sshfs", "-f", "-F", "/dev/null", "-o", "allow_other,uid=1000,gid=1000"}, l.sshOptions()...)
		return append(argv, l.remote(), mountpoint), []string{"HOME=" + l.home}
	})(ctx, l)
	if err != nil {
		return nil, err
	}
	m, err := newMount()
	if err != nil {
		return nil, errors.Join(err, beneath.abort())
	}
	m.beneath, m.share, m.stop = beneath, "SSHFS Share", m.terminate
	err = m.smbd(ctx)
	if err != nil {
		return nil, errors.Join(err, m.logged(), m.abort())
	}
	return m, nil
}

const priorArtConf = `[global]
   workgroup = WORKGROUP
   server string = Samba Server
   server role = standalone server
   security = user
   map to guest = bad user
   client min protocol = SMB2
   server min protocol = SMB2
   smb ports = %[2]d
   interfaces = lo
   bind interfaces only = yes
   private dir = %[1]s
   lock directory = %[1]s
   state directory = %[1]s
   cache directory = %[1]s
   pid directory = %[1]s
   ncalrpc dir = %[1]s

[SSHFS Share]
   path = %[3]s
   browseable = yes
   writable = yes
   guest ok = yes
   guest only = yes
   create mask = 0777
   directory mask = 0777
   force user = sshuser
`

// smbd starts in a mount namespace in which the container's user exists.
func (m *mount) smbd(ctx context.Context) (err error) {
	if m.port, err = freePort(); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(m.scratch, name) }
	files := map[string]string{
		in("passwd"):   "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nsshuser:x:1000:1000::/:/bin/false\n",
		in("group"):    "root:x:0:\nnogroup:x:65534:\nsshuser:x:1000:\n",
		in("smb.conf"): fmt.Sprintf(priorArtConf, in("samba"), m.port, m.beneath.dir),
	}
	for name, content := range files {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := os.Mkdir(in("samba"), 0o755); err != nil {
		return err
	}
	const script = `mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && exec smbd --foreground --no-process-group --debug-stdout --configfile="$3"`
	m.proc, err = startProcess(m.scratch, nil, "unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "sh", in("passwd"), in("group"), in("smb.conf"))
	if err != nil {
		return err
	}
	return m.ready(ctx, "smbd", func() bool { return m.answers(ctx) })
}

// answers says whether the share can be listed; its session with the server is warm
// then.
func (m *mount) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := m.smbclient(ctx, "", "ls")
	return err == nil
}

// smbclient runs commands on the share as guest. Its exit status says nothing of
// commands within a list, so callers look at the results.
func (m *mount) smbclient(ctx context.Context, dir, commands string) (string, error) {
	cmd := exec.CommandContext(ctx, "smbclient", "--configfile=/dev/null", "-N", "-U", "guest%", "-p", strconv.Itoa(m.port), "//127.0.0.1/"+m.share, "-c", commands)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("smbclient %q: %w\n%s", commands, err, out[max(0, len(out)-1024):])
	}
	return string(out), nil
}

func freePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
