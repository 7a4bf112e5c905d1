//go:build unix

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// foreign reports that root would work in a folder that another user could have
// filled: with sudo, HOME and XDG_STATE_HOME may still be the user's. A token of
// theirs is theirs to answer for, and what lies in their folders must not tell
// root which files to write.
func foreign(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	ways := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		ways = append(ways, real)
	}
	for _, way := range ways {
		for p := filepath.Clean(way); ; p = filepath.Dir(p) {
			info, err := os.Lstat(p)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("look whose %q is: %w", p, err)
			}
			if err == nil {
				if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
					return hint(fmt.Errorf("you are root here, and %q belongs to another user (uid %d)", p, st.Uid), "run it as that user, without sudo")
				}
			}
			if p == filepath.Dir(p) {
				break
			}
		}
	}
	return nil
}
