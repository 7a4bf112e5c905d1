package notify_test

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// screen is what a terminal showed.
type screen struct {
	tty string
	pty *os.File

	mu   sync.Mutex // guards text
	text strings.Builder
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// terminal starts a program that leads the session of a terminal of its own.
func terminal(t *testing.T, columns uint16, name string, args ...string) *screen {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PS1=prompt> ", "ENV=", "TERM=xterm", "HISTFILE=")
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("needs a terminal: %v", err)
	}
	if err := errors.Join(pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: columns}), os.Chmod(slave.Name(), 0o620)); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &screen{tty: slave.Name(), pty: master}
	slave.Close()
	read := make(chan struct{})
	go func() { // until the terminal is closed, for which the cleanup waits
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s %q shows %q", name, args, s.String())
		}
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it started in its group
		cmd.Process.Kill()
		cmd.Wait()
		master.Close()
		<-read
	})
	return s
}

// onTerminals is a notifier in a session without a bus, which writes to some
// terminals only: the tester's are none of its business.
func onTerminals(t *testing.T, tag language.Tag, on ...*screen) notify.Notifier {
	t.Helper()
	return openFor(t, notify.Only(notify.Config{Words: words.In(tag), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Bus: "unix:path=/nonexistent"},
		func(tty string) bool {
			for _, s := range on {
				if s.tty == tty {
					return true
				}
			}
			return false
		}))
}

func TestTerminals(t *testing.T) {
	t.Parallel()
	shell := terminal(t, 80, "bash", "--norc", "--noprofile", "-i")
	installing := terminal(t, 80, "sh", "-c", "echo working; exec sleep 3600")
	full := terminal(t, 80, "sh", "-c", "stty raw -echo; echo raw; exec sleep 3600")
	closed := terminal(t, 80, "bash", "--norc", "--noprofile", "-i")
	for _, s := range []*screen{shell, closed} {
		await(t, "the prompt", func() bool { return strings.Contains(s.String(), "prompt>") })
	}
	await(t, "the other programs", func() bool {
		return strings.Contains(installing.String(), "working") && strings.Contains(full.String(), "raw")
	})
	if err := os.Chmod(closed.tty, 0o600); err != nil { // mesg n
		t.Fatal(err)
	}
	n := onTerminals(t, language.English, shell, installing, full, closed)
	if n.Buttons() || n.Name() != "terminals" {
		t.Errorf("%q, buttons %v", n.Name(), n.Buttons())
	}
	notice := first(t, language.English, hostile())
	if err := n.Show(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*screen{shell, installing} {
		await(t, "the notice", func() bool { return strings.Contains(s.String(), "wormbell alert show hostile1\r\n") })
		got := s.String()
		got = got[strings.Index(got, "\a"):]
		line, rest, _ := strings.Cut(strings.TrimPrefix(got, "\a\r\n"), "\r\n")
		if !strings.HasPrefix(line, "Wormbell, critical: ") || len([]rune(line)) >= 160 || !strings.HasSuffix(line, "…") ||
			strings.ContainsAny(line+rest, "\u202e\x1b") && s == installing {
			t.Errorf("%q", got)
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("%q", line)
		}
	}
	for _, s := range []*screen{full, closed} {
		if strings.Contains(s.String(), "Wormbell") {
			t.Errorf("%q", s.String())
		}
	}

	// A high one does not ring; Japanese takes two columns a character.
	n = onTerminals(t, language.Japanese, installing)
	if err := n.Show(t.Context(), first(t, language.Japanese, alert("alert--j", wormbell.High, start))); err != nil {
		t.Fatal(err)
	}
	await(t, "the notice in Japanese", func() bool { return strings.Contains(installing.String(), "wormbell alert show alert--j\r\n") })
	if got := installing.String(); strings.Count(got, "\a") != 1 || !strings.Contains(got, "Wormbell（高）") {
		t.Errorf("%q", got)
	}

	if err := onTerminals(t, language.English, full, closed).Show(t.Context(), notice); !errors.Is(err, notify.ErrNone) {
		t.Errorf("with no terminal that takes messages: %v", err)
	}
}

// TestTerminalOfOthers: nothing is written to what is another user's.
func TestTerminalOfOthers(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	s := terminal(t, 80, "sh", "-c", "echo working; exec sleep 3600")
	await(t, "the program", func() bool { return strings.Contains(s.String(), "working") })
	n := onTerminals(t, language.English, s)
	if err := os.Chown(s.tty, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if err := n.Show(t.Context(), sample); !errors.Is(err, notify.ErrNone) {
		t.Errorf("%v", err)
	}
	if err := os.Chown(s.tty, 0, -1); err != nil {
		t.Fatal(err)
	}
	if err := n.Show(t.Context(), sample); err != nil {
		t.Error(err)
	}
}

// TestTerminalHeld: a terminal that nobody reads holds nobody.
func TestTerminalHeld(t *testing.T) {
	t.Parallel()
	s := terminal(t, 80, "sh", "-c", "echo working; exec sleep 3600")
	await(t, "the program", func() bool { return strings.Contains(s.String(), "working") })
	if _, err := s.pty.WriteString("\x13"); err != nil { // ^S
		t.Fatal(err)
	}
	n := onTerminals(t, language.English, s)
	await(t, "an error", func() bool { return n.Show(t.Context(), sample) != nil })
}

// TestFallsOver: notices go to the terminals while there is no daemon.
func TestFallsOver(t *testing.T) {
	t.Parallel()
	s := terminal(t, 80, "sh", "-c", "echo working; exec sleep 3600")
	await(t, "the program", func() bool { return strings.Contains(s.String(), "working") })
	b := startBus(t)
	n := openFor(t, notify.Only(noTerminals(b.address), func(tty string) bool { return tty == s.tty }))
	count := func() int { return strings.Count(s.String(), "wormbell alert show sample-1") }
	for round := range 2 {
		if err := n.Show(t.Context(), sample); err != nil {
			t.Fatal(err)
		}
		await(t, "the lines", func() bool { return count() == round+1 })
		daemon := b.serve(t, "actions")
		if err := n.Show(t.Context(), sample); err != nil {
			t.Fatal(err)
		}
		if got := daemon.last(t); got.summary == "" {
			t.Errorf("%+v", got)
		}
		if !n.Buttons() {
			t.Error("no buttons")
		}
		if err := daemon.conn.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, "the daemon to be gone", func() bool { return n.Name() == "terminals" })
	}
	if got := count(); got != 2 {
		t.Errorf("written %d times", got)
	}
}
