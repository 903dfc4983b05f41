// Command sshfs-bridge shows remote SSH servers as volumes in the macOS Finder.
//
// It is the supervisor (serve), the command line that talks to it, and, called
// as sshfs, fusermount or umount, a drop-in for those. Nothing is decided here:
// every command parses its arguments, calls bridge, bridge/client,
// bridge/dropin or bridge/demo, and prints.
//
//	main.go        signals, the name that the program was called by, the exit code
//	root.go        the tree of commands, what they share
//	exitcode.go    the exit codes, a promise to scripts (docs/cli.md)
//	output.go      text and JSON
//	terminal.go    questions to a person
//	cmd_*.go       one command each
package main
