package alert_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/alert"
)

// fixtures are a database of every past version of the schema. They stay for ever.
func fixtures(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/v*.db")
	if err != nil || len(list) != len(alert.Schemas()) {
		t.Fatalf("there are %d schemas and the fixtures %q (%v): add one of each version", len(alert.Schemas()), list, err)
	}
	return list
}

// holds says what a store holds, in lines.
func holds(s *alert.Store) string {
	var b strings.Builder
	for _, a := range s.Alerts(alert.Filter{}) {
		fmt.Fprintln(&b, a.ID, a.State, a.Severity, a.Count, len(a.Findings), len(a.Actions))
	}
	for _, r := range s.Trust() {
		fmt.Fprintln(&b, r.ID, r.Who, r.Reason)
	}
	fmt.Fprintln(&b, s.Setting("paused_until"))
	return b.String()
}

// fixture is a state folder with that database.
func fixture(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wormbell.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func userVersion(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("PRAGMA user_version").Scan(&n); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return n
}

// TestUpAndDown: every past version goes up to this one, and this one to a later;
// an agent of the old version then finds what it had, and nothing is lost when it
// goes up again.
func TestUpAndDown(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return t0 }
	for _, name := range fixtures(t) {
		var from int
		if _, err := fmt.Sscanf(filepath.Base(name), "v%d.db", &from); err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			dir := fixture(t, name)
			known := alert.Schemas()
			later := append(append([]string{}, known...), "CREATE TABLE more (x INTEGER); DROP TABLE trust;"+
				"CREATE TABLE trust (id TEXT PRIMARY KEY, row TEXT NOT NULL, y INTEGER) WITHOUT ROWID;")
			s := open(t, alert.Config{Dir: dir, Now: now})
			was := holds(s)
			if p := s.Problems(); len(p) > 0 || !strings.Contains(was, "v3998gu5") {
				t.Fatalf("%q\n%s", p, was)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "wormbell.db")
			for v := 1; v < len(known); v++ {
				copied := fmt.Sprintf("%s.v%d", path, v)
				info, err := os.Stat(copied)
				switch {
				case v < from && err == nil:
					t.Errorf("%s: there never was that version", copied)
				case v < from:
				case err != nil || info.Mode() != 0o600 || userVersion(t, copied) != v:
					t.Errorf("%s: %v %v", copied, info, err)
				}
			}

			newer, err := alert.OpenWith(alert.Config{Dir: dir, Now: now}, later)
			if err != nil {
				t.Fatal(err)
			}
			if len(newer.Trust()) != 0 {
				t.Fatal("the later version was not to have trust rows")
			}
			if err := newer.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, alert.Config{Dir: dir, Now: now})
			if d := cmp.Diff(holds(s), was); d != "" {
				t.Errorf("the older agent lost something (-got +want):\n%s", d)
			}
			if p := s.Problems(); len(p) != 1 || !strings.Contains(p[0], "written by a newer version") || !strings.Contains(p[0], "the copy taken back") {
				t.Errorf("problems %q", p)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			aside, err := filepath.Glob(path + ".newer-*")
			if err != nil || len(aside) != 1 || userVersion(t, aside[0]) != len(later) {
				t.Errorf("set aside: %q %v", aside, err)
			}
			if n := userVersion(t, path); n != len(known) {
				t.Errorf("it is of version %d", n)
			}
			// Up again: the copy was used up, so a new one is made.
			if newer, err = alert.OpenWith(alert.Config{Dir: dir, Now: now}, later); err != nil {
				t.Fatal(err)
			}
			if err := newer.Close(); err != nil {
				t.Fatal(err)
			}
			if n := userVersion(t, fmt.Sprintf("%s.v%d", path, len(known))); n != len(known) {
				t.Errorf("the copy is of version %d", n)
			}
		})
	}
}

// TestMuchOlder: an agent that is two versions behind takes the copy of its own.
func TestMuchOlder(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return t0 }
	dir := fixture(t, "testdata/v1.db")
	known := alert.Schemas()
	first, err := alert.OpenWith(alert.Config{Dir: dir, Now: now}, append(append([]string{}, known...), "CREATE TABLE more (x INTEGER);"))
	if err != nil {
		t.Fatal(err)
	}
	rows := len(first.Trust())
	if err := first.Close(); err != nil || rows == 0 {
		t.Fatal(err, rows)
	}
	old, err := alert.OpenWith(alert.Config{Dir: dir, Now: now}, known[:1])
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	// What this version asks of an alert that one does not know: only the rows can be compared.
	if n := userVersion(t, filepath.Join(dir, "wormbell.db")); n != 1 {
		t.Errorf("it is of version %d", n)
	}
}

// TestNoCopyNoChange: where no copy can be made, the database stays as it is.
func TestNoCopyNoChange(t *testing.T) {
	t.Parallel()
	dir := fixture(t, "testdata/v1.db")
	path := filepath.Join(dir, "wormbell.db")
	if err := os.MkdirAll(path+".v1.new/in the way", 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, alert.Config{Dir: dir, Now: func() time.Time { return t0 }})
	if p := s.Problems(); len(p) != 1 || !strings.Contains(p[0], "kept in memory only") {
		t.Errorf("problems %q", p)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := userVersion(t, path); n != 1 {
		t.Errorf("it was brought to version %d", n)
	}
}

// TestFreshHasNoCopies: a database that is made has nothing to go back to.
func TestFreshHasNoCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, alert.Config{Dir: dir})
	if list, err := filepath.Glob(filepath.Join(dir, "wormbell.db.v*")); err != nil || len(list) > 0 {
		t.Errorf("%q %v", list, err)
	}
}

// TestOldCopiesGo: copies hold alerts and are kept no longer than these.
func TestOldCopiesGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"wormbell.db.v1": 91 * 24 * time.Hour, "wormbell.db.v2": 89 * 24 * time.Hour, "wormbell.db.vx": 91 * 24 * time.Hour,
		"wormbell.db.corrupt-20251201T000000": 91 * 24 * time.Hour, "wormbell.db.corrupt-20251201T000000-wal": 91 * 24 * time.Hour,
		"wormbell.db.newer-20251201T000000-2": 91 * 24 * time.Hour, "wormbell.db.newer-20260201T000000": 89 * 24 * time.Hour, "wormbell.db.mine": 91 * 24 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, t0, t0.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	open(t, alert.Config{Dir: dir, Now: func() time.Time { return t0 }})
	for name, stays := range map[string]bool{"wormbell.db.v1": false, "wormbell.db.v2": true, "wormbell.db.vx": true,
		"wormbell.db.corrupt-20251201T000000": false, "wormbell.db.corrupt-20251201T000000-wal": false,
		"wormbell.db.newer-20251201T000000-2": false, "wormbell.db.newer-20260201T000000": true, "wormbell.db.mine": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}
