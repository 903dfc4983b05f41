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
	inside := func(script string) string {
		t.Helper()
		return strings.TrimSpace(dockerDo(t, "run", "--rm", "--entrypoint", "bash", image, "-c", script))
	}

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

	t.Run("its commands", func(t *testing.T) {
		if out := dockerDo(t, "run", "--rm", image, "version"); !strings.Contains(out, "sshfs-bridge") {
			t.Errorf("version says %q", out)
		}
		// The stand-ins come first in the PATH of a login shell too.
		for _, shell := range []string{"bash -c", "bash -lc"} {
			out := inside(shell + " 'for p in sshfs fusermount fusermount3 umount; do readlink -f $(command -v $p); done'")
			if want := strings.TrimSpace(strings.Repeat("/usr/local/bin/sshfs-bridge\n", 4)); out != want {
				t.Errorf("with %s the stand-ins are %q", shell, out)
			}
		}
		if out := inside("readlink -f /sbin/mount.fuse.sshfs"); out != "/usr/local/bin/sshfs-bridge" {
			t.Errorf("mount -t fuse.sshfs runs %q", out)
		}
	})

	t.Run("its user and its hub", func(t *testing.T) {
		if out := inside("id sshuser"); out != "uid=1000(sshuser) gid=1000(sshuser) groups=1000(sshuser)" {
			t.Error(out)
		}
		if out := inside("stat -c '%U:%G %a' /samba-share"); out != "root:root 555" {
			t.Errorf("/samba-share is %s", out)
		}
	})

	t.Run("nothing that it does not need", func(t *testing.T) {
		for _, program := range []string{"ssh", "gcc", "cc", "python3", "go", "curl", "wget", "systemctl"} {
			if out := inside("command -v " + program + " || true"); out != "" {
				t.Errorf("%s is in it", out)
			}
		}
		if out := inside("find / -xdev -type f -perm /6000"); out != "" {
			t.Errorf("setuid or setgid: %s", out)
		}
	})
}

// TestDockerDemo: the image proves itself, with nothing configured.
func TestDockerDemo(t *testing.T) {
	image := dockerImage(t)
	a := newAppliance(t, "sshfs-bridge-e2e-demo")
	out := dockerDo(t, "run", "--privileged", "--name", a.name, image, "demo", "--check")
	t.Log(out)
}
