package installer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// stateFiles are what the agent must not lose by an upgrade. What it can make
// anew, and copies of its own, are not among them.
var stateFiles = []string{"wormbell.db", "wormbell.db-wal", "enrolled-tools.json"}

const database = "wormbell.db"

// keepState copies the state of an agent that has ended, and returns what puts it
// back if a newer agent has changed its form.
func (m *Machine) keepState() (restore func() error, err error) {
	restore = func() error { return nil }
	dir := m.path(m.previous())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return restore, fmt.Errorf("make a folder for a copy of the alerts: %w", err)
	}
	for _, name := range stateFiles {
		from, to := filepath.Join(m.path(m.State), name), filepath.Join(dir, "state-"+name)
		if exists(to) || !exists(from) { // kept by an installation that was interrupted
			continue
		}
		if err := copyFile(from, to); err != nil {
			return restore, fmt.Errorf("keep a copy of the alerts: %w", err)
		}
	}
	return func() error { return m.restoreState(dir) }, nil
}

// restoreState puts back what keepState has kept, if the database is of another
// form now, and lets go of the copies. What the newer agent wrote is set aside and
// not lost.
func (m *Machine) restoreState(dir string) error {
	state := m.path(m.State)
	if exists(filepath.Join(dir, "state-"+database)) && !m.sameForm(dir) {
		stamp := m.Now().UTC().Format("20060102T150405")
		for _, tail := range []string{"", "-wal", "-shm", "-journal"} {
			from := filepath.Join(state, database+tail)
			err := os.Rename(from, filepath.Join(state, database+".newer-"+stamp+tail))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("set aside the alerts that the newer agent wrote: %w", err)
			}
		}
		for _, name := range stateFiles {
			from := filepath.Join(dir, "state-"+name)
			if !exists(from) {
				continue
			}
			if err := copyFile(from, filepath.Join(state, name)); err != nil {
				return fmt.Errorf("put the alerts back: %w", err)
			}
		}
	}
	for _, name := range stateFiles {
		if err := os.Remove(filepath.Join(dir, "state-"+name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_ = os.Remove(dir) // unless more is in it
	return nil
}

// sameForm reports whether the database is still of the form of the copy, so that
// the old agent can go on with it. One with a log that was not played into it may
// be of another.
func (m *Machine) sameForm(dir string) bool {
	path := filepath.Join(m.path(m.State), database)
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return false
	}
	before, err := form(filepath.Join(dir, "state-"+database))
	if err != nil {
		return true // the copy is no database: nothing is won by it
	}
	now, err := form(path)
	return err == nil && now == before
}

// form returns the version that a database says its form has: user_version in
// its header, https://sqlite.org/fileformat.html.
func form(path string) (uint32, error) {
	f, err := openRegular(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := make([]byte, 100)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return 0, fmt.Errorf("read %q: %w", path, err)
	}
	if string(b[:16]) != "SQLite format 3\x00" {
		return 0, fmt.Errorf("read %q: it is no database", path)
	}
	return binary.BigEndian.Uint32(b[60:]), nil
}
