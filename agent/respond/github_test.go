package respond

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
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

// TestGithubInstall replaces a token everywhere, and then forgets it.
func TestGithubInstall(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	alice, bob, pat, server := "gho_"+testRandom(36), "gho_"+testRandom(36), "ghp_"+testRandom(36), testRandom(40)
	fresh := "ghp_" + testRandom(36)
	githubHome(t, m, alice, bob, pat, server)
	if err := m.Items.Set(t.Context(), "gh:github.com", "alice", secret.Of(alice)); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	files := []string{"~/.config/gh/hosts.yml", "~/.git-credentials", "~/.netrc", "~/.npmrc", "~/.docker/config.json", "~/.yarnrc.yml", "~/.bunfig.toml"}
	for _, f := range files {
		before[f] = testText(t, m, f)
	}
	find := func() []Token {
		t.Helper()
		all, err := github().Find(t.Context(), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := find()
	pick := func(v string) Token {
		t.Helper()
		i := slices.IndexFunc(all, func(k Token) bool { return k.Value.Reveal() == v && k.Facts["host"] == githubHost })
		if i < 0 {
			t.Fatal("not found")
		}
		return all[i]
	}
	oldAlice, oldPat := pick(alice), pick(pat)
	new := Token{Value: secret.Of(fresh)}
	for range 2 { // the second time it is there already
		if err := github().Install(t.Context(), m, oldAlice, new); err != nil {
			t.Fatal(err)
		}
	}
	// The same text, but for the value where GitHub's tokens stand.
	for _, f := range files {
		want := strings.ReplaceAll(before[f], alice, fresh)
		if got := testText(t, m, f); got != want {
			t.Errorf("%s:\n%s", f, cmp.Diff(got, want))
		}
	}
	if v, _ := m.Items.Get(t.Context(), "gh:github.com", "alice"); v.Reveal() != fresh {
		t.Error("the keychain item is not the new one")
	}
	second := "ghp_" + testRandom(36)
	if err := github().Install(t.Context(), m, oldPat, Token{Value: secret.Of(second)}); err != nil {
		t.Fatal(err)
	}
	if got := testText(t, m, "~/.git-credentials"); !strings.Contains(got, "https://"+second+"@github.com\n") {
		t.Error("the token that is a user name is not replaced")
	}
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + second))
	other := base64.StdEncoding.EncodeToString([]byte("a:" + pat))
	if got := testText(t, m, "~/.docker/config.json"); !strings.Contains(got, basic) || !strings.Contains(got, other) {
		t.Error("docker's is not replaced, or another registry's is")
	}

	// What was changed meanwhile stays, is told of, and keeps nothing else from being done.
	testPut(t, m, "~/.netrc", "machine api.github.com login alice password mine\n")
	third := Token{Value: secret.Of("ghp_" + testRandom(36))}
	was := oldPat
	was.Value = secret.Of(second)
	err := github().Install(t.Context(), m, was, third)
	if !errors.Is(err, edit.ErrChanged) || !strings.Contains(err.Error(), "~/.netrc") || strings.Contains(err.Error(), "git-credentials") {
		t.Errorf("%v", err)
	}
	if got := testText(t, m, "~/.netrc"); got != "machine api.github.com login alice password mine\n" {
		t.Error("what a person wrote was overwritten")
	}
	if got := testText(t, m, "~/.git-credentials"); !strings.Contains(got, third.Value.Reveal()) {
		t.Error("one place kept another from being written")
	}
	testShows(t, m, []string{alice, fresh, pat, second, third.Value.Reveal()}, err)

	was.Value = third.Value
	for range 2 {
		if err := github().Forget(t.Context(), m, was); err != nil {
			t.Fatal(err)
		}
	}
	was = oldAlice
	was.Value = new.Value
	for range 2 {
		if err := github().Forget(t.Context(), m, was); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		if got := testText(t, m, f); strings.Contains(got, fresh) || strings.Contains(got, third.Value.Reveal()) {
			t.Errorf("%s still holds it", f)
		}
	}
	if _, err := m.Items.Get(t.Context(), "gh:github.com", "alice"); !errors.Is(err, keychain.ErrNotFound) {
		t.Errorf("the keychain still holds it: %v", err)
	}
	hosts := testText(t, m, "~/.config/gh/hosts.yml")
	for _, kept := range []string{"# mine", "git_protocol: https", "    users:", "alice:", "bob:", bob, "user: alice", server} {
		if !strings.Contains(hosts, kept) {
			t.Errorf("hosts.yml has lost %.20q", kept)
		}
	}
	if got := testText(t, m, "~/.git-credentials"); got != "https://me:"+bob+"@git.example.org\nhttps://x:secret-password@example.org\n" {
		t.Errorf("git's file has %d bytes left", len(got))
	}
	if names := find(); len(names) != 3 {
		t.Errorf("%d tokens are left, want bob's and the servers'", len(names))
	}
}

func TestGithubPages(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][]string{
		githubClassic:      {"https://github.com/settings/tokens", "https://github.com/settings/tokens/new?description=in+place+of+a+revoked+token&scopes=repo%2Cread%3Aorg"},
		githubFine:         {"https://github.com/settings/personal-access-tokens", "https://github.com/settings/personal-access-tokens/new"},
		githubOAuth:        {"https://github.com/settings/applications", "https://github.com/settings/tokens/new?description=in+place+of+a+revoked+token&scopes=repo%2Cread%3Aorg"},
		githubInstallation: {"https://github.com/settings/installations"},
	} {
		var got []string
		for _, p := range githubPages(Token{Facts: Facts{"type": kind, "scopes": "repo,read:org"}}) {
			if len(p.Steps) == 0 || p.Title == "" {
				t.Errorf("%s: %+v says nothing", kind, p)
			}
			got = append(got, p.URL)
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
	}
	if p := githubPages(Token{Facts: Facts{"type": githubUnknown, "host": "ghes.example.com"}}); p[0].URL != "https://ghes.example.com/settings/tokens" {
		t.Errorf("%+v", p)
	}
}

func TestGithubCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		has, want string
		covers    bool
	}{
		{"repo", "public_repo", true}, {"repo", "repo:status", true}, {"public_repo", "repo", false}, {"admin:org", "read:org", true},
		{"write:org", "admin:org", false}, {"write:packages", "read:packages", true}, {"user", "user:email", true}, {"user", "read:user", true},
		{"read:user", "user", false}, {"project", "read:project", true}, {"", "gist", false}, {"gist", "gist", true}, {"admin:enterprise", "manage_billing:enterprise", true},
		{"user:email", "repo:status", false}, {"repo", "write:packages", false},
	} {
		if got := githubCovers(strings.Fields(c.has), c.want); got != c.covers {
			t.Errorf("%q covers %q: %v", c.has, c.want, got)
		}
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
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			m, f, old := githubStart(t, b, prefix, "repo")
			var id Identity
			return faultSubject{Service: f, Run: func(ctx context.Context) (err error) {
				id, err = github().Identify(ctx, m, old)
				b.Log.Debug("told", "note", id.Note)
				return err
			}, After: func(t *testing.T, r faultRun) {
				githubJudge(t, r, id.Answer, id.Note)
			}}
		})
	}
}

// githubJudge asserts that an answer about a living token is what the service
// said, and nothing that it did not say.
func githubJudge(t *testing.T, r faultRun, got Answer, note string) {
	t.Helper()
	want := CouldNotTell
	recovers := !r.Lasting && (r.Status >= 500 || r.Fault == "429" || slices.Contains([]string{"time-out before", "time-out after", "cut before", "cut after", "half", "huge", "not reached"}, r.Fault))
	switch {
	case r.Fault == "" || recovers || r.At > 0:
		want = Alive
	case r.Fault == "401":
		want = Dead // the service's word
	}
	if strings.HasPrefix(r.Fault, "cancelled") {
		if !errors.Is(r.Err, context.Canceled) {
			t.Errorf("error %v", r.Err)
		}
		return
	}
	if got != want || r.Err != nil {
		t.Errorf("%v (%v), want %v", got, r.Err, want)
	}
	if got == CouldNotTell && note == "" {
		t.Error("it does not say why it could not tell")
	}
}

func TestGithubIsDeadFaults(t *testing.T) {
	t.Parallel()
	for _, revoked := range []bool{false, true} {
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			m, f, old := githubStart(t, b, "ghp_", "repo")
			f.tokens[old.Value.Reveal()].revoked = revoked
			var answer Answer
			return faultSubject{Service: f, Run: func(ctx context.Context) (err error) {
				answer, err = github().IsDead(ctx, m, old)
				return err
			}, After: func(t *testing.T, r faultRun) {
				if len(r.Sent) > 4 {
					t.Errorf("%d requests", len(r.Sent))
				}
				if !revoked {
					githubJudge(t, r, answer, "-")
				} else if answer == Alive || r.Fault == "" && answer != Dead {
					t.Errorf("a revoked token is %v", answer)
				}
			}}
		})
	}
}

func TestGithubRevokeFaults(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"ghp_", "github_pat_", "gho_", "ghu_", "ghr_", "ghs_"} {
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			m, f, old := githubStart(t, b, prefix, "")
			by := Token{Value: secret.Of(githubToken(b, "ghp_"))}
			f.add(by.Value.Reveal(), "alice", "")
			return faultSubject{Service: f, Run: func(ctx context.Context) error {
				return github().Revoke(ctx, m, old, by)
			}, After: func(t *testing.T, r faultRun) {
				alive := f.alive(old.Value.Reveal())
				if r.Err == nil && alive && r.Fault != "401" {
					t.Error("it says that GitHub accepted, and the token is alive")
				}
				if r.Fault == "" && r.Err != nil {
					t.Error(r.Err)
				}
				if prefix == "ghs_" && r.Effect && !r.Lasting && !strings.HasPrefix(r.Fault, "cancelled") && r.Err != nil {
					t.Errorf("it was revoked by a request whose answer was lost: %v", r.Err)
				}
				if !f.alive(by.Value.Reveal()) {
					t.Error("the successor was revoked")
				}
				if n := len(f.mails); n > 1 {
					t.Errorf("%d mails", n)
				}
				var status *call.StatusError
				if r.Fault == "403 later" && (!errors.As(r.Err, &status) || status.Status != 429 || status.Later != 7*time.Second) && prefix != "ghs_" {
					t.Errorf("%v", r.Err)
				}
				if r.Fault == "401" && prefix != "ghs_" && (!errors.As(r.Err, &status) || status.Status != 401) {
					t.Errorf("%v", r.Err)
				}
			}}
		})
	}
}

// TestGithubRevoke: accepted is not revoked, and the limit is the service's.
func TestGithubRevoke(t *testing.T) {
	t.Parallel()
	f := newGithubFake(t)
	f.slow = 3
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	m := testMachine(t)
	value := "ghp_" + testRandom(36)
	f.add(value, "alice", "repo")
	old := Token{Site: server.URL, Value: secret.Of(value), Facts: Facts{"host": githubHost, "type": githubClassic}}
	if err := github().Revoke(t.Context(), m, old, Token{}); err != nil {
		t.Fatal(err)
	}
	var answers []Answer
	for range 5 {
		a, err := github().IsDead(t.Context(), m, old)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if d := cmp.Diff(answers, []Answer{Alive, Alive, Alive, Dead, Dead}); d != "" {
		t.Error(d)
	}
	f.limit = 0
	err := github().Revoke(t.Context(), m, old, Token{})
	var status *call.StatusError
	if !errors.As(err, &status) || status.Status != 429 || status.Later != 30*time.Minute || refusal(err) || !noEffect(err) {
		t.Errorf("beyond the limit: %v", err)
	}
	old.Value, old.Facts["type"] = secret.Of(testRandom(40)), githubUnknown
	if err := github().Revoke(t.Context(), m, old, Token{}); !errors.Is(err, ErrNotPossible) {
		t.Errorf("a token of no known shape: %v", err)
	}
	testShows(t, m, []string{value}, err)
}

func TestGithubServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		minor  int
		prefix string
		by     string // "" none, else a token that the server knows or not
		want   error  // nil: it is revoked
		posts  int
	}{
		{name: "personal", minor: 18, prefix: "ghp_", posts: 1},
		{name: "personal, by its successor", minor: 20, prefix: "ghp_", by: "known", posts: 1},
		{name: "by a successor that is none of the server's", minor: 20, prefix: "github_pat_", by: "stranger", posts: 2},
		{name: "oauth before 3.21", minor: 20, prefix: "gho_", want: ErrNotPossible, posts: 1},
		{name: "oauth", minor: 21, prefix: "gho_", by: "known", posts: 1},
		{name: "before 3.18", minor: 17, prefix: "ghp_", by: "known", want: ErrNotPossible, posts: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newGithubFake(t)
			f.server, f.before = true, c.minor
			server := httptest.NewServer(f)
			t.Cleanup(server.Close)
			m := testMachine(t)
			value, other := c.prefix+testRandom(40), "ghp_"+testRandom(36)
			f.add(value, "alice", "repo")
			by := Token{}
			if c.by != "" {
				by.Value = secret.Of(other)
			}
			if c.by == "known" {
				f.add(other, "alice", "repo")
			}
			old := Token{Site: server.URL + "/api/v3", Value: secret.Of(value), Facts: Facts{"host": "ghes.example.com", "type": githubType(value)}}
			err := github().Revoke(t.Context(), m, old, by)
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if alive := f.alive(value); alive != (c.want != nil) {
				t.Errorf("alive: %v", alive)
			}
			if len(f.requests) != c.posts {
				t.Errorf("%q", f.requests)
			}
			testShows(t, m, []string{value, other}, err)
		})
	}
}

func TestGithubServerFaults(t *testing.T) {
	t.Parallel()
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		m, f, old := githubStart(t, b, "ghp_", "repo")
		f.server = true
		old.Site, old.Facts["host"] = b.URL+"/api/v3", "ghes.example.com"
		by := Token{Value: secret.Of(githubToken(b, "ghp_"))}
		f.add(by.Value.Reveal(), "alice", "repo")
		return faultSubject{Service: f, Run: func(ctx context.Context) error {
			return github().Revoke(ctx, m, old, by)
		}, After: func(t *testing.T, r faultRun) {
			if alive := f.alive(old.Value.Reveal()); r.Err == nil && alive || r.Fault == "" && r.Err != nil {
				t.Errorf("alive %v: %v", alive, r.Err)
			}
			if !f.alive(by.Value.Reveal()) {
				t.Error("the successor was revoked")
			}
		}}
	})
}

func TestGithubWorks(t *testing.T) {
	t.Parallel()
	f := newGithubFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	token := func(v string) Token {
		return Token{Site: server.URL, Value: secret.Of(v), Facts: Facts{"host": githubHost, "type": githubType(v)}}
	}
	for _, c := range []struct {
		name, login, scopes, fresh string
		oldDead, asked             bool
		want                       Answer
		err                        string
	}{
		{name: "the same", login: "Alice", scopes: "repo, gist", fresh: "ghp_", want: Alive},
		{name: "more", login: "alice", scopes: "admin:org, repo, gist", fresh: "ghp_", want: Alive},
		{name: "less", login: "alice", scopes: "public_repo, gist", fresh: "ghp_", want: CouldNotTell, err: `lacks the scope "repo"`},
		{name: "another's", login: "bob", scopes: "repo, gist", fresh: "ghp_", want: Dead, err: `belongs to "bob"`},
		{name: "fine-grained", login: "alice", fresh: "github_pat_", want: Alive},
		{name: "less, and the old one is dead", login: "alice", scopes: "gist", fresh: "ghp_", oldDead: true, asked: true, want: CouldNotTell, err: `lacks the scope "repo"`},
		{name: "another's, and the old one is dead", login: "bob", scopes: "repo, gist", fresh: "ghp_", oldDead: true, asked: true, want: Dead, err: `belongs to "bob"`},
		{name: "nobody ever asked the old one", login: "bob", scopes: "gist", fresh: "ghp_", oldDead: true, want: Alive},
	} {
		m := testMachine(t)
		a, b := "ghp_"+testRandom(36), c.fresh+testRandom(40)
		was := f.add(a, "alice", "repo, gist")
		f.add(b, c.login, c.scopes)
		old, new := token(a), token(b)
		new = github().Pasted(old, new.Value)
		if c.asked {
			if _, err := github().Identify(t.Context(), m, old); err != nil {
				t.Fatal(err)
			}
		}
		f.mu.Lock()
		was.revoked = c.oldDead
		f.mu.Unlock()
		got, err := github().Works(t.Context(), m, old, new)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
		testShows(t, m, []string{a, b}, err)
	}
	m := testMachine(t)
	if got, err := github().Works(t.Context(), m, token("ghp_"+testRandom(36)), token("ghp_"+testRandom(36))); got != Dead || err != nil {
		t.Errorf("a token that GitHub does not know: %v %v", got, err)
	}
}

func TestGithubWorksFaults(t *testing.T) {
	t.Parallel()
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		m, f, old := githubStart(t, b, "ghp_", "repo")
		new := Token{Site: b.URL, Value: secret.Of(githubToken(b, "ghp_"))}
		f.add(new.Value.Reveal(), "alice", "repo")
		var got Answer
		return faultSubject{Service: f, Run: func(ctx context.Context) (err error) {
			got, err = github().Works(ctx, m, old, new)
			return err
		}, After: func(t *testing.T, r faultRun) {
			switch {
			case r.Fault == "" && got != Alive:
				t.Errorf("%v", got)
			case got == Dead && r.Fault != "401":
				t.Errorf("%v, though the service said no such thing", got)
			case r.At == 0 && got == Alive && r.Lasting:
				t.Errorf("%v, though the service never said so", got)
			}
		}}
	})
}
