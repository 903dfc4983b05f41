//go:build !race

package remote_test

// bulk is the file size of the tests that break a transfer.
const bulk = 48 << 20

const underRace = false
