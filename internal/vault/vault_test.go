package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/keychain"
	"wormbell/agent/respond/keychain/keychaintest"
	"wormbell/internal/vault"
)

// set is a vault in memory and a home.
func set(t *testing.T, npmrc string) (*vault.Vault, *keychaintest.Store) {
	t.Helper()
	keys := &keychaintest.Store{}
	home := t.TempDir()
	v := &vault.Vault{Home: home, State: filepath.Join(home, "state"), Keys: keys, Now: func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }}
	if npmrc != "" {
		write(t, v, npmrc)
	}
	return v, keys
}

func write(t *testing.T, v *vault.Vault, npmrc string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(v.Home, ".npmrc"), []byte(npmrc), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, v *vault.Vault) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(v.Home, ".npmrc"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMoveAndRestore(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, before, moved string }{
		{"one", "//h/:_authToken=tok\n", "; kept by 'wormbell vault': //h/:_authToken=***\n"},
		{"among others", "# c\r\nregistry=https://h/\r\n  //h/:_authToken = tok ; mine\r\n//h/:email=a@example.com\r\n//h:1/p/:_auth=dG9r\r\n//h/:_password='tok'",
			"# c\r\nregistry=https://h/\r\n; kept by 'wormbell vault':   //h/:_authToken = *** ; mine\r\n//h/:email=a@example.com\r\n; kept by 'wormbell vault': //h:1/p/:_auth=***\r\n; kept by 'wormbell vault': //h/:_password='***'"},
		{"of all registries", "_authToken=tok\n_auth=tok2", "; kept by 'wormbell vault': _authToken=***\n; kept by 'wormbell vault': _auth=***"},
		{"twice the same", "//h/:_authToken=tok\n//h/:_authToken=tok\n", "; kept by 'wormbell vault': //h/:_authToken=***\n; kept by 'wormbell vault': //h/:_authToken=***\n"},
		{"after the mark", "\xef\xbb\xbf//h/:_authToken=tok\n", "\xef\xbb\xbf; kept by 'wormbell vault': //h/:_authToken=***\n"},
		{"other bytes", "a=\xff\n//h/:_authToken=tok\n", "a=\xff\n; kept by 'wormbell vault': //h/:_authToken=***\n"},
		{"escaped", "//h/:_authToken=t\\;o\\#k\n", "; kept by 'wormbell vault': //h/:_authToken=***\n"},
		{"carriage returns", "//h/:_authToken=tok\ra=1\r//i/:_authToken=tok\r", "; kept by 'wormbell vault': //h/:_authToken=***\ra=1\r; kept by 'wormbell vault': //i/:_authToken=***\r"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, keys := set(t, tt.before)
			r, err := v.Move(t.Context(), "~/.npmrc")
			if err != nil || len(r.Left) > 0 || len(r.Done) == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			if d := cmp.Diff(read(t, v), tt.moved); d != "" {
				t.Error(d)
			}
			items, err := v.Items()
			if err != nil {
				t.Fatal(err)
			}
			if len(items) != len(keys.Items()) {
				t.Errorf("listed %+v, kept %d", items, len(keys.Items()))
			}
			for _, i := range items {
				if how, err := v.Look(t.Context(), i); how != vault.Kept || err != nil {
					t.Errorf("%s is %s, %v", i.Key, how, err)
				}
			}
			// Again, that changes nothing.
			if r, err := v.Move(t.Context(), "~/.npmrc"); err != nil || len(r.Done)+len(r.Left) > 0 || read(t, v) != tt.moved {
				t.Errorf("again: %+v, %v", r, err)
			}
			list, err := os.ReadFile(filepath.Join(v.State, "vault.json"))
			if err != nil || strings.Contains(string(list), "tok") && !strings.Contains(tt.before, "tok2") && strings.Contains(strings.ReplaceAll(string(list), "_authToken", ""), "tok") {
				t.Errorf("the list: %s, %v", list, err)
			}
			r, err = v.Restore(t.Context(), "~/.npmrc")
			if err != nil || len(r.Left) > 0 || len(r.Done) != len(items) {
				t.Errorf("%+v, %v", r, err)
			}
			if d := cmp.Diff(read(t, v), tt.before); d != "" {
				t.Error(d)
			}
			if items, err := v.Items(); len(items) > 0 || len(keys.Items()) > 0 || err != nil {
				t.Errorf("left: %+v, %d, %v", items, len(keys.Items()), err)
			}
		})
	}
}

func TestNotMoved(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, before string
		left         int
	}{
		{"no file", "", 0},
		{"no token", "registry=https://h/\n//h/:email=x\n; //h/:_authToken=tok\n", 0},
		{"a variable", "//h/:_authToken=${NPM_TOKEN}\n//i/:_authToken=\n", 0},
		{"in a section", "[x]\n//h/:_authToken=tok\n", 0},
		{"twice", "//h/:_authToken=tok\n//h/:_authToken=tok2\n", 2},
		{"odd", "//h/:_authToken=\"t\\u006fk\"\n", 1},
		{"our stars", "//h/:_authToken=***\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, keys := set(t, tt.before)
			r, err := v.Move(t.Context(), "~/.npmrc")
			if err != nil || len(r.Done) > 0 && tt.name != "our stars" || len(r.Left) != tt.left {
				t.Errorf("%+v, %v", r, err)
			}
			if tt.before == "" || tt.name == "our stars" {
				return
			}
			if read(t, v) != tt.before || len(keys.Items()) > 0 {
				t.Errorf("it was changed: %s", read(t, v))
			}
		})
	}
}

// TestKeychainFails: while the keychain fails, the file keeps its tokens.
func TestKeychainFails(t *testing.T) {
	t.Parallel()
	const before = "//h/:_authToken=canary-tok\n//i/:_authToken=canary-tok2\n"
	for _, op := range []string{"get", "set"} {
		for nth := range 4 {
			v, keys := set(t, before)
			n := 0
			keys.Fail = func(what, _, _ string) error {
				if what == op {
					if n++; n == nth+1 {
						return keychain.ErrNone
					}
				}
				return nil
			}
			_, err := v.Move(t.Context(), "~/.npmrc")
			if n <= nth {
				continue // it was not asked so often
			}
			if !errors.Is(err, keychain.ErrNone) || strings.Contains(err.Error(), "canary") || read(t, v) != before {
				t.Errorf("%s %d: %v, %s", op, nth, err, read(t, v))
			}
			if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil || strings.Contains(read(t, v), "canary") {
				t.Errorf("afterwards: %v, %s", err, read(t, v))
			}
		}
	}
	// What is put back is there before the keychain lets go of it.
	v, keys := set(t, before)
	if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	keys.Fail = func(what, _, _ string) error {
		if what == "delete" {
			return keychain.ErrNone
		}
		return nil
	}
	if _, err := v.Restore(t.Context(), "~/.npmrc"); !errors.Is(err, keychain.ErrNone) || read(t, v) != before || len(keys.Items()) != 2 {
		t.Errorf("%v, %d, %s", err, len(keys.Items()), read(t, v))
	}
	keys.Fail = nil
	if r, err := v.Restore(t.Context(), "~/.npmrc"); err != nil || len(r.Done) != 2 || len(keys.Items()) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRestoreIntoAnotherFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, now, want string
		left            int
	}{
		{"npm dropped the comments", "a=1\n[s]\nb=2\n", "//h/:_authToken=tok\na=1\n[s]\nb=2\n", 0},
		{"it is gone", "", "//h/:_authToken=tok\n", 0},
		{"a newer login", "//h/:_authToken=newer\n", "//h/:_authToken=newer\n", 1},
		{"a newer login beside the comment", "; kept by 'wormbell vault': //h/:_authToken=***\n//h/:_authToken=newer\n", "; kept by 'wormbell vault': //h/:_authToken=***\n//h/:_authToken=newer\n", 1},
		{"the same is there", "//h/:_authToken=tok\n", "//h/:_authToken=tok\n", 0},
		{"another's comment", "; kept by 'wormbell vault': //evil/:_authToken=***\n", "//h/:_authToken=tok\n; kept by 'wormbell vault': //evil/:_authToken=***\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, keys := set(t, "//h/:_authToken=tok\n")
			if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
				t.Fatal(err)
			}
			if tt.now == "" {
				if err := os.Remove(filepath.Join(v.Home, ".npmrc")); err != nil {
					t.Fatal(err)
				}
			} else {
				write(t, v, tt.now)
			}
			r, err := v.Restore(t.Context(), "~/.npmrc")
			if err != nil || len(r.Left) != tt.left || read(t, v) != tt.want {
				t.Errorf("%+v, %v: %s", r, err, read(t, v))
			}
			if (len(keys.Items()) > 0) != (tt.left > 0) {
				t.Errorf("the keychain holds %d", len(keys.Items()))
			}
		})
	}
}

func TestLostFromKeychain(t *testing.T) {
	t.Parallel()
	v, keys := set(t, "//h/:_authToken=tok\n")
	if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	items, err := v.Items()
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Delete(t.Context(), items[0].Service, items[0].Account); err != nil {
		t.Fatal(err)
	}
	if how, err := v.Look(t.Context(), items[0]); how != vault.Missing || err != nil {
		t.Errorf("%s, %v", how, err)
	}
	if r, err := v.Restore(t.Context(), "~/.npmrc"); err != nil || len(r.Left) != 1 || len(r.Done) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := v.Forget(t.Context(), items[0].Account); err != nil {
		t.Error(err)
	}
	if items, err := v.Items(); len(items) > 0 || err != nil || read(t, v) != "" {
		t.Errorf("%+v, %v, %q", items, err, read(t, v))
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	v, keys := set(t, "a=1\r\n//h/:_authToken=tok\r\nb=2\r\n//i/:_authToken=tok\r\n")
	if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := v.Forget(t.Context(), "npm///h/:_authToken"); err != nil {
			t.Fatal(err)
		}
		if got := read(t, v); got != "a=1\r\nb=2\r\n; kept by 'wormbell vault': //i/:_authToken=***\r\n" || len(keys.Items()) != 1 {
			t.Errorf("%q, %d", got, len(keys.Items()))
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	v, _ := set(t, "registry=https://h/\n//h/:_authToken=tok;x\n//h/:_auth=\"a b;c\"\n[s]\nx=1")
	if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	text, n, err := v.Config(t.Context(), "~/.npmrc")
	want := "//h/:_authToken=tok\n//h/:_auth=a b\\;c\nregistry=https://h/\n; kept by 'wormbell vault': //h/:_authToken=***;x\n; kept by 'wormbell vault': //h/:_auth=\"***\"\n[s]\nx=1"
	if err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if d := cmp.Diff(text.Reveal(), want); d != "" {
		t.Error(d)
	}
	// A newer login in the file counts.
	write(t, v, "//h/:_authToken=newer\n")
	if text, n, err := v.Config(t.Context(), "~/.npmrc"); err != nil || n != 1 || strings.Contains(text.Reveal(), "tok\n") || !strings.Contains(text.Reveal(), "newer") {
		t.Errorf("%d, %v, %s", n, err, text.Reveal())
	}
	// Another file's tokens are none of its.
	if text, n, err := v.Config(t.Context(), "~/other"); err != nil || n != 0 || text.Reveal() != "" {
		t.Errorf("%d, %v", n, err)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	v, _ := set(t, "registry=https://h/p/\n//h/p/:_authToken=one\n//i/:_authToken=two\n//i/:_auth=three\n")
	if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"": "one", "//i/:_authToken": "two"} {
		if got, err := v.Token(t.Context(), "~/.npmrc", key); err != nil || got.Reveal() != want {
			t.Errorf("%q: %q, %v", key, got.Reveal(), err)
		}
	}
	if _, err := v.Token(t.Context(), "~/.npmrc", "//x/:_authToken"); !errors.Is(err, vault.ErrNoWay) {
		t.Error(err)
	}
	write(t, v, "")
	if _, err := v.Token(t.Context(), "~/.npmrc", ""); !errors.Is(err, vault.ErrNoWay) {
		t.Error(err)
	}
}

func TestUserconfig(t *testing.T) {
	t.Parallel()
	v, _ := set(t, "")
	for env, want := range map[string]string{"": "~/.npmrc", "NPM_CONFIG_USERCONFIG=/dev/fd/3": "~/.npmrc", "npm_Config_userconfig=" + v.Home + "/x/y": "~/x/y", "NPM_CONFIG_USERCONFIG=/etc/z": "/etc/z", "NPM_CONFIG_USERCONFIG=rel": "~/.npmrc"} {
		if got := v.Userconfig([]string{"A=b", env}); got != want {
			t.Errorf("%q: %s", env, got)
		}
	}
}

// TestDamagedList: what cannot be read is not written over.
func TestDamagedList(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"version":2,"items":[]}`} {
		v, keys := set(t, "//h/:_authToken=tok\n")
		if err := errors.Join(os.Mkdir(v.State, 0o700), os.WriteFile(filepath.Join(v.State, "vault.json"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Move(t.Context(), "~/.npmrc"); err == nil || read(t, v) != "//h/:_authToken=tok\n" || len(keys.Items()) > 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}
