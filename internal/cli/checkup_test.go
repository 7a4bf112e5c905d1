package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/internal/checkup"
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

func TestPeople(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no users of this kind")
	}
	dir, uid := t.TempDir(), os.Getuid()
	file := filepath.Join(dir, "passwd")
	person := max(uid, 0)
	text := fmt.Sprintf("me:x:%d:100:Me:%s:/bin/bash\nagain:x:%[1]d:100::%[2]s:/bin/bash\nother:x:4711:100::%[2]s:/bin/bash\nsvc:x:%[1]d:100::%[2]s/x:/usr/sbin/nologin\ngone:x:%[1]d:100::/none:/bin/sh\nrel:x:%[1]d:100::home:/bin/sh\nbroken\nfar:x:70000:1::%[2]s:/bin/sh\n", person, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if uid != 0 && uid < 1000 {
		t.Skip("the tests run as no person")
	}
	if diff := cmp.Diff(people(file), []personHome{{dir, "me", person, 100}}, cmp.AllowUnexported(personHome{})); diff != "" {
		t.Error(diff)
	}
}
