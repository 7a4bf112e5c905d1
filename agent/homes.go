package agent

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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
			given = people("/etc/passwd")
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

// people reads the homes of root and of persons from a file in the form of
// passwd(5): those that are there and are theirs.
func people(file string) (dirs []string) {
	for _, p := range everybody(file) {
		if st, err := os.Stat(p.home); err == nil && st.IsDir() && owner(st) == p.uid {
			dirs = append(dirs, p.home)
		}
	}
	return dirs
}

// person is somebody with a login shell.
type person struct {
	uid  int
	home string
}

// everybody reads who has a login shell and is root or in the range of uids that
// login.defs(5) gives to persons, from a file in the form of passwd(5).
func everybody(file string) (list []person) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Split(s.Text(), ":")
		if len(fields) != 7 {
			continue
		}
		uid, err := strconv.Atoi(fields[2])
		somebody := err == nil && (uid == 0 || uid >= 1000 && uid < 60000)
		shell := filepath.Base(fields[6])
		if somebody && shell != "nologin" && shell != "false" && fields[5] != "/" {
			list = append(list, person{uid, fields[5]})
		}
	}
	return list
}
