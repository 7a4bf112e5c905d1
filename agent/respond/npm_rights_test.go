package respond

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wormbell/internal/registry/accounts"
)

// TestNpmAfterContain: what the successor of a dead token may do is what the
// registry said in this run, or what a note says and a person confirms, or the
// least that is of use; never what a file alone says.
func TestNpmAfterContain(t *testing.T) {
	t.Parallel()
	laptop := npmListed{Permissions: []npmGrant{{Name: "package", Action: "write"}}, Scopes: []npmGrant{{Name: "left-pad", Type: "package"}}}
	greedy := npmListed{Bypass: true, Permissions: []npmGrant{{Name: "package", Action: "write"}, {Name: "org", Action: "write"}},
		Scopes: []npmGrant{{Name: "*", Type: "package"}, {Name: "acme", Type: "org"}}}
	readsOrg := npmListed{Permissions: []npmGrant{{Name: "org", Action: "read"}}, Scopes: []npmGrant{{Name: "acme", Type: "org"}}}
	readsOne := npmListed{Permissions: []npmGrant{{Name: "package", Action: "read"}}, Scopes: []npmGrant{{Name: "left-pad", Type: "package"}}}
	for _, tt := range []struct {
		name    string
		seen    bool       // the registry said what it may, in this run
		note    *npmListed // what lies on the disk
		owner   string     // whose, according to that; "": alice's
		age     time.Duration
		answers []any
		want    accounts.Token // Packages nil: none is made
		days    int
		asks    string // what the question must say
	}{
		{name: "seen in this run", seen: true, want: accounts.Token{Packages: []string{"left-pad"}}, days: 30},
		{name: "seen in this run, and something else is noted", seen: true, note: &greedy, want: accounts.Token{Packages: []string{"left-pad"}}, days: 30},
		{name: "nothing is known, and nobody is here", answers: []any{ErrNobody}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7, asks: "only: read all packages; live for 7 days"},
		{name: "nothing is known, and a person says yes", answers: []any{true}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7},
		{name: "nothing is known, and a person says no", answers: []any{false}},
		{name: "noted, and a person says yes", note: &laptop, answers: []any{true}, want: accounts.Token{Packages: []string{"left-pad"}}, days: 30,
			asks: "A note on this disk, which any program of yours could have changed, says that it could: read and publish left-pad; live for 30 days."},
		{name: "noted, and a person says no", note: &laptop, answers: []any{false}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7},
		{name: "noted, and nobody is here", note: &laptop, answers: []any{ErrNobody}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7},
		{name: "a greedy note, and nobody is here", note: &greedy, answers: []any{ErrNobody}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7},
		{name: "a greedy note that a person believes", note: &greedy, answers: []any{true}, want: accounts.Token{Packages: []string{"*"}, Orgs: []string{"acme"}}, days: 30,
			asks: "read and publish all packages; change the organisation acme; live for 30 days"},
		{name: "a note that asks for an organisation", note: &readsOrg, answers: []any{ErrNobody}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7},
		{name: "a note that asks for less is believed", note: &readsOne, want: accounts.Token{Packages: []string{"left-pad"}, ReadOnly: true}, days: 7},
		{name: "a note on somebody else", note: &greedy, owner: "mallory", answers: []any{true}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7},
		{name: "an old note", note: &greedy, age: 2 * npmDay, answers: []any{true}, want: accounts.Token{Packages: []string{"*"}, ReadOnly: true}, days: 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newNpmDouble(t, accounts.Config{})
			var answers []any
			if answers = append(answers, tt.answers...); tt.want.Packages != nil {
				answers = append(answers, d.password)
			}
			m, person := npmPersonal(t, d, answers...)
			m.Now = time.Now // as the double's
			other := d.Issue(accounts.Token{Name: "other", Packages: []string{"*"}})
			old := d.token(m, d.Issue(accounts.Token{Name: "laptop", Packages: []string{"left-pad"}, Expires: npmMonth()}))
			old.Owner = "alice"
			s := npmSite{m, d.URL}
			if tt.seen {
				if _, _, err := s.signIn(t.Context(), "alice"); err != nil {
					t.Fatal(err)
				}
				if _, err := npmIdentify(t.Context(), m, old); err != nil {
					t.Fatal(err)
				}
			}
			if err := npmRevoke(t.Context(), m, old, Token{}); err != nil {
				t.Fatal(err)
			}
			if !d.Find(old.Value.Reveal()).Revoked {
				t.Fatal("the old one is alive")
			}
			if tt.note != nil {
				was := *tt.note
				was.Key, was.Name = d.Find(other).Key, "other"
				g := npmGrants{Owner: "alice", At: m.Now().Add(-tt.age), Was: was}
				if tt.owner != "" {
					g.Owner = tt.owner
				}
				if err := npmKeep(m, npmGrantsFile, old.Name, g); err != nil {
					t.Fatal(err)
				}
			}
			new, err := npmCreate(t.Context(), m, old, "a-label")
			if !strings.Contains(strings.Join(person.asked, "\n"), tt.asks) {
				t.Errorf("asked %q, want %q", person.asked, tt.asks)
			}
			if tt.want.Packages == nil {
				if !errors.Is(err, ErrNotPossible) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := *d.Find(new.Value.Reveal())
			if !slices.Equal(got.Packages, tt.want.Packages) || !slices.Equal(got.Orgs, tt.want.Orgs) || got.ReadOnly != tt.want.ReadOnly || got.Bypass {
				t.Errorf("the new one is %+v", got)
			}
			if days := int(got.Expires.Sub(time.Now())/npmDay + 1); days > tt.days {
				t.Errorf("it lives for %d days, want %d", days, tt.days)
			}
			if !strings.Contains(strings.Join(person.said(), "\n"), "The new token may: read") {
				t.Errorf("its rights are not said: %q", person.said())
			}
			if a, err := npmWorks(t.Context(), m, old, new); err != nil || a != Alive {
				t.Errorf("works: %v, %v", a, err)
			}
			// Nor does the note get another token revoked.
			if err := npmRevoke(t.Context(), m, old, new); err != nil || d.Find(other).Revoked {
				t.Errorf("another one was revoked: %v, %v", d.Find(other).Revoked, err)
			}
			testShows(t, m, d.canaries(old.Value, new.Value))
		})
	}
}

// TestNpmContainLooksFirst: with contain now the registry is asked what the token
// may do while it lives, so that its successor needs no person to make it.
func TestNpmContainLooksFirst(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		signedIn bool
		answers  []any
		want     accounts.Token
	}{
		{"by the session of another token's rotation", true, nil, accounts.Token{Packages: []string{"left-pad"}}},
		{"by the token alone, which may not ask", false, []any{ErrNobody}, accounts.Token{Packages: []string{"*"}, ReadOnly: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newNpmDouble(t, accounts.Config{})
			m, person := npmPersonal(t, d, append(slices.Clone(tt.answers), d.password)...)
			m.Now = time.Now
			old := d.token(m, d.Issue(accounts.Token{Name: "laptop", Packages: []string{"left-pad"}, Expires: npmMonth()}))
			if tt.signedIn {
				if _, _, err := (npmSite{m, d.URL}).signIn(t.Context(), "alice"); err != nil {
					t.Fatal(err)
				}
			}
			r := &Rotator{Machine: m, Kinds: []Kind{npmKind()}}
			out, err := r.Rotate(t.Context(), old, Options{ContainNow: true})
			if err != nil || !out.Done || out.Works != NewWorks {
				t.Fatalf("%+v, %v", out, err)
			}
			stands, err := npmFind(t.Context(), m, nil)
			if err != nil || len(stands) != 1 {
				t.Fatal(stands, err)
			}
			got := d.Find(stands[0].Value.Reveal())
			if got == nil || got.Revoked || !slices.Equal(got.Packages, tt.want.Packages) || got.ReadOnly != tt.want.ReadOnly {
				t.Errorf("the new one is %+v", got)
			}
			asked := d.Requests()
			killed := slices.Index(asked, "DELETE user/token/***")
			made := slices.Index(asked, "POST npm/v1/tokens otp")
			if killed < 0 || made < 0 || made < killed || tt.signedIn && slices.Index(asked, "GET npm/v1/tokens") > killed {
				t.Errorf("in the order %q", asked)
			}
			if len(person.opened()) != 2 {
				t.Errorf("opened %q", person.opened())
			}
			testShows(t, m, d.canaries(old.Value, stands[0].Value))
		})
	}
}

// TestContainIsNotDelayed: a registry that does not answer what a token may do
// does not keep it from being logged out.
func TestContainIsNotDelayed(t *testing.T) {
	t.Parallel()
	d := newNpmDouble(t, accounts.Config{})
	to, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	for _, o := range []Options{{ContainNow: true}, {RevokeOnly: true}} {
		killed := make(chan struct{})
		var once sync.Once
		site := npmServe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				forward.ServeHTTP(w, r)
				once.Do(func() { close(killed) }) // after the answer: whoever asked may have it by now
				return
			}
			select {
			case <-killed:
				forward.ServeHTTP(w, r)
			case <-r.Context().Done(): // whoever asked has gone
			}
		}))
		m := testMachine(t)
		testLimit(m, time.Hour) // one try waits longer than any test
		old := d.token(m, d.Issue(accounts.Token{Packages: []string{"*"}}))
		old.Site = site
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := (&Rotator{Machine: m, Kinds: []Kind{npmKind()}, look: 100 * time.Millisecond}).Rotate(ctx, old, o)
		if !d.Find(old.Value.Reveal()).Revoked || ctx.Err() != nil {
			t.Fatalf("it is alive: %+v, %v", out, err)
		}
	}
}
