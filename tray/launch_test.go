//go:build unix

package tray_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/internal/executable"
	"wormbell/tray"
)

// script makes a program and returns its path, and a file that it may write.
func script(t *testing.T, text string) (program, out string) {
	t.Helper()
	dir := t.TempDir()
	program, out = filepath.Join(dir, "wormbell"), filepath.Join(dir, "out")
	if err := executable.Write(program, "#!/bin/sh\nout="+out+"\n"+text+"\n"); err != nil {
		t.Fatal(err)
	}
	return program, out
}

// long is how long a program may take here, however busy the machine is.
const long = 5 * time.Minute

func TestDashboard(t *testing.T) {
	t.Parallel()
	program, out := script(t, `printf '%s|' "$@" >"$out"`)
	p := tray.Programs{Wormbell: program, Socket: "/run/s.sock", Wait: long}
	if err := p.Dashboard(t.Context(), "/alerts/abcd2345/respond"); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(out); string(b) != "--socket|/run/s.sock|dashboard|--open|/alerts/abcd2345/respond|" {
		t.Errorf("%s", b)
	}

	// What it says against it is told, and is fit to be seen.
	p.Wormbell, _ = script(t, `printf 'no browser \033[2J can be opened\nhint: more\n' >&2; exit 2`)
	if err := p.Dashboard(t.Context(), "/"); err == nil || !strings.Contains(err.Error(), `no browser \x1b[2J can be opened`) || strings.Contains(err.Error(), "hint") {
		t.Errorf("%v", err)
	}
	p.Wormbell, _ = script(t, `exit 3`)
	if err := p.Dashboard(t.Context(), "/"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	p.Wormbell = filepath.Join(t.TempDir(), "none")
	if err := p.Dashboard(t.Context(), "/"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestTerminal: the command in the terminal is this program, which waits after it.
func TestTerminal(t *testing.T) {
	if tray.HasTerminal(func(string) (string, error) { return "", exec.ErrNotFound }) {
		t.Error("there is a terminal where there is none")
	}
	emulator, out := script(t, `printf '%s|' "$@" >"$out"`)
	if err := os.Rename(emulator, filepath.Join(filepath.Dir(emulator), "x-terminal-emulator")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(emulator))
	p := tray.Programs{Self: "/usr/bin/wormbell-tray", Wait: long}
	err := p.Terminal(t.Context(), "respond", "abcd2345")
	if !tray.HasTerminal(exec.LookPath) { // this system knows no such program
		if err == nil {
			t.Error("no terminal, and no error")
		}
		t.Skip("needs a system where x-terminal-emulator opens terminals")
	}
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(out); string(b) != "-e|/usr/bin/wormbell-tray|in-terminal|respond|abcd2345|" {
		t.Errorf("%s", b)
	}
}

// TestBeside: the program that lies beside this one goes before one in PATH.
func TestBeside(t *testing.T) {
	program, _ := script(t, "exit 0")
	t.Setenv("PATH", filepath.Dir(program))
	if got, err := tray.Beside("/nowhere/wormbell-tray", "wormbell"); err != nil || got != program {
		t.Errorf("%q %v", got, err)
	}
	other, _ := script(t, "exit 0")
	link := filepath.Join(t.TempDir(), "wormbell-tray") // a link, as packages make them
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	if got, err := tray.Beside(link, "wormbell"); err != nil || filepath.Base(got) != "wormbell" || filepath.Dir(got) == filepath.Dir(program) {
		t.Errorf("%q %v", got, err)
	}
	if _, err := tray.Beside("/nowhere/wormbell-tray", "no-such-program"); err == nil {
		t.Error("found what is nowhere")
	}
}

// TestGoesOn: what goes on running has been started, and is left alone.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	end := filepath.Join(dir, "end")
	if err := syscall.Mkfifo(end, 0o600); err != nil {
		t.Fatal(err)
	}
	program, out := script(t, `read -r word <'`+end+`'; printf '%s' "$word" >"$out.part"; mv "$out.part" "$out"`)
	if err := (tray.Programs{Wormbell: program, Wait: time.Millisecond}).Dashboard(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(end, os.O_WRONLY, 0) // waits for who reads
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("on\n"); err != nil {
		t.Error(err)
	}
	f.Close()
	for deadline := time.Now().Add(long); ; time.Sleep(5 * time.Millisecond) {
		if b, err := os.ReadFile(out); err == nil && string(b) == "on" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not go on")
		}
	}
}
