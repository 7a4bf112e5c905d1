package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLintian: clean, but for what packaging/lintian explains. An override that
// nothing needs any more is an error, too.
func TestLintian(t *testing.T) {
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Skip("needs lintian, which is not installed")
	}
	m := releases(t)
	out, err := exec.Command("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", "--display-info",
		filepath.Join(m.out[newer], "wormbell_1.1.0-1_amd64.deb"), filepath.Join(m.out[newer], "wormbell-tray_1.1.0-1_amd64.deb")).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, line := range lines(string(out)) {
		if strings.Contains(line, "unused-override initial-upload-closes-no-bugs") {
			continue // it is of use where the changelog has one entry
		}
		if strings.HasPrefix(line, "E:") || strings.HasPrefix(line, "W:") || strings.Contains(line, "unused-override") || strings.Contains(line, "mismatched-override") {
			t.Error(line)
		}
	}
}

// TestRPMLint: clean, but for what packaging/rpmlint.toml explains. In a jail:
// the packages name their files from / on, and rpmlint unpacks them.
func TestRPMLint(t *testing.T) {
	if _, err := exec.LookPath("rpmlint"); err != nil {
		t.Skip("needs rpmlint, which is not installed")
	}
	m := releases(t)
	settings, err := os.ReadFile(filepath.Join(m.repo, "packaging/rpmlint.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wormbell", "wormbell-tray"} {
		j := newJail(t)
		// rpmlint unpacks with cpio, which would follow those names out of rpmlint's folder.
		out, err := j.try(`mv /usr/bin/cpio /usr/bin/cpio.real && printf '#!/bin/sh\nexec /usr/bin/cpio.real --no-absolute-filenames "$@"\n' >/usr/bin/cpio && chmod +x /usr/bin/cpio
			mkdir -p /var/lib/rpm && rpm --initdb && rpm --import /share/`+newer+`/repo/wormbell.asc
			printf '%s' "$1" >/tmp/rpmlint.toml && rpmlint --strict --config /tmp/rpmlint.toml "$2"`, string(settings), "/share/"+newer+"/"+name+"-1.1.0-1.x86_64.rpm")
		if err != nil || !strings.Contains(out, " 0 errors, 0 warnings") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestFilesOfTheDesktop: entries, units, pages and completions are what the
// programs that read them take.
func TestFilesOfTheDesktop(t *testing.T) {
	pages := t.TempDir()
	if err := writePages(pages); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ tool, script string }{
		{"desktop-file-validate", `desktop-file-validate ../../packaging/xdg/*.desktop`},
		{"shellcheck", `shellcheck -s sh ../../packaging/install.sh`},
		{"shellcheck", `for f in ../../packaging/scripts/*/wormbell.*; do (echo '#!/bin/sh'; cat ../../packaging/scripts/agent.sh $f) | shellcheck -s sh - || exit 1; done
			for f in ../../packaging/scripts/*/wormbell-tray.*; do (echo '#!/bin/sh'; cat ../../packaging/scripts/tray.sh $f) | shellcheck -s sh - || exit 1; done`},
		{"man", `for f in "$1"/man/*.1; do man --warnings -l "$f" 2>&1 >/dev/null | grep . && exit 1; done; test -s "$1/man/wormbell-status.1"`},
		{"bash", `bash -n "$1/completions/wormbell.bash"`},
		{"zsh", `zsh -n "$1/completions/_wormbell"`},
		{"fish", `fish -n "$1/completions/wormbell.fish"`},
		{"dash", `dash -n ../../packaging/install.sh`},
		{"busybox", `busybox sh -n ../../packaging/install.sh`},
		{"rsvg-convert", `rsvg-convert ../../packaging/icons/wormbell.svg >/dev/null`},
	} {
		t.Run(c.tool, func(t *testing.T) {
			if _, err := exec.LookPath(c.tool); err != nil {
				t.Skipf("needs %s, which is not installed", c.tool)
			}
			if err := shell("", c.script, pages); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPagesHoldNoDate: they are made from the code alone.
func TestPagesHoldNoDate(t *testing.T) {
	dir := t.TempDir()
	if err := writePages(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, manFolder, "wormbell-status.1"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), `.TH "WORMBELL-STATUS" "1" "" "Wormbell" "Wormbell"`) {
		t.Errorf("the title is not as expected:\n%.300s", page)
	}
}

// TestProgramPages: the options in a page are those that the program names.
func TestProgramPages(t *testing.T) {
	cobra := "Watches.\n\nUsage:\n  wormbelld [flags]\n\nFlags:\n      --config FILE   read *this*\n  -h, --help          help for wormbelld\n"
	page, err := programPage("wormbelld", cobra)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`--config FILE`, `read *this*`, "-h, --help", ".TH"} {
		if !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), want) {
			t.Errorf("no %q in:\n%s", want, page)
		}
	}
	page, err = programPage("wormbell-tray", "Usage of wormbell-tray:\n  -debug\n    \tlog more\n  -socket PATH\n    \tspeak\n")
	if err != nil || !strings.Contains(string(page), "log more") || !strings.Contains(string(page), "PATH") {
		t.Errorf("%v:\n%s", err, page)
	}
	if _, err := programPage("wormbelld", "nothing"); err == nil {
		t.Error("a program without options has a page")
	}
}
