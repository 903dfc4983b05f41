// Package smbd runs Samba's smbd as a supervised child: it starts it with few
// rights and a narrow view of the files, proves with an SMB client of its own
// that it serves, starts it again when it ends, turns its log into records,
// and ends the smbd processes that would hang on a mount that is gone.
//
// # Terms
//
// smbd is several processes: the main one, which we start and which accepts
// connections; one for each client connection; and helpers (notify, cleanup,
// samba-dcerpcd with its rpcd_* workers, which list the shares). The main one
// leads a process group that holds all but samba-dcerpcd, which makes itself
// a daemon: it is found by its command line, which names our smb.conf.
//
// # What smbd may do
//
// The hidden command smbd-exec (ExecMain) runs first in the new process. It
// is in a mount namespace of its own: a slave, so that mounts come and go in
// it as they do outside. In it, what smbd must not see (Options.Cover: keys,
// state, the control socket) is covered by empty read-only directories. Then
// it drops all capabilities but three, sets no_new_privs, and becomes smbd.
//
// The three were found by taking each away (Samba 4.17, guest and force user):
// without CAP_SETGID or CAP_SETUID smbd panics when the first client comes;
// CAP_NET_BIND_SERVICE is for ports below 1024. It needs neither CAP_CHOWN,
// CAP_DAC_OVERRIDE nor CAP_FOWNER: files are touched as the forced user, and
// smbd's own directories belong to root.
//
// # Life
//
// smbd's standard input is a pipe from us: at its end smbd ends by itself, so
// none survives a killed supervisor. (A parent death signal would not do:
// the kernel forgets it at smbd's first change of user.) What is left all the
// same, samba-dcerpcd above all, is ended before the next start.
//
// The log comes through a FIFO and not from standard output: only to a file
// does smbd write the header with level, process and class.
//
// Lock order: Server.told, then Server.mu. Nothing that blocks is done while
// mu is held; told is held while OnState is called.
package smbd
