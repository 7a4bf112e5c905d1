package respond

import (
	"errors"
	"strings"
	"testing"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// A token that 'wormbell vault npm' took off the disk is found, replaced and
// removed where it is now; the file stays without one.
func TestNpmVault(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	old, new := "npm_"+testRandom(36), "npm_"+testRandom(36)
	testPut(t, m, "~/.npmrc", "registry=http://127.0.0.1:4873/\n//127.0.0.1:4873/:_authToken="+old+"\nfund=false\n")
	if _, err := npmVault(m).Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	file := testText(t, m, "~/.npmrc")
	if strings.Contains(file, old) {
		t.Fatal("the token was not moved")
	}
	find := func(paths []string) []Token {
		t.Helper()
		found, err := Find(t.Context(), m, []Kind{npmKind()}, paths)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if n := len(find([]string{"~/.yarnrc.yml"})); n != 0 {
		t.Errorf("%d tokens are found where nobody looked", n)
	}
	found := find(nil)
	if len(found) != 1 || found[0].Value.Reveal() != old || found[0].Site != "http://127.0.0.1:4873" || found[0].Name != "npm:127.0.0.1:4873" || found[0].Places[0].Path != "" {
		t.Fatalf("%+v", found)
	}
	was := found[0]
	is := was
	is.Value = secret.Of(new)
	for range 2 { // a crash may come in between
		if err := npmInstall(t.Context(), m, was, is); err != nil {
			t.Fatal(err)
		}
	}
	if found := find([]string{"~/.npmrc"}); len(found) != 1 || found[0].Value.Reveal() != new {
		t.Errorf("after installing: %+v", found)
	}
	third := was
	third.Value = secret.Of("npm_" + testRandom(36))
	if err := npmInstall(t.Context(), m, third, was); !errors.Is(err, edit.ErrChanged) {
		t.Errorf("over another one: %v", err)
	}
	if err := npmForget(t.Context(), m, was); err != nil { // it is not there any more: the new one stays
		t.Error(err)
	}
	if len(find(nil)) != 1 {
		t.Error("the new one was removed with the old one")
	}
	if err := npmForget(t.Context(), m, is); err != nil {
		t.Error(err)
	}
	if found := find(nil); len(found) != 0 {
		t.Errorf("after forgetting: %+v", found)
	}
	if text := testText(t, m, "~/.npmrc"); strings.Contains(text, old) || strings.Contains(text, new) || !strings.Contains(text, "fund=false") {
		t.Errorf("the file is\n%s", text)
	}
	testShows(t, m, []string{old, new})
}

// Without a keychain what is in the vault is not lost from view.
func TestNpmVaultWithoutKeychain(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	testPut(t, m, "~/.npmrc", "//127.0.0.1:4873/:_authToken=npm_"+testRandom(36)+"\n")
	if _, err := npmVault(m).Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	m.Items = nil
	if _, err := npmFind(t.Context(), m, nil); !errors.Is(err, keychain.ErrNone) || !errors.Is(err, ErrPartly) {
		t.Errorf("found without a keychain: %v", err)
	}
}
