package fusefs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever adds an operation to Server adds it to counted, too: these are the ones
// that nobody waits for, or that look at nothing.
var uncounted = []string{"Forget", "Release", "ReleaseDir", "FsyncDir", "Fallocate", "String"}

func TestOperations_everyOneIsCounted(t *testing.T) {
	methods := map[string][]string{} // of each receiver's type
	for _, file := range []string{"ops_attr.go", "ops_file.go", "ops_name.go", "counted.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Recv == nil || !m.Name.IsExported() {
				continue
			}
			typ := m.Recv.List[0].Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			name := typ.(*ast.Ident).Name
			methods[name] = append(methods[name], m.Name.Name)
		}
	}
	if len(methods["Server"]) < 20 {
		t.Fatalf("only %d operations found", len(methods["Server"]))
	}
	for _, m := range methods["Server"] {
		if !slices.Contains(methods["counted"], m) && !slices.Contains(uncounted, m) {
			t.Errorf("%s is not counted", m)
		}
	}
}

func TestOperations_latenciesAndWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o operations
		for _, took := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 20 * time.Second, time.Minute} {
			token := o.begin()
			<-time.After(took)
			o.over(opRead, token)
		}
		first := o.begin()
		<-time.After(3 * time.Second)
		second := o.begin()
		<-time.After(time.Second)
		s := o.snapshot(time.Now())
		if s.Waiting != 2 || s.Oldest != 4*time.Second {
			t.Errorf("%d wait, the oldest for %v", s.Waiting, s.Oldest)
		}
		if got := slices.Collect(maps.Keys(s.Kinds)); !slices.Equal(got, []string{"read"}) {
			t.Errorf("kinds %q", got)
		}
		read := s.Kinds["read"]
		if read.Count != 5 || read.Time != 80*time.Second+2*time.Millisecond+1 {
			t.Errorf("%d in %v", read.Count, read.Time)
		}
		want := map[time.Duration]uint64{100 * time.Microsecond: 1, time.Millisecond: 1, 5 * time.Millisecond: 1, 30 * time.Second: 1}
		for i, bound := range LatencyBounds() {
			if read.Buckets[i] != want[bound] {
				t.Errorf("up to %v: %d, want %d", bound, read.Buckets[i], want[bound])
			}
		}
		o.over(opLookup, second)
		o.over(opLookup, first)
		if s := o.snapshot(time.Now()); s.Waiting != 0 || s.Oldest != 0 || s.Kinds["lookup"].Count != 2 {
			t.Errorf("after the answers: %+v", s)
		}
	})
}

func TestOperations_everyKindHasAName(t *testing.T) {
	for k, name := range opNames {
		if name == "" || strings.ToLower(name) != name {
			t.Errorf("kind %d is called %q", k, name)
		}
	}
	if !slices.IsSorted(latencyBounds[:]) {
		t.Error("the bounds are not in order")
	}
}

func TestMeter_tellsTheLastSecond(t *testing.T) {
	var m meter
	now := time.Now()
	if r := m.rate(now); r != 0 {
		t.Errorf("nothing moved: %v", r)
	}
	for range 40 { // 4000 bytes a second for four seconds
		m.add(400, now)
		now = now.Add(100 * time.Millisecond)
	}
	if r := m.rate(now); r < 3600 || r > 4400 {
		t.Errorf("while it flows: %v", r)
	}
	if r := m.rate(now.Add(500 * time.Millisecond)); r < 1600 || r > 2800 {
		t.Errorf("half a second later: %v", r)
	}
	if r := m.rate(now.Add(2 * time.Second)); r != 0 {
		t.Errorf("two seconds later: %v", r)
	}
}
