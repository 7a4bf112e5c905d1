// Package alert keeps what the detectors found: it gathers findings into
// incidents, remembers them across restarts, and tells whoever listens that
// something changed.
//
// It knows nothing of sensors, of the API or of who may see what; it asks the
// process lineage one question, whether a process still lives. It stores what
// events say and nothing else, so it holds no secret.
package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell"
)

// Limits of the store. They bound what a hostile user can make the agent keep;
// an ordinary machine stays far below every one of them.
const (
	quiet        = 10 * time.Minute    // findings of one tree join an incident this long after its last one
	keepFirst    = 5                   // events kept of a finding: the first ones,
	keepLast     = 15                  // and the last ones
	maxFindings  = 50                  // findings of one alert; more are counted into the last one of their detector
	maxMembers   = 1000                // processes remembered of one alert
	maxActions   = 100                 // actions kept of one alert: the first five and the latest
	maxOpen      = 500                 // open and muted alerts of one user; more are gathered in one
	maxAlerts    = 5000                // alerts altogether; the oldest closed ones go first
	maxClosedAge = 90 * 24 * time.Hour // closed alerts are kept this long
	maxEvents    = 4000                // events held in memory; above it evidence that is on disk is read from there
	maxUnsaved   = 20000               // events held in memory while the disk cannot be written
	maxEventSize = 32 << 10            // bytes of one event, roughly; longer command lines and ancestries are cut
)

// Errors of looking up and opening. Compare with [errors.Is].
var (
	ErrNotFound  = errors.New("no such alert")
	ErrAmbiguous = errors.New("more than one alert begins like this")
	ErrLocked    = errors.New("another agent uses this state folder")
)

// Config is what a [Store] needs.
type Config struct {
	Dir   string                        // folder of the state; made with mode 0700 if it is not there
	Log   *slog.Logger                  // nil for silence
	Now   func() time.Time              // the clock; nil for time.Now
	Alive func(wormbell.ProcessID) bool // whether a process still runs; nil when that cannot be told
}

// Meta is what a detector says about all of its findings.
type Meta struct {
	Title    string
	Advice   string
	Severity wormbell.Severity // of a finding that has none; Medium if zero as well
	Demo     bool              // of a finding without evidence; evidence says it itself
}

// Filter chooses alerts. Its zero value is everything.
type Filter struct {
	User        string            // uid or SID; "" for everybody's
	States      []wormbell.State  // nil for every state
	MinSeverity wormbell.Severity // 0 for all
	Limit       int               // at most so many, the newest; 0 for all
}

func (f Filter) match(a *wormbell.Alert) bool {
	return (f.User == "" || f.User == a.User) && a.Severity >= f.MinSeverity &&
		(len(f.States) == 0 || slices.Contains(f.States, a.State))
}

// Store keeps the alerts. It is safe for concurrent use. A change is on disk
// before anybody can see it; readers never wait for the disk unless they ask
// for what only the disk has. When the disk cannot be written the store goes
// on in memory, says so in [Store.Problems], and writes what it owes as soon
// as it can.
type Store struct {
	cfg  Config
	path string
	// schemas are those that this store knows, oldest first.
	schemas []string
	lock    *lock
	kick    chan struct{} // wakes Run when a retry is due sooner than it thinks; size 1

	write   sync.Mutex           // one change at a time, held across the commit; guards the block below
	onDisk  map[string]*incident // the version of each live incident that the database holds
	staged  map[string]*incident // versions the database does not hold yet
	gone    map[string]string    // alerts merged into another, not yet on disk so: ID → into
	owed    []Call               // calls not yet on disk
	book    bool                 // trust rows or settings are not yet on disk
	retryAt time.Time            // no attempt to use the disk before this
	backoff time.Duration
	closed  bool

	mu       sync.RWMutex // guards the block below; never held across I/O
	disk     *disk        // nil while there is no usable database
	live     map[string]*incident
	byProc   map[procKey][]string // process → live alerts it belongs to
	byKey    map[string]string    // key of incidents without a process → alert
	alias    map[string]string    // merged ID → live alert
	trust    map[string]wormbell.TrustRow
	settings map[string]string
	down     string   // why the disk cannot be used; "" when it can
	notes    []string // what else went wrong since start
	subs     map[chan struct{}]struct{}
	versions map[string]uint64 // user → changes to what that user can see; "" for everybody
	common   uint64            // changes to what all of them can see
}

// Open opens or creates the store in cfg.Dir. A database of an older version is
// brought to this one's, with a copy kept; for one of a newer version the copy is
// taken back that was kept then. A damaged database is renamed aside and a fresh
// one begun; a folder that cannot be written gives a store in
// memory. Both are told by [Store.Problems]. The error is [ErrLocked] when
// another agent has the folder, or says what is wrong with the folder itself.
func Open(cfg Config) (*Store, error) { return open(cfg, schemas) }

// open is Open for a store that knows these schemas.
func open(cfg Config, schemas []string) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Alive == nil {
		cfg.Alive = func(wormbell.ProcessID) bool { return false }
	}
	s := &Store{
		cfg: cfg, schemas: schemas, path: filepath.Join(cfg.Dir, "wormbell.db"), kick: make(chan struct{}, 1),
		onDisk: map[string]*incident{}, staged: map[string]*incident{}, gone: map[string]string{},
		live: map[string]*incident{}, byProc: map[procKey][]string{}, byKey: map[string]string{}, alias: map[string]string{},
		trust: map[string]wormbell.TrustRow{}, settings: map[string]string{}, subs: map[chan struct{}]struct{}{}, versions: map[string]uint64{},
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err == nil {
		if s.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, err
		}
	} // else: there is nothing to share with another agent; the attempt below says why
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.reopen(); err != nil {
		s.fail(err)
	} else {
		s.retain()
	}
	return s, nil
}

// Close writes what is owed and releases the folder. Nothing may be called on
// the store afterwards but reading, which finds what memory holds.
func (s *Store) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return nil
	}
	s.retryAt = time.Time{}
	s.retry()
	s.closed = true
	var err error
	if s.disk != nil {
		err = s.disk.close()
	}
	s.mu.Lock()
	s.disk = nil
	s.mu.Unlock()
	s.lock.release()
	if owed := len(s.staged); owed > 0 {
		err = errors.Join(err, fmt.Errorf("%d alerts could not be written to %q", owed, s.path))
	}
	return err
}

// Run keeps the store healthy until ctx is done: it retries a disk that could
// not be written, notices a database that was taken away, and lets go of what
// is too old. It returns nil.
func (s *Store) Run(ctx context.Context) error {
	const check, daily = 30 * time.Second, 24 * time.Hour
	swept := s.cfg.Now()
	timer := time.NewTimer(check)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.kick:
		case <-timer.C:
		}
		s.Check()
		s.write.Lock()
		wait := check
		if s.indebted() {
			s.retry()
		}
		if s.indebted() {
			wait = max(s.retryAt.Sub(s.cfg.Now()), 10*time.Millisecond)
		} else if s.cfg.Now().Sub(swept) > daily {
			swept = s.cfg.Now()
			s.retain()
		}
		s.write.Unlock()
		timer.Reset(wait)
	}
}

// Check notices a database that was taken away or written over, and begins a
// new one with everything memory holds. Run does it every half minute.
func (s *Store) Check() {
	s.write.Lock()
	defer s.write.Unlock()
	if s.disk == nil {
		return
	}
	if err := s.disk.harmed(); err != nil {
		s.fail(err)
	}
}

// Problems says in sentences what is wrong with the store; nil when all is well.
func (s *Store) Problems() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := slices.Clone(s.notes)
	if s.down != "" {
		out = append(out, s.down)
	}
	return out
}

// Subscribe returns a channel that receives after every change: "read again".
// It holds one token, so a slow reader misses nothing. It is closed when ctx is
// done.
func (s *Store) Subscribe(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	s.subs[ch] = struct{}{}
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, ch)
		close(ch)
	})
	return ch
}

// Version returns a number that grows with every change to an alert of user
// ("" for everybody's), or to how their notifications are paused, since the
// store was opened.
func (s *Store) Version(user string) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.versions[user] + s.common
}

// Count returns how many open alerts user has ("" for everybody).
func (s *Store) Count(user string) (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, inc := range s.live {
		if inc.head.State == wormbell.Open && (user == "" || inc.head.User == user) {
			n++
		}
	}
	return n
}

// wake tells the subscribers. Called with mu held.
func (s *Store) wake() {
	for ch := range s.subs {
		select {
		case ch <- struct{}{}:
		default: // it has not read the last one yet
		}
	}
}

// Alerts returns the alerts that match, newest first.
func (s *Store) Alerts(f Filter) []wormbell.Alert {
	out := []wormbell.Alert{}
	for a := range s.Each(f) {
		out = append(out, a)
	}
	return out
}

// Each yields the alerts that match, newest first, reading one at a time, so
// that a long list costs little memory.
func (s *Store) Each(f Filter) func(yield func(wormbell.Alert) bool) {
	return func(yield func(wormbell.Alert) bool) {
		type entry struct {
			id    string
			first time.Time
		}
		var all []entry
		seen := map[string]bool{}
		s.mu.RLock()
		d := s.disk
		for id, inc := range s.live {
			seen[id] = true
			if f.match(&inc.head) {
				all = append(all, entry{id, inc.head.First})
			}
		}
		s.mu.RUnlock()
		if len(f.States) == 0 || slices.Contains(f.States, wormbell.Closed) {
			ids, firsts, err := d.closedIDs(f)
			if err != nil {
				s.cfg.Log.Warn("cannot read closed alerts", "err", err)
			}
			for i, id := range ids {
				if !seen[id] {
					all = append(all, entry{id, firsts[i]})
				}
			}
		}
		slices.SortFunc(all, func(a, b entry) int {
			return cmp.Or(b.first.Compare(a.first), cmp.Compare(a.id, b.id))
		})
		for n, e := range all {
			if f.Limit > 0 && n >= f.Limit {
				return
			}
			a, err := s.Get(e.id)
			if err != nil || a.ID != e.id || !f.match(&a) {
				continue // it changed meanwhile
			}
			if !yield(a) {
				return
			}
		}
	}
}

// Get returns the alert with this ID, or the one it was merged into.
func (s *Store) Get(id string) (wormbell.Alert, error) {
	inc, err := s.incident(id)
	if err != nil {
		return wormbell.Alert{}, err
	}
	return inc.view(), nil
}

// Find is Get for what a person types: any case, and a beginning of at least
// four characters will do. Only alerts of user exist for it; "" is everybody.
func (s *Store) Find(id, user string) (wormbell.Alert, error) {
	id = strings.ToLower(strings.TrimSpace(id))
	if len(id) > 8 || strings.Trim(id, alphabet) != "" {
		return wormbell.Alert{}, ErrNotFound
	}
	if len(id) == 8 {
		a, err := s.Get(id)
		if err == nil && user != "" && a.User != user {
			err = ErrNotFound
		}
		if err != nil {
			return wormbell.Alert{}, err
		}
		return a, nil
	}
	if len(id) < 4 {
		return wormbell.Alert{}, ErrNotFound
	}
	found := map[string]bool{} // alerts that some ID beginning like this leads to
	s.mu.RLock()
	d := s.disk
	for full := range s.live {
		if strings.HasPrefix(full, id) {
			found[full] = true
		}
	}
	for old, full := range s.alias {
		if strings.HasPrefix(old, id) {
			found[full] = true
		}
	}
	s.mu.RUnlock()
	more, err := d.prefix(id)
	if err != nil {
		s.cfg.Log.Warn("cannot read closed alerts", "err", err)
	}
	for _, full := range more {
		found[full] = true
	}
	var hit *wormbell.Alert
	for _, full := range slices.Sorted(maps.Keys(found)) {
		a, err := s.Get(full)
		if err != nil || user != "" && a.User != user || hit != nil && hit.ID == a.ID {
			continue
		}
		if hit != nil {
			return wormbell.Alert{}, ErrAmbiguous
		}
		hit = &a
	}
	if hit == nil {
		return wormbell.Alert{}, ErrNotFound
	}
	return *hit, nil
}

// incident returns the incident id, complete with evidence, from memory or disk.
func (s *Store) incident(id string) (*incident, error) {
	s.mu.RLock()
	d := s.disk
	if into, ok := s.alias[id]; ok {
		id = into
	}
	inc := s.live[id]
	s.mu.RUnlock()
	if inc == nil {
		inc, err := d.load(id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("read alert %s: %w", id, err)
		}
		return inc, err
	}
	if inc.spilled {
		full, err := d.withEvidence(inc)
		if err != nil { // the alert matters more than its evidence
			s.cfg.Log.Warn("cannot read evidence", "alert", id, "err", err)
			return inc, nil
		}
		return full, nil
	}
	return inc, nil
}

// Processes returns the processes an alert is about: the roots of its trees,
// then those that did what was found.
func (s *Store) Processes(id string) ([]wormbell.ProcessID, error) {
	inc, err := s.incident(id)
	if err != nil {
		return nil, err
	}
	var out []wormbell.ProcessID
	for _, want := range []role{isRoot, isOffender} {
		for _, k := range slices.SortedFunc(maps.Keys(inc.members), procKey.compare) {
			r := inc.members[k]
			if r&want != 0 && (want == isRoot || r&isRoot == 0) {
				out = append(out, k.id())
			}
		}
	}
	return out, nil
}

// Suspect reports whether p or one of its ancestors is what an open alert is
// about, and which alert that is. The trees of demonstrations are no suspects.
func (s *Store) Suspect(p *wormbell.Process) (id string, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for a := range p.Chain {
		k := keyOf(a)
		for _, id := range s.byProc[k] {
			inc := s.live[id]
			if inc != nil && inc.head.State == wormbell.Open && !inc.head.Demo && inc.members[k]&(isRoot|isOffender) != 0 {
				return id, true
			}
		}
	}
	return "", false
}
