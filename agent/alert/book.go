package alert

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"wormbell"
)

// This file holds what the store keeps besides alerts: the calls it accepted,
// the rows persons added to the trust table, pauses of notifications, and
// settings that survive a restart.

const (
	maxCalls    = 10000 // calls on disk; the oldest go first
	maxOwed     = 1000  // calls in memory while the disk cannot be written
	maxTrust    = 500   // rows of one user
	maxSettings = 500   // pauses are among them: one a user
)

// pauseSetting is the setting that holds until when notifications are paused,
// RFC 3339: everybody's, and with a user after a dot, theirs.
const pauseSetting = "paused_until"

// Call is one accepted call that loosened the guard.
type Call struct {
	Time time.Time `json:"time"`
	User string    `json:"user"` // uid or SID of who called
	PID  int       `json:"pid"`
	Exe  string    `json:"exe"`
	What string    `json:"what"` // "close abcd2345"
}

// AddCall keeps c.
func (s *Store) AddCall(c Call) {
	c.Time = c.Time.UTC().Round(0)
	c.Exe, c.What = clean(c.Exe, 1024), clean(c.What, 512)
	s.write.Lock()
	defer s.write.Unlock()
	s.owed = append(s.owed, c)
	if n := len(s.owed); n > maxOwed {
		s.owed = slices.Delete(s.owed, 0, n-maxOwed)
	}
	s.commit(nil)
}

// Calls returns the latest calls of user ("" for everybody's), newest first, at
// most limit of them.
func (s *Store) Calls(user string, limit int) ([]Call, error) {
	s.write.Lock()
	owed := slices.Clone(s.owed)
	d := s.disk
	s.write.Unlock()
	out := []Call{}
	slices.Reverse(owed)
	for _, c := range owed {
		if user == "" || c.User == user {
			out = append(out, c)
		}
	}
	if d == nil {
		return out[:min(len(out), limit)], nil
	}
	err := d.each(func(scan func(...any) error) error {
		var c Call
		var at int64
		if err := scan(&at, &c.User, &c.PID, &c.Exe, &c.What); err != nil {
			return err
		}
		c.Time = unnano(at)
		out = append(out, c)
		return nil
	}, "SELECT time, user, pid, exe, what FROM calls WHERE ? = '' OR user = ? ORDER BY id DESC LIMIT ?", user, user, limit)
	return out[:min(len(out), limit)], err
}

// AddTrust keeps a person's row and returns it with the ID it was given.
// row.By is whose it is.
func (s *Store) AddTrust(row wormbell.TrustRow) (wormbell.TrustRow, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return row, errClosed
	}
	s.expire()
	s.mu.Lock()
	n := 0
	for _, r := range s.trust {
		if r.By == row.By {
			n++
		}
	}
	if n >= maxTrust {
		s.mu.Unlock()
		return row, errors.New("too many rows; remove some first")
	}
	for row.ID = newID(); s.trust[row.ID].ID != ""; {
		row.ID = newID()
	}
	if row.Until != nil {
		u := row.Until.UTC().Round(0)
		row.Until = &u
	}
	s.trust = maps.Clone(s.trust)
	s.trust[row.ID] = row
	s.mu.Unlock()
	s.book = true
	s.commit(nil)
	return row, nil
}

// RemoveTrust forgets a person's row and returns it; [ErrNotFound] if there is none.
func (s *Store) RemoveTrust(id string) (wormbell.TrustRow, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return wormbell.TrustRow{}, errClosed
	}
	s.mu.Lock()
	row, ok := s.trust[id]
	if ok {
		s.trust = maps.Clone(s.trust)
		delete(s.trust, id)
	}
	s.mu.Unlock()
	if !ok {
		return row, ErrNotFound
	}
	s.book = true
	s.commit(nil)
	return row, nil
}

// Trust returns the rows of persons that have not expired, sorted by ID.
func (s *Store) Trust() []wormbell.TrustRow {
	now := s.cfg.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := []wormbell.TrustRow{}
	for _, r := range s.trust {
		if r.Until == nil || r.Until.After(now) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b wormbell.TrustRow) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// expire deletes rows whose time is over. Called with write held.
func (s *Store) expire() {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust = maps.Clone(s.trust)
	maps.DeleteFunc(s.trust, func(_ string, r wormbell.TrustRow) bool { return r.Until != nil && !r.Until.After(now) })
}

// Pause keeps notifications of user ("" for everybody's) back until then; the
// zero time ends it. The store only keeps it and notes it on what comes up; who
// notifies asks [Store.Paused].
func (s *Store) Pause(user string, until time.Time) error {
	s.write.Lock()
	now := s.cfg.Now()
	s.mu.Lock()
	maps.DeleteFunc(s.settings, func(key, value string) bool {
		at, err := time.Parse(time.RFC3339, value)
		return (key == pauseSetting || strings.HasPrefix(key, pauseSetting+".")) && (err != nil || !at.After(now))
	})
	s.mu.Unlock()
	s.write.Unlock()
	value := ""
	if !until.IsZero() {
		value = until.UTC().Format(time.RFC3339)
	}
	if err := s.SetSetting(pauseKey(user), value); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if user == "" {
		s.common++
	} else {
		s.versions[user]++
	}
	s.wake()
	return nil
}

func pauseKey(user string) string {
	if user == "" {
		return pauseSetting
	}
	return pauseSetting + "." + user
}

// Paused returns until when notifications of user are paused, zero if they are
// not; all says that it is everybody's pause, not their own. Of two the longer
// counts.
func (s *Store) Paused(user string) (until time.Time, all bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.cfg.Now()
	read := func(key string) (t time.Time) {
		if t, err := time.Parse(time.RFC3339, s.settings[key]); err == nil && t.After(now) {
			return t
		}
		return time.Time{}
	}
	until = read(pauseSetting)
	if user == "" {
		return until, !until.IsZero()
	}
	if own := read(pauseKey(user)); own.After(until) {
		return own, false
	}
	return until, !until.IsZero()
}

// Setting returns what was last set for key, "" if nothing was.
func (s *Store) Setting(key string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.settings[key]
}

// SetSetting keeps value for key across restarts; "" forgets it.
func (s *Store) SetSetting(key, value string) error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return errClosed
	}
	s.mu.Lock()
	switch {
	case key == "instance", len(s.settings) >= maxSettings && value != "":
		s.mu.Unlock()
		return errors.New("no such setting")
	case value == "":
		delete(s.settings, key)
	default:
		s.settings[key] = value
	}
	s.mu.Unlock()
	s.book = true
	s.commit(nil)
	return nil
}
