package signer

import (
	"os"
	"path/filepath"
	"testing"

	"wormbell/watchers/internal/procs"
)

// TestCorepackKeeps: a shim of corepack's is vouched for only if all that it can
// find to run is.
func TestCorepackKeeps(t *testing.T) {
	t.Parallel()
	home, else_ := t.TempDir(), t.TempDir()
	shim := func(name string) string {
		return put(t, filepath.Join(home, ".nvm/versions/node/v22.1.0/lib/node_modules/corepack/dist", name), "")
	}
	pnpm, yarn, any := shim("pnpm.js"), shim("yarn.js"), shim("corepack.js")
	link := filepath.Join(home, "x")
	if err := os.Symlink(pnpm, link); err != nil {
		t.Fatal(err)
	}
	kept := put(t, filepath.Join(home, ".cache/node/corepack/v1/pnpm/10.0.0/bin/pnpm.cjs"), "")
	put(t, filepath.Join(home, ".cache/node/corepack/lastKnownGood.json"), "{}")
	put(t, filepath.Join(home, "theirs/v1/pnpm/10.0.0/bin/pnpm.cjs"), "")
	put(t, filepath.Join(home, "theirs/node/corepack/v1/pnpm/10.0.0/bin/pnpm.cjs"), "")
	put(t, filepath.Join(else_, "v1/pnpm/10.0.0/bin/pnpm.cjs"), "")
	put(t, filepath.Join(home, "moves/.corepack.env"), "A=1\nCOREPACK_HOME=/x\n")
	put(t, filepath.Join(home, "sets/.corepack.env"), "COREPACK_ENABLE_STRICT=0\n")
	s := newSigner(t, Config{Homes: []Home{{home, os.Getuid()}}, Quiet: calm})
	ask := func(script string, env procs.Env) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.kept(Query{Cwd: filepath.Join(home, "theirs"), Run: procs.Run{Kind: procs.Node, Script: script}, Env: &env})
	}
	around := "HOME=" + home
	for _, test := range []struct {
		name, script string
		env          procs.Env
		want         bool
	}{
		{"as it is", pnpm, procs.Env{Around: around}, true},
		{"by a symlink", link, procs.Env{Around: around}, true},
		{"any client", any, procs.Env{Around: around}, true},
		{"nothing was fetched yet", yarn, procs.Env{Around: around}, true},
		{"no shim", kept, procs.Env{CorepackHome: home + "/theirs"}, true},
		{"where it is anyway", pnpm, procs.Env{Around: around, CacheHome: home + "/.cache"}, true},
		{"another folder", pnpm, procs.Env{Around: around, CorepackHome: home + "/theirs"}, false},
		{"another folder, by a symlink", link, procs.Env{Around: around, CorepackHome: home + "/theirs"}, false},
		{"another folder for any client", any, procs.Env{Around: around, CorepackHome: home + "/theirs"}, false},
		{"which has nothing of it", yarn, procs.Env{Around: around, CorepackHome: home + "/theirs"}, true},
		{"a folder outside the home", pnpm, procs.Env{Around: around, CorepackHome: else_}, false},
		{"the working directory", pnpm, procs.Env{Around: around, CorepackHome: "."}, false},
		{"another cache", pnpm, procs.Env{Around: around, CacheHome: home + "/theirs"}, false},
		{"another cache, as on Windows", pnpm, procs.Env{Around: around, AppData: home + "/theirs"}, false},
		{"another home", pnpm, procs.Env{Around: "HOME=" + home + "/theirs", CorepackHome: "."}, false},
		{"no home", pnpm, procs.Env{}, false},
	} {
		if got := ask(test.script, test.env); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	for dir, want := range map[string]bool{"moves": false, "moves/a/b": false, "sets": true, "none": true} {
		for file, want := range map[string]bool{"": want, "0": true, "mine": true, filepath.Join(home, "moves/.corepack.env"): false} {
			q := Query{Cwd: filepath.Join(home, dir), Run: procs.Run{Kind: procs.Node, Script: pnpm}, Env: &procs.Env{Around: around, CorepackFile: file}}
			s.mu.Lock()
			if got := s.kept(q); got != want {
				t.Errorf("in %s with the file %q: %v", dir, file, got)
			}
			s.mu.Unlock()
		}
	}
	if !s.Corepack(link) || s.Corepack(kept) || s.Corepack("/nonexistent") {
		t.Error("what is a shim is not told")
	}
	put(t, filepath.Join(home, ".cache/node/corepack/v1/pnpm/10.0.0/dist/pnpm.cjs"), "")
	for i, script := range []string{pnpm, link, any, yarn} {
		if got := ask(script, procs.Env{Around: around}); got != (i == 3) {
			t.Errorf("after something was written: %s: %v", script, got)
		}
	}
	put(t, filepath.Join(home, ".cache/node/corepack/v1/yarn"), "") // a file, no folder
	if ask(yarn, procs.Env{Around: around}) {
		t.Error("what cannot be listed is vouched for")
	}
}
