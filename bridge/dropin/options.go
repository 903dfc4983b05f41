package dropin

import "sync"

// kind is what follows an option's name.
type kind int

const (
	kindFlag    kind = iota // nothing
	kindText                // =TEXT
	kindNumber              // =N, a whole number
	kindSeconds             // =T, a number that may have a fraction
	kindOctal               // =M, as chmod takes it
	kindBool                // =yes or =no
)

// effect is what comes of an option here.
type effect int

const (
	// honoured options do what their manual page says.
	honoured effect = iota
	// always options ask for what happens anyway.
	always
	// noEffect options are accepted and reported, once.
	noEffect
	// elsewhere options are meant for somebody else (mount, fstab, systemd).
	elsewhere
	// refused options would change where the data go, and cannot be followed:
	// to ignore them could do harm.
	refused
)

// option is one row of the table: the parser, the help and the documentation
// are made of it.
type option struct {
	name   string // as after -o
	short  string // as a switch of its own, such as "-p", or empty
	kind   kind
	arg    string // the value's name in the help, such as "PORT"
	effect effect
	// note says what the option does, or why it does nothing here.
	note string
	// apply puts the value into the plan; nil where there is nothing to put.
	apply func(p *plan, value string) error
}

// section is a part of the table, with its title in the help.
type section struct {
	title   string
	options []option
}

// table describes every option but the ssh_config keywords (keywords.go). It
// is made once and never changed.
var table = sync.OnceValue(func() []section {
	return []section{
		{"SSHFS options", sshfsOptions()},
		{"Caches", cacheOptions()},
		{"Ownership, modes and links", ownerOptions()},
		{"FUSE options", fuseOptions()},
		{"Mount options", mountOptions()},
		{"Options of older versions and of macFUSE", oldOptions()},
	}
})

// lookup finds an option by the name after -o.
func lookup(name string) (option, bool) {
	for _, s := range table() {
		for _, o := range s.options {
			if o.name == name {
				return o, true
			}
		}
	}
	return option{}, false
}

// lookupShort finds an option by its switch.
func lookupShort(name string) (option, bool) {
	for _, s := range table() {
		for _, o := range s.options {
			if o.short == name {
				return o, true
			}
		}
	}
	return option{}, false
}

// word is an option without a value, valued one with it.
func word(name string, e effect, note string, set func(p *plan)) option {
	return option{name: name, kind: kindFlag, effect: e, note: note, apply: func(p *plan, _ string) error {
		if set != nil {
			set(p)
		}
		return nil
	}}
}

func valued(name string, k kind, arg string, e effect, note string, apply func(p *plan, v string) error) option {
	return option{name: name, kind: k, arg: arg, effect: e, note: note, apply: apply}
}
