package update

import (
	"context"
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
	dpkgHas = `"-W -f "*) printf 'ii %s' 1.0.0-1 ;;`
	dpkgNot = `"-W -f "*) exit 1 ;;`
	rpmHas  = `"-q --qf "*) printf 1.0.0-1 ;;`
)

func policy(candidate, table string) string {
	return `"policy wormbell") cat <<'EOF'
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
	for name, c := range map[string]struct {
		programs map[string]string
		want     Result
	}{
		"apt knows a newer one": {map[string]string{"dpkg-query": dpkgHas, "dpkg": newer, "apt-cache": policy("1.1.0-1", "     1.1.0-1 500\n"+offer+itself)},
			Result{State: Newer, Manager: "apt", Installed: "1.0.0-1", Available: "1.1.0-1", Command: "sudo apt update && sudo apt upgrade"}},
		"apt knows this one": {map[string]string{"dpkg-query": dpkgHas, "apt-cache": policy("1.0.0-1", " *** 1.0.0-1 500\n"+offer+itself)},
			Result{State: Current, Manager: "apt", Installed: "1.0.0-1"}},
		"apt knows no repository": {map[string]string{"dpkg-query": dpkgHas, "apt-cache": policy("1.0.0-1", itself)},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "no repository that apt knows offers it, so apt cannot update it"}},
		"apt offers older ones": {map[string]string{"dpkg-query": dpkgHas, "dpkg": notNewer, "apt-cache": policy("0.9.0-1", "     0.9.0-1 1001\n"+offer+itself)},
			Result{State: Current, Manager: "apt", Installed: "1.0.0-1", Why: "what the repositories offer is not newer"}},
		"apt fails": {map[string]string{"dpkg-query": dpkgHas, "apt-cache": ""},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "ask apt-cache: exit status 9"}},
		"apt says too much": {map[string]string{"dpkg-query": dpkgHas, "apt-cache": `"policy wormbell") exec yes "Candidate: 1.0.0-1 x Packages" ;;`},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "ask apt-cache: its answer is longer than 65536 bytes"}},
		"apt never answers": {map[string]string{"dpkg-query": dpkgHas, "apt-cache": `"policy wormbell") exec sleep 600 ;;`},
			Result{State: Unknown, Manager: "apt", Installed: "1.0.0-1", Why: "apt did not answer in time"}},
		"removed, its settings kept": {map[string]string{"dpkg-query": `"-W -f "*) printf 'rc %s' 1.0.0-1 ;;`, "apt-cache": policy("1.1.0-1", offer)},
			Result{State: Unmanaged, Why: "no package holds it: no package manager updates it"}},
		"dnf knows a newer one": {map[string]string{"rpm": rpmHas, "dnf": `*"--available"*) echo 1.1.0-1 ;; *"--upgrades"*) echo 1.1.0-1 ;;`},
			Result{State: Newer, Manager: "dnf", Installed: "1.0.0-1", Available: "1.1.0-1", Command: "sudo dnf upgrade wormbell wormbell-tray"}},
		"dnf knows this one": {map[string]string{"rpm": rpmHas, "dnf": `*"--available"*) echo 1.0.0-1 ;;`},
			Result{State: Current, Manager: "dnf", Installed: "1.0.0-1"}},
		"dnf has no lists": {map[string]string{"rpm": rpmHas, "dnf": `*"--available"*) exit 1 ;;`},
			Result{State: Unknown, Manager: "dnf", Installed: "1.0.0-1", Why: "dnf has no lists of its repositories to look into: ask dnf: exit status 1"}},
		"dnf knows no repository": {map[string]string{"rpm": rpmHas, "dnf": `*"--available"*) ;;`},
			Result{State: Unknown, Manager: "dnf", Installed: "1.0.0-1", Why: "no repository that dnf knows offers it, so dnf cannot update it"}},
		"apt on a machine of dnf": {map[string]string{"dpkg-query": dpkgNot, "apt-cache": "", "rpm": rpmHas, "dnf": `*"--available"*) echo 1.0.0-1 ;;`},
			Result{State: Current, Manager: "dnf", Installed: "1.0.0-1"}},
		"pacman knows a newer one": {map[string]string{"pacman": `"-Q wormbell") echo "wormbell 1.0.0-1" ;; "-Si wormbell") ;; "-Qu wormbell") echo "wormbell 1.0.0-1 -> 1.1.0-1" ;;`},
			Result{State: Newer, Manager: "pacman", Installed: "1.0.0-1", Available: "1.1.0-1", Command: "sudo pacman -Syu"}},
		"pacman knows this one": {map[string]string{"pacman": `"-Q wormbell") echo "wormbell 1.0.0-1" ;; "-Si wormbell") ;; "-Qu wormbell") exit 1 ;;`},
			Result{State: Current, Manager: "pacman", Installed: "1.0.0-1"}},
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
	c := machine(t, map[string]string{"dpkg-query": dpkgHas, "apt-cache": policy("1.0.0-1", offer)})
	c.Program = filepath.Join(t.TempDir(), "wormbell")
	if got := Look(context.Background(), c); got.State != Unmanaged || !strings.Contains(got.String(), "no package manager updates it") {
		t.Errorf("says %+v", got)
	}
}
