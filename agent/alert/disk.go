package alert

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"

	"wormbell"
)

// disk is an open database. One connection does everything: SQLite's memory is
// per connection, and with exclusive locking the write-ahead log's index lives
// on our heap instead of in a mapped file, which another program could truncate
// under us and so kill the agent with SIGBUS. A nil *disk reads as empty.
type disk struct {
	db   *sql.DB
	path string
	// file stays open as long as db: closing any descriptor of a file lets go of
	// all the process's POSIX locks on it, SQLite's too (fcntl(2)).
	file     *os.File
	info     fs.FileInfo // of the file when it was opened
	instance string      // tells this database from another at the same path
}

// openDisk opens or creates the database at path and brings it to the last of
// the schemas.
func openDisk(path string, schemas []string) (*disk, error) {
	// SQLite would create it readable for all, and the log after it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(0o600)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	// cache_size is in KiB when negative. A checkpoint every 256 pages (1 MB)
	// keeps the log, and the pause it takes, small.
	pragmas := []string{"busy_timeout(2000)", "locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-512)",
		"mmap_size(0)", "temp_store(MEMORY)", "wal_autocheckpoint(256)", "journal_size_limit(1048576)", "trusted_schema(OFF)"}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		f.Close()
		return nil, err
	}
	db.SetMaxOpenConns(1)
	d := &disk{db: db, path: path, file: f, info: info}
	if err := d.prepare(info.Size(), schemas); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

var errDamaged = errors.New("the database is damaged")

// damaged reports whether err says that the file is not a sound database, as
// opposed to one that cannot be read or written now.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) || errors.Is(err, sql.ErrNoRows) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	const corrupt, notADB = 11, 26 // SQLITE_CORRUPT, SQLITE_NOTADB: https://sqlite.org/rescode.html
	code := e.Code() & 0xff
	return code == corrupt || code == notADB || strings.Contains(e.Error(), "no such table") || strings.Contains(e.Error(), "no such column")
}

func (d *disk) close() error { return errors.Join(d.db.Close(), d.file.Close()) }

// sound reports whether the database and its log still begin as SQLite's do
// (https://sqlite.org/fileformat.html): somebody may write over them while
// SQLite works from its cache and notices nothing.
func (d *disk) sound() bool {
	b := make([]byte, 16)
	if n, err := d.file.ReadAt(b, 0); n < len(b) && (err == nil || errors.Is(err, io.EOF)) || n == len(b) && string(b) != "SQLite format 3\x00" {
		return false
	}
	log, err := os.Open(d.path + "-wal")
	if err != nil {
		return true // there may be none; what hinders reading it also hinders writing
	}
	defer log.Close()
	n, _ := log.ReadAt(b[:4], 0)
	magic := binary.BigEndian.Uint32(b)
	return n < 4 || magic == 0x377f0682 || magic == 0x377f0683
}

// missing reports whether the file is no longer at its path.
func (d *disk) missing() bool {
	info, err := os.Lstat(d.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, d.info)
}

// harmed says what somebody did to the file behind SQLite's back, as far as a
// few microseconds can tell; nil if nothing.
func (d *disk) harmed() error {
	if d.missing() {
		return fmt.Errorf("%q is no longer there", d.path)
	}
	if !d.sound() {
		return errDamaged
	}
	return nil
}

// setAside renames a database and its log out of the way and returns the new name.
func setAside(path, why string, now time.Time) (string, error) {
	to := path + "." + why + "-" + now.UTC().Format("20060102T150405")
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); err != nil {
			break
		}
		to = fmt.Sprintf("%s.%s-%s-%d", path, why, now.UTC().Format("20060102T150405"), n)
	}
	if err := os.Rename(path, to); err != nil {
		return "", err
	}
	for _, tail := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Rename(path+tail, to+tail); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err // an old log beside a new database would be played into it
		}
	}
	return to, nil
}

func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unnano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// put writes the difference between old, which the database holds, and inc.
// A nil old writes everything.
func (d *disk) put(tx *sql.Tx, old, inc *incident) error {
	w := writer{tx: tx}
	id, h := inc.head.ID, &inc.head
	if old == nil {
		w.forget(id)
		old = &incident{}
	}
	var closed int64
	if h.State == wormbell.Closed {
		closed = nano(h.Last)
		for _, a := range h.Actions {
			if a.What == "close" {
				closed = nano(a.Time)
			}
		}
	}
	w.exec("INSERT OR REPLACE INTO alerts VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", id, h.Title, h.Advice, int(h.Severity), string(h.State),
		h.User, h.Demo, nano(h.First), nano(h.Last), h.Count, inc.key, closed)
	for n, f := range inc.findings {
		before := &finding{}
		if n < len(old.findings) {
			before = old.findings[n]
		}
		if before == f {
			continue
		}
		w.exec("INSERT OR REPLACE INTO findings VALUES (?,?,?,?,?,?,?,?,?,?)", id, n, f.detector, f.subject, f.summary,
			int(f.severity), f.title, f.advice, nano(f.time), f.n)
		for _, it := range f.events {
			if it.seq > before.n {
				w.event(id, n, it)
			}
		}
		if f.n > keepFirst+keepLast && f.n > before.n {
			w.exec("DELETE FROM evidence WHERE alert = ? AND finding = ? AND seq > ? AND seq <= ?", id, n, keepFirst, f.n-keepLast)
		}
	}
	for k, r := range inc.members {
		if old.members[k] != r {
			w.exec("INSERT OR REPLACE INTO members VALUES (?,?,?,?)", id, k.pid, k.start, int(r))
		}
	}
	for k := range old.members {
		if inc.members[k] == 0 {
			w.exec("DELETE FROM members WHERE alert = ? AND pid = ? AND start = ?", id, k.pid, k.start)
		}
	}
	for n, a := range h.Actions {
		if n >= len(old.head.Actions) || old.head.Actions[n] != a {
			w.exec("INSERT OR REPLACE INTO actions VALUES (?,?,?,?,?,?,?,?)", id, n, nano(a.Time), a.By, a.What, a.Outcome, a.Done, a.Left)
		}
	}
	for _, a := range inc.aliases[min(len(old.aliases), len(inc.aliases)):] {
		w.exec("INSERT OR REPLACE INTO aliases VALUES (?,?)", a, id)
	}
	return w.err
}

// writer runs statements until the first error.
type writer struct {
	tx  *sql.Tx
	err error
}

func (w *writer) exec(query string, args ...any) {
	if w.err == nil {
		_, w.err = w.tx.Exec(query, args...)
	}
}

func (w *writer) event(id string, n int, it item) {
	b, err := json.Marshal(it.event)
	if err != nil {
		w.err = cmp.Or(w.err, err)
		return
	}
	w.exec("INSERT OR REPLACE INTO evidence VALUES (?,?,?,?)", id, n, it.seq, string(b))
}

// forget deletes everything of an alert.
func (w *writer) forget(id string) {
	w.exec("DELETE FROM alerts WHERE id = ?", id)
	for _, table := range []string{"findings", "evidence", "members", "actions", "aliases"} {
		w.exec("DELETE FROM "+table+" WHERE alert = ?", id)
	}
}

// load reads an alert with its evidence. id may be that of a merged one.
func (d *disk) load(id string) (*incident, error) {
	if d == nil {
		return nil, ErrNotFound
	}
	var into string
	switch err := d.db.QueryRow("SELECT alert FROM aliases WHERE old = ?", id).Scan(&into); {
	case err == nil:
		id = into
	case !errors.Is(err, sql.ErrNoRows):
		return nil, err
	}
	inc, err := d.header(id)
	if err != nil {
		return nil, err
	}
	return d.withEvidence(inc)
}

// header reads an alert without its evidence.
func (d *disk) header(id string) (*incident, error) {
	inc := &incident{members: map[procKey]role{}, spilled: true}
	h := &inc.head
	var first, last, severity int64
	var state string
	err := d.db.QueryRow("SELECT id, title, advice, severity, state, user, demo, first, last, count, key FROM alerts WHERE id = ?", id).
		Scan(&h.ID, &h.Title, &h.Advice, &severity, &state, &h.User, &h.Demo, &first, &last, &h.Count, &inc.key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	h.Severity, h.State, h.First, h.Last = wormbell.Severity(severity), wormbell.State(state), unnano(first), unnano(last)
	err = d.each(func(scan func(...any) error) error {
		f := &finding{}
		var severity, at int64
		if err := scan(&f.detector, &f.subject, &f.summary, &severity, &f.title, &f.advice, &at, &f.n); err != nil {
			return err
		}
		f.severity, f.time = wormbell.Severity(severity), unnano(at)
		inc.findings = append(inc.findings, f)
		return nil
	}, "SELECT detector, subject, summary, severity, title, advice, time, events FROM findings WHERE alert = ? ORDER BY n LIMIT ?", id, maxFindings)
	if err != nil {
		return nil, err
	}
	err = d.each(func(scan func(...any) error) error {
		var k procKey
		var r int
		if err := scan(&k.pid, &k.start, &r); err != nil {
			return err
		}
		inc.members[k] = role(r)
		return nil
	}, "SELECT pid, start, role FROM members WHERE alert = ? LIMIT ?", id, maxMembers)
	if err != nil {
		return nil, err
	}
	err = d.each(func(scan func(...any) error) error {
		var a wormbell.Action
		var at int64
		if err := scan(&at, &a.By, &a.What, &a.Outcome, &a.Done, &a.Left); err != nil {
			return err
		}
		a.Time = unnano(at)
		h.Actions = append(h.Actions, a)
		return nil
	}, "SELECT time, by, what, outcome, done, left_alone FROM actions WHERE alert = ? ORDER BY n LIMIT ?", id, maxActions)
	if err != nil {
		return nil, err
	}
	inc.aliases, err = d.strings("SELECT old FROM aliases WHERE alert = ?", id)
	return inc, err
}

// withEvidence returns inc with its evidence from the database.
func (d *disk) withEvidence(inc *incident) (*incident, error) {
	if d == nil {
		return nil, errors.New("the database cannot be used")
	}
	v := inc.clone()
	v.spilled = false
	events := make([][]item, len(v.findings))
	err := d.each(func(scan func(...any) error) error {
		var n, seq int
		var text string
		if err := scan(&n, &seq, &text); err != nil {
			return err
		}
		var e wormbell.Event
		if n < 0 || n >= len(events) || json.Unmarshal([]byte(text), &e) != nil {
			return nil // one bad row must not hide the others
		}
		events[n] = append(events[n], item{seq, e})
		return nil
	}, "SELECT finding, seq, event FROM evidence WHERE alert = ? ORDER BY finding, seq LIMIT ?", inc.head.ID, maxFindings*(keepFirst+keepLast))
	if err != nil {
		return nil, err
	}
	for n, f := range v.findings {
		full := *f
		full.events = events[n]
		v.findings[n] = &full
	}
	return v, nil
}

// each calls take for every row.
func (d *disk) each(take func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := d.db.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d *disk) strings(query string, args ...any) (out []string, err error) {
	err = d.each(func(scan func(...any) error) error {
		var s string
		err := scan(&s)
		out = append(out, s)
		return err
	}, query, args...)
	return out, err
}

// closedIDs lists the closed alerts that match f, newest first.
func (d *disk) closedIDs(f Filter) (ids []string, firsts []time.Time, err error) {
	if d == nil {
		return nil, nil, nil
	}
	limit := f.Limit
	if limit <= 0 {
		limit = maxAlerts
	}
	err = d.each(func(scan func(...any) error) error {
		var id string
		var first int64
		if err := scan(&id, &first); err != nil {
			return err
		}
		ids, firsts = append(ids, id), append(firsts, unnano(first))
		return nil
	}, "SELECT id, first FROM alerts WHERE state = 'closed' AND (? = '' OR user = ?) AND severity >= ? ORDER BY first DESC LIMIT ?",
		f.User, f.User, int(f.MinSeverity), limit)
	return ids, firsts, err
}

// prefix lists the alerts that an ID beginning like this leads to.
func (d *disk) prefix(p string) ([]string, error) {
	if d == nil {
		return nil, nil
	}
	end := p + strings.Repeat("~", 8) // sorts behind every character of an ID
	ids, err := d.strings("SELECT id FROM alerts WHERE id >= ? AND id < ? LIMIT 100", p, end)
	if err != nil {
		return nil, err
	}
	merged, err := d.strings("SELECT alert FROM aliases WHERE old >= ? AND old < ? LIMIT 100", p, end)
	return slices.Concat(ids, merged), err
}

// has reports whether id is taken.
func (d *disk) has(id string) bool {
	if d == nil {
		return false
	}
	var n int
	err := d.db.QueryRow("SELECT (SELECT count(*) FROM alerts WHERE id = ?) + (SELECT count(*) FROM aliases WHERE old = ?)", id, id).Scan(&n)
	return err == nil && n > 0
}
