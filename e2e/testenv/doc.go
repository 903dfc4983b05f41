// Package testenv starts the real parts that tests need (sshd, smbd, a
// counting SFTP server, a proxy with faults), finds out what this machine
// lacks, and checks that nothing is left behind. Only tests import it.
package testenv
