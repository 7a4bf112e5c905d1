package respond

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// How the rows of [services] are found in files, put in place and removed.

// dataMay reports whether a file may be opened; see Kind.Find.
func dataMay(paths []string, path string) bool { return paths == nil || slices.Contains(paths, path) }

// dataFiles reads files, each once, and remembers what could not be read.
type dataFiles struct {
	m    *Machine
	data map[string][]byte
	errs map[string]error
}

// read returns nil for what is not there or cannot be read.
func (f *dataFiles) read(path string) []byte {
	if data, ok := f.data[path]; ok {
		return data
	}
	data, err := edit.Read(f.m.Abs(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.failed(path, err)
	}
	if f.data == nil {
		f.data = map[string][]byte{}
	}
	f.data[path] = data
	return data
}

func (f *dataFiles) failed(path string, err error) {
	if f.errs == nil {
		f.errs = map[string]error{}
	}
	f.errs[path] = err
}

// err is what a Find returns beside its tokens.
func (f *dataFiles) err() error {
	if len(f.errs) == 0 {
		return nil
	}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(f.errs)) {
		errs = append(errs, fmt.Errorf("%q: %w", path, f.errs[path]))
	}
	return fmt.Errorf("%w: %w", ErrPartly, errors.Join(errs...))
}

// findTokens is Kind.Find.
func (s *service) findTokens(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	var tokens []Token
	files := dataFiles{m: m}
	for i := range s.spots {
		p := &s.spots[i]
		for _, path := range p.files(m) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if !dataMay(paths, path) {
				continue
			}
			data := files.read(path)
			if data == nil {
				continue
			}
			hits, all, err := p.hits(data)
			if err != nil {
				files.failed(path, err)
				continue
			}
			tokens = append(tokens, s.tokensAt(m, p, path, hits, all)...)
		}
	}
	return dataMerged(tokens), files.err()
}

// tokensAt makes tokens of what stands at a spot in one file.
func (s *service) tokensAt(m *Machine, p *spot, path string, hits []dataHit, all []edit.Entry) (tokens []Token) {
	for _, h := range hits {
		if h.also != "" || !p.token(h.value) {
			continue
		}
		t := Token{Kind: s.id, Owner: h.user, Value: secret.Of(h.value),
			Places: []Place{{Path: path, Key: strings.Join(h.Path, ".")}}, Facts: Facts{}}
		if s.site != "" && !p.away {
			t.Site = m.Site(s.id, s.site)
		}
		if p.empty {
			t.Value, t.Site = secret.Value{}, ""
		}
		if p.login != "" {
			t.Facts["login"] = p.login
		}
		for _, a := range hits {
			if a.also != "" && a.value != "" && slices.Equal(a.Path[:len(a.Path)-1], h.Path[:len(h.Path)-1]) {
				if t.Also == nil {
					t.Also = Secrets{}
				}
				t.Also[a.also] = secret.Of(a.value)
				t.Places = append(t.Places, Place{Path: path, Key: strings.Join(a.Path, ".")})
			}
		}
		apart := p.name
		if i := slices.Index(p.key, "*"); i >= 0 {
			apart = strings.ReplaceAll(apart, "*", h.Path[i])
		}
		t.Name = apart
		if p.tell != nil {
			p.tell(m, &t, h.Entry, all)
		}
		t.Name = s.id + ":" + dataWord(t.Name, "token")
		tokens = append(tokens, t)
	}
	return tokens
}

// dataMerged makes one token of those with the same value, and gives those of
// the same name names of their own.
func dataMerged(tokens []Token) (merged []Token) {
	for _, t := range tokens {
		if i := slices.IndexFunc(merged, func(o Token) bool {
			return !t.Value.Empty() && o.Value.Equal(t.Value) && o.Site == t.Site
		}); i >= 0 {
			for _, p := range t.Places {
				if !slices.Contains(merged[i].Places, p) {
					merged[i].Places = append(merged[i].Places, p)
				}
			}
			continue
		}
		name := t.Name
		for n := 2; slices.ContainsFunc(merged, func(o Token) bool { return o.Name == t.Name }); n++ {
			t.Name = name + "#" + strconv.Itoa(n)
		}
		merged = append(merged, t)
	}
	return merged
}

// dataWord returns s if it can be typed as one word in a shell and shown on a
// terminal, with what cannot replaced; instead if nothing is left. What stands
// in files is anybody's to write.
func dataWord(s, instead string) string {
	s = strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("@._+-:/", c) {
			return c
		}
		return '_'
	}, s[:min(len(s), 80)])
	if s = strings.Trim(s, "_-:"); s == "" {
		return instead
	}
	return s
}

// Unheld returns the credentials that stand in the user's files and have no
// Value here, so that [Find] leaves them out: SSH keys, which are not kept in
// memory, and logins whose secret another program keeps. Their Note says what
// to know, and their Kind's Pages what to do. paths and the error are those of
// Kind.Find.
func Unheld(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	var all []Token
	var errs []error
	rows := services()
	for i := range rows {
		s := &rows[i]
		if s.find == nil && !slices.ContainsFunc(s.spots, func(p spot) bool { return p.empty }) {
			continue
		}
		find := s.findTokens
		if s.find != nil {
			find = s.find
		}
		found, err := find(ctx, m, paths)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("look for %ss: %w", s.title, err))
		}
		for _, t := range found {
			if t.Value.Empty() {
				all = append(all, t)
			}
		}
	}
	return all, errors.Join(errs...)
}

// install is Kind.Install.
func (s *service) install(ctx context.Context, m *Machine, old, new Token) error {
	for _, place := range old.Places {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := edit.Apply(m.Abs(place.Path), func(data []byte) ([]edit.Change, error) {
			return s.replaced(m, data, place, old, new)
		})
		if err != nil {
			return fmt.Errorf("put the new value into %q: %w", place.Path, err)
		}
	}
	return nil
}

// replaced returns the change that puts new where old stands.
func (s *service) replaced(m *Machine, data []byte, place Place, old, new Token) ([]edit.Change, error) {
	p, h, err := s.at(m, data, place)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("%w: %s is no longer there", edit.ErrChanged, place.Key)
	}
	want := new.Value
	if h.also != "" {
		if want = new.Also[h.also]; want.Empty() || !old.Also[h.also].Equal(secret.Of(h.value)) {
			return nil, nil // it came by logging in, and so did its successor
		}
	}
	switch got := secret.Of(h.value); {
	case got.Equal(want):
		return nil, nil
	case old.Facts["login"] != "":
		return nil, fmt.Errorf("put a login in place: %w", ErrNotPossible) // its other parts would not fit
	case h.also == "" && !got.Equal(old.Value):
		return nil, fmt.Errorf("%w: %s holds neither the old value nor the new one", edit.ErrChanged, place.Key)
	}
	text := want.Reveal()
	if p.user {
		text = dataLoginText(h.user, text)
	}
	if h.isWhole() {
		return []edit.Change{{Span: h.Span, Old: h.Value, New: text}}, nil
	}
	c, err := h.Replace(data, text)
	return []edit.Change{c}, err
}

// at returns what stands at a place, and the spot it is; nil if nothing does.
// A place outside of the known files was found when the environment named it,
// and that may have been another one: then its name in the file decides.
func (s *service) at(m *Machine, data []byte, place Place) (*spot, dataHit, error) {
	for _, known := range []bool{true, false} {
		for i := range s.spots {
			p := &s.spots[i]
			if p.empty || known != slices.Contains(p.files(m), place.Path) {
				continue
			}
			hits, _, err := p.hits(data)
			if err != nil && known {
				return nil, dataHit{}, err
			}
			for _, h := range hits {
				if strings.Join(h.Path, ".") == place.Key {
					return p, h, nil
				}
			}
		}
	}
	return nil, dataHit{}, nil
}

// forget is Kind.Forget. What is there no more, or holds another value, stays
// as it is.
func (s *service) forget(ctx context.Context, m *Machine, old Token) error {
	var done []string
	for _, place := range old.Places {
		if slices.Contains(done, place.Path) {
			continue
		}
		done = append(done, place.Path)
		if err := ctx.Err(); err != nil {
			return err
		}
		err := edit.Apply(m.Abs(place.Path), func(data []byte) ([]edit.Change, error) {
			return s.removed(m, data, place.Path, old)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the old value from %q: %w", place.Path, err)
		}
	}
	return nil
}

// removed returns the changes that take old out of a file.
func (s *service) removed(m *Machine, data []byte, path string, old Token) ([]edit.Change, error) {
	var entries []edit.Entry
	for _, place := range old.Places {
		if place.Path != path {
			continue
		}
		p, h, err := s.at(m, data, place)
		if err != nil {
			return nil, err
		}
		was := old.Value
		if h.also != "" {
			was = old.Also[h.also]
		}
		switch {
		case p == nil || was.Empty() || !was.Equal(secret.Of(h.value)):
		case h.isWhole():
			return []edit.Change{{Span: h.Span, Old: h.Value}}, nil
		default:
			entries = append(entries, h.Entry)
		}
	}
	return edit.RemoveAll(data, entries), nil
}
