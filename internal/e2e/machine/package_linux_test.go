package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/executable"
	"wormbell/internal/vm"
)

// TestPackage is the life of the packages on one machine, from the first
// installation to a disk on which nothing is left. Each part goes on from where
// the one before it ended.
func TestPackage(t *testing.T) {
	vm.Need(t)
	folders := release(t, "0.1.0", "0.2.0")
	all := t.TempDir()
	for i, folder := range folders {
		agent, tray := debs(t, folder)
		copyTo(t, agent, filepath.Join(all, fmt.Sprintf("wormbell-%d.deb", i+1)))
		copyTo(t, tray, filepath.Join(all, fmt.Sprintf("wormbell-tray-%d.deb", i+1)))
		copyTo(t, filepath.Join(folder, fmt.Sprintf("wormbell-0.%d.0-linux-amd64.tar.gz", i+1)), filepath.Join(all, fmt.Sprintf("%d.tar.gz", i+1)))
	}
	// One that cannot even say its version, and one that does but does not start.
	broken(t, folders[1], all, 3, "#!/bin/sh\nexit 1\n")
	broken(t, folders[1], all, 4, "#!/bin/sh\n[ \"$1\" = --version ] || exit 1\n")
	l := newLaptop(t, vm.Config{Memory: 2048, Disks: []string{vm.Disk(t, all, 384)}})
	l.mount("/opt/debs")
	l.desktop()
	before := l.tree()
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := l.Try(context.Background(), "dev", "systemctl --user --no-pager status | head -n 60; journalctl --user -o cat -n 80 --no-pager; cat $XDG_RUNTIME_DIR/notifications")
			t.Log(out)
		}
	})

	var kept struct {
		alerts []wormbell.Alert
		trust  string
	}
	for _, part := range []struct {
		name string
		test func(*laptop)
	}{
		{"first minute", func(l *laptop) { l.firstMinute("wormbell-1.deb", "wormbell-tray-1.deb") }},
		{"installed", func(l *laptop) {
			if !l.node { // nobody could be robbed
				l.silent(l.apt("install", "wormbell-1.deb", "wormbell-tray-1.deb"))
			}
			l.guards("v0.1.0")
			if got := l.root("systemctl is-active wormbelld; systemctl is-enabled wormbelld; systemctl --global is-enabled wormbell-tray; stat -c '%U %a %n' /usr/bin/wormbell* /var/lib/wormbell"); got !=
				"active\nenabled\nenabled\nroot 711 /usr/bin/wormbell\nroot 711 /usr/bin/wormbell-tray\nroot 755 /usr/bin/wormbelld\nroot 700 /var/lib/wormbell\n" {
				l.t.Errorf("installed is\n%s", got)
			}
		}},
		{"demonstration", func(l *laptop) {
			l.needNode()
			if out, code := l.Do(l.t.Context(), "dev", "wormbell demo npmrc-read", vm.Options{Terminal: true, Login: true}); code != 0 {
				l.t.Errorf("wormbell demo: exit %d\n%s", code, out)
			}
		}},
		{"a person who comes later", func(l *laptop) {
			l.root("useradd --create-home --shell /bin/bash late")
			l.Wait("the new home to be guarded", patience, func() bool { return slices.Contains(l.up().Homes, "/home/late") })
			l.root("userdel --remove late 2>/dev/null")
		}},
		{"upgrade", func(l *laptop) {
			// In a terminal: anything else could be a worm.
			if out, code := l.Do(l.t.Context(), "dev", "wormbell trust add --store aws --who exe:/usr/bin/tar --reason 'nightly backup'", vm.Options{Terminal: true, Login: true}); code != 0 {
				l.t.Fatalf("wormbell trust add: exit %d\n%s", code, out)
			}
			l.root(`echo 'stores = ["env"]' >/etc/wormbell/config.toml && systemctl restart wormbelld`)
			l.up()
			kept.alerts, kept.trust = l.alerts(), l.dev("wormbell --json trust list")
			out := l.apt("install", "wormbell-2.deb", "wormbell-tray-2.deb")
			l.silent(out)
			l.guards("v0.2.0")
			l.t.Logf("no agent ran for %v", l.gap())
			l.Wait("the new tray's icon", patience, func() bool { _, _, _, ok := l.icon(); return ok })
			l.same(kept.alerts, kept.trust)
			if list := l.dev("wormbell --json credentials"); !strings.Contains(list, `"env"`) {
				l.t.Errorf("the settings do not hold any more: %s", list)
			}
			if l.node {
				l.steal("dev", "after-upgrade")
				l.rings("credential-read", "after-upgrade@1.0.0")
				kept.alerts = l.alerts()
			}
		}},
		{"upgrade to what cannot run here", func(l *laptop) {
			pid := l.up().PID
			out := l.apt("install", "wormbell-3.deb", "wormbell-tray-3.deb")
			if !strings.Contains(out, "the previous one guards it") || !strings.Contains(out, "apt install wormbell=0.2.0") {
				l.t.Errorf("it is not said that the new agent cannot run, and how to go back:\n%s", out)
			}
			if s := l.up(); s.PID != pid {
				l.t.Errorf("the agent that guarded is not there any more: %d, was %d", s.PID, pid)
			}
		}},
		{"upgrade to what does not start", func(l *laptop) {
			out := l.apt("install", "wormbell-4.deb", "wormbell-tray-4.deb")
			if !strings.Contains(out, "this machine is NOT guarded") || !strings.Contains(out, "journalctl -u wormbelld") {
				l.t.Errorf("it is not said that the machine is unguarded:\n%s", out)
			}
			if out, code := l.Try(l.t.Context(), "dev", "wormbell status"); code == 0 || !strings.Contains(out, "hint:") {
				l.t.Errorf("wormbell status: exit %d\n%s", code, out)
			}
		}},
		{"back", func(l *laptop) {
			l.apt("install", "--allow-downgrades", "wormbell-2.deb", "wormbell-tray-2.deb")
			l.guards("v0.2.0")
			l.same(kept.alerts, kept.trust)
		}},
		{"disabled stays so", func(l *laptop) {
			l.root("systemctl disable --quiet --now wormbelld")
			l.apt("install", "--reinstall", "wormbell-2.deb")
			if out, _ := l.Try(l.t.Context(), "root", "systemctl is-enabled wormbelld; systemctl is-active wormbelld"); out != "disabled\ninactive\n" {
				l.t.Errorf("after a reinstallation %q", out)
			}
			l.root("systemctl mask --quiet wormbelld")
			l.apt("install", "--reinstall", "wormbell-2.deb")
			if out, _ := l.Try(l.t.Context(), "root", "systemctl is-enabled wormbelld; systemctl is-active wormbelld"); out != "masked\ninactive\n" {
				l.t.Errorf("after a reinstallation %q", out)
			}
			l.root("systemctl unmask --quiet wormbelld; systemctl enable --quiet --now wormbelld")
			l.guards("v0.2.0")
		}},
		{"remove", func(l *laptop) {
			l.apt("remove", "wormbell", "wormbell-tray")
			l.nothingRuns()
			l.noIcon()
			for _, line := range difference(before, l.tree()) {
				if !strings.HasPrefix(line, "+ /var/lib/wormbell") && !strings.HasPrefix(line, "+ /etc/wormbell") && !leftByRemoval.MatchString(line) {
					l.t.Errorf("after a removal: %s", line)
				}
			}
			l.root("test -e /var/lib/wormbell/wormbell.db || ls /var/lib/wormbell | grep -q .")
		}},
		{"reinstall", func(l *laptop) {
			l.apt("install", "wormbell-2.deb", "wormbell-tray-2.deb")
			l.guards("v0.2.0")
			l.same(kept.alerts, kept.trust)
		}},
		{"purge", func(l *laptop) {
			l.apt("purge", "wormbell", "wormbell-tray")
			l.nothingRuns()
			l.root("rm /etc/wormbell/config.toml && rmdir /etc/wormbell") // the administrator's, who wrote it
			for _, line := range difference(before, l.tree()) {
				l.t.Errorf("after a purge: %s", line)
			}
		}},
		{"install from an archive", func(l *laptop) {
			l.root("cd /root && tar -xzf /opt/debs/1.tar.gz && tar -xzf /opt/debs/2.tar.gz")
			if out := l.root("cd /root/wormbell-0.1.0-linux-amd64 && ./wormbell install --dry-run"); strings.Contains(out, "Done.") {
				l.t.Errorf("a dry run says\n%s", out)
			}
			for _, line := range difference(before, l.tree()) {
				l.t.Errorf("after a dry run: %s", line)
			}
			l.root("cd /root/wormbell-0.1.0-linux-amd64 && ./wormbell install --yes --no-checkup")
			l.guards("v0.1.0")
			l.Wait("the tray's icon", patience, func() bool { _, _, _, ok := l.icon(); return ok })
			if out := l.root("cd /root/wormbell-0.1.0-linux-amd64 && ./wormbell install --yes --no-checkup"); !strings.Contains(out, "nothing to do") {
				l.t.Errorf("a second time it says\n%s", out)
			}
			if l.node {
				l.steal("dev", "of-archive")
				l.rings("credential-read", "of-archive@1.0.0")
			}
			alerts, trust := l.alerts(), l.dev("wormbell --json trust list")
			l.root("cd /root/wormbell-0.2.0-linux-amd64 && ./wormbell install --yes --no-checkup")
			l.guards("v0.2.0")
			l.same(alerts, trust)
		}},
		{"uninstall", func(l *laptop) {
			l.root("wormbell uninstall --yes")
			l.nothingRuns()
			l.noIcon()
			for _, line := range difference(before, l.tree()) {
				if !strings.HasPrefix(line, "+ /var/lib/wormbell") && !strings.HasPrefix(line, "+ /etc/wormbell") {
					l.t.Errorf("after uninstall: %s", line)
				}
			}
			l.root("cd /root/wormbell-0.2.0-linux-amd64 && ./wormbell install --yes --no-checkup")
			if len(l.alerts()) == 0 {
				l.t.Error("the alerts are gone")
			}
			l.root("wormbell uninstall --purge --yes")
			l.nothingRuns()
			for _, line := range difference(before, l.tree()) {
				l.t.Errorf("after uninstall --purge: %s", line)
			}
		}},
	} {
		began := time.Now()
		if !t.Run(part.name, func(t *testing.T) { part.test(l.with(t)) }) && part.name == "installed" {
			t.FailNow()
		}
		t.Logf("%s took %v", part.name, time.Since(began).Round(100*time.Millisecond))
	}
}

// broken writes both packages of a folder into another as version 0.N.0, in
// which the agent's program is this script.
func broken(t *testing.T, from, to string, n int, script string) {
	t.Helper()
	agent, tray := debs(t, from)
	for name, deb := range map[string]string{"wormbell": agent, "wormbell-tray": tray} {
		dir := t.TempDir()
		command(t, "", nil, "dpkg-deb", "--raw-extract", deb, dir)
		if deb == agent {
			if err := os.Remove(filepath.Join(dir, "usr/bin/wormbelld")); err != nil {
				t.Fatal(err)
			}
			if err := executable.Write(filepath.Join(dir, "usr/bin/wormbelld"), script); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(filepath.Join(dir, "DEBIAN/md5sums")); err != nil {
			t.Fatal(err)
		}
		control := filepath.Join(dir, "DEBIAN/control")
		b, err := os.ReadFile(control)
		if err != nil {
			t.Fatal(err)
		}
		b = regexp.MustCompile(`(?m)^(Version: |Depends: .*wormbell \(= )0\.\d+`).ReplaceAll(b, fmt.Appendf(nil, "${1}0.%d", n))
		if err := os.WriteFile(control, b, 0o644); err != nil {
			t.Fatal(err)
		}
		command(t, "", nil, "dpkg-deb", "--nocheck", "-Zgzip", "-z1", "--root-owner-group", "--build", dir, filepath.Join(to, fmt.Sprintf("%s-%d.deb", name, n)))
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	if err := executable.Copy(from, to); err != nil {
		t.Fatal(err)
	}
}

// apt runs apt-get as an administrator's script does, which can answer nothing.
// Files of packages lie in /opt/debs.
func (l *laptop) apt(verb string, args ...string) string {
	l.t.Helper()
	for i, a := range args {
		if strings.HasSuffix(a, ".deb") {
			args[i] = "/opt/debs/" + a
		}
	}
	return l.root("DEBIAN_FRONTEND=noninteractive apt-get " + verb + " -qq -y " + strings.Join(args, " ") + " </dev/null 2>&1")
}

// silent finds fault with what an installation said beyond what dpkg and apt
// say of every package.
func (l *laptop) silent(out string) {
	l.t.Helper()
	usual := regexp.MustCompile(`^(Selecting |Preparing |Unpacking |Setting up |Processing triggers|\(Reading |debconf: delaying|Created symlink |N: |$)`)
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line[strings.LastIndex(line, "\r")+1:])
		if !usual.MatchString(line) {
			l.t.Errorf("the installation says %q", line)
		}
	}
}

// guards waits for the agent of this version and finds fault with all that it
// does not see: here it lacks nothing.
func (l *laptop) guards(version string) {
	l.t.Helper()
	s := l.up()
	if s.Version != version || !s.Privileged || s.Socket != "/run/wormbell/wormbell.sock" || s.State != "/var/lib/wormbell" {
		l.t.Errorf("the agent is %q, privileged %v, socket %q, state %q", s.Version, s.Privileged, s.Socket, s.State)
	}
	if len(troubles(l.t, s)) > 0 || !slices.Contains(s.Homes, "/home/dev") {
		l.t.Errorf("problems %q, homes %q", s.Problems, s.Homes)
	}
	lostNothing(l.t, l.VM, s)
	if len(s.Sensors) == 0 || len(s.Detectors) == 0 {
		l.t.Errorf("it has no sensors, or no detectors")
	}
	for _, sensor := range s.Sensors {
		if sensor.Backend == "" || sensor.Why != "" || sensor.Restarts > 0 {
			l.t.Errorf("sensor %+v", sensor)
		}
	}
	for _, d := range s.Detectors {
		if d.Sees != "sees" {
			l.t.Errorf("detector %s %s", d.ID, d.Sees)
		}
	}
}

// same finds fault with alerts and trust rows that are not what they were.
func (l *laptop) same(alerts []wormbell.Alert, trust string) {
	l.t.Helper()
	want, err := json.Marshal(alerts)
	if err != nil {
		l.t.Fatal(err)
	}
	got, err := json.Marshal(l.alerts())
	if err != nil {
		l.t.Fatal(err)
	}
	if string(got) != string(want) {
		l.t.Errorf("the alerts are\n%s, were\n%s", got, want)
	}
	if got := l.dev("wormbell --json trust list"); got != trust {
		l.t.Errorf("the trust rows are\n%s, were\n%s", got, trust)
	}
}

// gap is how long no agent was ready, between the last stop and start that
// systemd knows of.
func (l *laptop) gap() time.Duration {
	l.t.Helper()
	var at [2]time.Duration
	for i, name := range []string{"ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"} {
		us, err := strconv.Atoi(strings.TrimSpace(l.root("systemctl show --value -p " + name + " wormbelld")))
		if err != nil {
			l.t.Fatal(err)
		}
		at[i] = time.Duration(us) * time.Microsecond
	}
	return at[1] - at[0]
}

// nothingRuns finds fault with processes, units and sockets of ours.
func (l *laptop) nothingRuns() {
	l.t.Helper()
	if out, code := l.Try(l.t.Context(), "root", "pgrep --list-name ^wormbell; ls /run/wormbell 2>/dev/null; systemctl list-units --state=active,activating,deactivating,reloading,failed --plain --no-legend 'wormbell*'"); strings.TrimSpace(out) != "" {
		l.t.Errorf("still there (exit %d):\n%s", code, out)
	}
}

// tree is every file of the machine's disk with its kind, mode and owner, but
// for what changes by itself or by apt and dpkg at work (ephemeral).
func (l *laptop) tree() []string {
	l.t.Helper()
	out := l.root(`find / -xdev -printf '%p %y%m %u:%g %l\n' | LC_ALL=C sort`)
	var list []string
	for line := range strings.Lines(out) {
		if !ephemeral.MatchString(line) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	if len(list) < 1000 {
		l.t.Fatalf("the machine has %d files", len(list))
	}
	return list
}

// ephemeral is what may differ: logs, caches, what tests keep in homes, copies
// that dpkg and systemd keep of their own lists.
var ephemeral = regexp.MustCompile(`^/(root|home/dev|tmp|var/(log|tmp|cache|backups)|var/lib/(apt|systemd/(catalog|random-seed|timers|timesync|linger|coredump|pstore)|dpkg/(status|available|diversions|statoverride|lock|triggers)|dbus)|var/lib/dpkg/info/format|etc/(\.pwd\.lock|machine-id|ld\.so\.cache))[ /-]`)

// leftByRemoval is what dpkg keeps of a package until it is purged: the scripts
// and lists of it, and whether an administrator wants its units.
var leftByRemoval = regexp.MustCompile(`^\+ /(var/lib/dpkg/info/wormbell|var/lib/systemd/deb-systemd-|etc/systemd/|etc/xdg/autostart/org\.wormbell\.)`)

// difference is what was added (+) and taken away (-).
func difference(a, b []string) (lines []string) {
	in := func(list []string) map[string]bool {
		set := map[string]bool{}
		for _, s := range list {
			set[s] = true
		}
		return set
	}
	before, after := in(a), in(b)
	for _, s := range a {
		if !after[s] {
			lines = append(lines, "- "+s)
		}
	}
	for _, s := range b {
		if !before[s] {
			lines = append(lines, "+ "+s)
		}
	}
	return lines
}
