// Package sshdial turns what a person would write after ssh (a host, a
// ~/.ssh/config, a few options) into a live SSH connection on which SFTP
// channels are opened. It is a leaf: it knows nothing of SFTP itself, of
// retries or of mounts.
//
// # Terms
//
//   - Target: USER@HOST:PATH as it was given, before any configuration.
//   - Route: the target after ssh_config was evaluated: an address, a user,
//     identities, trusted host keys, algorithms, and the hops before it. A Route is
//     made once (Resolve) and dialled any number of times; it remembers, in
//     memory only, what a person answered, so that a redial needs no person.
//   - Hop: one SSH server of a Route. Every hop (ProxyJump) is verified and
//     authenticated by its own part of the configuration.
//   - Question: something only a person knows: a password, a passphrase, a
//     one-time code, whether an unknown host key is right. Questions go through
//     an Asker; without one Dial uses only what needs no person, and says
//     ErrNeedsPerson where that is not enough.
//
// # Invariants
//
//   - A host key that differs from a known one is refused, whatever the settings
//     say (HostKeyError). Under accept-new an unknown key is accepted, and it
//     is reported (Options.OnHostKeyAccepted) only after the login succeeded: a
//     mistyped name or a captive portal leaves no trace. A key that a person
//     accepted is reported at once.
//   - Nothing weaker than what current OpenSSH allows by default is offered or
//     accepted: no SHA-1, no DSA, no CBC; and no setting brings it back.
//   - No program is started: ProxyCommand (other than the form ssh -W, which is
//     a jump), Match exec and KnownHostsCommand are refused by name.
//   - A setting that changes the route or the trust and that is not supported
//     fails Resolve, by name; any other becomes a line of Route.Notes.
//   - The one thing ever asked of a server is the subsystem "sftp", and of a jump
//     host a direct-tcpip channel to the next hop. Channels and requests
//     that a server opens are refused.
//   - Everything a server sends before it is trusted is bounded in size and time:
//     Dial honours its context and ConnectTimeout (the time in which a person is
//     being asked does not count).
//   - Secrets are never logged, and are forgotten with the Route.
//
// # ssh_config
//
// Read as OpenSSH does (the first value wins; a test compares with ssh -G):
// Host, Include, and Match with all, host, originalhost, user, localuser,
// tagged, final, sessiontype and command.
//
// Followed: AddressFamily BatchMode BindAddress CASignatureAlgorithms
// CertificateFile Ciphers ConnectTimeout GlobalKnownHostsFile HashKnownHosts
// HostKeyAlgorithms HostKeyAlias HostName IdentitiesOnly IdentityAgent
// IdentityFile KbdInteractiveAuthentication KexAlgorithms MACs
// NumberOfPasswordPrompts PasswordAuthentication Port PreferredAuthentications
// ProxyCommand (ssh -W) ProxyJump PubkeyAcceptedAlgorithms
// PubkeyAuthentication RefuseConnection RequiredRSASize RevokedHostKeys
// ServerAliveCountMax ServerAliveInterval StrictHostKeyChecking Tag TCPKeepAlive
// User UserKnownHostsFile.
//
// Refused by name, unless set to no or none: BindInterface CanonicalizeHostname
// KnownHostsCommand ProxyUseFdpass, any other ProxyCommand, and Match with
// exec, localnetwork or version where it decides.
//
// Different on purpose: StrictHostKeyChecking is accept-new by default; "no" is
// accept-new, and "yes" asks a person, as "ask" does. A host for which an
// authority (@cert-authority) is known and that shows no certificate is never
// accepted without a person. Identity files that a setting names are offered
// before the agent's other keys. A @revoked key is refused for every host.
//
// # Locks
//
// memory.mu guards what a Route remembers, and Conn.mu its end; each is a leaf:
// no other lock is taken and nothing blocks while one is held.
package sshdial
