// Package remote is one directory tree of one SSH server, kept reachable over a
// link that may break: sessions are pooled, every operation ends in bounded
// time, a lost connection is made again, and what was open or half done goes on
// where it was, or fails; never does it go on with other data.
package remote
