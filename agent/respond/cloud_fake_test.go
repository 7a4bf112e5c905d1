package respond

import (
	"slices"
	"sync"
	"time"
)

// cloudFake is what the fakes of AWS and of Google have in common: keys, and a
// record of what was asked for.
type cloudFake[K cloudFakeKey] struct {
	mu     sync.Mutex // guards all of the fake
	now    func() time.Time
	mint   func(prefix string, n int) string
	keys   map[string]K // by ID
	deny   []string     // actions that nobody is allowed
	listed int          // how many listings still leave out the newest key
	fails  bool         // it makes keys, and says that it failed
	said   []string     // actions that were asked for
}

// cloudFakeKey is a key as a fake keeps it.
type cloudFakeKey interface {
	state() string // in the service's words
	made() time.Time
}

func newCloudFake[K cloudFakeKey](now func() time.Time, mint func(string, int) string) cloudFake[K] {
	return cloudFake[K]{now: now, mint: mint, keys: map[string]K{}}
}

// state returns the state of a key, "" if there is none.
func (f *cloudFake[K]) state(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k, ok := f.keys[id]; ok {
		return k.state()
	}
	return ""
}

// ids returns the IDs of the keys that there are, without those in but.
func (f *cloudFake[K]) ids(but ...string) (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.keys {
		if !slices.Contains(but, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// count returns how often an action was asked for.
func (f *cloudFake[K]) count(action string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.said {
		if s == action {
			n++
		}
	}
	return n
}

// listing returns the IDs of the keys that are mine, the oldest first. The
// caller holds mu.
func (f *cloudFake[K]) listing(mine func(K) bool) (ids []string) {
	for id, k := range f.keys {
		if mine(k) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return f.keys[a].made().Compare(f.keys[b].made()) })
	if f.listed > 0 && len(ids) > 1 {
		f.listed--
		ids = ids[:len(ids)-1]
	}
	return ids
}
