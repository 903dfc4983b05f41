package dropin

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// applySSHCommand takes over the options of -o ssh_command="ssh ...". Another
// program is not run: to leave it out would go another way than was asked for.
func applySSHCommand(p *plan, command string) error {
	words, err := splitWords(command)
	if err != nil {
		return err
	}
	if len(words) == 0 || filepath.Base(words[0]) != "ssh" {
		return fmt.Errorf("no program is run for the connection, %q neither: its options can be given with -o (ProxyJump, IdentityFile, password_stdin...)", command)
	}
	for i := 1; i < len(words); i++ {
		used, err := applySSHSwitch(p, words[i], words[i+1:])
		if err != nil {
			return err
		}
		i += used
	}
	return nil
}

// applySSHSwitch takes over one switch of ssh(1).
func applySSHSwitch(p *plan, word string, rest []string) (used int, err error) {
	if len(word) < 2 || word[0] != '-' {
		return 0, fmt.Errorf("%q is no option of ssh", word)
	}
	switch word {
	case "-4", "-6":
		return 0, applyKeyword(p, "AddressFamily", map[string]string{"-4": "inet", "-6": "inet6"}[word])
	case "-a", "-A", "-k", "-K", "-n", "-q", "-t", "-tt", "-T", "-v", "-vv", "-vvv", "-x", "-X", "-y", "-Y", "-s", "-2", "-M":
		return 0, nil // nothing that concerns files
	case "-C":
		return 0, applyKeyword(p, "Compression", "yes")
	}
	keywords := map[string]string{
		"-p": "Port", "-i": "IdentityFile", "-J": "ProxyJump", "-l": "User", "-c": "Ciphers", "-m": "MACs",
		"-b": "BindAddress", "-B": "BindInterface", "-S": "ControlPath",
	}
	name := word[:2]
	keyword, known := keywords[name]
	if !known && name != "-o" && name != "-F" {
		return 0, fmt.Errorf("the option %s of ssh is not known here", word)
	}
	v, used, err := switchValue(name, word, rest)
	if err != nil {
		return 0, err
	}
	switch name {
	case "-F":
		p.configFile = v
		return used, nil
	case "-o":
		k, val, ok := strings.Cut(v, "=")
		if !ok {
			k, val, _ = strings.Cut(v, " ")
		}
		if keyword, known = lookupKeyword(strings.TrimSpace(k)); !known {
			return 0, fmt.Errorf("ssh has no option %q", k)
		}
		v = strings.TrimSpace(val)
	}
	return used, applyKeyword(p, keyword, v)
}

// splitWords splits a command as sshfs does: at spaces, with quotes and
// backslashes.
func splitWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	var quote byte
	open := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'':
			if i++; i == len(s) {
				return nil, errors.New("a backslash ends the command")
			}
			b.WriteByte(s[i])
			open = true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				b.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if open {
				words = append(words, b.String())
				b.Reset()
			}
			open = false
		default:
			b.WriteByte(c)
			open = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if open {
		words = append(words, b.String())
	}
	return words, nil
}
