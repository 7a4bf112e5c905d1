package respond

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/registry/accounts"
	"wormbell/internal/secret"
)

// npmFaulty is a registry whose requests go wrong, with alice's token in her
// npmrc. She types her password and approves everything.
func npmFaulty(t *testing.T, b *faultBench, c accounts.Config) (*npmDouble, *Machine, Token) {
	d := newNpmDouble(t, c)
	d.URL = b.URL // what it names goes wrong, too
	b.Canary(d.password)
	m := b.Machine(t)
	m.Memory = new(Memory)
	m.Now = time.Now
	testPersonAt(m, d.password, d.password, d.password).visits(d.visit)
	value := d.Issue(accounts.Token{Name: "laptop", Packages: []string{"*"}, Expires: npmMonth()})
	b.Canary(value)
	old := d.token(m, value)
	old.Site = b.URL
	return d, m, old
}

// npmCertain are the faults after which it is known that nothing happened.
func npmCertain(r faultRun) bool {
	return !r.Effect && !slices.Contains([]string{"time-out before", "cut before", "cancelled before", "500", "503"}, r.Fault)
}

func TestNpmFaultsOfIdentify(t *testing.T) {
	t.Parallel()
	faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
		d, m, old := npmFaulty(t, b, accounts.Config{})
		return d, m, old
	}, func(t *testing.T, r faultRun) []Answer {
		// A registry that refuses with 401, or with 403 only those who have
		// a token, has said that it is dead.
		if r.Fault == "403" && !r.Lasting || r.Fault == "blank" && r.Lasting {
			return []Answer{Alive, CouldNotTell, Dead}
		}
		return faultTruth(Alive, "401")(t, r)
	}, npmIdentify, faultBare(npmIsDead))
}

func TestNpmFaultsOfCreate(t *testing.T) {
	t.Parallel()
	const label = "a-label"
	sent := faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		d, m, old := npmFaulty(t, b, accounts.Config{})
		var created Token
		return faultSubject{
			Service: d,
			Run:     func(ctx context.Context) (err error) { created, err = npmCreate(ctx, m, old, label); return err },
			After: func(t *testing.T, r faultRun) {
				made := 0
				for _, k := range d.Tokens() {
					if k.Name == label {
						made++
					}
				}
				if d.Find(old.Value.Reveal()).Revoked {
					t.Error("the old one was revoked")
				}
				switch {
				case made > 1:
					t.Errorf("%d were made", made)
				case r.Err == nil && (made != 1 || d.Find(created.Value.Reveal()) == nil):
					t.Error("it says that there is a new one")
				case r.Err != nil && made == 1 && noEffect(r.Err):
					t.Errorf("it says that none was made: %v", r.Err)
				case r.Err != nil && made == 0 && r.Request != "POST /-/npm/v1/tokens" && !noEffect(r.Err):
					t.Errorf("it does not say that none was made: %v", r.Err)
				case r.Err != nil && made == 0 && npmCertain(r) && !errors.As(r.Err, new(*call.LostError)) && !noEffect(r.Err):
					t.Errorf("it does not say that none was made: %v", r.Err)
				}
				if r.Fault == "" && r.Err != nil {
					t.Error(r.Err)
				}
				if strings.HasPrefix(r.Fault, "cancelled") && !errors.Is(r.Err, context.Canceled) && !errors.As(r.Err, new(*call.LostError)) {
					t.Errorf("it was cancelled, and says %v", r.Err)
				}
				// What was lost is found, and nothing is left.
				if r.Err != nil && made == 1 && !r.Lasting {
					m := testMachine(t)
					m.State = b.machine.State
					testPersonAt(m).visits(d.visit)
					plain := old
					plain.Site = "http://" + d.Host
					d.URL = plain.Site
					if found, err := npmLost(t.Context(), m, plain, label); !found || err != nil {
						t.Errorf("looking for it: %v, %v", found, err)
					}
					for _, k := range d.Tokens() {
						if k.Name == label {
							t.Error("it still lives")
						}
					}
				}
			},
		}
	})
	if n := slices.Index(sent, "POST /-/npm/v1/tokens"); n < 0 {
		t.Errorf("sent %q", sent)
	}
}

func TestNpmFaultsOfLost(t *testing.T) {
	t.Parallel()
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		d, m, old := npmFaulty(t, b, accounts.Config{})
		lost := d.Issue(accounts.Token{Name: "a-label", Packages: []string{"*"}})
		other := d.Issue(accounts.Token{Name: "another", Packages: []string{"*"}})
		b.Canary(lost)
		b.Canary(other)
		var found bool
		return faultSubject{
			Service: d,
			Run:     func(ctx context.Context) (err error) { found, err = npmLost(ctx, m, old, "a-label"); return err },
			After: func(t *testing.T, r faultRun) {
				if d.Find(other).Revoked || d.Find(old.Value.Reveal()).Revoked {
					t.Error("another one was revoked")
				}
				if dead := d.Find(lost).Revoked; r.Err == nil && found != dead && r.Fault != "404" {
					t.Errorf("found %v, dead %v", found, dead)
				} else if r.Fault == "" && !dead {
					t.Error(r.Err)
				}
			},
		}
	})
}

func TestNpmFaultsOfRevoke(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config accounts.Config
		by     bool // there is a successor, made in this run
	}{
		"contain now":             {},
		"contain now by a person": {config: accounts.Config{NoLogout: true}},
		"rotation":                {by: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
				d, m, old := npmFaulty(t, b, tt.config)
				other := d.Issue(accounts.Token{Name: "another", Packages: []string{"*"}})
				b.Canary(other)
				var by Token
				if tt.by {
					by = Token{Kind: "npm", Site: b.URL, Value: secret.Of(d.Issue(accounts.Token{Name: "new", Packages: []string{"*"}})),
						Facts: Facts{npmReplaces: d.Find(old.Value.Reveal()).Key}}
					b.Canary(by.Value.Reveal())
					session := d.Issue(accounts.Token{Session: true})
					b.Canary(session)
					m.Memory.Set((npmSite{m, b.URL}).sessionKey("alice"), secret.Of(session))
				}
				return faultSubject{
					Service: d,
					Run:     func(ctx context.Context) error { return npmRevoke(ctx, m, old, by) },
					After: func(t *testing.T, r faultRun) {
						dead := d.Find(old.Value.Reveal()).Revoked
						// One that says 401 or 404 to everything cannot be told from one
						// that has no such token.
						said := r.Fault == "401" || r.Fault == "404" || r.Fault == "403" || r.Fault == "blank" && r.Lasting
						if r.Err == nil && !dead && !said {
							t.Error("it says that it was accepted")
						}
						if r.Fault == "" && (r.Err != nil || !dead) {
							t.Errorf("dead %v, %v", dead, r.Err)
						}
						if d.Find(other).Revoked || tt.by && d.Find(by.Value.Reveal()).Revoked {
							t.Error("another one was revoked")
						}
					},
				}
			})
		})
	}
}

// TestNpmFaultsOfVerdaccioWay: the registry has no sign-in and lets tokens
// manage tokens.
func TestNpmFaultsOfVerdaccioWay(t *testing.T) {
	t.Parallel()
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		password := b.Token("pw-", 20)
		v := &npmVerdaccioFake{t: t, password: password, now: time.Now}
		value := b.Canary(v.issue(false))
		m := b.Machine(t)
		testPersonAt(m, password, password, password)
		testPut(t, m, "~/.npmrc", "x")
		old := Token{Kind: "npm", Name: "npm:x", Site: b.URL, Value: secret.Of(value)}
		var new Token
		var err2 error
		return faultSubject{
			Service: v,
			Run: func(ctx context.Context) (err error) {
				if new, err = npmCreate(ctx, m, old, "a-label"); err != nil {
					return err
				}
				b.Canary(new.Value.Reveal())
				err2 = npmRevoke(ctx, m, old, new)
				return err2
			},
			After: func(t *testing.T, r faultRun) {
				made := len(v.made) - 1
				dead := v.owner(value) == ""
				created := !new.Value.Empty()
				switch {
				case made > 1 || made == 0 && created:
					t.Errorf("%d were made, created %v", made, created)
				case created && v.owner(new.Value.Reveal()) == "":
					t.Error("the new one is dead")
				case !created && dead:
					t.Error("the old one is dead, and there is no new one")
				case !created && made == 1 && noEffect(r.Err):
					t.Errorf("it says that none was made: %v", r.Err)
				case r.Fault == "" && (!dead || r.Err != nil):
					t.Error(r.Err)
				case r.Err == nil && created && !dead && r.Fault != "401" && r.Fault != "403" && r.Fault != "blank":
					t.Error("it says that the old one is revoked")
				}
				if !created && made == 1 && !r.Lasting {
					m2 := testMachine(t)
					m2.State = m.State
					s := npmServe(t, v)
					testPersonAt(m2, password)
					lost := old
					lost.Site = s
					var note npmMaking
					if ok, err := npmRecall(m2, npmMakingFile, "a-label", &note); !ok || err != nil {
						t.Fatalf("%v, %v", ok, err)
					}
					note.Site = s
					if err := npmKeep(m2, npmMakingFile, "a-label", note); err != nil {
						t.Fatal(err)
					}
					if found, err := npmLost(t.Context(), m2, lost, "a-label"); !found || err != nil {
						t.Errorf("looking for it: %v, %v", found, err)
					}
					if len(v.live()) != 1 || v.owner(value) == "" {
						t.Error("the wrong one was revoked")
					}
				}
			},
		}
	})
}
