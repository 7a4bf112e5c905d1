package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/internal/passwd"
	"wormbell/watchers"
)

const (
	// homesTurn is how often it is looked whether there may be a new home: a
	// user was added, or a file system was mounted that holds one.
	homesTurn = 10 * time.Second
	// homesSettle is how many turns after a change homes are looked for: a user
	// is entered before the home is made and given to them.
	homesSettle = 6
)

// machineHomes are the homes of root and of every person now.
func machineHomes() []watchers.Home {
	list, err := homes(nil, nil)
	if err != nil {
		return nil
	}
	return list
}

// leftOut tells of the homes of root and of persons, in a file in the form of
// passwd(5), that are there and are not among those that are guarded: which
// nobody could look at, and which are somebody else's. Both may be right, and
// neither must go unnoticed: whoever uses such a home takes it for guarded.
func leftOut(file string, guarded []watchers.Home) (problems, notices []string) {
	for _, p := range everybody(file) {
		if slices.ContainsFunc(guarded, func(h watchers.Home) bool { return h.Dir == p.Home }) {
			continue
		}
		st, err := os.Stat(p.Home)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was not made, or is not mounted yet
		case err != nil:
			problems = append(problems, fmt.Sprintf("the home %q of uid %d is not guarded, it cannot be looked at: %v", p.Home, p.UID, errors.Unwrap(err)))
		case st.IsDir() && owner(st) != p.UID:
			notices = append(notices, fmt.Sprintf("the home %q of uid %d is not guarded: it belongs to uid %d", p.Home, p.UID, owner(st)))
		}
		if len(problems)+len(notices) >= maxLeftOut {
			return problems, notices
		}
	}
	return problems, notices
}

// maxLeftOut is how many homes are told of: where there are more, something else
// is wrong, and these show it.
const maxLeftOut = 10

// awaitHomes returns true once there is a home that the agent does not guard,
// false when ctx is done. What a home means to the lineage, the file-tree feed
// and the watchers is settled when they start, so all of them start anew: the
// agent is away for a moment. As long as nothing has changed no home is looked
// at: one may be mounted when somebody looks.
func (a *agent) awaitHomes(ctx context.Context, now func() []watchers.Home) bool {
	tick := time.NewTicker(homesTurn)
	defer tick.Stop()
	was, turns := homesSign(), homesSettle
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if is := homesSign(); is != was {
			was, turns = is, homesSettle
		}
		if turns == 0 {
			continue
		}
		turns--
		for _, h := range now() {
			if !slices.ContainsFunc(a.host.Homes, func(o watchers.Home) bool { return o.Dir == h.Dir && o.UID == h.UID }) {
				a.log.Info("there is a new home, starting anew to guard it", "home", h.Dir)
				return true
			}
		}
	}
}

// homesSign changes when there may be a new home: with the list of users, the
// mounts, or the names in a folder of homes.
func homesSign() string {
	var b strings.Builder
	stat := func(name string) {
		if st, err := os.Stat(name); err == nil {
			b.WriteString(name + st.ModTime().String() + "\n")
		}
	}
	stat(passwd.File)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil {
		b.Write(mounts)
	}
	var folders []string
	for _, p := range everybody(passwd.File) {
		if parent := filepath.Dir(p.Home); !slices.Contains(folders, parent) {
			folders = append(folders, parent)
			stat(parent)
		}
	}
	return b.String()
}
