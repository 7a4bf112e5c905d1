package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/registry/accounts"
	"wormbell/internal/secret"
)

// npmDouble is a registry with the public one's rules, and what a test needs of it.
type npmDouble struct {
	*accounts.Server
	t        *testing.T
	password string
}

// newNpmDouble starts one with users alice and bob. now, if set, is its clock.
func newNpmDouble(t *testing.T, c accounts.Config) *npmDouble {
	t.Helper()
	d := &npmDouble{t: t, password: "pw-" + testRandom(20)}
	c.Users = map[string]accounts.User{
		"alice": {Password: d.password, Packages: []string{"@acme/tools", "left-pad"}},
		"bob":   {Password: d.password + "b"},
	}
	s, err := accounts.New(c)
	if err != nil {
		t.Fatal(err)
	}
	d.Server = s
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// visit is a browser: it opens the page, which approves it.
func (d *npmDouble) visit(url string) {
	res, err := http.Get(url)
	if err != nil {
		d.t.Error(err)
		return
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		d.t.Errorf("the page answers %d", res.StatusCode)
	}
}

// token puts a value into ~/.npmrc and returns what npmFind makes of it.
func (d *npmDouble) token(m *Machine, value string) Token {
	d.t.Helper()
	testPut(d.t, m, "~/.npmrc", "registry="+d.URL+"/\n//"+d.Host+"/:_authToken="+value+"\n")
	tokens, err := npmFind(d.t.Context(), m, nil)
	if err != nil || len(tokens) != 1 {
		d.t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	return tokens[0]
}

// all are the values of all tokens that there ever were, as canaries.
func (d *npmDouble) canaries(values ...secret.Value) []string {
	all := []string{d.password}
	for _, v := range values {
		if !v.Empty() {
			all = append(all, v.Reveal())
		}
	}
	return all
}

// npmPersonal is alice's machine: she types her password and approves pages.
func npmPersonal(t *testing.T, d *npmDouble, answers ...any) (*Machine, *testPerson) {
	m := testMachine(t)
	m.Memory = new(Memory)
	p := testPersonAt(m, answers...).visits(d.visit)
	return m, p
}

// npmMonth is a time after the double's clock that test tokens end at.
func npmMonth() time.Time { return time.Now().Add(30*24*time.Hour + time.Hour) }

func TestNpmRotation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		config  accounts.Config
		old     accounts.Token
		forget  bool // no Memory: each step signs in by itself
		pages   int  // how many are opened
		asked   int
		want    accounts.Token
		session bool
	}{
		{name: "granular", old: accounts.Token{Name: "laptop", Packages: []string{"left-pad"}, Scopes: []string{"@acme"}, Orgs: []string{"acme"}, CIDR: []string{"127.0.0.0/8"}, Expires: npmMonth()},
			pages: 3, asked: 1, want: accounts.Token{Name: "a-label", User: "alice", Packages: []string{"left-pad"}, Scopes: []string{"@acme"}, Orgs: []string{"acme"}, CIDR: []string{"127.0.0.0/8"}}},
		{name: "all packages, without a second factor", old: accounts.Token{Name: "ci", Packages: []string{"*"}, Bypass: true, Expires: npmMonth()},
			pages: 3, asked: 1, want: accounts.Token{Name: "a-label", User: "alice", Packages: []string{"*"}, Bypass: true}},
		{name: "read-only", old: accounts.Token{Name: "ro", Packages: []string{"*"}, ReadOnly: true},
			pages: 3, asked: 1, want: accounts.Token{Name: "a-label", User: "alice", Packages: []string{"*"}, ReadOnly: true}},
		{name: "one approval for five minutes", config: accounts.Config{Skip2FA: true}, old: accounts.Token{Name: "laptop", Packages: []string{"left-pad"}, Expires: npmMonth()},
			pages: 2, asked: 1, want: accounts.Token{Name: "a-label", User: "alice", Packages: []string{"left-pad"}}},
		// The old one is then logged out, for which nobody is asked.
		{name: "nothing is remembered", forget: true, old: accounts.Token{Name: "laptop", Packages: []string{"left-pad"}, Expires: npmMonth()},
			pages: 2, asked: 1, want: accounts.Token{Name: "a-label", User: "alice", Packages: []string{"left-pad"}}},
		{name: "logout does nothing", forget: true, config: accounts.Config{NoLogout: true}, old: accounts.Token{Name: "laptop", Packages: []string{"left-pad"}, Expires: npmMonth()},
			pages: 4, asked: 1, want: accounts.Token{Name: "a-label", User: "alice", Packages: []string{"left-pad"}}},
		{name: "dead a little later", config: accounts.Config{Lag: 3}, old: accounts.Token{Name: "laptop", Packages: []string{"left-pad"}, Expires: npmMonth()},
			pages: 3, asked: 1, want: accounts.Token{Name: "a-label", User: "alice", Packages: []string{"left-pad"}}},
		{name: "a session", old: accounts.Token{Session: true}, pages: 1, asked: 0, session: true, want: accounts.Token{User: "alice", Session: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newNpmDouble(t, tt.config)
			m, person := npmPersonal(t, d, d.password)
			m.Now = time.Now // as the double's
			if tt.forget {
				m.Memory = nil
			}
			for i := range 24 { // there are several pages of others
				d.Issue(accounts.Token{Name: fmt.Sprint("other-", i), Packages: []string{"*"}})
			}
			old := d.token(m, d.Issue(tt.old))
			new, err := npmCreate(t.Context(), m, old, "a-label")
			if err != nil {
				t.Fatal(err)
			}
			if id, err := npmIdentify(t.Context(), m, old); err != nil || id.Answer != Alive || id.Owner != "alice" {
				t.Errorf("the old one died before it was revoked: %+v, %v", id, err)
			}
			got := *d.Find(new.Value.Reveal())
			if new.ID != got.Key && !tt.session || new.Owner != "alice" || new.Site != old.Site || new.Name != old.Name {
				t.Errorf("the new token is told of as %+v", new)
			}
			if !tt.old.Expires.IsZero() && got.Expires.After(tt.old.Expires) {
				t.Errorf("it ends on %v, the old one on %v", got.Expires, tt.old.Expires)
			}
			tt.want.Key, tt.want.Created, tt.want.Expires = got.Key, got.Created, got.Expires
			if diff := cmp.Diff(fmt.Sprintf("%+v", shownToken(tt.want)), fmt.Sprintf("%+v", shownToken(got))); diff != "" {
				t.Error("the new token (-want +got):", diff)
			}
			if a, err := npmWorks(t.Context(), m, old, new); err != nil || a != Alive {
				t.Errorf("works: %v, %v", a, err)
			}
			if err := npmInstall(t.Context(), m, old, new); err != nil {
				t.Error(err)
			}
			if err := npmRevoke(t.Context(), m, old, new); err != nil {
				t.Fatal(err)
			}
			var answer Answer
			for range tt.config.Lag + 1 {
				if answer, err = npmIsDead(t.Context(), m, old); err != nil {
					t.Fatal(err)
				}
			}
			if answer != Dead || d.Whoami(new) != "alice" {
				t.Errorf("the old one is %v, the new one %q's", answer, d.Whoami(new))
			}
			npmLeave(t.Context(), m)
			if n := len(d.Tokens()); n != 25 && !tt.config.NoLogout {
				t.Errorf("%d tokens live, want the others and the new one: was a session not ended?", n)
			}
			if len(person.opened()) != tt.pages || len(person.asked) != tt.asked {
				t.Errorf("%d pages were opened and %d questions asked, want %d and %d", len(person.opened()), len(person.asked), tt.pages, tt.asked)
			}
			if web := npmPages(npmLocate(t.Context(), m, new))[0].URL; web != d.Web+"/settings/alice/tokens" && !tt.forget {
				t.Errorf("page %s", web)
			}
			testShows(t, m, d.canaries(old.Value, new.Value))
		})
	}
}

// Whoami returns whose a token is, "" if it is dead.
func (d *npmDouble) Whoami(t Token) string {
	id, err := npmSite{testMachine(d.t), d.URL}.whoami(d.t.Context(), npmBearer(t.Value))
	if err != nil {
		d.t.Error(err)
	}
	return id.Owner
}

// shownToken is a token without what a comparison must leave out.
func shownToken(t accounts.Token) any {
	return struct {
		Key, Name, User           string
		Session, ReadOnly, Bypass bool
		Packages, Scopes, Orgs    []string
		CIDR                      []string
	}{t.Key, t.Name, t.User, t.Session, t.ReadOnly, t.Bypass, t.Packages, t.Scopes, t.Orgs, t.CIDR}
}

func TestNpmContainNow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		config accounts.Config
		old    accounts.Token
		pages  int
	}{
		{"by itself", accounts.Config{}, accounts.Token{Packages: []string{"*"}}, 0},
		{"a session", accounts.Config{}, accounts.Token{Session: true}, 0},
		{"one that bypasses", accounts.Config{}, accounts.Token{Packages: []string{"*"}, Bypass: true}, 0},
		{"it takes a while", accounts.Config{Lag: 2}, accounts.Token{Packages: []string{"*"}}, 0},
		{"logout does nothing", accounts.Config{NoLogout: true}, accounts.Token{Packages: []string{"*"}}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newNpmDouble(t, tt.config)
			m, person := npmPersonal(t, d)
			other := d.Issue(accounts.Token{Name: "other", Packages: []string{"*"}})
			old := d.token(m, d.Issue(tt.old))
			if err := npmRevoke(t.Context(), m, old, Token{}); err != nil {
				t.Fatal(err)
			}
			if a, err := npmIsDead(t.Context(), m, old); a != Dead || err != nil {
				t.Errorf("it is %v, %v", a, err)
			}
			if err := npmRevoke(t.Context(), m, old, Token{}); err != nil {
				t.Error("the second time:", err)
			}
			if d.Find(other).Revoked {
				t.Error("another one was revoked")
			}
			if n := len(person.opened()); n != tt.pages {
				t.Errorf("%d pages were opened, want %d", n, tt.pages)
			}
			testShows(t, m, d.canaries(old.Value))
		})
	}
	t.Run("nobody is there", func(t *testing.T) {
		t.Parallel()
		d := newNpmDouble(t, accounts.Config{NoLogout: true})
		m := testMachine(t)
		m.Person.Browse = func(context.Context, string) error { return ErrNobody }
		old := d.token(m, d.Issue(accounts.Token{Packages: []string{"*"}}))
		if err := npmRevoke(t.Context(), m, old, Token{}); !errors.Is(err, ErrNobody) {
			t.Errorf("error %v", err)
		}
	})
}

func TestNpmPeople(t *testing.T) {
	t.Parallel()
	granular := accounts.Token{Name: "laptop", Packages: []string{"*"}, Expires: npmMonth()}
	for _, tt := range []struct {
		name    string
		config  accounts.Config
		answers func(d *npmDouble) []any
		deaf    bool // pages are opened and nothing approved
		nobody  bool // no page can be opened
		want    error
		says    string
		made    bool
	}{
		{name: "nobody at all", nobody: true, want: ErrNobody},
		{name: "nobody types the password", want: ErrNobody},
		{name: "nobody approves", deaf: true, want: ErrNobody, says: "within 10m"},
		{name: "somebody else signs in", config: accounts.Config{SignedIn: "bob"}, says: "it is bob who signed in, and the token belongs to alice"},
		{name: "an empty password", answers: func(*npmDouble) []any { return []any{""} }, want: ErrNobody},
		{name: "a wrong password, then the right one", answers: func(d *npmDouble) []any { return []any{"not this one", d.password} }, made: true},
		{name: "wrong passwords", answers: func(d *npmDouble) []any { return []any{"not this", "nor this", "nor that", d.password} }, says: "401"},
		{name: "a code by mail", config: accounts.Config{NoPages: true}, answers: func(d *npmDouble) []any {
			return []any{d.password, func() any { return " " + d.Code("alice") + "\n" }}
		}, made: true},
		{name: "a wrong code, then the right one", config: accounts.Config{NoPages: true}, answers: func(d *npmDouble) []any {
			return []any{d.password, "00000000", func() any { return d.Code("alice") }}
		}, made: true},
		{name: "wrong codes", config: accounts.Config{NoPages: true}, answers: func(d *npmDouble) []any { return []any{d.password, "1", "2", "3", "4"} }, says: "401"},
		{name: "no code", config: accounts.Config{NoPages: true}, answers: func(d *npmDouble) []any { return []any{d.password} }, want: ErrNobody},
		{name: "no sign-in in the browser, and no list for tokens", config: accounts.Config{NoWeb: true}, want: ErrNotPossible},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newNpmDouble(t, tt.config)
			m := testMachine(t)
			m.Memory = new(Memory)
			var answers []any
			if tt.answers != nil {
				answers = tt.answers(d)
			}
			p := testPersonAt(m, answers...)
			switch {
			case tt.nobody:
				m.Person.Browse = func(context.Context, string) error { return fmt.Errorf("open it: %w", ErrNobody) }
			case !tt.deaf:
				p.visits(d.visit)
			}
			old := granular
			old.User = "alice"
			token := d.token(m, d.Issue(old))
			new, err := npmCreate(t.Context(), m, token, "a-label")
			if tt.made {
				if err != nil || d.Whoami(new) != "alice" {
					t.Errorf("error %v", err)
				}
			} else {
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("error %v, want %v with %q", err, tt.want, tt.says)
				}
				if !noEffect(err) {
					t.Errorf("%v does not say that it had no effect", err)
				}
			}
			if tt.deaf {
				said := strings.Join(p.said(), "\n")
				if n := strings.Count(said, "Still waiting for you in the browser: "); n < 3 || n > 10 || !strings.Contains(said, "for 10 minutes at most. Ctrl-C is safe") {
					t.Errorf("while it waits it says\n%s", said)
				}
			}
			npmLeave(t.Context(), m)
			want := 1
			if tt.made {
				want = 2
			}
			if n := len(d.Tokens()); n != want {
				t.Errorf("%d tokens live, want %d", n, want)
			}
			testShows(t, m, d.canaries(token.Value, new.Value), err)
		})
	}
}

func TestNpmLost(t *testing.T) {
	t.Parallel()
	d := newNpmDouble(t, accounts.Config{})
	m, _ := npmPersonal(t, d)
	d.Issue(accounts.Token{Name: "a-label", User: "bob", Packages: []string{"*"}})
	keep := d.Issue(accounts.Token{Name: "other", Packages: []string{"*"}})
	old := d.token(m, d.Issue(accounts.Token{Name: "laptop", Packages: []string{"*"}}))
	if found, err := npmLost(t.Context(), m, old, "a-label"); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	lost := d.Issue(accounts.Token{Name: "a-label", Packages: []string{"*"}})
	if found, err := npmLost(t.Context(), m, old, "a-label"); !found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	if !d.Find(lost).Revoked || d.Find(keep).Revoked || len(d.Tokens()) != 4 {
		t.Error("the wrong ones were revoked")
	}
}

func TestNpmWorksIsNot(t *testing.T) {
	t.Parallel()
	d := newNpmDouble(t, accounts.Config{})
	m, _ := npmPersonal(t, d)
	old := d.token(m, d.Issue(accounts.Token{Packages: []string{"*"}}))
	of := func(a accounts.Token, facts Facts) Token {
		return Token{Kind: "npm", Site: d.URL, Value: secret.Of(d.Issue(a)), Facts: facts}
	}
	if _, _, err := (npmSite{m, d.URL}).signIn(t.Context(), "alice"); err != nil { // then the list can be asked
		t.Fatal(err)
	}
	dead := of(accounts.Token{Revoked: true}, nil)
	for name, tt := range map[string]struct {
		new  Token
		want Answer
	}{
		"the same":         {of(accounts.Token{Packages: []string{"*"}}, nil), Alive},
		"bob's":            {of(accounts.Token{User: "bob", Packages: []string{"*"}}, nil), Dead},
		"read-only":        {of(accounts.Token{Packages: []string{"*"}, ReadOnly: true}, nil), Dead},
		"said read-only":   {of(accounts.Token{Packages: []string{"*"}}, Facts{npmWrites: "no"}), Dead},
		"dead":             {dead, Dead},
		"a new session":    {of(accounts.Token{Session: true}, nil), Alive},
		"no such registry": {Token{Kind: "npm"}, CouldNotTell},
	} {
		if got, err := npmWorks(t.Context(), m, old, tt.new); got != tt.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestNpmIdentify(t *testing.T) {
	t.Parallel()
	d := newNpmDouble(t, accounts.Config{})
	m, _ := npmPersonal(t, d)
	ends := time.Date(2036, 3, 4, 5, 6, 7, 0, time.UTC)
	old := d.token(m, d.Issue(accounts.Token{Packages: []string{"left-pad"}, ReadOnly: true, Expires: ends, CIDR: []string{"10.0.0.0/8"}}))
	id, err := npmIdentify(t.Context(), m, old)
	if diff := cmp.Diff(Identity{Answer: Alive, Owner: "alice", Reach: []string{"publish @acme/tools", "publish left-pad"}}, id); diff != "" || err != nil {
		t.Error("without a session (-want +got):", diff, err)
	}
	if _, _, err := (npmSite{m, d.URL}).signIn(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	id, err = npmIdentify(t.Context(), m, old)
	want := Identity{Answer: Alive, Owner: "alice", Expires: ends, Scopes: []string{"read package", "left-pad", "read only", "from 10.0.0.0/8"}, Reach: []string{"read @acme/tools", "read left-pad"}}
	if diff := cmp.Diff(want, id); diff != "" || err != nil {
		t.Error("with a session (-want +got):", diff, err)
	}
}
