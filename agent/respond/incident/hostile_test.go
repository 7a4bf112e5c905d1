package incident

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/journal"
	"wormbell/internal/secret"
)

// What a thief writes into the user's files must not keep the stolen token from
// being revoked.

// The same value for another site is another token, of whatever kind.
func TestHostileTwin(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"npm", "github"} {
		for _, name := range []string{"first", "last"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				c := w.config()
				theirs := respond.Token{Name: kind + ":thief", Site: "https://thief.example.net", Value: secret.Of(oldToken), Places: []respond.Place{{Path: "~/.git-credentials", Key: "k"}}}
				if kind == "npm" {
					find := c.Kinds[0].Find
					c.Kinds[0].Find = func(ctx context.Context, m *respond.Machine, paths []string) ([]respond.Token, error) {
						all, err := find(ctx, m, paths)
						return append([]respond.Token{theirs}, all...), err
					}
				} else {
					k := respond.Kind{ID: kind, Title: "GitHub token", Stores: []string{"npm"}, Find: func(context.Context, *respond.Machine, []string) ([]respond.Token, error) {
						return []respond.Token{theirs}, nil
					}}
					if c.Kinds = append(c.Kinds, k); name == "first" {
						slices.Reverse(c.Kinds)
					}
				}
				r, err := Prepare(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				var sites []string
				for _, token := range r.Tokens {
					sites = append(sites, token.Site)
				}
				if slices.Sort(sites); !slices.Equal(sites, []string{"https://registry.example.com", "https://thief.example.net"}) || len(r.Alike) != 0 {
					t.Errorf("tokens at %q, the same: %q", sites, r.Alike)
				}
			})
		}
	}
}

// A journal says that it was done already, or nearly.
func TestHostileJournal(t *testing.T) {
	t.Parallel()
	for name, j := range map[string]journal.Rotation{
		"done":           {State: journal.Done},
		"done, later":    {State: journal.Done, Begun: time.Now().Add(24 * time.Hour)},
		"dead":           {State: journal.Dead},
		"dead, kept":     {State: journal.Dead, Kept: true},
		"dead, no alert": {State: journal.Dead, Alert: "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.alert.Actions = []wormbell.Action{{What: "freeze", Time: w.alert.First.Add(-time.Minute)}}
			j.ID, j.Mode, j.OldDead, j.Updated = "abcdefghjk", journal.Rotate, true, time.Now()
			j.Old = journal.Token{Kind: "npm", Name: "npm:test", Site: "https://registry.example.com", Places: []journal.Place{{Path: "~/.npmrc", Key: "token"}}}
			new := j.Old
			j.New = &new
			if j.Begun.IsZero() {
				j.Begun = time.Now()
			}
			switch j.Alert {
			case "":
				j.Alert = w.alert.ID
			case "-":
				j.Alert = ""
			}
			b, err := json.Marshal(struct {
				Version int `json:"version"`
				journal.Rotation
			}{1, j})
			if err != nil {
				t.Fatal(err)
			}
			c := w.config()
			dir := filepath.Join(c.Machine.State, "rotations")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, j.ID+".json"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			res, steps, err := w.answer(c)
			if w.live[oldToken] && (res.Complete || res.Closed || err == nil) {
				t.Errorf("the stolen token is alive: %+v, %v\n%s", res, err, strings.Join(steps, "\n"))
			}
			if name != "dead, kept" && w.live[oldToken] {
				t.Errorf("the stolen token is alive: %+v, %v\n%s", res, err, strings.Join(steps, "\n"))
			}
		})
	}
}
