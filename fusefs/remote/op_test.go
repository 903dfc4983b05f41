package remote

import "testing"

// TestBuffers_holdNotMuchMore: what is written is counted by its bytes, so that what holds
// them must not be much larger.
func TestBuffers_holdNotMuchMore(t *testing.T) {
	for _, n := range []int{1, 32 << 10, 64 << 10, 100_000, 128 << 10, 200_000, 255 << 10} {
		if held := cap(buffers.get(n)); held > 2*n {
			t.Errorf("%d bytes are held in %d", n, held)
		}
	}
}
