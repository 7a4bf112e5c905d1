package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestRoles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "package.json")
	if err := os.WriteFile(file, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	nothing := filepath.Join(dir, "nothing")
	if err := writeNothing(nothing); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		role string
		args []string
	}{
		{"@open", []string{file}},
		{"@read", []string{file, filepath.Join(dir, "log")}},
		{"@pace", []string{file, "3", "1ms"}},
		{"@aside", []string{file, "3", "1ms"}},
		{"@walk", []string{dir, "2"}},
		{"@replace", []string{file, "3"}},
		{"@rewrite", []string{dir}},
		{"@spawn", []string{nothing, "3"}},
	} {
		if err := play(c.role, c.args); err != nil {
			t.Errorf("%s %q: %v", c.role, c.args, err)
		}
	}
	if b, _ := os.ReadFile(file); string(b) != "{}" {
		t.Errorf("the file reads %q after all that, want what it was", b)
	}
	noted, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if pid, at, err := numberAndTime(string(noted)); err != nil || pid != os.Getpid() || time.Since(at) > time.Minute {
		t.Errorf("the reader noted %q: %v; want our pid and the time", noted, err)
	}
	for _, bad := range [][]string{{"@nothing", file}, {"@open"}, {"@pace", file, "3"}, {"@spawn", file}} {
		if err := play(bad[0], bad[1:]); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want wrong usage", bad, err)
		}
	}
	if err := play("@open", []string{filepath.Join(dir, "absent")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open a file that is not there: %v", err)
	}
}
