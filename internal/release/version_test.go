package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// ascending are versions from the oldest to the newest.
var ascending = []string{
	"0.9.9", "1.0.0-0.20260101000000-0123456789ab", "1.0.0-0.20261122151349-392e8ee3495f", "1.0.0-alpha.0", "1.0.0-alpha.1", "1.0.0-beta.1", "1.0.0-beta.2", "1.0.0-beta.10",
	"1.0.0-rc.1", "1.0.0-rc.2", "1.0.0", "1.0.1-0.20261122151349-392e8ee3495f", "1.0.1-rc.1", "1.0.1", "1.0.10", "1.2.0", "1.10.0-alpha.1", "1.10.0", "2.0.0",
}

// TestVersionsSort asks the package managers themselves which version is newer.
// apk's is in no distribution but its own: what it is given is compared with
// its rules in TestVersionsForAPK.
func TestVersionsSort(t *testing.T) {
	sorters := []struct {
		format, tool string
		older        func(a, b string) error // nil: a is older than b
	}{
		{deb, "dpkg", func(a, b string) error { return exec.Command("dpkg", "--compare-versions", a, "lt", b).Run() }},
		{rpm, "rpm", func(a, b string) error {
			out, err := exec.Command("rpm", "--eval", fmt.Sprintf("%%{lua: print(rpm.vercmp('%s', '%s'))}", a, b)).Output()
			if err == nil && string(out) != "-1\n" {
				err = fmt.Errorf("rpm.vercmp says %q", out)
			}
			return err
		}},
		{arch, "pacman", func(a, b string) error { return pacmanOlder(t, a, b) }},
	}
	for _, s := range sorters {
		t.Run(s.format, func(t *testing.T) {
			if _, err := exec.LookPath(s.tool); err != nil {
				t.Skipf("needs %s, which is not installed", s.tool)
			}
			for i := range ascending[1:] {
				a, b := parse(t, ascending[i]).In(s.format), parse(t, ascending[i+1]).In(s.format)
				if err := s.older(a+"-1", b+"-1"); err != nil {
					t.Errorf("%s: %s is not older than %s: %v", s.tool, a, b, err)
				}
				if err := s.older(b+"-1", a+"-1"); err == nil {
					t.Errorf("%s: %s is older than %s, too: the check cannot fail", s.tool, b, a)
				}
			}
		})
	}
}

// pacmanOlder asks pacman whether an installed package of version a leaves a
// wish for one newer than a, b at least, open. Debian's package of pacman comes
// without vercmp.
func pacmanOlder(t *testing.T, a, b string) error {
	t.Helper()
	db := t.TempDir()
	dir := filepath.Join(db, "local", "thing-"+a)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(db, "local", "ALPM_DB_VERSION"), []byte("9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "desc"), []byte("%NAME%\nthing\n\n%VERSION%\n"+a+"\n\n%ARCH%\nany\n\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(db, "pacman.conf")
	if err := os.WriteFile(conf, []byte("[options]\nArchitecture = auto\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pacman", "--config", conf, "--dbpath", db, "-T", "thing<"+b).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w %s", err, out)
	}
	return nil
}

func parse(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVersionsForAPK: apk sorts the suffixes _alpha, _beta, _pre, _rc before
// nothing, in this order, and _git after what it follows (apk-tools,
// doc/apk-package.5.scd).
func TestVersionsForAPK(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3_rc1", "1.2.3-alpha.10": "1.2.3_alpha10", "1.2.3-beta.2": "1.2.3_beta2",
		"1.2.4-0.20261122151349-392e8ee3495f": "1.2.4_alpha0_git20261122151349", "0.0.0-20261122151349-392e8ee3495f": "0.0.0_alpha0_git20261122151349",
	} {
		if got := parse(t, in).In(apk); got != want {
			t.Errorf("%s for apk is %s, want %s", in, got, want)
		}
	}
}

// TestVersionsRefused: what one of the four formats could not sort is no
// version of ours.
func TestVersionsRefused(t *testing.T) {
	for _, s := range []string{"", "1", "1.2", "1.2.3.4", "1.2.3-rc1", "1.2.3-rc", "1.2.3-preview.1", "1.2.3+meta", "01.2.3", "1.2.3-rc.01", "1.2.3 ", "1.2.3;rm", "latest"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("%q is taken for version %v", s, v)
		}
	}
}
