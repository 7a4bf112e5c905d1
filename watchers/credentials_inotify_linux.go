package watchers

import (
	"context"
	"os"
	"path"
	"time"

	"wormbell"
	"wormbell/watchers/internal/fanotify"
	"wormbell/watchers/internal/inotifyopen"
)

const (
	inotify    = "inotify"
	whyInotify = "a reader that has already closed the file cannot be named, and who read is a guess"
	// maxSearch bounds the searches for readers that wait: beyond, nobody is
	// named. searchRest follows each one, so that a flood of opens costs a
	// share of one core and not all of it.
	maxSearch  = 256
	searchRest = 4 // times as long as the search took
	maxTries   = 4 // searches for one open, 2, 4, 8 and 16 ms apart
)

// runInotify watches by inotify until ctx is done.
func (c *credentials) runInotify(ctx context.Context) error {
	// Who reads is not known here, so nothing would ring: not worth the user's watches.
	c.search = nil
	k, err := newKeeper(c)
	if err != nil {
		return err
	}
	defer k.close()
	b := &inotifyBackend{
		c: c, k: k, uid: os.Getuid(),
		files:  make(map[int32]*watchedFile),
		closes: make(map[string]*closing),
		opens:  make(chan opening, maxSearch),
		found:  make(chan opening, maxSearch),
	}
	k.back = b
	return c.tend(ctx, k, func() { c.out.Sees(inotify, false, whyInotify) }, b.search)
}

// inotifyBackend sees opens by inotify. All but search belongs to the keeper's
// goroutine.
//
// An open of a guarded file is reported twice, by the watch on its folder and
// then by its own; the folder's sees a file that has just been replaced, the
// file's sees other names of it.
type inotifyBackend struct {
	c      *credentials
	k      *keeper
	uid    int
	files  map[int32]*watchedFile // by their watch
	closes map[string]*closing    // the latest open of each path, by its path
	opens  chan opening           // to the search
	found  chan opening           // back from it
}

// watchedFile is a guarded file with a watch of its own.
type watchedFile struct {
	guardedFile
	id   fanotify.ID
	real string
	dir  int32 // the watch of its folder; 0 if opens are not watched there
	skip int   // opens that the folder's watch has told already
}

// closing says how a file was closed since it was last opened. A reader that
// is gone cannot be asked for its flags; this tells as much.
type closing struct{ reader, writer bool }

// opening is one open whose process is looked for.
type opening struct {
	at    time.Time
	file  guardedFile
	real  string      // where the file is
	id    fanotify.ID // of the file if it has a watch of its own
	close *closing

	// What the search found.
	tries int
	held  bool // somebody holds the file
	pid   int  // who may read it; 0 if nobody
	proc  *wormbell.Process
}

const (
	closesMask = inotifyopen.CloseWrite | inotifyopen.CloseNoWrite
	opensMask  = inotifyopen.Open | closesMask
)

func (b *inotifyBackend) mask() uint32 { return opensMask }

func (b *inotifyBackend) folder(*place, int32, bool) error { return nil }

func (b *inotifyBackend) tick(time.Time) {}

func (b *inotifyBackend) file(at, in *place, f guardedFile, _ bool) error {
	w := &watchedFile{guardedFile: f, id: at.id(), real: at.real}
	mask := uint32(opensMask)
	if dir := b.k.folders[in.id()]; dir != nil && dir.guarded {
		w.dir, mask = dir.wd, inotifyopen.Open
	}
	wd, err := b.k.watch.Add(fanotify.ProcFD(at.fd), mask)
	if err != nil {
		return cannotGuard("cannot be watched: " + reason(err))
	}
	if old := b.files[wd]; old != nil {
		w.skip = old.skip
	}
	b.files[wd] = w
	return nil
}

func (b *inotifyBackend) event(e inotifyopen.Event) {
	switch f := b.files[e.WD]; {
	case e.Mask&inotifyopen.Ignored != 0:
		delete(b.files, e.WD)
	case e.Mask&inotifyopen.IsDir != 0:
	case f != nil && f.decoy && !b.c.book.knows(f.id): // it is none any more
	case len(e.Name) > 0:
		b.inFolder(e, string(e.Name))
	case f == nil:
	case e.Mask&closesMask != 0:
		b.closed(f.path, e.Mask)
	case f.skip > 0:
		f.skip--
	default:
		b.opened(opening{file: f.guardedFile, real: f.real, id: f.id})
	}
}

// inFolder takes in what happened to a name in a watched folder.
func (b *inotifyBackend) inFolder(e inotifyopen.Event, base string) {
	dir := b.k.folders[b.k.wds[e.WD]]
	if dir == nil || !dir.guarded {
		return
	}
	file, ok := b.c.book.inFolder(dir.real, base)
	if !ok {
		return
	}
	if e.Mask&closesMask != 0 {
		b.closed(file.path, e.Mask)
		return
	}
	o := opening{file: file, real: path.Join(dir.real, base)}
	for _, w := range b.files {
		if w.dir == e.WD && w.real == o.real {
			w.skip++ // its own watch tells the same next
			o.id = w.id
			break
		}
	}
	b.opened(o)
}

func (b *inotifyBackend) closed(file string, mask uint32) {
	c := b.closes[file]
	switch {
	case c == nil:
	case mask&inotifyopen.CloseWrite != 0:
		c.writer = true
	default:
		c.reader = true
	}
}

// opened takes in one open.
func (b *inotifyBackend) opened(o opening) {
	o.at, o.close = time.Now(), &closing{}
	if len(b.closes) > maxBook {
		clear(b.closes)
	}
	b.closes[o.file.path] = o.close
	b.ask(o)
}

// search is the goroutine that looks for who has opened a file.
func (b *inotifyBackend) search(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-b.opens:
			if o.tries > 0 {
				pause(ctx, time.Millisecond<<o.tries, false)
			}
			begun := time.Now()
			b.find(ctx, o)
			pause(ctx, min(searchRest*time.Since(begun), 200*time.Millisecond), len(b.opens) == 0)
		}
	}
}

// pause waits for d, or not at all if skip.
func pause(ctx context.Context, d time.Duration, skip bool) {
	if skip {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// find looks for the process that holds the file, and hands back what it found.
func (b *inotifyBackend) find(ctx context.Context, o opening) {
	ids := []fanotify.ID{o.id}
	if now, ok := fileAt(o.real); ok && now != o.id {
		ids = []fanotify.ID{now, o.id}
	}
	for _, id := range ids {
		if id == (fanotify.ID{}) || o.pid != 0 {
			continue
		}
		for _, h := range inotifyopen.Holders(id.Dev, id.Ino, b.uid, os.Getpid()) {
			o.held = true
			if h.Reads {
				o.pid, o.proc = h.PID, b.c.who(h.PID)
			}
		}
	}
	select {
	case b.found <- o:
		b.k.wake.Wake()
	case <-ctx.Done():
	}
}

// turn decides about the opens that were searched for. All that happened to
// the file before the search is known by now.
func (b *inotifyBackend) turn() {
	for {
		select {
		case o := <-b.found:
			b.decide(o)
		default:
			return
		}
	}
}

func (b *inotifyBackend) decide(o opening) {
	switch {
	case o.close.writer && !o.close.reader:
		// Somebody who wrote in place, and is gone, has hardly read; whoever
		// holds the file now has opened it since.
	case o.pid != 0, o.close.reader:
		b.tell(o)
	case o.held: // by those that write
	case o.tries < maxTries:
		// An open is reported before the process has its descriptor.
		o.tries++
		b.ask(o)
	default: // it is held by somebody whom we may not look at
		b.tell(o)
	}
}

// ask hands an open to the search.
func (b *inotifyBackend) ask(o opening) {
	select {
	case b.opens <- o:
	default:
		b.tell(o)
	}
}

func (b *inotifyBackend) tell(o opening) {
	b.c.tell(b.k, o.pid, o.file.read(inotify, o.at, o.proc))
}
