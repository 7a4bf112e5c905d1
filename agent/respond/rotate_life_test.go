package respond

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"wormbell/agent/respond/journal"
	"wormbell/agent/respond/keychain"
	"wormbell/agent/respond/keychain/keychaintest"
	"wormbell/internal/secret"
)

func TestRotateOneAtATime(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	inside, others := false, 0
	works := func() {
		if inside {
			return
		}
		inside = true
		defer func() { inside = false }()
		all, err := b.rotator().Unfinished()
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if _, err := b.rotator().Rotate(t.Context(), b.old, Options{}); !errors.Is(err, ErrUnfinished) {
			t.Errorf("a second rotation: %v", err)
		}
		if _, err := b.rotator().Resume(t.Context(), all[0].ID); !errors.Is(err, journal.ErrBusy) {
			t.Errorf("going on with what is being worked on: %v", err)
		}
		if _, err := b.rotator().Abandon(t.Context(), all[0].ID, "", true); !errors.Is(err, journal.ErrBusy) {
			t.Errorf("giving up what is being worked on: %v", err)
		}
		// Another token at another place is another matter.
		other := Token{Kind: "fake", Name: "fake:other", Value: secret.Of(b.s.mint("other", "alice")), Places: []Place{{Path: "~/.other", Key: "token"}}}
		k := b.k
		k.Find, k.Install, k.Forget = nil, nil, nil
		r := &Rotator{Machine: b.m, Kinds: []Kind{k}}
		if o, err := r.Rotate(t.Context(), other, Options{RevokeOnly: true}); err != nil || !o.Done {
			t.Errorf("another token: %v", err)
		}
		others++
	}
	identify := b.k.Identify
	b.k.Identify = func(ctx context.Context, m *Machine, t Token) (Identity, error) {
		works()
		return identify(ctx, m, t)
	}
	if out, err := b.run(Options{}); err != nil || !out.Done || others == 0 {
		t.Error(err, out, others)
	}
}

func TestRotatePending(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.DiesWithin = time.Hour
	b.s.set(func(s *rotateService) { s.slow = 12 })
	r := b.rotator()
	r.Patience = 20 * time.Second
	begun := b.m.Now()
	out, err := r.Rotate(t.Context(), b.old, Options{})
	b.check(out, err)
	if err != nil || !out.Pending || out.Done || out.Works != NewWorks || b.m.Now().Sub(begun) > 3*time.Minute || !out.Next.After(begun) {
		t.Errorf("%v %+v", err, out)
	}
	if all, err := r.Unfinished(); err != nil || len(all) != 1 || all[0].ID != out.ID || !all[0].Pending {
		t.Errorf("%v %+v", err, all)
	}
	// Its successor can be rotated meanwhile.
	found, err := Find(t.Context(), b.m, []Kind{b.k}, nil)
	if err != nil || len(found) != 1 {
		t.Fatal(err)
	}
	b.s.set(func(s *rotateService) { s.slow = 0 })
	if o, err := r.Rotate(t.Context(), found[0], Options{}); err != nil || !o.Done {
		t.Errorf("%v %+v", err, o)
	}
	r.Patience = 0
	out, err = r.Resume(t.Context(), out.ID)
	b.check(out, err)
	b.expect(out, journal.Done, NewWorks, false)
	if alive := b.s.alive(); len(alive) != 1 || alive[0] != rotateStands(t, b.m) {
		t.Error("the one in the file is not alive")
	}
}

func TestRotateAbandon(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) { return CouldNotTell, nil }
	b.k.IsDead = func(ctx context.Context, m *Machine, t Token) (Answer, error) { return Dead, nil }
	b.k.Create = func(_ context.Context, _ *Machine, old Token, label string) (Token, error) {
		new := old
		new.Value = secret.Of(b.s.mint(label, "alice"))
		return new, nil
	}
	out, err := b.run(Options{ContainNow: true})
	if err == nil || out.State != journal.Created {
		t.Fatal(err, out)
	}
	refused, err := b.rotator().Abandon(t.Context(), out.ID, "enough", false)
	if !errors.Is(err, ErrOnlyOne) || refused.Abandoned || len(testKeys(b.m).Items()) == 0 {
		t.Errorf("the only token that may work was given up: %v", err)
	}
	out, err = b.rotator().Abandon(t.Context(), out.ID, "enough", true)
	b.check(out, err)
	if err != nil || !out.Abandoned || !strings.Contains(strings.Join(out.Left, " "), "wormbell-"+out.ID) {
		t.Errorf("%v %+v", err, out)
	}
	if _, err := b.rotator().Abandon(t.Context(), "nosuchrota", "", false); !errors.Is(err, journal.ErrNotFound) {
		t.Error(err)
	}
}

// A kind that puts a secret where none belongs does not get it past the Rotator.
func TestRotateHidesSecrets(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.Identify = func(_ context.Context, _ *Machine, t Token) (Identity, error) {
		return Identity{Note: "no such token: " + t.Value.Reveal()}, nil
	}
	b.k.Create = func(_ context.Context, _ *Machine, old Token, _ string) (Token, error) {
		new := old
		new.Value = secret.Of(b.s.mint("x", "alice"))
		new.Note, new.Facts = new.Value.Reveal(), Facts{"old": old.Value.Reveal()}
		return new, nil
	}
	b.k.Works = func(_ context.Context, _ *Machine, old, new Token) (Answer, error) {
		return Dead, fmt.Errorf("it is not %s, nor %s, nor %s", old.Value.Reveal(), new.Value.Reveal(), old.Also["client"].Reveal())
	}
	if out, err := b.run(Options{}); err == nil || out.State != journal.Created {
		t.Errorf("%v %+v", err, out)
	}
	bad := b.old
	bad.Note = bad.Value.Reveal()
	bad.Name = "fake:bad"
	out, err := b.rotator().Rotate(t.Context(), bad, Options{})
	testShows(t, b.m, b.s.values(), err)
	if err == nil || out.ID != "" {
		t.Errorf("%v", err)
	}
}

func TestRotateResumeWithoutSecrets(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) { return CouldNotTell, nil }
	out, _ := b.run(Options{})
	keys := b.m.Keys
	b.k.Works = nil
	for _, other := range []keychain.Store{nil, &keychaintest.Store{}} {
		b.m.Keys = other
		o, err := b.rotator().Resume(t.Context(), out.ID)
		if err == nil || o.State != journal.Created || o.Works != OldWorks {
			t.Errorf("%v %+v", err, o)
		}
	}
	// Only the new one is gone: it is found by its label, revoked, and made again.
	b.m.Keys = keys
	if err := wipe(t.Context(), keys, out.ID, "new"); err != nil {
		t.Fatal(err)
	}
	o, err := b.rotator().Resume(t.Context(), out.ID)
	b.check(o, err)
	if err != nil || len(b.s.alive()) != 1 {
		t.Errorf("%v, %d alive", err, len(b.s.alive()))
	}
	b.expect(o, journal.Done, NewWorks, false)
}

func TestRotateUnknownKind(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	stranger := b.old
	stranger.Kind = "strange"
	if _, err := b.rotator().Rotate(t.Context(), stranger, Options{}); err == nil {
		t.Error("no error")
	}
	b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) { return CouldNotTell, nil }
	out, _ := b.run(Options{})
	r := &Rotator{Machine: b.m, Kinds: []Kind{{ID: "else"}}}
	if o, err := r.Resume(t.Context(), out.ID); err == nil || o.Works != PerhapsNeither {
		t.Errorf("%v %+v", err, o)
	}
	if err := os.WriteFile(b.m.State+"/rotations/"+strings.Repeat("a", 10)+".json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := r.Unfinished(); !errors.Is(err, journal.ErrDamaged) || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
}

// A new token that was kept, and not yet noted when we crashed, is used: above
// all where it is the only one.
func TestRotateResumeUsesWhatWasKept(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.CreateKills, b.k.Lost = true, nil
	b.s.set(func(s *rotateService) { s.kills = true })
	b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) { return CouldNotTell, nil }
	out, _ := b.run(Options{})
	d, err := b.rotator().journals()
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Take(out.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.State, e.New, e.NewKept, e.Creates[0].Result = journal.Planned, nil, false, journal.Unknown
	if err := e.Save(); err != nil {
		t.Fatal(err)
	}
	e.Close()
	b.k.Works = nil
	out, err = b.rotator().Resume(t.Context(), out.ID)
	b.check(out, err)
	if err != nil || b.s.gets != 1 || len(b.s.alive()) != 1 {
		t.Errorf("%v, made %d, %d alive", err, b.s.gets, len(b.s.alive()))
	}
	b.expect(out, journal.Done, NewWorks, false)
}
