package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell/internal/answer"
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
func (f *folders) machineHomes() []watchers.Home {
	list, err := f.homes(nil, nil)
	if err != nil {
		return nil
	}
	return list
}

// leftOut tells of the homes of root and of persons, in a file in the form of
// passwd(5), that are there and are not among those that are guarded: which
// nobody could look at, and which are somebody else's. Both may be right, and
// neither must go unnoticed: whoever uses such a home takes it for guarded.
func (f *folders) leftOut(file string, guarded []watchers.Home) (problems, notices []string) {
	all := slices.DeleteFunc(everybody(file), func(p passwd.Entry) bool {
		return slices.ContainsFunc(guarded, func(h watchers.Home) bool { return h.Dir == p.Home })
	})
	infos, errs := f.infos(all)
	for i, p := range all {
		st, err := infos[i], errs[i]
		switch {
		case errors.Is(err, answer.ErrSilent):
			problems = append(problems, silentHome(p.Home))
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

// silentHome is what is said of a home whose file system does not answer.
func silentHome(dir string) string {
	return fmt.Sprintf("the home %q does not answer and is not guarded", dir)
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
	was, turns := a.folders.sign(), homesSettle
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if is := a.folders.sign(); is != was {
			was, turns = is, homesSettle
		}
		if turns == 0 && !a.anew.waits() {
			continue
		}
		turns = max(0, turns-1)
		for _, h := range now() {
			if slices.ContainsFunc(a.host.Homes, func(o watchers.Home) bool { return o.Dir == h.Dir && o.UID == h.UID }) || !a.anew.may(h.Dir, time.Now()) {
				continue
			}
			a.log.Info("there is a new home, starting anew to guard it", "home", h.Dir)
			return true
		}
	}
}

// sign changes when there may be a new home: with the list of users, the mounts,
// the names in a folder of homes, or when a home has answered that did not.
func (f *folders) sign() string {
	var b strings.Builder
	fmt.Fprintln(&b, f.look.Late())
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil {
		b.Write(mounts)
	}
	names := []string{passwd.File}
	for _, p := range everybody(passwd.File) {
		if parent := filepath.Dir(p.Home); !slices.Contains(names, parent) {
			names = append(names, parent)
		}
	}
	key, infos := f.keys(), make([]fs.FileInfo, len(names))
	f.each(len(names), func(i int) { infos[i], _ = f.info(names[i], key(names[i])) })
	for i, name := range names {
		if infos[i] != nil {
			b.WriteString(name + infos[i].ModTime().String() + "\n")
		}
	}
	return b.String()
}

// anewSetting is the key of the store's settings with the times of new starts by
// home: JSON of map[string][]time.Time.
const anewSetting = "new_homes"

// anewMost bounds how often the agent starts anew for one home. Its owner can let
// it come and go, by what they mount there, and at each start nothing is guarded
// for a moment.
var anewMost = []struct {
	starts int
	within time.Duration
}{{2, 10 * time.Minute}, {4, time.Hour}}

// anew is what is known of new starts for homes that were not there. It is safe
// for concurrent use; make it with newAnew. A nil one allows all.
type anew struct {
	store lasting
	log   *slog.Logger

	mu     sync.Mutex // guards what follows
	starts map[string][]time.Time
	later  map[string]time.Time // homes that wait, and until when
}

func newAnew(store lasting, log *slog.Logger) *anew {
	n := &anew{store: store, log: log, starts: map[string][]time.Time{}, later: map[string]time.Time{}}
	if s := store.Setting(anewSetting); s != "" {
		if err := json.Unmarshal([]byte(s), &n.starts); err != nil {
			log.Warn("when the agent was started anew for homes cannot be read", "err", err)
		}
	}
	return n
}

// may reports whether the agent may start anew for a home now, and notes that it does.
func (n *anew) may(home string, now time.Time) bool {
	if n == nil {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	longest := anewMost[len(anewMost)-1].within
	for dir, times := range n.starts { // a clock that was set back must not keep a home out
		times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) >= longest || t.After(now) })
		if n.starts[dir] = times; len(times) == 0 {
			delete(n.starts, dir)
		}
	}
	times, until := n.starts[home], time.Time{}
	for _, most := range anewMost {
		if i := len(times) - most.starts; i >= 0 {
			if end := times[i].Add(most.within); end.After(now) && end.After(until) {
				until = end
			}
		}
	}
	if !until.IsZero() {
		if _, known := n.later[home]; !known {
			n.log.Warn("a home comes and goes, it is guarded later", "home", home, "until", until)
		}
		n.later[home] = until
		return false
	}
	delete(n.later, home)
	n.starts[home] = append(times, now.UTC().Round(0))
	b, err := json.Marshal(n.starts)
	if err == nil {
		err = n.store.SetSetting(anewSetting, string(b))
	}
	if err != nil {
		n.log.Warn("that the agent starts anew for a home cannot be kept", "err", err)
	}
	return true
}

// waits reports whether a home waits for its time.
func (n *anew) waits() bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.later) > 0
}

// problems are what the status says of homes that wait.
func (n *anew) problems() (list []string) {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, dir := range slices.Sorted(maps.Keys(n.later)) {
		list = append(list, fmt.Sprintf("the home %q comes and goes and is not guarded until %s", dir, n.later[dir].Format(time.RFC3339)))
	}
	return list[:min(len(list), maxLeftOut)]
}
