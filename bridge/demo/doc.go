// Package demo shows the whole bridge on a machine where nothing is
// configured: an SFTP server of its own over sample files, mounted and shared
// by the real supervisor, and a self-check that goes through SMB as Finder does.
//
//	samples.go     the sample files: names, contents, what is odd about them
//	server.go      the SSH server: one host key, one client key (keys.go),
//	               the subsystem sftp and nothing else (session.go)
//	handlers.go    the SFTP requests, confined to the samples' directory
//	check.go       the self-check as an SMB guest, step by step: check_tree.go
//	               what is there, check_write.go what is changed
//	demo.go        Run: all of it together; report.go: what is printed
//
// # Invariants
//
//   - The server is a remote like any other: its host key is verified against
//     a known_hosts line, its login is a public key, it listens on loopback.
//   - Keys are generated for each run and live in a private directory.
//   - Nothing outside the samples' directory can be reached through the server:
//     every request goes through an os.Root.
//   - The self-check compares what SMB returned with what lies in the
//     directory, by hash; it trusts nothing that the bridge says of itself.
package demo
