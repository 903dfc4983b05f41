// Package worker is both sides of a worker: the process that serves one mount.
package worker
