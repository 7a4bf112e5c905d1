package respond

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/keychain"
	"wormbell/agent/respond/keychain/keychaintest"
	"wormbell/internal/secret"
)

func TestFindMergesAndNames(t *testing.T) {
	t.Parallel()
	token := func(name, site, value, path string) Token {
		return Token{Name: name, Site: site, Value: secret.Of(value), Places: []Place{{Path: path, Key: "k"}}}
	}
	kind := func(id string, err error, tokens ...Token) Kind {
		return Kind{ID: id, Title: id + " token", Find: func(_ context.Context, _ *Machine, paths []string) ([]Token, error) {
			if diff := cmp.Diff([]string{"~/.a"}, paths); diff != "" {
				t.Error(diff)
			}
			return tokens, err
		}}
	}
	partly := fmt.Errorf("read ~/.x: %w", ErrPartly)
	got, err := Find(t.Context(), testMachine(t), []Kind{
		kind("one", partly, token("one:a", "https://a", "v1", "~/.a"), token("one:a", "https://a", "v2", "~/.b"), token("one:a", "https://a", "v1", "~/.c"),
			token("one:a", "https://a", "v1", "~/.a"), token("one:b", "https://b", "v1", "~/.d"), token("one:a", "", "", "~/.empty")),
		{ID: "none"},
		kind("two", nil, token("", "https://a", "v1", "~/.e"), token("", "https://a", "v3", "~/.f")),
	}, []string{"~/.a"})
	if !errors.Is(err, ErrPartly) || !strings.Contains(err.Error(), "one token") {
		t.Error(err)
	}
	var lines []string
	for _, g := range got {
		lines = append(lines, fmt.Sprintf("%s %s %s %v", g.Kind, g.Name, g.Value.Reveal(), g.Places))
	}
	want := []string{"one one:a v1 [~/.a k ~/.c k]", "one one:a#2 v2 [~/.b k]", "one one:b v1 [~/.d k]", "two two v1 [~/.e k]", "two two#2 v3 [~/.f k]"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if a := Alike(got, got[0]); len(a) != 1 || a[0].Name != "two" {
		t.Errorf("%+v", a)
	}
	if a := Elsewhere(got, got[0]); len(a) != 1 || a[0].Name != "one:b" {
		t.Errorf("%+v", a)
	}
}

// TestFindMergesFacts: what one of two finds does not say of a token, the other does.
func TestFindMergesFacts(t *testing.T) {
	t.Parallel()
	found := []Token{
		{Name: "a", Value: secret.Of("v"), Places: []Place{{Path: "~/.a"}}, Facts: Facts{"host": "h", "login": ""}},
		{Name: "b", Value: secret.Of("v"), Places: []Place{{Path: "~/.b"}}, Owner: "alice", Facts: Facts{"host": "other", "login": "alice", "cli": "gh"}},
		{Name: "c", Value: secret.Of("v"), Places: []Place{{Path: "~/.a"}}, Owner: "bob"},
	}
	got, err := Find(t.Context(), testMachine(t), []Kind{{ID: "k", Find: func(context.Context, *Machine, []string) ([]Token, error) { return found, nil }}}, nil)
	want := []Token{{Kind: "k", Name: "a", Value: secret.Of("v"), Owner: "alice", Places: []Place{{Path: "~/.a"}, {Path: "~/.b"}}, Facts: Facts{"host": "h", "login": "alice", "cli": "gh"}}}
	if diff := cmp.Diff(want, got, cmp.Comparer(secret.Value.Equal)); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if diff := cmp.Diff(Facts{"host": "h", "login": ""}, found[0].Facts); diff != "" {
		t.Errorf("what was found is changed: %s", diff)
	}
}

// TestMachineTilde: a path has one name, however it is written, and leads back.
func TestMachineTilde(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	slash := filepath.ToSlash(m.Home)
	for _, c := range []struct{ in, want string }{
		{m.Home, "~"},
		{m.Home + "/", "~"},
		{m.Home + "/.npmrc", "~/.npmrc"},
		{m.Home + "/a/../.npmrc", "~/.npmrc"},
		{m.Home + "//a/./b/", "~/a/b"},
		{m.Home + "/..a", "~/..a"},
		{m.Home + "/~", "~/~"},
		{m.Home + "2/.npmrc", slash + "2/.npmrc"},
		{m.Home + "/../other/.npmrc", path.Dir(slash) + "/other/.npmrc"},
		{"a//b", "a/b"},
	} {
		if got := m.tilde(c.in); got != c.want || m.Abs(got) != filepath.Clean(c.in) {
			t.Errorf("%q: %q, want %q; it leads to %q", c.in, got, c.want, m.Abs(got))
		}
	}
	odd := m.Home + `/a\b` // a name of one file, but on Windows
	want := `~/a\b`
	if runtime.GOOS == "windows" {
		odd, want = strings.ToUpper(m.Home)+`\a`, "~/a"
	}
	if got := m.tilde(odd); got != want {
		t.Errorf("%q: %q, want %q", odd, got, want)
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	long := testRandom(3*keptPart) + strings.Repeat("ä€", 2000)
	for name, token := range map[string]Token{
		"short": {Kind: "k", Name: "n", ID: "id", Places: []Place{{Path: "~/.a", Key: "b"}}, Facts: Facts{"f": "g"}, Value: secret.Of("v"), Also: Secrets{"s": secret.Of("t")}},
		"long":  {Kind: "k", Name: "n", Value: secret.Of(long)},
		"odd":   {Kind: "k", Name: "n", Value: secret.Of("\x00 \n\t\"\\é")},
	} {
		keys := &keychaintest.Store{}
		if err := keep(t.Context(), keys, "abc", "old", token); err != nil {
			t.Fatal(name, err)
		}
		if err := keep(t.Context(), keys, "abc", "new", Token{Name: "other", Value: secret.Of("w")}); err != nil {
			t.Fatal(name, err)
		}
		for account, v := range keys.Items() {
			if len(v.Reveal()) > keptPart+10 || !strings.HasPrefix(account, "wormbell\nrotation/abc/") {
				t.Errorf("%s: item %q of %d bytes", name, account, len(v.Reveal()))
			}
		}
		got, err := recall(t.Context(), keys, "abc", "old")
		if diff := cmp.Diff(token, got, cmp.Comparer(secret.Value.Equal)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		if err := wipe(t.Context(), keys, "abc", "old"); err != nil {
			t.Error(err)
		}
		if _, err := recall(t.Context(), keys, "abc", "old"); !errors.Is(err, keychain.ErrNotFound) || len(keys.Items()) != 1 {
			t.Errorf("%s: %v, %d items", name, err, len(keys.Items()))
		}
	}
	tooLong := Token{Value: secret.Of(testRandom(keptPart * (keptParts + 1)))}
	keys := &keychaintest.Store{}
	if err := keep(t.Context(), keys, "abc", "old", tooLong); !errors.Is(err, keychain.ErrTooBig) || len(keys.Items()) != 0 {
		t.Error(err)
	}
	if err := keep(t.Context(), keys, "abc", "old", Token{Value: secret.Of("not UTF-8: \xff")}); err == nil {
		t.Error("what cannot be kept was not noticed")
	}
}

// Wherever keeping stops, there is all of it or nothing, and nothing is left
// after wiping.
func TestKeptStops(t *testing.T) {
	t.Parallel()
	token := Token{Name: "n", Value: secret.Of(testRandom(4 * keptPart))}
	for at := 1; ; at++ {
		n := 0
		keys := &keychaintest.Store{}
		keys.Fail = func(op, _, _ string) error {
			if n++; n == at {
				return errors.New("it stopped")
			}
			return nil
		}
		kept := keep(t.Context(), keys, "abc", "old", token) == nil
		done := n < at
		n = 1 << 40
		if got, err := recall(t.Context(), keys, "abc", "old"); err == nil && !got.Value.Equal(token.Value) || kept && err != nil || err != nil && !errors.Is(err, keychain.ErrNotFound) {
			t.Errorf("stopped at %d: %v", at, err)
		}
		// Wiping stops, too, and is done again.
		for stop := 1; stop < 8; stop++ {
			n = at - stop
			wipe(t.Context(), keys, "abc", "old")
		}
		n = 1 << 40
		if err := wipe(t.Context(), keys, "abc", "old"); err != nil || len(keys.Items()) != 0 {
			t.Errorf("stopped at %d: %v, %d items are left", at, err, len(keys.Items()))
		}
		if done {
			break
		}
	}
}

func TestKeptDamaged(t *testing.T) {
	t.Parallel()
	const canary = "canary-in-what-is-damaged"
	for _, text := range []string{"", canary, "x " + canary, "0 " + canary, "99999 {}", "1 " + canary, `1 {"value":""}`, "-1 {}", "2 {"} {
		keys := &keychaintest.Store{}
		if err := keys.Set(t.Context(), keptService, keptAccount("abc", "old", 0), secret.Of(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := recall(t.Context(), keys, "abc", "old"); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", text, err)
		}
		if err := wipe(t.Context(), keys, "abc", "old"); err != nil || len(keys.Items()) != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.Notice, b.k.NoticeContained = []string{"The service mails the owner."}, "The service says nothing of the dead."
	b.old.Site = b.s.URL
	at := b.s.URL
	for _, test := range []struct {
		options Options
		change  func(*Kind)
		want    []string
	}{
		{Options{}, nil, []string{
			"Replace fake:it, the fake token in ~/.fakerc.",
			"  Ask " + at + " whose it is and what it may do.",
			"  Ask " + at + " for a new one that may do no more. If it has no call for that, you make it on its page (https://fake.example.com/tokens/new).",
			"  Keep it in the keychain until it is in its place, and see that it works.",
			"  Put it into ~/.fakerc, changing nothing else there.",
			"  Revoke the old one, and ask until it is refused, which may take a minute.",
			"Before you agree, know of the fake token:",
			"  The service mails the owner.",
		}},
		{Options{ContainNow: true}, func(k *Kind) { k.Create, k.Install, k.Revoke = nil, nil, nil }, []string{
			"Replace fake:it, the fake token in ~/.fakerc.",
			"  Ask " + at + " whose it is and what it may do, for 5 seconds at most.",
			"  You revoke the old one on a page that is opened (https://fake.example.com/tokens), and ask until it is refused, which may take a minute.",
			"  From here until the new one is in its place none works, perhaps for good.",
			"  You make a new one on a page that is opened (https://fake.example.com/tokens/new), and paste it here.",
			"  Keep it in the keychain until it is in its place, and see that it works.",
			"  You put it into ~/.fakerc.",
			"Before you agree, know of the fake token:",
			"  The service mails the owner.",
			"  The service says nothing of the dead.",
		}},
		{Options{RevokeOnly: true}, func(k *Kind) { k.IsDead, k.Identify = nil, nil }, []string{
			"Revoke fake:it, the fake token in ~/.fakerc, and make no new one: what uses it stops working.",
			"  Revoke the old one. The service cannot be asked whether it is dead: you look on its page.",
			"  Remove the dead token from ~/.fakerc.",
			"Before you agree, know of the fake token:",
			"  The service mails the owner.",
		}},
		{Options{ContainNow: true}, func(k *Kind) { k.CreateKills = true }, []string{
			"Replace fake:it, the fake token in ~/.fakerc.",
			"  Ask " + at + " whose it is and what it may do, for 5 seconds at most.",
			"  Ask " + at + " for a new one, which kills the old one in the same breath. If the answer is lost, perhaps neither works, and you make one on its page (https://fake.example.com/tokens/new).",
			"  Keep it in the keychain until it is in its place, and see that it works.",
			"  Put it into ~/.fakerc, changing nothing else there.",
			"  Should the service refuse that: revoke the old one at once, and you make the new one.",
			"Before you agree, know of the fake token:",
			"  The service mails the owner.",
			"  The service says nothing of the dead.",
		}},
	} {
		k := b.k
		if test.change != nil {
			test.change(&k)
		}
		r := &Rotator{Machine: b.m, Kinds: []Kind{k}}
		if diff := cmp.Diff(test.want, r.Plan([]Token{b.old}, test.options, nil).Steps); diff != "" {
			t.Errorf("%+v: %s", test.options, diff)
		}
	}
	keys := b.m.Keys
	b.m.Keys = nil
	r := &Rotator{Machine: b.m, Kinds: []Kind{b.k}}
	if steps := strings.Join(r.Plan([]Token{b.old}, Options{}, nil).Steps, "\n"); strings.Contains(steps, "in the keychain") || !strings.Contains(steps, "sealed with a passphrase") {
		t.Errorf("without a keychain the plan says %s", steps)
	}
	b.m.Keys = keys
	b.old.Site = ""

	// Several: one that cannot be done does not keep the others from it.
	stranger := Token{Kind: "strange", Name: "strange:it", Value: secret.Of("x")}
	left := 0
	b.k.Leave = func(context.Context, *Machine) { left++ }
	var shown []string
	p := b.rotator().Plan([]Token{stranger, b.old}, Options{}, func(o Outcome, err error) {
		shown = append(shown, fmt.Sprintf("%s %v %v", o.Token, o.Done, err == nil))
	})
	if len(p.Steps) != 9 || p.Steps[0] != `Nothing is done with strange:it: there are no tokens of kind "strange".` || len(b.s.alive()) != 1 {
		t.Errorf("%q", p.Steps)
	}
	// Nothing is said twice, and a token is named once, however many there are.
	other := b.old
	other.Name = "fake:other"
	text := strings.Join(b.rotator().Plan([]Token{b.old, other}, Options{}, nil).Steps, "\n")
	if strings.Count(text, "fake:it") != 1 || strings.Count(text, "fake:other") != 1 || strings.Count(text, "mails the owner") != 1 {
		t.Errorf("the plan is\n%s", text)
	}
	if err := p.Do(t.Context()); err == nil || left != 1 {
		t.Error(err, left)
	}
	if diff := cmp.Diff([]string{"strange:it false false", "fake:it true true"}, shown); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Do(ctx); !errors.Is(err, context.Canceled) || len(shown) != 2 {
		t.Error(err, shown)
	}
}
