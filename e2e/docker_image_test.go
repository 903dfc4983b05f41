package e2e

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDockerImage: what is in the image and what is not.
func TestDockerImage(t *testing.T) {
	image := dockerImage(t)
	t.Run("how it starts", func(t *testing.T) {
		var got []struct {
			Size   int64
			Config struct {
				Entrypoint, Cmd []string
				User            string
				ExposedPorts    map[string]struct{}
				Healthcheck     struct{ Test []string }
			}
		}
		if err := json.Unmarshal([]byte(dockerDo(t, "image", "inspect", image)), &got); err != nil {
			t.Fatal(err)
		}
		c := got[0].Config
		if !slices.Equal(c.Entrypoint, []string{"sshfs-bridge"}) || !slices.Equal(c.Cmd, []string{"serve"}) {
			t.Errorf("starts %q %q", c.Entrypoint, c.Cmd)
		}
		if !slices.Equal(c.Healthcheck.Test, []string{"CMD", "sshfs-bridge", "healthcheck"}) {
			t.Errorf("asks for its health with %q", c.Healthcheck.Test)
		}
		for _, port := range []string{"139/tcp", "445/tcp"} {
			if _, ok := c.ExposedPorts[port]; !ok {
				t.Errorf("%s is not exposed", port)
			}
		}
		base, _ := strconv.ParseInt(strings.TrimSpace(dockerDo(t, "image", "inspect", "-f", "{{.Size}}", "debian:trixie-slim")), 10, 64)
		t.Logf("size: %d MB, of which the base image %d MB", got[0].Size/1e6, base/1e6)
		if added := got[0].Size - base; added > 150e6 {
			t.Errorf("%d MB on top of the base image is too much", added/1e6)
		}
	})

	// One container answers everything else, a line each.
	const questions = `
		for p in sshfs fusermount fusermount3 umount; do echo "$p $(readlink -f $(command -v $p))"; done
		bash -lc 'for p in sshfs fusermount fusermount3 umount; do echo "login $p $(readlink -f $(command -v $p))"; done'
		echo "mount.fuse.sshfs $(readlink -f /sbin/mount.fuse.sshfs)"
		echo "user $(id sshuser)"
		echo "hub $(stat -c '%U:%G %a' /samba-share)"
		for p in ssh gcc cc python3 go curl wget; do command -v $p >/dev/null && echo "needless $p"; done
		find / -xdev -type f -perm /6000 -printf 'setuid %p\n'
		sshfs-bridge version`
	got := dockerDo(t, "run", "--rm", "--entrypoint", "bash", image, "-c", questions)
	for _, want := range []string{
		"sshfs /usr/local/bin/sshfs-bridge", "fusermount /usr/local/bin/sshfs-bridge", "fusermount3 /usr/local/bin/sshfs-bridge",
		"umount /usr/local/bin/sshfs-bridge", "login sshfs /usr/local/bin/sshfs-bridge", "login umount /usr/local/bin/sshfs-bridge",
		"mount.fuse.sshfs /usr/local/bin/sshfs-bridge", "user uid=1000(sshuser) gid=1000(sshuser) groups=1000(sshuser)",
		"hub root:root 555", "sshfs-bridge",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the image does not say %q:\n%s", want, got)
		}
	}
	for _, not := range []string{"needless", "setuid"} {
		if strings.Contains(got, not+" ") {
			t.Errorf("there is something %s in the image:\n%s", not, got)
		}
	}
}

// TestDockerDemo: the image proves itself, with nothing configured.
func TestDockerDemo(t *testing.T) {
	image := dockerImage(t)
	a := newAppliance(t, "sshfs-bridge-e2e-demo")
	out := dockerDo(t, "run", "--privileged", "--name", a.name, image, "demo", "--check")
	t.Log(out)
}
