//go:build !linux

package api

// peer would be the process at the other end of a connection.
type peer struct{ pid, uid, exe int }

func (p *peer) alive() bool { return false }
func (p *peer) close()      {}

func topmost(int) bool { return false }
