package testenv

// In a stream, most of what the proxy would take of the processor is fresh memory.
const (
	smallRead = 64 << 10  // what a connection reads at once, until it is a stream
	largeRead = 256 << 10 // what one reads that is
	maxSpares = 64
)

// buffer gives a buffer for largeRead bytes, done takes it back.
func (p *FaultProxy) buffer() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.spares)
	if n == 0 {
		return make([]byte, largeRead)
	}
	buf := p.spares[n-1]
	p.spares = p.spares[:n-1]
	return buf
}

func (p *FaultProxy) done(buf []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(buf) == largeRead && len(p.spares) < maxSpares {
		p.spares = append(p.spares, buf)
	}
}
