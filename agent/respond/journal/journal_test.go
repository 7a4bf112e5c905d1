package journal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/journal"
)

var old = journal.Token{Kind: "npm", Name: "npm:registry.example.com", Places: []journal.Place{{Path: "~/.npmrc", Key: "//registry.example.com/:_authToken"}}}

func open(t *testing.T, state string, c journal.Config) *journal.Dir {
	t.Helper()
	d, err := journal.Open(state, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func begin(t *testing.T, d *journal.Dir) *journal.Entry {
	t.Helper()
	e, err := d.New(journal.Rotation{Mode: journal.Rotate, Old: old}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWayThrough(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := open(t, state, journal.Config{Now: func() time.Time { now = now.Add(time.Second); return now }})
	e := begin(t, d)
	for _, to := range []journal.State{journal.Created, journal.Verified, journal.Installed, journal.Revoking, journal.Dead, journal.Done} {
		for _, wrong := range []journal.State{journal.Done, journal.Installed, e.State, "nonsense", ""} {
			if wrong == to {
				continue
			}
			if err := e.Move(wrong); err == nil {
				t.Fatalf("from %s to %s", e.State, wrong)
			}
		}
		if to == journal.Created {
			e.New = &journal.Token{Kind: "npm", Name: "new", Facts: map[string]string{"a": "b"}}
			e.Creates = []journal.Create{{Label: "wormbell-" + e.ID, Time: now, Result: journal.Made}}
		}
		if err := e.Move(to); err != nil {
			t.Fatal(err)
		}
		r, err := d.Read(e.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e.Rotation, r); diff != "" || r.State != to {
			t.Errorf("what is read is not what was written: %s", diff)
		}
	}
	e.Close()
	if err := e.Save(); err == nil {
		t.Error("saved after it was closed")
	}
	for path, want := range map[string]fs.FileMode{"rotations": 0o700, "rotations/" + e.ID + ".json": 0o600} {
		info, err := os.Stat(filepath.Join(state, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	names, err := filepath.Glob(filepath.Join(state, "rotations", "*"))
	if err != nil || len(names) != 2 { // and the lock for beginning
		t.Errorf("left behind: %v", names)
	}
}

func TestVersion1(t *testing.T) {
	t.Parallel()
	fixture, err := os.ReadFile("testdata/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	d := open(t, state, journal.Config{})
	const id = "abcdefgh23"
	path := filepath.Join(state, "rotations", id+".json")
	if err := os.WriteFile(path, fixture, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := d.Take(id)
	if err != nil {
		t.Fatal(err)
	}
	if e.State != journal.Revoking || e.Mode != journal.ContainNow || !e.Kept || e.New.ID != "id-of-the-new" || len(e.Creates) != 2 || e.Old.Places[0].Key != "token" || !e.ByPage || e.Accepted.IsZero() {
		t.Errorf("%+v", e.Rotation)
	}
	// Nothing in it is lost by writing it.
	was := map[string]any{}
	if err := json.Unmarshal(fixture, &was); err != nil {
		t.Fatal(err)
	}
	if err := e.Save(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now := map[string]any{}
	if err := json.Unmarshal(b, &now); err != nil {
		t.Fatal(err)
	}
	delete(was, "updated")
	delete(now, "updated")
	if diff := cmp.Diff(was, now); diff != "" {
		t.Error(diff)
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	d := open(t, state, journal.Config{})
	good := begin(t, d)
	good.Close()
	whole, err := os.ReadFile(filepath.Join(state, "rotations", good.ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(whole)
	const canary = "canary-in-a-damaged-journal"
	bad := map[string]string{
		"empty":      "",
		"cut":        text[:len(text)/2],
		"garbage":    "\x00\xff" + canary,
		"array":      "[]",
		"null":       "null",
		"later":      strings.Replace(text, `"version": 1`, `"version": 2`, 1),
		"no version": strings.Replace(text, `"version": 1`, `"version": 0`, 1),
		"state":      strings.Replace(text, `"planned"`, `"`+canary+`"`, 1),
		"mode":       strings.Replace(text, `"rotate"`, `""`, 1),
		"another":    text,
		"long":       text + strings.Repeat(" ", 2<<20),
		"deep":       strings.Repeat("[", 1<<19),
	}
	n := 0
	for name, text := range bad {
		id := strings.Repeat("a", 9) + string("bcdefghjkmnpqr"[n])
		n++
		if name != "another" {
			text = strings.Replace(text, good.ID, id, 1)
		}
		if err := os.WriteFile(filepath.Join(state, "rotations", id+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Take(id); !errors.Is(err, journal.ErrDamaged) || strings.Contains(fmt.Sprint(err), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(state, "rotations", strings.Repeat("x", 10)+".json"), 0o700); err != nil {
		t.Fatal(err)
	}
	all, err := d.List()
	if len(all) != 1 || all[0].ID != good.ID || !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("%d rotations, %v", len(all), err)
	}
	if strings.Count(fmt.Sprint(err), "\n") != len(bad) {
		t.Errorf("not every one is told: %v", err)
	}
	if e := begin(t, d); e.ID == "" {
		t.Error("none can begin")
	}
	for _, id := range []string{"", "..", "../../../x", strings.Repeat("z", 10), "ABCDEFGHJK", strings.Repeat("a", 1000)} {
		if _, err := d.Take(id); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("%.20q: %v", id, err)
		}
	}
}

func TestSymbolicLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "rotations")); err != nil {
		t.Skip(err)
	}
	if _, err := journal.Open(dir, journal.Config{}); err == nil {
		t.Error("the folder may be a symbolic link")
	}
	state := t.TempDir()
	d := open(t, state, journal.Config{})
	e := begin(t, d)
	e.Close()
	path := filepath.Join(state, "rotations", e.ID+".json")
	victim := filepath.Join(state, "victim")
	if err := os.Rename(path, victim); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Take(e.ID); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("a symbolic link was followed: %v", err)
	}
}

// Whenever the process dies, what is on the disk is the old or the new.
func TestAtomic(t *testing.T) {
	t.Parallel()
	type died struct{}
	steps := 0
	for at := 1; ; at++ {
		state, n := t.TempDir(), -1000
		d := open(t, state, journal.Config{Step: func(string) {
			if n++; n == at {
				panic(died{})
			}
			steps = max(steps, n)
		}})
		e := begin(t, d)
		n = 0
		func() {
			defer func() {
				if p := recover(); p != nil && p != (died{}) {
					panic(p)
				}
			}()
			if err := e.Move(journal.Revoking); err != nil {
				t.Error(err)
			}
		}()
		if n < at {
			break
		}
		n = -1000
		e.Close()
		again, err := d.Take(e.ID)
		if err != nil {
			t.Fatalf("step %d: %v", at, err)
		}
		if s := again.State; s != journal.Planned && s != journal.Revoking {
			t.Errorf("step %d: %s", at, s)
		}
		if err := again.Save(); err != nil {
			t.Errorf("step %d: what it left is in the way: %v", at, err)
		}
	}
	if steps < 5 {
		t.Errorf("only %d steps", steps)
	}
}

func TestOneHasIt(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	d := open(t, state, journal.Config{})
	e := begin(t, d)
	other := open(t, state, journal.Config{})
	if _, err := other.Take(e.ID); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("taken twice: %v", err)
	}
	e.Close()
	again, err := other.Take(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()

	var wg sync.WaitGroup
	var mu sync.Mutex
	inside, took := 0, 0
	for range 8 {
		wg.Go(func() {
			for range 20 {
				e, err := d.Take(again.ID)
				if errors.Is(err, journal.ErrBusy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				inside++
				took++
				if inside > 1 {
					t.Error("two have it")
				}
				mu.Unlock()
				mu.Lock()
				inside--
				mu.Unlock()
				e.Close()
			}
		})
	}
	wg.Wait()
	if took == 0 {
		t.Error("nobody ever had it")
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir(), journal.Config{})
	ended := begin(t, d)
	if err := ended.Move(journal.Abandoned); err != nil {
		t.Fatal(err)
	}
	ended.Close()
	open := begin(t, d)
	no := errors.New("no")
	_, err := d.New(journal.Rotation{Mode: journal.Rotate, Old: old}, func(u []journal.Rotation) error {
		if len(u) != 1 || u[0].ID != open.ID {
			t.Errorf("unfinished: %+v", u)
		}
		if _, err := d.New(journal.Rotation{Mode: journal.Rotate, Old: old}, nil); !errors.Is(err, journal.ErrBusy) {
			t.Errorf("another began meanwhile: %v", err)
		}
		return no
	})
	if !errors.Is(err, no) {
		t.Error(err)
	}
	if all, err := d.List(); err != nil || len(all) != 2 {
		t.Errorf("%d %v", len(all), err)
	}
}

func TestEndedOnesArePruned(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := open(t, state, journal.Config{Now: func() time.Time { now = now.Add(time.Second); return now }})
	first := begin(t, d)
	first.Close() // never ended: kept for ever
	if err := os.WriteFile(filepath.Join(state, "rotations", strings.Repeat("z", 10)+".json.new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile(filepath.Join(state, "rotations", first.ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 205 {
		const letters = "23456789abcdefghjkmnpqrstuvwxyz"
		id := "aaaaaaaa" + string(letters[i/len(letters)]) + string(letters[i%len(letters)])
		text := strings.NewReplacer(first.ID, id, `"planned"`, `"done"`, "12:00:01", fmt.Sprintf("13:%02d:%02d", i/60, i%60)).Replace(string(template))
		if err := os.WriteFile(filepath.Join(state, "rotations", id+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	last := begin(t, d)
	last.Close()
	all, err := d.List()
	if err != nil || len(before) != 206 || len(all) != 202 {
		t.Errorf("%d, then %d: %v", len(before), len(all), err)
	}
	if !slices.ContainsFunc(all, func(r journal.Rotation) bool { return r.ID == first.ID }) {
		t.Error("what has not ended is gone")
	}
	if names, _ := filepath.Glob(filepath.Join(state, "rotations", "*.new")); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}
