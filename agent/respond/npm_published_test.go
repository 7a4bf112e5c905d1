package respond

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/registry/accounts"
	"wormbell/internal/secret"
)

func TestNpmPublishedSince(t *testing.T) {
	t.Parallel()
	reg, err := accounts.New(accounts.Config{Users: map[string]accounts.User{"alice": {Packages: []string{"tools", "gone"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	for _, p := range []map[string]any{
		{"name": "tools", "version": "1.0.1"},
		{"name": "@acme/spread", "version": "9.9.9"}, // not among what the search finds
		{"name": "somebodys", "version": "1.0.0", "_npmUser": map[string]any{"name": "bob"}},
	} {
		if err := reg.Seed(p, nil); err != nil {
			t.Fatal(err)
		}
	}
	m := testMachine(t)
	token := Token{Kind: "npm", Site: reg.URL, Places: []Place{{Path: "~/.npmrc"}}, Value: secret.Of(reg.Issue(accounts.Token{Packages: []string{"*"}}))}
	before := time.Now().Add(-time.Minute)
	got, err := PublishedSince(t.Context(), m, token, before, "@acme/spread", "somebodys", "never-there")
	var names []string
	for _, p := range got {
		names = append(names, p.Name+"@"+p.Version)
		if p.Registry != reg.URL || p.Time.Before(before) {
			t.Errorf("%+v", p)
		}
	}
	slices.Sort(names) // their times may be the same
	if diff := cmp.Diff(names, []string{"@acme/spread@9.9.9", "tools@1.0.1"}); diff != "" || err != nil {
		t.Errorf("%v, got - want +\n%s", err, diff)
	}
	if got, err := PublishedSince(t.Context(), m, token, time.Now().Add(time.Hour), "@acme/spread"); len(got) > 0 || err != nil {
		t.Errorf("before they were published: %v, %v", got, err)
	}
	dead := token
	dead.Value = secret.Of("npm_" + testRandom(36))
	if got, err := PublishedSince(t.Context(), m, dead, before); err == nil {
		t.Errorf("by a dead token: %v", got)
	}
	if got, err := PublishedSince(t.Context(), m, Token{Kind: "github"}, before); len(got) > 0 || err != nil {
		t.Errorf("another kind: %v, %v", got, err)
	}
}

// A registry that fails for some packages, or answers at length, is said to.
func TestNpmPublishedPartly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(" ", 3<<20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/-/whoami":
			w.Write([]byte(`{"username":"alice"}`))
		case r.URL.Path == "/-/v1/search":
			w.Write([]byte(`{"objects":[{"package":{"name":"a"}},{"package":{"name":"b"}},{"package":{"name":"old","date":"2020-01-01T00:00:00Z"}}]}`))
		case r.URL.Path == "/a":
			w.Write([]byte(`{"time":{"1.0.0":"2026-01-02T00:00:00Z"},"versions":{"1.0.0":{"_npmUser":{"name":"alice"}}}}` + long))
		case r.URL.Path == "/old":
			t.Error("a package is asked for that did not change")
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(srv.Close)
	m := testMachine(t)
	token := Token{Kind: "npm", Site: srv.URL, Value: secret.Of(testRandom(40))}
	got, err := PublishedSince(t.Context(), m, token, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if len(got) != 1 || got[0].By != "alice" || err == nil || !strings.Contains(err.Error(), "1 packages of alice") {
		t.Errorf("%+v, %v", got, err)
	}
	testShows(t, m, []string{token.Value.Reveal()}, err)
}
