package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wormbell/agent/respond/journal"
)

// Find returns the tokens of kinds that stand in paths, with ~, nil for
// wherever they may stand; in the order of kinds and of what each found. The
// same value in several places is one token, and no two have the same name. An
// error comes with the tokens that were found despite it.
func Find(ctx context.Context, m *Machine, kinds []Kind, paths []string) ([]Token, error) {
	var all []Token
	var errs []error
	for i := range kinds {
		k := &kinds[i]
		if k.Find == nil {
			continue
		}
		found, err := k.Find(ctx, m, paths)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("look for %ss: %w", k.Title, err))
		}
		for _, t := range found {
			if t.Value.Empty() {
				continue
			}
			t.Kind = k.ID
			all = merge(all, t)
		}
	}
	name(all)
	return all, errors.Join(errs...)
}

// merge adds t to all, or to the token there that it is: its places, and what
// that one does not know yet of its owner and other facts.
func merge(all []Token, t Token) []Token {
	for i := range all {
		same := &all[i]
		if same.Kind != t.Kind || same.Site != t.Site || !same.Value.Equal(t.Value) {
			continue
		}
		same.Places = distinct(append(slices.Clone(same.Places), t.Places...))
		same.Owner = cmp.Or(same.Owner, t.Owner)
		facts := Facts{}
		maps.Copy(facts, same.Facts)
		for name, fact := range t.Facts {
			facts[name] = cmp.Or(facts[name], fact)
		}
		same.Facts = facts
		return all
	}
	return append(all, t)
}

// distinct returns each of list once, in the order in which they first stand.
func distinct[T comparable](list []T) []T {
	var once []T
	for _, v := range list {
		if !slices.Contains(once, v) {
			once = append(once, v)
		}
	}
	return once
}

// name makes the names different: the second one of a name becomes name#2.
func name(all []Token) {
	taken := map[string]bool{}
	for i := range all {
		t := &all[i]
		if t.Name == "" {
			t.Name = t.Kind
		}
		unique := t.Name
		for n := 2; taken[unique]; n++ {
			unique = fmt.Sprintf("%s#%d", t.Name, n)
		}
		t.Name = unique
		taken[unique] = true
	}
}

// Alike returns the tokens beside t that are the same one, of whatever kind:
// they have the same value at the same site, so what kills t kills them, and
// they are not replaced with it.
func Alike(all []Token, t Token) []Token { return others(all, t, true) }

// Elsewhere returns the tokens beside t that have the same value at another
// site, or at one that is not known. Whoever has t has them, but only their own
// site can kill them, and say that they are dead.
func Elsewhere(all []Token, t Token) []Token { return others(all, t, false) }

func others(all []Token, t Token, here bool) []Token {
	return slices.DeleteFunc(slices.Clone(all), func(o Token) bool {
		return o.Name == t.Name || !o.Value.Equal(t.Value) || (o.Site == t.Site && t.Site != "") != here
	})
}

// where names the places of t for a person.
func where(t Token) string {
	var names []string
	for _, p := range t.Places {
		n := p.Path
		if n == "" {
			n = p.String()
		}
		names = append(names, n)
	}
	if len(names) == 0 {
		return "its place"
	}
	return strings.Join(distinct(names), ", ")
}

// paths are the files of t, for Kind.Find; never nil, which would mean all.
func (t Token) paths() []string {
	paths := []string{}
	for _, p := range t.Places {
		if p.Path == "" {
			p.Path = t.Facts["beside"] // the file by which its kind knows of a keychain item
		}
		if p.Path != "" && !slices.Contains(paths, p.Path) {
			paths = append(paths, p.Path)
		}
	}
	return paths
}

// written is what the journal says of t.
func (t Token) written() journal.Token {
	w := journal.Token{Kind: t.Kind, Name: t.Name, Site: t.Site, Owner: t.Owner, ID: t.ID, Facts: t.Facts, Note: t.Note}
	for _, p := range t.Places {
		w.Places = append(w.Places, journal.Place(p))
	}
	return w
}

// unwritten is [Token.written] back; the secrets are missing.
func unwritten(w journal.Token) Token {
	t := Token{Kind: w.Kind, Name: w.Name, Site: w.Site, Owner: w.Owner, ID: w.ID, Facts: w.Facts, Note: w.Note}
	for _, p := range w.Places {
		t.Places = append(t.Places, Place(p))
	}
	return t
}
