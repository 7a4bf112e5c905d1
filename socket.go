package wormbell

import "path"

// UserSocket is where the agent of one user serves its API. runtime is
// $XDG_RUNTIME_DIR; where that is not set, a folder of the user's own in /tmp
// stands in, whose owner both sides check.
func UserSocket(runtime, uid string) string {
	if runtime == "" {
		return path.Join("/tmp", "wormbell-"+uid, "wormbell.sock")
	}
	return path.Join(runtime, "wormbell", "wormbell.sock")
}
