package bridge

import (
	"log/slog"

	"sshfs-bridge/bridge/api"
)

// Options are what a Supervisor needs.
type Options struct {
	// Config is valid, as LoadConfig or DefaultConfig and Validate give it.
	Config Config
	// Reload reads the configuration again on SIGHUP or `reload`; nil means
	// that there is nothing to read.
	Reload func() (Config, error)
	// Logger gets every record; nil discards them. The control socket serves
	// the recent ones in any case.
	Logger *slog.Logger
	// Tell shows a person something that must not be in the records: the first
	// password. nil shows it nowhere.
	Tell func(text string)
	// Level is the level of Logger, which follows the configuration; nil leaves
	// it as it is.
	Level *slog.LevelVar
	// Exe is the program to execute for workers and smbd; empty is this program.
	Exe string
	// Version is what the control socket says of the program.
	Version api.Version
	// ServiceManager is told when this is ready, lives and stops.
	ServiceManager ServiceManager
	// ReapOrphans collects dead processes that nobody started from here, as
	// PID 1 must.
	ReapOrphans bool
}
