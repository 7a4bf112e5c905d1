package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"wormbell/internal/answer"
)

// This file is about homes on file systems that ask somebody else, a server or a
// program: that one may be gone, and whoever asks then waits for ever. Each call
// there has a limit. A home that does not answer is left alone but for one
// question, and looked through anew once it answers.

const (
	farLimit = 2 * time.Second  // for one call
	farTurn  = 10 * time.Second // how often it is asked whether they answer
	// farRest is the least time between two looks through a home that answers
	// again: its owner may be the one who lets it answer and not.
	farRest = time.Minute
)

// far does something at path that must not wait for ever. A late answer goes to
// drop; do may have no other effect.
func far[T any](f *Feed, path string, do func() (T, error), drop ...func(T)) (T, error) {
	key := f.farRoot(path)
	if key == "" {
		return do()
	}
	v, err := answer.Ask(context.Background(), f.looker, key, do, drop...)
	if errors.Is(err, answer.ErrSilent) {
		f.fell(key)
	}
	return v, err
}

// farRoot returns the root that path is in if that may never answer, else "".
func (f *Feed) farRoot(path string) string {
	if r := f.find(path); r != nil && remote(r.fstype) {
		return r.path
	}
	return ""
}

// fell notes that a root does not answer.
func (f *Feed) fell(root string) {
	f.mu.Lock()
	fresh := !slices.Contains(f.silent, root)
	if fresh {
		f.silent = append(slices.Clip(f.silent), root)
	}
	armed := f.state != nil
	f.mu.Unlock()
	if fresh {
		f.cfg.Log.Error("a home does not answer and is not guarded", "home", root)
	}
	if fresh && armed {
		f.announce()
	}
}

// Silent are the roots that do not answer, and what happens in which is not seen.
func (f *Feed) Silent() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.silent)
}

// farOnes asks those of the roots that may never answer whether they do, and
// returns those that do again. Only the follower's goroutine calls it.
func (l *follower) farOnes(now time.Time) (back []string) {
	if now.Sub(l.asked) < l.turn {
		return nil
	}
	l.asked = now
	f := l.feed
	var ended []string // they no longer matter
	for _, r := range f.Silent() {
		switch {
		case !slices.Contains(l.roots, r):
			ended = append(ended, r)
		case f.farRoot(r) == "": // something else is mounted there now
			back = append(back, r)
		}
	}
	for _, r := range l.roots {
		if f.farRoot(r) == "" {
			continue
		}
		if _, err := f.Stat(r); err == nil && slices.Contains(f.Silent(), r) && now.Sub(l.heardOf[r]) >= farRest {
			l.heardOf[r] = now
			back = append(back, r)
		}
	}
	if len(ended)+len(back) == 0 {
		return nil
	}
	f.mu.Lock()
	f.silent = slices.DeleteFunc(slices.Clone(f.silent), func(r string) bool { return slices.Contains(ended, r) || slices.Contains(back, r) })
	f.mu.Unlock()
	if _, armed := f.State(); armed {
		f.announce()
	}
	return back
}

// silentAt reports whether path is in a root that does not answer: then it is
// not known whether anything is there.
func (f *Feed) silentAt(path string) bool {
	key := f.farRoot(path)
	return key != "" && slices.Contains(f.Silent(), key)
}

// again looks through homes that answer again: what happened meanwhile is in them.
func (l *follower) again(ctx context.Context, roots []string) {
	for _, r := range roots {
		l.log.Info("a home answers again", "home", r)
		l.descend(ctx, r, nil)
		for dir := range l.explicit {
			if Within(dir, r) {
				l.descend(ctx, dir, nil)
			}
		}
		l.tell(Change{Op: MovedIn, Dir: true, Path: r, Source: l.backend()})
	}
}

// File is an open file of a home. Its methods do not wait for ever either.
type File interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// handle is a file or folder that is open. It is used by one goroutine.
type handle struct {
	feed *Feed
	path string
	file *os.File
	key  string // of who may never answer; "" if it does
	lost bool   // somebody was left behind with it, who closes it
}

func (f *Feed) handle(path string, file *os.File) *handle {
	return &handle{feed: f, path: path, file: file, key: f.farRoot(path)}
}

// use does something with h's file.
func use[T any](h *handle, do func() (T, error)) (v T, err error) {
	switch {
	case h.lost:
		return v, answer.ErrSilent
	case h.key == "":
		return do()
	}
	began := false // by the goroutine that ends before we look, or never again
	done := make(chan struct{})
	v, err = answer.Ask(context.Background(), h.feed.looker, h.key, func() (T, error) {
		close(done)
		return do()
	}, func(T) { h.file.Close() })
	select {
	case <-done:
		began = true
	default:
	}
	if errors.Is(err, answer.ErrSilent) {
		h.lost = began
		h.feed.fell(h.key)
	}
	return v, err
}

// ReadAt implements [io.ReaderAt].
func (h *handle) ReadAt(b []byte, at int64) (int, error) {
	if h.key == "" {
		return h.file.ReadAt(b, at)
	}
	own, err := use(h, func() ([]byte, error) {
		own := make([]byte, min(len(b), 64<<10)) // b is the caller's again once we return
		n, err := h.file.ReadAt(own, at)
		return own[:n], err
	})
	n := copy(b, own)
	if err == nil && n < len(b) {
		more, err := h.ReadAt(b[n:], at+int64(n))
		return n + more, err
	}
	return n, err
}

func (h *handle) Stat() (fs.FileInfo, error) { return use(h, h.file.Stat) }

// ReadDir is as that of [os.File].
func (h *handle) ReadDir(n int) ([]os.DirEntry, error) {
	return use(h, func() ([]os.DirEntry, error) { return h.file.ReadDir(n) })
}

// Close implements [io.Closer]. A file of a program's is asked when it is closed, too.
func (h *handle) Close() error {
	if h.key == "" {
		return h.file.Close()
	}
	if h.lost || h.file == nil {
		return nil
	}
	_, err := use(h, func() (struct{}, error) { return struct{}{}, h.file.Close() })
	if errors.Is(err, answer.ErrSilent) && !h.lost {
		go h.file.Close() // it was somebody else who was left behind; this ends when that does
	}
	h.lost = true
	return err
}
