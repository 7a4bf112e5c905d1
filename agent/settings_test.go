package agent

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/agent/settings"
)

// TestHomesOfAFile: the same file goes to many machines, so a home that is not
// there is told, and no reason to guard nothing. On the command line it is an
// error.
func TestHomesOfAFile(t *testing.T) {
	t.Parallel()
	there := t.TempDir()
	for _, tt := range []struct {
		name  string
		from  string
		given []string
		want  int // homes; -1 for those that are found
		told  int
		fails bool
	}{
		{"a file's", "/etc/wormbell/config.toml", []string{there}, 1, 0, false},
		{"one of a file's is missing", "/etc/wormbell/config.toml", []string{there, "/nonexistent/ann"}, 1, 1, false},
		{"all of a file's are missing", "/etc/wormbell/config.toml", []string{"/nonexistent/ann"}, -1, 2, false},
		{"a flag's", "--home", []string{there}, 1, 0, false},
		{"a flag's is missing", "--home", []string{there, "/nonexistent/ann"}, 0, 0, true},
	} {
		s := newSet(Options{Settings: &settings.Settings{From: map[string]string{"homes": tt.from}}}, Config{})
		list, err := s.homes(tt.given)
		found, _ := newFolders().homes(nil, nil)
		want := tt.want
		if want < 0 {
			want = len(found)
		}
		if (err != nil) != tt.fails || len(list) != want || len(s.problems) != tt.told {
			t.Errorf("%s: %v, %v, told %q", tt.name, list, err, s.problems)
		}
		if s.found != (tt.want < 0) {
			t.Errorf("%s: that they were found is %v; of those, later ones are guarded, too", tt.name, s.found)
		}
		if tt.want < 0 && s.from.From["homes"] != "" {
			t.Errorf("%s: they are said to be from %q", tt.name, s.from.From["homes"])
		}
	}
}

// TestNotKept: that settings cannot be kept is told before it matters.
func TestNotKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte("log_level = 'warn'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	from, err := settings.Read(settings.Source{File: file})
	if err != nil || len(from.Files) != 1 {
		t.Fatal(err, from)
	}
	s := newSet(Options{Settings: from}, Config{})
	s.keep(filepath.Join(file, "below a file"), slog.New(slog.DiscardHandler))
	if len(s.problems) != 1 || !strings.Contains(s.problems[0], "could not be stood in for") {
		t.Errorf("told %q", s.problems)
	}
}

// TestRowsOfFiles: a row whose program others than root may write must say what
// that program is; one that says so of root's would never hold.
func TestRowsOfFiles(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the files must be root's")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "trust.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	sum := "sha256:" + strings.Repeat("ab", 32)
	var text strings.Builder
	for _, r := range []string{"system", "system digest", "mine", "mine digest", "mine gone", "mine gone digest", "system any"} {
		words := strings.Fields(r)
		text.WriteString("[[row]]\nstore = 'npm'\nwho = 'exe:/" + strings.TrimSuffix(strings.TrimSuffix(r, " digest"), " any") + "'\nreason = '" + r + "'\n")
		switch words[len(words)-1] {
		case "digest":
			text.WriteString("digest = '" + sum + "'\n")
		case "any":
			text.WriteString("under = 'any'\n")
		}
	}
	file := filepath.Join(dir, "trust.d", "a.toml")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSet(Options{}, Config{})
	s.readTrust(settings.Source{File: filepath.Join(dir, "config.toml"), Root: true}, func(who string, uid int) (string, error) {
		switch {
		case uid != 0:
			return "", errors.New("asked for a user")
		case strings.Contains(who, "gone"):
			return "", fs.ErrNotExist
		case strings.Contains(who, "mine"):
			return "sha256:" + strings.Repeat("cd", 32), nil // not what the row says: it may be again when it reads
		}
		return "", nil
	})
	var held []string
	for _, r := range s.rows {
		held = append(held, r.Reason)
		if r.By != "admin" || r.File != file {
			t.Errorf("row %+v", r)
		}
	}
	if want := []string{"system", "mine digest", "mine gone digest", "system any"}; !slices.Equal(held, want) {
		t.Errorf("rows %q, want %q", held, want)
	}
	told := strings.Join(s.problems, "\n")
	for _, want := range []string{`"exe:/system" with "npm" of "` + file + `" is left out: only root may write its program`, "so it needs its digest", "file does not exist"} {
		if !strings.Contains(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	}
	if len(s.problems) != 3 || len(s.notices) != 1 || !strings.Contains(s.notices[0], "which is a lot") {
		t.Errorf("problems %q, notices %q", s.problems, s.notices)
	}
}

// TestFileRowsStay: a row that somebody adds does not put out those of files.
func TestFileRowsStay(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	a := &agent{ctx: ctx, set: &set{rows: []wormbell.TrustRow{{ID: "file-a", By: "admin", File: "/a.toml"}}}, trust: detect.NewTrust(), calls: make(chan func())}
	var engine sync.WaitGroup
	engine.Go(func() {
		for {
			select {
			case do := <-a.calls:
				do()
			case <-ctx.Done():
				return
			}
		}
	})
	for _, mine := range [][]wormbell.TrustRow{{{ID: "abcd2345", By: "1000"}}, nil} {
		a.setTrust(mine)
		for _, want := range append([]wormbell.TrustRow{{ID: "file-a"}}, mine...) {
			if !slices.ContainsFunc(a.trust.Rows(), func(r wormbell.TrustRow) bool { return r.ID == want.ID }) {
				t.Errorf("row %s is not in the table", want.ID)
			}
		}
	}
	cancel()
	engine.Wait()
}

// TestSettingsTold: the agent's status and log say what is not in force, and the
// list of settings what is.
func TestSettingsTold(t *testing.T) {
	t.Parallel()
	from := &settings.Settings{Problems: []string{"settings: x"}, From: map[string]string{"protect": "/a.toml"}, Locks: map[string]string{"pause": "/a.toml"}}
	s := newSet(Options{Settings: from}, Config{})
	var log strings.Builder
	s.tell(slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), `level=ERROR msg=settings problem="settings: x"`) {
		t.Errorf("log %s", log.String())
	}
	if s.locked("pause") != "/a.toml" || s.locked("trust") != "" {
		t.Error("what is locked is not known")
	}
	get := func(list []wormbell.Setting, key string) wormbell.Setting {
		return list[slices.IndexFunc(list, func(x wormbell.Setting) bool { return x.Key == key })]
	}
	list := s.list(Config{Protect: true}, false)
	if x := get(list, "protect"); x.From != "/a.toml" || x.Value != true {
		t.Errorf("protect: %+v", x)
	}
	if x := get(list, "log_level"); x.Value != "info" || x.From != wormbell.FromDefault {
		t.Errorf("log_level: %+v", x)
	}
	if x := get(s.list(Config{}, true), "protect"); x.From != wormbell.FromCall || x.Value != false {
		t.Errorf("protect, switched: %+v", x)
	}
}
