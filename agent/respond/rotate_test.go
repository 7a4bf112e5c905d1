package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/journal"
	"wormbell/agent/respond/keychain"
	"wormbell/agent/respond/keychain/keychaintest"
	"wormbell/internal/secret"
)

// rotateBench is a rotation in front of a service.
type rotateBench struct {
	t    *testing.T
	m    *Machine
	s    *rotateService
	k    Kind
	old  Token
	did  []wormbell.Action
	hand *testPerson
}

func newRotateBench(t *testing.T, answers ...any) *rotateBench {
	t.Helper()
	b := &rotateBench{t: t, m: testMachine(t), s: newRotateService(t), k: rotateKind(nil)}
	b.old = rotatePut(t, b.m, b.s)
	b.hand = testPersonAt(b.m, answers...)
	return b
}

func (b *rotateBench) rotator() *Rotator {
	return &Rotator{Machine: b.m, Kinds: []Kind{b.k}, By: "1000", Did: func(alert string, a wormbell.Action) {
		b.did = append(b.did, a)
	}}
}

// run rotates, checks what must always be so, and returns the rest.
func (b *rotateBench) run(o Options) (Outcome, error) {
	b.t.Helper()
	out, err := b.rotator().Rotate(b.t.Context(), b.old, o)
	b.check(out, err)
	return out, err
}

func (b *rotateBench) check(out Outcome, err error) {
	b.t.Helper()
	canaries := append(b.s.values(), "also-"+testAlso)
	testShows(b.t, b.m, canaries, err, errors.New(fmt.Sprintf("%+v %+v", out, b.did)))
	if (out.Done || out.Abandoned) && len(testKeys(b.m).Items()) > 0 {
		b.t.Errorf("it has ended, and secrets are kept: %v", testKeys(b.m).Items())
	}
	if !out.Done && !out.Abandoned && out.ID != "" && len(out.Left) == 0 {
		b.t.Errorf("nothing is left, and it is not done: %+v", out)
	}
	b.t.Logf("%s, works: %s: %s problem: %s left: %q err: %v", out.State, out.Works, out.Sentence, out.Problem, out.Left, err)
}

// expect compares the truth with what is hoped for.
func (b *rotateBench) expect(out Outcome, state journal.State, works Which, oldAlive bool) {
	b.t.Helper()
	if out.State != state || out.Works != works {
		b.t.Errorf("got %s %s, want %s %s", out.State, out.Works, state, works)
	}
	alive := false
	for _, v := range b.s.alive() {
		alive = alive || v == b.old.Value.Reveal()
	}
	if alive != oldAlive {
		b.t.Errorf("the old token is alive: %v, want %v", alive, oldAlive)
	}
}

func (b *rotateBench) holdsOld() bool {
	b.t.Helper()
	return rotateStands(b.t, b.m) == b.old.Value.Reveal()
}

func TestRotate(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	out, err := b.run(Options{Alert: "abcdefgh"})
	if err != nil || !out.Done || out.OldAnswer != Dead || out.NewAnswer != Alive || out.Alert != "abcdefgh" {
		t.Errorf("%v %+v", err, out)
	}
	b.expect(out, journal.Done, NewWorks, false)
	if alive := b.s.alive(); len(alive) != 1 || alive[0] != rotateStands(t, b.m) {
		t.Error("what stands in the file is not the one that is alive")
	}
	var what []string
	for _, a := range b.did {
		what = append(what, a.What)
		if a.By != "1000" || a.Time.IsZero() || a.Outcome == "" {
			t.Errorf("%+v", a)
		}
	}
	want := []string{"fake-token-create", "fake-token-verify", "fake-token-install", "fake-token-revoke", "fake-token-dead"}
	if diff := cmp.Diff(want, what); diff != "" {
		t.Error(diff)
	}
	if want := "The new fake token works and stands in ~/.fakerc; the old one is dead: the service refuses it."; out.Sentence != want {
		t.Errorf("%q", out.Sentence)
	}
	if left, err := b.rotator().Unfinished(); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
	again, err := b.rotator().Resume(t.Context(), out.ID)
	if err != nil || !again.Done {
		t.Errorf("going on with what is done: %v %+v", err, again)
	}
}

// The order is what nothing is lost by.
func TestRotateOrder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options Options
		want    []string
	}{
		{Options{}, []string{"create", "works", "install", "revoke"}},
		{Options{ContainNow: true}, []string{"revoke", "create", "works", "install"}},
		{Options{RevokeOnly: true}, []string{"revoke", "forget"}},
	} {
		b := newRotateBench(t)
		b.s.set(func(s *rotateService) { s.slow = 3 })
		var got []string
		k := b.k
		b.k.Create = func(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
			got = append(got, "create")
			if !strings.HasPrefix(label, "wormbell-") {
				t.Errorf("label %q", label)
			}
			new := old
			new.Value = secret.Of(b.s.mint(label, "alice"))
			return new, nil
		}
		b.k.Works = func(ctx context.Context, m *Machine, old, new Token) (Answer, error) {
			got = append(got, "works")
			return Alive, nil
		}
		b.k.Install = func(ctx context.Context, m *Machine, old, new Token) error {
			got = append(got, "install")
			return k.Install(ctx, m, old, new)
		}
		b.k.Forget = func(ctx context.Context, m *Machine, old Token) error {
			got = append(got, "forget")
			return k.Forget(ctx, m, old)
		}
		b.k.Revoke = func(ctx context.Context, m *Machine, old, by Token) error {
			got = append(got, "revoke")
			if wants := test.options == (Options{}); wants == by.Value.Empty() || by.Value.Equal(old.Value) {
				t.Error("the successor is not given to Revoke")
			}
			return k.Revoke(ctx, m, old, by)
		}
		out, err := b.run(test.options)
		if err != nil || !out.Done {
			t.Error(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: %s", test.options, diff)
		}
	}
}

func TestRotateNowhereToKeep(t *testing.T) {
	t.Parallel()
	broken := &keychaintest.Store{Fail: func(op, _, _ string) error {
		if op == "set" {
			return fmt.Errorf("%w: it is locked", keychain.ErrNone)
		}
		return nil
	}}
	for name, keys := range map[string]keychain.Store{"none": nil, "locked": broken} {
		for _, o := range []Options{{}, {ContainNow: true}} {
			t.Run(fmt.Sprintf("%s %+v", name, o), func(t *testing.T) {
				b := newRotateBench(t)
				b.m.Keys = keys
				asked := 0
				b.k.Identify = func(context.Context, *Machine, Token) (Identity, error) { asked++; return Identity{Answer: Alive}, nil }
				out, err := b.rotator().Rotate(t.Context(), b.old, o)
				if !errors.Is(err, keychain.ErrNone) || !strings.Contains(fmt.Sprint(err), "nothing was done") {
					t.Errorf("%v", err)
				}
				if asked > 0 || len(b.s.alive()) != 1 || !b.holdsOld() || out.Works != OldWorks {
					t.Errorf("something was done: %d %+v", asked, out)
				}
				if left, err := b.rotator().Unfinished(); err != nil || len(left) != 0 {
					t.Errorf("%v %v", left, err)
				}
			})
		}
	}
	t.Run("revoking needs none", func(t *testing.T) {
		b := newRotateBench(t)
		b.m.Keys = nil
		out, err := b.rotator().Rotate(t.Context(), b.old, Options{RevokeOnly: true})
		if err != nil || !out.Done || out.Works != NoneWanted || rotateStands(t, b.m) != "" {
			t.Errorf("%v %+v", err, out)
		}
	})
}

func TestRotateDeadAlready(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options Options
		answers []any
		works   Which
		stands  string // what stands in the file
	}{
		{"nobody says what to do", Options{}, nil, NoneWanted, "old"},
		{"no", Options{ContainNow: true}, []any{false}, NoneWanted, "old"},
		{"forget it", Options{RevokeOnly: true}, nil, NoneWanted, "nothing"},
		{"replace it", Options{Replace: true}, []any{"the new"}, NewWorks, "new"},
		{"yes", Options{}, []any{true, "the new"}, NewWorks, "new"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newRotateBench(t)
			for i, a := range test.answers {
				if a == "the new" { // it cannot make one itself
					test.answers[i] = b.s.mint(rotateByHand, "alice")
				}
			}
			b.hand = testPersonAt(b.m, test.answers...)
			b.s.kill(b.old.Value.Reveal())
			b.k.Revoke = func(context.Context, *Machine, Token, Token) error { t.Error("revoked"); return nil }
			out, err := b.run(test.options)
			if err != nil {
				t.Error(err)
			}
			b.expect(out, journal.Done, test.works, false)
			got := "new"
			if v := rotateStands(t, b.m); v == "" {
				got = "nothing"
			} else if b.holdsOld() {
				got = "old"
			}
			if got != test.stands {
				t.Errorf("in the file: %s, want %s", got, test.stands)
			}
		})
	}
}

// What cannot be told is neither dead nor alive.
func TestRotateCouldNotTell(t *testing.T) {
	t.Parallel()
	t.Run("of the new one, nobody is there", func(t *testing.T) {
		b := newRotateBench(t)
		b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) { return CouldNotTell, nil }
		out, err := b.run(Options{})
		if !errors.Is(err, ErrNobody) {
			t.Error(err)
		}
		b.expect(out, journal.Created, OldWorks, true)
		if !b.holdsOld() {
			t.Error("it was put into the file")
		}
		b.k.Works = nil
		out, err = b.rotator().Resume(t.Context(), out.ID)
		b.check(out, err)
		b.expect(out, journal.Done, NewWorks, false)
	})
	t.Run("of the new one, a person says to use it", func(t *testing.T) {
		b := newRotateBench(t, true)
		b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) {
			return CouldNotTell, errors.New("what the service said makes no sense")
		}
		out, err := b.run(Options{})
		if err != nil || out.NewAnswer != CouldNotTell {
			t.Error(err, out)
		}
		b.expect(out, journal.Done, NewWorks, false)
	})
	t.Run("of the old one's death", func(t *testing.T) {
		b := newRotateBench(t, true, true)
		b.k.IsDead = func(context.Context, *Machine, Token) (Answer, error) { return CouldNotTell, errors.New("no route") }
		out, err := b.run(Options{})
		if err != nil || !out.Pending || out.OldAnswer != CouldNotTell {
			t.Error(err, out)
		}
		b.expect(out, journal.Revoking, NewWorks, false)
		if len(b.hand.asked) > 0 {
			t.Errorf("a person was asked although the service can be: %q", b.hand.asked)
		}
	})
	t.Run("of anything, ever", func(t *testing.T) {
		for _, yes := range []bool{true, false} {
			b := newRotateBench(t, true, yes) // use it; gone?
			b.s.set(func(s *rotateService) { s.slow = 100 })
			b.k.Identify = func(context.Context, *Machine, Token) (Identity, error) {
				return Identity{Note: "There is no call."}, nil
			}
			out, err := b.run(Options{})
			if err != nil || out.OldAnswer != CouldNotTell || out.Done != yes || out.Pending == yes {
				t.Errorf("%v %+v", err, out)
			}
			if yes && !strings.Contains(out.Sentence, "the service cannot be asked") {
				t.Errorf("%q", out.Sentence)
			}
		}
	})
}

func TestRotateNewOneDoesNotWork(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) { return Dead, nil }
	out, err := b.run(Options{})
	if err == nil {
		t.Error("no error")
	}
	b.expect(out, journal.Created, OldWorks, true)
	if !b.holdsOld() {
		t.Error("it was put into the file")
	}
	// Given up, the new one does not stay alive.
	out, err = b.rotator().Abandon(t.Context(), out.ID, "I do not want it.", false)
	b.check(out, err)
	if err != nil || !out.Abandoned || len(b.s.alive()) != 1 {
		t.Errorf("%v %+v, %d alive", err, out, len(b.s.alive()))
	}
	b.expect(out, journal.Abandoned, OldWorks, true)
}

func TestRotateInstall(t *testing.T) {
	t.Parallel()
	t.Run("the file was changed meanwhile", func(t *testing.T) {
		b := newRotateBench(t)
		other := b.s.mint("by somebody", "alice")
		b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) {
			testPut(t, b.m, rotateFile, "# mine\ntoken="+other+"\nother=1\n")
			return Alive, nil
		}
		out, err := b.run(Options{})
		if !errors.Is(err, edit.ErrChanged) {
			t.Error(err)
		}
		b.expect(out, journal.Verified, BothWork, true)
		if rotateStands(t, b.m) != other {
			t.Error("what somebody else put there is gone")
		}
	})
	t.Run("it says yes and does nothing", func(t *testing.T) {
		for name, install := range map[string]func(context.Context, *Machine, Token, Token) error{
			"leaves it":  func(context.Context, *Machine, Token, Token) error { return nil },
			"removes it": func(ctx context.Context, m *Machine, old, _ Token) error { return rotateKind(nil).Forget(ctx, m, old) },
		} {
			b := newRotateBench(t)
			b.k.Install = install
			out, err := b.run(Options{})
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			b.expect(out, journal.Verified, BothWork, true)
		}
	})
	t.Run("by hand", func(t *testing.T) {
		b := newRotateBench(t, true)
		b.k.Install = nil
		out, err := b.run(Options{})
		if err != nil || !strings.Contains(strings.Join(b.hand.said(), "\n"), "rotation/"+out.ID+"/new") {
			t.Error(err, b.hand.said())
		}
		b.expect(out, journal.Done, NewWorks, false)
	})
}
