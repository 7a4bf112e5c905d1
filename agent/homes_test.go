package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"wormbell/watchers"
)

func TestPeople(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(t.TempDir(), "passwd")
	st, err := os.Stat(home)
	if err != nil {
		t.Fatal(err)
	}
	uid := owner(st)
	if uid != 0 && (uid < 1000 || uid >= 60000) {
		t.Skipf("uid %d is neither root nor a person", uid)
	}
	line := func(shell, dir string) string {
		return strings.Join([]string{"x", "x", strconv.Itoa(uid), "1", "", dir, shell}, ":") + "\n"
	}
	for text, want := range map[string]int{
		line("/bin/bash", home):               1,
		line("/usr/sbin/nologin", home):       0,
		line("/bin/bash", home+"/none"):       0,
		"x:x:33:33::" + home + ":/bin/bash\n": 0, // a service
		"garbage\n":                           0,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := people(file); len(got) != want {
			t.Errorf("people(%q) = %v, want %d", text, got, want)
		}
	}
}

// TestLeftOut: a home that is there and is not guarded is told of; one that is
// not there, that somebody else has, too, or that is no folder is none.
func TestLeftOut(t *testing.T) {
	home := t.TempDir()
	st, err := os.Stat(home)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "passwd")
	line := func(uid int, dir string) string {
		return strings.Join([]string{"x", "x", strconv.Itoa(uid), "1", "", dir, "/bin/bash"}, ":") + "\n"
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Skip(err)
	}
	others := 1000
	if owner(st) == others {
		others++
	}
	for _, c := range []struct {
		name, text        string
		guarded           []watchers.Home
		problems, notices string
	}{
		{"guarded", line(others, home), []watchers.Home{{Dir: home}}, "", ""},
		{"not there", line(1000, home+"/none"), nil, "", ""},
		{"no folder", line(1000, os.DevNull), nil, "", ""},
		{"somebody else's", line(others, home), nil, "", "of uid " + strconv.Itoa(others) + " is not guarded: it belongs to uid " + strconv.Itoa(owner(st))},
		{"nobody can look", line(1000, loop), nil, "is not guarded, it cannot be looked at: ", ""},
		{"very many", strings.Repeat(line(others, home), 500), nil, "", "is not guarded"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		problems, notices := leftOut(file, c.guarded)
		if len(problems) > 0 != (c.problems != "") || len(notices) > 0 != (c.notices != "") || len(notices) > maxLeftOut ||
			!strings.Contains(strings.Join(problems, "\n"), c.problems) || !strings.Contains(strings.Join(notices, "\n"), c.notices) {
			t.Errorf("%s: %q %q", c.name, problems, notices)
		}
	}
}
