package dropin

import (
	"fmt"
	"path/filepath"
	"strings"
)

// sshKeywords are the keywords of ssh_config(5) that may follow -o. What is
// made of each is for the SSH layer to say: it honours it, notes that it has
// no effect, or fails the mount where it would change route or trust.
const sshKeywords = `AddKeysToAgent AddressFamily BatchMode BindAddress BindInterface
CanonicalDomains CanonicalizeFallbackLocal CanonicalizeHostname CanonicalizeMaxDots
CanonicalizePermittedCNAMEs CASignatureAlgorithms CertificateFile ChallengeResponseAuthentication
ChannelTimeout CheckHostIP Cipher Ciphers ClearAllForwardings Compression CompressionLevel
ConnectionAttempts ConnectTimeout ControlMaster ControlPath ControlPersist DynamicForward
EnableEscapeCommandline EnableSSHKeysign EscapeChar ExitOnForwardFailure FingerprintHash
ForkAfterAuthentication ForwardAgent ForwardX11 ForwardX11Timeout ForwardX11Trusted GatewayPorts
GlobalKnownHostsFile GSSAPIAuthentication GSSAPIDelegateCredentials GSSAPIKeyExchange
GSSAPITrustDns HashKnownHosts HostbasedAcceptedAlgorithms HostbasedAuthentication HostKeyAlgorithms
HostKeyAlias HostName IdentitiesOnly IdentityAgent IdentityFile IgnoreUnknown IPQoS
KbdInteractiveAuthentication KbdInteractiveDevices KexAlgorithms KnownHostsCommand LocalCommand
LocalForward LogLevel LogVerbose MACs NoHostAuthenticationForLocalhost NumberOfPasswordPrompts
ObscureKeystrokeTiming PasswordAuthentication PermitLocalCommand PermitRemoteOpen PKCS11Provider
Port PreferredAuthentications ProxyCommand ProxyJump ProxyUseFdpass PubkeyAcceptedAlgorithms
PubkeyAcceptedKeyTypes PubkeyAuthentication RekeyLimit RemoteCommand RemoteForward RequestTTY
RequiredRSASize RevokedHostKeys RhostsRSAAuthentication RSAAuthentication SecurityKeyProvider
SendEnv ServerAliveCountMax ServerAliveInterval SessionType SetEnv SmartcardDevice StdinNull
StreamLocalBindMask StreamLocalBindUnlink StrictHostKeyChecking SyslogFacility Tag TCPKeepAlive
Tunnel TunnelDevice UpdateHostKeys UseKeychain UsePrivilegedPort User UserKnownHostsFile
VerifyHostKeyDNS VersionAddendum VisualHostKey XAuthLocation`

// lookupKeyword finds a keyword's usual spelling; ssh does not mind the case.
func lookupKeyword(name string) (string, bool) {
	for keyword := range strings.FieldsSeq(sshKeywords) {
		if strings.EqualFold(keyword, name) {
			return keyword, true
		}
	}
	return "", false
}

// applyKeyword puts a keyword into the plan.
func applyKeyword(p *plan, keyword, v string) error {
	if v == "" {
		return fmt.Errorf("-o %s needs a value, as in -o %s=VALUE", keyword, keyword)
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("-o %s: the value holds a control character", keyword)
	}
	switch keyword {
	case "Port":
		return applyPort(p, v)
	case "ProxyJump":
		if p.spec.ProxyJump == "" {
			p.spec.ProxyJump = v
		}
	case "IdentityFile":
		p.spec.IdentityFiles = append(p.spec.IdentityFiles, absolute(v))
	case "Compression":
		if v == "yes" {
			p.note("-o Compression=yes has no effect: data are not compressed")
		}
	default:
		p.spec.SSHOptions = append(p.spec.SSHOptions, keyword+"="+v)
	}
	return nil
}

// absolute makes a path independent of the directory that the caller is in:
// the process that reads the file runs elsewhere. "~" and tokens stay.
func absolute(path string) string {
	if path == "none" || strings.HasPrefix(path, "~") || strings.HasPrefix(path, "%") || strings.HasPrefix(path, "$") {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
