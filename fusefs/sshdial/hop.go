package sshdial

import (
	"crypto/sha1" //nolint:gosec // the token %C is defined as a SHA-1; nothing depends on its strength
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"
)

// strictness is what happens to an unknown host key.
type strictness int

const (
	acceptNew strictness = iota // accept it, and report it once the login succeeded
	askPerson                   // a person decides
)

// hop is everything needed to reach one SSH server, and to log in to it.
type hop struct {
	alias, hostName, user string
	port                  int

	network, bindAddress string
	connectTimeout       time.Duration
	aliveInterval        time.Duration
	aliveCount           int
	tcpKeepAlive         bool
	keyName              string // the name in known_hosts
	keyAliased           bool   // keyName is a HostKeyAlias
	knownHosts           []string
	strict               strictness
	hashNames            bool
	revokedKeys          string // a file, or ""
	minRSABits           int
	algorithms           algorithms
	methods              []string // in order
	prompts              int      // how often a password or passphrase is asked for
	identities           []identityFile
	certificates         []string
	identitiesOnly       bool
	agentSocket          string // "" for none
	agentSocketOtherwise string // where agentSocket does not exist
	batch                bool   // nobody is asked
}

// identityFile is a private key to offer.
type identityFile struct {
	path     string
	explicit bool // named by a setting, not one of the usual names
}

const (
	defaultConnectTimeout = 15 * time.Second
	defaultPrompts        = 3
)

// usualIdentities are offered where no IdentityFile is set.
var usualIdentities = []string{"id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"}

func (h *hop) addr() string { return net.JoinHostPort(h.hostName, strconv.Itoa(h.port)) }

// login names the hop for people.
func (h *hop) String() string {
	s := h.user + "@" + h.alias
	if h.port != 22 {
		s = h.user + "@" + net.JoinHostPort(h.alias, strconv.Itoa(h.port))
	}
	return s
}

// newHop turns evaluated settings into a hop.
func newHop(e *evaluator, o Options) (*hop, error) {
	r := &reader{settings: &e.settings}
	h := &hop{alias: e.original}
	h.port = r.number("port", 22, 1, 65535)
	h.user = e.user()
	h.hostName = e.original // which may hold a percent sign (an IPv6 zone)
	if l, ok := r.get("hostname"); ok {
		name, err := expandTokens(l.args[0], map[byte]string{'h': e.original})
		if err != nil {
			r.fail(l, "%w", err)
		}
		h.hostName = name
	}
	if err := (Target{User: h.user, Host: h.hostName}).check(); err != nil && r.err == nil {
		r.err = fmt.Errorf("host %s: %w", e.original, err)
	}
	if h.user == "" && r.err == nil {
		r.err = fmt.Errorf("host %s: no user is given: write USER@%s, or set User in the ssh configuration", e.original, e.original)
	}
	if l, ok := r.get("refuseconnection"); ok && r.err == nil {
		r.err = fmt.Errorf("%s: RefuseConnection: %s", l.at, l.args[0])
	}
	h.fillTransport(r)
	h.fillTrust(r, e.paths)
	h.fillLogin(r, e.paths, o)
	return h, r.err
}

func (h *hop) fillTransport(r *reader) {
	h.network = "tcp"
	if l, ok := r.get("addressfamily"); ok {
		switch strings.ToLower(l.args[0]) {
		case "any":
		case "inet":
			h.network = "tcp4"
		case "inet6":
			h.network = "tcp6"
		default:
			r.fail(l, "%s is none of any, inet, inet6", quoteShort(l.args[0]))
		}
	}
	h.bindAddress = r.str("bindaddress", "")
	if h.bindAddress == "*" {
		h.bindAddress = ""
	}
	h.connectTimeout = r.duration("connecttimeout", defaultConnectTimeout)
	if h.connectTimeout == 0 {
		h.connectTimeout = defaultConnectTimeout // a dial is never without a bound
	}
	h.aliveInterval = r.duration("serveraliveinterval", 0)
	h.aliveCount = r.number("serveralivecountmax", 0, 0, 1<<20)
	if h.aliveInterval > 0 && h.aliveCount == 0 {
		h.aliveCount = 3 // as OpenSSH
	}
	h.tcpKeepAlive = r.boolean("tcpkeepalive", true)
	def := defaultAlgorithms(hasAES())
	h.algorithms.ciphers = r.algorithmList("ciphers", def.ciphers)
	h.algorithms.kex = r.algorithmList("kexalgorithms", def.kex)
	h.algorithms.macs = r.algorithmList("macs", def.macs)
	h.algorithms.hostKeys = r.algorithmList("hostkeyalgorithms", def.hostKeys)
	if l, ok := r.get("hostkeyalgorithms"); ok {
		h.algorithms.hostKeysSet = l.args[0] != "" && l.args[0][0] != '+' && l.args[0][0] != '-'
	}
	h.algorithms.caSignatures = r.algorithmList("casignaturealgorithms", def.caSignatures)
	h.algorithms.publicKeys = r.algorithmList("pubkeyacceptedalgorithms", def.publicKeys)
}

func (h *hop) fillTrust(r *reader, p paths) {
	h.keyName = knownhosts.Normalize(strings.ToLower(h.addr()))
	if alias := r.str("hostkeyalias", ""); alias != "" {
		h.keyName, h.keyAliased = strings.ToLower(alias), true
		if err := checkName("host", alias); err != nil {
			r.fail(r.first["hostkeyalias"], "%w", err)
		}
	}
	h.strict = acceptNew
	if l, ok := r.get("stricthostkeychecking"); ok {
		switch strings.ToLower(l.args[0]) {
		case "accept-new":
		case "yes", "true", "ask":
			h.strict = askPerson
		case "no", "false", "off":
			r.note("%s %s (%s) is treated as accept-new: a changed host key is always refused", l.keyword, l.args[0], l.at)
		default:
			r.fail(l, "%s is none of yes, ask, accept-new, no", quoteShort(l.args[0]))
		}
	}
	h.hashNames = r.boolean("hashknownhosts", false)
	h.minRSABits = r.number("requiredrsasize", 1024, 1024, 1<<16)
	files := slices.Concat(
		r.list("userknownhostsfile", "~/.ssh/known_hosts", "~/.ssh/known_hosts2"),
		r.list("globalknownhostsfile", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"))
	for _, f := range files {
		if f = h.expandPath(r, p, "userknownhostsfile", f); f != "" {
			h.knownHosts = append(h.knownHosts, f)
		}
	}
	h.revokedKeys = h.expandPath(r, p, "revokedhostkeys", r.str("revokedhostkeys", ""))
}

func (h *hop) fillLogin(r *reader, p paths, o Options) {
	h.batch = r.boolean("batchmode", false)
	h.prompts = r.number("numberofpasswordprompts", defaultPrompts, 0, 100)
	allowed := map[string]bool{
		methodPublicKey:           r.boolPublicKey(),
		methodKeyboardInteractive: r.boolean("kbdinteractiveauthentication", true),
		methodPassword:            r.boolean("passwordauthentication", true),
	}
	for _, list := range r.list("preferredauthentications", methodPublicKey, methodKeyboardInteractive, methodPassword) {
		for _, m := range strings.Split(list, ",") {
			if allowed[m] && !slices.Contains(h.methods, m) {
				h.methods = append(h.methods, m)
			}
		}
	}
	h.identitiesOnly = r.boolean("identitiesonly", false)
	for _, l := range r.multi["identityfile"] {
		if strings.EqualFold(l.args[0], "none") {
			continue
		}
		path, err := h.expandFile(p, l.args[0])
		if err != nil {
			r.fail(l, "%w", err)
			continue
		}
		id := identityFile{path, true}
		if !slices.Contains(h.identities, id) {
			h.identities = append(h.identities, id)
		}
	}
	if len(r.multi["identityfile"]) == 0 {
		for _, name := range usualIdentities {
			h.identities = append(h.identities, identityFile{p.file(name), false})
		}
	}
	for _, l := range r.multi["certificatefile"] {
		path, err := h.expandFile(p, l.args[0])
		if err != nil {
			r.fail(l, "%w", err)
			continue
		}
		if !strings.EqualFold(l.args[0], "none") {
			h.certificates = append(h.certificates, path)
		}
	}
	h.fillAgent(r, p, o)
}

func (h *hop) fillAgent(r *reader, p paths, o Options) {
	h.agentSocket = o.AgentSocket
	l, ok := r.get("identityagent")
	if !ok {
		return
	}
	switch v := l.args[0]; {
	case strings.EqualFold(v, "none"):
		h.agentSocket = ""
	case v == "SSH_AUTH_SOCK", v == "$SSH_AUTH_SOCK":
	case strings.HasPrefix(v, "$") && !strings.HasPrefix(v, "${"):
		h.agentSocket = os.Getenv(v[1:])
	default:
		path, err := h.expandFile(p, v)
		if err != nil {
			r.fail(l, "%w", err)
			return
		}
		// A Mac's file names a socket that does not exist in a container;
		// the one that was handed in stands for it.
		h.agentSocket, h.agentSocketOtherwise = path, o.AgentSocket
	}
}

// boolPublicKey reads PubkeyAuthentication, which has two more values.
func (r *reader) boolPublicKey() bool {
	if l, ok := r.get("pubkeyauthentication"); ok {
		switch strings.ToLower(l.args[0]) {
		case "unbound", "host-bound":
			return true
		}
	}
	return r.boolean("pubkeyauthentication", true)
}

func (h *hop) expandPath(r *reader, p paths, key, name string) string {
	if name == "" || strings.EqualFold(name, "none") {
		return ""
	}
	path, err := h.expandFile(p, name)
	if err != nil {
		r.fail(r.first[key], "%w", err)
	}
	return path
}

// expandFile replaces tokens and variables in the name of a file, and maps it.
func (h *hop) expandFile(p paths, name string) (string, error) {
	name, err := p.env(name)
	if err != nil {
		return "", err
	}
	if name, err = expandTokens(name, h.tokens(p)); err != nil {
		return "", err
	}
	return p.file(name), nil
}

// tokens are those of ssh_config(5) that name files.
func (h *hop) tokens(p paths) map[byte]string {
	local, _ := os.Hostname()
	short, _, _ := strings.Cut(local, ".")
	port := strconv.Itoa(h.port)
	sum := sha1.Sum([]byte(local + h.hostName + port + h.user)) //nolint:gosec // as above
	return map[byte]string{
		'C': hex.EncodeToString(sum[:]), 'd': p.home, 'h': h.hostName, 'i': strconv.Itoa(os.Getuid()),
		'j': "", 'k': h.keyName, 'L': short, 'l': local, 'n': h.alias, 'p': port, 'r': h.user, 'u': p.localUser,
	}
}
