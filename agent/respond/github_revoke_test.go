package respond

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

func TestGithubIsDeadFaults(t *testing.T) {
	t.Parallel()
	forgeIsDeadFaults(t, github(), githubTwo)
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
	forgeWorksFaults(t, github(), githubTwo)
}
