package update

import (
	"context"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// This file holds how each package manager says what is installed, and what there
// is. Which of two versions is newer, they decide: nobody else knows their rules.

// installed is a package as it is on the machine.
type installed struct {
	version string // as the manager writes it; "" if it is not installed
	arch    string // the architecture that it is for, in the manager's word
	held    bool   // the manager was told to keep it as it is
}

// manager is a package manager.
type manager struct {
	name, tool string
	installed  []string // what is asked for what is installed
	has        func(answer string) installed
	look       func(ctx context.Context, c Config, has installed, r *Result)
	command    string // that updates
}

var managers = []manager{
	{
		name: "apt", tool: "apt-cache", installed: []string{"dpkg-query", "-W", "-f", `${db:Status-Abbrev}|${Architecture}|${Version}\n`, name},
		has: dpkgHas, look: lookApt, command: "sudo apt update && sudo apt upgrade",
	},
	{
		name: "dnf", tool: "dnf", installed: []string{"rpm", "-q", "--qf", `%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH}\n`, name},
		has: rpmHas, look: lookDNF, command: "sudo dnf upgrade wormbell wormbell-tray",
	},
	{
		name: "pacman", tool: "pacman", installed: []string{"pacman", "-Q", name},
		has: func(s string) installed {
			_, v, _ := strings.Cut(strings.TrimSpace(s), " ")
			return installed{version: v}
		},
		look: lookPacman, command: "sudo pacman -Syu",
	},
}

// dpkgHas reads a line for each architecture of which dpkg knows something: what
// is wanted and what is, in two letters (dpkg-query(1)), and a third if it is
// broken. Of a removed package it may know a version, too.
func dpkgHas(answer string) installed {
	for line := range strings.Lines(answer) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 3 || len(f[0]) < 2 || !strings.ContainsRune("iUFWt", rune(f[0][1])) {
			continue
		}
		return installed{version: f[2], arch: f[1], held: f[0][0] == 'h'}
	}
	return installed{}
}

// rpmHas reads a line for each architecture of which it is installed: several
// can be at once, and this program's own is that of the file that runs.
func rpmHas(answer string) (has installed) {
	for line := range strings.Lines(answer) {
		version, arch, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && (has.version == "" || arch == rpmArch[runtime.GOARCH]) {
			has = installed{version: strings.TrimPrefix(version, "0:"), arch: arch}
		}
	}
	return has
}

var rpmArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}

// debianVersion is the form of a version, deb-version(7).
var debianVersion = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~:-]*$`)

// lookApt reads 'apt-cache policy', which knows what the last update told.
func lookApt(ctx context.Context, c Config, has installed, r *Result) {
	which := name
	if has.arch != "all" {
		which += ":" + has.arch // else it would be the machine's own architecture's
	}
	answer, err := c.ask(ctx, "apt-cache", "policy", which)
	if err != nil {
		r.Why = err.Error()
		return
	}
	var candidate string
	offered := false
	for line := range strings.Lines(answer) {
		t := strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(t, "Candidate: "); ok {
			candidate = v
		}
		// "        500 https://… stable/main amd64 Packages"; the system's own list of what is installed is no offer.
		if f := strings.Fields(t); len(f) >= 3 && strings.HasSuffix(t, " Packages") {
			offered = true
		}
	}
	switch {
	case !offered:
		r.Why = "no repository that apt knows offers it, so apt cannot update it"
	case candidate == "(none)":
		r.Why = "apt was told to install no version that there is (apt_preferences(5)), so apt cannot update it"
	case !debianVersion.MatchString(candidate):
		r.Why = "apt did not say which version it would install"
	case candidate == r.Installed:
		r.State = Current
	default:
		// A candidate is never older, unless an administrator pinned it so.
		_, err := c.ask(ctx, "dpkg", "--compare-versions", candidate, "gt", r.Installed)
		switch {
		case err == nil && has.held:
			r.State, r.Available, r.Why = Held, candidate, "apt was told to hold it back ('sudo apt-mark unhold wormbell' ends that)"
		case err == nil:
			r.State, r.Available = Newer, candidate
		case ended(err, 1):
			r.State, r.Why = Current, "what the repositories offer is not newer"
		default:
			r.Why = err.Error()
		}
	}
}

// lookDNF asks dnf for what it has in its caches (-C). What its settings exclude
// or lock, it does not tell of.
func lookDNF(ctx context.Context, c Config, has installed, r *Result) {
	query := func(which string) (string, error) {
		answer, err := c.ask(ctx, "dnf", "-C", "-q", "repoquery", which, "--latest-limit=1", "--qf", `%{evr} %{arch}\n`, name)
		if err != nil {
			return "", err
		}
		return dnfOffers(answer, has.arch), nil
	}
	newest, err := query("--available")
	switch {
	case err != nil:
		r.Why = "dnf has no lists of its repositories to look into: " + err.Error()
		return
	case newest == "":
		r.Why = "no repository that dnf knows offers it for " + has.arch + ", or dnf was told to leave it out, so dnf cannot update it"
		return
	case newest == r.Installed:
		r.State = Current
		return
	}
	upgrade, err := query("--upgrades")
	switch {
	case err != nil:
		r.Why = err.Error()
	case upgrade != "":
		r.State, r.Available = Newer, upgrade
	default:
		r.State, r.Why = Current, "what the repositories offer is not newer"
	}
}

// dnfOffers returns the version for that architecture, or for all, of an answer
// that has a line for each.
func dnfOffers(answer, arch string) (version string) {
	for line := range strings.Lines(answer) {
		v, a, _ := strings.Cut(strings.TrimSpace(line), " ")
		if slices.Contains([]string{arch, "noarch"}, a) {
			version = strings.TrimPrefix(v, "0:")
		}
	}
	return version
}

// lookPacman asks pacman, whose -Qu says nothing both of what is the newest
// and of what no repository has.
func lookPacman(ctx context.Context, c Config, _ installed, r *Result) {
	if _, err := c.ask(ctx, "pacman", "-Si", name); err != nil {
		r.Why = "no repository that pacman knows offers it, so pacman cannot update it"
		return
	}
	answer, err := c.ask(ctx, "pacman", "-Qu", name)
	_, v, newer := strings.Cut(strings.TrimSpace(answer), " -> ")
	v, ignored := strings.CutSuffix(v, " [ignored]")
	switch {
	case newer && ignored:
		r.State, r.Available, r.Why = Held, v, "pacman was told to leave it (IgnorePkg or IgnoreGroup of /etc/pacman.conf)"
	case newer:
		r.State, r.Available = Newer, v
	case ended(err, 1) && strings.TrimSpace(answer) == "":
		r.State = Current
	default:
		r.Why = "pacman did not say"
	}
}
