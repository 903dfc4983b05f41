package remote_test

import (
	"os"
	"testing"

	"sshfs-bridge/e2e/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
