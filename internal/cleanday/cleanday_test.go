package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"wormbell"
)

// build builds the agent into a folder.
func build(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: permission marks")
	}
	if out, err := exec.Command("npm", "--version").Output(); err != nil || !strings.HasPrefix(string(out), "11.") {
		t.Skipf("needs npm 11, found %q (%v)", out, err)
	}
	bin := t.TempDir()
	cmd := exec.Command("go", "build", "-o", bin, "wormbell/cmd/wormbelld")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// TestDay: what needs no packages from elsewhere rings at no hour.
func TestDay(t *testing.T) {
	d, err := live(t.Context(), options{offline: true, short: true, cache: t.TempDir(), bin: build(t), chores: chores}, 7)
	var b strings.Builder
	d.tell(&b, false)
	if err != nil || !d.clean() || d.done < 12 {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestLoud: a day with a thief is none without.
func TestLoud(t *testing.T) {
	bin := build(t)
	list := []chore{
		{name: "thief", files: map[string]string{"a.js": "require('fs').readFileSync(process.env.HOME + '/.npmrc')\n"}, types: "node a.js"},
		{name: "fails", types: "false"},
	}
	d, err := live(t.Context(), options{bin: bin, only: "thief", chores: list, offline: true, cache: t.TempDir()}, 0)
	if err != nil || d.clean() || !slices.ContainsFunc(d.rang, func(e entry) bool {
		return e.severity > wormbell.Low && slices.ContainsFunc(e.findings, func(f found) bool { return f.detector == "credential-read" && f.after == "thief" })
	}) {
		t.Errorf("%v, it rang: %+v", err, d.rang)
	}
	if _, err := live(t.Context(), options{bin: bin, only: "fails", chores: list, offline: true, cache: t.TempDir()}, 0); err == nil || !strings.Contains(err.Error(), "fails: status 1") {
		t.Errorf("a chore that fails: %v", err)
	}
}

// TestEntries: what counts is alerts, each as grave as it ever was, however many
// findings it has.
func TestEntries(t *testing.T) {
	alert := func(id string, severity wormbell.Severity, summaries ...string) wormbell.Alert {
		a := wormbell.Alert{ID: id, Severity: severity}
		for _, s := range summaries {
			a.Findings = append(a.Findings, wormbell.Finding{Detector: "d", Summary: s})
		}
		return a
	}
	var d day
	d.note(alert("a", wormbell.Low, "one"), "first")
	d.note(alert("a", wormbell.Low, "one", "two"), "second")
	if loud, low := d.count(); loud != 0 || low != 1 || !d.clean() {
		t.Errorf("one alert counts as %d and %d", loud, low)
	}
	d.note(alert("b", wormbell.Low, "one"), "third")
	if d.clean() {
		t.Error("a day with two low alerts is clean")
	}
	d = day{}
	d.note(alert("a", wormbell.High, "one"), "first")
	d.note(alert("a", wormbell.Low, "one"), "second")
	var b strings.Builder
	d.tell(&b, false)
	if s := losses(wormbell.Status{Lost: 5, Sensors: []wormbell.Sensor{{Name: "a", Backend: "x", Lost: 2}, {Name: "b"}}}); s != "5, 2 by a (x), 3 by the queue" {
		t.Errorf("losses: %s", s)
	}
	if d.clean() || !strings.Contains(b.String(), "above low: 1, low: 0") || !strings.Contains(b.String(), "high a: d: one, after first") {
		t.Errorf("an alert that was high once:\n%s", b.String())
	}
}

// TestTogether: days that are had at a time do not see each other's, and each has
// its say.
func TestTogether(t *testing.T) {
	list := []chore{
		{name: "thief", files: map[string]string{"a.js": "require('fs').readFileSync(process.env.HOME + '/.npmrc')\n"}, types: "node a.js"},
		{name: "look", types: "cat ~/.npmrc >/dev/null"},
	}
	var b strings.Builder
	status := all(t.Context(), options{days: 2, at: 2, seed: 5, bin: build(t), chores: list, offline: true, cache: t.TempDir()}, &b)
	if out := b.String(); status != 1 || strings.Count(out, "above low: 1, low: 0") != 2 || !strings.Contains(out, "day 5: 2 chores") || !strings.Contains(out, "day 6: 2 chores") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// TestOrder: a seed stands for an order.
func TestOrder(t *testing.T) {
	order := func(seed uint64) (names []string) {
		for _, c := range new(day).choose(options{chores: chores}, seed) {
			names = append(names, c.name)
		}
		return names
	}
	if !slices.Equal(order(3), order(3)) || slices.Equal(order(3), order(4)) {
		t.Error("the order is not the seed's")
	}
	seen := map[string]bool{}
	for _, c := range chores {
		if seen[c.name] || strings.ContainsAny(c.name, "/ ") {
			t.Errorf("the name %q", c.name)
		}
		seen[c.name] = true
	}
}

// packages are the Debian packages that have the programs which chores need.
var packages = map[string]string{
	"vim.tiny": "vim-tiny", "rg": "ripgrep", "nvim": "neovim", "emacs": "emacs-nox", "borg": "borgbackup", "updatedb": "plocate", "docker": "docker.io",
	"kubectl": "kubernetes-client", "aws": "awscli", "ssh": "openssh-client", "ssh-keygen": "openssh-client", "ssh-agent": "openssh-client", "scp": "openssh-client",
	"sftp": "openssh-client", "/usr/sbin/sshd": "openssh-server", "gpgconf": "gpg", "bwrap": "bubblewrap", "dbus-run-session": "dbus",
	"mksquashfs": "squashfs-tools", "fusermount3": "fuse3", "/usr/libexec/tracker-miner-fs-3": "tracker-miner-fs", "tracker3": "tracker-miner-fs",
}

// TestNamed: the page names what has to be installed for a whole day.
func TestNamed(t *testing.T) {
	page, err := os.ReadFile("../../docs/clean-day.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{"tar": true, "script": true, "unshare": true, "mount": true, "chezmoi": true} // every Debian has them; Debian has none
	for line := range strings.Lines(string(page)) {
		if list, ok := strings.CutPrefix(line, "sudo apt-get install "); ok {
			for _, p := range strings.Fields(list) {
				named[p] = true
			}
		}
	}
	for _, c := range chores {
		for _, p := range c.needs {
			if pkg, ok := packages[p]; ok {
				p = pkg
			}
			if !named[p] {
				t.Errorf("%s needs %s, which the page does not name", c.name, p)
			}
		}
	}
}
