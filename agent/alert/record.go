package alert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"wormbell"
)

// errClosed is returned by changes after Close.
var errClosed = errors.New("the alert store is closed")

// Record takes in one finding and returns the alert it is now part of. It joins
// the open or muted incident of the same user that its process tree belongs to,
// if that tree lives or its last finding is no more than ten minutes old; links
// several such incidents to the oldest; or begins a new one. A gathered finding
// whose tree has no alert joins that of the day, see gather.go. When Record
// returns the alert is on disk, or, if the disk cannot be written, in memory
// with [Store.Problems] saying so. The error is not nil only after Close.
func (s *Store) Record(f wormbell.Finding, d Meta) (wormbell.Alert, error) {
	c := newClaim(f, d, s.cfg.Now())
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return wormbell.Alert{}, errClosed
	}
	var inc *incident
	merged := map[string]string{}
	gather, home := parted(s.candidates(c))
	if len(home) == 0 && c.key == gatheredKey {
		home = s.gathering(c)
	}
	if len(home) == 0 {
		if s.crowded(c.user) {
			home = s.overflow(&c)
		}
		if len(home) == 0 {
			inc = begin(c, s.freshID())
			if c.key != gatheredKey {
				inc = s.known(inc, c, gather)
			}
			if until, _ := s.Paused(c.user); !until.IsZero() {
				inc.act(wormbell.Action{Time: c.Time, By: "agent", What: "paused", Outcome: "it came up while notifications were paused"})
			}
		}
	}
	for i, h := range home {
		full, err := s.full(h)
		if err != nil {
			s.cfg.Log.Warn("cannot read evidence", "alert", h.head.ID, "err", err)
		}
		if i == 0 {
			inc = full
			continue
		}
		inc = inc.absorb(full)
		inc.act(wormbell.Action{Time: c.Time, By: "agent", What: "merge", Outcome: "alert " + full.head.ID + " turned out to be the same incident"})
		merged[full.head.ID] = inc.head.ID
	}
	inc = inc.with(c)
	s.commit(merged, inc)
	return inc.view(), nil
}

// Extend adds the evidence of f to the finding of this detector and subject that
// its process tree has raised. It never begins an alert: what was closed
// meanwhile, or merged away, stays as it is. Like [Store.Record] it returns an
// error only after Close.
func (s *Store) Extend(f wormbell.Finding) error {
	c := newClaim(f, Meta{}, s.cfg.Now())
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return errClosed
	}
	_, others := parted(s.candidates(c)) // a gathered finding is followed nowhere
	for _, h := range others {
		full, err := s.full(h)
		if err != nil {
			s.cfg.Log.Warn("cannot read evidence", "alert", h.head.ID, "err", err)
		}
		if v := full.extended(c); v != nil {
			s.commit(nil, v)
			break
		}
	}
	return nil
}

// candidates returns the incidents c belongs to, oldest first. Called with
// write held.
func (s *Store) candidates(c claim) (out []*incident) {
	var near []*incident
	s.mu.RLock()
	add := func(id string) {
		inc := s.live[id]
		if inc != nil && inc.head.State != wormbell.Closed && inc.head.User == c.user && inc.head.Demo == c.demo && !slices.Contains(near, inc) {
			near = append(near, inc)
		}
	}
	for k := range c.procs {
		for _, id := range s.byProc[k] {
			add(id)
		}
	}
	s.mu.RUnlock()
	for _, inc := range near {
		if c.Time.Sub(inc.head.Last) <= quiet || s.alive(inc, c) {
			out = append(out, inc)
		}
	}
	if c.key != "" {
		// Without a process there is no tree that could end: the same subject
		// goes on being the same incident until somebody closes it.
		near = nil
		s.mu.RLock()
		add(s.byKey[indexKey(c.user, c.demo, c.key)])
		s.mu.RUnlock()
		for _, inc := range near {
			if !slices.Contains(out, inc) {
				out = append(out, inc)
			}
		}
	}
	slices.SortFunc(out, func(a, b *incident) int {
		return cmp.Or(a.head.First.Compare(b.head.First), cmp.Compare(a.head.ID, b.head.ID))
	})
	return out
}

// alive reports whether the tree of inc lives: one of the processes known to
// belong to it, or of those that lead from it to c.
func (s *Store) alive(inc *incident, c claim) bool {
	const limit = 64 // questions asked; roots come first
	ask := slices.SortedFunc(maps.Keys(inc.members), func(a, b procKey) int {
		return cmp.Or(cmp.Compare(inc.members[b]&isRoot, inc.members[a]&isRoot), a.compare(b))
	})
	for _, k := range ask[:min(len(ask), limit)] {
		if s.cfg.Alive(k.id()) {
			return true
		}
	}
	for k, r := range c.procs {
		if r&(isRoot|isOffender) != 0 && s.cfg.Alive(k.id()) {
			return true
		}
	}
	return false
}

// crowded reports whether user has as many open alerts as can be kept.
func (s *Store) crowded(user string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, inc := range s.live {
		if inc.head.User == user && inc.head.State != wormbell.Closed {
			n++
		}
	}
	return n >= maxOpen
}

// overflow returns the one incident that gathers what is beyond the limit, and
// makes c the first of it when it does not exist yet.
func (s *Store) overflow(c *claim) []*incident {
	c.key = "\x00overflow"
	s.mu.RLock()
	defer s.mu.RUnlock()
	if inc := s.live[s.byKey[indexKey(c.user, c.demo, c.key)]]; inc != nil && inc.head.State != wormbell.Closed {
		return []*incident{inc}
	}
	return nil
}

func (s *Store) freshID() string {
	for {
		id := newID()
		s.mu.RLock()
		d := s.disk
		_, live := s.live[id]
		_, old := s.alias[id]
		s.mu.RUnlock()
		if !live && !old && !d.has(id) {
			return id
		}
	}
}

// full returns inc with its evidence. Called with write held.
func (s *Store) full(inc *incident) (*incident, error) {
	if !inc.spilled {
		return inc, nil
	}
	v, err := s.disk.withEvidence(inc)
	if err != nil {
		v = inc.clone()
		v.spilled = false
		return v, err
	}
	if s.onDisk[inc.head.ID] == inc {
		s.onDisk[inc.head.ID] = v // the same as what the database holds
	}
	return v, nil
}

// SetState changes the state of an alert on behalf of by (uid or SID) and
// notes it among its actions. A closed alert can be opened again by a person.
func (s *Store) SetState(id string, state wormbell.State, by, reason string) (wormbell.Alert, error) {
	verb, known := map[wormbell.State]string{wormbell.Open: "reopen", wormbell.Muted: "mute", wormbell.Closed: "close"}[state]
	if !known {
		return wormbell.Alert{}, fmt.Errorf("no state %q", state)
	}
	return s.edit(id, func(v *incident) {
		v.head.State = state
		v.act(wormbell.Action{Time: s.cfg.Now(), By: by, What: verb, Outcome: cmp.Or(reason, "done")})
	})
}

// AddAction appends what was done about an alert. A zero Time is now.
func (s *Store) AddAction(id string, a wormbell.Action) (wormbell.Alert, error) {
	if a.Time.IsZero() {
		a.Time = s.cfg.Now()
	}
	return s.edit(id, func(v *incident) { v.act(a) })
}

func (s *Store) edit(id string, change func(*incident)) (wormbell.Alert, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return wormbell.Alert{}, errClosed
	}
	s.mu.RLock()
	if into, ok := s.alias[id]; ok {
		id = into
	}
	inc := s.live[id]
	s.mu.RUnlock()
	if inc == nil {
		var err error
		if inc, err = s.disk.load(id); err != nil {
			if errors.Is(err, ErrNotFound) {
				return wormbell.Alert{}, err
			}
			return wormbell.Alert{}, fmt.Errorf("read alert %s: %w", id, err)
		}
		s.onDisk[inc.head.ID] = inc
	}
	v := inc.clone()
	change(v)
	s.commit(nil, v)
	if v.spilled {
		if full, err := s.disk.withEvidence(v); err == nil {
			v = full
		}
	}
	return v.view(), nil
}

// commit makes new versions durable, then visible. Called with write held.
func (s *Store) commit(merged map[string]string, incs ...*incident) {
	for _, inc := range incs {
		s.staged[inc.head.ID] = inc
	}
	for id, into := range merged {
		delete(s.staged, id)
		s.gone[id] = into
		delete(s.onDisk, into) // findings moved: it is written anew
	}
	if s.disk == nil && !s.cfg.Now().Before(s.retryAt) {
		s.retry()
	} else if s.disk != nil {
		if err := s.flush(); err != nil {
			s.fail(err)
		}
	}
	s.publish(merged, incs...)
}

// publish shows new versions to readers. Called with write held.
func (s *Store) publish(merged map[string]string, incs ...*incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range merged {
		s.drop(id)
	}
	for _, inc := range incs {
		id := inc.head.ID
		s.versions[""]++
		if inc.head.User != "" {
			s.versions[inc.head.User]++
		}
		if _, owed := s.staged[id]; inc.head.State == wormbell.Closed && !owed {
			s.drop(id)
			delete(s.onDisk, id)
			continue
		}
		s.show(inc)
	}
	if len(incs) > 0 {
		s.wake()
	}
	s.lighten()
}

// show puts a version in the indexes. Called with mu held.
func (s *Store) show(inc *incident) {
	id := inc.head.ID
	old := s.live[id]
	s.live[id] = inc
	for k := range inc.members {
		if old == nil || old.members[k] == 0 {
			if !slices.Contains(s.byProc[k], id) {
				s.byProc[k] = append(s.byProc[k], id)
			}
		}
	}
	if old != nil {
		for k := range old.members {
			if inc.members[k] == 0 {
				s.unlink(k, id)
			}
		}
	}
	if inc.key != "" && inc.head.State != wormbell.Closed {
		s.byKey[indexKey(inc.head.User, inc.head.Demo, inc.key)] = id
	}
	for _, a := range inc.aliases {
		s.alias[a] = id
	}
}

// drop takes an alert out of memory. Called with mu held.
func (s *Store) drop(id string) {
	inc := s.live[id]
	if inc == nil {
		return
	}
	delete(s.live, id)
	for k := range inc.members {
		s.unlink(k, id)
	}
	if key := indexKey(inc.head.User, inc.head.Demo, inc.key); s.byKey[key] == id {
		delete(s.byKey, key)
	}
	for _, a := range inc.aliases {
		if s.alias[a] == id {
			delete(s.alias, a)
		}
	}
}

func (s *Store) unlink(k procKey, id string) {
	ids := slices.DeleteFunc(slices.Clone(s.byProc[k]), func(x string) bool { return x == id })
	if len(ids) == 0 {
		delete(s.byProc, k)
	} else {
		s.byProc[k] = ids
	}
}

// lighten keeps memory within bounds: evidence that is on disk too is let go
// of, oldest incidents first; while the disk cannot be written, evidence in the
// middle of old incidents goes, and closed alerts. Called with mu and write held.
func (s *Store) lighten() {
	total := 0
	for _, inc := range s.live {
		total += inc.weight()
	}
	if total <= maxEvents && len(s.live) <= maxAlerts {
		return
	}
	byAge := slices.SortedFunc(maps.Values(s.live), func(a, b *incident) int { return a.head.Last.Compare(b.head.Last) })
	for _, inc := range byAge {
		if total <= maxEvents/2 {
			break
		}
		id := inc.head.ID
		if s.onDisk[id] == inc && !inc.spilled {
			total -= inc.weight()
			light := inc.spill()
			s.live[id], s.onDisk[id] = light, light
		}
	}
	for _, inc := range byAge {
		id := inc.head.ID
		if len(s.live) > maxAlerts && inc.head.State == wormbell.Closed {
			s.drop(id)
			delete(s.staged, id)
			continue
		}
		if total <= maxUnsaved {
			continue
		}
		if v := s.staged[id]; v != nil && v == s.live[id] {
			thin := v.clone()
			for i, f := range thin.findings {
				if len(f.events) > 3 {
					g := *f
					g.events = slices.Concat(f.events[:1], f.events[len(f.events)-2:])
					thin.findings[i] = &g
				}
			}
			total -= v.weight() - thin.weight()
			s.live[id], s.staged[id] = thin, thin
		}
	}
}

func indexKey(user string, demo bool, key string) string {
	if key == "" {
		return ""
	}
	return fmt.Sprintf("%s\x00%t\x00%s", user, demo, key)
}
