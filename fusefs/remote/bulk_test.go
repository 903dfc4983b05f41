//go:build !race

package remote_test

// realBulk is the size of a copy that is disturbed on its way to and from a real
// server.
const realBulk = 128 << 20

const underRace = false
