package respond

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

func TestGitlabFits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"glpat-" + testRandom(20):                                   true,
		"glpat-" + testRandom(27) + ".01." + testRandom(9):          true,
		"corp-" + testRandom(20):                                    true, // a server's own prefix
		"ghp_" + testRandom(36):                                     false,
		"npm_" + testRandom(36):                                     false,
		"gldt-" + testRandom(20):                                    false,
		"glpat-short":                                               false,
		"glpat-" + testRandom(20) + " and more":                     false,
		"https://gitlab.com/-/user_settings/personal_access_tokens": false,
		"": false,
	} {
		if got := gitlab().Fits(in); got != want {
			t.Errorf("%.6s… of %d: %v", in, len(in), got)
		}
	}
}

func TestGitlabFind(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	token := func() string { return "glpat-" + testRandom(20) }
	main, own, oauth, keyed, deploy := token(), "corp-"+testRandom(20), testRandom(64), token(), token()
	names := map[string]string{main: "main", own: "own", oauth: "oauth", keyed: "keyed", deploy: "deploy"}
	testPut(t, m, "~/.config/glab-cli/config.yml", fmt.Sprintf(`git_protocol: ssh
hosts:
    gitlab.com:
        api_protocol: https
        api_host: gitlab.com
        token: !!null %s
        user: alice
    gitlab.example.com:
        token: %s # the company's
        api_host: api.example.com:8443
        api_protocol: http
        subfolder: git
        user: al
    oauth.example.com:
        token: %s
        is_oauth2: "true"
        oauth2_refresh_token: x
        user: al
    keyed.example.com:
        user: al
`, main, own, oauth))
	if err := m.Items.Set(t.Context(), "glab:keyed.example.com", "", secret.Of(keyed)); err != nil {
		t.Fatal(err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + main))
	testPut(t, m, "~/.git-credentials", fmt.Sprintf("https://oauth2:%s@gitlab.com\nhttps://oauth2:%s@git.example.org:444\nhttps://a:%s@gitlab.com\n", main, deploy, "ghp_"+testRandom(36)))
	testPut(t, m, "~/.netrc", "machine gitlab.com login alice password "+main+"\n")
	testPut(t, m, "~/.npmrc", "//gitlab.com/api/v4/projects/7/packages/npm/:_authToken="+main+"\n//gitlab.com/api/v4/packages/npm/:_authToken=${GITLAB_TOKEN}\n")
	testPut(t, m, "~/.docker/config.json", `{"auths":{"registry.gitlab.com":{"auth":"`+basic+`"}}}`)
	got, err := gitlab().Find(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ Name, Site, Web, Owner, Type, Value, Places string }
	var rows []row
	for _, k := range got {
		var places []string
		for _, p := range k.Places {
			places = append(places, p.String())
		}
		rows = append(rows, row{k.Name, k.Site, k.Facts["web"], k.Owner, k.Facts["type"], names[k.Value.Reveal()], strings.Join(places, "; ")})
	}
	const config = "~/.config/glab-cli/config.yml hosts "
	want := []row{
		{"gitlab:alice", "https://gitlab.com", "https://gitlab.com", "alice", "token", "main", config + "gitlab.com token; ~/.git-credentials https://gitlab.com oauth2; " +
			"~/.netrc gitlab.com alice password; ~/.npmrc //gitlab.com/api/v4/projects/7/packages/npm/:_authToken; ~/.docker/config.json auths registry.gitlab.com auth"},
		{"gitlab:gitlab.example.com/al", "http://api.example.com:8443/git", "http://gitlab.example.com/git", "al", "token", "own", config + "gitlab.example.com token"},
		{"gitlab:oauth.example.com/al", "https://oauth.example.com", "https://oauth.example.com", "al", "oauth", "oauth", config + "oauth.example.com token"},
		{"gitlab:keyed.example.com/al", "https://keyed.example.com", "https://keyed.example.com", "al", "token", "keyed", "keychain item glab:keyed.example.com "},
		{"gitlab:git.example.org:444/git-credentials", "https://git.example.org:444", "https://git.example.org:444", "", "token", "deploy", "~/.git-credentials https://git.example.org:444 oauth2"},
	}
	if d := cmp.Diff(rows, want); d != "" {
		t.Error(d)
	}
	if some, err := gitlab().Find(t.Context(), m, []string{"~/.netrc"}); err != nil || len(some) != 1 || some[0].Name != "gitlab:netrc" {
		t.Errorf("%+v %v", some, err)
	}
	testShows(t, m, []string{main, own, oauth, keyed, deploy}, fmt.Errorf("%+v", got))

	m.Items = nil
	if some, err := gitlab().Find(t.Context(), m, nil); !errors.Is(err, keychain.ErrNone) || !errors.Is(err, ErrPartly) || len(some) != 4 {
		t.Errorf("without a keychain: %d %v", len(some), err)
	}
}

func TestGitlabInstall(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	old, fresh := "glpat-"+testRandom(20), "glpat-"+testRandom(30)+".01."+testRandom(9)
	const config = "hosts:\n    gitlab.com:\n        token: !!null %s # by glab\n        user: alice\n"
	testPut(t, m, "~/.config/glab-cli/config.yml", fmt.Sprintf(config, old))
	testPut(t, m, "~/.git-credentials", "https://oauth2:"+old+"@gitlab.com\n")
	testPut(t, m, "~/.npmrc", "a=b\n//gitlab.com/api/v4/packages/npm/:_authToken = "+old+" ; c\n")
	all, err := gitlab().Find(t.Context(), m, nil)
	if err != nil || len(all) != 1 || len(all[0].Places) < 2 {
		t.Fatalf("%+v %v", all, err)
	}
	new := Token{Value: secret.Of(fresh)}
	for range 2 {
		if err := gitlab().Install(t.Context(), m, all[0], new); err != nil {
			t.Fatal(err)
		}
	}
	if got := testText(t, m, "~/.config/glab-cli/config.yml"); !strings.Contains(got, fresh+" # by glab") || strings.Contains(got, old) {
		t.Error("glab's file is not what it should be")
	}
	again, err := gitlab().Find(t.Context(), m, nil)
	if err != nil || len(again) != 1 || !again[0].Value.Equal(new.Value) {
		t.Fatalf("%+v %v", again, err)
	}
	if d := cmp.Diff(again[0].Places, all[0].Places); d != "" {
		t.Error(d)
	}
	if err := gitlab().Forget(t.Context(), m, again[0]); err != nil {
		t.Fatal(err)
	}
	if left, err := gitlab().Find(t.Context(), m, nil); err != nil || len(left) != 0 {
		t.Errorf("%+v %v", left, err)
	}
	if got := testText(t, m, "~/.config/glab-cli/config.yml"); !strings.Contains(got, "user: alice") {
		t.Error("glab's file has lost more than the token")
	}
	testShows(t, m, []string{old, fresh})
}

// gitlabStart makes a fake with a token of user 7.
func gitlabStart(t *testing.T, b *faultBench, expires string, scopes ...string) (*Machine, *gitlabFake, Token) {
	f := newGitlabFake(t, func() string { return b.Token("glpat-", 30) })
	m := b.Machine(t, "gitlab")
	value := b.Token("glpat-", 20)
	f.add(value, 7, expires, scopes...)
	return m, f, Token{Kind: "gitlab", Name: "gitlab:alice", Site: b.URL, Value: secret.Of(value), Places: []Place{{Path: "~/x", Key: "y"}},
		Facts: Facts{"host": gitlabHost, "web": "https://gitlab.com", "type": "token"}}
}

// gitlabTwo makes a fake with two tokens of user 7.
func gitlabTwo(t *testing.T, b *faultBench) forgeSubject {
	m, f, old := gitlabStart(t, b, "2026-09-01", "api")
	new := old
	new.Value = secret.Of(b.Token("glpat-", 20))
	f.add(new.Value.Reveal(), 7, "2026-09-01", "api")
	return forgeSubject{f, m, old, new, func() { f.tokens[0].revoked = true }}
}

// gitlabServe is a fake without faults.
func gitlabServe(t *testing.T) (*Machine, *gitlabFake, func(expires string, scopes ...string) Token) {
	f := newGitlabFake(t, func() string { return "glpat-" + testRandom(30) })
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return testMachine(t), f, func(expires string, scopes ...string) Token {
		value := "glpat-" + testRandom(20)
		f.add(value, 7, expires, scopes...)
		return Token{Site: server.URL, Value: secret.Of(value), Facts: Facts{"host": gitlabHost, "type": "token"}}
	}
}

func TestGitlabIdentify(t *testing.T) {
	t.Parallel()
	m, f, add := gitlabServe(t)
	full, small, dead := add("2026-09-01", "api"), add("", "write_repository"), add("2026-09-01", "api")
	f.tokens[2].revoked = true
	for name, c := range map[string]struct {
		t    Token
		want Identity
	}{
		"full": {full, Identity{Answer: Alive, Owner: "user7", Scopes: []string{"api"}, Expires: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC),
			Reach: []string{"read and write every group and project of user7, and publish packages"}}},
		"small": {small, Identity{Answer: Alive, Owner: "user 7", Scopes: []string{"write_repository"}, Reach: []string{"push to every repository of user 7"}}},
		"dead":  {dead, Identity{Answer: Dead}},
	} {
		got, err := gitlab().Identify(t.Context(), m, c.t)
		if d := cmp.Diff(got, c.want); err != nil || d != "" {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	if d := cmp.Diff(full.Facts, Facts{"host": gitlabHost, "type": "token", "user_id": "7", "scopes": "api", "expires": "2026-09-01"}); d != "" {
		t.Error(d)
	}
}

func TestGitlabIdentifyFaults(t *testing.T) {
	t.Parallel()
	faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
		m, f, old := gitlabStart(t, b, "2026-09-01", "api")
		return f, m, old
	}, forgeSaid, gitlab().Identify)
}

func TestGitlabIsDeadFaults(t *testing.T) {
	t.Parallel()
	forgeIsDeadFaults(t, gitlab(), gitlabTwo)
}

func TestGitlabRevokeFaults(t *testing.T) {
	t.Parallel()
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		m, f, old := gitlabStart(t, b, "2026-09-01", "read_user")
		return faultSubject{Service: f, Run: func(ctx context.Context) error {
			return gitlab().Revoke(ctx, m, old, Token{})
		}, After: func(t *testing.T, r faultRun) {
			alive := len(f.alive()) == 1
			if r.Err == nil && alive && r.Fault != "401" || r.Fault == "" && r.Err != nil {
				t.Errorf("alive %v: %v", alive, r.Err)
			}
			if r.Effect && !r.Lasting && !strings.HasPrefix(r.Fault, "cancelled") && r.Err != nil {
				t.Errorf("it was revoked by a request whose answer was lost: %v", r.Err)
			}
		}}
	})
}

func TestGitlabCreate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, expires string
		scopes        []string
		dead, old     bool
		want          string // date of the new one
		err           error
	}{
		{name: "the date is copied", expires: "2026-09-01", scopes: []string{"api"}, want: "2026-09-01"},
		{name: "self_rotate", expires: "2026-03-20", scopes: []string{"read_registry", "self_rotate"}, want: "2026-03-20"},
		{name: "it never expires", scopes: []string{"api"}, want: "2027-02-27"},
		{name: "without the scope", expires: "2026-09-01", scopes: []string{"read_api"}, err: ErrNotPossible},
		{name: "dead", expires: "2026-09-01", scopes: []string{"api"}, dead: true, err: ErrNotPossible},
		{name: "an old server", expires: "2026-09-01", scopes: []string{"api"}, old: true, err: ErrNotPossible},
	} {
		m, f, add := gitlabServe(t)
		old := add(c.expires, c.scopes...)
		f.old, f.tokens[0].revoked = c.old, c.dead
		new, err := gitlab().Create(t.Context(), m, old, "label")
		if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		if f.reused != 0 {
			t.Errorf("%s: a dead token was rotated", c.name)
		}
		if c.err != nil {
			if !new.Value.Empty() || len(f.tokens) != 1 || !c.dead && len(f.alive()) != 1 {
				t.Errorf("%s: something was done", c.name)
			}
			continue
		}
		made := f.tokens[1]
		if !f.tokens[0].revoked || new.Value.Reveal() != made.value || made.expires != c.want || new.Facts["expires"] != c.want || new.ID != fmt.Sprint(made.id) || new.Site != old.Site {
			t.Errorf("%s: %+v of %s", c.name, new, made.expires)
		}
		if a, err := gitlab().Works(t.Context(), m, old, new); a != Alive || err != nil {
			t.Errorf("%s: the new one: %v %v", c.name, a, err)
		}
		testShows(t, m, []string{old.Value.Reveal(), made.value}, err)
	}
}

// TestGitlabNeverReuses: whatever goes wrong while it rotates and finds out what
// became of that, GitLab never sees a dead token rotated, so no living one is
// killed by it, and what is said of the tokens is true.
func TestGitlabNeverReuses(t *testing.T) {
	t.Parallel()
	sent := faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		m, f, old := gitlabStart(t, b, "2026-09-01", "api")
		var new Token
		var lost, found bool
		var lostErr error
		creates := 0
		return faultSubject{Service: f, Run: func(ctx context.Context) (err error) {
			// As bad as a caller can be: it asks again and again, after a crash, too.
			for range 3 {
				creates++
				if new, err = gitlab().Create(ctx, m, old, "label"); err == nil {
					return nil
				}
				if !noEffect(err) {
					lost = true
					found, lostErr = gitlab().Lost(context.WithoutCancel(ctx), m, old, "label")
				}
			}
			return err
		}, After: func(t *testing.T, r faultRun) {
			if f.reused > 0 {
				t.Fatalf("a dead token was rotated %d times in %q", f.reused, r.Sent)
			}
			if f.rotated > 1 {
				t.Errorf("it was rotated %d times", f.rotated)
			}
			alive := f.alive()
			switch {
			case r.Err == nil:
				if len(alive) != 1 || new.Value.Reveal() != alive[0] {
					t.Error("what it returned is not the token that lives")
				}
			case f.rotated == 0:
				if len(alive) != 1 || alive[0] != old.Value.Reveal() {
					t.Error("nothing was made, and the old one does not live")
				}
			case !lost:
				t.Errorf("the old token is dead, the new one lost, and it says that nothing was done: %v", r.Err)
			}
			if lost && lostErr == nil && found {
				t.Error("it says that it revoked what nobody can")
			}
			if lost && lostErr == nil && !found && f.rotated > 0 && r.Err != nil {
				t.Error("it says that nothing was made")
			}
			rotations := 0
			for _, s := range r.Sent {
				if strings.HasSuffix(s, "/rotate") {
					rotations++
				}
			}
			if rotations > creates {
				t.Errorf("%d rotations were sent by %d calls", rotations, creates)
			}
		}}
	})
	if d := cmp.Diff(sent, []string{"GET /api/v4/personal_access_tokens/self", "POST /api/v4/personal_access_tokens/self/rotate"}); d != "" {
		t.Error(d)
	}
}

// TestGitlabFakeReuses: the rule that the test above is about is in the fake.
func TestGitlabFakeReuses(t *testing.T) {
	t.Parallel()
	m, f, add := gitlabServe(t)
	old := add("2026-09-01", "api")
	for range 2 {
		if _, err := gitlabAsk(t.Context(), m, old, http.MethodPost, gitlabPath+"/rotate", "rotate", false); err != nil {
			t.Fatal(err)
		}
	}
	if f.reused != 1 || len(f.tokens) != 2 || len(f.alive()) != 0 {
		t.Errorf("%d reuses, %d tokens, alive %d", f.reused, len(f.tokens), len(f.alive()))
	}
}

func TestGitlabLost(t *testing.T) {
	t.Parallel()
	m, f, add := gitlabServe(t)
	old := add("2026-09-01", "api")
	if found, err := gitlab().Lost(t.Context(), m, old, "label"); found || err != nil {
		t.Errorf("nothing was made: %v %v", found, err)
	}
	// The request is carried out only after GitLab was asked whether it was.
	f.later = 2
	var lost *call.LostError
	if _, err := gitlab().Create(t.Context(), m, old, "label"); !errors.As(err, &lost) || noEffect(err) {
		t.Errorf("a gateway that gives up: %v", err)
	}
	begun := m.Now()
	found, err := gitlab().Lost(t.Context(), m, old, "label")
	if !found || !errors.Is(err, ErrNotPossible) || !strings.Contains(err.Error(), "neither") {
		t.Errorf("it was made: %v %v", found, err)
	}
	if d := m.Now().Sub(begun); d < gitlabDoubt {
		t.Errorf("it was believed after %v", d)
	}
	if f.reused != 0 || len(f.alive()) != 1 {
		t.Error("the new one was killed")
	}
	testShows(t, m, []string{old.Value.Reveal(), f.alive()[0]}, err)
}

func TestGitlabWorks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		user   int
		scopes []string
		dead   bool
		want   Answer
		err    string
	}{
		{name: "the same", user: 7, scopes: []string{"api", "self_rotate"}, want: Alive},
		{name: "api is enough", user: 7, scopes: []string{"api"}, want: Alive},
		{name: "less", user: 7, scopes: []string{"read_api"}, want: CouldNotTell, err: "lacks the scope"},
		{name: "another's", user: 8, scopes: []string{"api", "self_rotate"}, want: Dead, err: "belongs to user 8"},
		{name: "dead", user: 7, scopes: []string{"api"}, dead: true, want: Dead},
	} {
		m, f, add := gitlabServe(t)
		old, new := add("2026-09-01", "api", "self_rotate"), add("2026-09-01", c.scopes...)
		f.tokens[1].user, f.tokens[1].revoked = c.user, c.dead
		got, err := gitlab().Works(t.Context(), m, old, new)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
	}
}

func TestGitlabWorksFaults(t *testing.T) {
	t.Parallel()
	forgeWorksFaults(t, gitlab(), gitlabTwo)
}

func TestGitlabLogin(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	value := testRandom(64)
	var saw []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		saw = append(saw, q.Method+" "+q.URL.Path)
		if q.Header.Get("Authorization") != "Bearer "+value || q.Header.Get("Private-Token") != "" {
			t.Error("a login's token is sent otherwise than as a bearer token")
		}
		fmt.Fprint(w, `{"id": 7, "username": "alice"}`)
	}))
	t.Cleanup(server.Close)
	old := Token{Site: server.URL, Value: secret.Of(value), Facts: Facts{"host": "gitlab.example.com", "web": "https://gitlab.example.com", "type": "oauth"}}
	id, err := gitlab().Identify(t.Context(), m, old)
	if err != nil || id.Answer != Alive || id.Owner != "alice" {
		t.Errorf("%+v %v", id, err)
	}
	if _, err := gitlab().Create(t.Context(), m, old, "label"); !errors.Is(err, ErrNotPossible) {
		t.Error(err)
	}
	if err := gitlab().Revoke(t.Context(), m, old, Token{}); !errors.Is(err, ErrNotPossible) {
		t.Error(err)
	}
	if slices.ContainsFunc(saw, func(s string) bool { return !strings.HasPrefix(s, "GET /api/v4/user") }) {
		t.Errorf("%q", saw)
	}
	if p := gitlab().Pages(old); len(p) != 2 || !strings.HasPrefix(p[0].URL, "https://gitlab.example.com/-/user_settings/applications") {
		t.Errorf("%+v", p)
	}
}

func TestGitlabPages(t *testing.T) {
	t.Parallel()
	got := gitlab().Pages(Token{Facts: Facts{"web": "http://gitlab.example.com/git", "scopes": "api,read_user", "type": "token"}})
	want := []string{"http://gitlab.example.com/git/-/user_settings/personal_access_tokens",
		"http://gitlab.example.com/git/-/user_settings/personal_access_tokens?name=in+place+of+a+revoked+token&scopes=api%2Cread_user"}
	if d := cmp.Diff([]string{got[0].URL, got[1].URL}, want); d != "" {
		t.Error(d)
	}
}
