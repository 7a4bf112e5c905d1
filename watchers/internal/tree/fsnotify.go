package tree

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"

	"wormbell/internal/answer"
)

// notifier is fsnotify with a queue of our own between, so that the kernel's,
// which holds 16,384 events, is emptied while we are busy listing folders.
type notifier struct {
	// ws watch by root, "" for all that answer at once: whoever waits for a file
	// system holds up all others of the same watcher. The follower's goroutine.
	ws     map[string]*fsnotify.Watcher
	roots  map[string]string // of watched folders of the others
	looker *answer.Looker    // how those are asked
	ready  chan struct{}     // of 1: take has something
	done   chan struct{}     // closed when the reading goroutine of the first has ended
	keep   func(name []byte) bool

	mu    sync.Mutex // guards what follows
	queue []fsnotify.Event
	lost  bool
}

// maxHeard is how many events may wait in our own queue: an install makes
// 100,000 in folders that matter, most of which are not kept.
const maxHeard = 1 << 18

func newNotifier(keep func(name []byte) bool, looker *answer.Looker) (*notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("start fsnotify: %w", err)
	}
	n := &notifier{ws: map[string]*fsnotify.Watcher{"": w}, roots: map[string]string{}, looker: looker,
		ready: make(chan struct{}, 1), done: make(chan struct{}), keep: keep}
	go func() { // ends when w is closed; close waits for it
		defer close(n.done)
		n.read(w)
	}()
	return n, nil
}

func (n *notifier) close() {
	for root, w := range n.ws {
		if root != "" {
			n.looker.Do(context.Background(), root, w.Close) // who was left behind with it has it for good
		}
	}
	n.ws[""].Close()
	<-n.done
}

// add watches dir. full says that there are no watches left. far is the root that
// dir is in if that may never answer, else "".
func (n *notifier) add(far, dir string) (full bool, err error) {
	w := n.ws[far]
	if w == nil {
		if w, err = fsnotify.NewWatcher(); err != nil {
			return true, fmt.Errorf("start fsnotify: %w", err)
		}
		n.ws[far] = w
		go n.read(w) // ends when w is closed, which may never be
	}
	if far == "" {
		err = w.Add(dir)
	} else {
		n.roots[dir] = far
		err = n.looker.Do(context.Background(), far, func() error { return w.Add(dir) })
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENOMEM), err
}

func (n *notifier) remove(dir string) {
	far, ok := n.roots[dir]
	if !ok {
		n.ws[""].Remove(dir)
		return
	}
	delete(n.roots, dir)
	w := n.ws[far]
	n.looker.Do(context.Background(), far, func() error { return w.Remove(dir) })
}

// read moves what may matter into the queue.
func (n *notifier) read(w *fsnotify.Watcher) {
	events, errs := w.Events, w.Errors
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if e.Name == "" || e.Op&^fsnotify.Chmod == 0 {
				continue
			}
			// Without asking the file system it is not known which new names are
			// folders; of the others only wanted ones matter.
			if e.Op&^(fsnotify.Write|fsnotify.Chmod) == 0 && !n.keep([]byte(filepath.Base(e.Name))) {
				continue
			}
			n.put(e, false)
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			if errors.Is(err, syscall.EINVAL) {
				continue // a watch that was to be removed is gone already
			}
			// An overflow of the kernel's queue, or a reading that failed: either
			// way there may be events that we shall never see.
			n.put(fsnotify.Event{}, true)
		}
	}
}

func (n *notifier) put(e fsnotify.Event, lost bool) {
	n.mu.Lock()
	if lost || len(n.queue) >= maxHeard {
		n.lost = true
	} else if k := len(n.queue); k == 0 || n.queue[k-1] != e {
		n.queue = append(n.queue, e)
	}
	n.mu.Unlock()
	select {
	case n.ready <- struct{}{}:
	default:
	}
}

// take returns what is queued, and whether anything was lost.
func (n *notifier) take() ([]fsnotify.Event, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q, lost := n.queue, n.lost
	n.queue, n.lost = nil, false
	return q, lost
}

// takeEvents works through what fsnotify heard.
func (l *follower) takeEvents(ctx context.Context) {
	events, lost := l.notify.take()
	for _, e := range events {
		if ctx.Err() != nil {
			return
		}
		l.event(ctx, e)
	}
	if lost {
		l.log.Warn("fsnotify lost events, everything is gone through again")
		for _, r := range l.roots {
			l.descend(ctx, r, nil)
		}
		for dir := range l.explicit {
			if l.inRoots(dir) {
				l.descend(ctx, dir, nil)
			}
		}
		l.feed.overflow(0)
	}
}

// event takes one event of fsnotify.
func (l *follower) event(ctx context.Context, e fsnotify.Event) {
	wanted := l.feed.wanted([]byte(filepath.Base(e.Name)))
	if e.Op.Has(fsnotify.Remove) || e.Op.Has(fsnotify.Rename) {
		op := Removed
		if e.Op.Has(fsnotify.Rename) {
			op = MovedOut
		}
		if l.watched[e.Name] || l.polled[e.Name] != nil {
			// Watches below a folder that was renamed would go on under its old name.
			l.drop(e.Name)
			l.tell(Change{Op: op, Dir: true, Path: e.Name, Source: "fsnotify"})
		} else if wanted {
			l.tell(Change{Op: op, Path: e.Name, Source: "fsnotify"})
		}
	}
	if e.Op.Has(fsnotify.Create) {
		switch {
		case l.cares(e.Name) > 0 && isDir(l.feed, e.Name):
			l.appeared(ctx, e.Name, "fsnotify")
			return
		case wanted:
			l.heard(e.Name)
			l.tell(Change{Op: Create, Path: e.Name, Source: "fsnotify"})
		}
	}
	if e.Op.Has(fsnotify.Write) && wanted {
		l.heard(e.Name)
		l.tell(Change{Op: Write, Path: e.Name, Source: "fsnotify"})
	}
}

func isDir(f *Feed, path string) bool {
	i, err := f.Stat(path)
	return err == nil && i.Dir
}
