package watchers

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"wormbell"
	"wormbell/watchers/internal/manifest"
	"wormbell/watchers/internal/tree"
)

// scan is one search of a folder, for manifests of projects or for packages.
type scan struct {
	dir     string
	kind    scanKind
	time    time.Time         // of the change that caused it
	process *wormbell.Process // who caused it
	source  string
}

type scanKind uint8

const (
	scanFirst scanKind = iota + 1 // what is there is the state that changes are compared with
	scanAgain                     // changes were missed
	scanMoved                     // a folder came with its content
	scanGone                      // something in it went
)

// found is what a scan met, or its end.
type found struct {
	scan
	done     bool
	path     string             // of a manifest, or of a node_modules folder
	home     int                // that path is in
	manifest *wormbell.Manifest // nil if it cannot be read
	scripts  []manifest.Script  // its own
	names    []string           // of the packages in a node_modules folder, sorted; not to be changed
}

// maxScans is how many searches may wait: each folder that is moved asks for
// one. Beyond it they become one search of everything.
const maxScans = 256

// scans searches folders one after the other, beside the loop that takes
// events.
type scans struct {
	feed   *tree.Feed
	search func(ctx context.Context, feed *tree.Feed, q scan, met func(found))
	found  chan found // not buffered: a search is as slow as its reader
	wake   chan struct{}

	mu      sync.Mutex // guards what follows
	waiting []scan
	firsts  int // scanFirst ones that are not done
}

func newScans(feed *tree.Feed, search func(context.Context, *tree.Feed, scan, func(found))) *scans {
	return &scans{feed: feed, search: search, found: make(chan found), wake: make(chan struct{}, 1)}
}

// ask has a folder searched. A folder that is searched anyway is not searched
// again, unless this is for another reason.
func (s *scans) ask(q scan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiting {
		if w.kind == q.kind && tree.Within(q.dir, w.dir) {
			return
		}
	}
	if len(s.waiting) >= maxScans && q.kind != scanFirst {
		h := s.feed.Home(q.dir)
		if h == "" {
			return
		}
		q = scan{dir: h, kind: scanAgain, time: q.time}
		for _, w := range s.waiting {
			if w.kind == q.kind && w.dir == h {
				return
			}
		}
	}
	if q.kind == scanFirst {
		s.firsts++
	}
	s.waiting = append(s.waiting, q)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// first returns how many scanFirst searches are not done.
func (s *scans) first() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.firsts
}

// run searches until ctx is done.
func (s *scans) run(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		var q scan
		ok := len(s.waiting) > 0
		if ok {
			q, s.waiting = s.waiting[0], s.waiting[1:]
		}
		s.mu.Unlock()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			}
			continue
		}
		s.search(ctx, s.feed, q, func(f found) {
			f.scan = q
			s.send(ctx, f)
		})
		if q.kind == scanFirst {
			s.mu.Lock()
			s.firsts--
			s.mu.Unlock()
		}
		s.send(ctx, found{scan: q, done: true})
	}
}

func (s *scans) send(ctx context.Context, f found) {
	select {
	case s.found <- f:
	case <-ctx.Done():
	}
}

// findManifests walks one folder. It does not go into node_modules: what is
// installed is no project.
func findManifests(ctx context.Context, feed *tree.Feed, q scan, met func(found)) {
	feed.Walk(ctx, q.dir, func(dir, name string, isDir bool) bool {
		path := filepath.Join(dir, name)
		home := feed.HomeOf(path)
		if home < 0 {
			return false
		}
		if isDir {
			return name != "node_modules" && !tree.Skipped(feed.Below(home, path))
		}
		if name == manifest.File {
			f := found{path: path, home: home}
			if b, _, err := feed.ReadFile(path, manifest.MaxSize); err == nil {
				if f.manifest, _ = manifest.Parse(b); f.manifest != nil { // nil says that it is none
					f.scripts = manifest.Scripts(b)
				}
			}
			met(f)
		}
		return false
	})
}
