package bridge

import (
	"slices"

	"sshfs-bridge/bridge/api"
)

// workerStates are those that a worker tells; among them every change is legal.
var workerStates = []api.State{
	api.StateIdle, api.StateConnecting, api.StateUp, api.StateDegraded, api.StateDown, api.StateNeedsLogin,
}

// mayChange says whether a unit may go from one state to another. A worker's
// late word must not wake a mount that is being taken down, or whose worker
// is known to be dead.
func mayChange(from, to api.State) bool {
	fromWorker, toWorker := slices.Contains(workerStates, from), slices.Contains(workerStates, to)
	switch {
	case from == api.StateUnmounting:
		return false
	case to == api.StateUnmounting, to == api.StateMounting:
		return true
	case to == api.StateFailed:
		return from != api.StateFailed
	case from == api.StateMounting || fromWorker:
		return toWorker
	default: // failed: only a new start leads out
		return false
	}
}
