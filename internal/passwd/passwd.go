// Package passwd reads the list of users of this machine, passwd(5), and knows
// which of them are persons. The system's own reader (os/user) cannot list them.
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
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the list of users: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the list of users: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("read the list of users: %q is larger than %d bytes", file, maxFile)
	}
	var list []Entry
	for line := range strings.Lines(string(b)) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		if len(fields) != 7 || fields[0] == "" {
			continue
		}
		uid, err := strconv.ParseUint(fields[2], 10, 31)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(fields[3], 10, 31)
		if err != nil {
			continue
		}
		list = append(list, Entry{Name: fields[0], UID: int(uid), GID: int(gid), Home: fields[5], Shell: fields[6]})
	}
	return list, nil
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
