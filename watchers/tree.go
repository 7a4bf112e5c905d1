package watchers

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"

	"wormbell"
	"wormbell/watchers/internal/tree"
)

// TreeConfig configures a [Tree].
type TreeConfig struct {
	Homes  []Home
	Refuse []string                        // as in Host
	Who    func(pid int) *wormbell.Process // [Lineage.At]; nil: who is never known
	// Lineage is told who writes to packages while packages are installed; nil: nobody is.
	Lineage *Lineage
	Log     *slog.Logger
	Queue   int // changes that may wait for one watcher; 0 for the default
}

// Tree is the one feed of what happens to files below the homes, shared by the
// watchers of manifests, packages and histories: a second mark on the same file
// system would cost the user's work as much as the first. The agent makes it
// with [NewTree], puts it into [Host] and calls Run beside the watchers'. It is
// safe for concurrent use.
type Tree struct {
	feed  *tree.Feed
	homes []Home
}

// NewTree makes a tree. What happens after it returns is seen by the watchers
// that subscribe before Run.
func NewTree(cfg TreeConfig) (*Tree, error) {
	c := tree.Config{Refuse: cfg.Refuse, Who: cfg.Who, Log: cfg.Log, Queue: cfg.Queue}
	if cfg.Lineage != nil {
		c.Writers = writers{cfg.Lineage}
	}
	for _, h := range cfg.Homes {
		c.Homes = append(c.Homes, h.Dir)
	}
	f, err := tree.New(c)
	if err != nil {
		return nil, err
	}
	return &Tree{feed: f, homes: cfg.Homes}, nil
}

// Run feeds the watchers until ctx is done, then returns nil. After an error
// the agent calls it again, later each time; watchers are told that they
// missed something.
func (t *Tree) Run(ctx context.Context) error { return t.feed.Run(ctx) }

// Silent are the homes on file systems that do not answer, such as one whose server
// is gone. What happens there is not seen until they do.
func (t *Tree) Silent() []string { return t.feed.Silent() }

// errNoTree is returned by watchers that need one.
var errNoTree = errors.New("no feed of the file tree")

// home returns the home with this index, nil for none.
func (t *Tree) home(i int) *Home {
	if i < 0 || i >= len(t.homes) {
		return nil
	}
	return &t.homes[i]
}

// short writes path, which is in h, with ~.
func short(h *Home, path string) string {
	rel := strings.TrimPrefix(path, strings.TrimSuffix(h.Dir, string(filepath.Separator)))
	return "~" + filepath.ToSlash(rel)
}

// belowHome returns path relative to h, without ~.
func belowHome(h *Home, path string) string { return strings.TrimPrefix(short(h, path), "~/") }
