package sshdial

import (
	"fmt"
	"strings"
)

// match evaluates the criteria of a Match line; all must hold. Criteria that
// cannot be evaluated here matter only where every other one holds: then
// it is unknown which settings apply, and that is an error, by name.
func (e *evaluator) match(l line, enclosing bool) (bool, error) {
	result := true
	var cannot string
	for args := l.args; len(args) > 0; {
		word := strings.ToLower(args[0])
		args = args[1:]
		criterion, negated := strings.CutPrefix(word, "!")
		var value string
		// "Match host=name" and "Match host name" are the same.
		criterion, value, hasValue := strings.Cut(criterion, "=")
		if takesValue(criterion) && !hasValue {
			if len(args) == 0 {
				return false, fmt.Errorf("%s: Match %s needs a value", l.at, criterion)
			}
			value, args = args[0], args[1:]
		}
		var holds bool
		list := strings.Split(value, ",")
		switch criterion {
		case "all":
			holds = true
		case "canonical":
			holds = false // CanonicalizeHostname is refused
		case "final":
			e.wantFinal = e.wantFinal || enclosing
			holds = e.final
		case "host":
			holds = matchList(list, e.matchHost())
		case "originalhost":
			holds = matchList(list, e.original)
		case "user":
			holds = matchList(list, e.user())
		case "localuser":
			holds = matchList(list, e.localUser)
		case "tagged":
			tag := ""
			if t, ok := e.get("tag"); ok {
				tag = t.args[0]
			}
			holds = matchList(list, tag) || value == "" && tag == ""
		case "sessiontype":
			holds = matchList(list, "subsystem")
		case "command":
			holds = matchList(list, "sftp") // what ssh -s is told
		case "exec", "localnetwork", "version":
			if cannot == "" {
				cannot = criterion
			}
			continue
		default:
			return false, fmt.Errorf("%s: Match %s is not known", l.at, criterion)
		}
		result = result && holds != negated
	}
	if result && cannot != "" && enclosing {
		return false, &UnsupportedError{Keyword: "Match " + cannot, Value: l.rest, Where: l.at.String()}
	}
	return result, nil
}

// matchHost is what Match host sees: the host name where one is set above.
func (e *evaluator) matchHost() string {
	if _, ok := e.get("hostname"); ok {
		return e.hostName()
	}
	return e.host
}

func takesValue(criterion string) bool {
	switch criterion {
	case "all", "canonical", "final":
		return false
	}
	return true
}
