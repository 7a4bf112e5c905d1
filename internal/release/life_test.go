package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// debs are the two packages of a version, as seen from a jail.
func debs(version string) string {
	v, _ := ParseVersion(version)
	return fmt.Sprintf("/share/%s/wormbell_%s-1_amd64.deb /share/%s/wormbell-tray_%s-1_amd64.deb", version, v.In(deb), version, v.In(deb))
}

// fakeSystemd makes /run/systemd/system and puts a systemctl in front of the
// real one that keeps a log and knows one service. What a real systemd does
// with the packages is tested in a virtual machine; here the scripts are shown
// states that such a machine does not get into on demand. It takes the place of
// the real one, as rpm gives scripts a PATH of its own.
//
// Files below /state: "active" if the agent runs; "refuses" if it does not
// start; "log" is what was asked.
const fakeSystemd = `
mkdir -p /run/systemd/system /state
[ -e /state/systemctl ] || cp /usr/bin/systemctl /state/systemctl
rm -f /usr/bin/systemctl /usr/bin/deb-systemd-invoke /usr/bin/sleep /usr/sbin/policy-rc.d # some machines of tests have the last
cat >/usr/bin/systemctl <<'EOF'
#!/bin/sh
case "$*" in
*is-enabled*|*preset*|*"-reload enable"*|*"-reload disable"*|"enable "*|"disable "*|"mask "*) SYSTEMD_OFFLINE=1 exec /state/systemctl "$@" ;;
esac
echo "$*" >>/state/log
case "$*" in
*is-active*) [ -e /state/active ] ;;
*restart*|*start*) if [ -e /state/refuses ]; then rm -f /state/active; exit 1; fi; : >/state/active ;;
*stop*) rm -f /state/active ;;
esac
EOF
cat >/usr/bin/deb-systemd-invoke <<'EOF'
#!/bin/sh
exec systemctl "$@"
EOF
cat >/usr/bin/sleep <<'EOF'
#!/bin/sh
EOF
chmod +x /usr/bin/systemctl /usr/bin/deb-systemd-invoke /usr/bin/sleep; : >/state/log
`

// TestDebLife installs, upgrades, removes and purges the deb packages with the
// real dpkg: what is there afterwards, and that nothing is after a purge.
func TestDebLife(t *testing.T) {
	releases(t)
	j := newJail(t)
	j.run("test ! -e /usr/bin/wormbelld && mkdir -p /var/lib/systemd/deb-systemd-user-helper-enabled /var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants")
	before := j.tree()
	j.run("dpkg -i " + debs(older))
	if got := j.run("/usr/bin/wormbell --version; /usr/bin/wormbelld --version"); got != "wormbell v"+older+"\nwormbelld version v"+older+"\n" {
		t.Errorf("the programs say %q", got)
	}
	if got := j.run("systemctl is-enabled wormbelld; systemctl --global is-enabled wormbell-tray"); got != "enabled\nenabled\n" {
		t.Errorf("after the installation the services are %q", got)
	}
	if got := j.run("find /etc/wormbell /usr/bin/wormbell* /usr/lib/systemd/*/wormbell* /etc/xdg/autostart/*ormbell* -printf '%p %y %m %u\n' | sort"); got != strings.Join([]string{
		"/etc/wormbell d 755 root", "/etc/wormbell/conf.d d 755 root", "/etc/wormbell/trust.d d 755 root",
		"/etc/xdg/autostart/org.wormbell.Tray.desktop f 644 root",
		"/usr/bin/wormbell f 711 root", "/usr/bin/wormbell-tray f 711 root", "/usr/bin/wormbelld f 755 root",
		"/usr/lib/systemd/system/wormbelld.service f 644 root", "/usr/lib/systemd/user/wormbell-tray.service f 644 root"}, "\n")+"\n" {
		t.Errorf("installed:\n%s", got)
	}
	if got := j.run("dpkg -V wormbell wormbell-tray"); got != "" {
		t.Errorf("dpkg finds changes in what it installed: %s", got)
	}
	// What the service and the administrator would have made.
	j.run("install -d -m 700 /var/lib/wormbell && echo x >/var/lib/wormbell/store && echo 'log_level = \"warn\"' >/etc/wormbell/config.toml && echo >/etc/wormbell/conf.d/50-mine.toml")
	// An administrator's "disable" outlives upgrades, and removals that are no purge.
	j.run("systemctl disable wormbelld")
	j.run("dpkg -i " + debs(newer))
	if got := j.run("systemctl is-enabled wormbelld || :; cat /etc/wormbell/config.toml /var/lib/wormbell/store; wormbell --version"); got != "disabled\nlog_level = \"warn\"\nx\nwormbell v"+newer+"\n" {
		t.Errorf("after the upgrade: %q", got)
	}
	j.run("dpkg -r wormbell-tray wormbell")
	if got := j.run("cat /etc/wormbell/config.toml /var/lib/wormbell/store; ls /usr/bin/wormbell* 2>/dev/null || :"); got != "log_level = \"warn\"\nx\n" {
		t.Errorf("after the removal: %q", got)
	}
	j.run("dpkg -i " + debs(newer))
	if got := j.run("systemctl is-enabled wormbelld || :"); got != "disabled\n" {
		t.Errorf("after it was installed again the service is %q", got)
	}
	j.run("systemctl enable wormbelld 2>/dev/null; dpkg -P wormbell-tray wormbell")
	if got := j.run("find /etc/wormbell /var/lib/wormbell 2>/dev/null | sort"); got != "/etc/wormbell\n/etc/wormbell/conf.d\n/etc/wormbell/conf.d/50-mine.toml\n/etc/wormbell/config.toml\n" {
		t.Errorf("a purge takes state, and leaves what the administrator wrote; it left %q", got)
	}
	j.run("rm -r /etc/wormbell")
	if diff := cmp.Diff(lines(j.tree()), lines(before)); diff != "" {
		t.Errorf("after the purge (- left over, + missing):\n%s", diff)
	}
}

// TestDebPurgeLeavesNothing: where no administrator wrote anything.
func TestDebPurgeLeavesNothing(t *testing.T) {
	releases(t)
	j := newJail(t)
	j.run("mkdir -p /var/lib/systemd/deb-systemd-user-helper-enabled /var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants")
	before := j.tree()
	j.run("dpkg -i " + debs(newer))
	j.run("install -d -m 700 /var/lib/wormbell && touch /var/lib/wormbell/store; dpkg -P wormbell-tray wormbell")
	if diff := cmp.Diff(lines(j.tree()), lines(before)); diff != "" {
		t.Errorf("after the purge (- left over, + missing):\n%s", diff)
	}
}

// TestDebService: what the scripts do with the service, and what they say when
// it does not start.
func TestDebService(t *testing.T) {
	releases(t)
	cases := map[string]struct {
		before, do string
		asked      []string // of systemd, in this order, among other things
		never      string
		says       []string
		quiet      bool
	}{
		"first installation": {do: debs(newer), asked: []string{"daemon-reload", "start wormbelld.service", "is-active"}, quiet: true},
		"it does not start": {before: ": >/state/refuses", do: debs(newer), asked: []string{"start wormbelld.service"},
			says: []string{"the agent did not start: this machine is NOT guarded", "journalctl -u wormbelld"}},
		"upgrade": {before: "dpkg -i " + debs(older), do: debs(newer), asked: []string{"daemon-reload", "restart wormbelld.service", "is-active"}, quiet: true},
		"the new one does not start": {before: "dpkg -i " + debs(older) + "; : >/state/refuses", do: debs(newer), asked: []string{"restart wormbelld.service"},
			says: []string{"the new agent did not start: this machine is NOT guarded", "journalctl -u wormbelld", "apt install wormbell=1.0.0~rc.1-1"}},
		"the new one cannot run here": {before: "dpkg -i " + debs(older) + "; rm /usr/bin/timeout; printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/timeout; chmod +x /usr/bin/timeout", do: debs(newer), never: "restart",
			says: []string{"the new agent cannot run on this machine; the previous one guards it"}},
		"disabled and stopped": {before: "dpkg -i " + debs(older) + "; systemctl disable wormbelld; rm -f /state/active", do: debs(newer), never: "start wormbelld", quiet: true},
		"masked":               {before: "dpkg -i " + debs(older) + "; systemctl mask wormbelld; rm -f /state/active", do: debs(newer), never: "start wormbelld", quiet: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			j := newJail(t)
			out := j.run(fakeSystemd + c.before + "\n: >/state/log\ndpkg -i " + c.do + " >/dev/null 2>/state/said; echo ended with $?; cat /state/said; echo ---; cat /state/log")
			said, log, ok := strings.Cut(out, "\n---\n")
			if !ok || !strings.Contains(said, "ended with 0") {
				t.Fatalf("dpkg did not end well:\n%s", out)
			}
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("does not say %q:\n%s", want, said)
				}
			}
			if c.quiet && strings.Contains(said, "wormbell:") {
				t.Errorf("says something although all is well:\n%s", said)
			}
			rest := log
			for _, want := range c.asked {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Errorf("systemd was not asked %q in its turn:\n%s", want, log)
				}
				rest = after
			}
			if c.never != "" && strings.Contains(log, c.never) {
				t.Errorf("systemd was asked %q:\n%s", c.never, log)
			}
		})
	}
}

// TestDebMishaps: states that dpkg gets a machine into when something else goes
// wrong, and machines that are not as most are.
func TestDebMishaps(t *testing.T) {
	releases(t)
	const own = `
		mkdir -p /etc/systemd/system
		printf '[Service]\nExecStart=/usr/local/bin/wormbelld\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/wormbelld.service
		install -d -m 700 /var/lib/wormbell && echo x >/var/lib/wormbell/wormbell.db
		systemctl enable wormbelld 2>/dev/null; : >/state/active; : >/state/log
	`
	const info = "/var/lib/dpkg/info/wormbell."
	agent := strings.Fields(debs(newer))[0]
	for name, c := range map[string]struct {
		do    string
		says  []string
		never string // said, or asked of systemd
	}{
		"over an installation of one's own": {own + "dpkg -i " + agent + "; test -e /state/active", []string{"is that of 'wormbell install' here", "to change over"}, "\nstart wormbelld"},
		"upgrade over one":                  {own + "dpkg -i " + strings.Fields(debs(older))[0] + ">/dev/null 2>&1; dpkg -i " + agent + "; test -e /state/active", nil, "\nstart wormbelld"},
		// Nobody's alerts, and nobody's agent, go with a package that is not used.
		"purged under one":                   {own + "dpkg -i " + agent + " 2>/dev/null; dpkg -P wormbell; test -e /state/active && test -e /var/lib/wormbell/wormbell.db && systemctl is-enabled wormbelld", []string{"the alerts, the trust rows and the service stay"}, "\nstop wormbelld"},
		"policy-rc.d":                        {"printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; dpkg -i " + agent, []string{"policy-rc.d lets nothing be started now: this machine is NOT guarded"}, "\nstart wormbelld"},
		"policy-rc.d at an upgrade":          {"dpkg -i " + strings.Fields(debs(older))[0] + "; : >/state/log; printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; dpkg -i " + agent, []string{"policy-rc.d lets nothing be started now: the new agent runs after"}, "\nrestart wormbelld"},
		"switched off before":                {"mkdir -p /etc/systemd/system; ln -s /dev/null /etc/systemd/system/wormbelld.service; dpkg -i " + agent, []string{"the agent is switched off on this machine (disabled or masked), which is NOT guarded"}, "\nstart wormbelld"},
		"an upgrade that is given up":        {"dpkg -i " + agent + "; : >/state/refuses; " + info + "postinst abort-upgrade 9.9.9-1", []string{"did not start: this machine is NOT guarded"}, "to go back"},
		"a removal that is given up":         {"dpkg -i " + agent + "; " + info + "prerm remove; test ! -e /state/active; " + info + "postinst abort-remove; test -e /state/active", nil, "NOT guarded"},
		"a removal for another is given up":  {"dpkg -i " + agent + "; : >/state/refuses; " + info + "postinst abort-remove in-favour other 1.0", nil, "to go back"},
		"an installation that is given up":   {"dpkg -i " + agent + "; " + info + "postrm abort-install; " + info + "postrm abort-upgrade 1; " + info + "postrm failed-upgrade 1; " + info + "postrm upgrade 1; " + info + "postrm disappear other 1; " + info + "prerm upgrade 9; " + info + "prerm failed-upgrade 1; " + info + "prerm deconfigure in-favour other 1; test -e /state/active", nil, "\nstop wormbelld"},
		"nowhere to say anything":            {"dpkg -i " + agent + "; " + info + "prerm remove 2>/dev/full; " + info + "prerm remove 2>&-; dpkg -r wormbell 2>/dev/full", nil, "subprocess"},
		"a store on a disk of its own":       {"dpkg -i " + agent + "; mkdir -p /var/lib/wormbell; mount -t tmpfs tmpfs /var/lib/wormbell; dpkg -P wormbell", []string{"not all of /var/lib/wormbell could be removed"}, "subprocess"},
		"a store that leads elsewhere":       {"dpkg -i " + agent + "; mkdir -p /srv/other; echo x >/srv/other/file; ln -s /srv/other /var/lib/wormbell; dpkg -P wormbell; test -e /srv/other/file && test ! -L /var/lib/wormbell", nil, "subprocess"},
		"twice":                              {"dpkg -i " + agent + "; " + info + "postinst configure ''; " + info + "postinst configure 1.1.0-1; " + info + "prerm remove; " + info + "prerm remove; " + info + "postrm remove; " + info + "postrm remove; dpkg -P wormbell", nil, "NOT guarded"},
		"no helper of Debian's":              {"rm /usr/bin/deb-systemd-helper; dpkg -i " + agent + "; dpkg -P wormbell", nil, "subprocess"},
		"a systemd whose program is missing": {"rm /usr/bin/systemctl; dpkg -i " + agent + "; dpkg -P wormbell", nil, "subprocess"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := newJail(t).try(fakeSystemd + "set -e\nexport DPKG_MAINTSCRIPT_PACKAGE=wormbell\n{ " + c.do + "; } 2>&1; cat /state/log")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range c.says {
				if !strings.Contains(out, want) {
					t.Errorf("does not say %q:\n%s", want, out)
				}
			}
			if strings.Contains(out, c.never) {
				t.Errorf("there is %q in\n%s", c.never, out)
			}
		})
	}
}

// TestRPMLife installs, upgrades and erases with rpm, in a database of its own.
func TestRPMLife(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("needs rpm, which is not installed")
	}
	releases(t)
	j := newJail(t)
	j.run("mkdir -p /var/lib/rpm /usr/share/licenses /usr/share/zsh/site-functions && rpm --initdb && rpm --import /share/" + newer + "/repo/wormbell.asc")
	before := j.tree()
	rpms := func(version string) string {
		return fmt.Sprintf("/share/%s/wormbell-%s-1.x86_64.rpm /share/%s/wormbell-tray-%s-1.x86_64.rpm", version, parse(t, version).In(rpm), version, parse(t, version).In(rpm))
	}
	for _, file := range strings.Fields(rpms(newer)) {
		if got := j.run("rpm --checksig " + file); !strings.Contains(got, "digests signatures OK") {
			t.Errorf("rpm says of the signature: %s", got)
		}
	}
	// A package changed after it was signed. Byte 40000 lies in the files.
	if out, err := j.try("cp /share/" + newer + "/wormbell-1.1.0-1.x86_64.rpm /tmp/x.rpm && printf x | dd of=/tmp/x.rpm bs=1 seek=40000 conv=notrunc 2>/dev/null && rpm --checksig /tmp/x.rpm"); err == nil {
		t.Errorf("rpm takes a changed package for good: %s", out)
	}
	j.run("rpm -i --nodeps " + rpms(older))
	if got := j.run("rpm -V wormbell wormbell-tray; systemctl is-enabled wormbelld; systemctl --global is-enabled wormbell-tray; wormbell --version"); got != "enabled\nenabled\nwormbell v"+older+"\n" {
		t.Errorf("after the installation: %q", got)
	}
	if got := j.run(`rpm -q --qf '[%{FILENAMES} %{FILEMODES:octal} %{FILEFLAGS:fflags}\n]' wormbell | grep -E 'bin/|/etc/'`); got !=
		"/etc/wormbell 40755 \n/etc/wormbell/conf.d 40755 \n/etc/wormbell/trust.d 40755 \n/usr/bin/wormbell 100711 \n/usr/bin/wormbelld 100755 \n" {
		t.Errorf("rpm has the files as:\n%s", got)
	}
	j.run("install -d -m 700 /var/lib/wormbell; systemctl disable wormbelld; rpm -U --nodeps " + rpms(newer))
	if got := j.run("systemctl is-enabled wormbelld || :; systemctl --global is-enabled wormbell-tray; wormbell --version"); got != "disabled\nenabled\nwormbell v"+newer+"\n" {
		t.Errorf("after the upgrade: %q", got)
	}
	j.run("rpm -e wormbell-tray wormbell; rm -r /var/lib/wormbell")
	if diff := cmp.Diff(lines(j.tree()), lines(before)); diff != "" {
		t.Errorf("after the removal (- left over, + missing):\n%s", diff)
	}
	// An administrator's preset comes first.
	j.run("mkdir -p /etc/systemd/system-preset && echo 'disable wormbelld.service' >/etc/systemd/system-preset/10-mine.preset && rpm -i --nodeps " + rpms(newer))
	if got := j.run("systemctl is-enabled wormbelld || :"); got != "disabled\n" {
		t.Errorf("with a preset that disables it the service is %q", got)
	}
}

// TestRPMService: the arguments that rpm gives scripts are counts.
func TestRPMService(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("needs rpm, which is not installed")
	}
	releases(t)
	old := "/share/" + older + "/wormbell-1.0.0~rc.1-1.x86_64.rpm"
	next := "/share/" + newer + "/wormbell-1.1.0-1.x86_64.rpm"
	for name, c := range map[string]struct {
		do   string
		want []string
	}{
		"first installation":         {"rpm -i --nodeps " + next, []string{"start wormbelld.service"}},
		"upgrade":                    {"rpm -i --nodeps " + old + "; : >/state/log; rpm -U --nodeps " + next, []string{"restart wormbelld.service"}},
		"the new one does not start": {"rpm -i --nodeps " + old + "; : >/state/refuses; : >/state/log; rpm -U --nodeps " + next, []string{"restart wormbelld.service", "NOT guarded", "dnf downgrade wormbell"}},
		"removal":                    {"rpm -i --nodeps " + old + "; : >/state/log; rpm -e wormbell; test ! -e /state/active", []string{"stop wormbelld.service", "daemon-reload"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJail(t)
			out := j.run("mkdir -p /var/lib/rpm && rpm --initdb\n" + fakeSystemd + c.do + " 2>&1; echo ended with $?; cat /state/log")
			if !strings.Contains(out, "ended with 0") {
				t.Fatalf("rpm did not end well:\n%s", out)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q:\n%s", want, out)
				}
			}
			if name == "upgrade" && strings.Contains(out, "\nstop wormbelld") {
				t.Errorf("an upgrade must not leave the machine without an agent:\n%s", out)
			}
		})
	}
}

// TestPacmanLife installs, upgrades and removes with pacman.
func TestPacmanLife(t *testing.T) {
	if _, err := exec.LookPath("pacman"); err != nil {
		t.Skip("needs pacman, which is not installed")
	}
	releases(t)
	j := newJail(t)
	pkgs := func(version string) string {
		return fmt.Sprintf("/share/%s/wormbell-%s-1-x86_64.pkg.tar.zst /share/%s/wormbell-tray-%s-1-x86_64.pkg.tar.zst", version, parse(t, version).In(arch), version, parse(t, version).In(arch))
	}
	// Where pacman is at home, sh is bash, and what nfpm writes around the scripts needs that.
	j.run("ln -sf bash /usr/bin/sh; mkdir -p /var/lib/pacman /usr/share/licenses /usr/share/zsh/site-functions /usr/share/fish/vendor_completions.d /etc/pacman.d/gnupg && printf '[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n' >/etc/pacman.conf")
	// Folders of other packages, which no other package of pacman's holds here.
	j.run("touch /usr/share/licenses/keep /usr/share/zsh/site-functions/keep /usr/share/fish/vendor_completions.d/keep")
	before := j.tree()
	j.run("pacman -U --noconfirm " + pkgs(older))
	if got := j.run("pacman -Qkk wormbell wormbell-tray | grep -o '[0-9]* altered files'; systemctl is-enabled wormbelld; systemctl --global is-enabled wormbell-tray; wormbell --version; stat -c %a /usr/bin/wormbell"); got !=
		"0 altered files\n0 altered files\nenabled\nenabled\nwormbell v"+older+"\n711\n" {
		t.Errorf("after the installation: %q", got)
	}
	j.run("systemctl disable wormbelld; pacman -U --noconfirm " + pkgs(newer))
	if got := j.run("systemctl is-enabled wormbelld || :; pacman -Q wormbell"); got != "disabled\nwormbell 1.1.0-1\n" {
		t.Errorf("after the upgrade: %q", got)
	}
	out := j.run(fakeSystemd + "systemctl enable wormbelld 2>&1; pacman -U --noconfirm " + pkgs(older) + " 2>&1; : >/state/active; : >/state/refuses; pacman -U --noconfirm " + pkgs(newer) + " 2>&1")
	for _, want := range []string{"the new agent did not start: this machine is NOT guarded", "pacman -U /var/cache/pacman/pkg/wormbell-1.0.0rc1-1-"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	j.run("pacman -R --noconfirm wormbell-tray wormbell; rm -rf /var/lib/wormbell")
	if diff := cmp.Diff(lines(j.tree()), lines(before)); diff != "" {
		t.Errorf("after the removal (- left over, + missing):\n%s", diff)
	}
}

// TestAPK: apk-tools are in no distribution but Alpine, so the package is read
// as its format is written down: three streams, the first a signature over the
// second, whose settings hold a sum of the third.
func TestAPK(t *testing.T) {
	m := releases(t)
	file := filepath.Join(m.out[newer], "wormbell-1.1.0-r1.x86_64.apk")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	signature, control, files := splitAPK(t, data)
	if want := ".SIGN.RSA." + apkKeyName; signature.name != want {
		t.Errorf("the signature is called %q, want %q", signature.name, want)
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"sig": signature.data, "control": control.raw} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	verify := func() error {
		return shell(dir, `openssl dgst -sha1 -verify "$1" -signature sig control`, filepath.Join(m.dir, "keys/apk.pub"))
	}
	if err := verify(); err != nil {
		t.Errorf("the signature: %v", err)
	}
	control.raw[len(control.raw)/2] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "control"), control.raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if verify() == nil {
		t.Error("the signature holds for a changed package, too")
	}
	for _, want := range []string{"pkgname = wormbell\n", "pkgver = 1.1.0-r1\n", "arch = x86_64\n", "datahash = " + files.sum + "\n"} {
		if !strings.Contains(control.text[".PKGINFO"], want) {
			t.Errorf("no %q in:\n%s", want, control.text[".PKGINFO"])
		}
	}
	for _, script := range []string{".post-install", ".post-upgrade", ".pre-deinstall", ".post-deinstall"} {
		if !strings.HasPrefix(control.text[script], "#!/bin/sh\n") {
			t.Errorf("no script %s", script)
		}
	}
	for name, mode := range map[string]int64{"usr/bin/wormbell": 0o711, "usr/bin/wormbelld": 0o755, "etc/init.d/wormbelld": 0o755} {
		if files.modes[name] != mode {
			t.Errorf("%s has mode %o", name, files.modes[name])
		}
	}
}

// TestPackagesHoldTheirLicence: each says under which licence it is.
func TestPackagesHoldTheirLicence(t *testing.T) {
	m := releases(t)
	for name, want := range map[string]string{"wormbell_1.1.0-1_amd64.deb": "/usr/share/doc/wormbell/copyright", "wormbell-tray_1.1.0-1_amd64.deb": "/usr/share/doc/wormbell-tray/copyright"} {
		out, err := exec.Command("dpkg-deb", "-c", filepath.Join(m.out[newer], name)).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(lines(string(out)), func(l string) bool { return strings.HasSuffix(l, "."+want) }) {
			t.Errorf("%s has no %s", name, want)
		}
	}
}

// TestPackagesHoldTheirPages: every program has a page in the package that
// brings it.
func TestPackagesHoldTheirPages(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("needs rpm, which is not installed")
	}
	m := releases(t)
	for name, programs := range map[string][]string{"wormbell": {"wormbell", "wormbelld"}, "wormbell-tray": {"wormbell-tray"}} {
		out, err := exec.Command("rpm", "-qpl", filepath.Join(m.out[newer], name+"-1.1.0-1.x86_64.rpm")).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range programs {
			if files := lines(string(out)); !slices.Contains(files, "/usr/bin/"+p) || !slices.Contains(files, "/usr/share/man/man1/"+p+".1.gz") {
				t.Errorf("%s has no program %s, or no page of it", name, p)
			}
		}
	}
}
