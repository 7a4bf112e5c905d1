package agent

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
		if got := newFolders().people(file); len(got) != want {
			t.Errorf("people(%q) = %v, want %d", text, got, want)
		}
	}
}

// TestDeadHomes: a home that does not answer keeps nobody waiting for the others,
// however many there are; it is told, and guarded once it answers.
func TestDeadHomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := os.Stat(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		held := make(chan struct{})
		f := newFolders()
		f.far = func() func(string) string {
			return func(p string) string {
				if strings.HasPrefix(p, "/net/") {
					return "/net"
				}
				return ""
			}
		}
		var asked atomic.Int32
		f.real = func(name string) (string, error) {
			if strings.HasPrefix(name, "/net/") || name == "/dead" {
				asked.Add(1)
				<-held
			}
			return name, nil
		}
		f.stat = func(name string) (fs.FileInfo, error) {
			_, err := f.real(name)
			return folder{st}, err
		}
		var given []string
		for i := range 200 {
			given = append(given, "/net/"+strconv.Itoa(i))
		}
		given = append(given, "/dead", "/home/me")
		began := time.Now()
		s := newSet(Options{}, Config{})
		s.folders = f
		list, err := s.homes(given)
		if err != nil || len(list) != 1 || list[0].Dir != "/home/me" {
			t.Errorf("guarded are %v, %v", list, err)
		}
		if took := time.Since(began); took > homeTime {
			t.Errorf("it took %v", took)
		}
		if asked.Load() != 2 {
			t.Errorf("%d were asked that do not answer, want one a file system", asked.Load())
		}
		if !s.silent || len(s.problems) != 201 || !strings.Contains(s.problems[0], "does not answer; it is not guarded") {
			t.Errorf("told: %v, %q", s.silent, s.problems[:1])
		}
		file := filepath.Join(t.TempDir(), "passwd")
		if err := os.WriteFile(file, []byte("x:x:1000:1000::/dead:/bin/sh\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if problems, _ := f.leftOut(file, list); !slices.Equal(problems, []string{silentHome("/dead")}) {
			t.Errorf("told: %q", problems)
		}
		sign := f.sign()
		close(held)
		synctest.Wait()
		if f.sign() == sign {
			t.Error("that they answer again is not noticed")
		}
		if list, _ = f.homes(given, nil); len(list) != len(given) {
			t.Errorf("%d of %d are guarded once they answer", len(list), len(given))
		}
	})
}

// folder is a folder of root's, or of whoever runs this.
type folder struct{ fs.FileInfo }

func (folder) IsDir() bool { return true }

// TestComesAndGoes: one home does not keep the agent starting anew.
func TestComesAndGoes(t *testing.T) {
	store, log := kept{}, slog.New(slog.DiscardHandler)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	starts := 0
	for range 6 * 60 { // an hour, a look every ten seconds
		n := newAnew(store, log) // each start is another agent
		if n.may("/home/a", now) {
			starts++
		} else if p := n.problems(); len(p) != 1 || !strings.Contains(p[0], `"/home/a" comes and goes and is not guarded until 2026-01-02T0`) || !n.waits() {
			t.Fatalf("it waits and that is not told: %q", p)
		}
		now = now.Add(10 * time.Second)
	}
	if starts != 4 {
		t.Errorf("%d new starts in an hour for one home", starts)
	}
	n := newAnew(store, log)
	if n.may("/home/a", now.Add(-time.Minute)) || !n.may("/home/b", now) {
		t.Error("another home waits with it, or it does not")
	}
	if n = newAnew(store, log); !n.may("/home/a", now.Add(-24*time.Hour)) {
		t.Error("a clock that was set back keeps a home out")
	}
	if n = newAnew(kept{anewSetting: "garbage"}, log); !n.may("/home/a", now) || n.waits() || len(n.problems()) != 0 {
		t.Error("what is damaged keeps a home out")
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
		problems, notices := newFolders().leftOut(file, c.guarded)
		if len(problems) > 0 != (c.problems != "") || len(notices) > 0 != (c.notices != "") || len(notices) > maxLeftOut ||
			!strings.Contains(strings.Join(problems, "\n"), c.problems) || !strings.Contains(strings.Join(notices, "\n"), c.notices) {
			t.Errorf("%s: %q %q", c.name, problems, notices)
		}
	}
}
