package respond

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// Keys of AWS and of Google take a while to be known everywhere, are made
// without a name to find them by, and stand in folders of which the file names
// are not known before: here is what their kinds have in common.

const (
	// cloudMost is how many files of one folder are looked at. More than some
	// dozens of logins is no cache but a heap.
	cloudMost = 200
	// cloudKnown is how long is waited for a change of a key to be known
	// everywhere: seconds at AWS, and it can be a minute at Google.
	cloudKnown = time.Minute
	// cloudListed is how long is waited for a new key to be listed.
	cloudListed = 15 * time.Second
	// cloudWindow is how long after the note was written a key may have come
	// into being that is taken for the one whose value was lost.
	cloudWindow = 5 * time.Minute
	// cloudStale is when a note is of no use to anybody.
	cloudStale = 7 * 24 * time.Hour
	// cloudSkew is by how much a clock may be wrong; services refuse 5 minutes.
	cloudSkew = 4 * time.Minute
)

// cloudMay reports whether the file at p, with ~, may be opened.
func cloudMay(paths []string, p string) bool {
	return paths == nil || slices.ContainsFunc(paths, func(allowed string) bool {
		ok, _ := path.Match(allowed, p)
		return ok || allowed == p
	})
}

// cloudFiles returns the files that may be opened: those of files, and those
// that match the patterns, which have one * as a whole segment or in the last.
func cloudFiles(m *Machine, paths []string, files []string, patterns ...string) []string {
	for _, pattern := range patterns {
		dir, rest, _ := strings.Cut(pattern, "*")
		dir = path.Clean(dir)
		folder, err := os.ReadDir(m.Abs(dir))
		if err != nil {
			continue // there is none, or nothing in it is ours to read
		}
		for i, entry := range folder {
			p := dir + "/" + entry.Name()
			if tail, deeper := strings.CutPrefix(rest, "/"); deeper {
				p += "/" + tail
			}
			if ok, _ := path.Match(pattern, p); ok && i < cloudMost {
				files = append(files, p)
			}
		}
	}
	return slices.DeleteFunc(distinct(files), func(p string) bool { return !cloudMay(paths, p) })
}

// cloudRead hands each file to take. What cannot be read or used is told of by
// an error that wraps ErrPartly.
func cloudRead(ctx context.Context, m *Machine, files []string, take func(file string, data []byte) error) error {
	var errs []error
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := edit.Read(m.Abs(file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = take(file, data)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %w", ErrPartly, file, err))
		}
	}
	return errors.Join(errs...)
}

// cloudFacts makes facts of names and values in turn, without the empty ones.
func cloudFacts(list ...string) Facts {
	f := Facts{}
	for i := 0; i+1 < len(list); i += 2 {
		if list[i+1] != "" {
			f[list[i]] = list[i+1]
		}
	}
	return f
}

// errNoJSON says nothing of what stands in the file: encoding/json would.
var errNoJSON = errors.New("it is not the JSON that it should be")

// cloudJSON decodes a file into v.
func cloudJSON(data []byte, v any) error {
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), v) != nil {
		return errNoJSON
	}
	return nil
}

// cloudAdd adds a token that stands at p, or the place to the token with that
// ID and value that there is already. Two tokens never get the same name.
func cloudAdd(all []Token, t Token, p Place) []Token {
	for i := range all {
		if o := &all[i]; o.ID == t.ID && o.Value.Equal(t.Value) {
			o.Places = append(o.Places, p)
			return all
		}
	}
	name := t.Name
	for n := 2; slices.ContainsFunc(all, func(o Token) bool { return o.Name == t.Name }); n++ {
		t.Name = fmt.Sprintf("%s-%d", name, n)
	}
	t.Places = []Place{p}
	return append(all, t)
}

// cloudErase removes the file at p if it still is one for which holds is true. Its
// content goes first: what another program writes meanwhile is not lost.
func cloudErase(m *Machine, p string, holds func(data []byte) bool) error {
	const nothing = "{}\n"
	abs := m.Abs(p)
	err := edit.Apply(abs, func(data []byte) ([]edit.Change, error) {
		if !holds(data) {
			return nil, nil
		}
		return []edit.Change{{Span: edit.Span{From: 0, To: len(data)}, Old: string(data), New: nothing}}, nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("remove %q: %w", p, err)
	}
	if data, err := edit.Read(abs); err != nil || string(data) != nothing {
		return nil // it was not ours to remove, or it is a new one
	}
	target, err := filepath.EvalSymlinks(abs)
	if err == nil {
		err = os.Remove(target)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %q, which is empty now: %w", p, err)
	}
	return nil
}

// cloudHas reports whether a program of this name is on the PATH.
func cloudHas(m *Machine, program string) bool {
	names := []string{program}
	if runtime.GOOS == "windows" {
		names = []string{program + ".exe", program + ".cmd"}
	}
	for _, dir := range filepath.SplitList(m.Getenv("PATH")) {
		for _, name := range names {
			if info, err := os.Stat(filepath.Join(dir, name)); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// cloudUntil asks until the answer is want, for about that long. It returns the
// last answer, and gives up when nobody can tell.
func cloudUntil(ctx context.Context, m *Machine, long time.Duration, want Answer, ask func() (Answer, error)) (Answer, error) {
	var waited time.Duration
	for delay := time.Second; ; delay = min(2*delay, 10*time.Second) {
		a, err := ask()
		if err != nil || a == want || a == CouldNotTell || waited >= long {
			return a, err
		}
		if err := m.Call.Sleep(ctx, delay); err != nil {
			return CouldNotTell, err
		}
		waited += delay
	}
}

// cloudTell makes of an error an answer that is none: a service that did not
// say what was asked has not said that the token is dead. It returns an error
// only if ctx ended.
func cloudTell(ctx context.Context, err error) (Identity, error) {
	if ctx.Err() != nil {
		return Identity{}, ctx.Err()
	}
	return Identity{Note: err.Error() + "."}, nil
}

// cloudTouched makes of the error of a request that must not be repeated one
// that says whether it may have had its effect. A service that fails, or says
// something that makes no sense, may have done what it was asked.
func cloudTouched(what string, err error) error {
	var status *call.StatusError
	switch {
	case errors.As(err, &status) && status.Status >= 500:
		return &call.LostError{What: what, Why: fmt.Sprintf("the service failed (%d)", status.Status)}
	case errors.Is(err, call.ErrGarbled):
		return &call.LostError{What: what, Why: "it makes no sense"}
	}
	return err
}

// cloudDisallowed makes of a refusal an error that says that a person must do
// it.
func cloudDisallowed(why string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrNotPossible, why, err)
}

// cloudTime reads a time as AWS's and Google's programs write them; zero if it
// is none.
func cloudTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05UTC", "2006-01-02 15:04:05-07:00", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// cloudBefore is what is noted before a key is made, for the case that its
// answer never arrives: such keys have no name to find them by.
type cloudBefore struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`    // by the service's clock
	Known   []string  `json:"known"` // IDs of the keys that there were
}

// cloudNote is the file of the note on the key of that kind made under label.
func cloudNote(m *Machine, kind, label string) string {
	return filepath.Join(m.State, "creating", kind+"-"+url.PathEscape(label)+".json")
}

// cloudWrite writes the note; it is on the disk when this returns. Notes of
// keys that nobody looks for any more go.
func cloudWrite(m *Machine, kind, label string, b cloudBefore) error {
	b.Version, b.At = 1, b.At.UTC()
	file := cloudNote(m, kind, label)
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if old, readErr := os.ReadDir(filepath.Dir(file)); readErr == nil {
		for _, e := range old {
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > cloudStale {
				_ = os.Remove(filepath.Join(filepath.Dir(file), e.Name()))
			}
		}
	}
	var data []byte
	if err == nil {
		data, err = json.Marshal(b)
	}
	if err == nil {
		err = edit.Create(file, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note which keys there are: %w", err)
	}
	return nil
}

// cloudNoted returns the note; ok is false if there is none.
func cloudNoted(m *Machine, kind, label string) (b cloudBefore, ok bool, err error) {
	data, err := edit.Read(cloudNote(m, kind, label))
	if errors.Is(err, fs.ErrNotExist) {
		return b, false, nil
	}
	if err == nil {
		err = cloudJSON(data, &b)
	}
	if err == nil && b.Version != 1 {
		err = fmt.Errorf("version %d is not known", b.Version)
	}
	if err != nil {
		return b, false, fmt.Errorf("read which keys there were: %w", err)
	}
	return b, true, nil
}

// cloudArrived removes the note: the new key is safe, or there is none.
func cloudArrived(m *Machine, kind, label string) error {
	if err := os.Remove(cloudNote(m, kind, label)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the note on which keys there were: %w", err)
	}
	return nil
}

// candidate reports whether a key may be the one whose value was lost.
func (b cloudBefore) candidate(id string, created time.Time) bool {
	return !slices.Contains(b.Known, id) &&
		created.After(b.At.Add(-2*time.Second)) && created.Before(b.At.Add(cloudWindow)) // services cut off fractions
}

// cloudLogin lets a person log in again by the program that the old login
// belongs to, and reads the new one where that has put it.
func cloudLogin(ctx context.Context, m *Machine, old Token, find func(context.Context, *Machine, []string) ([]Token, error)) (Token, error) {
	m.Person.Say("Log in again: " + old.Facts["login"])
	done, err := m.Person.Confirm(ctx, "Have you logged in again ("+old.Facts["login"]+")?")
	if err != nil {
		return Token{}, err
	}
	if !done {
		return Token{}, fmt.Errorf("%w: nobody logged in again", ErrNobody)
	}
	found, err := find(ctx, m, old.paths())
	if ctx.Err() != nil {
		return Token{}, ctx.Err()
	}
	for _, t := range found {
		if !t.Value.Equal(old.Value) && slices.ContainsFunc(t.Places, func(p Place) bool { return slices.Contains(old.Places, p) }) {
			return t, nil
		}
	}
	return Token{}, errors.Join(fmt.Errorf("%w: %s holds no new login", ErrNobody, where(old)), err)
}

// cloudReplaced is Install where the program that logged in has put the new
// login in place itself: copies of the old one, which is dead, go.
func cloudReplaced(ctx context.Context, m *Machine, old Token, holds func(data []byte, v secret.Value) bool) error {
	for _, p := range old.Places {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := cloudErase(m, p.Path, func(data []byte) bool { return holds(data, old.Value) }); err != nil {
			return err
		}
	}
	return nil
}
