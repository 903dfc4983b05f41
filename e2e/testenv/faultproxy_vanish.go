package testenv

// Vanish makes the near end of all connections vanish without a word, as a machine
// does that is carried out of reach: it notices nothing but silence, and the server
// keeps its side. What had been sent and was not delivered is still on its way: reappear
// delivers it. The connections stay until the proxy is closed. New ones are not
// concerned.
func (p *FaultProxy) Vanish() (reappear func()) {
	conns := p.all()
	set := func(v vanished) {
		p.set(func() {
			for _, x := range conns {
				x.vanished = v
			}
		})
	}
	set(onItsWay)
	return func() { set(delivered) }
}

// vanished says what becomes of the bytes of a client that has vanished.
type vanished int

const (
	here      vanished = iota // it has not
	onItsWay                  // what it sent before is held back
	delivered                 // what it sent before reaches the server
)

// Held is how many bytes of one direction were received and not delivered.
func (p *FaultProxy) Held(d Direction) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for x := range p.conns {
		n += x.queued[d]
	}
	return n
}
