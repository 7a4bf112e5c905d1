//go:build unix

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell/agent/client"
	"wormbell/installer"
)

// guardable is a machine in a folder, whose service manager does what it is told.
func guardable(t *testing.T) (m *installer.Machine, runs *bool) {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "usr/local/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	runs = new(bool)
	ok := func(context.Context) error { return nil }
	set := func(v bool) func(context.Context) error { return func(context.Context) error { *runs = v; return nil } }
	return &installer.Machine{
		OS: "linux", Root: root, Manager: true, State: "/var/lib/wormbell",
		Owner: func(context.Context, string) (string, error) { return "", nil },
		Service: installer.Service{Reload: ok, Enable: ok, Disable: ok, Start: set(true), Stop: set(false),
			Look: func(context.Context) (installer.State, error) {
				s := installer.State{Installed: *runs, Enabled: *runs, Active: "inactive"}
				if *runs {
					s.Active = "active"
				}
				return s, nil
			}},
		Agent: func(context.Context) (string, int, error) {
			if *runs {
				return "", 7, nil
			}
			return "", 0, errors.New("nobody listens")
		},
		Sessions: func(context.Context) ([]installer.Session, error) { return nil, nil },
		Build: func(program []byte) (*debug.BuildInfo, error) {
			return &debug.BuildInfo{Path: "wormbell/cmd/" + string(program), Main: debug.Module{Path: "wormbell"}}, nil
		},
		Vaults: func(context.Context) ([]installer.Vault, error) { return nil, nil },
		Now:    time.Now, Patience: time.Second, Settle: time.Millisecond,
	}, runs
}

// on runs one command line against a machine to install on.
func on(t *testing.T, m *installer.Machine, source string, args ...string) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{streams: Streams{strings.NewReader(""), &o, &e}, zone: time.UTC, target: m, source: source}
	status = a.run(t.Context(), args)
	return o.String(), e.String(), status
}

func TestInstall(t *testing.T) {
	t.Parallel()
	m, runs := guardable(t)
	source := t.TempDir()
	for _, name := range []string{"wormbelld", "wormbell"} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, status := on(t, m, source, "install", "--dry-run")
	if status != exitFine || errs != "" || *runs || !strings.Contains(out, "1. Make the folders /var/lib/wormbell") || !strings.Contains(out, "nothing will show in desktops") {
		t.Errorf("dry run: %d\n%s%s", status, out, errs)
	}
	if out, errs, status = on(t, m, source, "install"); status != exitCannot || *runs || !strings.Contains(errs, "nobody agreed to the plan\nhint: agree with --yes") {
		t.Errorf("with nobody there: %d\n%s%s", status, out, errs)
	}
	if out, errs, status = on(t, m, source, "install", "--yes", "--quiet"); status != exitFine || !*runs || out+errs != "" {
		t.Errorf("quietly: %d\n%s%s", status, out, errs)
	}
	for _, name := range []string{"bash-completion/completions/wormbell", "zsh/site-functions/_wormbell", "fish/vendor_completions.d/wormbell.fish"} {
		if b, err := os.ReadFile(filepath.Join(m.Root, "usr/local/share", name)); err != nil || !bytes.Contains(b, []byte("wormbell")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, errs, status = on(t, m, source, "install"); status != exitFine || !strings.Contains(out, "There is nothing to do.") {
		t.Errorf("the second time: %d\n%s%s", status, out, errs)
	}
	out, errs, status = on(t, m, source, "uninstall", "--purge", "--yes", "--json")
	var said struct {
		Version int
		Steps   []string
		Notes   []string
		Done    bool
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || status != exitFine || said.Version != 1 || !said.Done || len(said.Steps) < 3 || said.Notes == nil || *runs {
		t.Errorf("uninstall: %v %d\n%s%s", err, status, out, errs)
	}
	if out, errs, status = on(t, m, source, "uninstall"); status != exitCannot || !strings.Contains(errs, "wormbell: there is nothing on this machine that 'wormbell install' has put\nhint: ") {
		t.Errorf("the second uninstall: %d\n%s%s", status, out, errs)
	}
}

// TestInstallDryRunWithoutManager: where nothing starts services, the plan is
// shown all the same, and what is missing.
func TestInstallDryRunWithoutManager(t *testing.T) {
	t.Parallel()
	m, _ := guardable(t)
	m.Manager = false
	m.Service.AutostartTray = func(context.Context, string) error { return fmt.Errorf("systemctl: %w", installer.ErrNoTool) }
	m.Service.TrayStarts = func(context.Context) bool { return false }
	source := t.TempDir()
	for _, name := range []string{"wormbelld", "wormbell", "wormbell-tray"} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, status := on(t, m, source, "install", "--dry-run")
	words := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{"1. Make the folders /var/lib/wormbell", "Put the programs wormbelld, wormbell and wormbell-tray in /usr/local/bin.",
		"This would be done with --no-start; without it, nothing would be: no service manager", "have your init run 'wormbelld' as root", "'sudo wormbell run' tries it out in a terminal."} {
		if !strings.Contains(words, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if status != exitFine || errs != "" {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
	var said struct{ Steps, Notes []string }
	if out, errs, status = on(t, m, source, "install", "--dry-run", "--json"); json.Unmarshal([]byte(out), &said) != nil || status != exitFine || len(said.Steps) == 0 || !slices.ContainsFunc(said.Notes, func(n string) bool { return strings.Contains(n, "no service manager") }) {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
	if out, errs, status = on(t, m, source, "install", "--yes"); status != exitCannot || out != "" || !strings.Contains(errs, "hint: --no-start puts the files there") {
		t.Errorf("not only a plan: %d\n%s%s", status, out, errs)
	}
	// What the hint says must work: no systemctl is no reason to put it all back.
	if out, errs, status = on(t, m, source, "install", "--no-start", "--yes"); status != exitFine || errs != "" {
		t.Errorf("files alone: %d\n%s%s", status, out, errs)
	}
}

// TestUninstallVaults: without somebody who agrees, no vault is left behind.
func TestUninstallVaults(t *testing.T) {
	t.Parallel()
	m, runs := guardable(t)
	source := t.TempDir()
	for _, name := range []string{"wormbelld", "wormbell"} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, errs, status := on(t, m, source, "install", "--yes"); status != exitFine {
		t.Fatal(errs)
	}
	m.Vaults = func(context.Context) ([]installer.Vault, error) {
		return []installer.Vault{{User: "dev", Tokens: 2}}, nil
	}
	for _, args := range [][]string{{"uninstall"}, {"uninstall", "--yes"}, {"uninstall", "--purge", "--yes", "--json"}} {
		if out, errs, status := on(t, m, source, args...); status != exitCannot || !*runs || !strings.Contains(errs, "tokens are in the vault of dev (2)") || !strings.Contains(errs, "wormbell vault npm --restore") {
			t.Errorf("%q: %d\n%s%s", args, status, out, errs)
		}
	}
	if out, errs, status := on(t, m, source, "uninstall", "--dry-run"); status != exitFine || !*runs || !strings.Contains(strings.Join(strings.Fields(out), " "), "You are asked first") {
		t.Errorf("dry run: %d\n%s%s", status, out, errs)
	}
	m.Vaults = func(context.Context) ([]installer.Vault, error) {
		return []installer.Vault{{User: "dev", File: "/home/dev/.local/state/wormbell/vault.json", Broken: errors.New("it is no list")}}, nil
	}
	out, errs, status := on(t, m, source, "uninstall")
	const want = `wormbell: whether tokens are in the vault could not be told of dev ("/home/dev/.local/state/wormbell/vault.json": it is no list)
hint: "/home/dev/.local/state/wormbell/vault.json" is the list of dev's vault: that user can look into it, and mend or remove it
hint: 'wormbell uninstall --leave-vaults' goes on all the same: what is in a vault stays in that user's keychain
`
	if status != exitCannot || !*runs || errs != want {
		t.Errorf("with a broken list: %d\n%s%s", status, out, errs)
	}
	if out, errs, status := on(t, m, source, "uninstall", "--yes", "--leave-vaults"); status != exitFine || *runs {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
}

// TestWhyNone: what to do when no agent answers depends on the service.
func TestWhyNone(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const noManager = "hint: no service manager that Wormbell knows has started this machine: have what starts your programs run 'wormbelld' as root, and again whenever it ends\n" +
		"hint: or try it out in the foreground: 'sudo wormbell run' ('wormbell run' sees less)\nhint: 'wormbell doctor' says what this machine needs\n"
	for name, tc := range map[string]struct {
		state installer.State
		err   error
		want  string
	}{
		"no service manager": {installer.State{}, installer.ErrNoManager, noManager},
		"no systemctl":       {installer.State{}, fmt.Errorf("systemctl: %w", installer.ErrNoTool), noManager},
		"could not tell":     {installer.State{}, errors.New("systemctl: killed"), "hint: whether a service is installed could not be told: systemctl: killed\nhint: 'sudo wormbell install' installs or mends it\nhint: 'wormbell doctor' says what this machine needs\n"},
		"not installed":      {installer.State{Active: "inactive"}, nil, "hint: 'sudo wormbell install' installs and starts it\nhint: or try it out in the foreground: 'sudo wormbell run' ('wormbell run' sees less)\nhint: 'wormbell doctor' says what this machine needs\n"},
		"stopped":            {installer.State{Installed: true, Enabled: true, Active: "inactive", Since: since}, nil, "hint: the service is installed and stopped since 2026-01-02 03:04:05: 'sudo systemctl start wormbelld' starts it\nhint: 'wormbell doctor' says what this machine needs\n"},
		"disabled":           {installer.State{Installed: true, Active: "inactive"}, nil, "hint: the service is installed and stopped: 'sudo systemctl start wormbelld' starts it\nhint: it does not start at boot: 'sudo systemctl enable wormbelld' makes it\nhint: 'wormbell doctor' says what this machine needs\n"},
		"masked":             {installer.State{Installed: true, Masked: true, Active: "inactive"}, nil, "hint: an administrator has forbidden to start the service (it is masked)\nhint: 'sudo systemctl unmask wormbelld' allows it again, and 'sudo systemctl start wormbelld' starts it\n"},
		"failed":             {installer.State{Installed: true, Active: "failed", Result: "exit-code", Status: 2, Restarts: 5, Since: since}, nil, "hint: the service fails since 2026-01-02 03:04:05: its last run ended with exit status 2, and it was started again 5 times\nhint: 'journalctl -u wormbelld' says why\nhint: 'sudo systemctl start wormbelld' tries again\n"},
		"waits to be tried":  {installer.State{Installed: true, Active: "activating", Result: "watchdog", Restarts: 1}, nil, "hint: the service fails: its last run ended with watchdog, and it was started again once\nhint: 'journalctl -u wormbelld' says why\nhint: 'sudo systemctl start wormbelld' tries again\n"},
		"starts":             {installer.State{Installed: true, Active: "activating"}, nil, "hint: the service runs, and does not answer yet: try again in a few seconds\nhint: 'journalctl -u wormbelld' says what it does\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o, e bytes.Buffer
			a := &app{streams: Streams{strings.NewReader(""), &o, &e}, zone: time.UTC,
				connect: func(string) (Agent, error) { return nil, client.ErrNoAgent },
				look:    func(context.Context) (installer.State, error) { return tc.state, tc.err }}
			status := a.run(t.Context(), []string{"status"})
			if got := e.String(); status != exitCannot || got != "wormbell: no agent is running\n"+tc.want {
				t.Errorf("%d, got:\n%s", status, got)
			}
		})
	}
}
