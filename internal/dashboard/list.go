package dashboard

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/words"
)

// row is what the list shows of an alert. The alerts themselves are not kept:
// a thousand of them with their evidence are many megabytes.
type row struct {
	ID       string
	Title    string
	What     string
	Severity wormbell.Severity
	State    wormbell.State
	First    time.Time
	Last     time.Time
	Count    int
	Demo     bool
	Frozen   bool
	Escaped  bool // though frozen, some of it may run
	Packages []role

	told  bool   // Title and What are in the person's words
	print string // changes with everything that is shown
}

// role is a package that an alert names.
type role struct {
	Package wormbell.Package
	Script  string // its lifecycle script did it; "" if it was itself the object
}

// list is the agent's alerts, in rows. It is safe for concurrent use.
type list struct {
	mu   sync.Mutex // guards what follows, and is held while the agent is asked: one at a time
	open shelf
	all  shelf
}

type shelf struct {
	rows    []row
	version int // of the alerts when they were read
	good    bool
}

// rows returns the alerts, newest first: the open ones, or all. It asks the
// agent only if something changed since.
func (s *Server) rows(ctx context.Context, all bool) ([]row, error) {
	l := &s.list
	l.mu.Lock()
	defer l.mu.Unlock()
	shelf := &l.open
	if all {
		shelf = &l.all
	}
	version, known := s.hub.alerts()
	if known && shelf.good && shelf.version == version {
		return shelf.rows, nil
	}
	a, err := s.ask()
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	alerts, err := a.Alerts(within, all)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		err = fmt.Errorf("%w: it does not answer", errNoAgent)
	}
	if err != nil {
		return nil, err
	}
	before := make(map[string]*row, len(shelf.rows))
	for i := range shelf.rows {
		before[shelf.rows[i].ID] = &shelf.rows[i]
	}
	rows := make([]row, len(alerts))
	for i, a := range alerts {
		print := fmt.Sprint(a.State, a.Severity, a.Count, a.Last.UnixNano(), len(a.Actions), a.Title)
		if old := before[a.ID]; old != nil && old.print == print {
			rows[i] = *old
			continue
		}
		rows[i] = row{ID: a.ID, Title: a.Title, Severity: a.Severity, State: a.State, First: a.First, Last: a.Last,
			Count: a.Count, Demo: a.Demo, Frozen: a.Frozen(), Escaped: a.Escaped(), Packages: packagesOf(a), print: print}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return b.Last.Compare(a.Last) })
	// Words cost more than all the rest: for the first page they are found while
	// the alerts are at hand, for others when they are shown; see tell.
	first := map[string]*row{}
	for i := range rows[:min(len(rows), perPage)] {
		if !rows[i].told {
			first[rows[i].ID] = &rows[i]
		}
	}
	for _, a := range alerts {
		if r := first[a.ID]; r != nil {
			r.say(s.c.Words, a)
		}
	}
	shelf.rows, shelf.version, shelf.good = rows, version, true
	return rows, nil
}

func (r *row) say(w *words.Words, a wormbell.Alert) {
	told := w.Alert(a)
	r.Title, r.What, r.told = told.Title, told.What, true
}

// tell puts rows that are to be shown into the person's words. What cannot be
// asked for keeps the agent's title.
func (s *Server) tell(ctx context.Context, rows []row) {
	a, err := s.ask()
	if err != nil {
		return
	}
	now := map[string]row{}
	for i := range rows {
		if rows[i].told {
			continue
		}
		alert, err := a.Alert(ctx, rows[i].ID)
		if err != nil {
			continue
		}
		rows[i].say(s.c.Words, alert)
		now[rows[i].ID] = rows[i]
	}
	if len(now) == 0 {
		return
	}
	s.list.mu.Lock()
	defer s.list.mu.Unlock()
	for _, shelf := range []*shelf{&s.list.open, &s.list.all} {
		kept := slices.Clone(shelf.rows) // others are reading the old one
		for i, r := range kept {
			if t, ok := now[r.ID]; ok && t.print == r.print {
				kept[i] = t
			}
		}
		shelf.rows = kept
	}
}

const maxRoles = 20 // of one alert

// packagesOf returns the packages that an alert's evidence names.
func packagesOf(a wormbell.Alert) (out []role) {
	add := func(r role) {
		if len(out) < maxRoles && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			if d := ancestry.Dependency(e.Process); d != nil && d.Package != nil {
				add(role{*d.Package, d.Lifecycle})
			}
			if e.Package != nil && e.Package.Name != "" {
				add(role{Package: *e.Package})
			}
		}
	}
	return out
}
