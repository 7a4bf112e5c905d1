package doctor_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/doctor"
	"wormbell/tray/notify"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// machine is one on which all is well.
func machine(t *testing.T, sysctl map[string]string) doctor.Machine {
	t.Helper()
	m := doctor.Machine{Now: now, Home: t.TempDir(), Proc: t.TempDir(), Shell: "/usr/bin/bash",
		Status: &wormbell.Status{Version: "1.0.0", PID: 7, Privileged: true, Started: now.Add(-time.Hour), Uptime: 3600, State: "/var/lib/wormbell",
			Sensors: []wormbell.Sensor{{Name: "credentials", Backend: "fanotify", Who: true}}}}
	all := map[string]string{"kernel/osrelease": "6.1.0-18-amd64\n", "fs/inotify/max_user_watches": "524288\n", "fs/inotify/max_user_instances": "512\n"}
	for k, v := range sysctl {
		all[k] = v
	}
	for k, v := range all {
		write(t, filepath.Join(m.Proc, "sys", k), v)
	}
	write(t, filepath.Join(m.Home, ".bashrc"), "PROMPT_COMMAND='history -a'\n")
	return m
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the kernel's settings are Linux's")
	}
	for _, tt := range []struct {
		name   string
		check  string
		sysctl map[string]string
		change func(*doctor.Machine)
		want   doctor.State
	}{
		{name: "agent answers", check: "agent", want: doctor.OK},
		{name: "no agent", check: "agent", change: noAgent, want: doctor.Fail},
		{name: "root", check: "rights", want: doctor.OK},
		{name: "user", check: "rights", change: func(m *doctor.Machine) { m.Status.Privileged = false }, want: doctor.Warn},
		{name: "rights unknown", check: "rights", change: noAgent, want: doctor.Unknown},
		{name: "best sensors", check: "sensors", want: doctor.OK},
		{name: "weak sensor", check: "sensors", change: func(m *doctor.Machine) { m.Status.Sensors[0].Why = "cannot see who" }, want: doctor.Warn},
		{name: "sensor down", check: "sensors", change: func(m *doctor.Machine) { m.Status.Sensors[0].Backend = "" }, want: doctor.Fail},
		{name: "no sensors", check: "sensors", change: func(m *doctor.Machine) { m.Status.Sensors = nil }, want: doctor.Fail},
		{name: "sensors unknown", check: "sensors", change: noAgent, want: doctor.Unknown},
		{name: "nothing lost", check: "losses", want: doctor.OK},
		{name: "lost", check: "losses", change: func(m *doctor.Machine) { m.Status.Lost = 3 }, want: doctor.Warn},
		{name: "store", check: "problems", want: doctor.OK},
		{name: "store read-only", check: "problems", change: func(m *doctor.Machine) { m.Status.Problems = []string{"cannot write alerts"} }, want: doctor.Fail},
		{name: "problems of settings are none of the store", check: "problems", change: func(m *doctor.Machine) { m.Status.Problems = []string{"settings: x", "trust: y"} }, want: doctor.OK},
		{name: "settings", check: "settings", want: doctor.OK},
		{name: "settings locked", check: "settings", change: func(m *doctor.Machine) { m.Status.Settings = []wormbell.Setting{{Key: "pause", Locked: true}} }, want: doctor.OK},
		{name: "a spoiled file", check: "settings", change: func(m *doctor.Machine) { m.Status.Problems = []string{"settings: x"} }, want: doctor.Fail},
		{name: "a bad row", check: "settings", change: func(m *doctor.Machine) { m.Status.Problems = []string{"trust: x"} }, want: doctor.Fail},
		{name: "other problems", check: "settings", change: func(m *doctor.Machine) { m.Status.Problems = []string{"cannot write alerts"} }, want: doctor.OK},
		{name: "a wide row", check: "settings", change: func(m *doctor.Machine) { m.Status.Notices = []string{"trust: x"} }, want: doctor.Warn},
		{name: "settings unknown", check: "settings", change: noAgent, want: doctor.Unknown},
		{name: "store unknown", check: "problems", change: noAgent, want: doctor.Unknown},
		{name: "clock", check: "clock", want: doctor.OK},
		{name: "clock jumped", check: "clock", change: func(m *doctor.Machine) { m.Now = now.Add(time.Minute) }, want: doctor.Warn},
		{name: "clock never set", check: "clock", change: func(m *doctor.Machine) { m.Now = time.Unix(0, 0) }, want: doctor.Fail},
		{name: "clock alone", check: "clock", change: noAgent, want: doctor.OK},
		{name: "kernel", check: "kernel", want: doctor.OK},
		{name: "kernel at the line", check: "kernel", sysctl: map[string]string{"kernel/osrelease": "5.15.0"}, want: doctor.OK},
		{name: "kernel old", check: "kernel", sysctl: map[string]string{"kernel/osrelease": "5.10.0-28-cloud"}, want: doctor.Warn},
		{name: "kernel odd", check: "kernel", sysctl: map[string]string{"kernel/osrelease": "new"}, want: doctor.Unknown},
		{name: "no /proc", check: "kernel", change: func(m *doctor.Machine) { m.Proc = filepath.Join(m.Proc, "none") }, want: doctor.Unknown},
		{name: "inotify", check: "inotify", want: doctor.OK},
		{name: "few watches", check: "inotify", sysctl: map[string]string{"fs/inotify/max_user_watches": "8192"}, change: noAgent, want: doctor.Warn},
		{name: "few instances", check: "inotify", sysctl: map[string]string{"fs/inotify/max_user_instances": "8"}, change: noAgent, want: doctor.Warn},
		{name: "odd number", check: "inotify", sysctl: map[string]string{"fs/inotify/max_user_instances": "many"}, change: noAgent, want: doctor.Unknown},
		{name: "fanotify without root", check: "fanotify", sysctl: map[string]string{"fs/fanotify/max_user_marks": "8192"}, change: noAgent, want: doctor.Unknown},
		{name: "no fanotify", check: "fanotify", want: doctor.Warn},
		{name: "the agent has fanotify", check: "fanotify", sysctl: map[string]string{"fs/fanotify/max_user_marks": "8192"}, change: inUse("fanotify"), want: doctor.OK},
		{name: "the agent has the proc connector", check: "proc connector", change: inUse("procconn"), want: doctor.OK},
		{name: "the agent has eBPF and needs no proc connector", check: "proc connector", change: inUse("ebpf"), want: doctor.OK},
		{name: "few watches, and an agent that needs none", check: "inotify", sysctl: map[string]string{"fs/inotify/max_user_watches": "8192"}, change: inUse("fanotify"), want: doctor.OK},
		{name: "few instances, and an agent that needs none", check: "inotify", sysctl: map[string]string{"fs/inotify/max_user_instances": "8"}, change: inUse("fanotify"), want: doctor.OK},
		{name: "few watches, and an agent that watches projects", check: "inotify", sysctl: map[string]string{"fs/inotify/max_user_watches": "8192"}, change: inUse("fsnotify"), want: doctor.Warn},
		{name: "bash appends", check: "history", want: doctor.OK},
		{name: "bash does not", check: "history", change: func(m *doctor.Machine) { write(t, filepath.Join(m.Home, ".bashrc"), "# history -a\n") }, want: doctor.Warn},
		{name: "zsh appends", check: "history", change: func(m *doctor.Machine) {
			m.Shell = "/bin/zsh"
			write(t, filepath.Join(m.Home, ".zshrc"), "setopt SHARE_HISTORY\n")
		}, want: doctor.OK},
		{name: "zsh does not", check: "history", change: func(m *doctor.Machine) { m.Shell = "/bin/zsh" }, want: doctor.Warn},
		{name: "fish", check: "history", change: func(m *doctor.Machine) { m.Shell = "/bin/fish" }, want: doctor.OK},
		{name: "odd shell", check: "history", change: func(m *doctor.Machine) { m.Shell = "/bin/es" }, want: doctor.Unknown},
		{name: "hostile settings", check: "history", change: func(m *doctor.Machine) {
			file := filepath.Join(m.Home, ".bashrc")
			if err := errors.Join(os.Remove(file), os.Symlink("/dev/zero", file)); err != nil {
				t.Error(err)
			}
		}, want: doctor.Warn},
		{name: "tray", check: "tray", change: desktop(notify.Desktop{TrayHost: true, Watcher: true}), want: doctor.OK},
		{name: "GNOME without the extension", check: "tray", change: desktop(notify.Desktop{GNOME: true}), want: doctor.Warn},
		{name: "nobody draws icons", check: "tray", change: desktop(notify.Desktop{Watcher: true}), want: doctor.Warn},
		{name: "no tray", check: "tray", change: desktop(notify.Desktop{}), want: doctor.Warn},
		{name: "tray over ssh", check: "tray", change: desktop(notify.Desktop{Bus: errors.New("no bus")}), want: doctor.Unknown},
		{name: "session not looked at", check: "tray", want: doctor.Unknown},
		{name: "notifications", check: "notifications", change: desktop(notify.Desktop{Daemon: "x 1", Buttons: true}), want: doctor.OK},
		{name: "no buttons", check: "notifications", change: desktop(notify.Desktop{Daemon: "x 1"}), want: doctor.Warn},
		{name: "started when needed", check: "notifications", change: desktop(notify.Desktop{Starts: true}), want: doctor.Unknown},
		{name: "no daemon", check: "notifications", change: desktop(notify.Desktop{Terminals: 1}), want: doctor.Warn},
		{name: "notifications over ssh", check: "notifications", change: desktop(notify.Desktop{Bus: errors.New("no bus")}), want: doctor.Unknown},
		{name: "notifications that are kept", check: "notifications", change: desktop(notify.Desktop{Daemon: "x 1", Buttons: true, Keeps: true}), want: doctor.OK},
		{name: "quiet", check: "do not disturb", change: desktop(notify.Desktop{Quiet: notify.Yes}), want: doctor.Warn},
		{name: "not quiet", check: "do not disturb", change: desktop(notify.Desktop{Quiet: notify.No}), want: doctor.OK},
		{name: "quiet or not", check: "do not disturb", change: desktop(notify.Desktop{Quiet: notify.NotKnown}), want: doctor.Unknown},
		{name: "quiet was not asked", check: "do not disturb", change: desktop(notify.Desktop{}), want: doctor.Unknown},
		{name: "quiet over ssh", check: "do not disturb", change: desktop(notify.Desktop{Bus: errors.New("no bus"), Quiet: notify.No}), want: doctor.Unknown},
		{name: "shared", check: "screen sharing", change: desktop(notify.Desktop{Shared: notify.Yes}), want: doctor.OK},
		{name: "not shared", check: "screen sharing", change: desktop(notify.Desktop{Shared: notify.No}), want: doctor.OK},
		{name: "shared or not", check: "screen sharing", change: desktop(notify.Desktop{Shared: notify.NotKnown}), want: doctor.Unknown},
		{name: "sharing over ssh", check: "screen sharing", change: desktop(notify.Desktop{Bus: errors.New("no bus")}), want: doctor.Unknown},
		{name: "a terminal", check: "terminals", change: desktop(notify.Desktop{Terminals: 1, Bus: errors.New("no bus")}), want: doctor.OK},
		{name: "terminals", check: "terminals", change: desktop(notify.Desktop{Terminals: 3}), want: doctor.OK},
		{name: "no terminal needed", check: "terminals", change: desktop(notify.Desktop{Daemon: "x 1"}), want: doctor.OK},
		{name: "no terminal, and a daemon that was never seen", check: "terminals", change: desktop(notify.Desktop{Starts: true}), want: doctor.Unknown},
		{name: "nobody to tell", check: "terminals", change: desktop(notify.Desktop{Bus: errors.New("no bus")}), want: doctor.Warn},
		{name: "terminals not looked at", check: "terminals", want: doctor.Unknown},
		{name: "keychain", check: "keychain", change: desktop(notify.Desktop{Keychain: true}), want: doctor.OK},
		{name: "no keychain", check: "keychain", change: desktop(notify.Desktop{}), want: doctor.Warn},
		{name: "keychain over ssh", check: "keychain", change: desktop(notify.Desktop{Bus: errors.New("no bus")}), want: doctor.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := machine(t, tt.sysctl)
			if tt.change != nil {
				tt.change(&m)
			}
			for _, c := range doctor.All {
				if c.Name != tt.check {
					continue
				}
				r := c.Run(t.Context(), m)
				if r.State != tt.want {
					t.Errorf("%s: %s (%s), want %s", tt.check, r.State, r.Says, tt.want)
				}
				if r.Says == "" || r.State == doctor.Fail && r.Do == "" {
					t.Errorf("%s: %+v leaves a person without words", tt.check, r)
				}
				return
			}
			t.Errorf("there is no check %q", tt.check)
		})
	}
}

func desktop(d notify.Desktop) func(*doctor.Machine) {
	return func(m *doctor.Machine) { m.Desktop = &d }
}

func noAgent(m *doctor.Machine) { m.Status, m.Err = nil, errors.New("connection refused") }

// TestThisMachine: on a real machine, every check has an answer.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	home, err := os.UserHomeDir()
	if err != nil {
		home = t.TempDir()
	}
	m := doctor.Machine{Now: time.Now(), Home: home, Shell: os.Getenv("SHELL"), Proc: "/proc", Root: os.Getuid() == 0, Err: errors.New("not asked")}
	results := doctor.Examine(t.Context(), m)
	if len(results) != len(doctor.All) {
		t.Errorf("%d results of %d checks", len(results), len(doctor.All))
	}
	for _, r := range results {
		if r.Check == "" || r.Says == "" {
			t.Errorf("%+v says nothing", r)
		}
		t.Logf("%-14s %-7s %s", r.Check, r.State, r.Says)
	}
}

// inUse has the agent see with this and nothing else.
func inUse(backend string) func(*doctor.Machine) {
	return func(m *doctor.Machine) { m.Status.Sensors = []wormbell.Sensor{{Name: "any", Backend: backend}} }
}

func TestOneLost(t *testing.T) {
	t.Parallel()
	m := machine(t, nil)
	m.Status.Lost, m.Status.Events = 1, 31
	for _, r := range doctor.Examine(t.Context(), m) {
		if want := "1 event was lost beside 31 that were seen; what could be was looked at again"; r.Check == "losses" && r.Says != want {
			t.Errorf("it says %q, want %q", r.Says, want)
		}
	}
}
