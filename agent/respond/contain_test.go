package respond

import (
	"context"
	"strings"
	"testing"

	"wormbell/agent/respond/journal"
)

// TestContain goes on, wherever a rotation was interrupted, as one that contains:
// the old token dies before all else, and the new one that there may be is used.
func TestContain(t *testing.T) {
	t.Parallel()
	for _, at := range []journal.State{journal.Planned, journal.Created, journal.Verified, journal.Installed, journal.Revoking} {
		for _, slow := range []bool{false, true} { // the service takes its time with the old one's death
			t.Run(string(at)+ifs(slow, ", slow", ""), func(t *testing.T) {
				t.Parallel()
				b := newRotateBench(t)
				ctx, cancel := context.WithCancel(t.Context())
				r := b.rotator()
				r.step = func(name string) {
					if strings.HasPrefix(name, "journal "+string(at)+": ") {
						cancel() // it is written down, and nothing is done after it
					}
				}
				out, err := r.Rotate(ctx, b.old, Options{})
				if err == nil || out.State != at {
					t.Fatalf("%+v, %v", out, err)
				}
				made := b.s.gets
				if slow {
					b.s.set(func(s *rotateService) { s.slow = 1000 })
				}
				var order []string
				if at == journal.Planned { // a dead token makes no new one here: a person does
					b.hand = rotateHand(b.m, b.s.URL)
				}
				again := b.rotator()
				b.did = nil
				out, err = again.Contain(t.Context(), out.ID)
				b.check(out, err)
				for _, d := range b.did {
					order = append(order, d.What+" "+d.Outcome)
				}
				text := strings.Join(order, "\n")
				killed := strings.Index(text, "fake-token-revoke ")
				for _, later := range []string{"fake-token-create", "fake-token-verify", "fake-token-install"} {
					if i := strings.Index(text, later); killed < 0 && at != journal.Revoking || i >= 0 && i < killed {
						t.Errorf("in the order\n%s", text)
					}
				}
				if err != nil || out.Done == slow || out.Pending != slow || out.Works != NewWorks {
					t.Fatalf("%+v, %v", out, err)
				}
				stands := rotateStands(t, b.m)
				if alive := b.s.alive(); len(alive) != 1 || alive[0] != stands || stands == b.old.Value.Reveal() {
					t.Errorf("%d tokens live, and another stands in the file", len(alive))
				}
				if made > 0 && b.s.gets != made {
					t.Errorf("%d tokens were made, %d of them before", b.s.gets, made)
				}
				if want := at == journal.Planned || at == journal.Created || at == journal.Verified; (out.Mode == journal.ContainNow) != want {
					t.Errorf("its mode is %s", out.Mode)
				}
				if slow {
					b.s.set(func(s *rotateService) { s.broken = false; s.tokens[0].taken = 0 })
					if out, err = b.rotator().Resume(t.Context(), out.ID); err != nil || !out.Done {
						t.Errorf("at last: %+v, %v", out, err)
					}
				}
			})
		}
	}
}

// TestContainCrashes dies at every step of a rotation that contains although its
// new token was made already, and goes on.
func TestContainCrashes(t *testing.T) {
	t.Parallel()
	for _, at := range []journal.State{journal.Created, journal.Verified} {
		for n := 1; ; n++ {
			b := newRotateBench(t)
			ctx, cancel := context.WithCancel(t.Context())
			r := b.rotator()
			r.step = func(name string) {
				if strings.HasPrefix(name, "journal "+string(at)+": ") {
					cancel()
				}
			}
			out, err := r.Rotate(ctx, b.old, Options{})
			if err == nil || out.State != at {
				t.Fatalf("%+v, %v", out, err)
			}
			id, steps := out.ID, 0
			ctx, cancel = context.WithCancel(t.Context())
			r = b.rotator()
			r.step = func(string) {
				if steps++; steps == n {
					cancel()
				}
			}
			out, err = r.Contain(ctx, id)
			b.check(out, err)
			cut := ctx.Err() != nil
			cancel()
			if alive := len(b.s.alive()); alive == 0 || out.Works == BothWork && alive != 2 {
				t.Errorf("%s, step %d: %d live, and it says %s", at, n, alive, out.Works)
			}
			if !out.Done {
				if out, err = b.rotator().Resume(t.Context(), id); err != nil || !out.Done {
					t.Fatalf("%s, step %d: %+v, %v", at, n, out, err)
				}
			}
			if alive := b.s.alive(); len(alive) != 1 || alive[0] != rotateStands(t, b.m) || b.s.gets != 1 {
				t.Fatalf("%s, step %d: %d live, %d were made", at, n, len(alive), b.s.gets)
			}
			if !cut {
				break
			}
		}
	}
}

// TestGivenUp sees what is said of a rotation that was given up: nothing of a new
// token that there is no more.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		at    journal.State
		works Which
		says  string
	}{
		{journal.Planned, OldWorks, "is as it was; nothing was done to it."},
		{journal.Created, OldWorks, "is as it was; nothing was done to it."},
		{journal.Verified, OldWorks, "is as it was; nothing was done to it."},
		{journal.Installed, BothWork, "is not revoked, the new one stands in ~/.fakerc."},
		{journal.Revoking, NewWorks, "The new fake token works and stands in ~/.fakerc; the old one may still work until the service refuses it."},
	} {
		t.Run(string(tt.at), func(t *testing.T) {
			t.Parallel()
			b := newRotateBench(t)
			ctx, cancel := context.WithCancel(t.Context())
			r := b.rotator()
			r.step = func(name string) {
				if strings.HasPrefix(name, "journal "+string(tt.at)+": ") {
					cancel()
				}
			}
			out, err := r.Rotate(ctx, b.old, Options{})
			if err == nil || out.State != tt.at {
				t.Fatalf("%+v, %v", out, err)
			}
			if out, err = b.rotator().Abandon(t.Context(), out.ID, "for a test", false); err != nil || !out.Abandoned || out.Works != tt.works || !strings.HasSuffix(out.Sentence, tt.says) {
				t.Errorf("%+v, %v", out, err)
			}
			past, err := b.rotator().History()
			if err != nil || len(past) != 1 || past[0].Sentence != out.Sentence || past[0].Problem != "" {
				t.Errorf("later: %+v, %v", past, err)
			}
			if begun, err := b.rotator().Unfinished(); err != nil || len(begun) != 0 {
				t.Errorf("unfinished: %+v, %v", begun, err)
			}
		})
	}
}
