package wormbell

// SystemSocket is where the agent of the whole machine serves its API. macOS has
// no /run, and nobody can make one.
const SystemSocket = "/var/run/wormbell/wormbell.sock"
