package tree

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	pollTick  = 100 * time.Millisecond
	pollRound = 2 * time.Second // each folder once in it, if there are not too many
	// pollMost is how many folders are looked at in a tick: some 0.3 % of a core.
	pollMost = 100
)

// polled is a folder that is looked at from time to time.
type polled struct {
	dir   Stamp
	young bool             // dir was so young that more may have come at what is called the same time
	files map[string]Stamp // the wanted ones, by path
}

// see takes in what the folder itself is like, and reports whether something may
// have come to it or gone since.
func (p *polled) see(now Stamp) bool {
	other := now != p.dir || p.young
	// The clock of the file system is coarse: something may yet come into the
	// folder at what will be called the same time.
	p.dir, p.young = now, time.Since(now.Changed) <= 100*time.Millisecond
	return other
}

// learn takes in a file of a polled folder without telling of it, unless it came
// after the folder was last looked at: now is what the folder is like.
func (l *follower) learn(p *polled, now Stamp, path string) {
	if _, ok := p.files[path]; ok {
		return
	}
	is, _ := l.stamp(path)
	p.files[path] = is
	if now != p.dir && is.Changed.After(p.dir.Changed) {
		l.tell(Change{Op: Create, Path: path, Source: "poll"})
	}
}

// stamp looks at path.
func (l *follower) stamp(path string) (Stamp, bool) {
	i, err := l.feed.Stat(path)
	return i.Stamp, err == nil
}

// poll looks at the next few folders.
func (l *follower) poll(ctx context.Context) {
	n := min(pollMost, (len(l.order)*int(pollTick)+int(pollRound)-1)/int(pollRound))
	for range n {
		if ctx.Err() != nil || len(l.order) == 0 {
			return
		}
		l.at %= len(l.order)
		dir := l.order[l.at]
		l.at++
		l.look(ctx, dir)
	}
}

// look compares one folder with what it was.
func (l *follower) look(ctx context.Context, dir string) {
	p := l.polled[dir]
	if p == nil {
		return
	}
	now, ok := l.stamp(dir)
	if !ok {
		if l.isRoot(dir) || l.feed.silentAt(dir) {
			return // it may come back
		}
		for path := range p.files {
			l.tell(Change{Op: Removed, Path: path, Source: "poll"})
		}
		l.drop(dir)
		// With what is below it, of which nothing more is told.
		l.tell(Change{Op: MovedOut, Dir: true, Path: dir, Source: "poll"})
		return
	}
	for path, was := range p.files {
		switch is, ok := l.stamp(path); {
		case !ok && l.feed.silentAt(path):
			return
		case !ok:
			delete(p.files, path)
			l.tell(Change{Op: Removed, Path: path, Source: "poll"})
		case is != was:
			p.files[path] = is
			l.tell(Change{Op: Write, Path: path, Source: "poll"})
		}
	}
	if !p.see(now) {
		return
	}
	l.feed.List(dir, func(name string, isDir bool) {
		path := filepath.Join(dir, name)
		if isDir {
			if l.cares(path) > 0 && !l.watched[path] && l.polled[path] == nil {
				l.appeared(ctx, path, "poll")
			}
			return
		}
		if _, known := p.files[path]; !known && l.feed.wanted([]byte(name)) {
			p.files[path], _ = l.stamp(path)
			l.tell(Change{Op: Create, Path: path, Source: "poll"})
		}
	})
}

func (l *follower) isRoot(dir string) bool {
	for _, r := range l.roots {
		if r == dir {
			return true
		}
	}
	return false
}

// watchBudget is 5 % of the folders that the system lets one user watch.
func watchBudget() int {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	if err != nil {
		return 400 // 5 % of the old default
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 400
	}
	return max(n/20, 16)
}
