package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"time"
	"wormbell"
	"wormbell/internal/words"
)

func (s *Server) credentials(w http.ResponseWriter, r *http.Request) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	all, err := a.Credentials(r.Context())
	if err != nil {
		return err
	}
	type group struct {
		State string
		ID    string // of its heading
		Files []wormbell.Guarded
	}
	groups := []group{{State: wormbell.GuardNot, ID: "not"}, {State: wormbell.GuardOn, ID: "on"}, {State: wormbell.GuardAbsent, ID: "absent"}, {State: wormbell.GuardOff, ID: "off"}}
	for _, g := range all {
		for i := range groups {
			if groups[i].State == g.State {
				groups[i].Files = append(groups[i].Files, g)
			}
		}
	}
	for _, g := range groups {
		slices.SortStableFunc(g.Files, func(a, b wormbell.Guarded) int {
			var x, y time.Time
			if a.LastRead != nil {
				x = *a.LastRead
			}
			if b.LastRead != nil {
				y = *b.LastRead
			}
			return cmp.Or(y.Compare(x), cmp.Compare(a.Path, b.Path))
		})
	}
	groups = slices.DeleteFunc(groups, func(g group) bool { return len(g.Files) == 0 })
	s.show(w, r, http.StatusOK, "credentials", page{Title: s.c.Words.Say(words.DashCredentials), Nav: "credentials", Topics: topicAlerts, Data: groups})
	return nil
}
