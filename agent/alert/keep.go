package alert

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"modernc.org/sqlite"

	"wormbell"
)

// This file holds how the store and its database part and find together again.

// reopen opens the database and squares it with memory. A damaged one is set
// aside. Called with write held.
func (s *Store) reopen() error {
	if s.lock != nil && !s.lock.holds(s.cfg.Dir) { // the folder was taken away, perhaps made again
		s.lock.release()
		s.lock = nil
	}
	if s.lock == nil {
		if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
			return err
		}
		l, err := lockDir(s.cfg.Dir)
		if err != nil {
			return err
		}
		s.lock = l
	}
	d, err := openDisk(s.path, s.schemas)
	if err == nil {
		err = s.square(d)
		if err != nil {
			d.close()
		}
	}
	why, said := "corrupt", "the alert database was damaged"
	if errors.Is(err, errNewer) {
		why, said = "newer", "the alert database was written by a newer version"
	} else if !damaged(err) {
		return err
	}
	aside, moveErr := setAside(s.path, why, s.cfg.Now())
	if moveErr != nil {
		return moveErr
	}
	s.cfg.Log.Error("alert database set aside", "path", aside, "err", err)
	told := fmt.Sprintf("%s; it was set aside as %q and a new one begun", said, aside)
	if why == "newer" {
		taken, err := takeBack(s.path, s.schemas)
		if err != nil {
			return fmt.Errorf("take back the copy of the alert database: %w", err)
		}
		if taken {
			told = fmt.Sprintf("the alert database was written by a newer version; it was set aside as %q and the copy taken back that was made before", aside)
		}
	}
	s.note(told)
	if d, err = openDisk(s.path, s.schemas); err != nil {
		return err
	}
	if err = s.square(d); err != nil {
		d.close()
	}
	return err
}

// square makes memory and d agree: what d holds is loaded unless memory has
// something newer; when d is not the database this store wrote before,
// everything in memory is owed to it. Called with write held.
func (s *Store) square(d *disk) error {
	same := s.settings["instance"] == d.instance
	had := len(s.trust)+len(s.settings) > 0
	if !same {
		if err := s.take(d); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !same {
		for id, inc := range s.live {
			if s.onDisk[id] != inc {
				s.staged[id] = inc
			}
		}
		s.book = s.book || had
		s.settings["instance"] = d.instance
	}
	s.disk = d
	return nil
}

// take loads from d what memory does not have.
func (s *Store) take(d *disk) error {
	ids, err := d.strings("SELECT id FROM alerts WHERE state <> 'closed'")
	if err != nil {
		return err
	}
	incs := make([]*incident, 0, len(ids))
	for _, id := range ids {
		inc, err := d.header(id)
		if err != nil {
			return err
		}
		incs = append(incs, inc)
	}
	settings, trust := map[string]string{}, map[string]wormbell.TrustRow{}
	err = d.each(func(scan func(...any) error) error {
		var k, v string
		err := scan(&k, &v)
		settings[k] = v
		return err
	}, "SELECT key, value FROM settings")
	if err != nil {
		return err
	}
	err = d.each(func(scan func(...any) error) error {
		var id, text string
		var row wormbell.TrustRow
		if err := scan(&id, &text); err != nil {
			return err
		}
		if json.Unmarshal([]byte(text), &row) == nil {
			trust[id] = row
		}
		return nil
	}, "SELECT id, row FROM trust")
	if err != nil {
		return err
	}
	s.onDisk = map[string]*incident{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, inc := range incs {
		id := inc.head.ID
		_, merged := s.alias[id]
		if merged || s.live[id] != nil || s.staged[id] != nil {
			continue
		}
		s.onDisk[id] = inc
		s.show(inc)
	}
	maps.Copy(settings, s.settings)
	maps.Copy(trust, s.trust)
	s.settings, s.trust = settings, trust
	return nil
}

// flush writes what the database does not hold yet, in one transaction. Called
// with write held.
func (s *Store) flush() error {
	if len(s.staged) == 0 && len(s.gone) == 0 && len(s.owed) == 0 && !s.book {
		return nil
	}
	if err := s.disk.harmed(); err != nil { // before anything is written over the traces
		return err
	}
	tx, err := s.disk.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	w := writer{tx: tx}
	for id := range s.gone {
		w.forget(id)
	}
	if w.err != nil {
		return w.err
	}
	for id, inc := range s.staged {
		if err := s.disk.put(tx, s.onDisk[id], inc); err != nil {
			return err
		}
	}
	for _, c := range s.owed {
		w.exec("INSERT INTO calls (time, user, pid, exe, what) VALUES (?,?,?,?,?)", nano(c.Time), c.User, c.PID, c.Exe, c.What)
	}
	if len(s.owed) > 0 {
		w.exec("DELETE FROM calls WHERE id <= (SELECT max(id) FROM calls) - ?", maxCalls)
	}
	if s.book {
		s.putBook(&w)
	}
	if w.err != nil {
		return w.err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	maps.Copy(s.onDisk, s.staged)
	clear(s.staged)
	clear(s.gone)
	s.owed, s.book = nil, false
	return nil
}

func (s *Store) putBook(w *writer) {
	w.exec("DELETE FROM trust")
	for id, row := range s.trust {
		b, err := json.Marshal(row)
		if err == nil {
			w.exec("INSERT INTO trust VALUES (?,?)", id, string(b))
		}
	}
	w.exec("DELETE FROM settings")
	for k, v := range s.settings {
		w.exec("INSERT INTO settings VALUES (?,?)", k, v)
	}
}

// indebted reports whether something is not on disk that should be.
func (s *Store) indebted() bool {
	return s.disk == nil || len(s.staged) > 0 || len(s.gone) > 0 || len(s.owed) > 0 || s.book
}

// retry writes what is owed if the time for it has come.
func (s *Store) retry() {
	if s.closed || s.cfg.Now().Before(s.retryAt) {
		return
	}
	if s.disk == nil {
		if err := s.reopen(); err != nil {
			s.fail(err)
			return
		}
	}
	if err := s.flush(); err != nil {
		s.fail(err)
		return
	}
	s.mu.Lock()
	if s.down != "" {
		s.cfg.Log.Info("alert database can be written again", "path", s.path)
	}
	s.down, s.backoff = "", 0
	for id, inc := range s.live { // these stayed only because they were owed
		if inc.head.State == wormbell.Closed {
			s.drop(id)
			delete(s.onDisk, id)
		}
	}
	s.wake()
	s.mu.Unlock()
}

// fail notes that the disk could not be used, and when to try again. A damaged
// database is replaced at once. Called with write held.
func (s *Store) fail(err error) {
	const first, most = 500 * time.Millisecond, 30 * time.Second
	s.mu.Lock()
	d := s.disk
	s.disk = nil
	before := s.down
	s.mu.Unlock()
	if d != nil {
		gone := d.missing()
		d.close()
		if damaged(err) || gone {
			if damaged(err) {
				if aside, moveErr := setAside(s.path, "corrupt", s.cfg.Now()); moveErr == nil {
					s.cfg.Log.Error("alert database set aside", "path", aside, "err", err)
					s.note(fmt.Sprintf("the alert database was damaged; it was set aside as %q and a new one begun", aside))
				}
			} else {
				s.note("the alert database was taken away while in use; a new one was begun")
			}
			if err = s.reopen(); err == nil {
				if err = s.flush(); err == nil {
					return
				}
				s.mu.Lock()
				d, s.disk = s.disk, nil
				s.mu.Unlock()
				d.close()
			}
		}
	}
	s.backoff = min(max(2*s.backoff, first), most)
	s.retryAt = s.cfg.Now().Add(s.backoff)
	s.mu.Lock()
	s.down = "alerts are kept in memory only, they would be lost with the agent: " + reason(err)
	s.mu.Unlock()
	if before == "" {
		s.cfg.Log.Error("cannot use the alert database", "path", s.path, "err", err)
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// reason puts the errors a person can act on into words.
func reason(err error) string {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff { // https://sqlite.org/rescode.html
		case 13:
			return "the disk is full"
		case 8:
			return "the state folder cannot be written"
		case 10:
			return "the disk reports errors (" + err.Error() + ")"
		case 5:
			return "another program holds the database"
		}
	}
	return err.Error()
}

// note adds a lasting problem, a bounded number of them.
func (s *Store) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
	if len(s.notes) > 5 {
		s.notes = s.notes[len(s.notes)-5:]
	}
}

// retain deletes closed alerts that are old, or too many. Called with write held.
func (s *Store) retain() {
	if s.disk == nil {
		return
	}
	ids, err := s.disk.strings(`SELECT id FROM alerts WHERE state = 'closed' AND closed < ?
		UNION SELECT * FROM (SELECT id FROM alerts WHERE state = 'closed' ORDER BY closed
			LIMIT max(0, (SELECT count(*) FROM alerts) - ?))`, nano(s.cfg.Now().Add(-maxClosedAge)), maxAlerts)
	var tx *sql.Tx
	if err == nil && len(ids) > 0 {
		tx, err = s.disk.db.Begin()
	}
	if tx != nil {
		defer tx.Rollback()
		w := writer{tx: tx}
		for _, id := range ids {
			w.forget(id)
		}
		if err = w.err; err == nil {
			err = tx.Commit()
		}
	}
	if err != nil {
		s.fail(err)
	}
	if err := forgetBackups(s.path, s.cfg.Now().Add(-maxClosedAge)); err != nil {
		s.cfg.Log.Warn("cannot remove an old copy of the alert database", "err", err)
	}
}
