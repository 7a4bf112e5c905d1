package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"wormbell/internal/passwd"
	"wormbell/watchers"
)

// homes returns the homes to guard: those given, else root's and every
// person's for root, else the user's own. skip, if it is not nil, is told of
// those given that are none, which then are no error.
func homes(given []string, skip func(error)) ([]watchers.Home, error) {
	if len(given) == 0 {
		if os.Geteuid() != 0 {
			dir, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("find the home folder: %w", err)
			}
			given = []string{dir}
		} else {
			given = people(passwd.File)
		}
	}
	var list []watchers.Home
	for _, dir := range given {
		h, err := home(dir)
		if err != nil && skip != nil {
			skip(err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(o watchers.Home) bool { return o.Dir == h.Dir }) {
			list = append(list, h)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no home folder to guard; name one with --home")
	}
	return list, nil
}

// home describes the home folder dir by what the system says of it.
func home(dir string) (watchers.Home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return watchers.Home{}, fmt.Errorf("home folder: %w", err)
	}
	dir = abs
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return watchers.Home{}, fmt.Errorf("home folder: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return watchers.Home{}, fmt.Errorf("home folder: %w", err)
	}
	if !st.IsDir() {
		return watchers.Home{}, fmt.Errorf("home folder %q is not a folder", dir)
	}
	uid := owner(st)
	return watchers.Home{Dir: dir, User: strconv.Itoa(uid), UID: uid}, nil
}

// people returns the homes of root and of persons in a file in the form of
// passwd(5): those that are there and are theirs.
func people(file string) (dirs []string) {
	for _, p := range everybody(file) {
		if st, err := os.Stat(p.Home); err == nil && st.IsDir() && owner(st) == p.UID {
			dirs = append(dirs, p.Home)
		}
	}
	return dirs
}

// everybody returns root and the persons in a file in the form of passwd(5). Nobody
// is known where it cannot be read: then there is no home to guard, which is said.
func everybody(file string) []passwd.Entry {
	list, err := passwd.People(file)
	if err != nil {
		return nil
	}
	return list
}
