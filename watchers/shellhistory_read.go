package watchers

import (
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"

	"wormbell/watchers/internal/history"
	"wormbell/watchers/internal/tree"
)

// piece is how much of a history is read at once, in bytes.
const piece = 256 << 10

// read brings s up to what f holds, and returns the commands that are new.
func (h *histories) read(s *historyFile, f tree.File, fi fs.FileInfo, format history.Format, c tree.Change, baseline bool) ([]history.Entry, error) {
	was, at := s.info, s.parser.Settled()
	var told []history.Entry
	var err error
	switch {
	case was != nil && os.SameFile(was, fi) && was.Size() == fi.Size() && was.ModTime().Equal(fi.ModTime()):
		return nil, nil // told already
	case was == nil && baseline:
		told, err = h.returned(s, f, fi, format, c)
	case s.known.Len() == 0 && at == 0:
		told, err = h.appeared(s, f, fi, format, c)
	case os.SameFile(was, fi) && fi.Size() >= at && fi.Size()-at <= maxHistory && endsAs(f, at, h.seed, s.end):
		told, err = h.appended(s, f, fi.Size(), c)
	default:
		told, err = h.rewritten(s, f, fi, format, c)
	}
	if err != nil {
		return nil, err
	}
	if s.end, err = endHash(f, s.parser.Settled(), h.seed); err != nil {
		return nil, err
	}
	s.info = fi
	return told, nil
}

// returned reads a file for the first time in this run, and tells what was added
// since the agent ran last. At the very first look at a home all is known.
func (h *histories) returned(s *historyFile, f tree.File, fi fs.FileInfo, format history.Format, c tree.Change) (told []history.Entry, err error) {
	last, met := h.marks.Homes[s.home.Dir]
	mark, marked := h.marks.Files[c.Path]
	switch {
	case !met:
		s.parser, err = pass(f, fi.Size(), format, s.known.Learn)
		return nil, err
	case !marked: // it came while nobody watched
		now := h.since
		h.since = last
		defer func() { h.since = now }()
		return h.appeared(s, f, fi, format, c)
	}
	// Shells take old commands out and put new ones at the end. What stands behind
	// the mark is new if the mark is still where it was, or was moved.
	at, same := mark.moved(f, fi.Size())
	if !same && len(mark.Shape) < minShape {
		at, same = mark.End, fi.Size() >= mark.End // too short a history to be told by its shape
	}
	if same && fi.Size()-at <= maxHistory {
		p, err := pass(f, at, format, s.known.Learn)
		if err != nil {
			return nil, err
		}
		if p.Settled() == at { // else the mark is in the middle of a command: it is another file
			var sink sink
			p = p.Resume()
			err = feed(p, f, at, fi.Size(), func(e history.Entry) {
				s.known.Learn(e)
				sink.add(e)
			})
			s.parser = p
			return sink.done(s), err
		}
	}
	// Only the times can tell what is new.
	s.known = s.known.Next()
	timed := false
	var sink sink
	s.parser, err = pass(f, fi.Size(), format, func(e history.Entry) {
		s.known.Learn(e)
		timed = timed || !e.When.IsZero()
		if e.When.After(mark.Seen) {
			sink.add(e)
		}
	})
	if !timed && s.known.Len() > 0 {
		s.lose(0, "a history was written anew while the agent did not run: what of it is new is not known")
	}
	return sink.done(s), err
}

// appended reads what was added to a file that is otherwise as it was.
func (h *histories) appended(s *historyFile, f tree.File, size int64, c tree.Change) ([]history.Entry, error) {
	p, sink := s.parser.Resume(), sink{}
	if c.Time.After(s.till) {
		s.left = nil
	}
	err := feed(p, f, p.Settled(), size, func(e history.Entry) {
		s.known.Learn(e)
		if !s.left.Next(s.known, e) {
			sink.add(e)
		}
	})
	if err != nil {
		return nil, err
	}
	s.parser = p
	return sink.done(s), nil
}

// rewritten reads a file that is another one than before, or was changed in
// the middle, and finds out what is new in it.
func (h *histories) rewritten(s *historyFile, f tree.File, fi fs.FileInfo, format history.Format, c tree.Change) ([]history.Entry, error) {
	next := s.known.Next()
	p, err := pass(f, fi.Size(), format, next.Learn)
	if err != nil {
		return nil, err
	}
	if next.Len() == 0 { // emptied, or not filled again yet
		s.former, s.known, s.parser, s.left = s.known, next, p, nil
		return nil, nil
	}
	news, ok := s.known.Compare(next, h.since)
	if !ok {
		s.lose(0, "history was rewritten")
		s.known, s.parser, s.left = next, p, nil
		return nil, nil
	}
	left := news.Left()
	told, err := collect(s, f, fi.Size(), format, news)
	if err != nil {
		return nil, err
	}
	s.known, s.parser, s.left, s.till = next, p, left, c.Time.Add(rewriting)
	return told, nil
}

// appeared reads a file that was empty or not there. What is in it was typed
// just now, unless it was copied or is being written anew: fish, for one,
// begins with everything that bash knows.
func (h *histories) appeared(s *historyFile, f tree.File, fi fs.FileInfo, format history.Format, c tree.Change) ([]history.Entry, error) {
	next := s.known.Next()
	p, err := pass(f, fi.Size(), format, next.Learn)
	if err != nil {
		return nil, err
	}
	if s.former != nil && next.Len() > 2 { // few commands prove nothing
		if news, ok := s.former.Compare(next, h.since); ok {
			left := news.Left()
			told, err := collect(s, f, fi.Size(), format, news)
			if err != nil {
				return nil, err
			}
			s.known, s.parser, s.left, s.till, s.former = next, p, left, c.Time.Add(rewriting), nil
			return told, nil
		}
	}
	if fi.Size() > maxAppeared {
		s.lose(0, "a whole history appeared: what of it is new is not known")
		s.known, s.parser = next, p
		return nil, nil
	}
	elsewhere := h.elsewhere(s)
	var all, typed []history.Entry
	if _, err := pass(f, fi.Size(), format, func(e history.Entry) {
		all = append(all, e)
		if !next.In(elsewhere, e) && (e.When.IsZero() || e.When.After(h.since.Add(-time.Minute))) {
			typed = append(typed, e)
		}
	}); err != nil {
		return nil, err
	}
	// Most of it stands in another history, or is older than the watch: this is
	// a copy, and only what is nowhere else may be new. Two commands are no copy.
	if len(all) > 2 && len(typed)*2 < len(all) {
		all = typed
	}
	var sink sink
	for _, e := range all {
		sink.add(e)
	}
	s.known, s.parser, s.former = next, p, nil
	return sink.done(s), nil
}

// elsewhere is the set of the commands in the other histories of this home.
func (h *histories) elsewhere(s *historyFile) map[uint64]struct{} {
	set := map[uint64]struct{}{}
	for _, o := range h.files {
		if o != s && o.home == s.home {
			for k := range o.known.Texts() {
				set[k] = struct{}{}
			}
		}
	}
	return set
}

// collect reads f once more for the commands that are new.
func collect(s *historyFile, f tree.File, size int64, format history.Format, news *history.News) ([]history.Entry, error) {
	if news.Len() == 0 {
		return nil, nil
	}
	var sink sink
	_, err := pass(f, size, format, func(e history.Entry) {
		if e, fresh := news.Of(e); fresh {
			sink.add(e)
		}
	})
	return sink.done(s), err
}

// pass tells every command of the first size bytes of f, or of the last
// maxHistory of them.
func pass(f tree.File, size int64, format history.Format, tell func(history.Entry)) (*history.Parser, error) {
	p, from := history.NewParser(format), int64(0)
	if size > maxHistory {
		from = size - maxHistory
		head := make([]byte, piece)
		for from < size {
			n, err := f.ReadAt(head[:min(piece, size-from)], from)
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			var skip int
			p, skip = history.Tail(format, head[:n], from)
			from += int64(skip)
			if skip < n || n == 0 {
				break
			}
		}
	}
	return p, feed(p, f, from, size, tell)
}

// feed gives p the bytes of f between two offsets.
func feed(p *history.Parser, f tree.File, from, to int64, tell func(history.Entry)) error {
	buf := make([]byte, min(piece, max(0, to-from)))
	for from < to {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		p.Feed(buf[:n], tell)
		from += int64(n)
		if errors.Is(err, io.EOF) {
			break // it has shrunk: the next look will find out
		}
		if err != nil {
			return err
		}
	}
	p.Flush(tell)
	return nil
}

// endHash is the hash of the last bytes of f before the offset at, by which an
// append is told from a file that was written over.
func endHash(f tree.File, at int64, seed maphash.Seed) (uint64, error) {
	const n = 4 << 10
	buf := make([]byte, min(n, at))
	if _, err := f.ReadAt(buf, at-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return maphash.Bytes(seed, buf), nil
}

func endsAs(f tree.File, at int64, seed maphash.Seed, want uint64) bool {
	got, err := endHash(f, at, seed)
	return err == nil && got == want
}

// sink keeps the newest commands and counts those that it lets go.
type sink struct {
	kept []history.Entry
	size int
	gone int
}

func (k *sink) add(e history.Entry) {
	k.kept = append(k.kept, e)
	k.size += len(e.Line)
	drop := 0
	for len(k.kept)-drop > maxTold || k.size > maxToldBytes {
		k.size -= len(k.kept[drop].Line)
		k.kept[drop] = history.Entry{}
		drop++
	}
	k.kept = k.kept[drop:]
	k.gone += drop
}

// done returns what was kept and notes what was not.
func (k *sink) done(s *historyFile) []history.Entry {
	if k.gone > 0 {
		s.lose(k.gone, "more commands were added to a history at once than are told")
	}
	return k.kept
}
