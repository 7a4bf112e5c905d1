package watchers

import (
	"context"
	"path/filepath"

	"wormbell"
	"wormbell/internal/autostart"
	"wormbell/watchers/internal/tree"
)

// autostartWatcher tells of every write of a file from which something starts
// by itself: units, shells' start-up files, git hooks, tasks of editors. Which
// these are is a table. What is written it does not read.
var autostartWatcher = Watcher{
	Name:  "autostart",
	Kinds: []wormbell.Kind{wormbell.FileWrite},
	Run: func(ctx context.Context, host Host, out Out) error {
		if host.Tree == nil {
			return errNoTree
		}
		return watchAutostart(ctx, host, out)
	},
}

const (
	// A folder that is moved into place is looked through this deep: as deep as
	// the table's deepest row below its first folder.
	maxMovedDepth = 4
	// maxMoved is how many files of it are told of.
	maxMoved = 100
)

func watchAutostart(ctx context.Context, host Host, out Out) error {
	feed := host.Tree.feed
	sub := feed.Subscribe(tree.Want{Name: autostart.Name, Dirs: true})
	defer sub.Close()
	for _, home := range host.Homes {
		for _, dir := range autostart.Folders() {
			sub.Add(filepath.Join(home.Dir, filepath.FromSlash(dir)))
		}
	}
	for {
		c, err := sub.Next(ctx)
		if err != nil {
			return nil // ctx is done
		}
		home := host.Tree.home(c.Home)
		switch {
		case c.Op == tree.Armed:
			if s, ok := feed.State(); ok {
				out.Sees(s.Backend, s.Who, s.Why)
			}
		case c.Op == tree.Overflow:
			out.Emit(wormbell.Event{Time: c.Time, Kind: wormbell.Gap, Source: c.Source, Count: c.Count,
				Line: "writes to places from where programs start were missed"})
		case home == nil || c.Op == tree.Removed || c.Op == tree.MovedOut || c.Op == tree.Vanished:
		case c.Dir:
			if autostart.Holds(short(home, c.Path)) {
				for _, p := range arrived(ctx, feed, home, c.Path) {
					out.Emit(autostartWrite(c, home, p))
				}
			}
		default:
			if _, _, ok := autostart.Of(short(home, c.Path)); ok {
				out.Emit(autostartWrite(c, home, c.Path))
			}
		}
	}
}

func autostartWrite(c tree.Change, home *Home, path string) wormbell.Event {
	return wormbell.Event{Time: c.Time, Kind: wormbell.FileWrite, Source: c.Source, User: home.User, Process: c.Process, Path: short(home, path)}
}

// arrived returns the files of the table in a folder that came with its content.
func arrived(ctx context.Context, feed *tree.Feed, home *Home, dir string) (paths []string) {
	depth := func(p string) int {
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return maxMovedDepth
		}
		n := 0
		for ; rel != "."; rel = filepath.Dir(rel) {
			n++
		}
		return n
	}
	feed.Walk(ctx, dir, func(in, name string, isDir bool) bool {
		p := filepath.Join(in, name)
		if isDir {
			return depth(p) < maxMovedDepth && autostart.Holds(short(home, p)) && len(paths) < maxMoved
		}
		if _, _, ok := autostart.Of(short(home, p)); ok && len(paths) < maxMoved {
			paths = append(paths, p)
		}
		return false
	})
	return paths
}
