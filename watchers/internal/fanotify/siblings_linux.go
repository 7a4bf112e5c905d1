package fanotify

import (
	"errors"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// hotOpens within a second make a file beside the guarded ones worth
	// ignoring: answering costs its openers some 20 µs each. Seldom opened
	// files are never ignored, so that a backup copy which is renamed over a
	// guarded file is seen at its first open.
	hotOpens = 16
	// ignorableAge is how long a file must have been left alone. The temporary
	// file of a program that is about to rename it over a guarded one is
	// younger.
	ignorableAge = 2 * time.Second
	maxIgnored   = 1024
)

// siblings are the files beside guarded ones whose openers we are told of only
// because a mark on a folder means all files in it.
type siblings struct {
	window time.Time  // of the reader alone: when opens was begun
	opens  map[ID]int // of the reader alone

	mu        sync.Mutex // guards what follows
	ignored   map[string]time.Time
	evictable bool // the kernel knows FAN_MARK_EVICTABLE (Linux 5.19)
}

// sibling counts an open of a file that is not guarded, and stops the events
// of one that is hot. The kernel drops an ignore mark by itself when the file
// is written to. What is not seen in the end: a file that was hot, old and
// unchanged under another name, renamed over a guarded name and opened in the
// instant before MarkFile. Its content was unguarded until then anyway.
func (p *Perm) sibling(f *File, now time.Time) {
	h := &p.hot
	if now.Sub(h.window) > time.Second || len(h.opens) > 4096 {
		h.window = now
		clear(h.opens)
	}
	if h.opens == nil {
		h.opens = make(map[ID]int)
	}
	h.opens[f.ID]++
	if h.opens[f.ID]%hotOpens != 0 || !f.olderThan(ignorableAge, now) || !p.cfg.Ignorable(f) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ignored == nil {
		h.ignored = make(map[string]time.Time)
	}
	if len(h.ignored) >= maxIgnored || f.Path() == "" {
		return
	}
	if err := p.ignore(f.fd); err != nil {
		return
	}
	h.ignored[f.Path()] = now
	// Since we looked it may have become a guarded file, and whoever noticed
	// may have called MarkFile before the ignore mark was there. They make it
	// known to Guarded first: look again.
	again := File{ID: f.ID, fd: f.fd}
	if p.cfg.Guarded(&again) || !p.cfg.Ignorable(&again) {
		p.unignore(ProcFD(f.fd), 0)
	}
}

// ignore stops the events of one file until it is written to.
func (p *Perm) ignore(fd int) error {
	const flags = unix.FAN_MARK_ADD | unix.FAN_MARK_IGNORED_MASK
	if p.hot.evictable {
		// Evictable: it does not keep the inode in memory.
		err := p.group.Mark(flags|unix.FAN_MARK_EVICTABLE, unix.FAN_OPEN_PERM, ProcFD(fd))
		if !errors.Is(err, unix.EINVAL) {
			return err
		}
		p.hot.evictable = false
	}
	return p.group.Mark(flags, unix.FAN_OPEN_PERM, ProcFD(fd))
}

// unignore takes ignore back; flags may hold FAN_MARK_DONT_FOLLOW.
func (p *Perm) unignore(path string, flags uint) error {
	err := p.group.Mark(unix.FAN_MARK_REMOVE|unix.FAN_MARK_IGNORED_MASK|flags, unix.FAN_OPEN_PERM, path)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// Heed takes every file into account again that has been ignored for longer
// than d before now.
func (p *Perm) Heed(d time.Duration, now time.Time) {
	h := &p.hot
	var paths []string
	h.mu.Lock()
	for path, since := range h.ignored {
		if now.Sub(since) >= d {
			paths = append(paths, path)
			delete(h.ignored, path)
		}
	}
	h.mu.Unlock()
	for _, path := range paths { // outside the lock: the reader takes it
		p.unignore(path, unix.FAN_MARK_DONT_FOLLOW)
	}
}

// writeResponse writes r to a group.
func writeResponse(fd int, r *unix.FanotifyResponse) error {
	_, err := unix.Write(fd, (*[unsafe.Sizeof(*r)]byte)(unsafe.Pointer(r))[:])
	return err
}
