package remote

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// pump keeps a flow full over a link of a rate and a round trip for a while, as if
// each channel carried no more than its window a round trip.
func pump(f *flow, rate float64, rtt, span time.Duration, channels int) {
	f.setLink(rtt, channels)
	const packet = 255 << 10
	end := time.Now().Add(span)
	for time.Now().Before(end) {
		// What is in flight comes back after a round trip, or as the link carries it.
		inFlight := f.limit()
		trip := max(rtt, time.Duration(float64(inFlight)/rate*float64(time.Second)))
		n := max(int(inFlight/packet), 1)
		for range n {
			time.Sleep(trip / time.Duration(n))
			f.mu.Lock()
			f.used, f.waited, f.refused = inFlight, true, true
			f.mu.Unlock()
			f.delivered(packet, time.Now())
		}
	}
}

func TestFlow_followsTheLink(t *testing.T) {
	for name, c := range map[string]struct {
		rate     float64
		rtt      time.Duration
		channels int
		min, max int64 // bytes in flight
		grow     bool
	}{
		"slow link":             {200e3, 30 * time.Millisecond, 1, 1, flowFloor, false},
		"home connection":       {5e6, 30 * time.Millisecond, 1, flowFloor, channelWindow, false},
		"fast and far":          {1e9, 100 * time.Millisecond, 1, channelFill, channelFill, true},
		"fast, far, with many":  {1e9, 100 * time.Millisecond, 8, 6 * channelFill, 8 * channelFill, true},
		"next door":             {500e6, 200 * time.Microsecond, 1, flowFloor, channelWindow, false},
		"far, with enough many": {20e6, 100 * time.Millisecond, 8, channelWindow, 4 * channelWindow, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlow(channelFill)
				pump(f, c.rate, c.rtt, 20*time.Second, c.channels)
				if got := f.limit(); got < c.min || got > c.max {
					t.Errorf("%d bytes in flight, want %d to %d (rate %.0f)", got, c.min, c.max, f.rateNow())
				}
				if n, proven := f.wanted(c.channels); (n > c.channels) != c.grow || n > c.channels && !proven {
					t.Errorf("wants %d channels and has %d", n, c.channels)
				}
			})
		})
	}
}

func TestGate_isFairAndCanBeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{capacity: 10}
		if err := g.acquire(t.Context(), 100); err != nil { // alone, whatever its size
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { left <- g.acquire(ctx, 5) }()
		synctest.Wait()
		var order []int
		done := make(chan int)
		for i := range 3 {
			go func() {
				g.acquire(t.Context(), 5)
				done <- i
			}()
			synctest.Wait()
		}
		if g.tryAcquire(1) {
			t.Error("overtook those who wait")
		}
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("left with %v", err)
		}
		g.release(100)
		order = append(order, <-done, <-done)
		synctest.Wait()
		if g.inUse() != 10 {
			t.Errorf("%v were let in, %d in use", order, g.inUse())
		}
		g.release(5)
		<-done
		g.release(5)
		g.release(5)
		if g.inUse() != 0 {
			t.Errorf("%d in use at the end", g.inUse())
		}
	})
}

func TestRTT_followsALongerWayButNotAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e rttEstimate
		e.add(10*time.Millisecond, true)
		for range 100 {
			time.Sleep(time.Second)
			e.add(800*time.Millisecond, false) // behind data
		}
		if d := e.get(); d > 25*time.Millisecond {
			t.Errorf("%v beside data", d)
		}
		for range 3 {
			e.add(90*time.Millisecond, true)
		}
		if d := e.get(); d != 90*time.Millisecond {
			t.Errorf("%v after the way became longer", d)
		}
		e.add(12*time.Millisecond, false)
		if d := e.get(); d != 12*time.Millisecond {
			t.Errorf("%v after a shorter one", d)
		}
	})
}

func TestRequests_onlyWhatIsStuckEnds(t *testing.T) {
	const patience = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		var l requestList
		stuck, _ := l.begin(t.Context(), new(time.Duration))
		var rest []func()
		for range 20 { // others come and are answered
			time.Sleep(time.Second)
			_, finish := l.begin(t.Context(), new(time.Duration))
			rest = append(rest, finish)
			if len(rest) > 5 {
				rest[0]()
				rest = rest[1:]
			}
			if l.expire(time.Now(), time.Now(), patience) {
				t.Error("the channel counts as dead")
			}
		}
		if !errors.Is(context.Cause(stuck), ErrTimeout) {
			t.Errorf("what was never answered: %v", context.Cause(stuck))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var l requestList
		heard := time.Now()
		a, _ := l.begin(t.Context(), new(time.Duration))
		b, _ := l.begin(t.Context(), new(time.Duration))
		time.Sleep(patience)
		if !l.expire(time.Now(), heard, patience) {
			t.Error("a channel that says nothing does not count as dead")
		}
		if context.Cause(a) == nil || context.Cause(b) == nil {
			t.Error("requests on it go on")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// A slow server: each takes 3 s, twenty are queued, none is late.
		var l requestList
		var all []context.Context
		var finish []func()
		for range 20 {
			ctx, f := l.begin(t.Context(), new(time.Duration))
			all, finish = append(all, ctx), append(finish, f)
		}
		for i := range all {
			time.Sleep(3 * time.Second)
			l.expire(time.Now(), time.Now(), patience)
			if context.Cause(all[i]) != nil {
				t.Errorf("request %d ended in the queue", i)
			}
			finish[i]()
		}
	})
}
