package sshdial

import "strings"

// use says what this package makes of a keyword of ssh_config.
type use int

const (
	unknown  use = iota
	honoured     // evaluated; the first value wins
	multiple     // evaluated; every value counts
	idle         // without effect here: becomes a note
	refused      // would change route or trust, and cannot be done here
)

// aliases are old names of keywords.
var aliases = map[string]string{
	"challengeresponseauthentication": "kbdinteractiveauthentication",
	"skeyauthentication":              "kbdinteractiveauthentication",
	"tisauthentication":               "kbdinteractiveauthentication",
	"dsaauthentication":               "pubkeyauthentication",
	"pubkeyacceptedkeytypes":          "pubkeyacceptedalgorithms",
	"identityfile2":                   "identityfile",
	"userknownhostsfile2":             "userknownhostsfile",
	"globalknownhostsfile2":           "globalknownhostsfile",
	"keepalive":                       "tcpkeepalive",
	"protocolkeepalives":              "serveraliveinterval",
}

func classify(key string) use {
	switch key {
	case "addressfamily", "batchmode", "bindaddress", "casignaturealgorithms", "ciphers", "connecttimeout",
		"globalknownhostsfile", "hashknownhosts", "hostkeyalgorithms", "hostkeyalias", "hostname",
		"identitiesonly", "identityagent", "kbdinteractiveauthentication", "kexalgorithms", "macs",
		"numberofpasswordprompts", "passwordauthentication", "port", "preferredauthentications",
		"proxycommand", "proxyjump", "pubkeyacceptedalgorithms", "pubkeyauthentication",
		"refuseconnection", "requiredrsasize", "revokedhostkeys", "serveralivecountmax",
		"serveraliveinterval", "stricthostkeychecking", "tag", "tcpkeepalive", "user", "userknownhostsfile":
		return honoured
	case "identityfile", "certificatefile":
		return multiple
	case "bindinterface", "canonicalizehostname", "knownhostscommand", "proxyusefdpass":
		return refused
	}
	if strings.Contains(idleKeywords, " "+key+" ") {
		return idle
	}
	return unknown
}

// idleKeywords are the rest of what OpenSSH (with Apple's and Debian's
// additions) knows. They concern terminals, forwarding, commands, logging, or
// are stricter to ignore than to follow (VerifyHostKeyDNS, NoHostAuthentication...).
const idleKeywords = " addkeystoagent afstokenpassing canonicaldomains canonicalizefallbacklocal canonicalizemaxdots " +
	"canonicalizepermittedcnames channeltimeout checkhostip cipher clearallforwardings compression compressionlevel " +
	"connectionattempts controlmaster controlpath controlpersist dynamicforward enableescapecommandline " +
	"enablesshkeysign escapechar exitonforwardfailure fallbacktorsh fingerprinthash forkafterauthentication " +
	"forwardagent forwardx11 forwardx11timeout forwardx11trusted gatewayports gssapiauthentication " +
	"gssapiclientidentity gssapidelegatecredentials gssapikexalgorithms gssapikeyexchange gssapirenewalforcesrekey " +
	"gssapiserveridentity gssapitrustdns hostbasedacceptedalgorithms hostbasedauthentication hostbasedkeytypes " +
	"ignoreunknown ipqos kbdinteractivedevices kerberosauthentication kerberostgtpassing localcommand localforward loglevel logverbose " +
	"nohostauthenticationforlocalhost obscurekeystroketiming permitlocalcommand permitremoteopen pkcs11provider " +
	"protocol rekeylimit remotecommand remoteforward requesttty rhostsauthentication rhostsrsaauthentication " +
	"rsaauthentication securitykeyprovider sendenv sessiontype setenv smartcarddevice stdinnull streamlocalbindmask " +
	"streamlocalbindunlink syslogfacility tunnel tunneldevice updatehostkeys useblacklistedkeys usekeychain " +
	"useprivilegedport useroaming usersh verifyhostkeydns versionaddendum visualhostkey warnweakcrypto xauthlocation "
