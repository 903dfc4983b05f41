// Package e2e tests everything for real: the built binary and the image, with
// OpenSSH's sshd, FUSE, smbd and SMB clients. It also holds the tests of the
// repository itself: who may import whom, and where things lie.
package e2e
