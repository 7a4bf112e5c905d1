package agent

import (
	"context"
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
