package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sshfs-bridge/fusefs/vfs/localmeta"
)

// metadataWait is how long a worker that is ending may keep the store.
const metadataWait = 10 * time.Second

// openMetadata opens the store in files, which it takes over, and gives the remarks
// for a person. Another worker of the same mount that still has it is an error;
// a disk that does not take it is none: the mount must come up, and keeps in
// memory what belongs there.
func openMetadata(files *localmeta.Files, logger *slog.Logger) (*localmeta.Store, []string, error) {
	store, err := localmeta.Open(localmeta.Options{Files: files, Logger: logger, LockWait: metadataWait})
	switch {
	case errors.Is(err, localmeta.ErrInUse):
		return nil, nil, err
	case err != nil:
		logger.Error("local metadata are kept in memory only", "err", err)
		note := fmt.Sprintf("what is kept locally of this mount (Finder tags, resource forks, .DS_Store) will be lost at its end: %v", err)
		return localmeta.Memory(localmeta.Options{Logger: logger}), []string{note}, nil
	}
	return store, store.Notes(), nil
}
