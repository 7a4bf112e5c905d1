package respond

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"wormbell/internal/secret"
)

// Memory is what kinds remember from one call to the next while the program
// runs, such as a login that several steps need. It is never written anywhere.
// It is safe for concurrent use; a nil Memory forgets at once.
type Memory struct {
	mu   sync.Mutex // guards kept
	kept map[string]secret.Value
}

// Get returns what was kept under key, or an empty Value.
func (k *Memory) Get(key string) secret.Value {
	if k == nil {
		return secret.Value{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[key]
}

// Set keeps v under key; an empty Value forgets it.
func (k *Memory) Set(key string, v secret.Value) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if v.Empty() {
		delete(k.kept, key)
		return
	}
	if k.kept == nil {
		k.kept = map[string]secret.Value{}
	}
	k.kept[key] = v
}

// Keys returns the keys that begin with prefix, sorted.
func (k *Memory) Keys(prefix string) []string {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := slices.Sorted(maps.Keys(k.kept))
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) })
}
