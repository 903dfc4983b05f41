package remote_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// trixieImage has what a container needs to be an OpenSSH server.
const trixieImage = "sshfs-bridge-test-openssh"

// strict makes a server bar a client for ten minutes for any slip: a login that fails,
// or is not tried, a session that crashes or takes too long.
const strict = "PerSourcePenalties=authfail:600s noauth:600s crash:600s grace-exceeded:600s min:1s"

// startTrixie starts the OpenSSH of Debian 13, in a container, with further options of
// sshd.
func startTrixie(options ...string) func(testing.TB) *served {
	return func(t testing.TB) *served {
		t.Helper()
		m := newMachine(t)
		build := exec.Command("docker", "build", "-q", "-t", trixieImage, "-")
		build.Stdin = strings.NewReader("FROM debian:trixie-slim\n" +
			"RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openssh-server && mkdir -p /run/sshd\n")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("docker build: %v\n%s", err, out)
		}
		name := filepath.Base(m.dir)
		create := []string{
			"docker", "create", "--name", name, "--network", "host", "-v", m.dir + ":" + m.dir, trixieImage,
			"/usr/sbin/sshd", "-D", "-e", "-p", strconv.Itoa(m.port), "-h", m.hostKey("ed25519"),
		}
		for _, o := range append([]string{
			"ListenAddress=127.0.0.1", "AuthorizedKeysFile=" + filepath.Join(m.home, ".ssh/authorized_keys"), "StrictModes=no",
			"PermitRootLogin=yes", "UsePAM=no", "Subsystem=sftp internal-sftp", "LogLevel=VERBOSE",
		}, options...) {
			create = append(create, "-o", o)
		}
		testenv.RunOK(t, create...)
		log := func() string {
			out, _ := exec.Command("docker", "logs", name).CombinedOutput()
			return string(out)
		}
		s := &served{addr: m.addr(), sshDir: m.sshDir, dir: m.root(), root: m.root(), log: log}
		starts := 0
		s.start = func() {
			t.Helper()
			starts++
			testenv.RunOK(t, "docker", "start", name)
			// Its word, not a connection: one without a login may be a slip.
			testenv.Eventually(t, time.Minute, "server listens", func() bool {
				return strings.Count(log(), "Server listening on") >= starts
			})
		}
		s.stop = func() {
			t.Helper()
			testenv.RunOK(t, "docker", "kill", name)
			m.answers(false)
		}
		t.Cleanup(func() {
			if out := log(); t.Failed() {
				t.Logf("%s", out[max(0, len(out)-8<<10):])
			}
			testenv.RunOK(t, "docker", "rm", "-f", name)
		})
		s.start()
		return s
	}
}
