package tree

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"wormbell/internal/answer"
)

func (l *follower) inRoots(path string) bool {
	r := l.feed.find(path)
	return r != nil && r.backend == byFolder
}

// cares reports whether a folder is to be watched, and how urgently: 0 for no,
// 1 for the upper levels of a home, 2 for projects, 3 for packages.
func (l *follower) cares(path string) int {
	h := l.feed.HomeOf(path)
	if h < 0 {
		return 0
	}
	if l.explicit[path] {
		return 2
	}
	rel := strings.Trim(filepath.ToSlash(path[len(l.feed.cfg.Homes[h]):]), "/")
	if rel == "" {
		return 1
	}
	if Skipped(rel) {
		return 0
	}
	before, in, ok := strings.Cut("/"+rel+"/", "/node_modules/")
	switch {
	case ok && packageFolder(in):
		return 3
	case ok:
		return 0
	case strings.Count(before, "/") <= homeLevels+1: // before is /a/b/c/d/
		return 1
	}
	return 0
}

// packageFolder reports whether in, the path below a node_modules with a slash
// at its end, is a folder where packages come and go, or a package's own: "",
// @scope, name, @scope/name, and the same below the node_modules of a package
// or of a store such as .pnpm.
func packageFolder(in string) bool {
	for {
		in = strings.TrimSuffix(in, "/")
		if in == "" {
			return true
		}
		name, rest, more := strings.Cut(in, "/")
		if name[0] == '@' && more {
			name, rest, more = strings.Cut(rest, "/")
		}
		if name == ".pnpm" || name == ".store" { // .pnpm/name@1.0.0/node_modules/…
			if !more {
				return true
			}
			_, rest, more = strings.Cut(rest, "/")
		} else if name[0] == '.' {
			return false // .bin, .cache, npm's .name-AbCdEf on its way out
		}
		if !more {
			return true
		}
		below, ok := strings.CutPrefix(rest+"/", "node_modules/")
		if !ok {
			return false
		}
		in = below
	}
}

// descend watches dir and what matters below it. Wanted files that are found
// are told to found, which may be nil.
func (l *follower) descend(ctx context.Context, dir string, found func(path string)) {
	type todo struct {
		path string
		rank int
	}
	// By levels, so that the watches go to the upper ones first.
	rank := l.cares(dir)
	for level := []todo{{dir, rank}}; len(level) > 0; {
		var next []todo
		for _, t := range level {
			if t.rank == 0 || ctx.Err() != nil || !l.inRoots(t.path) {
				continue
			}
			// The watch first, the listing second: what comes between is seen twice, not never.
			l.follow(t.path, t.rank)
			l.list(t.path, found, func(path string) {
				if r := l.cares(path); r > 0 {
					next = append(next, todo{path, r})
				}
			})
		}
		level = next
	}
}

// list calls found for wanted files in dir and into for its folders.
func (l *follower) list(dir string, found, into func(path string)) {
	p := l.polled[dir]
	var now Stamp
	if p != nil {
		now, _ = l.stamp(dir)
	}
	l.feed.List(dir, func(name string, isDir bool) {
		path := filepath.Join(dir, name)
		switch {
		case isDir:
			into(path)
		case l.feed.wanted([]byte(name)):
			if p != nil {
				l.learn(p, now, path)
			}
			if found != nil {
				found(path)
			}
		}
	})
}

// follow watches one folder by the best means that are left.
func (l *follower) follow(dir string, rank int) {
	share := [...]float64{0, homeShare, projectShare, 1}[rank]
	if l.notify != nil && (l.watched[dir] || len(l.watched) < int(share*float64(l.budget))) {
		far := l.feed.farRoot(dir)
		full, err := l.notify.add(far, dir)
		if errors.Is(err, answer.ErrSilent) {
			l.feed.fell(far)
		}
		if err == nil {
			l.watched[dir] = true
			return
		}
		if !full {
			return // it is gone, or not ours to see
		}
		l.budget = len(l.watched)
		l.log.Warn("the system has no more folder watches for us, the rest is polled", "watches", l.budget)
	}
	if _, ok := l.polled[dir]; ok {
		return
	}
	if len(l.polled) >= maxPolled {
		l.over++
		l.short()
		return
	}
	p := &polled{files: map[string]Stamp{}}
	id, _ := l.stamp(dir)
	p.see(id)
	l.polled[dir] = p
	l.order = append(l.order, dir)
	l.short()
}

// short says what is seen late or not at all.
func (l *follower) short() {
	var s string
	switch {
	case l.over > 0:
		s = "too many folders: some are not watched"
	case l.notify != nil && len(l.polled) > 0:
		s = "some folders are only looked at from time to time"
	}
	l.mu.Lock()
	changed := l.problem != s
	l.problem = s
	l.mu.Unlock()
	if _, armed := l.feed.State(); changed && armed {
		l.feed.announce()
	}
}

// drop stops watching dir and what is below it.
func (l *follower) drop(dir string) {
	for p := range l.watched {
		if Within(p, dir) {
			l.notify.remove(p)
			delete(l.watched, p)
		}
	}
	for p := range l.polled {
		if Within(p, dir) {
			delete(l.polled, p)
		}
	}
	l.order = slices.DeleteFunc(l.order, func(p string) bool { return l.polled[p] == nil })
}
