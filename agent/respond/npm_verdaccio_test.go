package respond

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/internal/secret"
	"wormbell/internal/verdaccio"
)

// npmCLI runs the real npm at m's home and returns what it says.
func npmCLI(t *testing.T, m *Machine, dir string, args ...string) (string, bool) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed")
	}
	cmd := exec.CommandContext(t.Context(), npm, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.Home, "USERPROFILE=" + m.Home, "npm_config_update_notifier=false"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err == nil
}

// npmAtVerdaccio is a machine with alice's token in its npmrc, found there.
func npmAtVerdaccio(t *testing.T, s *verdaccio.Server, value string, answers ...any) (*Machine, Token) {
	t.Helper()
	m := testMachine(t)
	m.Memory = new(Memory)
	testPersonAt(m, answers...)
	testPut(t, m, "~/.npmrc", "; mine\nregistry="+s.URL+"/\n//"+s.Host+"/:_authToken="+value+"\n")
	tokens, err := npmFind(t.Context(), m, nil)
	if err != nil || len(tokens) != 1 || tokens[0].Site != s.URL || tokens[0].Name != "npm:"+s.Host {
		t.Fatalf("found %+v, %v", tokens, err)
	}
	return m, tokens[0]
}

// TestNpmVerdaccio rotates tokens of a real registry.
func TestNpmVerdaccio(t *testing.T) {
	t.Parallel()
	s := verdaccio.Start(t)
	password := "pw-" + testRandom(20)
	login := s.AddUser("alice", password)
	bystander := s.AddToken(login, password, false)

	t.Run("rotation", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, s.AddToken(login, password, false), "not the password", password)
		id, err := npmIdentify(t.Context(), m, old)
		if err != nil || id.Answer != Alive || id.Owner != "alice" || len(id.Reach) == 0 {
			t.Fatalf("%+v, %v", id, err)
		}
		new, err := npmCreate(t.Context(), m, old, "a-label")
		if err != nil {
			t.Fatal(err)
		}
		if a, err := npmWorks(t.Context(), m, old, new); a != Alive || err != nil || new.ID == "" {
			t.Errorf("works: %v, %v, %q", a, err, new.ID)
		}
		if s.Whoami(old.Value.Reveal()) != "alice" {
			t.Error("the old one died before it was revoked")
		}
		if err := npmInstall(t.Context(), m, old, new); err != nil {
			t.Error(err)
		}
		if err := npmRevoke(t.Context(), m, old, new); err != nil {
			t.Error(err)
		}
		if a, err := npmIsDead(t.Context(), m, old); a != Dead || err != nil || s.Whoami(old.Value.Reveal()) != "" {
			t.Errorf("the old one: %v, %v", a, err)
		}
		npmLeave(t.Context(), m)
		if out, ok := npmCLI(t, m, m.Home, "whoami"); !ok || out != "alice" {
			t.Errorf("npm whoami: %q", out)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"rotated","version":"1.0.0"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, ok := npmCLI(t, m, dir, "publish"); !ok {
			t.Errorf("npm publish: %s", out)
		}
		if want := "; mine\nregistry=" + s.URL + "/\n//" + s.Host + "/:_authToken=" + new.Value.Reveal() + "\n"; testText(t, m, "~/.npmrc") != want {
			t.Error("more than the token was changed in ~/.npmrc")
		}
		stolen := testMachine(t)
		testPut(t, stolen, "~/.npmrc", "registry="+s.URL+"/\n//"+s.Host+"/:_authToken="+old.Value.Reveal()+"\n")
		if out, ok := npmCLI(t, stolen, stolen.Home, "whoami"); ok {
			t.Errorf("npm whoami with the stolen one: %q", out)
		}
		testShows(t, m, []string{password, old.Value.Reveal(), new.Value.Reveal()})
	})
	t.Run("read-only", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, s.AddToken(login, password, true), "not the password", password, "not the password", password)
		new, err := npmCreate(t.Context(), m, old, "a-label")
		if err != nil {
			t.Fatal(err)
		}
		listed, err := (npmSite{m, s.URL}).listedFor(t.Context(), new, "alice")
		if err != nil || !listed.ReadOnly {
			t.Errorf("the new one: %+v, %v", listed, err)
		}
		if err := npmRevoke(t.Context(), m, old, new); err != nil || s.Whoami(old.Value.Reveal()) != "" {
			t.Errorf("revoke: %v", err)
		}
		wide := new
		wide.Value = secret.Of(bystander)
		if a, err := npmWorks(t.Context(), m, wide, new); a != Dead || err != nil {
			t.Errorf("a read-only one instead of one that publishes: %v, %v", a, err)
		}
	})
	t.Run("contain now, and then a new one", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, s.AddToken(login, password, false), password)
		if err := npmRevoke(t.Context(), m, old, Token{}); err != nil {
			t.Fatal(err)
		}
		if s.Whoami(old.Value.Reveal()) != "" {
			t.Error("it still works")
		}
		old.Owner = "alice"
		new, err := npmCreate(t.Context(), m, old, "a-label")
		if err != nil || s.Whoami(new.Value.Reveal()) != "alice" {
			t.Errorf("a new one: %v", err)
		}
		testShows(t, m, []string{password, old.Value.Reveal(), new.Value.Reveal()})
	})
	t.Run("the token of a login", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, login, password)
		new, err := npmCreate(t.Context(), m, old, "a-label")
		if err != nil || s.Whoami(new.Value.Reveal()) != "alice" {
			t.Fatalf("a new one: %v", err)
		}
		if err := npmRevoke(t.Context(), m, old, new); !errors.Is(err, ErrNotPossible) || !strings.Contains(err.Error(), "password") {
			t.Errorf("error %v", err)
		}
		if a, err := npmIsDead(t.Context(), m, old); a != Alive || err != nil {
			t.Errorf("it is %v, %v", a, err)
		}
	})
	t.Run("wrong passwords", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, s.AddToken(login, password, false), "wrong-1", "wrong-2", "wrong-3", password)
		before, err := (npmSite{m, s.URL}).list(t.Context(), npmAuthOf(old))
		if err != nil {
			t.Fatal(err)
		}
		_, err = npmCreate(t.Context(), m, old, "a-label")
		if !errors.Is(err, errNpmPassword) || !noEffect(err) {
			t.Errorf("error %v", err)
		}
		after, err := (npmSite{m, s.URL}).list(t.Context(), npmAuthOf(old))
		if err != nil || len(after) != len(before) {
			t.Errorf("%d tokens became %d, %v", len(before), len(after), err)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, s.AddToken(login, password, false))
		if _, err := npmCreate(t.Context(), m, old, "a-label"); !errors.Is(err, ErrNobody) || !noEffect(err) {
			t.Errorf("error %v", err)
		}
		if found, err := npmLost(t.Context(), m, old, "a-label"); found || err != nil {
			t.Errorf("%v, %v", found, err)
		}
	})
	t.Run("lost", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, s.AddToken(login, password, false), password)
		new, err := npmCreate(t.Context(), m, old, "a-label")
		if err != nil {
			t.Fatal(err)
		}
		// The answer never came, say; and the old one died meanwhile.
		if found, err := npmLost(t.Context(), m, old, "a-label"); !found || err != nil {
			t.Errorf("%v, %v", found, err)
		}
		if s.Whoami(new.Value.Reveal()) != "" || s.Whoami(old.Value.Reveal()) != "alice" || s.Whoami(bystander) != "alice" {
			t.Error("the wrong one was revoked")
		}
		if found, err := npmLost(t.Context(), m, old, "a-label"); found || err != nil {
			t.Errorf("the second time: %v, %v", found, err)
		}
	})
	t.Run("a password", func(t *testing.T) {
		m := testMachine(t)
		testPersonAt(m)
		testPut(t, m, "~/.npmrc", "registry="+s.URL+"/\n//"+s.Host+"/:username=alice\n//"+s.Host+"/:_password="+strings.TrimPrefix(npmPassword("", secret.Of(password)).Reveal(), "Basic ")+"\n")
		tokens, err := npmFind(t.Context(), m, nil)
		if err != nil || len(tokens) != 1 {
			t.Fatalf("%v, %v", tokens, err)
		}
		// The base64 above is of ":password", so that is what the file holds.
		tokens[0].Value = secret.Of(strings.TrimPrefix(tokens[0].Value.Reveal(), ":"))
		if id, err := npmIdentify(t.Context(), m, tokens[0]); err != nil || id.Answer != Alive || id.Owner != "alice" {
			t.Errorf("%+v, %v", id, err)
		}
		tokens[0].Value = secret.Of("another-password")
		if id, err := npmIdentify(t.Context(), m, tokens[0]); err != nil || id.Answer == Alive {
			t.Errorf("%+v, %v", id, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		m, old := npmAtVerdaccio(t, s, bystander, password)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := npmIdentify(ctx, m, old); !errors.Is(err, context.Canceled) {
			t.Errorf("identify: %v", err)
		}
		if _, err := npmCreate(ctx, m, old, "a-label"); !errors.Is(err, context.Canceled) {
			t.Errorf("create: %v", err)
		}
		if err := npmRevoke(ctx, m, old, Token{}); !errors.Is(err, context.Canceled) || s.Whoami(bystander) != "alice" {
			t.Errorf("revoke: %v", err)
		}
	})
}
