package passwd_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/passwd"
)

func TestPeople(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("paths are others on this system")
	}
	file := filepath.Join(t.TempDir(), "passwd")
	for _, tt := range []struct {
		text string
		want []passwd.Entry
	}{
		{"", nil},
		{"root:x:0:0:root:/root:/bin/bash\n", []passwd.Entry{{"root", 0, 0, "/root", "/bin/bash"}}},
		{"me:x:1000:1001:Me,,,:/home/me:/usr/bin/zsh\r\n", []passwd.Entry{{"me", 1000, 1001, "/home/me", "/usr/bin/zsh"}}},
		{"me:x:1000:1000::/home/me:", []passwd.Entry{{"me", 1000, 1000, "/home/me", ""}}}, // no shell is /bin/sh
		{"last:x:60000:1::/home/last:/bin/sh\n", []passwd.Entry{{"last", 60000, 1, "/home/last", "/bin/sh"}}},
		{"far:x:60001:1::/home/far:/bin/sh\n", nil},
		{"www:x:33:33::/var/www:/bin/sh\n", nil},
		{"svc:x:1001:1::/srv:/usr/sbin/nologin\n", nil},
		{"svc:x:1001:1::/srv:/bin/false\n", nil},
		{"top:x:1001:1::/:/bin/sh\n", nil},
		{"top:x:1001:1:://:/bin/sh\n", nil},
		{"rel:x:1001:1::home:/bin/sh\n", nil},
		{"neg:x:-1:1::/home/neg:/bin/sh\n", nil},
		{"big:x:4294967296:1::/home/big:/bin/sh\n", nil},
		{"gid:x:1001:::/home/gid:/bin/sh\n", nil},
		{":x:1001:1::/home/none:/bin/sh\n", nil},
		{"+::::::\n+@people::::::\n# a remark\nbroken\nmore:x:1001:1::/home/more:/bin/sh:x\n", nil},
		// A long line hides nobody behind it.
		{"x:x:33:33:" + strings.Repeat("x", 1<<20) + ":/x:/x\nme:x:1000:1000::/home/me:/bin/sh\n", []passwd.Entry{{"me", 1000, 1000, "/home/me", "/bin/sh"}}},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := passwd.People(file)
		if err != nil || len(got)+len(tt.want) > 0 && !cmp.Equal(got, tt.want) {
			t.Errorf("%.100q: %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
	if _, err := passwd.People(file + ".none"); err == nil {
		t.Error("a list that is not there is no error")
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "group")
	if err := os.WriteFile(file, []byte("root:x:0:\nusers:x:100:me, you,\nbroken:x:y:me\n+:::\nshort:x:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := passwd.Groups(file)
	if diff := cmp.Diff(got, []passwd.Group{{Name: "root"}, {"users", 100, []string{"me", "you"}}}); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
