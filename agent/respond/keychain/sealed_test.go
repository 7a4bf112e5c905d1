package keychain_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

var sealedQuick = keychain.SealedConfig{WorkFactor: 4}

func sealedOpen(t *testing.T, path, pass string) *keychain.Sealed {
	t.Helper()
	s, err := keychain.OpenSealed(path, secret.Of(pass), sealedQuick)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedKeeps(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "state", "secrets")
	s := sealedOpen(t, path, "correct horse")
	if _, err := s.Get(ctx, "wormbell", "a"); !errors.Is(err, keychain.ErrNotFound) {
		t.Errorf("get of nothing: %v", err)
	}
	if err := s.Delete(ctx, "wormbell", "a"); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	const canary = "canary-value-in-the-sealed-file"
	long := strings.Repeat("x", 100_000)
	for account, v := range map[string]string{"a": canary, "b": long} {
		if err := s.Set(ctx, "wormbell", account, secret.Of(v)); err != nil {
			t.Fatal(err)
		}
	}
	again := sealedOpen(t, path, "correct horse")
	for account, want := range map[string]string{"a": canary, "b": long} {
		if got, err := again.Get(ctx, "wormbell", account); err != nil || got.Reveal() != want {
			t.Errorf("get %s: %v", account, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), "canary") || strings.Contains(string(b), "AGE-SECRET-KEY") || !strings.Contains(string(b), "BEGIN AGE ENCRYPTED FILE") {
		t.Errorf("the file shows it, or is none: %v", err)
	}
	if err := again.Set(ctx, "wormbell", "a", secret.Of("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(ctx, "wormbell", "a"); err != nil || got.Reveal() != "new" {
		t.Errorf("what another wrote is not seen: %v", err)
	}
	for _, account := range []string{"a", "b"} {
		if err := s.Delete(ctx, "wormbell", account); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the empty file is still there: %v", err)
	}
	if err := s.Set(ctx, "wormbell", "c", secret.Of("v")); err != nil {
		t.Fatal(err)
	}
	if got, err := sealedOpen(t, path, "correct horse").Get(ctx, "wormbell", "c"); err != nil || got.Reveal() != "v" {
		t.Errorf("after it was empty: %v", err)
	}
	if err := s.Wipe(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("wiped, and still there: %v", err)
	}
}

func TestSealedWrongPassphrase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := sealedOpen(t, path, "one").Set(t.Context(), "s", "a", secret.Of("v")); err != nil {
		t.Fatal(err)
	}
	for _, pass := range []string{"two", "", "one "} {
		if _, err := keychain.OpenSealed(path, secret.Of(pass), sealedQuick); !errors.Is(err, keychain.ErrPassphrase) {
			t.Errorf("%q: %v", pass, err)
		}
	}
	// Made anew with another passphrase while it was open: not overwritten.
	s := sealedOpen(t, path, "one")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := sealedOpen(t, path, "two").Set(t.Context(), "s", "a", secret.Of("w")); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), "s", "a", secret.Of("v")); !errors.Is(err, keychain.ErrPassphrase) {
		t.Errorf("set in another's file: %v", err)
	}
}

func TestSealedDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secrets")
	if err := sealedOpen(t, path, "one").Set(t.Context(), "s", "a", secret.Of("v")); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "cut": string(whole[:len(whole)/2]), "no JSON": "hello", "no items": `{"version":1}`,
		"later": strings.Replace(string(whole), `"version": 1`, `"version": 2`, 1),
		"swapped": func() string {
			at := strings.Index(string(whole), `"items"`) + 200
			return string(whole[:at]) + "AAAA" + string(whole[at+4:])
		}(),
	} {
		p := filepath.Join(dir, "x "+name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keychain.OpenSealed(p, secret.Of("one"), sealedQuick); err == nil {
			t.Errorf("%s: opened", name)
		}
		if b, _ := os.ReadFile(p); string(b) != text {
			t.Errorf("%s: changed", name)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	if _, err := keychain.OpenSealed(link, secret.Of("one"), sealedQuick); err == nil {
		t.Error("a symbolic link was followed")
	}
}

func TestSealedTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := sealedOpen(t, path, "p").Set(t.Context(), "s", "first", secret.Of("v")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	names := strings.Split("abcdefgh", "")
	for _, name := range names {
		s := sealedOpen(t, path, "p") // as another process would
		wg.Go(func() {
			if err := s.Set(context.Background(), "s", name, secret.Of(name)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := sealedOpen(t, path, "p")
	for _, name := range names {
		if v, err := s.Get(t.Context(), "s", name); err != nil || v.Reveal() != name {
			t.Errorf("%s was lost: %v", name, err)
		}
	}
}
