package update

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/executable"
)

// machine makes a folder with package managers: scripts that answer as the real
// ones do. What is asked of none of them ends with status 9.
func machine(t *testing.T, programs map[string]string) Config {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell to write programs for")
	}
	bin := t.TempDir()
	for name, cases := range programs {
		if err := executable.Write(filepath.Join(bin, name), "#!/bin/sh\n[ \"$LC_ALL\" = C ] || exit 8\ncase \"$*\" in\n"+cases+"\n*) exit 9 ;;\nesac\n"); err != nil {
			t.Fatal(err)
		}
	}
	return Config{Program: filepath.Join(bin, "wormbell"), Bin: bin}
}

const (
	debHas = `"-W -f "*) echo 'ii |amd64|1.0.0-1' ;;`
	debNot = `"-W -f "*) exit 1 ;;`
	redHas = `"-q --qf "*) echo 1.0.0-1 x86_64 ;;`
)

func policy(candidate, table string) string {
	return `"policy wormbell:amd64") cat <<'EOF'
wormbell:
  Installed: 1.0.0-1
  Candidate: ` + candidate + `
  Version table:
` + table + `EOF
;;`
}

const (
	offer  = "        500 https://packages.example.com/wormbell/repo/apt stable/main amd64 Packages\n"
	itself = " *** 1.0.0-1 100\n        100 /var/lib/dpkg/status\n"
)

func TestLook(t *testing.T) {
	newer := `"--compare-versions "*) exit 0 ;;`
	notNewer := `"--compare-versions "*) exit 1 ;;`
	const noOffer = "no repository that dnf knows offers it for x86_64, or dnf was told to leave it out, so dnf cannot update it"
	const heldBack = "apt was told to hold it back ('sudo apt-mark unhold wormbell' ends that)"
	debHeld := `"-W -f "*) echo 'hi |amd64|1.0.0-1' ;;`
	for name, c := range map[string]struct {
		programs map[string]string
		want     Result
	}{
		"apt knows a newer one": {map[string]string{"dpkg-query": debHas, "dpkg": newer, "apt-cache": policy("1.1.0-1", "     1.1.0-1 500\n"+offer+itself)},
			Result{State: Newer, Manager: "apt", Installed: "1.0.0-1", Available: "1.1.0-1", Command: "sudo apt update && sudo apt upgrade"}},
		"apt knows this one": {map[string]string{"dpkg-query": debHas, "apt-cache": policy("1.0.0-1", " *** 1.0.0-1 500\n"+offer+itself)},
			Result{State: Current, Manager: "apt", Installed: "1.0.0-1"}},
		"apt knows no repository": {map[string]string{"dpkg-query": debHas, "apt-cache": policy("1.0.0-1", itself)},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "no repository that apt knows offers it, so apt cannot update it"}},
		"apt offers older ones": {map[string]string{"dpkg-query": debHas, "dpkg": notNewer, "apt-cache": policy("0.9.0-1", "     0.9.0-1 1001\n"+offer+itself)},
			Result{State: Current, Manager: "apt", Installed: "1.0.0-1", Why: "what the repositories offer is not newer"}},
		"apt fails": {map[string]string{"dpkg-query": debHas, "apt-cache": ""},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "ask apt-cache: exit status 9"}},
		"apt says too much": {map[string]string{"dpkg-query": debHas, "apt-cache": `"policy wormbell:amd64") exec yes "Candidate: 1.0.0-1 x Packages" ;;`},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "ask apt-cache: its answer is longer than 65536 bytes"}},
		"apt never answers": {map[string]string{"dpkg-query": debHas, "apt-cache": `"policy wormbell:amd64") exec sleep 600 ;;`},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "apt did not answer in time"}},
		"apt cannot compare": {map[string]string{"dpkg-query": debHas, "dpkg": `"--compare-versions "*) exit 2 ;;`, "apt-cache": policy("1.1.0-1", offer)},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "ask dpkg: exit status 2"}},
		"apt compares for ever": {map[string]string{"dpkg-query": debHas, "dpkg": `"--compare-versions "*) exec sleep 600 ;;`, "apt-cache": policy("1.1.0-1", offer)},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "apt did not answer in time"}},
		"apt offers no version": {map[string]string{"dpkg-query": debHas, "dpkg": newer, "apt-cache": policy("--version", offer)},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "apt did not say which version it would install"}},
		"held, and there is a newer one": {map[string]string{"dpkg-query": debHeld, "dpkg": newer, "apt-cache": policy("1.1.0-1", offer)},
			Result{State: Held, Manager: "apt", Installed: "1.0.0-1", Available: "1.1.0-1", Why: heldBack}},
		"held, and there is none": {map[string]string{"dpkg-query": debHeld, "apt-cache": policy("1.0.0-1", offer)},
			Result{State: Current, Manager: "apt", Installed: "1.0.0-1"}},
		"pinned to nothing": {map[string]string{"dpkg-query": debHas, "dpkg": newer, "apt-cache": policy("(none)", "     1.1.0-1 -1\n"+offer+itself)},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "apt was told to install no version that there is (apt_preferences(5)), so apt cannot update it"}},
		"of another architecture": {map[string]string{"dpkg-query": `"-W -f "*) printf 'rc |amd64|0.9.0-1\nii |arm64|1.0.0-1\n' ;;`, "dpkg": newer,
			"apt-cache": policy("1.1.0-1", offer) + ` "policy wormbell:arm64") echo " Candidate: 1.0.0-1"; echo " 500 https://packages.example.com stable/main arm64 Packages" ;;`},
			Result{State: Current, Manager: "apt", Installed: "1.0.0-1"}},
		"not configured yet": {map[string]string{"dpkg-query": `"-W -f "*) echo 'iFR|amd64|1.0.0-1' ;;`, "apt-cache": policy("1.0.0-1", offer)},
			Result{State: Current, Manager: "apt", Installed: "1.0.0-1"}},
		"dpkg's list is broken": {map[string]string{"dpkg-query": `"-W -f "*) exit 2 ;;`, "apt-cache": ""},
			Result{State: Unknown, Why: "ask dpkg-query: exit status 2"}},
		"removed, its settings kept": {map[string]string{"dpkg-query": `"-W -f "*) echo 'rc |amd64|1.0.0-1' ;;`, "apt-cache": policy("1.1.0-1", offer)},
			Result{State: Unmanaged, Why: "no package holds it: no package manager updates it"}},
		"dnf knows a newer one": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) echo 1.1.0-1 x86_64 ;; *"--upgrades"*) echo 1.1.0-1 x86_64 ;;`},
			Result{State: Newer, Manager: "dnf", Installed: "1.0.0-1", Available: "1.1.0-1", Command: "sudo dnf upgrade wormbell wormbell-tray"}},
		"dnf knows this one": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) echo 1.0.0-1 x86_64 ;;`},
			Result{State: Current, Manager: "dnf", Installed: "1.0.0-1"}},
		"dnf has no lists": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) exit 1 ;;`},
			Result{State: Unknown, Manager: "dnf", Installed: "1.0.0-1", Why: "dnf has no lists of its repositories to look into: ask dnf: exit status 1"}},
		"dnf knows no repository": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) ;;`},
			Result{State: Unknown, Manager: "dnf", Installed: "1.0.0-1", Why: noOffer}},
		"dnf knows a newer one by its epoch": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) printf '1:1.0.0-1 x86_64\n\n' ;; *"--upgrades"*) echo 1:1.0.0-1 x86_64 ;;`},
			Result{State: Newer, Manager: "dnf", Installed: "1.0.0-1", Available: "1:1.0.0-1", Command: "sudo dnf upgrade wormbell wormbell-tray"}},
		"dnf offers another architecture's": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) printf '1.1.0-1 i686\n\n1.0.0-1 x86_64\n\n' ;; *"--upgrades"*) echo 1.1.0-1 i686 ;;`},
			Result{State: Current, Manager: "dnf", Installed: "1.0.0-1"}},
		"dnf offers only another architecture's": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) echo 1.1.0-1 i686 ;; *"--upgrades"*) echo 1.1.0-1 i686 ;;`},
			Result{State: Unknown, Manager: "dnf", Installed: "1.0.0-1", Why: noOffer}},
		"dnf offers older ones": {map[string]string{"rpm": redHas, "dnf": `*"--available"*) echo 1.0.0~rc1-1 x86_64 ;; *"--upgrades"*) ;;`},
			Result{State: Current, Manager: "dnf", Installed: "1.0.0-1", Why: "what the repositories offer is not newer"}},
		"apt on a machine of dnf": {map[string]string{"dpkg-query": debNot, "apt-cache": "", "rpm": redHas, "dnf": `*"--available"*) echo 1.0.0-1 x86_64 ;;`},
			Result{State: Current, Manager: "dnf", Installed: "1.0.0-1"}},
		"pacman knows a newer one": {map[string]string{"pacman": `"-Q wormbell") echo "wormbell 1.0.0-1" ;; "-Si wormbell") ;; "-Qu wormbell") echo "wormbell 1.0.0-1 -> 1.1.0-1" ;;`},
			Result{State: Newer, Manager: "pacman", Installed: "1.0.0-1", Available: "1.1.0-1", Command: "sudo pacman -Syu"}},
		"pacman knows this one": {map[string]string{"pacman": `"-Q wormbell") echo "wormbell 1.0.0-1" ;; "-Si wormbell") ;; "-Qu wormbell") exit 1 ;;`},
			Result{State: Current, Manager: "pacman", Installed: "1.0.0-1"}},
		"pacman was told to leave it": {map[string]string{"pacman": `"-Q wormbell") echo "wormbell 1.0.0-1" ;; "-Si wormbell") ;; "-Qu wormbell") echo "wormbell 1.0.0-1 -> 1.1.0-1 [ignored]" ;;`},
			Result{State: Held, Manager: "pacman", Installed: "1.0.0-1", Available: "1.1.0-1", Why: "pacman was told to leave it (IgnorePkg or IgnoreGroup of /etc/pacman.conf)"}},
		"pacman knows no repository": {map[string]string{"pacman": `"-Q wormbell") echo "wormbell 1.0.0-1" ;; "-Si wormbell") exit 1 ;;`},
			Result{State: Unknown, Manager: "pacman", Installed: "1.0.0-1", Why: "no repository that pacman knows offers it, so pacman cannot update it"}},
		"no package manager": {nil, Result{State: Unknown, Why: "no package manager that Wormbell knows is here"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Look(context.Background(), machine(t, c.programs))
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("(- got, + want)\n%s", diff)
			}
			if got.State != Current && strings.Contains(got.String(), "up to date") {
				t.Errorf("says %q", got)
			}
		})
	}
}

// TestLookFromElsewhere: an archive's program asks no package manager, whatever
// that has.
func TestLookFromElsewhere(t *testing.T) {
	c := machine(t, map[string]string{"dpkg-query": debHas, "apt-cache": policy("1.0.0-1", offer)})
	c.Program = filepath.Join(t.TempDir(), "wormbell")
	if got := Look(context.Background(), c); got.State != Unmanaged || !strings.Contains(got.String(), "no package manager updates it") {
		t.Errorf("says %+v", got)
	}
}

// TestDebianVersions: which is newer, dpkg itself decides, deb-version(7).
func TestDebianVersions(t *testing.T) {
	const dpkg = "/usr/bin/dpkg"
	if _, err := os.Stat(dpkg); err != nil {
		t.Skip("needs dpkg")
	}
	for _, c := range []struct {
		installed, candidate string
		want                 State
	}{
		{"1.0.0-1", "1.0.0-1", Current},
		{"1.0.9-1", "1.0.10-1", Newer},
		{"1.0.10-1", "1.0.9-1", Current},
		{"1.0.0~rc1-1", "1.0.0-1", Newer},
		{"1.0.0-1", "1.0.0~rc1-1", Current},
		{"1.0.0~rc1-1", "1.0.0~rc1~x-1", Current},
		{"1.0.0~~-1", "1.0.0~-1", Newer},
		{"2.0.0-1", "1:1.0.0-1", Newer},
		{"1:1.0.0-1", "2.0.0-1", Current},
		{"1.0.0-1", "0:1.0.0-1", Current},
		{"1.0.0-1", "1.0.0-1+deb13u1", Newer},
		{"1.0.0-1", "1.0.0-1~bpo12+1", Current},
		{"1.0.0-1", "1.0.0-01", Current},
		{"1.0.0-1", "1.0.0+git20260101-1", Newer},
		{"1.0.0a-1", "1.0.0+-1", Newer}, // letters before all else
		{"1.0.0-1", "1.0.0", Current},   // no revision is the least
		{"0.0.0~20260101-1", "0.0.1~20250101-1", Newer},
	} {
		m := machine(t, map[string]string{"dpkg-query": `"-W -f "*) echo 'ii |amd64|` + c.installed + `' ;;`, "dpkg": `*) exec ` + dpkg + ` "$@" ;;`,
			"apt-cache": policy(c.candidate, offer)})
		if got := Look(context.Background(), m); got.State != c.want {
			t.Errorf("%s installed, %s to be had: %+v, want %s", c.installed, c.candidate, got, c.want)
		}
	}
}

// TestEnvironment: what the caller has in the environment leads no package
// manager to other lists, and none to code.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"APT_CONFIG", "DPKG_ADMINDIR", "RPM_CONFIGDIR", "PYTHONPATH", "LD_PRELOAD", "LD_LIBRARY_PATH"} {
		t.Setenv(name, "/tmp/nowhere/of/mine")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PATH", home)
	want := home
	if os.Geteuid() == 0 {
		want = "/root"
	}
	m := machine(t, map[string]string{"dpkg-query": `*) case "$(/usr/bin/env)" in */of/mine*) exit 3 ;; esac; [ "$HOME" = ` + want + ` ] || exit 4
[ "$PWD" = / ] || exit 5; cat /dev/null; echo 'ii |amd64|1.0.0-1' ;;`, "apt-cache": policy("1.0.0-1", offer)})
	if got := Look(context.Background(), m); got.State != Current {
		t.Errorf("%+v", got)
	}
}
