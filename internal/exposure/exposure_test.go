package exposure_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"wormbell"
	"wormbell/internal/exposure"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

// theft is an incident: a dependency's postinstall reads tokens, changes a
// manifest and publishes, once from a folder and once from a tarball.
func theft() wormbell.Alert {
	shell := &wormbell.Process{PID: 812, Start: noon, Exe: "/bin/bash", Args: []string{"-bash"}, Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true}
	npm := &wormbell.Process{PID: 4211, Start: noon, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "install"}, Signer: "deb:npm",
		Secrets: []string{"NPM_TOKEN", "OF_THE_SHELL_TOKEN"}, Parent: shell}
	pkg := &wormbell.Package{Ecosystem: "npm", Name: "colour-strings", Version: "1.0.3"}
	below := func(pid int, parent *wormbell.Process, p wormbell.Process) *wormbell.Process {
		p.PID, p.Start, p.Parent, p.Package, p.Lifecycle, p.Cwd = pid, noon, parent, pkg, "postinstall", "/home/alice/app/node_modules/colour-strings"
		return &p
	}
	script := below(4231, npm, wormbell.Process{Exe: "/bin/sh", Args: []string{"sh", "-c", "node collect.js"}, Secrets: []string{"GITHUB_TOKEN", "NPM_TOKEN"}})
	thief := below(4240, script, wormbell.Process{Exe: "/usr/bin/node", Script: "/home/alice/app/node_modules/colour-strings/collect.js",
		Args: []string{"node", "/home/alice/app/node_modules/colour-strings/collect.js"}, Secrets: []string{"NPM_TOKEN", "WORMS_OWN_KEY"}})
	publish := below(4300, thief, wormbell.Process{Exe: "/usr/bin/node", Script: "/usr/bin/npm", Signer: "deb:npm",
		Args: []string{"node", "/usr/bin/npm", "publish", "--registry", "https://me:pw@registry.example.com/npm/"}})
	tarball := below(4301, thief, wormbell.Process{Exe: "/usr/bin/node", Script: "/usr/bin/npm", Signer: "deb:npm", Args: []string{"node", "/usr/bin/npm", "publish", "/tmp/x/updated.tgz"}})
	dry := below(4302, thief, wormbell.Process{Exe: "/usr/bin/node", Script: "/usr/bin/npm", Signer: "deb:npm", Args: []string{"node", "/usr/bin/npm", "publish", "--dry-run"}})
	event := func(d time.Duration, k wormbell.Kind, p *wormbell.Process, path string) wormbell.Event {
		return wormbell.Event{Time: after(d), Kind: k, Source: "fanotify", User: "1000", Process: p, Path: path}
	}
	npmrc, gh := event(0, wormbell.FileRead, thief, "~/.npmrc"), event(time.Second, wormbell.FileRead, thief, "~/.config/gh/hosts.yml")
	change := event(2*time.Second, wormbell.ManifestChange, thief, "~/app/package.json")
	change.Was, change.Is = &wormbell.Manifest{Name: "app", Version: "1.0.0", Private: true}, &wormbell.Manifest{Name: "app", Version: "1.0.1"}
	first := event(3*time.Second, wormbell.ProcessStart, publish, "")
	first.Package = &wormbell.Package{Ecosystem: "npm", Name: "@alice/app", Version: "1.0.1"}
	again := first
	again.Time = after(4 * time.Second)
	return wormbell.Alert{ID: "k7f3m9qx", Title: "An install script publishes packages", Severity: wormbell.Critical, State: wormbell.Open, User: "1000",
		First: noon, Last: after(5 * time.Second), Count: 4,
		Actions: []wormbell.Action{{Time: after(time.Minute), By: "1000", What: "freeze", Outcome: "stopped 3 processes"}},
		Findings: []wormbell.Finding{
			{Detector: "credential-read", Subject: "~/.npmrc", Severity: wormbell.High, Summary: "postinstall of colour-strings@1.0.3 read your npm tokens (~/.npmrc)", Evidence: []wormbell.Event{npmrc, gh, npmrc}},
			{Detector: "publish-by-install-script", Subject: "@alice/app@1.0.1", Severity: wormbell.Critical, Summary: "postinstall of colour-strings@1.0.3 publishes @alice/app@1.0.1",
				Evidence: []wormbell.Event{change, first, again, event(5*time.Second, wormbell.ProcessStart, tarball, ""), event(5*time.Second, wormbell.ProcessStart, dry, ""), event(5*time.Second, wormbell.FileWrite, thief, "~/.bashrc")}},
			{Detector: "private-flag-removed", Subject: "~/other/package.json", Severity: wormbell.Low, Summary: "a person's doing",
				Evidence: []wormbell.Event{event(0, wormbell.FileRead, shell, "~/.netrc")}},
			{Detector: "credential-read", Subject: "~/app/.env", Severity: wormbell.Low, Summary: "postinstall of colour-strings@1.0.3 read your secrets of projects (~/app/.env)",
				Evidence: []wormbell.Event{event(1500*time.Millisecond, wormbell.FileRead, thief, "~/app/.env")}},
		}}
}

// asked is theft with what others have to tell.
func asked() (wormbell.Alert, exposure.Exposure) {
	a := theft()
	x := exposure.Of(a)
	x.Reach = []exposure.Reach{
		{Kind: "npm token", Owner: "alice", Where: "~/.npmrc", Can: []string{"publish @alice/app", "publish left-pad"}},
		{Kind: "GitHub token", Where: "~/.config/gh/hosts.yml", Why: "the service did not answer"}}
	x.Versions = []exposure.Version{{Package: wormbell.Package{Ecosystem: "npm", Name: "left-pad", Version: "9.9.9"}, Time: after(4 * time.Second), By: "alice", Registry: "https://registry.example.com/"}}
	x.Exported = []exposure.Exported{{Name: "NPM_TOKEN", Path: "~/.bashrc", Line: 12}}
	return a, x
}

func TestOf(t *testing.T) {
	t.Parallel()
	x := exposure.Of(theft())
	pkg := &wormbell.Package{Ecosystem: "npm", Name: "colour-strings", Version: "1.0.3"}
	thief := "collect.js (pid 4240)"
	want := exposure.Exposure{
		Packages: []exposure.Package{{Package: *pkg, Lifecycle: "postinstall", Folder: "/home/alice/app/node_modules/colour-strings"}},
		Files: []exposure.File{
			{Path: "~/.npmrc", Store: "npm", Kind: "npm tokens", Time: noon, By: thief, Package: pkg, Lifecycle: "postinstall"},
			{Path: "~/.config/gh/hosts.yml", Store: "gh", Kind: "GitHub token", Time: after(time.Second), By: thief, Package: pkg, Lifecycle: "postinstall"},
			{Path: "~/app/.env", Store: "env", Kind: "secrets of projects", Time: after(1500 * time.Millisecond), By: thief, Package: pkg, Lifecycle: "postinstall"}},
		// Not what npm had and did not hand on.
		Variables: []exposure.Variable{{Name: "GITHUB_TOKEN", By: "sh (pid 4231)"}, {Name: "NPM_TOKEN", By: "sh (pid 4231)"}, {Name: "WORMS_OWN_KEY", By: thief}},
		Published: []exposure.Published{
			{Package: &wormbell.Package{Ecosystem: "npm", Name: "@alice/app", Version: "1.0.1"}, What: "@alice/app@1.0.1", Registry: "https://registry.example.com/npm/", Client: "npm", Time: after(3 * time.Second), Count: 2, By: "npm (pid 4300)"},
			{What: "/tmp/x/updated.tgz", Client: "npm", Time: after(5 * time.Second), Count: 1, By: "npm (pid 4301)"}},
		Changed: []exposure.Change{
			{What: "changed", Path: "~/app/package.json", Note: `"private" removed, 1.0.0 → 1.0.1`, Time: after(2 * time.Second), By: thief},
			{What: "wrote", Path: "~/.bashrc", Time: after(5 * time.Second), By: thief}},
		Tree: []exposure.Process{
			{PID: 4211, Command: "node npm install"},
			{PID: 4231, Depth: 1, Command: "sh -c node collect.js", Package: pkg, Lifecycle: "postinstall"},
			{PID: 4240, Depth: 2, Command: "node collect.js"},
			{PID: 4300, Depth: 3, Command: "node npm publish --registry https://me:***@registry.example.com/npm/"},
			{PID: 4301, Depth: 3, Command: "node npm publish /tmp/x/updated.tgz"},
			{PID: 4302, Depth: 3, Command: "node npm publish --dry-run"}},
	}
	if d := cmp.Diff(x, want); d != "" {
		t.Errorf("-got +want:\n%s", d)
	}
	// It is the same after the way over the API, where every event has its own copy of a process.
	var over wormbell.Alert
	b, err := json.Marshal(theft())
	if err == nil {
		err = json.Unmarshal(b, &over)
	}
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(exposure.Of(over), want); d != "" {
		t.Errorf("over the API, -got +want:\n%s", d)
	}
}

func TestPartial(t *testing.T) {
	t.Parallel()
	a := theft()
	for range 20 {
		a.Findings[0].Evidence = append(a.Findings[0].Evidence, a.Findings[0].Evidence[0])
	}
	if exposure.Of(theft()).Partial || !exposure.Of(a).Partial {
		t.Error("it does not say whether there was more")
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	a, x := asked()
	zone := time.FixedZone("", 3600)
	golden(t, "report.golden", exposure.Report(a, x, exposure.Header{Host: "laptop", Zone: zone}))
	golden(t, "bare.golden", exposure.Report(wormbell.Alert{ID: "aaaabbbb", Title: "A token stands in a shell history", Severity: wormbell.Medium, State: wormbell.Closed, First: noon, Last: noon}, exposure.Exposure{}, exposure.Header{}))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(got, "\n"), strings.Split(string(want), "\n")); d != "" {
		t.Errorf("%s, -got +want:\n%s", name, d)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	publish := func(name, version, registry string) exposure.Published {
		return exposure.Published{Package: &wormbell.Package{Name: name, Version: version}, Registry: registry, Time: noon}
	}
	for _, tt := range []struct {
		name, version, registry string
		want                    string // the command that unpublishes; "" for none
	}{
		{"left-pad", "1.0.0", "", "npm unpublish 'left-pad@1.0.0'"},
		{"@scope/pkg", "1.0.0-rc.1+b", "", "npm unpublish '@scope/pkg@1.0.0-rc.1+b'"},
		{"JSONStream", "1.0.0", "", "npm unpublish 'JSONStream@1.0.0'"},
		{"a", "1.0.0", "http://127.0.0.1:4873/", "npm unpublish 'a@1.0.0' --registry 'http://127.0.0.1:4873/'"},
		{"a", "1.0.0", "https://u:p@registry.example.com/x?y=z#", "npm unpublish 'a@1.0.0' --registry 'https://registry.example.com/x'"},
		{"a", "1.0.0", "https://registry.example.com/'$(touch x)", "npm unpublish 'a@1.0.0' --registry 'https://registry.example.com/%27$%28touch%20x%29'"},
		{"a", "1.0.0", "file:///etc", "npm unpublish 'a@1.0.0'"},
		{"a", "1.0.0", "javascript:x", "npm unpublish 'a@1.0.0'"},
		{"--force", "1.0.0", "", ""},
		{"-g", "1.0.0", "", ""},
		{".hidden", "1.0.0", "", ""},
		{"a'; touch x; '", "1.0.0", "", ""},
		{"a$(touch x)", "1.0.0", "", ""},
		{"a\nb", "1.0.0", "", ""},
		{"a\u202eb", "1.0.0", "", ""},
		{"a/b", "1.0.0", "", ""},
		{"@a/b/c", "1.0.0", "", ""},
		{"", "1.0.0", "", ""},
		{"a", "", "", ""},
		{"a", "latest", "", ""},
		{"a", "1.0.0; touch x", "", ""},
		{"a", "1.0.0\n", "", ""},
	} {
		x := exposure.Exposure{Published: []exposure.Published{publish(tt.name, tt.version, tt.registry)}}
		all := x.Commands()
		got := ""
		if len(all) == 2 {
			got = all[1].Line
		}
		if got != tt.want || len(all) == 1 || len(all) > 2 {
			t.Errorf("%q@%q at %q: %+v", tt.name, tt.version, tt.registry, all)
		}
	}
	twice := exposure.Exposure{Published: []exposure.Published{publish("a", "1.0.0", ""), publish("a", "1.0.0", ""), publish("b", "1.0.0", "")},
		Versions: []exposure.Version{{Package: wormbell.Package{Name: "b", Version: "1.0.0"}, Registry: "https://registry.example.com/", Time: noon}}}
	all := twice.Commands()
	if len(all) != 4 || !all[0].Confirmed || all[0].What != "b@1.0.0" || all[2].Confirmed || all[2].What != "a@1.0.0" {
		t.Errorf("each once, what is known first: %+v", all)
	}
	if want := "npm deprecate 'b@1.0.0' 'Published by malware on 4 March 2026. Do not install.' --registry 'https://registry.example.com/'"; all[0].Line != want {
		t.Errorf("got %s, want %s", all[0].Line, want)
	}
}

// A shell reads what we quoted as we meant it, and runs nothing.
func TestCommandsInAShell(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	_, x := asked()
	for _, c := range x.Commands() {
		cmd := exec.Command(sh, "-c", `npm() { for a in "$@"; do printf '[%s]' "$a"; done; }; `+c.Line)
		out, err := cmd.Output()
		want := "[unpublish][" + c.What + "]"
		if c.Does == "deprecate" {
			want = "[deprecate][" + c.What + "][Published by malware on 4 March 2026. Do not install.]"
		}
		if err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %s %v, want %s", c.Line, out, err, want)
		}
	}
}

// hostile is an incident in which every string from outside attacks whoever
// prints or pastes it.
func hostile() (wormbell.Alert, exposure.Exposure) {
	evil := "'; touch /tmp/x; '\x1b]0;pwned\x07\nWhat was done\n-------------\n* all is well\r\u202e" + strings.Repeat("A", 300) + "\xff"
	a := theft()
	p := &wormbell.Process{PID: 9, Start: noon, Exe: "/tmp/" + evil, Script: evil, Args: []string{evil, "npm", "publish", evil}, Cwd: evil, Lifecycle: evil, Secrets: []string{evil},
		Package: &wormbell.Package{Name: evil, Version: evil}}
	pub := &wormbell.Process{PID: 10, Start: noon, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "publish", evil, "--registry", "http://" + evil}, Parent: p}
	a.ID, a.Title, a.User, a.State = evil, evil, evil, wormbell.State(evil)
	a.Actions = []wormbell.Action{{What: evil, Outcome: evil}}
	var events []wormbell.Event
	for _, k := range wormbell.Kinds {
		for _, p := range []*wormbell.Process{p, pub, nil} {
			events = append(events, wormbell.Event{Time: noon, Kind: k, Process: p, Path: "~/.npmrc", Package: &wormbell.Package{Name: evil, Version: evil}, Was: &wormbell.Manifest{Name: evil, Private: true}, Is: &wormbell.Manifest{Version: evil}})
		}
	}
	a.Findings = []wormbell.Finding{{Summary: evil, Severity: wormbell.High, Evidence: events}}
	x := exposure.Of(a)
	x.Reach = []exposure.Reach{{Kind: evil, Owner: evil, Where: evil, Can: []string{evil}, Why: evil}}
	x.Versions = []exposure.Version{{Package: wormbell.Package{Name: evil, Version: evil}, Registry: "http://" + evil, By: evil}}
	x.Exported = []exposure.Exported{{Name: evil, Path: evil}}
	return a, x
}

// Nothing from outside is anything but text in a report.
func TestHostileReport(t *testing.T) {
	t.Parallel()
	a, x := hostile()
	if c := x.Commands(); len(c) > 0 {
		t.Errorf("commands with an attacker's words: %+v", c)
	}
	text := exposure.Report(a, x, exposure.Header{Host: "a\nb"})
	sections := 0
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("a control character in %q", line)
		}
		if line == "What was done" {
			sections++
		}
		if strings.HasPrefix(line, "* all is well") {
			t.Errorf("a line of the attacker's: %q", line)
		}
	}
	if sections != 1 {
		t.Errorf("%d sections say what was done", sections)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(exposure.Exposure{Reach: []exposure.Reach{{Kind: "x"}}})
	want := `{"packages":[],"files":[],"denied":[],"decoys":[],"variables":[],"published":[],"changed":[],"tree":[],"partial":false,"reach":[{"kind":"x","where":"","can":[]}],"versions":[],"exported":[],"unwatched":[],"commands":[]}`
	if err != nil || string(b) != want {
		t.Errorf("got %s %v", b, err)
	}
	_, x := asked()
	if b, err = json.Marshal(x); err != nil || !strings.Contains(string(b), `"commands":[{"does":"deprecate","what":"left-pad@9.9.9","confirmed":true,`) {
		t.Errorf("got %s %v", b, err)
	}
	_, x = hostile()
	if b, err = json.Marshal(x); err != nil || !json.Valid(b) {
		t.Errorf("hostile: %v", err)
	}
}

// What was published before the thief was there is shown, but nobody is told to
// take away what may be their own release; unless the thief was seen to try it.
func TestEarlierReleasesAreNotTakenBack(t *testing.T) {
	t.Parallel()
	version := func(v string, earlier bool) exposure.Version {
		return exposure.Version{Package: wormbell.Package{Ecosystem: "npm", Name: "left-pad", Version: v}, Time: noon, Earlier: earlier}
	}
	x := exposure.Exposure{Versions: []exposure.Version{version("1.0.0", true), version("1.0.1", false)}}
	all := x.Commands()
	if len(all) != 2 || all[0].What != "left-pad@1.0.1" {
		t.Errorf("%+v", all)
	}
	text := exposure.Report(theft(), x, exposure.Header{Zone: time.UTC})
	if !strings.Contains(text, "left-pad@1.0.0") || !strings.Contains(text, "was it you?") || strings.Contains(text, "unpublish 'left-pad@1.0.0'") {
		t.Errorf("the report says\n%s", text)
	}
}

// TestDemonstration: what a demonstration published is not to be taken away from
// a registry of the person's, and nothing is to be taken for stolen.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	a := theft()
	a.Demo = true
	x := exposure.Of(a)
	if got := x.Commands(); len(got) > 0 || len(x.Published) == 0 {
		t.Errorf("%d were published, and there are commands: %v", len(x.Published), got)
	}
	text := exposure.Report(a, x, exposure.Header{})
	for _, bad := range []string{"unpublish", "deprecate", "for stolen", "Revoke", "Remove ", "wormbell respond"} {
		if strings.Contains(text, bad) {
			t.Errorf("the report says %q:\n%s", bad, text)
		}
	}
	if strings.Count(text, "demonstration") < 3 {
		t.Errorf("the report does not say what it is:\n%s", text)
	}
	b, err := json.Marshal(x)
	if err != nil || !strings.Contains(string(b), `"demo":true`) || !strings.Contains(string(b), `"commands":[]`) {
		t.Errorf("%v: %s", err, b)
	}
}
