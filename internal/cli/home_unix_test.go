//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With sudo, HOME is often still the user's. Root must not do there what a file
// of the user's says.
func TestRootInAnothersHome(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root")
	}
	home, own := t.TempDir(), t.TempDir()
	state := filepath.Join(home, ".local", "state", "wormbell")
	folder := filepath.Join(state, "quarantine", "20260301T120000-abcdefgh")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(own, "cron.d")
	for name, text := range map[string]string{"1-x": "* * * * * root evil\n",
		"manifest.json": `{"version":1,"finding":{},"items":[{"kind":"move","from":"` + target + `","copy":"1-x","mode":420}]}`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := filepath.WalkDir(home, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, 65534, 65534)
	}); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(own, "state")
	if err := os.Symlink(state, link); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][2]string{"home": {home, ""}, "state": {own, filepath.Join(home, ".local", "state")}, "link": {own, own}} {
		if name == "link" {
			if err := os.Rename(link, filepath.Join(own, "wormbell")); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("HOME", env[0])
		t.Setenv("XDG_STATE_HOME", env[1])
		for _, args := range [][]string{{"restore", filepath.Base(folder)}, {"tokens", "--offline"}, {"rotate", "--resume"}, {"vault", "list"}, {"vault", "npm", "--no-shim"}} {
			if args[0] == "vault" && len(args) > 2 && name != "home" {
				continue // it has nothing to do with that folder
			}
			var out, errs strings.Builder
			a := &app{streams: Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, connect: func(string) (Agent, error) { return nil, os.ErrNotExist }}
			if status := a.run(t.Context(), args); status != exitCannot || !strings.Contains(errs.String(), "belongs to another user") {
				t.Errorf("%s: %q: %d, %s%s", name, args, status, out.String(), errs.String())
			}
		}
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("root wrote what a file of another user's said")
	}
}
