package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
)

// npmInstall puts new into every file where old stands.
func npmInstall(ctx context.Context, m *Machine, old, new Token) error {
	var problems []error
	for _, p := range npmPlacesByFile(old.Places) {
		if ctx.Err() != nil {
			return errors.Join(append(problems, ctx.Err())...)
		}
		err := edit.Apply(m.Abs(p[0].Path), func(data []byte) ([]edit.Change, error) { return npmReplace(data, p, old, new) })
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: it is gone", edit.ErrChanged)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("put the new token into %q: %w", p[0].Path, err))
		}
	}
	for _, p := range old.Places {
		if npmIsVault(p) && ctx.Err() == nil {
			if err := npmPutInVault(ctx, m, p, old, new); err != nil {
				problems = append(problems, err)
			}
		}
	}
	if len(problems) == 0 && new.Facts[npmLabel] != "" {
		npmForgetMade(m, new.Facts[npmLabel])
	}
	return errors.Join(problems...)
}

// npmForget removes old from every file where it stands.
func npmForget(ctx context.Context, m *Machine, old Token) error {
	var problems []error
	for _, p := range npmPlacesByFile(old.Places) {
		if ctx.Err() != nil {
			return errors.Join(append(problems, ctx.Err())...)
		}
		err := edit.Apply(m.Abs(p[0].Path), func(data []byte) ([]edit.Change, error) { return npmRemove(data, p, old) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("take the token out of %q: %w", p[0].Path, err))
		}
	}
	for _, p := range old.Places {
		if npmIsVault(p) && ctx.Err() == nil {
			if err := npmDropFromVault(ctx, m, p, old); err != nil {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

// npmPlacesByFile returns the places that are in files, those of one file together.
func npmPlacesByFile(places []Place) [][]Place {
	sorted := slices.DeleteFunc(slices.Clone(places), func(p Place) bool { return p.Path == "" })
	slices.SortStableFunc(sorted, func(a, b Place) int { return cmp.Compare(a.Path, b.Path) })
	var out [][]Place
	for _, p := range sorted {
		if n := len(out); n > 0 && out[n-1][0].Path == p.Path {
			out[n-1] = append(out[n-1], p)
			continue
		}
		out = append(out, []Place{p})
	}
	return out
}

// npmEntriesAt returns the entries of data that have the key of one of places.
func npmEntriesAt(data []byte, places []Place) ([]npmEntry, error) {
	read := npmReader(places[0].Path)
	if read == nil {
		read = npmrc
	}
	all, err := read(data)
	return slices.DeleteFunc(all, func(e npmEntry) bool {
		return !slices.ContainsFunc(places, func(p Place) bool { return p.Key == e.key })
	}), err
}

// npmReplace returns the changes that put new into one file.
func npmReplace(data []byte, places []Place, old, new Token) ([]edit.Change, error) {
	entries, err := npmEntriesAt(data, places)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		// A key may stand twice, with another token: one that fits is enough.
		if !slices.ContainsFunc(entries, func(e npmEntry) bool {
			return e.key == p.Key && (e.value.Equal(old.Value) || e.value.Equal(new.Value))
		}) {
			return nil, fmt.Errorf("%q: %w", p.Key, edit.ErrChanged)
		}
	}
	var changes []edit.Change
	for _, e := range entries {
		if !e.value.Equal(old.Value) {
			continue
		}
		text := new.Value.Reveal()
		if e.encode != nil {
			text = e.encode(text)
		}
		c, err := e.replace(data, text)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// replace is Entry.Replace for all formats.
func (e npmEntry) replace(data []byte, text string) (edit.Change, error) {
	if !e.classic {
		return e.Entry.Replace(data, text)
	}
	if strings.ContainsAny(text, " \t\r\n\"'\\#") {
		return edit.Change{}, fmt.Errorf("replace the value of %q: %w", e.key, edit.ErrCannot)
	}
	return edit.Change{Span: e.Span, Old: string(data[e.From:e.To]), New: text}, nil
}

// npmRemove returns the changes that take old out of one file.
func npmRemove(data []byte, places []Place, old Token) ([]edit.Change, error) {
	entries, err := npmEntriesAt(data, places)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e npmEntry) bool { return !e.value.Equal(old.Value) })
	if path.Base(places[0].Path) == ".yarnrc" {
		var changes []edit.Change
		for _, e := range entries {
			changes = append(changes, edit.Change{Span: e.Line, Old: string(data[e.Line.From:e.Line.To])})
		}
		return changes, nil
	}
	var plain []edit.Entry
	for _, e := range entries {
		plain = append(plain, e.Entry)
	}
	return edit.RemoveAll(data, plain), nil
}
