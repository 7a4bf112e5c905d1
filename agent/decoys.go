package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/decoy"
	"wormbell/watchers"
)

// maxDecoys bounds how many decoys one user may have, maxPlanted how many are taken
// in a minute, whoever plants them, and takenIn how long a new one may take to be
// guarded: each is written down and has every home looked at.
const (
	maxDecoys  = 16
	maxPlanted = 100
	takenIn    = 10 * time.Second
)

// decoys are those that were planted. It is safe for concurrent use. Make it with
// newDecoys.
type decoys struct {
	state string
	log   *slog.Logger
	homes []watchers.Home
	told  *watchers.Decoys
	// folders looks at the home that somebody names, which may not answer.
	folders *folders

	mu      sync.Mutex // guards what follows
	list    []wormbell.Decoy
	minute  time.Time // in which planted were
	planted int
	problem string // "" if there is none
}

func newDecoys(state string, homes []watchers.Home, log *slog.Logger) *decoys {
	d := &decoys{state: state, log: log, homes: homes, told: &watchers.Decoys{}, folders: newFolders()}
	var err error
	if d.list, err = decoy.ReadList(state); err != nil {
		file := filepath.Join(state, decoy.ListName)
		log.Error("decoys are not known", "err", err, "aside", os.Rename(file, file+".damaged") == nil) // a person may want to look
		d.problem = "which decoys lie where is not known any more: " + err.Error()
	}
	d.told.Set(d.list)
	return d
}

// all returns the decoys of user, everybody's if user is "", as guarded says that
// they are now.
func (d *decoys) all(user string, guarded []wormbell.Guarded) []wormbell.Decoy {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []wormbell.Decoy{}
	for _, one := range d.list {
		if user != "" && one.User != user {
			continue
		}
		one.State, one.Why = wormbell.GuardNot, "its home is not guarded"
		for _, g := range guarded {
			if g.Store == wormbell.DecoyStore && g.User == one.User && g.Path == one.Path && d.home(one.Home, one.User) != nil {
				one.State, one.Why, one.LastRead, one.LastBy = g.State, g.Why, g.LastRead, g.LastBy
			}
		}
		out = append(out, one)
	}
	return out
}

func (d *decoys) home(dir, user string) *watchers.Home {
	i := slices.IndexFunc(d.homes, func(h watchers.Home) bool { return h.Dir == dir && h.User == user })
	if i < 0 {
		return nil
	}
	return &d.homes[i]
}

// plant takes the file at one.Path, which uid says to have just planted, for a
// decoy, and returns once it is guarded.
func (d *decoys) plant(ctx context.Context, uid int, one wormbell.Decoy) (wormbell.Decoy, error) {
	one.User = strconv.Itoa(uid)
	named, err := d.folders.home(one.Home, "of uid "+one.User) // one is left behind for each user, whatever they name
	if err != nil {
		return one, errors.New("the home is not there")
	}
	home := d.home(named.Dir, one.User)
	if home == nil {
		return one, errors.New("the home is not one of yours that this agent guards")
	}
	one.Home = home.Dir
	if one.File, err = watchers.LookAtDecoy(*home, one.Path); err != nil {
		return one, err
	}
	one.ID, one.Planted = strings.ToLower(rand.Text()[:8]), time.Now().UTC().Truncate(time.Second)
	d.mu.Lock()
	for _, other := range d.list { // who may not know where the others lie plants again and again
		if other.Kind != one.Kind || other.Home != one.Home || other.Path == one.Path {
			continue
		}
		if now, _ := watchers.LookAtDecoy(*home, other.Path); other.File.Same(now) { // the error says that it was there before
			d.mu.Unlock()
			return one, errors.New("there is one of its kind already")
		}
	}
	n := 0
	for _, other := range d.list {
		if other.User == one.User {
			n++
		}
	}
	list := slices.DeleteFunc(slices.Clone(d.list), func(o wormbell.Decoy) bool { // what was planted there before is gone
		return o.Home == one.Home && o.Path == one.Path
	})
	list = append(list, one)
	if time.Since(d.minute) > time.Minute {
		d.minute, d.planted = time.Now(), 0
	}
	d.planted++
	switch {
	case n >= maxDecoys:
		err = fmt.Errorf("there are %d decoys already", n)
	case d.planted > maxPlanted:
		err = errors.New("too many decoys come in a minute")
	}
	if err != nil {
		d.mu.Unlock()
		return one, err
	}
	taken, err := d.set(list)
	d.mu.Unlock()
	if err != nil {
		return one, err
	}
	wait := time.NewTimer(takenIn)
	defer wait.Stop()
	select {
	case <-taken:
	case <-wait.C:
		d.log.Warn("a decoy is not guarded yet", "id", one.ID)
	case <-ctx.Done():
	}
	return one, nil
}

// forget no longer takes a file for a decoy.
func (d *decoys) forget(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.set(slices.DeleteFunc(slices.Clone(d.list), func(o wormbell.Decoy) bool { return o.ID == id }))
	return err
}

// set keeps a list and has it guarded; d.mu is held.
func (d *decoys) set(list []wormbell.Decoy) (<-chan struct{}, error) {
	if err := decoy.WriteList(d.state, list); err != nil {
		d.log.Error("decoys are not kept", "err", err)
		return nil, errors.New("the list of decoys cannot be written")
	}
	d.list, d.problem = list, ""
	return d.told.Set(list), nil
}

func (d *decoys) trouble() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.problem
}
