package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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
