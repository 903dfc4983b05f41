package testenv

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// CI names every facility, so that there is no test which nobody runs.
func TestCIRequiresEveryFacility(t *testing.T) {
	script, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "export BRIDGE_TEST_REQUIRE=")
	list, _, _ := strings.Cut(rest, "\n")
	if d := cmp.Diff(slices.Sorted(maps.Keys(facilities)), slices.Sorted(strings.SplitSeq(list, ","))); d != "" {
		t.Errorf("facilities and .ci/run's list (-have +named):\n%s", d)
	}
}
