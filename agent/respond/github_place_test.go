package respond

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

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
