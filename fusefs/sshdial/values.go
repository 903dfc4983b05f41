package sshdial

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// reader takes typed values out of settings and keeps the first error.
type reader struct {
	*settings
	err error
}

func (r *reader) fail(l line, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s: %w", l.at, l.keyword, fmt.Errorf(format, args...))
	}
}

func (r *reader) str(key, def string) string {
	if l, ok := r.get(key); ok {
		return l.args[0]
	}
	return def
}

func (r *reader) list(key string, def ...string) []string {
	if l, ok := r.get(key); ok {
		return l.args
	}
	return def
}

func (r *reader) boolean(key string, def bool) bool {
	l, ok := r.get(key)
	if !ok {
		return def
	}
	switch strings.ToLower(l.args[0]) {
	case "yes", "true":
		return true
	case "no", "false":
		return false
	}
	r.fail(l, "%s is neither yes nor no", quoteShort(l.args[0]))
	return def
}

// number is an integer within [least, most].
func (r *reader) number(key string, def, least, most int) int {
	l, ok := r.get(key)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(l.args[0])
	if err != nil || n < least || n > most {
		r.fail(l, "%s is not a number from %d to %d", quoteShort(l.args[0]), least, most)
		return def
	}
	return n
}

// duration is a time as sshd_config(5) writes it; none and 0 are 0.
func (r *reader) duration(key string, def time.Duration) time.Duration {
	l, ok := r.get(key)
	if !ok {
		return def
	}
	if strings.EqualFold(l.args[0], "none") {
		return 0
	}
	d, err := parseTime(l.args[0])
	if err != nil {
		r.fail(l, "%w", err)
		return def
	}
	return d
}

// parseTime reads a number of seconds, or numbers with units: 90, 1m30s, 2h.
func parseTime(s string) (time.Duration, error) {
	units := map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	}
	const most = 10 * 365 * 24 * time.Hour
	var total time.Duration
	bad := fmt.Errorf("%s is not a time (seconds, or such as 1m30s)", quoteShort(s))
	for rest := strings.ToLower(s); rest != "" || s == ""; {
		i := 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		n, err := strconv.ParseInt(rest[:i], 10, 32)
		if err != nil {
			return 0, bad
		}
		unit := time.Second
		if rest = rest[i:]; rest != "" {
			u, ok := units[rest[0]]
			if !ok {
				return 0, bad
			}
			unit, rest = u, rest[1:]
		}
		if time.Duration(n) > (most-total)/unit {
			return 0, bad
		}
		total += time.Duration(n) * unit
	}
	return total, nil
}

// algorithmList applies a keyword's choice to def.
func (r *reader) algorithmList(key string, def []string) []string {
	l, ok := r.get(key)
	if !ok {
		return def
	}
	chosen, left, err := chooseAlgorithms(def, l.args[0])
	if err != nil {
		r.fail(l, "%w", err)
		return def
	}
	if len(left) > 0 {
		r.note("%s (%s): %s is not offered: not supported here, or no longer safe", l.keyword, l.at, strings.Join(left, ","))
	}
	return chosen
}
