package respond

import (
	"errors"
	"strings"
	"testing"
	"time"

	"wormbell/internal/registry/accounts"
	"wormbell/internal/verdaccio"
)

// TestNpmByRotator: all of it in the order of the Rotator.
func TestNpmByRotator(t *testing.T) {
	t.Parallel()
	v := verdaccio.Start(t)
	password := "pw-" + testRandom(20)
	login := v.AddUser("alice", password)
	for _, tt := range []struct {
		name   string
		public bool
		nobody bool
		o      Options
		works  Which
		left   int // files that hold a token afterwards
	}{
		{"public", true, false, Options{}, NewWorks, 1},
		{"public, revoked only", true, true, Options{RevokeOnly: true}, NoneWanted, 0},
		{"public, contain now", true, true, Options{ContainNow: true}, PerhapsNeither, 1},
		{"Verdaccio", false, false, Options{}, NewWorks, 1},
		{"Verdaccio, revoked only", false, true, Options{RevokeOnly: true}, NoneWanted, 0},
		{"Verdaccio, contain now", false, false, Options{ContainNow: true}, NewWorks, 1},
		{"Verdaccio, nobody", false, true, Options{}, OldWorks, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := testMachine(t)
			m.Memory = new(Memory)
			var old Token
			var owner func(string) string
			if tt.public {
				d := newNpmDouble(t, accounts.Config{Now: m.Now})
				if !tt.nobody {
					testPersonAt(m, d.password).visits(d.visit)
				}
				old = d.token(m, d.Issue(accounts.Token{Name: "laptop", Packages: []string{"*"}, Expires: m.Now().Add(40 * 24 * time.Hour)}))
				owner = func(value string) string {
					if f := d.Find(value); f != nil && !f.Revoked {
						return f.User
					}
					return ""
				}
			} else {
				var answers []any
				if !tt.nobody {
					answers = []any{password}
				}
				machine, found := npmAtVerdaccio(t, v, v.AddToken(login, password, false), answers...)
				m, old, owner = machine, found, v.Whoami
			}
			r := &Rotator{Machine: m, Kinds: []Kind{npmKind()}}
			out, err := r.Rotate(t.Context(), old, tt.o)
			if (err == nil) != (tt.works == NewWorks || tt.works == NoneWanted) {
				t.Errorf("error %v", err)
			}
			if err != nil && !errors.Is(err, ErrNobody) {
				t.Errorf("error %v", err)
			}
			if out.Works != tt.works || out.Done != (err == nil) {
				t.Errorf("%+v", out)
			}
			tokens, ferr := npmFind(t.Context(), m, nil)
			if ferr != nil || len(tokens) != tt.left {
				t.Fatalf("%d tokens stand in files, %v", len(tokens), ferr)
			}
			if alive := owner(old.Value.Reveal()) != ""; alive != (tt.works == OldWorks) {
				t.Errorf("the old one is alive: %v", alive)
			}
			canaries := []string{password, old.Value.Reveal()}
			if tt.works == NewWorks {
				canaries = append(canaries, tokens[0].Value.Reveal())
				if owner(tokens[0].Value.Reveal()) != "alice" || tokens[0].Value.Equal(old.Value) {
					t.Error("the new one does not work")
				}
				if !strings.HasPrefix(testText(t, m, "~/.npmrc"), "; mine\n") && !tt.public {
					t.Error("~/.npmrc is not what it was")
				}
			}
			testShows(t, m, canaries, err)
		})
	}
}
