package signer

import (
	"encoding/base32"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// id is what a tool's row is called.
func (t *tool) id() string {
	h := fnv.New64a()
	h.Write([]byte(t.Dir))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:8])
}

// Forget takes the row of an enrolled tool back, for its owner or for root: it
// vouches for nothing from then on. Of a tool that has fallen it forgets
// what it was: what is there now is the tool. fresh says which of both it was.
// The error wraps fs.ErrNotExist if uid has no such tool.
func (s *Signer) Forget(id string, uid int) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.tools, func(t *tool) bool { return t.id() == id && s.mayForget(t, uid) })
	if i < 0 {
		return false, fmt.Errorf("tool %q: %w", id, fs.ErrNotExist)
	}
	t := s.tools[i]
	if t.Fell == "" {
		s.fall(t, "taken back by uid "+fmt.Sprint(uid))
		t.FellAt = time.Time{}
		return false, nil
	}
	now := s.cfg.Now().UTC()
	*t = tool{Dir: t.Dir, Label: t.Label, Since: now, Base: now, Files: map[string]Ident{}, allow: t.allow, pkg: t.pkg}
	s.dirty = true
	s.cfg.Log.Info("an enrolled tool is what it is now", "signer", t.Label, "uid", uid)
	return true, nil
}

// Fallen reports whether a tool has fallen, by its row.
func (s *Signer) Fallen(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.tools, func(t *tool) bool { return t.id() == id && t.Fell != "" })
}

func (s *Signer) mayForget(t *tool, uid int) bool {
	if uid == 0 {
		return true
	}
	if found, err := s.files.Lookup(t.Dir); err == nil && found.UID == uid {
		return true
	}
	return slices.ContainsFunc(s.cfg.Homes, func(h Home) bool { return within(t.Dir, h.Dir) && h.UID == uid })
}

// prune forgets the tools that are gone. One whose home is not there, as before
// its owner logs in, is kept.
func (s *Signer) prune() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.tools)
	s.tools = slices.DeleteFunc(s.tools, func(t *tool) bool {
		return s.gone(t)
	})
	s.dirty = s.dirty || len(s.tools) != n
}

// fallen says in sentences which tools have fallen. s.mu is held.
func (s *Signer) fallen() (all []string) {
	for _, t := range s.tools {
		if t.Fell != "" {
			_, what, _ := strings.Cut(t.Label, ":")
			all = append(all, fmt.Sprintf("%s is trusted no more: %s; if that was you, 'wormbell trust remove %s' trusts what is there now", what, t.Fell, t.id()))
		}
	}
	return all
}
