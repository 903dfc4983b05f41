package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func newPasswordCommand(g *global) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "password",
		Short: "Make a new password for the shares, and print it once",
		Long: `password gives the shares another password, where the configuration says
smb.auth: password, and prints it. It is kept by smbd (as a hash) and in the state
directory, where root alone can read it, and shown nowhere else.

Who is connected stays connected; the next login needs the new password.`,
		Example: "  sshfs-bridge password\n  pass show nas-shares | sshfs-bridge password --stdin",
		Args:    args(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return runPassword(c.Context(), g, stdin) },
	}
	c.Flags().BoolVar(&stdin, "stdin", false, "take the password from the first line of standard input, and print nothing")
	return c
}

func runPassword(ctx context.Context, g *global, stdin bool) error {
	var own string
	if stdin {
		line, err := bufio.NewReader(g.stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if own = strings.TrimRight(line, "\r\n"); own == "" {
			return &usageError{errors.New("no password on standard input")}
		}
	}
	p, err := g.client().ChangePassword(ctx, own)
	if err != nil {
		return err
	}
	switch {
	case stdin:
		return nil
	case g.json:
		return g.printJSON(p)
	}
	g.printf("user:     %s\npassword: %s\n", p.User, p.Password)
	return nil
}
