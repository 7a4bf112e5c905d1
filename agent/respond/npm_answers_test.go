package respond

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/call"
	"wormbell/internal/registry/accounts"
	"wormbell/internal/secret"
)

// TestNpmWhoami: what registries, proxies and firewalls answer.
func TestNpmWhoami(t *testing.T) {
	t.Parallel()
	type said struct {
		status int
		body   string
		header http.Header
	}
	known := said{status: 200, body: `{"username":"alice"}`}
	for _, tt := range []struct {
		name   string
		to     said // to the token
		nobody said // to no token
		want   Answer
	}{
		{"alive", known, said{status: 401, body: `{}`}, Alive},
		{"the public one's refusal", said{status: 401, body: `{}`}, said{status: 401, body: `{}`}, Dead},
		{"a refusal without a word", said{status: 401}, said{status: 401}, Dead},
		{"a refusal with a page", said{status: 401, body: "<html>"}, said{status: 401}, CouldNotTell},
		{"a second factor", said{status: 401, body: `{}`, header: http.Header{"Www-Authenticate": {"OTP"}}}, said{status: 401}, CouldNotTell},
		{"Verdaccio, unknown", said{status: 200, body: "{}\n"}, said{status: 200, body: `{}`}, Dead},
		{"Verdaccio, revoked", said{status: 403, body: `{"error":"unauthorized access"}`}, said{status: 200, body: `{}`}, Dead},
		{"the public one, forbidden", said{status: 403, body: `{"error":"x"}`}, said{status: 401, body: `{}`}, Dead},
		{"empty to the token only", said{status: 200, body: `{}`}, said{status: 401, body: `{}`}, CouldNotTell},
		{"a firewall", said{status: 403, body: `{"error":"blocked"}`}, said{status: 403, body: `{"error":"blocked"}`}, CouldNotTell},
		{"a firewall with a page", said{status: 403, body: `<!doctype html>`}, said{status: 403}, CouldNotTell},
		{"a captive portal", said{status: 200, body: `<!doctype html>`}, said{status: 200, body: `<!doctype html>`}, CouldNotTell},
		{"403 for a while", said{status: 403, body: `{"error":"x"}`, header: http.Header{"Retry-After": {"5"}}}, said{status: 401, body: `{}`}, CouldNotTell},
		{"too many", said{status: 429, body: `{"error":"x"}`}, said{status: 401}, CouldNotTell},
		{"down", said{status: 503, body: `{"error":"x"}`}, said{status: 401}, CouldNotTell},
		{"no such thing", said{status: 404, body: `{"error":"not found"}`}, said{status: 404}, CouldNotTell},
		{"elsewhere", said{status: 302, body: `{}`, header: http.Header{"Location": {"http://127.0.0.1:1/"}}}, said{status: 302}, CouldNotTell},
		{"another shape", said{status: 200, body: `{"user":"alice"}`}, said{status: 401}, CouldNotTell},
		{"no name", said{status: 200, body: `{"username":["alice"]}`}, said{status: 401}, CouldNotTell},
		{"a name for a terminal", said{status: 200, body: `{"username":"a\u001b[31m"}`}, said{status: 401}, CouldNotTell},
		{"null", said{status: 200, body: `null`}, said{status: 200, body: `null`}, CouldNotTell},
		{"a list", said{status: 200, body: `[]`}, said{status: 401}, CouldNotTell},
		{"nothing", said{status: 200}, said{status: 200}, CouldNotTell},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			value := testRandom(40)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := tt.nobody
				if auth := r.Header.Get("Authorization"); auth == "Bearer "+value {
					a = tt.to
				} else if auth != "" {
					t.Errorf("another token was sent")
				}
				if r.URL.Path != "/npm/-/whoami" && tt.want != Alive {
					t.Errorf("asked for %s", r.URL.Path)
				}
				for k, v := range a.header {
					w.Header()[k] = v
				}
				w.WriteHeader(a.status)
				fmt.Fprint(w, a.body)
			}))
			defer s.Close()
			m := testMachine(t)
			token := Token{Kind: "npm", Site: s.URL + "/npm", Value: secret.Of(value)}
			id, err := npmIdentify(t.Context(), m, token)
			if id.Answer != tt.want || err != nil || (id.Note == "") != (tt.want != CouldNotTell) {
				t.Errorf("%+v, %v", id, err)
			}
			if a, err := npmIsDead(t.Context(), m, token); a != tt.want || err != nil {
				t.Errorf("is dead: %v, %v", a, err)
			}
			testShows(t, m, []string{value})
		})
	}
}

// TestNpmGateway: what is in front of the registry gives up, and the registry
// has done what was asked.
func TestNpmGateway(t *testing.T) {
	t.Parallel()
	for _, status := range []int{500, 502, 504, 408, 307, 403} {
		d := newNpmDouble(t, accounts.Config{})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.Header.Get("Npm-Otp") == "" {
				d.ServeHTTP(w, r)
				return
			}
			if status >= 408 {
				d.ServeHTTP(httptest.NewRecorder(), r)
			}
			w.WriteHeader(status)
		}))
		defer s.Close()
		d.URL = s.URL
		m, _ := npmPersonal(t, d, d.password)
		old := d.token(m, d.Issue(accounts.Token{Name: "laptop", Packages: []string{"*"}}))
		old.Site = s.URL
		_, err := npmCreate(t.Context(), m, old, "a-label")
		if err == nil || noEffect(err) != (status < 408) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestNpmHostileList: a session goes to the registry only, and no list that is
// broken off is taken for a whole one.
func TestNpmHostileList(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the session was sent elsewhere") }))
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		body string
		ok   bool
	}{
		"elsewhere":       {`{"objects":[],"urls":{"next":"` + elsewhere.URL + `/-/npm/v1/tokens?page=1"}}`, false},
		"another host":    {`{"objects":[],"urls":{"next":"//` + elsewhere.URL[7:] + `/x"}}`, false},
		"outside":         {`{"objects":[],"urls":{"next":"../x"}}`, false},
		"round in circle": {`{"objects":[],"urls":{"next":"/-/npm/v1/tokens?page=0&perPage=100"}}`, false},
		"nothing":         {`{}`, false},
		"null":            {`null`, false},
		"null list":       {`{"objects":null}`, false},
		"some missing":    {`{"objects":[{"key":"x"}],"total":2,"urls":{}}`, false},
		"another shape":   {`{"objects":{"key":"x"}}`, false},
		"empty":           {`{"objects":[],"urls":{"next":""}}`, true},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tt.body) }))
		_, err := npmSite{testMachine(t), s.URL}.list(t.Context(), npmBearer(secret.Of("x")))
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, call.ErrGarbled) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func TestNpmMatching(t *testing.T) {
	t.Parallel()
	v := "npm_" + testRandom(36)
	for _, tt := range []struct {
		shown string
		want  bool
	}{
		{v[:8] + "..." + v[36:], true},
		{v[:5] + "..." + v[35:], true},
		{v[:8] + "..." + testRandom(3) + "-", false},
		{v[:7] + "-..." + v[36:], false},
		{"..." + v[36:], false},
		{v[:8] + "...", false},
		{v, false},
		{v[:20] + "..." + v[20:], false},
		{"", false},
	} {
		if got := len(npmMatching([]npmListed{{Token: tt.shown}}, secret.Of(v))) == 1; got != tt.want {
			t.Errorf("%d letters shown: %v", len(tt.shown), got)
		}
	}
}

// TestNpmLike: the same rights or fewer, never more.
func TestNpmLike(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(days float64) string { return now.Add(time.Duration(days * float64(npmDay))).Format(time.RFC3339) }
	for _, tt := range []struct {
		name string
		was  npmListed
		want map[string]any
	}{
		{"Verdaccio's", npmListed{}, map[string]any{"readonly": false, "cidr_whitelist": []any{}}},
		{"Verdaccio's, narrow", npmListed{ReadOnly: true, CIDR: []string{"10.0.0.0/8"}}, map[string]any{"readonly": true, "cidr_whitelist": []any{"10.0.0.0/8"}, "cidr": []any{"10.0.0.0/8"}}},
		{"one package", npmListed{Name: "n", Expiry: at(30.9), Permissions: []npmGrant{{Name: "package", Action: "write"}}, Scopes: []npmGrant{{Type: "package", Name: "a"}}},
			map[string]any{"description": "replaces n", "token_description": "replaces n", "packages": []any{"a"}, "packages_and_scopes_permission": "read-write", "expires": 30.0}},
		{"no more packages than it had", npmListed{Expiry: at(400), Permissions: []npmGrant{{Name: "org", Action: "write"}}, Scopes: []npmGrant{{Type: "package", Name: "a"}, {Type: "org", Name: "acme"}}},
			map[string]any{"orgs": []any{"acme"}, "orgs_permission": "read-write", "expires": 90.0}},
		{"all packages, staged", npmListed{Permissions: []npmGrant{{Name: "package", Action: "stage"}}, Scopes: []npmGrant{{Type: "package", Name: "*"}}},
			map[string]any{"packages": []any{"*"}, "packages_all": true, "packages_and_scopes_permission": "read-write-stage-only", "expires": 90.0}},
		{"an action that is new to us", npmListed{Expiry: at(0.2), Bypass: true, Permissions: []npmGrant{{Name: "package", Action: "own"}}, Scopes: []npmGrant{{Type: "package", Name: "@acme"}, {Type: "odd", Name: "x"}}},
			map[string]any{"scopes": []any{"@acme"}, "packages_and_scopes_permission": "read-only", "expires": 1.0, "bypass_2fa": true}},
		{"read-only without permissions", npmListed{ReadOnly: true, Scopes: []npmGrant{{Type: "scope", Name: "@acme"}}},
			map[string]any{"scopes": []any{"@acme"}, "packages_and_scopes_permission": "read-only", "expires": 90.0}},
	} {
		b, err := tt.was.like("l", "p", now)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		tt.want["name"], tt.want["password"] = "l", "p"
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got): %s", tt.name, diff)
		}
	}
}

func TestNpmFits(t *testing.T) {
	t.Parallel()
	for pasted, want := range map[string]bool{
		"npm_" + testRandom(36): true, testRandom(272) + "==": true, "": false, "short": false, "with a blank in it": false, "line\nbreak-and-more": false, "${NPM_TOKEN}": false, "ümlaute-sind-keine": false, strings.Repeat("x", maxNpmToken+1): false,
	} {
		if npmFits(pasted) != want {
			t.Errorf("%d letters: %v", len(pasted), !want)
		}
	}
}

func TestNpmStateSurvivesHostileNames(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	for _, key := range []string{"../../x", strings.Repeat("a/", 300), "https://r.example.com/%2f", ""} {
		if err := npmKeep(m, npmGrantsFile, key, "there"); err != nil {
			t.Error(err)
		}
		var got string
		if ok, err := npmRecall(m, npmGrantsFile, key, &got); !ok || err != nil || got != "there" {
			t.Errorf("%v, %v, %q", ok, err, got)
		}
	}
}
