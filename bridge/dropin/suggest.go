package dropin

import "strings"

// suggest is ": did you mean X?" for a name that nobody knows, or empty.
func suggest(name string) string {
	best, distance := "", max(2, len(name)/3)+1
	consider := func(candidate string) {
		if d := editDistance(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	for _, s := range table() {
		for _, o := range s.options {
			if o.name != "" {
				consider(strings.TrimSuffix(o.name, "="))
			}
		}
	}
	for keyword := range strings.FieldsSeq(sshKeywords) {
		consider(keyword)
	}
	if best == "" {
		return "; sshfs -h lists them all"
	}
	return ": did you mean " + best + "?"
}

// suggestSwitch is suggest for a switch such as -fd or --uid.
func suggestSwitch(arg string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if _, ok := lookup(name); ok {
		return ": did you mean -o " + strings.TrimLeft(arg, "-") + "?"
	}
	if _, ok := lookupShort("-" + arg[1:2]); ok && !strings.HasPrefix(arg, "--") {
		return ": switches are given one by one, as in -f -d"
	}
	return "; sshfs -h lists them all"
}

// editDistance is the number of letters to insert, delete, replace or swap
// with their neighbour.
func editDistance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[0], rows[1], rows[2]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = last, now, before
	}
	return rows[1][len(b)]
}
