package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sshfs-bridge/e2e/testenv"
)

// TestPortWithoutPrivileges: a port above 1023 needs no capability for ports; without it,
// 445 is refused with the two ways out, and the supervisor goes on.
func TestPortWithoutPrivileges(t *testing.T) {
	testenv.Require(t, "smbclient", "setpriv", "unshare")
	t.Parallel()
	without := []string{"setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service", "--"}
	t.Run("a high one", func(t *testing.T) {
		b := newBridge(t, bridgeOptions{}, testenv.FreePort(t))
		b.under = without
		b.start()
		if out, err := smbTry(t, "127.0.0.1", b.Port, "SSHFS Share", "ls"); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("445", func(t *testing.T) {
		// In a network of its own, since a container's may have no low ports that need it.
		b := newBridge(t, bridgeOptions{}, 445)
		b.under = append([]string{"unshare", "--net", "sh", "-c", `ip link set lo up && exec "$@"`, "sh"}, without...)
		b.launch()
		b.eventually(20*time.Second, "status says what port 445 needs", func() error {
			out, stderr, _ := b.run("status")
			if !strings.Contains(out, "port 127.0.0.1:445 needs root or CAP_NET_BIND_SERVICE, or choose one above 1023") {
				return fmt.Errorf("%s%s", out, stderr)
			}
			return nil
		})
	})
}
