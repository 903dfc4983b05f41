//go:build race

package remote_test

// bulk is the file size of the tests that break a transfer: under the race
// detector what counts is the interleavings, not the bytes.
const bulk = 14 << 20

// underRace says that every byte costs a multiple.
const underRace = true
