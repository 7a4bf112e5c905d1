//go:build !darwin

package wormbell

// SystemSocket is where the agent of the whole machine serves its API.
const SystemSocket = "/run/wormbell/wormbell.sock"
