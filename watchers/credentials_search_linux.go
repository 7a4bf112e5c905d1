package watchers

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/stores"
	"wormbell/watchers/internal/tree"
)

const (
	// maxSearched bounds the files that are found by searching, of all homes.
	maxSearched = 512
	// searchGrace is how long the first search may hold up the agent's readiness;
	// it goes on behind it.
	searchGrace = 500 * time.Millisecond
	// newsRest is how long new files wait after the last ones were told: each time
	// everything is looked at.
	newsRest = 250 * time.Millisecond
)

// search finds the files of stores that lie in folders of projects, such as
// .env: to go through all folders by their patterns would put a watch on each.
// It opens folders only, and none that starts with a dot.
type search struct {
	homes  []Home
	tree   *Tree
	stores []*stores.Store
	exact  []string // last names of the patterns
	begins []string // the same, of those that end in *
	depth  int      // names of the longest pattern
	sub    *tree.Subscription
	first  chan struct{} // closed when the first search has ended

	mu    sync.Mutex // guards what follows
	files map[string]guardPattern
	more  bool // than are guarded
	round int
	wake  func() // of the keeper that runs; nil if none does
}

// newSearch returns nil if there is nothing to search for, or nothing to search.
// Close what it subscribed to by running it.
func newSearch(host *Host, table []stores.Store) *search {
	s := &search{homes: host.Homes, tree: host.Tree, first: make(chan struct{}), files: map[string]guardPattern{}}
	for i := range table {
		if st := &table[i]; st.Search && st.On(host.Stores) {
			s.stores = append(s.stores, st)
			for _, p := range st.Paths {
				name := p[strings.LastIndexByte(p, '/')+1:]
				if begin, ok := strings.CutSuffix(name, "*"); ok {
					s.begins = append(s.begins, begin)
				} else {
					s.exact = append(s.exact, name)
				}
				s.depth = max(s.depth, strings.Count(p, "/"))
			}
		}
	}
	if len(s.stores) == 0 || host.Tree == nil {
		return nil
	}
	slices.Sort(s.exact)
	slices.Sort(s.begins)
	s.exact, s.begins = slices.Compact(s.exact), slices.Compact(s.begins)
	return s
}

// named is asked for every name on the file system that something happens to.
func (s *search) named(name []byte) bool {
	for _, n := range s.exact {
		if string(name) == n {
			return true
		}
	}
	for _, n := range s.begins {
		if len(name) >= len(n) && string(name[:len(n)]) == n {
			return true
		}
	}
	return false
}

// run searches, and takes in what comes, until ctx is done.
func (s *search) run(ctx context.Context) {
	s.sub = s.tree.feed.Subscribe(tree.Want{Name: s.named, Dirs: true})
	defer s.sub.Close()
	s.all(ctx)
	close(s.first)
	rest := time.NewTimer(0)
	defer rest.Stop()
	again := time.NewTicker(sweepEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.sub.Ready():
		case <-again.C:
			s.prune()
			continue
		}
		news := false
		for c, ok := s.sub.Take(); ok && ctx.Err() == nil; c, ok = s.sub.Take() {
			switch {
			case c.Op == tree.Overflow:
				s.all(ctx)
			case c.Dir && c.Op == tree.MovedIn:
				news = s.walk(ctx, c.Path) || news
			case c.Dir || c.Path == "":
			case c.Op == tree.Create || c.Op == tree.Write || c.Op == tree.MovedIn:
				news = s.add(c.Path) || news
			}
		}
		if news {
			s.tell()
			rest.Reset(newsRest)
			select {
			case <-ctx.Done():
				return
			case <-rest.C:
			}
		}
	}
}

// all searches every home anew.
func (s *search) all(ctx context.Context) {
	for _, h := range s.homes {
		s.walk(ctx, h.Dir)
	}
	s.tell()
}

// walk searches dir and reports whether it found a file that was not known.
func (s *search) walk(ctx context.Context, dir string) (news bool) {
	s.tree.feed.Walk(ctx, dir, func(in, name string, isDir bool) bool {
		if isDir {
			i := s.tree.feed.HomeOf(in)
			if i < 0 || strings.HasPrefix(name, ".") || name == "node_modules" {
				return false
			}
			below := s.tree.feed.Below(i, filepath.Join(in, name))
			return strings.Count(below, string(filepath.Separator))+2 <= s.depth && !tree.Skipped(below)
		}
		if s.named([]byte(name)) {
			news = s.add(filepath.Join(in, name)) || news
		}
		return false
	})
	return news
}

// add remembers the file at path, and reports whether that is news.
func (s *search) add(file string) bool {
	i := s.tree.feed.HomeOf(file)
	if i < 0 || strings.Contains(file, "/node_modules/") {
		return false
	}
	home := s.homes[i]
	p := short(&home, file)
	at := slices.IndexFunc(s.stores, func(st *stores.Store) bool { return st.Holds(p) && !slices.Contains(st.Paths, p) })
	segs, ok := segments(p)
	if at < 0 || !ok || slices.ContainsFunc(segs, hasPattern) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.files[file]; known {
		return false
	}
	if len(s.files) >= maxSearched {
		news := !s.more
		s.more = true
		return news
	}
	s.files[file] = guardPattern{home: home, store: s.stores[at], path: p, segs: segs}
	return true
}

// prune forgets files that are not there any more.
func (s *search) prune() {
	s.mu.Lock()
	var files []string
	for f := range s.files {
		files = append(files, f)
	}
	s.mu.Unlock()
	gone := false
	for _, f := range files {
		if _, err := s.tree.feed.Stat(f); err != nil {
			s.mu.Lock()
			delete(s.files, f)
			s.mu.Unlock()
			gone = true
		}
	}
	if gone {
		s.tell()
	}
}

// tell has the keeper ask for the news.
func (s *search) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round++
	if s.wake != nil {
		s.wake()
	}
}

// news returns what to guard if that is not what it was in round, and the list
// of what cannot be.
func (s *search) news(round int) (on []guardPattern, off []wormbell.Guarded, now int, ok bool) {
	if s == nil {
		return nil, nil, round, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.files {
		on = append(on, p)
	}
	slices.SortFunc(on, func(a, b guardPattern) int { return strings.Compare(a.home.Dir+a.path, b.home.Dir+b.path) })
	if s.more {
		p := guardPattern{home: s.homes[0], store: s.stores[0]}
		off = append(off, p.guarded(s.stores[0].Paths[len(s.stores[0].Paths)-1], wormbell.GuardNot, whyMany))
	}
	return on, off, s.round, s.round != round
}

// onNews has wake called when there is something new; nil for nobody.
func (s *search) onNews(wake func()) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake = wake
}

// began waits until the first search has ended, but not for long.
func (s *search) began(ctx context.Context) {
	if s == nil {
		return
	}
	timer := time.NewTimer(searchGrace)
	defer timer.Stop()
	select {
	case <-s.first:
	case <-timer.C:
	case <-ctx.Done():
	}
}
