package incident

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"wormbell/agent/respond/persistence"
)

// A look that fails has not found that nothing lies in wait.
func TestNothingIsRevokedAfterALookThatFailed(t *testing.T) {
	t.Parallel()
	failure := errors.New("the look ran out of time")
	for _, tt := range []struct {
		name          string
		first, again  error
		found         []persistence.Trap // by the look that fails, before it does
		byName, force bool
		revoked       bool
	}{
		{name: "the first", first: failure},
		{name: "the second", again: failure},
		{name: "both", first: failure, again: failure},
		{name: "the only one", first: failure, byName: true},
		{name: "it found something before", first: failure, again: failure, found: []persistence.Trap{trap}},
		{name: "with force", first: failure, again: failure, force: true, revoked: true},
		{name: "the only one, with force", first: failure, byName: true, force: true, revoked: true},
		{name: "what cannot be read alone does not count", revoked: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := w.config()
			c.Force = tt.force
			if tt.byName {
				c.Alert, c.Tokens = nil, []string{"npm"}
			}
			looks := 0
			c.Look = func(context.Context, persistence.Config) (persistence.Report, error) {
				looks++
				report := persistence.Report{Traps: tt.found, NotLooked: []string{"the crontab: not allowed"}}
				if looks == 1 {
					return report, tt.first
				}
				return report, tt.again
			}
			res, steps, err := w.answer(c)
			if revoked := !w.live[oldToken]; revoked != tt.revoked || errors.Is(err, ErrWaiting) == tt.revoked {
				t.Errorf("revoked: %t, %v", revoked, err)
			}
			if !tt.revoked {
				if slices.Contains(w.log, "create") || slices.Contains(w.log, "kill abcd2345") || res.Complete {
					t.Errorf("%q, %+v", w.log, res)
				}
				if left := strings.Join(res.Left, "\n"); !strings.Contains(left, failure.Error()) || err == nil || !strings.Contains(err.Error(), failure.Error()) && tt.found == nil {
					t.Errorf("the person is not told why: %v\n%s", err, left)
				}
			}
			plan := strings.Join(steps, "\n")
			if said := strings.Contains(plan, failure.Error()); said != (tt.first != nil) {
				t.Errorf("it is in the plan: %t\n%s", said, plan)
			}
			if tt.found != nil && !strings.Contains(plan, trap.Path) {
				t.Errorf("what was found before it failed is not in the plan:\n%s", plan)
			}
		})
	}
}
