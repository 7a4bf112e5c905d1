package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/call"
	"wormbell/agent/respond/keychain/keychaintest"
	"wormbell/agent/respond/persistence"
	"wormbell/internal/secret"
)

// world is a machine with one token in ~/.npmrc, a service that issued it, and
// an agent; log is what was done to them, in order.
type world struct {
	t       *testing.T
	log     []string
	home    string
	live    map[string]bool // tokens that the service takes
	answers map[string]bool // what the person says to a question that holds the key
	refuse  string          // what the agent refuses, "" for nothing
	alert   wormbell.Alert
	report  persistence.Report // of the first look
	again   persistence.Report // of those that follow
	looks   int
	keys    *keychaintest.Store
	fresh   string // the token that is made next
}

func (w *world) did(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) Freeze(_ context.Context, id string) (string, error) {
	outcome, err := w.act("freeze " + id)
	if err == nil {
		w.alert.Actions = append(w.alert.Actions, wormbell.Action{What: "freeze", Time: time.Now()})
	}
	return outcome, err
}
func (w *world) Kill(_ context.Context, id string) (string, error) { return w.act("kill " + id) }
func (w *world) Close(_ context.Context, id, _ string) error {
	_, err := w.act("close " + id)
	return err
}
func (w *world) Act(_ context.Context, id string, a wormbell.Action) error {
	w.did("note %s", a.What)
	a.Time = time.Now()
	w.alert.Actions = append(w.alert.Actions, a)
	return nil
}
func (w *world) Announce(_ context.Context, paths []string, _ time.Duration) error {
	_, err := w.act("announce " + strings.Join(paths, " "))
	return err
}

func (w *world) act(what string) (string, error) {
	if w.refuse != "" && strings.HasPrefix(what, w.refuse) {
		return "", errors.New("the agent refuses")
	}
	w.did("%s", what)
	return what, nil
}

const (
	oldToken = "the-old-token-of-the-test"
	newToken = "the-new-token-of-the-test"
)

func newWorld(t *testing.T) *world {
	w := &world{t: t, home: t.TempDir(), live: map[string]bool{oldToken: true}, answers: map[string]bool{}, keys: &keychaintest.Store{}, fresh: newToken}
	if err := os.WriteFile(filepath.Join(w.home, ".npmrc"), []byte(oldToken), 0o600); err != nil {
		t.Fatal(err)
	}
	thief := &wormbell.Process{PID: 7, Exe: "/usr/bin/node", Script: w.home + "/app/node_modules/evil/steal.js", Cwd: w.home + "/app/node_modules/evil",
		Secrets: []string{"NPM_TOKEN"}, Package: &wormbell.Package{Ecosystem: "npm", Name: "evil", Version: "1.0.0"}, Lifecycle: "postinstall"}
	w.alert = wormbell.Alert{ID: "abcd2345", First: time.Now(), Findings: []wormbell.Finding{{Detector: "credential-read", Subject: "~/.npmrc", Process: thief,
		Evidence: []wormbell.Event{{Kind: wormbell.FileRead, Path: "~/.npmrc", Process: thief}}}}}
	return w
}

// kind is what npm tokens are in this world.
func (w *world) kind() respond.Kind {
	path := filepath.Join(w.home, ".npmrc")
	return respond.Kind{
		ID: "npm", Title: "npm token", Stores: []string{"npm"},
		Find: func(_ context.Context, _ *respond.Machine, paths []string) ([]respond.Token, error) {
			b, err := os.ReadFile(path)
			if err != nil || len(b) == 0 || paths != nil && !slices.Contains(paths, "~/.npmrc") {
				return nil, err
			}
			return []respond.Token{{Name: "npm:test", Site: "https://registry.example.com", Places: []respond.Place{{Path: "~/.npmrc", Key: "token"}}, Value: secret.Of(string(b))}}, nil
		},
		Identify: func(_ context.Context, _ *respond.Machine, t respond.Token) (respond.Identity, error) {
			if w.live[t.Value.Reveal()] {
				return respond.Identity{Answer: respond.Alive, Owner: "dev"}, nil
			}
			return respond.Identity{Answer: respond.Dead}, nil
		},
		Create: func(_ context.Context, _ *respond.Machine, old respond.Token, _ string) (respond.Token, error) {
			w.did("create")
			w.live[w.fresh] = true
			old.Value = secret.Of(w.fresh)
			return old, nil
		},
		Install: func(_ context.Context, _ *respond.Machine, _, new respond.Token) error {
			w.did("install")
			return os.WriteFile(path, []byte(new.Value.Reveal()), 0o600)
		},
		Forget: func(context.Context, *respond.Machine, respond.Token) error {
			w.did("forget")
			return os.WriteFile(path, nil, 0o600)
		},
		Revoke: func(_ context.Context, _ *respond.Machine, old, _ respond.Token) error {
			w.did("revoke")
			delete(w.live, old.Value.Reveal())
			return nil
		},
		Pages: func(respond.Token) []respond.Page {
			return []respond.Page{{URL: "https://registry.example.com/tokens", Title: "tokens"}}
		},
	}
}

func (w *world) config() Config {
	return Config{
		Machine: &respond.Machine{Home: w.home, State: filepath.Join(w.home, "state"), Getenv: func(string) string { return "" },
			Call: call.New(call.Config{}), Keys: &keychaintest.Store{}, Memory: &respond.Memory{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Person: respond.Person{
				Say: func(string) {},
				Confirm: func(_ context.Context, q string) (bool, error) {
					for k, yes := range w.answers {
						if strings.Contains(q, k) {
							w.did("asked about %s", k)
							return yes, nil
						}
					}
					return false, respond.ErrNobody
				},
				Secret: func(context.Context, string) (secret.Value, error) { return secret.Value{}, respond.ErrNobody },
				Paste:  func(context.Context, string) (secret.Value, error) { return secret.Value{}, respond.ErrNobody },
				Browse: func(context.Context, string) error { return nil },
			}},
		Kinds: []respond.Kind{w.kind()}, Agent: w, Alert: &w.alert, By: "1000",
		Look: func(context.Context, persistence.Config) (persistence.Report, error) {
			w.did("look")
			if w.looks++; w.looks > 1 {
				return w.again, nil
			}
			return w.report, nil
		},
	}
}

// answer prepares and carries out.
func (w *world) answer(c Config) (Result, []string, error) {
	w.t.Helper()
	r, err := Prepare(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	var res Result
	plan := r.Plan(func(r Result) { res = r })
	err = plan.Do(w.t.Context())
	return res, plan.Steps, err
}

func TestOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alert.Findings[0].Process = &wormbell.Process{PID: 7} // nothing in its environment
	w.alert.Findings[0].Evidence[0].Process = nil
	res, steps, err := w.answer(w.config())
	if err != nil || !res.Complete || !res.Closed {
		t.Errorf("%+v, %v", res, err)
	}
	want := []string{"announce ~/.bunfig.toml ~/.npmrc", "look", "freeze abcd2345", "look", "note persistence-scan",
		"create", "note npm-token-create", "note npm-token-verify", "install", "note npm-token-install", "revoke", "note npm-token-revoke",
		"kill abcd2345", "close abcd2345"}
	got := slices.DeleteFunc(slices.Clone(w.log), func(s string) bool { return strings.HasPrefix(s, "note ") && !slices.Contains(want, s) })
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
	if w.live[oldToken] || !w.live[newToken] {
		t.Errorf("the service takes %v", w.live)
	}
	if text := strings.Join(steps, "\n"); strings.Contains(text, oldToken) || !strings.Contains(text, "Freeze every process") {
		t.Errorf("the plan is\n%s", text)
	}
}

func TestContainNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config()
	c.ContainNow = true
	if _, _, err := w.answer(c); err != nil {
		t.Error(err)
	}
	if slices.Index(w.log, "revoke") > slices.Index(w.log, "create") {
		t.Errorf("%q", w.log)
	}
}

// What the thief's environment held stands nowhere that we could change it.
func TestEnvironmentIsLeftToThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.home, ".bashrc"), []byte("export NPM_TOKEN=something-secret-here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	res, _, err := w.answer(w.config())
	if err != nil || res.Complete || res.Closed || len(res.Left) == 0 || !strings.Contains(res.Left[0], "NPM_TOKEN") {
		t.Errorf("%+v, %v", res, err)
	}
	if text := strings.Join(res.Left, " "); !strings.Contains(text, "~/.bashrc, line 1") || strings.Contains(text, "something-secret") {
		t.Errorf("left: %s", text)
	}
	if w.live[oldToken] {
		t.Error("the token lives for that")
	}
}

// trap is one that blocks. It was read from nowhere, so it cannot be
// disabled: just what is wanted of something that resists.
var trap = persistence.Trap{ID: "trap1234", What: persistence.Unit, Path: "~/.config/systemd/user/x.service", Why: []string{"it wipes"}, Weight: persistence.Blocks, PIDs: []int{}}

func TestNothingIsRevokedWhileATrapIsThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		first   []persistence.Trap
		again   []persistence.Trap
		answers map[string]bool
		force   bool
		revoked bool
	}{
		{name: "none", revoked: true},
		{name: "it resists", first: []persistence.Trap{trap}, again: []persistence.Trap{trap}},
		{name: "it resists, with force", first: []persistence.Trap{trap}, again: []persistence.Trap{trap}, force: true, revoked: true},
		{name: "it went by itself", first: []persistence.Trap{trap}, revoked: true},
		{name: "it came meanwhile, and nobody is asked", again: []persistence.Trap{trap}},
		{name: "it came meanwhile, and the person says no", again: []persistence.Trap{trap}, answers: map[string]bool{"trap1234": false}},
		{name: "it came meanwhile, the person says yes, it resists", again: []persistence.Trap{trap}, answers: map[string]bool{"trap1234": true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.answers = tt.answers
			w.report = persistence.Report{Traps: tt.first, NotLooked: []string{}}
			w.again = persistence.Report{Traps: tt.again, NotLooked: []string{}}
			c := w.config()
			c.Force = tt.force
			res, steps, err := w.answer(c)
			if revoked := !w.live[oldToken]; revoked != tt.revoked || errors.Is(err, ErrWaiting) == tt.revoked {
				t.Errorf("revoked: %t, %v", revoked, err)
			}
			if slices.Contains(w.log, "kill abcd2345") != tt.revoked {
				t.Errorf("the frozen thief: %q", w.log) // it stays frozen
			}
			if !tt.revoked && (slices.Contains(w.log, "create") || len(res.Left) == 0 || res.Complete) {
				t.Errorf("%q, %+v", w.log, res)
			}
			if len(tt.first) > 0 && !strings.Contains(strings.Join(steps, "\n"), "off the network now, and revoke from another one: https://registry.example.com/tokens") && !tt.force {
				t.Errorf("going offline is not offered:\n%s", strings.Join(steps, "\n"))
			}
			for _, asked := range []string{"trap1234"} {
				if _, set := tt.answers[asked]; set != slices.Contains(w.log, "asked about "+asked) {
					t.Errorf("%q", w.log)
				}
			}
		})
	}
}

// An agent that does not do its part does not keep tokens from being saved.
func TestAgentRefuses(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"announce", "freeze", "kill", "close"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.refuse = what
			w.alert.Findings[0].Process, w.alert.Findings[0].Evidence[0].Process = nil, nil
			r, err := Prepare(t.Context(), w.config())
			if err != nil {
				t.Fatal(err)
			}
			if (len(r.Problems) > 0) != (what == "announce") {
				t.Errorf("problems %q", r.Problems)
			}
			var res Result
			if err := r.Plan(func(r Result) { res = r }).Do(t.Context()); err != nil {
				t.Error(err)
			}
			if w.live[oldToken] || res.Closed != (what == "announce") {
				t.Errorf("%+v", res)
			}
		})
	}
}

// Publishing takes a token, whether it was seen to be read or not.
func TestPublishExposesTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alert.Findings = []wormbell.Finding{{Detector: "publish-loop", Subject: "https://registry.example.com"}}
	if _, _, err := w.answer(w.config()); err != nil || w.live[oldToken] {
		t.Errorf("%v, %q", err, w.log)
	}
	w = newWorld(t)
	w.alert.Findings = []wormbell.Finding{{Detector: "private-flag-removed", Subject: "~/app/package.json"}}
	if _, steps, err := w.answer(w.config()); err != nil || !w.live[oldToken] || !strings.Contains(strings.Join(steps, "\n"), "No token was exposed") {
		t.Errorf("%v, %q, %q", err, w.log, steps)
	}
}

func TestByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config()
	c.Alert, c.RevokeOnly = nil, true
	for _, name := range []string{"npm:other", "github"} {
		c.Tokens = []string{name}
		if _, err := Prepare(t.Context(), c); !errors.Is(err, ErrNoToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Tokens = []string{"npm"}
	res, _, err := w.answer(c)
	if err != nil || !res.Complete || w.live[oldToken] || w.live[newToken] || !slices.Contains(w.log, "forget") || slices.Contains(w.log, "freeze ") {
		t.Errorf("%+v, %v, %q", res, err, w.log)
	}
}

// A response that was interrupted is gone on with by the next one.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config()
	ctx, cancel := context.WithCancel(t.Context())
	install := c.Kinds[0].Install
	c.Kinds[0].Install = func(ctx context.Context, m *respond.Machine, old, new respond.Token) error {
		cancel()
		return ctx.Err()
	}
	r, err := Prepare(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Plan(nil).Do(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if !w.live[oldToken] || !w.live[newToken] {
		t.Errorf("the service takes %v", w.live)
	}
	c.Kinds[0].Install = install
	if _, _, err := w.answer(c); err != nil || w.live[oldToken] || !w.live[newToken] {
		t.Errorf("%v, the service takes %v", err, w.live)
	}
	if n := len(slices.DeleteFunc(slices.Clone(w.log), func(s string) bool { return s != "create" })); n != 1 {
		t.Errorf("%d tokens were made", n)
	}
}

// interrupted answers until the token's death is to be asked for, and is then
// cut off.
func (w *world) interrupted() {
	w.t.Helper()
	c := w.config()
	ctx, cancel := context.WithCancel(w.t.Context())
	c.Kinds[0].Revoke = func(context.Context, *respond.Machine, respond.Token, respond.Token) error {
		cancel()
		return ctx.Err()
	}
	c.Machine.Keys = w.keys
	r, err := Prepare(ctx, c)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Plan(nil).Do(ctx); !errors.Is(err, context.Canceled) {
		w.t.Errorf("interrupted: %v", err)
	}
	w.log = nil
}

// The new token stands in its place and the old one lives when an answer is cut
// off: the next one must kill the old one, not what stands there.
func TestGoesOnWithTheStolenToken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		alert func(*wormbell.Alert) // what came of the alert meanwhile
		made  bool                  // one more token is made, for the one that stands there
	}{
		{name: "the same again"},
		{name: "the thief was let go", made: true, alert: func(a *wormbell.Alert) {
			a.Actions = append(a.Actions, wormbell.Action{What: "resume", Time: time.Now()})
		}},
		{name: "the new one was read too", made: true, alert: func(a *wormbell.Alert) {
			a.Findings[0].Evidence = append(a.Findings[0].Evidence, wormbell.Event{Kind: wormbell.FileRead, Path: "~/.npmrc", Time: time.Now()})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.alert.Findings[0].Process, w.alert.Findings[0].Evidence[0].Process = nil, nil
			w.interrupted()
			if !w.live[oldToken] || !w.live[newToken] {
				t.Fatalf("the service takes %v", w.live)
			}
			if tt.alert != nil {
				tt.alert(&w.alert)
			}
			c := w.config()
			c.Machine.Keys = w.keys
			w.fresh = "yet-another-token-of-the-test"
			res, steps, err := w.answer(c)
			if err != nil || !res.Complete || w.live[oldToken] || w.live[newToken] == tt.made || slices.Contains(w.log, "create") != tt.made {
				t.Errorf("%+v, %v, the service takes %v, %q", res, err, w.live, w.log)
			}
			if text := strings.Join(steps, "\n"); !strings.Contains(text, "npm:test: go on with what was begun ") || !strings.Contains(text, "\n  Revoke the old one") {
				t.Errorf("the plan is\n%s", text)
			}
			if tt.made {
				return
			}
			// And once more, when all is done: the new token was not stolen.
			w.log = nil
			res, steps, err = w.answer(c)
			if err != nil || !res.Complete || !res.Closed || !w.live[newToken] || slices.Contains(w.log, "create") || !slices.Contains(w.log, "kill abcd2345") {
				t.Errorf("the third time: %+v, %v, %q", res, err, w.log)
			}
			if text := strings.Join(steps, "\n"); !strings.Contains(text, "npm:test was replaced already") {
				t.Errorf("the plan is\n%s", text)
			}
		})
	}
}

// By name it is the same: the token is called as the one before it was.
func TestGoesOnByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alert := w.alert
	w.alert = wormbell.Alert{}
	by := func(c Config) Config {
		c.Alert, c.Tokens, c.Machine.Keys = nil, []string{"npm:test"}, w.keys
		return c
	}
	c := by(w.config())
	ctx, cancel := context.WithCancel(t.Context())
	c.Kinds[0].Revoke = func(context.Context, *respond.Machine, respond.Token, respond.Token) error {
		cancel()
		return ctx.Err()
	}
	r, err := Prepare(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Plan(nil).Do(ctx); !errors.Is(err, context.Canceled) || !w.live[oldToken] {
		t.Fatal(err)
	}
	// A theft of the new one is another matter.
	w.alert, w.fresh = alert, "yet-another-token-of-the-test"
	c = w.config()
	c.Machine.Keys = w.keys
	if r, err := Prepare(t.Context(), c); err != nil || len(r.Tokens) != 1 || len(r.Begun) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	// So is its death alone.
	c = by(w.config())
	c.RevokeOnly = true
	if r, err := Prepare(t.Context(), c); err != nil || len(r.Tokens) != 1 || len(r.Begun) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	w.log = nil
	if res, _, err := w.answer(by(w.config())); err != nil || !res.Complete || w.live[oldToken] || !w.live[newToken] || slices.Contains(w.log, "create") {
		t.Errorf("%+v, %v, %q", res, err, w.log)
	}
	if res, _, err := w.answer(by(w.config())); err != nil || !res.Complete || w.live[newToken] || !w.live[w.fresh] {
		t.Errorf("what is named again is meant again: %+v, %v, %q", res, err, w.log)
	}
}

// Who asks for a token's death must not get a new token instead, because one
// was begun and stopped; and who leaves is told that the thief stays frozen.
func TestRevokeIsNoRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config()
	c.Machine.Keys = w.keys
	ctx, cancel := context.WithCancel(t.Context())
	c.Kinds[0].Create = func(context.Context, *respond.Machine, respond.Token, string) (respond.Token, error) {
		cancel()
		return respond.Token{}, ctx.Err()
	}
	r, err := Prepare(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	var res Result
	if err := r.Plan(func(r Result) { res = r }).Do(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left := strings.Join(res.Left, "\n"); !strings.Contains(left, "'wormbell alert kill abcd2345'") {
		t.Errorf("nobody is told that the thief stays frozen:\n%s", left)
	}
	w.log = nil
	c = w.config()
	c.Alert, c.Tokens, c.RevokeOnly, c.Machine.Keys = nil, []string{"npm:test"}, true, w.keys
	res, steps, err := w.answer(c)
	if err != nil || res.Complete || slices.Contains(w.log, "create") || !w.live[oldToken] {
		t.Errorf("%+v, %v, %q", res, err, w.log)
	}
	if text := strings.Join(steps, "\n"); !strings.Contains(text, "wormbell rotate --give-up") {
		t.Errorf("the plan is\n%s", text)
	}
}

// TestUnannounced: who may not announce, and asks for it, reads nothing and looks at nothing.
func TestUnannounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refuse = "announce"
	c := w.config()
	c.Kinds[0].Find = func(context.Context, *respond.Machine, []string) ([]respond.Token, error) {
		w.did("read")
		return nil, nil
	}
	c.Announced = true
	r, err := Prepare(t.Context(), c)
	if r != nil || !errors.Is(err, ErrUnannounced) || !strings.Contains(err.Error(), "the agent refuses") || len(w.log) > 0 {
		t.Errorf("%v, %v; %v", r, err, w.log)
	}
}
