package persistence_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"wormbell/agent/respond/persistence"
)

// site is the token service of the tests; nothing is ever sent there.
const site = "tokens.example.com"

// machine is a home in a temporary folder, with a system around it in which
// nothing runs.
type machine struct {
	t       *testing.T
	root    string
	home    string
	crontab string
	ran     []string // programs of the system's that were asked for, with their arguments
	answers map[string]string
	failing map[string]error
	config  persistence.Config

	sessions []int // of the processes that the test has started
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, root: root, home: filepath.Join(root, "home/dev"), answers: map[string]string{}, failing: map[string]error{}}
	for _, dir := range []string{"home/dev", "proc/self/net", "usr/bin", "tmp", "var/tmp", "dev/shm"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sh", "bash", "python3", "node", "curl", "env", "nohup", "syncthing", "gpg-agent", "ssh-agent", "slack", "discord", "rsync", "pipewire", "tailscale", "bun", "git", "npx", "gh", "tar", "["} {
		m.write(filepath.Join(root, "usr/bin", name), "\x7fELF\x00 a program of the system's")
	}
	m.write(filepath.Join(root, "proc/stat"), fmt.Sprintf("btime %d\n", time.Now().Add(-10*time.Minute).Unix()))
	m.config = persistence.Config{Home: m.home, State: filepath.Join(root, "state"), Root: root, Sites: []string{site}, UID: 4242, Run: m.run}
	return m
}

// run answers for the system's programs.
func (m *machine) run(_ context.Context, stdin []byte, name string, args ...string) ([]byte, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	m.ran = append(m.ran, line)
	if err := m.failing[line]; err != nil {
		return nil, err
	}
	switch {
	case line == "crontab -l" && m.crontab == "":
		return []byte("no crontab for dev\n"), errors.New("exit status 1")
	case line == "crontab -l":
		return []byte(m.crontab), nil
	case line == "crontab -":
		m.crontab = string(stdin)
		return nil, nil
	}
	if strings.HasPrefix(line, "schtasks /Change ") || strings.HasPrefix(line, "schtasks /End ") || strings.HasPrefix(line, "reg delete ") || strings.HasPrefix(line, "reg add ") {
		return nil, nil
	}
	if a, ok := m.answers[line]; ok {
		return []byte(a), nil
	}
	return nil, fmt.Errorf("run %q: %w", name, exec.ErrNotFound)
}

// put writes files; a name that begins with / is below the root, another one
// in the home.
func (m *machine) put(files map[string]string) {
	m.t.Helper()
	for name, text := range files {
		m.write(m.path(name), text)
	}
}

func (m *machine) path(name string) string {
	if strings.HasPrefix(name, "/") {
		return m.root + name
	}
	return filepath.Join(m.home, name)
}

func (m *machine) write(p, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		m.t.Fatal(err)
	}
	// Never executable: these files are read and nothing else.
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) link(to, name string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(to, m.path(name)); err != nil {
		m.t.Fatal(err)
	}
}

// young makes all that is there younger than the incident.
func (m *machine) young() { m.config.Since = time.Now().Add(-time.Hour) }

// old makes it older.
func (m *machine) old() { m.config.Since = time.Now().Add(time.Hour) }

// tick makes what comes now younger than the incident, and what is there older.
func (m *machine) tick() {
	m.t.Helper()
	// File systems stamp with a clock that moves a few times a second.
	for deadline := time.Now().Add(5 * time.Second); ; {
		p := filepath.Join(m.root, "clock")
		m.write(p, "")
		a, err := os.Stat(p)
		if err != nil {
			m.t.Fatal(err)
		}
		if m.config.Since.IsZero() {
			m.config.Since = a.ModTime().Add(time.Nanosecond)
		}
		if a.ModTime().After(m.config.Since) {
			m.config.Since = a.ModTime()
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatal("the file system's clock stands still")
		}
	}
}

func (m *machine) look() persistence.Report {
	m.t.Helper()
	r, err := persistence.Look(m.t.Context(), m.config)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// blocking looks and wants something to block, of this kind.
func (m *machine) blocking(what string) persistence.Trap {
	m.t.Helper()
	r := m.look()
	for _, f := range r.Blocking() {
		if f.What == what {
			return f
		}
	}
	m.t.Fatalf("no %s blocks:\n%s", what, strings.Join(r.Summary(), "\n"))
	return persistence.Trap{}
}

// quiet looks and wants nothing to block.
func (m *machine) quiet() persistence.Report {
	m.t.Helper()
	r := m.look()
	if b := r.Blocking(); len(b) > 0 {
		m.t.Errorf("it blocks:\n%s", strings.Join(r.Summary(), "\n"))
	}
	return r
}

// word makes a name that no list can hold.
func word() string {
	var b strings.Builder
	for range 2 + rand.IntN(3) {
		b.WriteByte("bcdfghklmnprstvz"[rand.IntN(16)])
		b.WriteByte("aeiou"[rand.IntN(5)])
	}
	return b.String()
}

// hidden is a random hidden folder of the home.
func hidden() string {
	return []string{".local/share/", ".config/", ".cache/", ".local/lib/", ".", ".local/bin/."}[rand.IntN(6)] + word()
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func unit(command string, more ...string) string {
	return "[Unit]\nDescription=" + word() + "\n\n[Service]\nType=simple\nExecStart=" + command + "\n" + strings.Join(more, "\n") + "\n\n[Install]\nWantedBy=default.target\n"
}

// backdate sets a file's times, as touch -d does.
func backdate(t *testing.T, p string, when time.Time) {
	t.Helper()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system's change times are not read")
	}
	if err := os.Chtimes(p, when, when); err != nil {
		t.Fatal(err)
	}
}
