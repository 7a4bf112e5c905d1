package respond

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// googlesaPut writes a service account's key as application-default login and
// finds it.
func googlesaPut(t *testing.T, m *Machine, f *googleFake) Token {
	t.Helper()
	id, file := f.add()
	f.mintCanary(file)
	testPut(t, m, googleADC, file)
	found, err := googlesaFind(t.Context(), m, nil)
	if err != nil || len(found) != 1 || found[0].ID != id || found[0].Name != "google-sa:ci" || found[0].Owner != googleFakeEmail {
		t.Fatalf("%v %+v", err, found)
	}
	return found[0]
}

// googlesaSecond is another key of the account.
func googlesaSecond(f *googleFake, old Token) Token {
	id, file := f.add()
	f.mintCanary(file)
	read, _ := googlesaRead([]byte(file))
	new := old
	new.ID, new.Value = id, secret.Of(read.PrivateKey)
	return new
}

func TestGoogleSARotate(t *testing.T) {
	t.Parallel()
	m, f := googleMachine(t)
	old := googlesaPut(t, m, f)
	was := testText(t, m, googleADC)
	o, err := (&Rotator{Machine: m, Kinds: []Kind{googlesaKind()}}).Rotate(t.Context(), old, Options{})
	if err != nil || !o.Done || o.Works != NewWorks {
		t.Fatalf("%v %+v", err, o)
	}
	ids := f.ids()
	if len(ids) != 1 || ids[0] == old.ID {
		t.Fatalf("keys %v, the old one was %s", ids, old.ID)
	}
	found, err := googlesaFind(t.Context(), m, nil)
	if err != nil || len(found) != 1 || found[0].ID != ids[0] {
		t.Fatalf("%v %+v", err, found)
	}
	if a, err := googlesaIsDead(t.Context(), m, found[0]); a != Alive || err != nil {
		t.Errorf("what is in the file: %v %v", a, err)
	}
	inJSON := func(v secret.Value) string { b, _ := json.Marshal(v.Reveal()); return string(b) }
	if want := strings.NewReplacer(old.ID, ids[0], inJSON(old.Value), inJSON(found[0].Value)).Replace(was); testText(t, m, googleADC) != want {
		t.Error("the file is not the old one with the new key")
	}
	if left, _ := os.ReadDir(m.Abs(m.State + "/creating")); len(left) > 0 {
		t.Errorf("notes are left: %v", left)
	}
	testShows(t, m, []string{googleCanary(was), googleCanary(testText(t, m, googleADC))})
}

func TestGoogleSAContainNow(t *testing.T) {
	t.Parallel()
	m, f := googleMachine(t)
	old := googlesaPut(t, m, f)
	o, err := (&Rotator{Machine: m, Kinds: []Kind{googlesaKind()}}).Rotate(t.Context(), old, Options{RevokeOnly: true})
	if err != nil || !o.Done || f.state(old.ID) != "disabled" || testText(t, m, googleADC) != "" {
		t.Errorf("%v %+v, the key is %q", err, o, f.state(old.ID))
	}
}

// TestGoogleSAPaste: a person pastes the new file where IAM allows nothing.
func TestGoogleSAPaste(t *testing.T) {
	t.Parallel()
	m, f := googleMachine(t)
	old := googlesaPut(t, m, f)
	f.deny = []string{"keys.create", "keys.disable", "keys.delete"}
	var id string
	testPersonAt(m, "no JSON", func() any {
		var file string
		id, file = f.add()
		return strings.ReplaceAll(file, "\n", "")
	}, func() any { // … and deletes the old one on the page
		delete(f.keys, old.ID)
		return true
	})
	o, err := (&Rotator{Machine: m, Kinds: []Kind{googlesaKind()}}).Rotate(t.Context(), old, Options{})
	if err != nil || !o.Done || o.Works != NewWorks || !strings.Contains(testText(t, m, googleADC), id) {
		t.Errorf("%v %+v", err, o)
	}
}

func TestGoogleSAAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		then func(m *Machine, f *googleFake, old *Token)
		want Answer
	}{
		{"alive", func(*Machine, *googleFake, *Token) {}, Alive},
		{"deleted", func(_ *Machine, f *googleFake, old *Token) { delete(f.keys, old.ID) }, Dead},
		{"disabled", func(_ *Machine, f *googleFake, old *Token) { f.keys[old.ID].disabled = true }, Dead},
		{"account gone", func(_ *Machine, f *googleFake, old *Token) {
			old.Facts["email"] = "gone@proj-1.iam.gserviceaccount.com"
		}, Dead},
		{"wrong clock", func(m *Machine, _ *googleFake, _ *Token) {
			right := m.Now
			m.Now = func() time.Time { return right().Add(9 * time.Hour) }
		}, Alive},
		{"clocks that do not agree", func(_ *Machine, f *googleFake, _ *Token) {
			was, odd := f.now, false
			f.now = func() time.Time { // the front says one time, and what checks goes by another
				if odd = !odd; odd {
					return was()
				}
				return was().Add(9 * time.Hour)
			}
		}, CouldNotTell},
		{"no key", func(_ *Machine, _ *googleFake, old *Token) { old.Value = secret.Of("-----BEGIN " + testRandom(20)) }, CouldNotTell},
		{"another cloud", func(_ *Machine, _ *googleFake, old *Token) { old.Facts["universe"] = "example.com" }, CouldNotTell},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f := googleMachine(t)
			old := googlesaPut(t, m, f)
			c.then(m, f, &old)
			id, err := googlesaIdentify(t.Context(), m, old)
			if id.Answer != c.want || err != nil || id.Answer == CouldNotTell && id.Note == "" {
				t.Errorf("%+v %v", id, err)
			}
			if c.want == Alive && (id.Owner != googleFakeEmail || !slices.Contains(id.Reach, "project proj-1")) {
				t.Errorf("%+v", id)
			}
			if a, err := googlesaIsDead(t.Context(), m, old); a != c.want || err != nil {
				t.Errorf("%v %v", a, err)
			}
		})
	}
}

func TestGoogleSARefused(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(f *googleFake){
		"list denied":   func(f *googleFake) { f.deny = []string{"keys.list"} },
		"create denied": func(f *googleFake) { f.deny = []string{"keys.create"} },
		"policy":        func(f *googleFake) { f.say = "FAILED_PRECONDITION" },
		"ten keys":      func(f *googleFake) { f.say = "RESOURCE_EXHAUSTED" },
	} {
		m, f := googleMachine(t)
		old := googlesaPut(t, m, f)
		then(f)
		_, err := googlesaCreate(t.Context(), m, old, "label")
		if !errors.Is(err, ErrNotPossible) || len(f.ids()) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if found, err := googlesaLost(t.Context(), m, old, "label"); found || err != nil {
			t.Errorf("%s: a refused key is looked for: %v %v", name, found, err)
		}
	}
}

func TestGoogleSALost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails bool // Google makes the key, and says 500
		then  func(m *Machine, f *googleFake, lost string)
		found bool
		left  int
		err   error
	}{
		{name: "found", found: true, left: 1},
		{name: "listed late", then: func(_ *Machine, f *googleFake, _ string) { f.listed = 2 }, found: true, left: 1},
		{name: "fails after it", fails: true, found: true, left: 1},
		{name: "older", then: func(m *Machine, f *googleFake, id string) { f.keys[id].created = m.Now().Add(-time.Hour) }, left: 2},
		{name: "two", then: func(m *Machine, f *googleFake, _ string) { f.make(m.Now()) }, found: true, left: 3, err: ErrNotPossible},
		{name: "denied", then: func(_ *Machine, f *googleFake, _ string) { f.deny = []string{"keys.delete"} }, found: true, left: 2, err: ErrNotPossible},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f := googleMachine(t)
			old := googlesaPut(t, m, f)
			f.fails = c.fails
			made, err := googlesaCreate(t.Context(), m, old, "label")
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if c.then != nil {
				c.then(m, f, made.ID)
			}
			found, err := googlesaLost(t.Context(), m, old, "label")
			if found != c.found || !errors.Is(err, c.err) || len(f.ids()) != c.left || f.state(old.ID) == "" {
				t.Errorf("found %v, %v; left %d", found, err, len(f.ids()))
			}
		})
	}
}

func TestGoogleSARevoke(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		then func(f *googleFake, old Token)
		want string
		err  error
		said string
	}{
		{name: "deleted"},
		{name: "gone already", then: func(f *googleFake, old Token) { delete(f.keys, old.ID) }},
		{name: "may not delete", then: func(f *googleFake, _ Token) { f.deny = []string{"keys.delete"} }, want: "disabled", said: "disabled, but not deleted"},
		{name: "may not disable", then: func(f *googleFake, _ Token) { f.deny = []string{"keys.disable"} }},
		{name: "may nothing", then: func(f *googleFake, _ Token) { f.deny = []string{"keys.disable", "keys.delete"} }, want: "enabled", err: ErrNotPossible},
	} {
		m, f := googleMachine(t)
		old := googlesaPut(t, m, f)
		by := googlesaSecond(f, old)
		if c.then != nil {
			c.then(f, old)
		}
		if err := googlesaRevoke(t.Context(), m, old, by); !errors.Is(err, c.err) || f.state(old.ID) != c.want || f.state(by.ID) != "enabled" || !strings.Contains(testLog(m), c.said) {
			t.Errorf("%s: %v; the key is %q", c.name, err, f.state(old.ID))
		}
	}
	m, f := googleMachine(t)
	old := googlesaPut(t, m, f)
	for range 2 { // to itself, and again
		if err := googlesaRevoke(t.Context(), m, old, Token{}); err != nil || f.state(old.ID) != "disabled" {
			t.Errorf("self: %v; the key is %q", err, f.state(old.ID))
		}
		f.keys[old.ID].known = 0
	}
}

func TestGoogleSAInstall(t *testing.T) {
	t.Parallel()
	m, f := googleMachine(t)
	old := googlesaPut(t, m, f)
	new := googlesaSecond(f, old)
	for range 2 {
		if err := googlesaInstall(t.Context(), m, old, new); err != nil || !strings.Contains(testText(t, m, googleADC), new.ID) {
			t.Fatal(err)
		}
	}
	third := googlesaSecond(f, old)
	if err := googlesaInstall(t.Context(), m, old, third); !errors.Is(err, edit.ErrChanged) || !strings.Contains(testText(t, m, googleADC), new.ID) {
		t.Errorf("a third key: %v", err)
	}
	if err := googlesaForget(t.Context(), m, old); err != nil || testText(t, m, googleADC) == "" {
		t.Errorf("a third key was removed: %v", err)
	}
	if err := googlesaForget(t.Context(), m, new); err != nil || testText(t, m, googleADC) != "" {
		t.Errorf("it was not removed: %v", err)
	}
	if err := googlesaInstall(t.Context(), m, old, new); !errors.Is(err, edit.ErrChanged) {
		t.Errorf("no file: %v", err)
	}
}

func TestGoogleSAFaults(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, b *faultBench) cloudSubject {
		m := b.Machine(t, "google-sa")
		f := newGoogleFake(m.Now, googleMint(b))
		old := googlesaPut(t, m, f)
		return cloudSubject{f, m, old, func() Token { return googlesaSecond(f, old) }}
	}
	for name, ask := range map[string]faultAsk{"identify": googlesaIdentify, "is dead": faultBare(googlesaIsDead)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
				w := start(t, b)
				return w.f, w.m, w.old
			}, faultTruth(Alive), ask)
		})
	}
	cloudKeyFaults(t, googlesaKind(), "enabled", "keys.create", start)
}
