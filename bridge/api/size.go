package api

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var sizePattern = regexp.MustCompile(`^([0-9]{1,12})\s*(?i:([KMGT]?)(iB|B)?)$`)

// ParseSize reads a number of bytes as people write it: 65536, 64K, 64KiB or 64KB, all
// the same; the steps are of 1024.
func ParseSize(v string) (int64, error) {
	m := sizePattern.FindStringSubmatch(v)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size such as 512MiB", v)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[strings.ToUpper(m[2])]
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is too large", v)
	}
	return n << shift, nil
}
