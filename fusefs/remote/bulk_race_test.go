//go:build race

package remote_test

// realBulk is the size of a copy that is disturbed on its way to and from a real
// server: under the race detector what counts is the interleavings, and encryption
// costs a multiple.
const realBulk = 24 << 20

// underRace says that every byte costs a multiple.
const underRace = true
