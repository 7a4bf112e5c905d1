//go:build !linux

package vault

// above sees nothing: other processes' environments are not looked at here.
func above() error { return nil }
