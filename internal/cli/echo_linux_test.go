package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// echo reports whether a terminal shows what is typed, see termios(3).
func echo(f *os.File) (bool, error) {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return false, err
	}
	return t.Lflag&unix.ECHO != 0, nil
}
