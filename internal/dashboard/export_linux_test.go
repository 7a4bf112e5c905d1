package dashboard

import "net"

// UIDIn is whose a connection is by the tables in a folder.
func UIDIn(dir string, c net.Conn) (int, error) { return uidIn(dir, c) }
