package alert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// This file holds how a database is brought to another version of its schema, and
// how an older agent finds back.

// schemas holds, for each version of the database, what brings the one before
// up to it. Entries are never edited, only appended; testdata keeps a database
// of each version.
var schemas = []string{`
CREATE TABLE alerts (
	id TEXT PRIMARY KEY, title TEXT NOT NULL, advice TEXT NOT NULL, severity INTEGER NOT NULL, state TEXT NOT NULL,
	user TEXT NOT NULL, demo INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
	key TEXT NOT NULL, closed INTEGER NOT NULL);
CREATE INDEX alerts_state ON alerts (state, first);
CREATE TABLE findings (
	alert TEXT NOT NULL, n INTEGER NOT NULL, detector TEXT NOT NULL, subject TEXT NOT NULL, summary TEXT NOT NULL,
	severity INTEGER NOT NULL, title TEXT NOT NULL, advice TEXT NOT NULL, time INTEGER NOT NULL, events INTEGER NOT NULL,
	PRIMARY KEY (alert, n));
CREATE TABLE evidence (alert TEXT NOT NULL, finding INTEGER NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL,
	PRIMARY KEY (alert, finding, seq));
CREATE TABLE members (alert TEXT NOT NULL, pid INTEGER NOT NULL, start INTEGER NOT NULL, role INTEGER NOT NULL,
	PRIMARY KEY (alert, pid, start)) WITHOUT ROWID;
CREATE TABLE actions (alert TEXT NOT NULL, n INTEGER NOT NULL, time INTEGER NOT NULL, by TEXT NOT NULL, what TEXT NOT NULL,
	outcome TEXT NOT NULL, PRIMARY KEY (alert, n));
CREATE TABLE aliases (old TEXT PRIMARY KEY, alert TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX aliases_alert ON aliases (alert);
CREATE TABLE calls (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, user TEXT NOT NULL, pid INTEGER NOT NULL, exe TEXT NOT NULL,
	what TEXT NOT NULL);
CREATE TABLE trust (id TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO settings VALUES ('instance', lower(hex(randomblob(16))));
`, `
ALTER TABLE actions ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
ALTER TABLE actions ADD COLUMN left_alone INTEGER NOT NULL DEFAULT 0;
`}

var errNewer = errors.New("written by a newer version")

// prepare brings the database to the current schema and checks its health.
func (d *disk) prepare(size int64, schemas []string) error {
	var version int
	if err := d.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case version > len(schemas):
		return errNewer
	case version < 0:
		return errDamaged
	}
	// Reads the whole file; a big one costs more at every start than it is worth,
	// damage in it is then found when it is met.
	if size > 0 && size < 32<<20 {
		var verdict string
		if err := d.db.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			return errDamaged
		}
	}
	fresh := version == 0 // there is nothing in it to be lost
	for ; version < len(schemas); version++ {
		if !fresh {
			// Without a copy nothing is changed: an older agent could not go on.
			if err := d.backup(version); err != nil {
				return fmt.Errorf("copy the database before it is changed: %w", err)
			}
		}
		tx, err := d.db.Begin()
		if err != nil {
			return err
		}
		if _, err = tx.Exec(schemas[version] + fmt.Sprintf("PRAGMA user_version = %d", version+1)); err == nil {
			err = tx.Commit()
		}
		if err != nil {
			tx.Rollback()
			if text := err.Error(); strings.Contains(text, "already exists") || strings.Contains(text, "duplicate column") {
				return fmt.Errorf("%w: it is of another version than it says: %w", errDamaged, err)
			}
			return err
		}
	}
	return d.db.QueryRow("SELECT value FROM settings WHERE key = 'instance'").Scan(&d.instance)
}

// backupPath is where the copy of a database of that version is: what it was
// before it was brought to the next.
func backupPath(path string, version int) string { return fmt.Sprintf("%s.v%d", path, version) }

// backup copies the database, as it is committed, to where an older agent finds
// it. There is one copy for each version, the latest.
func (d *disk) backup(version int) error {
	to := backupPath(d.path, version)
	temp := to + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an agent that was killed
		return err
	}
	// SQLite would make it readable for all; an empty file it takes as it is.
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // unless it has got its name
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := d.db.Exec("VACUUM INTO ?", temp); err != nil {
		return err
	}
	if f, err = os.OpenFile(temp, os.O_RDWR, 0); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, to)
}

// takeBack puts the copy of the newest version that these schemas know in place of
// a database that was set aside, and reports whether there was one.
func takeBack(path string, schemas []string) (bool, error) {
	for version := len(schemas); version > 0; version-- {
		err := os.Rename(backupPath(path, version), path)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// forgetBackups removes copies, and databases that were set aside, that are older
// than closed alerts are kept: they hold alerts, too.
func forgetBackups(path string, before time.Time) error {
	names, err := filepath.Glob(path + ".*")
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if !isBackup(strings.TrimPrefix(name, path+".")) {
			continue // none of ours
		}
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			errs = append(errs, os.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// isBackup reports whether a database with that after its name is a copy of
// [backupPath], or was set aside by [setAside].
func isBackup(tail string) bool {
	if n, ok := strings.CutPrefix(tail, "v"); ok {
		_, err := strconv.Atoi(n)
		return err == nil
	}
	return strings.HasPrefix(tail, "corrupt-") || strings.HasPrefix(tail, "newer-")
}
