package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/internal/checkup"
	"wormbell/internal/passwd"
)

// TestCheckupShown: what a person reads of a report.
func TestCheckupShown(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	newPrinter(&b, time.UTC).checkup(checkup.Report{Home: "/home/dev", State: checkup.Signs, Verdict: "1 sign of a worm was found, and 1 thing could not be looked at.", First: "Go offline.",
		Sections: []checkup.Section{
			{ID: "autostart", Title: "What starts by itself or runs", Looked: "12 entries and processes", Findings: []checkup.Finding{
				{Level: checkup.Sign, Kind: "autostart", What: "Systemd user unit that runs a script", Where: "~/.config/systemd/user/x.service", SoWhat: "it asks a token service", Do: "look at it from another machine"},
				{Level: checkup.Note, Kind: "process", What: "Running process"}}, NotLooked: []string{"~/mnt: it lies on a file system that may never answer"}},
			{ID: "tokens", Title: "Secrets in plain files", Looked: "3 credential files"},
		}})
	want := `What starts by itself or runs  12 entries and processes
  sign     Systemd user unit that runs a script
           ~/.config/systemd/user/x.service
           it asks a token service
           → look at it from another machine
  note     Running process
  not seen ~/mnt: it lies on a file system that may never answer

Secrets in plain files  3 credential files
  nothing found

1 sign of a worm was found, and 1 thing could not be looked at.
First: Go offline.
`
	if diff := cmp.Diff(b.String(), want); diff != "" {
		t.Error(diff)
	}
}

// looked runs the command over a scratch home, as nobody's guard.
func looked(t *testing.T, s *standIn, home string, args ...string) (out, errs string, status int) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("homes are elsewhere on this system")
	}
	return wormbellRun(t, s, append([]string{"checkup", "--home", home}, args...)...)
}

func TestCheckupStatus(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	out, errs, status := looked(t, nil, home)
	if !strings.Contains(out, "No sign of a worm was found") && !strings.Contains(out, "of a worm w") {
		t.Errorf("ends with %d and no verdict: %s%s", status, out, errs)
	}
	if err := os.MkdirAll(filepath.Join(home, ".config/x-monitor"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"token", "handler"} {
		if err := os.WriteFile(filepath.Join(home, ".config/x-monitor", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, status = looked(t, nil, home, "--json")
	var answer struct {
		Version  int
		Checkups []checkup.Report
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || status != exitAlerts || answer.Version != 1 || len(answer.Checkups) != 1 || answer.Checkups[0].State != checkup.Signs {
		t.Errorf("ends with %d: %v: %s%s", status, err, out, errs)
	}
	if _, errs, status := looked(t, nil, filepath.Join(home, "none")); status != exitCannot || !strings.Contains(errs, "home") {
		t.Errorf("without a home it ends with %d: %s", status, errs)
	}
	for _, bad := range [][]string{{"--within", "0s"}, {"--within", "2h"}, {"--within", "soon"}, {"extra"}} {
		if _, errs, status := looked(t, nil, home, bad...); status != exitCannot || !strings.Contains(errs, "hint:") {
			t.Errorf("%q ends with %d: %s", bad, status, errs)
		}
	}
}

// reading is an open alert about a program that has read a file n times.
func reading(id, exe, path string, n int) wormbell.Alert {
	a := mine(path)
	a.ID, a.Count = id, n
	a.Findings[0].Evidence[0].Process.Exe = exe
	return a
}

func TestReaders(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no rows for programs of this system yet")
	}
	worm, critical, closed, other, demo := reading("a", "/bin/uname", "~/.npmrc", 90), reading("b", "/bin/uname", "~/.npmrc", 90), reading("c", "/bin/uname", "~/.npmrc", 90), reading("d", "/bin/uname", "~/.npmrc", 90), reading("e", "/bin/uname", "~/.npmrc", 90)
	worm.Findings[0].Evidence[0].Process.Package, worm.Findings[0].Evidence[0].Process.Lifecycle = &wormbell.Package{Name: "evil"}, "postinstall"
	critical.Severity, closed.State, other.User, demo.Demo = wormbell.Critical, wormbell.Closed, "54321", true
	older := reading("f", "/bin/ls", "~/.npmrc", 2)
	older.First = noon.Add(-48 * time.Hour)
	older.Last = older.First
	list := readers([]wormbell.Alert{worm, critical, closed, other, demo, reading("g", "/bin/date", "~/.npmrc", 4), reading("h", "/bin/ls", "~/.npmrc", 3), older, reading("i", "/bin/ls", "~/.netrc", 1)},
		strconv.Itoa(os.Getuid()), noon)
	got := []string{}
	for _, r := range list {
		ids := ""
		for _, a := range r.alerts {
			ids += a.ID
		}
		got = append(got, fmt.Sprintf("%s %v %d %s %s", r.name(), r.kinds, r.times, r.since.Format("2 Jan"), ids))
	}
	want := []string{"ls [npm tokens] 5 " + older.First.Format("2 Jan") + " fh", "date [npm tokens] 4 " + noon.Format("2 Jan") + " g", "ls [passwords in netrc] 1 " + noon.Format("2 Jan") + " i"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

// about is what a folder says of itself in a test.
type about struct {
	fs.FileInfo
	uid int
	dir bool
}

func (a about) IsDir() bool { return a.dir }
func (a about) Sys() any    { return stat(a.uid) }

// TestPeople: a home that is there and cannot be looked at is never left out.
func TestPeople(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no users of this kind")
	}
	entry := func(name string, uid int, home string) passwd.Entry {
		return passwd.Entry{Name: name, UID: uid, GID: uid + 1, Home: home, Shell: "/bin/sh"}
	}
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		defer close(over)
		got := []string{}
		for _, h := range people(t.Context(), []passwd.Entry{entry("root", 0, "/root"), entry("toor", 0, "/root/"), entry("me", 1000, "/home/me"), entry("never", 1001, "/home/never"), entry("mounted", 1002, "/home/mounted"),
			entry("dead", 1003, "/home/dead"), entry("other", 1004, "/home/other"), entry("file", 1005, "/home/file"), entry("guest", 1006, "/home/me")}, func(dir string) (fs.FileInfo, error) {
			switch dir {
			case "/root":
				return about{dir: true}, nil
			case "/home/me":
				return about{uid: 1000, dir: true}, nil
			case "/home/never":
				return nil, &fs.PathError{Op: "stat", Path: dir, Err: fs.ErrNotExist}
			case "/home/mounted": // a file system in user space lets nobody else in
				return nil, &fs.PathError{Op: "stat", Path: dir, Err: fs.ErrPermission}
			case "/home/dead":
				<-over
				return nil, fs.ErrClosed
			case "/home/file":
				return about{uid: 1005}, nil
			}
			return about{uid: 1000, dir: true}, nil
		}) {
			got = append(got, fmt.Sprintf("%s %s %d:%d %v", h.dir, h.name, h.uid, h.gid, h.why))
		}
		want := []string{"/root root 0:1 <nil>", "/home/me me 1000:1001 <nil>", "/home/mounted mounted 1002:1003 permission denied", "/home/dead dead 1003:1004 it does not answer",
			"/home/other other 1004:1005 it belongs to another user than other", "/home/file file 1005:1006 it is no folder"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	})
}

// TestOwnedHome: the group of a run is its owner's, whatever the folder says.
func TestOwnedHome(t *testing.T) {
	t.Parallel()
	list := []passwd.Entry{{Name: "alias", UID: 1000, GID: 5, Home: "/else"}, {Name: "me", UID: 1000, GID: 1001, Home: "/home/me"}}
	for _, tt := range []struct {
		dir  string
		uid  int
		want personHome
	}{
		{"/home/me", 1000, personHome{dir: "/home/me", name: "me", uid: 1000, gid: 1001}},
		{"/srv/x", 1000, personHome{dir: "/srv/x", name: "alias", uid: 1000, gid: 5}},
		{"/srv/y", 4711, personHome{dir: "/srv/y", uid: 4711, gid: nogroup}},
	} {
		if got := ownedHome(tt.dir, tt.uid, list); got != tt.want {
			t.Errorf("%s of %d: %+v, want %+v", tt.dir, tt.uid, got, tt.want)
		}
	}
	if h := ownedHome("/srv/z", -1, list); h.why == nil {
		t.Errorf("nobody's home is to be looked at: %+v", h)
	}
}

// TestOfHomes: what could not be looked at is in the verdict about several homes.
func TestOfHomes(t *testing.T) {
	t.Parallel()
	for want, reports := range map[string][]checkup.Report{
		"Of 2 homes: 2 without a sign.": {{Home: "/a", State: checkup.NoSign}, {Home: "/b", State: checkup.NoSign}},
		"Of 4 homes: 1 with signs of a worm (/b); 1 that could not be looked at, or not to the end (/c); 2 without a sign, in 1 of which something could not be looked at.": {
			{Home: "/a", State: checkup.NoSign, NotLooked: 3}, {Home: "/b", State: checkup.Signs}, {Home: "/c", State: checkup.Cannot}, {Home: "/d", State: checkup.NoSign}},
	} {
		if got := ofHomes(reports); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
