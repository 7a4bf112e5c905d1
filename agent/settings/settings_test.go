package settings_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wormbell"
	"wormbell/agent/settings"
)

// place is a folder of settings in a test.
type place struct {
	t   *testing.T
	dir string
}

func newPlace(t *testing.T) place {
	t.Helper()
	return place{t, t.TempDir()}
}

func (p place) source() settings.Source {
	return settings.Source{File: filepath.Join(p.dir, "config.toml"), Kept: filepath.Join(p.dir, "state"), Root: os.Geteuid() == 0}
}

// put writes a file below the folder.
func (p place) put(name, text string) string {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func (p place) read() *settings.Settings {
	p.t.Helper()
	s, err := settings.Read(p.source())
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// asRoot skips a test of what only root's agent does.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: files must be root's")
	}
}

func wantProblem(t *testing.T, problems []string, parts ...string) {
	t.Helper()
	if len(problems) != 1 {
		t.Fatalf("problems %q, want one", problems)
	}
	for _, part := range parts {
		if !strings.Contains(problems[0], part) {
			t.Errorf("problem %q does not say %q", problems[0], part)
		}
	}
}

// TestContents: what a file may say. It is the same for a file that an
// administrator tries before pushing it.
func TestContents(t *testing.T) {
	t.Parallel()
	asRoot(t)
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"all", "homes = ['/home/ann']\nstores = []\nrefuse_backends = ['fanotify']\nstate = '/x'\nsocket = '/y'\nlog_level = 'debug'\nprotect = true\nlocked = ['homes', 'pause']\n", ""},
		{"mode", "mode = 'protect'\n", ""},
		{"mode and protect", "mode = 'observe'\nprotect = false\n", ""},
		{"mode against protect", "mode = 'observe'\nprotect = true\n", `mode says "observe", and protect = true the opposite`},
		{"no mode", "mode = 'protct'\n", `mode: no "protct"; did you mean "protect"?`},
		{"byte order mark", "\xef\xbb\xbfprotect = true\n", ""},
		{"unknown key", "hommes = ['/home/ann']\n", `no key "hommes"; did you mean "homes"?`},
		{"unknown key in a table", "[stores]\nnpm = true\n", "stores"},
		{"unknown backend", "refuse_backends = ['fanotfy']\n", `no "fanotfy"; did you mean "fanotify"?`},
		{"unknown store", "stores = ['nqm']\n", `did you mean "npm"?`},
		{"unknown level", "log_level = 'loud'\n", "log_level"},
		{"relative home", "homes = ['ann']\n", "not an absolute path"},
		{"relative state", "state = 'x'\n", "not an absolute path"},
		{"relative socket", "socket = 'x'\n", "not an absolute path"},
		{"wrong type", "homes = 1\n", "homes"},
		{"not TOML", "homes = [", "toml"},
		{"unknown lock", "locked = ['pauze']\n", `no "pauze"; did you mean "pause"?`},
		{"a lock of the locks", "locked = ['locked']\n", `no "locked"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			file := p.put("config.toml", tt.text)
			err := settings.CheckFile(file)
			named := p.source()
			named.Named = true
			_, nerr := settings.Read(named)
			if tt.want == "" {
				if err != nil || nerr != nil {
					t.Errorf("CheckFile: %v, Read: %v", err, nerr)
				}
				return
			}
			for _, err := range []error{err, nerr} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want an error that says %s", err, tt.want)
				}
			}
			// Found and not named, it is told, and the agent starts.
			wantProblem(t, p.read().Problems, tt.want, file, "nothing that it says is in force")
		})
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if s := p.read(); len(s.Problems) > 0 || len(s.Files) > 0 {
		t.Errorf("no files: %+v", s)
	}
	src := p.source()
	src.Named = true
	if _, err := settings.Read(src); err == nil {
		t.Error("a file that was asked for and does not exist is no error")
	}
	src.File = "/dev/zero"
	if _, err := settings.Read(src); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a device as settings: %v", err)
	}
	if s, err := settings.Read(settings.Source{}); err != nil || len(s.From) > 0 {
		t.Errorf("nowhere to look: %v", err)
	}
}

// TestOrder: the last file that sets a key wins, by the bytes of the names.
func TestOrder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	main := p.put("config.toml", "log_level = 'debug'\nstores = ['ssh']\nprotect = true\n")
	p.put("conf.d/9.toml", "stores = ['aws', 'ssh']\nlog_level = 'error'\n")
	ten := p.put("conf.d/10.toml", "stores = ['gcloud']\nlog_level = 'warn'\n")
	last := p.put("conf.d/Ä.toml", "stores = []\n")
	for _, other := range []string{"conf.d/a.toml.dpkg-new", "conf.d/.a.toml", "conf.d/README", "conf.d/x.tom"} {
		p.put(other, "nonsense")
	}
	s := p.read()
	if len(s.Problems) > 0 || s.LogLevel != "error" || len(s.Stores) != 0 || !s.Protect {
		t.Errorf("got %+v", s)
	}
	want := map[string]string{"log_level": filepath.Join(p.dir, "conf.d/9.toml"), "stores": last, "protect": main}
	if !reflect.DeepEqual(s.From, want) {
		t.Errorf("from %v, want %v", s.From, want)
	}
	if want := []string{main, ten, filepath.Join(p.dir, "conf.d/9.toml"), last}; !slices.Equal(s.Files, want) {
		t.Errorf("files %q, want %q", s.Files, want)
	}
}

// TestSpoiled: what a file said when it was good holds when it is spoiled, and
// goes when it is taken away.
func TestSpoiled(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.put("config.toml", "log_level = 'warn'\n")
	fleet := p.put("conf.d/50-fleet.toml", "stores = ['ssh']\nlog_level = 'error'\n")
	p.put("conf.d/60-more.toml", "protect = true\n")
	s := p.read()
	if err := s.Keep(p.source().Kept); err != nil {
		t.Fatal(err)
	}
	good := s.Config
	for i, spoil := range []func(){
		func() { p.put("conf.d/50-fleet.toml", "stroes = ['ssh']\n") },
		func() {
			if err := os.Remove(fleet); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(fleet, 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		spoil()
		s = p.read()
		wantProblem(t, s.Problems, fleet, "what it said when it was last good holds")
		if !reflect.DeepEqual(s.Config, good) || s.From["log_level"] != fleet {
			t.Errorf("spoiled in way %d: got %+v, want %+v", i, s.Config, good)
		}
		// Started again and again, it is still known.
		if err := s.Keep(p.source().Kept); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(fleet); err != nil {
		t.Fatal(err)
	}
	s = p.read()
	if len(s.Problems) > 0 || len(s.Stores) > 0 || s.LogLevel != "warn" || !s.Protect {
		t.Errorf("taken away: %+v", s)
	}
	if err := s.Keep(p.source().Kept); err != nil {
		t.Fatal(err)
	}
	p.put("conf.d/50-fleet.toml", "nonsense")
	s = p.read()
	wantProblem(t, s.Problems, "nothing that it says is in force")
	if len(s.Stores) > 0 {
		t.Error("what was taken away came back")
	}
}

// TestKeptIsDoubted: what is kept is read like anything else.
func TestKeptIsDoubted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	file := p.put("config.toml", "nonsense")
	encoded := func(version int, text string) string {
		b, err := json.Marshal(map[string]any{"version": version, "files": []map[string]string{{"path": file, "text": text}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, kept := range map[string]string{
		"garbage":      "\x00",
		"of tomorrow":  encoded(2, "protect = true"),
		"not settings": encoded(1, "protect = 'x'"),
		"too long":     encoded(1, "protect = true\n#"+strings.Repeat("x", 5<<20)),
	} {
		p.put("state/settings-in-force.json", kept)
		s := p.read()
		if s.Protect {
			t.Errorf("%s: taken for settings", name)
		}
		wantProblem(t, s.Problems, "nothing that it says is in force")
	}
	p.put("state/settings-in-force.json", encoded(1, "protect = true"))
	if !p.read().Protect {
		t.Error("what is kept was not taken")
	}
	os.Remove(file)
	if err := p.read().Keep(p.source().Kept); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "state/settings-in-force.json")); err == nil {
		t.Error("what holds no more is still kept")
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	asRoot(t)
	p := newPlace(t)
	p.put("config.toml", "stores = ['aws']\nlog_level = 'debug'\n")
	fleet := p.put("conf.d/50-fleet.toml", "stores = ['ssh']\nlocked = ['stores', 'protect', 'pause']\n")
	late := p.put("conf.d/90-mine.toml", "stores = []\nlog_level = 'warn'\nlocked = ['homes', 'stores']\n")
	s := p.read()
	wantProblem(t, s.Problems, late, `"stores"`, fleet)
	if !slices.Equal(s.Stores, []string{"ssh"}) || s.LogLevel != "warn" {
		t.Errorf("got %+v", s.Config)
	}
	if want := map[string]string{"stores": fleet, "protect": fleet, "pause": fleet, "homes": late}; !reflect.DeepEqual(s.Locks, want) {
		t.Errorf("locks %v, want %v", s.Locks, want)
	}
	// A flag is root's word, too; it is shown.
	s.Protect = true
	s.Flag("protect", "--protect")
	got := map[string]wormbell.Setting{}
	for _, x := range s.List(s.Config) {
		got[x.Key] = x
	}
	for key, want := range map[string]wormbell.Setting{
		"homes":     {Key: "homes", Value: []string{}, From: "default", Locked: true, LockedBy: late},
		"stores":    {Key: "stores", Value: []string{"ssh"}, From: fleet, Locked: true, LockedBy: fleet},
		"log_level": {Key: "log_level", Value: "warn", From: late},
		"protect":   {Key: "protect", Value: true, From: "--protect", Locked: true, LockedBy: fleet},
		"pause":     {Key: "pause", Value: "refused", From: fleet, Locked: true, LockedBy: fleet},
		"mute":      {Key: "mute", Value: "allowed", From: "default"},
	} {
		if !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s: %+v, want %+v", key, got[key], want)
		}
	}
	if len(got) != reflect.TypeFor[settings.Config]().NumField()-2+len(settings.Acts) {
		t.Errorf("%d settings are listed", len(got))
	}
	// A spoiled file's locks hold on.
	if err := s.Keep(p.source().Kept); err != nil {
		t.Fatal(err)
	}
	p.put("conf.d/50-fleet.toml", "locked = []\nx = 1\n")
	if s := p.read(); s.Locks["pause"] != fleet {
		t.Errorf("a spoiled file unlocked: %v", s.Locks)
	}
}

// TestUsersDoNotLock: an agent of a user's own is the user's.
func TestUsersDoNotLock(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.put("config.toml", "locked = ['pause']\n")
	src := p.source()
	src.Root = false
	s, err := settings.Read(src)
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, s.Problems, "only the administrator's files lock")
	if len(s.Locks) > 0 {
		t.Errorf("locks %v", s.Locks)
	}
}

func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for i := range 70 {
		p.put(fmt.Sprintf("conf.d/%02d.toml", i), "log_level = 'warn'\n")
	}
	s := p.read()
	wantProblem(t, s.Problems, "64.toml", "more than 64 files")
	if len(s.Files) != 64 {
		t.Errorf("%d files are in force", len(s.Files))
	}
}
