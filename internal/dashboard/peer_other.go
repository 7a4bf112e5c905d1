//go:build !linux

package dashboard

import "net"

// uidOf cannot tell: see docs/threat-model.md.
func uidOf(net.Conn) (int, error) { return -1, errCannotTell }

func canTell() error { return nil }

// asker cannot tell either; the folder of the socket is closed to others.
func asker(net.Conn) (uid, pid int, err error) { return -1, 0, errCannotTell }

func startOf(int) string { return "" }
