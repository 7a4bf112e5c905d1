package tree

import (
	"context"
	"slices"
	"time"
)

// settling is a folder that appeared a moment ago. It is gone through again:
// inotify loses a watch that is set between a folder's arrival under a new
// name and the library's hearing of it.
type settling struct {
	path  string
	again time.Time
	round int
	files map[string]Stamp
}

// appeared covers a folder that is new and tells of it and its files.
func (l *follower) appeared(ctx context.Context, dir, source string) {
	if l.cares(dir) == 0 {
		return
	}
	l.tell(Change{Op: MovedIn, Dir: true, Path: dir, Source: source})
	s := settling{path: dir, files: map[string]Stamp{}}
	l.descend(ctx, dir, func(path string) { l.sighted(&s, path, source) })
	if source != "fsnotify" {
		return
	}
	for i := range l.settle { // a folder above it will be gone through anyway
		if Within(dir, l.settle[i].path) && l.settle[i].round == 0 {
			for p, id := range s.files {
				l.settle[i].files[p] = id
			}
			return
		}
	}
	s.again = time.Now().Add(settleAfter)
	l.settle = append(l.settle, s)
}

// sighted tells of a file in a new folder unless it was told of before.
func (l *follower) sighted(s *settling, path, source string) {
	id, ok := l.stamp(path)
	if !ok || s.files[path] == id {
		return
	}
	s.files[path] = id
	l.tell(Change{Op: Create, Path: path, Source: source})
}

// heard notes that a file in a new folder was told of by an event.
func (l *follower) heard(path string) {
	for i := range l.settle {
		if Within(path, l.settle[i].path) {
			l.settle[i].files[path], _ = l.stamp(path)
		}
	}
}

// settleSome goes through new folders again.
func (l *follower) settleSome(ctx context.Context) {
	now := time.Now()
	for len(l.settle) > 0 && !l.settle[0].again.After(now) {
		s := l.settle[0]
		l.settle = l.settle[1:]
		l.descend(ctx, s.path, func(path string) { l.sighted(&s, path, "fsnotify") })
		if s.round++; s.round < settleRounds {
			s.again = now.Add(settleAfter << s.round)
			l.settle = append(l.settle, s)
		}
	}
	slices.SortStableFunc(l.settle, func(a, b settling) int { return a.again.Compare(b.again) })
}
