// Package passwd reads the lists of users and groups of this machine, passwd(5) and
// group(5), and knows which users are persons. The system's own reader (os/user)
// cannot list them.
//
// It must not look at homes: whoever owns one can make whoever looks wait.
package passwd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// File is where the list is.
const File = "/etc/passwd"

// maxFile is how much of a list is read, in bytes; a user has some 60.
const maxFile = 16 << 20

// Entry is one line of passwd(5).
type Entry struct {
	Name     string // login name
	UID, GID int    // GID is that of the primary group
	Home     string // as it stands there, which need not be there
	Shell    string // "" is for /bin/sh
}

// Read returns the users that are listed in a file in the form of passwd(5).
// Lines of another form are left out: those that begin with + ask a directory,
// which is not asked here.
func Read(file string) ([]Entry, error) {
	var list []Entry
	err := rows(file, 7, func(f []string) {
		uid, err := strconv.ParseUint(f[2], 10, 31)
		gid, gerr := strconv.ParseUint(f[3], 10, 31)
		if err == nil && gerr == nil {
			list = append(list, Entry{Name: f[0], UID: int(uid), GID: int(gid), Home: f[5], Shell: f[6]})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read the list of users: %w", err)
	}
	return list, nil
}

// GroupFile is where the list of groups is.
const GroupFile = "/etc/group"

// Group is one line of group(5).
type Group struct {
	Name    string
	GID     int
	Members []string // login names; those whose primary group it is need not be among them
}

// Groups returns the groups that are listed in a file in the form of group(5).
func Groups(file string) ([]Group, error) {
	var list []Group
	err := rows(file, 4, func(f []string) {
		gid, err := strconv.ParseUint(f[2], 10, 31)
		if err != nil {
			return
		}
		g := Group{Name: f[0], GID: int(gid)}
		for name := range strings.SplitSeq(f[3], ",") {
			if name = strings.TrimSpace(name); name != "" {
				g.Members = append(g.Members, name)
			}
		}
		list = append(list, g)
	})
	if err != nil {
		return nil, fmt.Errorf("read the list of groups: %w", err)
	}
	return list, nil
}

// rows calls each for the fields of every line that has n and a name.
func rows(file string, n int, each func(fields []string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return fmt.Errorf("%q is larger than %d bytes", file, maxFile)
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Split(strings.TrimRight(line, "\r\n"), ":"); len(fields) == n && fields[0] != "" {
			each(fields)
		}
	}
	return nil
}

// The uids that login.defs(5) gives to persons, if nobody has changed it there.
const uidMin, uidMax = 1000, 60000

// Person reports whether the entry is root's or a person's: one with a login
// shell, and a home that can be one.
func (e Entry) Person() bool {
	shell := filepath.Base(e.Shell)
	return (e.UID == 0 || e.UID >= uidMin && e.UID <= uidMax) && shell != "nologin" && shell != "false" &&
		filepath.IsAbs(e.Home) && filepath.Clean(e.Home) != "/"
}

// People returns root and the persons of a file in the form of passwd(5).
func People(file string) ([]Entry, error) {
	all, err := Read(file)
	if err != nil {
		return nil, err
	}
	list := all[:0]
	for _, e := range all {
		if e.Person() {
			list = append(list, e)
		}
	}
	return list, nil
}
