//go:build !linux

package watchers

// looksInto is not asked on this system, where there are no capabilities.
func looksInto() bool { return true }
