package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sambaTests are the tests of shares that run with the image's Samba, too: those
// whose outcome another release of smbd could change.
const sambaTests = "TestThroughSMBD|TestSambaCosts|TestClientsOfAShare|TestChangesReachClients|" +
	"TestSharesWithAPassword|TestSharesWithAPassword_onTheWire|TestSharesComeAndGo|TestOpenOverSleep|" +
	"TestShareOfADeadRemote|TestUmountBesideAnotherShare|TestRestartBesideAnotherShare|" +
	"TestLeases|TestMacMetadataThroughTheShare|TestShareNameWithASpace|" +
	"TestKilledWorker_hubClientsAreLetGo|TestFruitSuite"

// testerDockerfile adds to the image what the tests bring from this machine's Debian
// elsewhere.
const testerDockerfile = "FROM " + dockerImageName + `
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server smbclient samba-testsuite \
 && touch /etc/samba/smb.conf
`

// TestDockerSamba runs this very program in the image, whose Samba is another one than
// this machine's.
func TestDockerSamba(t *testing.T) {
	dockerImage(t)
	const tester = "sshfs-bridge-e2e-samba"
	build := exec.CommandContext(t.Context(), "docker", "build", "-q", "-t", tester, "-")
	build.Stdin = strings.NewReader(testerDockerfile)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("docker build: %v\n%s", err, lastLines(string(out), 40))
	}
	self, err := os.Executable()
	check(t, err)
	a := newAppliance(t, tester) // one that was left of a run that was killed is in the way
	// Two minutes, where nothing else runs.
	out, err := commandTry(t, 10*time.Minute, "docker", "run", "--rm", "--init", "--privileged", "--name", a.name,
		"-v", self+":/e2e.test:ro", "-v", filepath.Dir(binary)+":/program:ro",
		"-e", "BRIDGE_TEST_BINARY=/program/sshfs-bridge", "-e", "BRIDGE_TEST_REQUIRE=fuse,sshd,smbd,smbclient,smbtorture", "-e", "container=",
		"--workdir", "/tmp", "--entrypoint", "/e2e.test", tester, "-test.v", "-test.run", "^("+sambaTests+")$")
	if err != nil {
		t.Errorf("with the image's Samba: %v\n%s", err, out)
	}
	for name := range strings.SplitSeq(sambaTests, "|") {
		if !strings.Contains(out, "--- PASS: "+name+" ") { // renamed, or skipped
			t.Errorf("%s did not pass with the image's Samba", name)
		}
	}
}
