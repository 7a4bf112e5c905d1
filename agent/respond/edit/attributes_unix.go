//go:build linux || darwin

package edit

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// copyAttributes copies the extended attributes, and with them on Linux the
// POSIX access list, from one open file to another. Those that only the system
// may set (security.*, com.apple.*) it has set as it wants; failing to set them
// is no error.
func copyAttributes(from, to int) error {
	names := make([]byte, 64<<10) // XATTR_LIST_MAX
	n, err := unix.Flistxattr(from, names)
	if unsupported(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Fgetxattr(from, name, value)
		if err == nil {
			err = unix.Fsetxattr(to, name, value[:n], 0)
		}
		systems := strings.HasPrefix(name, "security.") || strings.HasPrefix(name, "com.apple.") || strings.HasPrefix(name, "trusted.")
		if err != nil && !systems && !unsupported(err) {
			return errors.New("copy the extended attribute " + name + ": " + err.Error())
		}
	}
	return nil
}

func unsupported(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP)
}
