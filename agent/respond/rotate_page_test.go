package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/journal"
	"wormbell/internal/secret"
)

func TestRotateByHand(t *testing.T) {
	t.Parallel()
	page := func(b *rotateBench) { b.k.Create, b.k.Revoke = nil, nil }
	t.Run("nobody", func(t *testing.T) {
		b := newRotateBench(t)
		page(b)
		out, err := b.run(Options{})
		if !errors.Is(err, ErrNobody) || !strings.Contains(fmt.Sprint(err), "https://fake.example.com/tokens/new") {
			t.Error(err)
		}
		b.expect(out, journal.Planned, OldWorks, true)
		want := []string{"Make a new fake token on its page.", "Check that the new one works.", "Put it into ~/.fakerc.", "Revoke the old one on its page."}
		if diff := cmp.Diff(want, out.Left); diff != "" {
			t.Error(diff)
		}
		if len(out.Pages) != 2 || !b.holdsOld() {
			t.Errorf("%+v", out.Pages)
		}
	})
	t.Run("what is pasted", func(t *testing.T) {
		b := newRotateBench(t)
		page(b)
		good := b.s.mint(rotateByHand, "alice")
		dead := b.s.mint(rotateByHand, "alice")
		b.s.kill(dead)
		b.hand = testPersonAt(b.m, b.old.Value.Reveal(), "something else", " "+dead+"\n", b.s.mint(rotateByHand, "bob"), good, func() any { b.s.kill(b.old.Value.Reveal()); return true })
		out, err := b.run(Options{})
		if err != nil {
			t.Error(err)
		}
		b.expect(out, journal.Done, NewWorks, false)
		if rotateStands(t, b.m) != good {
			t.Error("not the good one stands there")
		}
		if diff := cmp.Diff([]string{"https://fake.example.com/tokens/new", "https://fake.example.com/tokens/new", "https://fake.example.com/tokens/new", "https://fake.example.com/tokens"}, b.hand.opened()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("nothing that works", func(t *testing.T) {
		b := newRotateBench(t)
		page(b)
		var answers []any
		for range 5 {
			answers = append(answers, "fake_"+testRandom(32))
		}
		b.hand = testPersonAt(b.m, answers...)
		out, err := b.run(Options{})
		if err == nil {
			t.Error("no error")
		}
		b.expect(out, journal.Planned, OldWorks, true)
		if len(b.hand.asked) != 3 {
			t.Errorf("asked %d times", len(b.hand.asked))
		}
	})
	t.Run("the person says it is revoked, and it is not", func(t *testing.T) {
		b := newRotateBench(t)
		page(b)
		b.hand = testPersonAt(b.m, b.s.mint(rotateByHand, "alice"), true)
		out, err := b.run(Options{})
		if err != nil || !out.Pending || out.OldAnswer != Alive {
			t.Errorf("%v %+v", err, out)
		}
		b.expect(out, journal.Revoking, NewWorks, true)
		b.s.kill(b.old.Value.Reveal())
		out, err = b.rotator().Resume(t.Context(), out.ID)
		if err != nil {
			t.Error(err)
		}
		b.check(out, err)
		b.expect(out, journal.Done, NewWorks, false)
	})
	t.Run("contain now, nobody", func(t *testing.T) {
		b := newRotateBench(t)
		b.k.Create = nil
		out, err := b.run(Options{ContainNow: true})
		if !errors.Is(err, ErrNobody) || !strings.Contains(out.Sentence, "neither") || len(out.Pages) == 0 {
			t.Errorf("%v %+v", err, out)
		}
		b.expect(out, journal.Dead, PerhapsNeither, false)
		b.hand = testPersonAt(b.m, b.s.mint(rotateByHand, "alice"))
		out, err = b.rotator().Resume(t.Context(), out.ID)
		b.check(out, err)
		if err != nil {
			t.Error(err)
		}
		b.expect(out, journal.Done, NewWorks, false)
	})
}

// What is contained and dies slowly does not keep its successor waiting.
func TestRotateContainNowDiesSlowly(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	b.k.DiesWithin = time.Hour
	b.s.set(func(s *rotateService) { s.slow = 25 })
	begun, made := b.m.Now(), time.Time{}
	b.k.Create = func(_ context.Context, m *Machine, old Token, label string) (Token, error) {
		made = m.Now()
		new := old
		new.Value = secret.Of(b.s.mint(label, "alice"))
		return new, nil
	}
	out, err := b.run(Options{ContainNow: true})
	if err != nil || made.IsZero() || made.Sub(begun) > 2*time.Minute {
		t.Errorf("%v, made after %v", err, made.Sub(begun))
	}
	b.expect(out, journal.Done, NewWorks, false)
}

// A kind whose making kills the old token.
func TestRotateCreateKills(t *testing.T) {
	t.Parallel()
	set := func(b *rotateBench) {
		b.k.CreateKills, b.k.Lost = true, nil
		b.s.set(func(s *rotateService) { s.kills = true })
	}
	lose := func(b *rotateBench, carriedOut bool) *int {
		n, create := new(int), b.k.Create
		b.k.Create = func(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
			*n++
			if carriedOut {
				create(ctx, m, old, label)
			}
			return Token{}, &call.LostError{What: "make a token", Why: "the connection was closed"}
		}
		return n
	}
	t.Run("no second killing", func(t *testing.T) {
		b := newRotateBench(t)
		set(b)
		b.k.Revoke = func(context.Context, *Machine, Token, Token) error { t.Error("a dead token was revoked"); return nil }
		for _, o := range []Options{{}, {ContainNow: true}} {
			out, err := b.run(o)
			if err != nil || b.s.gets != 1 {
				t.Error(err, b.s.gets)
			}
			b.expect(out, journal.Done, NewWorks, false)
			b.s.set(func(s *rotateService) { s.gets = 0 })
			b.old = rotatePut(t, b.m, b.s)
		}
	})
	t.Run("the answer is lost", func(t *testing.T) {
		b := newRotateBench(t)
		set(b)
		n := lose(b, true)
		out, err := b.run(Options{})
		if !errors.Is(err, ErrNobody) || *n != 1 {
			t.Errorf("%v, asked %d times", err, *n)
		}
		b.expect(out, journal.Planned, PerhapsNeither, false)
		if len(out.Pages) == 0 || len(b.hand.opened()) == 0 || !strings.Contains(out.Sentence, "the old fake token fake:it is dead, and there is no new one") {
			t.Errorf("%+v", out)
		}
		if out, err = b.rotator().Resume(t.Context(), out.ID); !errors.Is(err, ErrNobody) || *n != 1 {
			t.Errorf("%v, asked %d times", err, *n)
		}
	})
	t.Run("the request was never carried out", func(t *testing.T) {
		b := newRotateBench(t)
		set(b)
		create := b.k.Create
		n := lose(b, false)
		lost := b.k.Create
		var first time.Time
		b.k.Create = func(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
			if *n == 0 {
				first = m.Now()
				return lost(ctx, m, old, label)
			}
			if m.Now().Sub(first) < time.Minute {
				t.Error("it was sent again too soon")
			}
			return create(ctx, m, old, label)
		}
		out, err := b.run(Options{})
		if err != nil {
			t.Error(err)
		}
		b.expect(out, journal.Done, NewWorks, false)
	})
	t.Run("it cannot be told", func(t *testing.T) {
		b := newRotateBench(t)
		set(b)
		n := lose(b, false)
		asked := 0
		identify := b.k.Identify
		b.k.Identify = func(ctx context.Context, m *Machine, t Token) (Identity, error) {
			if asked++; asked == 1 {
				return identify(ctx, m, t)
			}
			return Identity{Note: "no answer"}, nil
		}
		out, err := b.run(Options{})
		if err == nil || *n != 1 {
			t.Errorf("%v, asked %d times", err, *n)
		}
		b.expect(out, journal.Planned, PerhapsNeither, true)
		if out, err = b.rotator().Resume(t.Context(), out.ID); err == nil || *n != 1 {
			t.Errorf("%v, asked %d times", err, *n)
		}
		if _, err = b.rotator().Abandon(t.Context(), out.ID, "so be it", false); err != nil {
			t.Error(err)
		}
	})
	t.Run("it cannot be kept", func(t *testing.T) {
		b := newRotateBench(t)
		set(b)
		testKeys(b.m).Fail = func(op, _, account string) error {
			if op == "set" && strings.Contains(account, "/new") {
				return errors.New("the disk is full")
			}
			return nil
		}
		b.k.Works = func(context.Context, *Machine, Token, Token) (Answer, error) { return CouldNotTell, nil }
		out, err := b.run(Options{})
		if err == nil {
			t.Error("no error")
		}
		if b.holdsOld() {
			t.Error("the only copy of the new one is in memory")
		}
		b.k.Works = nil
		out, err = b.rotator().Resume(t.Context(), out.ID)
		if err != nil {
			t.Error(err)
		}
		b.check(out, err)
		b.expect(out, journal.Done, NewWorks, false)
	})
}

func TestRotateRefused(t *testing.T) {
	t.Parallel()
	t.Run("no right to make one", func(t *testing.T) {
		b := newRotateBench(t)
		b.s.set(func(s *rotateService) { s.forbid = true })
		b.hand = testPersonAt(b.m, b.s.mint(rotateByHand, "alice"))
		out, err := b.run(Options{})
		if err != nil || len(b.hand.opened()) != 1 {
			t.Error(err, b.hand.opened())
		}
		b.expect(out, journal.Done, NewWorks, false)
	})
	t.Run("the service is down", func(t *testing.T) {
		b := newRotateBench(t)
		b.s.set(func(s *rotateService) { s.broken = true })
		out, err := b.run(Options{})
		if err == nil {
			t.Error("no error")
		}
		if out.Works != OldWorks || !b.holdsOld() {
			t.Errorf("%+v", out)
		}
		b.s.set(func(s *rotateService) { s.broken = false })
		out, err = b.rotator().Resume(t.Context(), out.ID)
		b.check(out, err)
		if err != nil || len(b.s.alive()) != 1 {
			t.Error(err, len(b.s.alive()))
		}
		b.expect(out, journal.Done, NewWorks, false)
	})
	t.Run("too often", func(t *testing.T) {
		b := newRotateBench(t)
		n := 0
		b.k.Create = func(context.Context, *Machine, Token, string) (Token, error) {
			n++
			return Token{}, &call.StatusError{What: "make a token", Status: 429, Later: time.Hour}
		}
		out, err := b.run(Options{})
		if err == nil || n != 1 {
			t.Error(err, n)
		}
		b.expect(out, journal.Planned, OldWorks, true)
	})
	t.Run("the revocation", func(t *testing.T) {
		b := newRotateBench(t)
		b.k.Revoke = func(context.Context, *Machine, Token, Token) error {
			return &call.StatusError{What: "revoke", Status: 403}
		}
		out, err := b.run(Options{})
		if err != nil || !out.Pending || len(b.hand.opened()) != 1 || !strings.Contains(out.Problem, "403") {
			t.Errorf("%v %+v", err, out)
		}
		b.expect(out, journal.Revoking, NewWorks, true)
	})
	t.Run("the revocation had no effect", func(t *testing.T) {
		b := newRotateBench(t)
		n, revoke := 0, b.k.Revoke
		b.k.Revoke = func(ctx context.Context, m *Machine, old, by Token) error {
			if n++; n == 1 {
				return nil
			}
			return revoke(ctx, m, old, by)
		}
		out, err := b.run(Options{})
		if err != nil || !out.Pending || n != 1 || out.Next.IsZero() {
			t.Errorf("%v %+v", err, out)
		}
		out, err = b.rotator().Resume(t.Context(), out.ID)
		b.check(out, err)
		if err != nil || n != 2 {
			t.Error(err, n)
		}
		b.expect(out, journal.Done, NewWorks, false)
	})
}
