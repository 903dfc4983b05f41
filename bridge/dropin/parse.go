package dropin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sshfs-bridge/fusefs/sshdial"
)

// usageError is a command line that makes no sense.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...).Error()}
}

// parse reads the arguments of sshfs, without the program's name. Options and
// operands may be mixed, as fuse_opt(3) allows; "--" ends the options.
func parse(args []string) (*plan, error) {
	p := &plan{}
	var operands []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			operands = append(operands, args[i+1:]...)
			i = len(args)
		case arg == "-" || !strings.HasPrefix(arg, "-"):
			operands = append(operands, arg)
		default:
			used, err := parseSwitch(p, arg, args[i+1:])
			if err != nil {
				return nil, err
			}
			i += used
		}
	}
	if p.help || p.version {
		return p, nil
	}
	if err := parseOperands(p, operands); err != nil {
		return nil, err
	}
	p.finish()
	return p, nil
}

// parseSwitch reads one switch, and says how many of the arguments after it
// were its value.
func parseSwitch(p *plan, arg string, rest []string) (used int, err error) {
	switch arg {
	case "-h", "--help":
		p.help = true
		return 0, nil
	case "-V", "--version":
		p.version = true
		return 0, nil
	case "--debug":
		arg = "-d"
	case "--verbose":
		arg = "-v"
	case "-r":
		return 0, parseOption(p, "ro")
	case "-w":
		return 0, parseOption(p, "rw")
	case "-n":
		return 0, nil // mount(8) hands it on: do not write mtab
	}
	name := arg[:2]
	if name == "-o" {
		list, used, err := switchValue("-o", arg, rest)
		if err != nil {
			return 0, err
		}
		return used, parseList(p, list)
	}
	o, ok := lookupShort(name)
	switch {
	case !ok, o.kind == kindFlag && len(arg) > 2:
		return 0, usagef("unknown option %q%s", arg, suggestSwitch(arg))
	case o.kind == kindFlag:
		return 0, apply(p, o, name, "", false)
	}
	v, used, err := switchValue(name, arg, rest)
	if err != nil {
		return 0, err
	}
	return used, apply(p, o, name, v, true)
}

// switchValue is the value of a switch: glued to it, or the next argument.
func switchValue(name, arg string, rest []string) (v string, used int, err error) {
	if len(arg) > 2 {
		return arg[2:], 0, nil
	}
	if len(rest) == 0 {
		return "", 0, usagef("%s needs a value", name)
	}
	return rest[0], 1, nil
}

// parseList reads what follows -o.
func parseList(p *plan, list string) error {
	options, err := splitOptions(list)
	if err != nil {
		return err
	}
	for i, text := range options {
		if text == "" {
			continue
		}
		err := parseOption(p, text)
		var unknown *unknownError
		if errors.As(err, &unknown) && i > 0 && isList(options[i-1]) {
			return usagef("%w; a comma inside a value is written \\, (as in -o Ciphers=a\\,b)", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unknownError is an option that nobody knows.
type unknownError struct{ usageError }

// parseOption reads one NAME or NAME=VALUE.
func parseOption(p *plan, text string) error {
	name, v, hasValue := strings.Cut(text, "=")
	o, ok := lookup(name)
	if hasValue {
		// "user" and "user=NAME" are two options.
		if with, found := lookup(name + "="); found {
			o, ok = with, true
		}
	}
	if ok {
		return apply(p, o, "-o "+name, v, hasValue)
	}
	if strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") {
		return nil // for systemd and other readers of fstab
	}
	if keyword, ok := lookupKeyword(name); ok {
		if err := applyKeyword(p, keyword, v); err != nil {
			return usagef("%w", err)
		}
		return nil
	}
	return &unknownError{usageError{fmt.Sprintf("unknown option %q%s", "-o "+text, suggest(name))}}
}

// apply checks an option's value and puts it into the plan.
func apply(p *plan, o option, name, v string, hasValue bool) error {
	if o.effect == refused {
		return usagef("%s cannot be used here: %s", name, o.note)
	}
	if err := checkValue(o, name, v, hasValue); err != nil {
		return err
	}
	if o.apply != nil {
		if err := o.apply(p, v); err != nil {
			return usagef("%s: %w", name, err)
		}
	}
	if o.effect == noEffect {
		p.note(name + " has no effect: " + o.note)
	}
	return nil
}

func checkValue(o option, name, v string, hasValue bool) error {
	if o.kind == kindFlag {
		if hasValue {
			return usagef("%s takes no value", name)
		}
		return nil
	}
	if !hasValue || v == "" {
		return usagef("%s needs a value (%s)", name, o.arg)
	}
	switch o.kind {
	case kindNumber:
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return usagef("%s: %q is no whole number", name, v)
		}
	case kindSeconds:
		if t, err := strconv.ParseFloat(v, 64); err != nil || !(t >= 0) {
			return usagef("%s: %q is no number of seconds", name, v)
		}
	case kindOctal:
		if n, err := strconv.ParseUint(v, 8, 16); err != nil || n > 0o777 {
			return usagef("%s: %q is no octal mode such as 022", name, v)
		}
	case kindBool:
		if v != "yes" && v != "no" {
			return usagef("%s: %q is neither yes nor no", name, v)
		}
	case kindFlag, kindText:
	}
	return nil
}

// parseOperands reads the remote and the mountpoint.
func parseOperands(p *plan, operands []string) error {
	switch len(operands) {
	case 0:
		return usagef("missing host: sshfs [user@]host:[dir] mountpoint")
	case 1:
		return usagef("no mountpoint specified: sshfs [user@]host:[dir] mountpoint")
	case 2:
	default:
		return usagef("%q is one argument too many: sshfs [user@]host:[dir] mountpoint", operands[2])
	}
	if err := checkRemote(operands[0]); err != nil {
		return err
	}
	if operands[1] == "" {
		return usagef("the mountpoint is empty")
	}
	p.spec.Remote, p.spec.Mountpoint = operands[0], operands[1]
	return nil
}

// checkRemote holds a remote against sshfs's own syntax, in which the colon
// is needed.
func checkRemote(remote string) error {
	rest := remote
	if i := strings.LastIndex(rest, "@["); i >= 0 {
		rest = rest[i+1:]
	}
	if strings.HasPrefix(rest, "[") {
		_, after, ok := strings.Cut(rest, "]")
		if !ok {
			return usagef("%q: the bracket is not closed", remote)
		}
		rest = after
	}
	if !strings.Contains(rest, ":") {
		return usagef("%q names no remote directory: [user@]host:[dir], with a colon (%s: is its home directory)", remote, remote)
	}
	if _, err := sshdial.ParseTarget(remote); err != nil {
		return usagef("%w", err)
	}
	return nil
}
