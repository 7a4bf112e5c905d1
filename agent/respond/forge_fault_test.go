package respond

import (
	"context"
	"net/http"
	"slices"
	"testing"
)

// forgeSubject is GitHub or GitLab with two tokens of one user's.
type forgeSubject struct {
	service http.Handler
	m       *Machine
	old     Token
	new     Token
	revoke  func() // kills old
}

// forgeSaid allows of a living token what the service said, and nothing that it
// did not say: the first request tells, and is repeated.
func forgeSaid(_ *testing.T, r faultRun) []Answer {
	recovers := !r.Lasting && (r.Status >= 500 || r.Fault == "429" || slices.Contains([]string{"time-out before", "time-out after", "cut before", "cut after", "half", "huge", "not reached"}, r.Fault))
	switch {
	case r.Fault == "" || recovers || r.At > 0:
		return []Answer{Alive}
	case r.Fault == "401":
		return []Answer{Dead} // the service's word
	}
	return []Answer{CouldNotTell}
}

func forgeIsDeadFaults(t *testing.T, kind Kind, start func(*testing.T, *faultBench) forgeSubject) {
	t.Helper()
	for _, revoked := range []bool{false, true} {
		faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
			s := start(t, b)
			if revoked {
				s.revoke()
			}
			return s.service, s.m, s.old
		}, func(t *testing.T, r faultRun) []Answer {
			if len(r.Sent) > 4 {
				t.Errorf("%d requests", len(r.Sent))
			}
			if revoked {
				return faultTruth(Dead)(t, r)
			}
			return forgeSaid(t, r)
		}, faultBare(kind.IsDead))
	}
}

func forgeWorksFaults(t *testing.T, kind Kind, start func(*testing.T, *faultBench) forgeSubject) {
	t.Helper()
	var new Token // of the run
	faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
		s := start(t, b)
		new = s.new
		return s.service, s.m, s.old
	}, func(t *testing.T, r faultRun) []Answer {
		may := faultTruth(Alive, "401")(t, r)
		if r.At == 0 && r.Lasting { // the service never said that it is alive
			may = slices.DeleteFunc(may, func(a Answer) bool { return a == Alive })
		}
		return may
	}, faultBare(func(ctx context.Context, m *Machine, old Token) (Answer, error) { return kind.Works(ctx, m, old, new) }))
}
