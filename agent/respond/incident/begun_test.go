package incident

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"wormbell/agent/respond"
)

// Containing counts also for what was begun without it: the old token dies
// before the new one, which was made already, is put into its place.
func TestContainsWhatWasBegun(t *testing.T) {
	t.Parallel()
	for _, contain := range []bool{false, true} {
		w := newWorld(t)
		w.alert.Findings[0].Process, w.alert.Findings[0].Evidence[0].Process = nil, nil // nothing was inherited
		ctx, cancel := context.WithCancel(t.Context())
		c := w.config()
		c.Kinds[0].Install = func(context.Context, *respond.Machine, respond.Token, respond.Token) error {
			cancel() // interrupted when the new token works and is not in its place
			return ctx.Err()
		}
		c.Machine.Keys = w.keys
		r, err := Prepare(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Plan(nil).Do(ctx); !errors.Is(err, context.Canceled) || !w.live[newToken] || !w.live[oldToken] {
			t.Fatalf("interrupted: %v, %v", err, w.live)
		}
		w.log = nil
		c = w.config()
		c.Machine.Keys, c.ContainNow = w.keys, contain
		res, steps, err := w.answer(c)
		if err != nil || !res.Complete || w.live[oldToken] || !w.live[newToken] {
			t.Errorf("%+v, %v, the service takes %v", res, err, w.live)
		}
		killed, put := slices.Index(w.log, "revoke"), slices.Index(w.log, "install")
		if killed < 0 || put < 0 || killed < put != contain || slices.Contains(w.log, "create") {
			t.Errorf("contain %v: %q", contain, w.log)
		}
		if said := strings.Contains(strings.Join(steps, "\n"), "Revoke the old one at once"); said != contain {
			t.Errorf("contain %v: the plan is %q", contain, steps)
		}
	}
}
