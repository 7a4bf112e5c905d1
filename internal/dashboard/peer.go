package dashboard

import "errors"

var (
	// errCannotTell is returned by uidOf on systems that do not tell whose a
	// connection is.
	errCannotTell = errors.New("whose connection it is cannot be told on this system")
	// errStranger is a connection of another user of this machine.
	errStranger = errors.New("another user of this machine")
	// errGone is returned for a connection whose other end is not to be found:
	// it was closed already, or is in no place where this process can look.
	errGone = errors.New("the other end is not on this machine, or gone")
)
