//go:build unix

package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormbell"
)

// decoyHome is a home in which npm is not asked for its registry.
func decoyHome(t *testing.T) string {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("SUDO_UID", "")
	t.Setenv("SUDO_USER", "")
	return home
}

// files are the files below dir, and what is in them.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		all[strings.TrimPrefix(p, dir+"/")] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDecoys(t *testing.T) {
	home := decoyHome(t)
	s := &standIn{}
	out, errs, status := wormbellRun(t, s, "decoy", "plant", "--plan")
	if status != 0 || len(s.asked) != 0 || len(files(t, home)) != 0 || !strings.Contains(out, "Nothing was planted.") {
		t.Errorf("--plan: %d %s%s%q", status, out, errs, s.asked)
	}
	out, errs, status = wormbellRun(t, s, "decoy", "plant", "--json", "--registry", "https://registry.example.com/")
	var planted struct {
		Version int
		Planted []wormbell.Decoy
		Skipped []skipped
	}
	if err := json.Unmarshal([]byte(out), &planted); err != nil || status != 0 || planted.Version != 1 || len(planted.Planted) != 4 || planted.Skipped == nil || len(planted.Skipped) != 0 {
		t.Fatalf("plant: %d %v\n%s%s", status, err, out, errs)
	}
	there := files(t, home)
	for _, d := range planted.Planted {
		text := there[strings.TrimPrefix(d.Path, "~/")]
		if text == "" {
			t.Errorf("there is no %s", d.Path)
		}
		for _, line := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\n =:@", r) }) {
			if len(line) > 20 && (strings.Contains(out, line) || strings.Contains(strings.Join(s.asked, " "), line)) {
				t.Errorf("what is in %s was told", d.Path)
			}
		}
		if d.Kind == "npm" && !strings.Contains(text, "//registry.example.com/:_authToken=npm_") {
			t.Errorf("%s does not name the registry", d.Path)
		}
	}

	// Again: they are there already.
	out, errs, status = wormbellRun(t, s, "decoy", "plant")
	if status != 0 || len(files(t, home)) != 4 || !strings.Contains(out, "there is one already") {
		t.Errorf("again: %d %s%s", status, out, errs)
	}
	if out, _, status = wormbellRun(t, s, "decoy", "list"); status != 0 || strings.Count(out, "guarded") != 4 {
		t.Errorf("list: %d %s", status, out)
	}

	s.status.Sensors = []wormbell.Sensor{{Name: "credentials", Backend: "inotify"}}
	if out, _, _ = wormbellRun(t, s, "decoy", "plant"); !strings.Contains(strings.Join(strings.Fields(out), " "), "cannot tell who opens a file") {
		t.Errorf("an agent that cannot tell who: %s", out)
	}

	// One by name, one that is another's now, one that is gone, and the rest.
	first, second, third := s.decoys[0], s.decoys[1], s.decoys[2]
	file := func(d wormbell.Decoy) string { return filepath.Join(home, strings.TrimPrefix(d.Path, "~/")) }
	if out, errs, status = wormbellRun(t, s, "decoy", "remove", file(first)); status != 0 || !strings.Contains(out, "is gone") {
		t.Errorf("remove by its name: %d %s%s", status, out, errs)
	}
	if _, err := os.Lstat(file(first)); err == nil || len(s.decoys) != 3 {
		t.Error("it is there still")
	}
	if err := os.WriteFile(file(second), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(file(third))
	out, errs, status = wormbellRun(t, s, "decoy", "remove", "--all")
	if status != exitCannot || len(s.decoys) != 0 || !strings.Contains(out, "stays, and is no decoy any more") || !strings.Contains(errs, "1 file was not removed") {
		t.Errorf("remove --all: %d %s%s", status, out, errs)
	}
	if there := files(t, home); len(there) != 1 || there[strings.TrimPrefix(second.Path, "~/")] != "mine" {
		t.Errorf("left: %q", there)
	}
	if entries, _ := os.ReadDir(home); len(entries) != 1 {
		t.Errorf("a folder that was made stays: %v", entries)
	}
	if out, _, status = wormbellRun(t, s, "decoy", "list", "--json"); status != 0 || out != `{"decoys":[],"version":1}`+"\n" {
		t.Errorf("list --json: %d %s", status, out)
	}
}

// TestDecoysRefused: what the agent does not take leaves no file behind, and what
// it does not let go stays.
func TestDecoysRefused(t *testing.T) {
	home := decoyHome(t)
	s := &standIn{plants: plants{unplanted: errors.New("no")}}
	if out, errs, status := wormbellRun(t, s, "decoy", "plant"); status != exitCannot || len(files(t, home)) != 0 {
		t.Errorf("%d %s%s%q", status, out, errs, files(t, home))
	}
	s.unplanted = nil
	if _, _, status := wormbellRun(t, s, "decoy", "plant", "--kind", "npm", "--kind", "npm", "--kind", "aws"); status != 0 || len(files(t, home)) != 2 {
		t.Errorf("two kinds: %d %q", status, files(t, home))
	}
	before := files(t, home)
	s.refuse = errors.New("refused to take back")
	if _, errs, status := wormbellRun(t, s, "decoy", "remove", "--all"); status != exitCannot || !strings.Contains(errs, "refused to take back") || len(files(t, home)) != len(before) {
		t.Errorf("%d %s", status, errs)
	}
	for _, args := range [][]string{{"remove"}, {"remove", "--all", "x"}, {"remove", "~/.npmrc"}, {"plant", "--kind", "x"}, {"plant", "--registry", "x"}, {"plant", "x"}} {
		if _, errs, status := wormbellRun(t, s, append([]string{"decoy"}, args...)...); status != exitCannot || !strings.Contains(errs, "hint: ") {
			t.Errorf("%q: %d %s", args, status, errs)
		}
	}
	if err := os.Mkdir(home+"/.git", 0o700); err != nil {
		t.Fatal(err)
	}
	if out, _, status := wormbellRun(t, s, "decoy", "plant", "--kind", "github"); status != exitCannot || !strings.Contains(out, "git work tree") {
		t.Errorf("in a work tree: %d %s", status, out)
	}
	// Every place is taken.
	s.refuse = nil
	os.Remove(home + "/.git")
	for _, d := range slices.Clone(s.decoys) {
		d.State = wormbell.GuardNot
	}
	s.decoys = nil
	for range 20 {
		wormbellRun(t, s, "decoy", "plant", "--kind", "github")
		s.decoys = nil
	}
	if out, errs, status := wormbellRun(t, s, "decoy", "plant", "--kind", "github"); status != exitCannot || !strings.Contains(out, "every place for it is taken") {
		t.Errorf("full: %d %s%s", status, out, errs)
	}
}
