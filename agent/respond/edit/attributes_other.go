//go:build unix && !linux && !darwin

package edit

// copyAttributes does nothing: extended attributes are not known here.
func copyAttributes(from, to int) error { return nil }
