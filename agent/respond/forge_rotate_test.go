package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"wormbell/agent/respond/journal"
	"wormbell/internal/secret"
)

// forgeStands says where a value stands: in the file, among what is kept, or in
// a keychain item.
func forgeStands(t *testing.T, m *Machine, file, value string) (placed, kept bool) {
	t.Helper()
	placed = strings.Contains(testText(t, m, file), value)
	for _, v := range testItems(m).Items() {
		placed = placed || v.Reveal() == value
	}
	for _, v := range testKeys(m).Items() {
		kept = kept || strings.Contains(v.Reveal(), value)
	}
	return placed, kept
}

// TestGitlabRotateFaults: a whole rotation, with everything going wrong at every
// request. What is said of the tokens is true, and no token that arrived is lost.
func TestGitlabRotateFaults(t *testing.T) {
	t.Parallel()
	const file = "~/.config/glab-cli/config.yml"
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		m, f, old := gitlabStart(t, b, "2026-09-01", "api")
		testPut(t, m, file, "hosts:\n    gitlab.com:\n        token: !!null "+old.Value.Reveal()+"\n        user: alice\n")
		all, err := gitlab().Find(t.Context(), m, nil)
		if err != nil || len(all) != 1 || all[0].Site != b.URL {
			t.Fatalf("%+v %v", all, err)
		}
		var out Outcome
		return faultSubject{Service: f, Run: func(ctx context.Context) (err error) {
			r := &Rotator{Machine: m, Kinds: []Kind{gitlab()}}
			out, err = r.Rotate(ctx, all[0], Options{Replace: true})
			b.Log.Debug("told", "outcome", fmt.Sprintf("%+v", out))
			return err
		}, After: func(t *testing.T, r faultRun) {
			if f.reused > 0 {
				t.Fatalf("a dead token was rotated in %q", r.Sent)
			}
			alive := f.alive()
			oldLives := slices.Contains(alive, old.Value.Reveal())
			fresh := ""
			for _, v := range alive {
				if v != old.Value.Reveal() {
					fresh = v
				}
			}
			placed, kept := fresh != "", fresh != ""
			if fresh != "" {
				placed, kept = forgeStands(t, m, file, fresh)
			}
			switch out.Works {
			case OldWorks:
				if !oldLives && r.Fault != "401" {
					t.Errorf("it says that the old one works: %s", out.Sentence)
				}
			case NewWorks:
				if fresh == "" || !placed && !kept {
					t.Errorf("it says that the new one works: %s", out.Sentence)
				}
			case BothWork, NoneWanted:
				t.Errorf("it says %q", out.Sentence)
			}
			if out.Done && (fresh == "" || !placed || kept || oldLives) {
				t.Errorf("it says that all is done: %+v", out)
			}
			// What was answered wrongly at the rotation is lost; all else must be somewhere.
			lost := strings.HasSuffix(r.Request, "/rotate") && r.Fault != ""
			if fresh != "" && !placed && !kept && !lost {
				t.Errorf("the new token is nowhere: %s %s", out.State, out.Sentence)
			}
			if fresh == "" && !oldLives && out.Works != PerhapsNeither {
				t.Errorf("no token works, and it says %q", out.Sentence)
			}
			if r.Fault == "" && !out.Done {
				t.Errorf("%+v", out)
			}
		}}
	})
}

// TestGithubRotateKeychain: gh's token stands in the keychain; a person makes
// the new one.
func TestGithubRotateKeychain(t *testing.T) {
	t.Parallel()
	for _, npmrc := range []string{"", "//npm.pkg.github.com/:_authToken="} { // in a file, too, or not
		githubRotateKeychain(t, npmrc)
	}
}

func githubRotateKeychain(t *testing.T, npmrc string) {
	t.Helper()
	places := 2
	f := newGithubFake(t)
	f.slow = 4
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	m := testMachine(t)
	m.Sites["github"] = server.URL
	old, wrong, fresh := "gho_"+testRandom(36), "ghp_"+testRandom(36), "ghp_"+testRandom(36)
	f.add(old, "alice", "repo, gist")
	f.add(wrong, "mallory", "repo, gist")
	f.add(fresh, "alice", "repo, gist")
	testPut(t, m, "~/.config/gh/hosts.yml", "github.com:\n    users:\n        alice:\n    user: alice\n")
	if npmrc != "" {
		places++
		testPut(t, m, "~/.npmrc", npmrc+old+"\n")
	}
	for _, account := range []string{"alice", ""} {
		if err := m.Items.Set(t.Context(), "gh:github.com", account, secret.Of(old)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := Find(t.Context(), m, []Kind{github()}, nil)
	if err != nil || len(all) != 1 || len(all[0].Places) != places {
		t.Fatalf("%+v %v", all, err)
	}
	p := testPersonAt(m, wrong, fresh)
	r := &Rotator{Machine: m, Kinds: []Kind{github()}}
	out, err := r.Rotate(t.Context(), all[0], Options{})
	if err != nil || !out.Done || out.Works != NewWorks || out.State != journal.Done {
		t.Errorf("%+v %v\n%s", out, err, testLog(m))
	}
	if f.alive(old) || !f.alive(fresh) || !f.alive(wrong) {
		t.Error("the wrong tokens are dead")
	}
	for _, account := range []string{"alice", ""} {
		if v, err := m.Items.Get(t.Context(), "gh:github.com", account); err != nil || v.Reveal() != fresh {
			t.Errorf("item %q is not the new token: %v", account, err)
		}
	}
	if got := testText(t, m, "~/.npmrc"); npmrc != "" && got != npmrc+fresh+"\n" {
		t.Error("the npmrc does not hold the new token")
	}
	if len(p.opened()) == 0 || !strings.HasPrefix(p.opened()[0], "https://github.com/settings/tokens/new?") || !strings.Contains(p.opened()[0], "scopes=repo%2Cgist") {
		t.Errorf("opened %q", p.opened())
	}
	if !strings.Contains(testLog(m), "mallory") {
		t.Error("nobody was told whose the wrong token is")
	}
	testShows(t, m, []string{old, wrong, fresh}, err, errors.New(fmt.Sprintf("%+v", out)))
}

// TestGithubContainFaults: the old token is killed at once.
func TestGithubContainFaults(t *testing.T) {
	t.Parallel()
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		m, f, old := githubStart(t, b, "ghp_", "repo")
		testPut(t, m, "~/.netrc", "machine github.com login alice password "+old.Value.Reveal()+"\n")
		all, err := github().Find(t.Context(), m, nil)
		if err != nil || len(all) != 1 || all[0].Site != b.URL {
			t.Fatalf("%+v %v", all, err)
		}
		var out Outcome
		return faultSubject{Service: f, Run: func(ctx context.Context) (err error) {
			r := &Rotator{Machine: m, Kinds: []Kind{github()}}
			out, err = r.Rotate(ctx, all[0], Options{RevokeOnly: true})
			b.Log.Debug("told", "outcome", fmt.Sprintf("%+v", out))
			return err
		}, After: func(t *testing.T, r faultRun) {
			alive := f.alive(old.Value.Reveal())
			if out.OldAnswer == Dead && alive && r.Fault != "401" {
				t.Errorf("it says that the token is dead: %s", out.Sentence)
			}
			if out.Works == OldWorks && !alive {
				t.Errorf("it says that the token works: %s", out.Sentence)
			}
			if r.Fault == "" && (!out.Done || alive) {
				t.Errorf("%+v", out)
			}
			if placed, _ := forgeStands(t, m, "~/.netrc", old.Value.Reveal()); !placed && alive && r.Fault != "401" {
				t.Error("the living token was removed from its file")
			}
		}}
	})
}
