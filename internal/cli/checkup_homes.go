package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// personHome is a home folder and whose it is.
type personHome struct {
	dir  string
	name string // login name; "" if it is not known
	uid  int
	gid  int
}

// homesOf returns the home dir, or, if that is "", those of root and of all
// persons of this machine. Root asks only.
func homesOf(dir string) ([]personHome, error) {
	all := people("/etc/passwd")
	if dir == "" {
		if len(all) == 0 {
			return nil, hint(errors.New("no home of a person was found"), "name one with --home")
		}
		return all, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the home: %w", err)
	}
	if i := slices.IndexFunc(all, func(h personHome) bool { return h.dir == dir }); i >= 0 {
		return all[i : i+1], nil
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("find the home: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("find the home: %q is no folder", dir)
	}
	h := personHome{dir: dir}
	h.uid, h.gid = owners(info)
	return []personHome{h}, nil
}

// people reads the homes of root and of persons from a file in the form of
// passwd(5): those with a login shell whose uid is 0 or in the range that
// login.defs(5) gives to persons, and that are theirs.
func people(file string) (list []personHome) {
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
		gid, gerr := strconv.Atoi(fields[3])
		shell := filepath.Base(fields[6])
		if err != nil || gerr != nil || uid != 0 && (uid < 1000 || uid >= 60000) || shell == "nologin" || shell == "false" || fields[5] == "/" || !filepath.IsAbs(fields[5]) {
			continue
		}
		info, err := os.Lstat(fields[5])
		if err != nil || !info.IsDir() {
			continue
		}
		if owner, _ := owners(info); owner != uid || slices.ContainsFunc(list, func(h personHome) bool { return h.dir == fields[5] }) {
			continue
		}
		list = append(list, personHome{dir: filepath.Clean(fields[5]), name: fields[0], uid: uid, gid: gid})
	}
	return list
}
