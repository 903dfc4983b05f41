package client

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A supervisor that is frozen takes connections, and answers nobody: who asks is
// told so, instead of waiting.
func TestFrozenSupervisor(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &Client{Socket: socket, AnswerWithin: 50 * time.Millisecond}
	_, err = c.Status(t.Context())
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "may be frozen") {
		t.Errorf("got %v", err)
	}
}
