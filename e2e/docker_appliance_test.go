package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sshfs-bridge/bridge/api"
	"sshfs-bridge/docker"
	"sshfs-bridge/e2e/testenv"
)

// dockerImageName is the name that the prior art's instructions give the image.
const dockerImageName = "docker-sshfs"

// dockerImage builds the image, once for all tests, with the command that the
// prior art's instructions have: `docker build -t docker-sshfs .`. What this
// machine sets about its proxies is passed on. BRIDGE_TEST_IMAGE names an image
// that is tested instead of a new one: one that was pulled, or built before.
func dockerImage(t testing.TB) string {
	t.Helper()
	testenv.Require(t, "docker")
	out, err := buildDockerImage()
	if err != nil {
		t.Fatalf("docker build: %v\n%s", err, lastLines(out, 40))
	}
	return dockerImageName
}

var buildDockerImage = sync.OnceValues(func() (string, error) {
	if image := os.Getenv("BRIDGE_TEST_IMAGE"); image != "" {
		out, err := exec.Command("docker", "tag", image, dockerImageName).CombinedOutput()
		return string(out), err
	}
	id := func() string {
		out, _ := exec.Command("docker", "image", "inspect", "-f", "{{.Id}}", dockerImageName).Output()
		return strings.TrimSpace(string(out))
	}
	before := id()
	args := []string{"build", "-t", dockerImageName}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if os.Getenv(name) != "" {
			args = append(args, "--build-arg", name)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", append(args, ".")...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err == nil && before != "" && before != id() {
		// Without its name the image before this one is no use to anybody.
		exec.Command("docker", "image", "rm", before).Run()
	}
	return string(out), err
})

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// dockerTry runs docker with a deadline and returns what it printed, stderr
// included.
func dockerTry(t testing.TB, args ...string) (string, error) {
	t.Helper()
	return commandTry(t, time.Minute, "docker", args...)
}

func commandTry(t testing.TB, timeout time.Duration, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("not finished after %v: %w", timeout, ctx.Err())
	}
	return out.String(), err
}

func dockerDo(t testing.TB, args ...string) string {
	t.Helper()
	out, err := dockerTry(t, args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// appliance is a running container of the image.
type appliance struct {
	t    testing.TB
	name string
	// port is where its 445 is published on 127.0.0.1; 0 is nowhere.
	port int
	// foreground is the docker run that lasts as long as the container; nil
	// where it was started in the background.
	foreground *exec.Cmd
}

// newAppliance removes what a test that was killed has left under the name,
// and removes the container with its volumes when the test ends, after printing
// its log when the test failed.
func newAppliance(t testing.TB, name string) *appliance {
	t.Helper()
	a := &appliance{t: t, name: name}
	remove := func() { exec.Command("docker", "rm", "-f", "-v", name).Run() }
	remove()
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("docker", "logs", "--tail", "60", name).CombinedOutput()
			t.Logf("log of %s:\n%s", name, out)
		}
		remove()
		if a.foreground != nil {
			_ = a.foreground.Wait()
		}
	})
	return a
}

// startInForeground runs a line that ends only when the container does.
func (a *appliance) startInForeground(line string) {
	a.t.Helper()
	cmd := exec.Command("sh", "-c", "exec "+line)
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.foreground = cmd
}

// startAppliance runs the image with its port 445 published on a free port of
// 127.0.0.1, and returns when it says that it is healthy.
func startAppliance(t testing.TB, spec docker.Appliance) *appliance {
	t.Helper()
	spec.Image = dockerImage(t)
	a := newAppliance(t, spec.Name)
	a.port = testenv.FreePort(t)
	spec.Ports = []docker.Port{{Host: netip.MustParseAddrPort("127.0.0.1:" + strconv.Itoa(a.port)), Container: 445}}
	spec.Detach, spec.Keep = true, false
	args, err := spec.Args()
	if err != nil {
		t.Fatal(err)
	}
	dockerDo(t, args...)
	a.waitHealthy(20 * time.Second)
	return a
}

// dockerHost is the address of this machine on Docker's default network: what
// a container calls to reach a server here.
func dockerHost(t testing.TB) string {
	t.Helper()
	gateway := strings.TrimSpace(dockerDo(t, "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"))
	if gateway != "" {
		return gateway
	}
	// Some engines leave the gateway out: it is the network's first address.
	subnet, err := netip.ParsePrefix(strings.TrimSpace(dockerDo(t, "network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "bridge")))
	if err != nil {
		t.Fatal(err)
	}
	return subnet.Masked().Addr().Next().String()
}

// dockerSSHD is an OpenSSH server that containers can reach.
func dockerSSHD(t testing.TB, o testenv.SSHDOptions) *testenv.SSHD {
	t.Helper()
	testenv.Require(t, "docker", "sshd")
	o.ListenHost = dockerHost(t)
	return testenv.StartSSHD(t, o)
}

// in is a for a subtest, whose failures are its own.
func (a *appliance) in(t testing.TB) *appliance {
	t.Helper()
	b := *a
	b.t = t
	return &b
}

// exec runs a command in the container.
func (a *appliance) exec(args ...string) string {
	a.t.Helper()
	return dockerDo(a.t, append([]string{"exec", a.name}, args...)...)
}

func (a *appliance) execTry(args ...string) (string, error) {
	a.t.Helper()
	return dockerTry(a.t, append([]string{"exec", a.name}, args...)...)
}

// waitHealthy waits until the appliance says so itself, in the words that the
// image's HEALTHCHECK has.
func (a *appliance) waitHealthy(deadline time.Duration) {
	a.t.Helper()
	if err := a.healthy(deadline); err != nil {
		a.t.Fatal(err)
	}
}

func (a *appliance) healthy(deadline time.Duration) error {
	a.t.Helper()
	var out string
	var err error
	ended := false
	testenv.Poll(deadline, func() bool {
		if out, err = a.execTry("sshfs-bridge", "healthcheck"); err == nil {
			return true
		}
		state, inspectErr := dockerTry(a.t, "inspect", "-f", "{{.State.Status}}", a.name)
		ended = inspectErr == nil && strings.TrimSpace(state) == "exited"
		return ended
	})
	switch {
	case ended:
		return fmt.Errorf("%s has ended", a.name)
	case err != nil:
		return fmt.Errorf("%s is not healthy after %v: %w\n%s", a.name, deadline, err, out)
	}
	return nil
}

// status is what `sshfs-bridge status --json` says. Its exit code is not 0 when
// something is degraded, which is no failure here.
func (a *appliance) status() api.Status {
	a.t.Helper()
	cmd := exec.Command("docker", "exec", a.name, "sshfs-bridge", "status", "--json")
	out, err := cmd.Output()
	var s api.Status
	if jsonErr := json.Unmarshal(out, &s); jsonErr != nil {
		a.t.Fatalf("status --json: %v (%v)\n%s", jsonErr, err, out)
	}
	return s
}

// mount is the status of one mount.
func (a *appliance) mount(name string) api.MountStatus {
	a.t.Helper()
	for _, m := range a.status().Mounts {
		if m.Name == name {
			return m
		}
	}
	a.t.Fatalf("no mount is called %s", name)
	return api.MountStatus{}
}

// ip is the container's address on Docker's network.
func (a *appliance) ip() string {
	a.t.Helper()
	// The words of the prior art's instructions.
	return strings.TrimSpace(dockerDo(a.t, "inspect", "--format", "{{ .NetworkSettings.IPAddress }}", a.name))
}
