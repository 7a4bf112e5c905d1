//go:build !linux

package agent

// bootID is not known here: an agent that was killed cannot be told from one
// that ended with the machine.
func bootID() string { return "" }
