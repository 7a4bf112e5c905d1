package watchers

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"wormbell"
	"wormbell/internal/mask"
	"wormbell/watchers/internal/history"
	"wormbell/watchers/internal/tree"
)

// The shellhistory watcher tells the commands that people typed, as their
// shells add them to the history. It is the one watcher that opens a file
// which may hold secrets: they are masked before anything leaves it, and
// neither the log nor an error has any of the content.
var shellHistoryWatcher = Watcher{
	Name:  "shellhistory",
	Kinds: []wormbell.Kind{wormbell.ShellCommand},
	Run: func(ctx context.Context, host Host, out Out) error {
		if host.Tree == nil {
			return errNoTree
		}
		return watchHistories(ctx, host, out)
	},
}

func watchHistories(ctx context.Context, host Host, out Out) error {
	feed := host.Tree.feed
	sub := feed.Subscribe(tree.Want{Name: history.IsName})
	defer sub.Close()
	h := newHistories(host.Homes, feed.Open, host.Log)
	h.marks = loadMarks(host.State, h.log)
	defer h.marks.save()
	for _, home := range host.Homes {
		for _, dir := range historyDirs(home) {
			sub.Add(dir)
		}
	}
	// What was there before the first look at a home is known, not new; what was
	// typed since the last one is new.
	for _, p := range historyFiles(host.Homes, feed) {
		for _, e := range h.look(tree.Change{Path: p, Time: h.since, Source: "scan"}, true) {
			out.Emit(e)
		}
	}
	h.met()
	var said string // of files that cannot be read
	var seen tree.State
	for {
		c, err := sub.Next(ctx)
		if err != nil {
			return nil // ctx is done
		}
		var events []wormbell.Event
		switch c.Op {
		case tree.Armed:
		case tree.Overflow:
			out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.Gap, Source: c.Source, Count: c.Count,
				Line: "changes of shell histories were missed: all were looked at again"})
			for _, p := range historyFiles(host.Homes, feed) {
				events = append(events, h.look(tree.Change{Path: p, Time: c.Time, Source: "scan"}, false)...)
			}
		default:
			events = h.look(c, false)
		}
		for _, e := range events {
			out.Emit(e)
		}
		h.marks.save()
		now, armed := feed.State()
		if why := h.why(); armed && (now != seen || why != said) {
			seen, said = now, why
			out.Sees(now.Backend, now.Who, strings.Trim(now.Why+"; "+why, "; "))
		}
	}
}

// historyDirs are the folders of home in which history files lie.
func historyDirs(home Home) []string {
	dirs := []string{home.Dir}
	for _, f := range history.Files {
		dirs = append(dirs, filepath.Join(home.Dir, filepath.FromSlash(path.Dir(f))))
	}
	for _, d := range history.Dirs {
		dirs = append(dirs, filepath.Join(home.Dir, filepath.FromSlash(d)))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// historyFiles lists where history files are or may be.
func historyFiles(homes []Home, feed *tree.Feed) (paths []string) {
	for _, home := range homes {
		for _, f := range history.Files {
			paths = append(paths, filepath.Join(home.Dir, filepath.FromSlash(f)))
		}
		for _, d := range history.Dirs {
			dir := filepath.Join(home.Dir, filepath.FromSlash(d))
			feed.List(dir, func(name string, isDir bool) {
				if history.IsName([]byte(name)) && !isDir && len(paths) < 4*maxHistories {
					paths = append(paths, filepath.Join(dir, name))
				}
			})
		}
	}
	return paths
}

const (
	// maxHistories is how many files are followed. A person has three.
	maxHistories = 256
	// maxHistory is how much of a file is read, the end of it, in bytes.
	maxHistory = 16 << 20
	// maxTold is how many commands are told at once, the newest: a shell that
	// ends writes what was typed since it began. The rest becomes a gap.
	maxTold = 2000
	// maxToldBytes bounds their text.
	maxToldBytes = 4 << 20
	// maxAppeared is the size in bytes up to which a file that appears may hold
	// what was typed just now. What is larger was copied.
	maxAppeared = 64 << 10
	// rewriting is how long a shell may take between emptying its history and
	// having filled it again.
	rewriting = time.Minute
)

// histories follows the history files of all homes. It is used by one
// goroutine.
type histories struct {
	homes []Home
	open  func(path string) (tree.File, error) // regular files only, never blocking
	log   *slog.Logger
	seed  maphash.Seed
	since time.Time // what was typed before is not news in a file that appears
	files map[string]*historyFile
	bad   map[string]string // files that cannot be read, and why
	marks *marks            // how far they were read, for when the agent runs again
}

func newHistories(homes []Home, open func(string) (tree.File, error), log *slog.Logger) *histories {
	return &histories{homes: homes, open: open, log: log, seed: maphash.MakeSeed(), since: time.Now(),
		files: map[string]*historyFile{}, bad: map[string]string{}, marks: loadMarks("", log)}
}

// met notes that all homes have been looked at.
func (h *histories) met() {
	for _, home := range h.homes {
		h.marks.Homes[home.Dir] = h.since
		h.marks.dirty = true
	}
	h.marks.save()
}

// historyFile is what is remembered of one file. Its text is not.
type historyFile struct {
	home  *Home
	short string
	known *history.Known
	// former is what was known before the file was emptied: the shell that did
	// it may write everything anew.
	former *history.Known
	left   *history.Left // stood at the end and is gone, until leftTill
	till   time.Time
	parser *history.Parser // stands behind what was read
	info   fs.FileInfo     // as of the last look
	end    uint64          // hash of the last bytes before the parser
	gaps   []wormbell.Event
}

// look reads what is new at c.Path and tells it. At first sight that is what can
// have been typed just now, or, if baseline, since the agent ran last.
func (h *histories) look(c tree.Change, baseline bool) []wormbell.Event {
	home, format, ok := h.formatOf(c.Path)
	if !ok {
		return nil
	}
	f, fi, err := h.openOwned(c.Path, home)
	switch {
	case absent(err):
		delete(h.bad, c.Path)
		return nil // what was known stays: it may come back
	case err != nil:
		h.bad[c.Path] = unreadable(err)
		return nil
	}
	defer f.Close()
	delete(h.bad, c.Path)
	s := h.files[c.Path]
	if s == nil {
		if len(h.files) >= maxHistories {
			h.bad[c.Path] = "too many histories"
			return nil
		}
		s = &historyFile{home: home, short: "~/" + belowHome(home, c.Path), known: history.NewKnown(format, h.seed), parser: history.NewParser(format)}
		h.files[c.Path] = s
	}
	told, err := h.read(s, f, fi, format, c, baseline)
	if err != nil {
		h.bad[c.Path] = unreadable(err)
		h.log.Debug("read a history", "path", s.short, "err", err)
		return nil
	}
	h.marks.set(home, c.Path, f, s.parser.Settled(), time.Now())
	return h.events(s, told, c)
}

// formatOf finds the home and the format of a history file.
func (h *histories) formatOf(name string) (*Home, history.Format, bool) {
	for i := range h.homes {
		home := &h.homes[i]
		if tree.Within(name, home.Dir) {
			if f, ok := history.FormatOf(belowHome(home, name)); ok {
				return home, f, true
			}
		}
	}
	return nil, 0, false
}

// errOwner is for a file in a home that is somebody else's.
var errOwner = errors.New("belongs to another user")

// openOwned opens a history of the owner of home, or of root there.
func (h *histories) openOwned(name string, home *Home) (tree.File, fs.FileInfo, error) {
	f, err := h.open(name)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = tree.ErrNotRegular
	}
	if err == nil && home.UID >= 0 && !ownedBy(fi, home.UID) {
		err = errOwner
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// unreadable says why a file cannot be read, without its path.
func unreadable(err error) string {
	var no syscall.Errno
	switch {
	case errors.Is(err, errOwner):
		return errOwner.Error()
	case errors.Is(err, tree.ErrNotRegular):
		return "not a regular file"
	case errors.Is(err, syscall.ELOOP):
		return "behind a symbolic link"
	case errors.As(err, &no):
		return no.Error()
	}
	return "it cannot be opened"
}

// absent reports whether err says that there is no such file, or that the feed
// does not touch the place, which it says itself.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, tree.ErrNotCovered)
}

// why says which files cannot be read.
func (h *histories) why() string {
	var bad []string
	for name, because := range h.bad {
		for i := range h.homes {
			if tree.Within(name, h.homes[i].Dir) {
				bad = append(bad, fmt.Sprintf("cannot read ~/%s: %s", belowHome(&h.homes[i], name), because))
				break
			}
		}
	}
	slices.Sort(bad)
	if n := len(bad) - 3; n > 0 {
		bad = append(bad[:3], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(bad, "; ")
}

// events turns commands into events. This is where secrets end.
func (h *histories) events(s *historyFile, told []history.Entry, c tree.Change) []wormbell.Event {
	out := s.gaps
	s.gaps = nil
	for i := range out {
		out[i].Time, out[i].Source, out[i].User, out[i].Path = c.Time, c.Source, s.home.User, s.short
	}
	for _, e := range told {
		line, kinds := mask.Line(e.Line)
		when := e.When
		if when.IsZero() || when.After(c.Time.Add(24*time.Hour)) {
			when = c.Time
		}
		out = append(out, wormbell.Event{Time: when, Kind: wormbell.ShellCommand, Source: c.Source, User: s.home.User,
			Process: c.Process, Path: s.short, Line: line, Secrets: kinds})
	}
	return out
}

// lose notes that n commands, 0 if that is not known, are not told, and why.
func (s *historyFile) lose(n int, why string) {
	s.gaps = append(s.gaps, wormbell.Event{Kind: wormbell.Gap, Count: n, Line: why})
}
