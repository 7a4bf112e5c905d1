package respond

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

func githubToken(b *faultBench, prefix string) string { return b.Token(prefix, 36) }

func TestGithubType(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ghp_" + testRandom(36):                               githubClassic,
		"github_pat_" + testRandom(22) + "_" + testRandom(59): githubFine,
		"gho_" + testRandom(36):                               githubOAuth,
		"ghu_" + testRandom(36):                               githubApp,
		"ghr_" + testRandom(76):                               githubRefresh,
		"ghs_" + testRandom(36):                               githubInstallation,
		"ghs_12345_eyJ" + testRandom(200) + "." + testRandom(200) + ".-_" + testRandom(90): githubInstallation,
		"ghp_" + testRandom(35):            "",
		"ghp_" + testRandom(36) + ".":      "",
		"ghx_" + testRandom(36):            "",
		"github_" + testRandom(82):         "",
		"glpat-" + testRandom(20):          "",
		testRandom(40):                     "",
		"${GITHUB_TOKEN}":                  "",
		"ghp_" + strings.Repeat("a", 5000): "",
		"":                                 "",
	} {
		if got := githubType(in); got != want {
			t.Errorf("%.11s… of %d: %q, want %q", in, len(in), got, want)
		}
		if got := github().Fits(in); got != slices.Contains([]string{githubClassic, githubFine, githubOAuth, githubApp}, want) {
			t.Errorf("%.11s… of %d: fits %v", in, len(in), got)
		}
	}
}

// githubHome writes every place where GitHub's tokens stand.
func githubHome(t *testing.T, m *Machine, alice, bob, pat, server string) {
	t.Helper()
	basic := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	testPut(t, m, "~/.config/gh/hosts.yml", fmt.Sprintf(`# mine
github.com:
    git_protocol: https
    users:
        alice:
            oauth_token: %[1]s # hers
        bob:
            oauth_token: %[2]q
    oauth_token: %[1]s
    user: alice
ghes.example.com:
    oauth_token: %[3]s
    user: al
`, alice, bob, server))
	testPut(t, m, "~/.git-credentials", fmt.Sprintf("https://alice:%s@github.com\nhttps://%s@github.com\nhttps://me:%s@git.example.org\nhttps://x:secret-password@example.org\n", alice, pat, bob))
	testPut(t, m, "~/.netrc", fmt.Sprintf("machine api.github.com login alice password %s\nmachine example.org login a password b\n", pat))
	testPut(t, m, "~/.npmrc", fmt.Sprintf("; packages\n@acme:registry=https://npm.pkg.github.com\n//npm.pkg.github.com/:_authToken=%s\n//registry.example.com/:_authToken=%s\n", alice, bob))
	testPut(t, m, "~/.docker/config.json", fmt.Sprintf(`{"auths": {"ghcr.io": {"auth": %q}, "registry.example.com": {"auth": %q}}, "x": 1}`, basic("alice:"+pat), basic("a:"+pat)))
	testPut(t, m, "~/.yarnrc.yml", fmt.Sprintf("npmScopes:\n  acme:\n    npmRegistryServer: \"https://npm.pkg.github.com\"\n    npmAuthToken: %s\n", alice))
	testPut(t, m, "~/.bunfig.toml", fmt.Sprintf("[install.scopes]\nacme = { url = \"https://npm.pkg.github.com/\", token = %q }\n", alice))
}

func TestGithubFind(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	alice, bob, pat, server := "gho_"+testRandom(36), "gho_"+testRandom(36), "ghp_"+testRandom(36), testRandom(40)
	githubHome(t, m, alice, bob, pat, server)
	got, err := github().Find(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ Name, Site, Owner, Type, Value, Places string }
	var rows []row
	for _, k := range got {
		var places []string
		for _, p := range k.Places {
			places = append(places, p.String())
		}
		value := map[string]string{alice: "alice", bob: "bob", pat: "pat", server: "server"}[k.Value.Reveal()]
		rows = append(rows, row{k.Name, k.Site, k.Owner, k.Facts["type"], value, strings.Join(places, "; ")})
	}
	want := []row{
		{"github:alice", "https://api.github.com", "alice", githubOAuth, "alice", "~/.config/gh/hosts.yml github.com users alice oauth_token; ~/.config/gh/hosts.yml github.com oauth_token; " +
			"~/.git-credentials https://github.com alice; ~/.npmrc //npm.pkg.github.com/:_authToken; ~/.yarnrc.yml npmScopes acme npmAuthToken; ~/.bunfig.toml install scopes acme token"},
		{"github:bob", "https://api.github.com", "bob", githubOAuth, "bob", "~/.config/gh/hosts.yml github.com users bob oauth_token"},
		{"github:ghes.example.com/al", "https://ghes.example.com/api/v3", "al", githubUnknown, "server", "~/.config/gh/hosts.yml ghes.example.com oauth_token"},
		{"github:git.example.org/git-credentials", "https://git.example.org/api/v3", "", githubOAuth, "bob", "~/.git-credentials https://git.example.org me"},
		{"github:git-credentials", "https://api.github.com", "", githubClassic, "pat", "~/.git-credentials https://github.com user name; ~/.netrc api.github.com alice password; ~/.docker/config.json auths ghcr.io auth"},
	}
	if d := cmp.Diff(rows, want); d != "" {
		t.Error(d)
	}

	some, err := github().Find(t.Context(), m, []string{"~/.npmrc", "~/.netrc"})
	if err != nil || len(some) != 2 || some[0].Name != "github:netrc" || some[1].Name != "github:npmrc" {
		t.Errorf("in two files: %+v %v", some, err)
	}
	if none, err := github().Find(t.Context(), m, []string{}); len(none) != 0 || err != nil {
		t.Errorf("in no file: %+v %v", none, err)
	}
	testShows(t, m, []string{alice, bob, pat, server}, errors.New(fmt.Sprintf("%+v", got)))
}

func TestGithubFindKeychain(t *testing.T) {
	t.Parallel()
	const hosts = "github.com:\n    git_protocol: https\n    users:\n        alice:\n        bob:\n    user: bob\n"
	alice, bob := "gho_"+testRandom(36), "gho_"+testRandom(36)
	fill := func(m *Machine) {
		testPut(t, m, "~/.config/gh/hosts.yml", hosts)
		for account, v := range map[string]string{"alice": alice, "bob": bob, "": bob} {
			if err := m.Items.Set(t.Context(), "gh:github.com", account, secret.Of(v)); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := testMachine(t)
	fill(m)
	got, err := github().Find(t.Context(), m, nil)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	want := []Place{{Service: "gh:github.com"}, {Service: "gh:github.com", Key: "bob"}}
	if d := cmp.Diff(got[0].Places, want); d != "" || got[0].Name != "github:bob" || got[0].Value.Reveal() != bob || got[1].Name != "github:alice" || got[1].Value.Reveal() != alice {
		t.Errorf("%+v %s", got, d)
	}

	// Without gh's file among those to look at, nobody knows that gh is used.
	if got, err := github().Find(t.Context(), m, []string{"~/.npmrc"}); len(got) != 0 || err != nil {
		t.Errorf("%+v %v", got, err)
	}
	for name, spoil := range map[string]func(*Machine){
		"locked": func(m *Machine) {
			testItems(m).Fail = func(string, string, string) error { return fmt.Errorf("%w: it is locked", keychain.ErrNone) }
		},
		"none": func(m *Machine) { m.Items = nil },
	} {
		m := testMachine(t)
		fill(m)
		spoil(m)
		if got, err := github().Find(t.Context(), m, nil); !errors.Is(err, ErrPartly) || !errors.Is(err, keychain.ErrNone) || len(got) != 0 {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		testPut(t, m, "~/.config/gh/hosts.yml", strings.Replace(hosts, "bob\n", "bob\n    oauth_token: "+bob+"\n", 1))
		if got, err := github().Find(t.Context(), m, nil); err != nil || len(got) != 1 {
			t.Errorf("%s, but the token is in the file: %+v %v", name, got, err)
		}
	}
}

func TestGithubFindBroken(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	value := "ghp_" + testRandom(36)
	testPut(t, m, "~/.config/gh/hosts.yml", "github.com: [\n  oauth_token: "+value)
	testPut(t, m, "~/.docker/config.json", `{"auths": {"ghcr.io": {"auth": "`+value)
	testPut(t, m, "~/.netrc", "machine github.com login a password "+value)
	if err := os.Mkdir(m.Abs("~/.npmrc"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := github().Find(t.Context(), m, nil)
	if !errors.Is(err, ErrPartly) || len(got) != 1 || got[0].Value.Reveal() != value {
		t.Errorf("%+v %v", got, err)
	}
	for _, file := range []string{"~/.config/gh/hosts.yml", "~/.docker/config.json", "~/.npmrc"} {
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("the error does not name %s", file)
		}
	}
	testShows(t, m, []string{value}, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := github().Find(ctx, m, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// githubStart makes a fake with a token of alice's.
func githubStart(t *testing.T, b *faultBench, prefix, scopes string) (*Machine, *githubFake, Token) {
	f := newGithubFake(t)
	m := b.Machine(t, "github")
	value := githubToken(b, prefix)
	f.add(value, "alice", scopes)
	return m, f, Token{Kind: "github", Site: b.URL, Value: secret.Of(value), Facts: Facts{"host": githubHost, "type": githubType(value)}}
}

// githubTwo makes a fake with two tokens of alice's.
func githubTwo(t *testing.T, b *faultBench) forgeSubject {
	m, f, old := githubStart(t, b, "ghp_", "repo")
	new := Token{Site: b.URL, Value: secret.Of(githubToken(b, "ghp_"))}
	f.add(new.Value.Reveal(), "alice", "repo")
	return forgeSubject{f, m, old, new, func() { f.tokens[old.Value.Reveal()].revoked = true }}
}

func TestGithubIdentify(t *testing.T) {
	t.Parallel()
	f := newGithubFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	m := testMachine(t)
	classic, app, dead := "ghp_"+testRandom(36), "ghs_"+testRandom(36), "gho_"+testRandom(36)
	f.add(classic, "alice", "admin:org, gist, repo, workflow, write:packages").expires = "2026-05-20 10:12:22 +0800"
	f.add(app, "acme", "")
	f.add(dead, "bob", "repo").revoked = true
	token := func(v string) Token {
		return Token{Site: server.URL, Value: secret.Of(v), Facts: Facts{"host": githubHost, "type": githubType(v)}}
	}
	for v, want := range map[string]Identity{
		classic: {Answer: Alive, Owner: "alice", Scopes: []string{"admin:org", "gist", "repo", "workflow", "write:packages"}, Expires: time.Date(2026, 5, 20, 2, 12, 22, 0, time.UTC),
			Reach: []string{"push to at least 2 repositories: acme/tools, alice/site", "read at least 2 private repositories", "change workflows, which can read every secret of a repository", "publish packages", "administer organisations", "write gists"}},
		app:                     {Answer: Alive, Owner: "acme", Reach: []string{"act as an app in 3 repositories of acme"}},
		dead:                    {Answer: Dead},
		"ghr_" + testRandom(76): {Answer: CouldNotTell, Note: "GitHub tells only the app about a refresh token."},
	} {
		k := token(v)
		got, err := github().Identify(t.Context(), m, k)
		if d := cmp.Diff(got, want); err != nil || d != "" {
			t.Errorf("%.4s: %v %s", v, err, d)
		}
		if v == classic {
			if d := cmp.Diff(k.Facts, Facts{"host": githubHost, "type": githubClassic, "login": "alice", "scopes": "admin:org,gist,repo,workflow,write:packages", "expires": "2026-05-20"}); d != "" {
				t.Error(d)
			}
		}
	}
	if at := githubTime("2026-05-20 02:12:22 UTC"); !at.Equal(time.Date(2026, 5, 20, 2, 12, 22, 0, time.UTC)) {
		t.Error(at)
	}
}

func TestGithubIdentifyFaults(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"ghp_", "ghs_"} {
		faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
			m, f, old := githubStart(t, b, prefix, "repo")
			return f, m, old
		}, forgeSaid, github().Identify)
	}
}
