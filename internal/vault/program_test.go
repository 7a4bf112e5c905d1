package vault_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"wormbell/internal/executable"
	"wormbell/internal/vault"
)

func TestShim(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs sh")
	}
	dir := t.TempDir()
	shims, bin := filepath.Join(dir, "data", "shims"), filepath.Join(dir, "a 'bin'")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	real, self := filepath.Join(bin, "npm"), filepath.Join(bin, "self $(x)")
	for path, text := range map[string]string{real: "#!/bin/sh\necho real\n", self: "#!/bin/sh\nprintf '<%s>' \"$@\"\n"} {
		if err := executable.Write(path, text); err != nil {
			t.Fatal(err)
		}
	}
	syscall.ForkLock.RLock() // see package executable
	path, err := vault.WriteShim(shims, "npm", self, "exec", "--", "it's")
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "a b", "$c", "").CombinedOutput(); err != nil || string(out) != "<exec><--><it's><a b><$c><>" {
		t.Errorf("%q, %v", out, err)
	}
	// A link to the folder of shims is that folder.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(shims, link); err != nil {
		t.Fatal(err)
	}
	list := string(filepath.ListSeparator)
	program, rest, err := vault.Find("npm", strings.Join([]string{shims, "", ".", link, bin, "/none"}, list), shims)
	if err != nil || program != real || rest != strings.Join([]string{"", ".", bin, "/none"}, list) {
		t.Errorf("%q, %q, %v", program, rest, err)
	}
	if _, _, err := vault.Find("npm", shims+list+".", shims); !errors.Is(err, exec.ErrNotFound) {
		t.Error(err)
	}
	syscall.ForkLock.RLock()
	_, err = vault.WriteShim(shims, "npm", self, "exec") // again, changed
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Error(err)
	}
	if out, err := exec.Command(path, "x").CombinedOutput(); err != nil || string(out) != "<exec><x>" {
		t.Errorf("%q, %v", out, err)
	}
	for range 2 {
		if err := vault.RemoveShim(shims, "npm"); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.WriteShim(shims, "npm", self); !errors.Is(err, vault.ErrNotOurs) {
		t.Error(err)
	}
	if err := vault.RemoveShim(shims, "npm"); !errors.Is(err, vault.ErrNotOurs) {
		t.Error(err)
	}
	for _, bad := range []string{"relative", "/a\nb"} {
		if _, err := vault.WriteShim(shims, "x", bad); err == nil {
			t.Errorf("%q was written", bad)
		}
	}
}

func TestPnpmFile(t *testing.T) {
	t.Parallel()
	v, _ := set(t, "//h/:_authToken=one\n//i:1/p/:_authToken=two\n//j/:_auth=three\n")
	if _, err := v.Move(t.Context(), "~/.npmrc"); err != nil {
		t.Fatal(err)
	}
	items, err := v.Items()
	if err != nil {
		t.Fatal(err)
	}
	file, shims := filepath.Join(v.Home, "c/pnpm/auth.ini"), filepath.Join(v.Home, "shims")
	for range 2 {
		helpers, err := v.Pnpm(items, file, shims, "/usr/bin/wormbell")
		if err != nil || len(helpers) != 2 {
			t.Fatalf("%+v, %v", helpers, err)
		}
		b, err := os.ReadFile(file)
		if want := "//h/:tokenHelper=" + shims + "/npm-token-h\n//i:1/p/:tokenHelper=" + shims + "/npm-token-i_3a1_2fp\n"; err != nil || string(b) != want {
			t.Errorf("%s, %v", b, err)
		}
	}
	if helpers, err := v.NoPnpm(file, shims); err != nil || len(helpers) != 2 {
		t.Errorf("%+v, %v", helpers, err)
	}
	if b, err := os.ReadFile(file); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	if left, err := os.ReadDir(shims); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if err := os.WriteFile(file, []byte("//h/:tokenHelper=/another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Pnpm(items, file, shims, "/usr/bin/wormbell"); !errors.Is(err, vault.ErrNotOurs) {
		t.Error(err)
	}
}
