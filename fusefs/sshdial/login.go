package sshdial

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The methods of RFC 4252 and 4256 that are used.
const (
	methodPublicKey           = "publickey"
	methodKeyboardInteractive = "keyboard-interactive"
	methodPassword            = "password"
)

// Bounds of what a server may ask in one login.
const (
	maxRounds  = 20 // of keyboard-interactive
	maxPrompts = 16 // in one round
)

// maxTried bounds the keys and answers sent in one login. x/crypto/ssh has such
// a bound too, and servers a lower one.
const maxTried = 50

// errExhausted says that nothing is left to try.
var errExhausted = errors.New("no method of login is left")

// login is one attempt to log in at one hop. x/crypto/ssh calls step from the
// goroutine of the handshake, so nothing here is shared.
type login struct {
	hop    *hop
	memory *memory
	guard  *guard
	asker  Asker // nil where nobody may be asked
	log    *slog.Logger
	agent  *agentConn
	wire   *wire
	mark   int64 // of wire.read, when we last sent something that wants an answer

	started     bool // the server was asked for a login
	keys        []*candidate
	keysLoaded  bool
	passwords   int  // how often one was sent
	rounds      int  // how often keyboard-interactive was begun
	spent       bool // no further password: a person gave up
	kbdSpent    bool // the same for keyboard-interactive
	lastSigner  *lazySigner
	lastLabel   string
	unconfirmed map[string]string // answers given in the attempt under way, to be remembered if it works

	tried   []string
	partial []string
	allowed []string
	notes   []string
	// personErr is why a question was not answered; needsPerson that one was
	// not even asked.
	personErr   error
	needsPerson bool
}

func (l *login) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	if !slices.Contains(l.notes, n) {
		l.notes = append(l.notes, n)
	}
}

// ask puts a question to the person, if there is one, with the clock stopped.
func (l *login) ask(q Question) (string, error) {
	if l.asker == nil || l.hop.batch {
		l.needsPerson = true
		return "", ErrNeedsPerson
	}
	resume := l.guard.pause()
	defer resume()
	answer, err := l.asker.Ask(l.guard.ctx, q)
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, ErrNoPerson), errors.Is(err, ErrNeedsPerson):
		l.needsPerson = true
		return "", ErrNeedsPerson
	}
	if l.personErr == nil {
		l.personErr = err
	}
	return "", err
}

// step is an ssh.ClientAuthCallback: it settles the attempt before, and
// chooses the next.
func (l *login) step(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.started = true
	worked := len(c.PartialSuccessMethods) > len(l.partial)
	l.partial = c.PartialSuccessMethods
	l.allowed = slices.DeleteFunc(c.AllowedMethods, func(m string) bool { return m == "" })
	l.settle(worked)
	if err := l.guard.err(); err != nil {
		return nil, err
	}
	if err := l.wire.breakage(); err != nil {
		// An attempt that was not answered is the network's failure. After an
		// answer it is the server that has had enough.
		if len(l.tried) == 0 || l.wire.read.Load() == l.mark {
			return nil, fmt.Errorf("during the login: %w", err)
		}
		return nil, errExhausted
	}
	if len(l.tried) >= maxTried {
		return nil, errExhausted
	}
	for _, method := range l.hop.methods {
		if !slices.Contains(c.AllowedMethods, method) {
			continue
		}
		if m := l.next(method); m != nil {
			l.sent()
			return m, nil
		}
		if err := l.guard.ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, errExhausted
}

// sent notes that the server has something to answer.
func (l *login) sent() { l.mark = l.wire.read.Load() }

// settle remembers or forgets what the attempt before used.
func (l *login) settle(worked bool) {
	for what, answer := range l.unconfirmed {
		if worked {
			l.memory.keepSecret(what, answer)
		} else {
			l.memory.forgetSecret(what)
		}
	}
	clear(l.unconfirmed)
	if s := l.lastSigner; s != nil && s.err != nil && !errors.Is(s.err, ErrNeedsPerson) {
		l.note("%s: %v", l.lastLabel, s.err)
	}
	l.lastSigner = nil
}

// succeeded remembers what got us in.
func (l *login) succeeded() { l.settle(true) }

func (l *login) next(method string) ssh.AuthMethod {
	switch method {
	case methodPublicKey:
		return l.nextKey()
	case methodKeyboardInteractive:
		return l.nextKeyboardInteractive()
	default:
		return l.nextPassword()
	}
}

// nextKey offers one key at a time, so that one that cannot sign does not
// keep the others from being tried.
func (l *login) nextKey() ssh.AuthMethod {
	if !l.keysLoaded {
		l.keys, l.keysLoaded = l.candidates(), true
	}
	for len(l.keys) > 0 {
		c := l.keys[0]
		l.keys = l.keys[1:]
		signer, err := l.signer(c)
		if err != nil {
			if !errors.Is(err, ErrNeedsPerson) {
				l.note("%s: %v", c.label, err)
			}
			continue
		}
		l.lastSigner, _ = signer.(*lazySigner)
		l.lastLabel = c.label
		l.tried = append(l.tried, methodPublicKey+" "+c.label)
		l.log.Debug("offering a key", "remote", l.hop.String(), "key", c.label)
		return ssh.PublicKeys(signer)
	}
	return nil
}

func (l *login) nextPassword() ssh.AuthMethod {
	what := "password " + l.hop.String()
	if l.spent || l.passwords >= max(l.hop.prompts, 1) {
		return nil
	}
	password, saved := "", false
	if l.passwords == 0 {
		password, saved = l.memory.secret(what)
	}
	if !saved {
		if l.hop.prompts == 0 {
			return nil
		}
		prompt := fmt.Sprintf("Password for %s: ", l.hop)
		if l.passwords > 0 {
			prompt = "Permission denied, please try again.\n" + prompt
		}
		var err error
		if password, err = l.ask(Question{Kind: KindPassword, Prompt: prompt}); err != nil {
			l.spent = true
			return nil
		}
	}
	l.passwords++
	l.unconfirmed[what] = password
	l.tried = append(l.tried, methodPassword)
	return ssh.Password(password)
}

func (l *login) nextKeyboardInteractive() ssh.AuthMethod {
	if l.kbdSpent || l.rounds >= max(l.hop.prompts, 1) {
		return nil
	}
	silent := l.asker == nil || l.hop.batch
	if silent {
		// Beginning what cannot be finished would be counted as a failure.
		_, saved := l.memory.secret(l.kbdName())
		if !saved || l.memory.isOneTime(l.kbdName()) {
			l.needsPerson, l.kbdSpent = true, true
			return nil
		}
	}
	l.rounds++
	l.tried = append(l.tried, methodKeyboardInteractive)
	questions := 0
	return ssh.KeyboardInteractive(func(name, instruction string, prompts []string, echos []bool) ([]string, error) {
		if questions++; questions > maxRounds || len(prompts) > maxPrompts {
			l.kbdSpent = true
			l.note("the server asks too many questions")
			return nil, errExhausted
		}
		defer l.sent()
		return l.answer(questions, strings.TrimSpace(name+"\n"+instruction), prompts, echos)
	})
}

func (l *login) kbdName() string { return methodKeyboardInteractive + " " + l.hop.String() }

// answer answers one round of keyboard-interactive. A hidden answer to a
// single question for a password is remembered; all else is taken for a
// one-time code, which nobody can give again but the person.
func (l *login) answer(round int, intro string, prompts []string, echos []bool) ([]string, error) {
	answers := make([]string, len(prompts))
	what := l.kbdName()
	for i, prompt := range prompts {
		isPassword := round == 1 && len(prompts) == 1 && !echos[i] && strings.Contains(strings.ToLower(prompt), "password")
		if !isPassword {
			l.memory.setOneTime(what)
		} else if saved, ok := l.memory.secret(what); ok && l.rounds == 1 {
			answers[i] = saved
			l.unconfirmed[what] = saved
			continue
		}
		text := fmt.Sprintf("(%s) %s", l.hop, prompt)
		if i == 0 && intro != "" {
			text = intro + "\n" + text
		}
		a, err := l.ask(Question{Kind: KindKeyboardInteractive, Prompt: printable(text), Echo: echos[i]})
		if err != nil {
			l.kbdSpent = true
			return nil, err
		}
		answers[i] = a
		if isPassword {
			l.unconfirmed[what] = a
		}
	}
	return answers, nil
}

// banner shows what a server says before the login, in the log.
func (l *login) banner(message string) error {
	l.log.Debug("the server says", "remote", l.hop.String(), "banner", printable(message))
	return nil
}

// refused is the error of a login that did not work.
func (l *login) refused(cause string) error {
	e := &AuthError{User: l.hop.user, Host: l.hop.alias, Tried: l.tried, Partial: printables(l.partial), Allowed: printables(l.allowed), Notes: l.notes}
	if cause != "" {
		e.Notes = append(slices.Clone(e.Notes), "the server says: "+printable(cause))
	}
	switch {
	case l.personErr != nil:
		e.Err = l.personErr
	case l.needsPerson:
		e.Err = ErrNeedsPerson
	}
	return e
}
