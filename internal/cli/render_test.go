package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"wormbell"
)

var update = flag.Bool("update", false, "rewrite the golden files; read them afterwards")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

// stealer is the tree of a worm below an interactive npm install.
func stealer() (shell, npm, sh, script, child *wormbell.Process, p *wormbell.Package) {
	p = &wormbell.Package{Ecosystem: "npm", Name: "colour-strings", Version: "1.0.3"}
	init := &wormbell.Process{PID: 1, Start: noon, Exe: "/usr/lib/systemd/systemd", Signer: "deb:systemd"}
	term := &wormbell.Process{PID: 700, Start: noon, Exe: "/usr/bin/kitty", Args: []string{"kitty"}, Signer: "deb:kitty", Parent: init}
	shell = &wormbell.Process{PID: 812, Start: noon, Exe: "/usr/bin/bash", Args: []string{"-bash"}, TTY: "/dev/pts/1", Leader: true, Signer: "deb:bash", Parent: term}
	npm = &wormbell.Process{PID: 4211, Start: noon, Exe: "/usr/bin/node", Script: "/usr/lib/node_modules/npm/bin/npm-cli.js", Signer: "deb:nodejs",
		Args: []string{"node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "install", "colour-strings"}, TTY: "/dev/pts/1", Parent: shell}
	sh = &wormbell.Process{PID: 4230, Start: noon, Exe: "/usr/bin/dash", Args: []string{"sh", "-c", "node postinstall.js"}, Signer: "deb:dash",
		Lifecycle: "postinstall", Package: p, Parent: npm}
	script = &wormbell.Process{PID: 4231, Start: noon, Exe: "/usr/bin/node", Script: "/home/alice/app/node_modules/colour-strings/postinstall.js",
		Args: []string{"node", "postinstall.js"}, Lifecycle: "postinstall", Package: p, Parent: sh}
	child = &wormbell.Process{PID: 4240, Start: noon, Exe: "/usr/bin/node", Script: "/home/alice/app/node_modules/colour-strings/collect.js",
		Args: []string{"/usr/bin/node", "/home/alice/app/node_modules/colour-strings/collect.js"}, Lifecycle: "postinstall", Package: p, Parent: script}
	return
}

// theft is an alert as the replay of Shai-Hulud raises it.
func theft() wormbell.Alert {
	_, _, _, script, child, p := stealer()
	publish := &wormbell.Process{PID: 4300, Start: after(time.Second), Exe: "/usr/bin/node", Script: "/usr/bin/npm", Signer: "deb:nodejs",
		Args: []string{"node", "/usr/bin/npm", "publish", "--registry", "http://127.0.0.1:4873/"}, Lifecycle: "postinstall", Package: p, Parent: child}
	read := func(d time.Duration, by *wormbell.Process, path string) wormbell.Event {
		return wormbell.Event{Time: after(d), Kind: wormbell.FileRead, Source: "fanotify", Process: by, Path: path}
	}
	npmrc, aws := read(0, child, "~/.npmrc"), read(time.Millisecond, child, "~/.aws/credentials")
	return wormbell.Alert{
		ID: "k7f3m9qx", Title: "An install script published a package with your npm token", Severity: wormbell.Critical, State: wormbell.Open,
		Advice: "Freeze it, look at what the package did, and revoke the token from a clean machine.",
		User:   "1000", First: noon, Last: after(1200 * time.Millisecond), Count: 3,
		Findings: []wormbell.Finding{
			{Detector: "credential-read", Subject: "~/.npmrc", Severity: wormbell.High,
				Summary:  "postinstall of colour-strings@1.0.3 read ~/.npmrc (npm tokens)",
				Evidence: []wormbell.Event{npmrc}},
			{Detector: "credential-sweep", Subject: "colour-strings@1.0.3", Severity: wormbell.Critical,
				Summary:  "postinstall of colour-strings@1.0.3 read credentials of three kinds within a second: npm tokens, AWS access keys and GitHub CLI tokens",
				Evidence: []wormbell.Event{npmrc, aws, read(2*time.Millisecond, script, "~/.config/gh/hosts.yml")}},
			{Detector: "publish-by-install-script", Subject: "colour-tools@1.4.3", Severity: wormbell.Critical,
				Summary: "postinstall of colour-strings@1.0.3 ran npm publish of colour-tools@1.4.3",
				Evidence: []wormbell.Event{{Time: after(1200 * time.Millisecond), Kind: wormbell.ProcessStart, Source: "procconn", Process: publish,
					Package: &wormbell.Package{Ecosystem: "npm", Name: "colour-tools", Version: "1.4.3"}}}},
		},
	}
}

// farm is an alert as the replay of IndonesianFoods raises it: no package, many children.
func farm() wormbell.Alert {
	shell, _, _, _, _, _ := stealer()
	auto := &wormbell.Process{PID: 5000, Start: noon, Exe: "/usr/bin/node", Script: "/home/alice/menu/auto.js", Args: []string{"node", "auto.js"}, Parent: shell}
	a := wormbell.Alert{ID: "p2d8w4ha", Title: "npm publish runs in a loop", Severity: wormbell.Critical, State: wormbell.Muted, User: "1000",
		First: noon, Last: after(time.Minute), Count: 9, Demo: true,
		Actions: []wormbell.Action{{Time: after(2 * time.Minute), By: "1000", What: "mute", Outcome: "muted: I am looking at it"}}}
	f := wormbell.Finding{Detector: "publish-loop", Severity: wormbell.Critical, Summary: "node auto.js published 9 packages from one folder in a minute"}
	f.Evidence = append(f.Evidence, wormbell.Event{Time: noon, Kind: wormbell.ManifestChange, Process: auto, Path: "~/menu/package.json",
		Was: &wormbell.Manifest{Name: "menu", Version: "1.0.0", Private: true}, Is: &wormbell.Manifest{Name: "zul-tapai9-kyuki", Version: "4.1.7"}})
	for i := range 20 {
		f.Evidence = append(f.Evidence, wormbell.Event{Time: after(time.Duration(i+1) * time.Second), Kind: wormbell.ProcessStart,
			Process: &wormbell.Process{PID: 5001 + i, Start: after(time.Duration(i)), Exe: "/usr/bin/node", Script: "/usr/bin/npm", Signer: "deb:nodejs", Args: []string{"node", "/usr/bin/npm", "publish"}, Parent: auto},
			Package: &wormbell.Package{Ecosystem: "npm", Name: "zul-tapai9-kyuki", Version: "4.1." + string(rune('a'+i))}})
	}
	a.Findings = []wormbell.Finding{f}
	return a
}

// hostile is an alert in which every string from outside attacks the terminal.
func hostile() wormbell.Alert {
	evil := "\x1b]0;pwned\x07\x1b[2J\nwormbell: all is well\u202e" + strings.Repeat("A", 300) + "\xff"
	p := &wormbell.Process{PID: 9, Start: noon, Exe: "/tmp/" + evil, Script: evil, Args: []string{evil, evil}, Cwd: evil, TTY: evil, Signer: evil,
		Lifecycle: evil, Package: &wormbell.Package{Name: evil, Version: evil}}
	var events []wormbell.Event
	for _, k := range wormbell.Kinds {
		events = append(events, wormbell.Event{Time: noon, Kind: k, Process: p, Path: evil, Line: evil, Package: p.Package,
			Was: &wormbell.Manifest{Name: evil, Version: "1", Private: true}, Is: &wormbell.Manifest{Name: "x", Version: evil}})
	}
	return wormbell.Alert{ID: evil, Title: evil, Advice: evil, State: wormbell.State("open"), Severity: wormbell.High,
		Findings: []wormbell.Finding{{Detector: evil, Summary: evil, Subject: evil, Evidence: events}},
		Actions:  []wormbell.Action{{What: evil, Outcome: evil, By: evil}}}
}

func draw(width int, a wormbell.Alert) string {
	var b bytes.Buffer
	p := &printer{w: &b, width: width, zone: time.UTC}
	p.alert(a)
	b.WriteString(p.brief(a) + "\n")
	return b.String()
}

func TestAlertPicture(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]wormbell.Alert{"theft": theft(), "farm": farm()} {
		golden(t, name+".golden", draw(90, a))
	}
	golden(t, "theft-narrow.golden", draw(44, theft()))
}

// TestPictureIsSafe: nothing from outside may reach the terminal as anything but text.
func TestPictureIsSafe(t *testing.T) {
	t.Parallel()
	got := draw(80, hostile())
	for i, line := range strings.Split(got, "\n") {
		if j := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); j >= 0 {
			t.Errorf("line %d holds a control character: %q", i, line)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "wormbell: all is well") {
			t.Errorf("line %d is the attacker's: %q", i, line)
		}
	}
}

// TestPictureFits: no line is wider than the terminal, but for words of ours.
func TestPictureFits(t *testing.T) {
	t.Parallel()
	for _, w := range []int{60, 80, 100} {
		for _, a := range []wormbell.Alert{theft(), farm()} {
			for line := range strings.SplitSeq(draw(w, a), "\n") {
				if width(line) > w {
					t.Errorf("%d columns at %d: %q", width(line), w, line)
				}
			}
		}
	}
}

// TestEmptyAlerts: what an older or newer agent leaves out must not crash us.
func TestEmptyAlerts(t *testing.T) {
	t.Parallel()
	for _, a := range []wormbell.Alert{{}, {ID: "x", Findings: []wormbell.Finding{{Evidence: []wormbell.Event{{}, {Kind: wormbell.PackageAdd}, {Kind: wormbell.ProcessStart}, {Kind: "new.kind", Process: &wormbell.Process{}}}}}}} {
		if draw(80, a) == "" {
			t.Error("nothing was drawn")
		}
	}
}
