package manifest

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

const (
	// maxScripts is how many scripts are told apart; the rest counts as one.
	maxScripts = 64
	// maxScriptName bounds the names that are told, in bytes.
	maxScriptName = 64
	maxChanged    = 20
	// others is the name of the scripts that are not told apart.
	others = "…"
)

// Script is one of a manifest's "scripts".
type Script struct {
	Name string // cut to what may be shown
	Sum  uint64 // of its name and of what it runs; it means nothing outside of this process
}

// seed keeps others from making two scripts with one sum.
var seed = maphash.MakeSeed()

// Scripts returns the scripts of the manifest in b, which [Parse] has accepted;
// none if it has none. Of equal names each counts.
func Scripts(b []byte) (all []Script) {
	p := parser{b: bytes.TrimPrefix(b, mark)}
	if p.space(); p.peek() != '{' {
		return nil
	}
	var scripts []byte
	if p.object(func(key, value []byte) {
		if is(key, `"scripts"`) {
			scripts = value
		}
	}) != nil || len(scripts) == 0 || scripts[0] != '{' {
		return nil
	}
	in := parser{b: scripts}
	_ = in.object(func(key, value []byte) { // well formed, as all of it is
		s := Script{Name: others, Sum: sum(key, value)}
		if len(all) < maxScripts {
			s.Name = cut(text(key), maxScriptName)
			all = append(all, s)
			return
		}
		if len(all) == maxScripts {
			all = append(all, Script{Name: others})
		}
		all[maxScripts].Sum = all[maxScripts].Sum*31 + s.Sum
	})
	return all
}

func sum(key, value []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(key)))
	h.Write(n[:])
	h.Write(key)
	h.Write(value)
	return h.Sum64()
}

// Changed names those of is whose sums were not there before, in their order,
// each once.
func Changed(was []uint64, is []Script) (names []string) {
	for _, s := range is {
		if !slices.Contains(was, s.Sum) && !slices.Contains(names, s.Name) && len(names) < maxChanged {
			names = append(names, s.Name)
		}
	}
	return names
}

// Sums returns the sums of all.
func Sums(all []Script) (sums []uint64) {
	for _, s := range all {
		sums = append(sums, s.Sum)
	}
	return sums
}
