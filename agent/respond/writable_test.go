package respond

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/journal"
)

// unwritable makes the file of b one that cannot be replaced, also by root: it
// gets a second name, which would keep the old value. The func returned mends it.
func (b *rotateBench) unwritable() (mend func()) {
	b.t.Helper()
	second := filepath.Join(b.t.TempDir(), "second")
	if err := os.Link(b.m.Abs(rotateFile), second); err != nil {
		b.t.Skipf("no hard links here: %v", err)
	}
	return func() {
		if err := os.Remove(second); err != nil {
			b.t.Error(err)
		}
	}
}

// TestUnwritable sees that no token is made that could not be put into its
// place, that what must die at once dies all the same, and that all goes on when
// the file is mended.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there a file with two names can be replaced")
	}
	edits := func(k *Kind) { // as all kinds do that are in the program
		install := k.Install
		k.Install = func(ctx context.Context, m *Machine, old, new Token) error {
			if err := edit.Rehearse(m.Abs(rotateFile)); err != nil {
				return err
			}
			return install(ctx, m, old, new)
		}
	}
	t.Run("rotate", func(t *testing.T) {
		t.Parallel()
		b := newRotateBench(t)
		edits(&b.k)
		mend := b.unwritable()
		r := b.rotator()
		plan := strings.Join(r.Steps(b.old, Options{}), "\n")
		if !strings.Contains(plan, "It cannot be done now: ") || !strings.Contains(plan, "several names") || strings.Contains(plan, "Revoke the old one") {
			t.Errorf("the plan is\n%s", plan)
		}
		out, err := b.run(Options{})
		if !errors.Is(err, edit.ErrUnwritable) || out.State != journal.Abandoned || out.Works != OldWorks || len(out.Left) != 0 {
			t.Errorf("%+v, %v", out, err)
		}
		if b.s.gets != 0 || len(b.s.alive()) != 1 || len(testKeys(b.m).Items()) != 0 {
			t.Errorf("%d tokens were asked for, %d live, kept: %v", b.s.gets, len(b.s.alive()), testKeys(b.m).Items())
		}
		mend()
		out, err = b.run(Options{})
		if err != nil || !out.Done {
			t.Error("when it is mended:", out, err)
		}
	})
	t.Run("pasted", func(t *testing.T) {
		t.Parallel()
		b := newRotateBench(t)
		b.k.Create = nil
		b.unwritable()
		if out, err := b.run(Options{}); !errors.Is(err, edit.ErrUnwritable) || out.Works != OldWorks {
			t.Errorf("%+v, %v", out, err)
		}
		if len(b.hand.opened()) != 0 || len(b.hand.asked) != 0 {
			t.Errorf("a person was sent to make one: %q %q", b.hand.opened(), b.hand.asked)
		}
	})
	t.Run("a rotation that stopped before it made one", func(t *testing.T) {
		t.Parallel()
		b := newRotateBench(t)
		b.s.set(func(s *rotateService) { s.broken = true })
		out, err := b.run(Options{})
		if err == nil || out.ID == "" || out.Done {
			t.Fatal(out, err)
		}
		b.s.set(func(s *rotateService) { s.broken = false })
		b.unwritable()
		gets := b.s.gets
		out, err = b.rotator().Resume(t.Context(), out.ID)
		if !errors.Is(err, edit.ErrUnwritable) || b.s.gets != gets || out.Works != OldWorks {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("contain now", func(t *testing.T) {
		t.Parallel()
		b := newRotateBench(t)
		edits(&b.k)
		mend := b.unwritable()
		plan := strings.Join(b.rotator().Steps(b.old, Options{ContainNow: true}), "\n")
		if !strings.Contains(plan, "it cannot be put into its place yet: ") || !strings.Contains(plan, "Revoke the old one") {
			t.Errorf("the plan is\n%s", plan)
		}
		// Nobody mends it now.
		b.hand = rotateHand(b.m, b.s.URL)
		b.k.Create = nil
		answer := b.m.Person.Confirm
		b.m.Person.Confirm = func(ctx context.Context, q string) (bool, error) {
			if strings.HasPrefix(q, "Mend that") {
				return false, nil
			}
			return answer(ctx, q)
		}
		out, err := b.run(Options{ContainNow: true})
		if err == nil || !strings.Contains(err.Error(), "wormbell rotate --resume") || out.State != journal.Verified || out.Works != NewWorks || out.OldAnswer != Dead {
			t.Fatalf("%+v, %v", out, err)
		}
		mend()
		out, err = b.rotator().Resume(t.Context(), out.ID)
		b.check(out, err)
		if err != nil || !out.Done || rotateStands(t, b.m) == b.old.Value.Reveal() {
			t.Errorf("when it is mended: %+v, %v", out, err)
		}
	})
	t.Run("revoke only", func(t *testing.T) {
		t.Parallel()
		b := newRotateBench(t)
		b.unwritable()
		plan := strings.Join(b.rotator().Steps(b.old, Options{RevokeOnly: true}), "\n")
		if !strings.Contains(plan, "The dead token stays where it stands: ") {
			t.Errorf("the plan is\n%s", plan)
		}
		if out, err := b.run(Options{RevokeOnly: true}); err != nil || !out.Done || len(b.s.alive()) != 0 {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("no keychain that holds it", func(t *testing.T) {
		t.Parallel()
		b := newRotateBench(t)
		b.old.Places = append(b.old.Places, Place{Service: "gh:example.com", Key: "alice"})
		b.m.Items = nil
		if out, err := b.run(Options{}); err == nil || !strings.Contains(err.Error(), "keychain item gh:example.com") || out.Works != OldWorks || b.s.gets != 0 {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
