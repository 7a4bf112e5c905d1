package detect_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/ancestry"
	"wormbell/internal/scene"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the findings sections of the scenes")

// load reads the scene in testdata, with its path for -update.
func load(t *testing.T, id string) (*scene.Scene, string) {
	t.Helper()
	file := filepath.Join("testdata", id+".txtar")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scene.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s, file
}

func engine(ds ...detect.Detector) *detect.Engine { return detect.NewEngine(ds, detect.NewTrust()) }

// TestScenes replays each detector's scene through the engine.
func TestScenes(t *testing.T) {
	for _, d := range detect.All {
		t.Run(d.ID, func(t *testing.T) {
			s, file := load(t, d.ID)
			if len(s.Quiet) == 0 {
				t.Error("no quiet section: show one harmless thing that looks alike")
			}
			en := engine(d)
			for _, e := range s.Quiet {
				for _, f := range en.Observe(e) {
					t.Errorf("quiet event %s %v %s: unwanted finding: %s", e.Kind, e.Process, e.Path, f.Summary)
				}
			}
			found := scene.Replay(s.Events, en.Observe)
			for _, f := range found {
				checkFinding(t, d, f)
			}
			if p := en.Problems(); len(p) > 0 {
				t.Error(p)
			}
			torture(t, d, s)
			if got := scene.Findings(found); got != s.Findings {
				if *update {
					rewrite(t, file, got)
					return
				}
				t.Errorf("findings, got before want:\n%s", cmp.Diff(strings.Split(got, "\n"), strings.Split(s.Findings, "\n")))
			}
		})
	}
}

func checkFinding(t *testing.T, d detect.Detector, f wormbell.Finding) {
	t.Helper()
	last := len(f.Evidence) - 1
	if f.Detector != d.ID || f.Severity == 0 || f.Time.IsZero() || f.Subject == "" || f.Summary == "" || last < 0 {
		t.Errorf("finding is not complete: %+v", f)
		return
	}
	if !f.Evidence[last].Time.Equal(f.Time) {
		t.Errorf("the evidence of %q does not end with the event that led to it", f.Summary)
	}
	if strings.ContainsAny(f.Summary, "\n\x1b") || strings.HasSuffix(f.Summary, ".") {
		t.Errorf("summary %q must be one line without a full stop", f.Summary)
	}
	if strings.Contains(f.Summary, scene.Home) {
		t.Errorf("summary %q names the home, it should say ~", f.Summary)
	}
}

func rewrite(t *testing.T, file, findings string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "findings" })
	if i < 0 {
		i = len(ar.Files)
		ar.Files = append(ar.Files, txtar.File{Name: "findings"})
	}
	ar.Files[i].Data = []byte(findings)
	if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

// torture replays the scene in ways its author need not think of.
func torture(t *testing.T, d detect.Detector, s *scene.Scene) {
	en := engine(d)
	for _, e := range s.Quiet {
		for range 3 {
			for _, f := range en.Observe(e) {
				t.Errorf("quiet events three times each: unwanted finding: %s", f.Summary)
			}
		}
	}
	en = engine(d)
	for range 3 {
		for _, e := range s.Quiet {
			for _, f := range en.Observe(e) {
				t.Errorf("quiet section three times: unwanted finding: %s", f.Summary)
			}
		}
	}
	alerts := func(change func(wormbell.Event) []wormbell.Event) []string {
		en, keys := engine(d), map[string]bool{}
		for _, e := range s.Events {
			for _, e := range change(e) {
				for _, f := range en.Observe(e) {
					keys[fmt.Sprintf("%s %s %v", f.Severity, f.Subject, f.Process)] = true
				}
			}
		}
		if p := en.Problems(); len(p) > 0 {
			t.Error(p)
		}
		return slices.Sorted(maps.Keys(keys))
	}
	want := alerts(func(e wormbell.Event) []wormbell.Event { return []wormbell.Event{e} })
	if diff := cmp.Diff(alerts(func(e wormbell.Event) []wormbell.Event { return []wormbell.Event{e, e} }), want); diff != "" {
		t.Errorf("every event twice gives other alerts: %s", diff)
	}
	if diff := cmp.Diff(alerts(func(e wormbell.Event) []wormbell.Event {
		return []wormbell.Event{{Kind: wormbell.Gap, Time: e.Time, Count: 9}, e}
	}), want); diff != "" {
		t.Errorf("gaps between give other alerts: %s", diff)
	}
	// The rest must not panic; what they find is not specified.
	alerts(func(e wormbell.Event) []wormbell.Event { e.Process = nil; return []wormbell.Event{e} })
	alerts(func(e wormbell.Event) []wormbell.Event { return []wormbell.Event{{Kind: e.Kind, Time: e.Time}} })
	alerts(func(e wormbell.Event) []wormbell.Event { return []wormbell.Event{{Kind: e.Kind}, e, {Kind: e.Kind}} })
	alerts(func(e wormbell.Event) []wormbell.Event {
		e.Process = &wormbell.Process{}
		return []wormbell.Event{e}
	})
	alerts(func(e wormbell.Event) []wormbell.Event {
		e.Package, e.Was, e.Is, e.Secrets = nil, nil, nil, nil
		return []wormbell.Event{e}
	})
}

// TestQuietTogether replays every quiet section through all detectors at once:
// what is harmless to one must be harmless to all.
func TestQuietTogether(t *testing.T) {
	en := engine(detect.All...)
	for i, d := range detect.All {
		s, _ := load(t, d.ID)
		for _, e := range s.Quiet {
			e.Time = e.Time.AddDate(0, 0, i) // scenes know nothing of each other
			for _, f := range en.Observe(e) {
				if f.Severity > wormbell.Low {
					t.Errorf("quiet of %s: %s: %s", d.ID, f.Detector, f.Summary)
				}
			}
		}
	}
}

// TestComplete: a detector is one file, one entry in All, one scene.
func TestComplete(t *testing.T) {
	var ids []string
	for _, d := range detect.All {
		ids = append(ids, d.ID)
		if d.Title == "" || d.Advice == "" || strings.TrimSpace(d.Doc) == "" || d.Severity == 0 || len(d.Kinds) == 0 {
			t.Errorf("%s: incomplete", d.ID)
		}
		if detect.ByID(d.ID).Title != d.Title {
			t.Errorf("ByID(%q) finds another detector", d.ID)
		}
		for _, k := range d.Kinds {
			if !slices.Contains(wormbell.Kinds, k) {
				t.Errorf("%s: no kind %q", d.ID, k)
			}
		}
	}
	if !slices.IsSorted(ids) {
		t.Error("All is not sorted")
	}
	for pattern, suffix := range map[string]string{"*-*.go": ".go", "testdata/*.txtar": ".txtar"} {
		var names []string
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(f), suffix))
		}
		if diff := cmp.Diff(names, ids); diff != "" {
			t.Errorf("%s and All differ: %s", pattern, diff)
		}
	}
	if d := detect.ByID("from-another-version"); d.Title == "" {
		t.Error("an unknown detector has no title")
	}
}

func TestEnginePanic(t *testing.T) {
	bad := detect.Detector{ID: "bad", Severity: wormbell.Low, Kinds: []wormbell.Kind{wormbell.Gap}, New: func() detect.Check {
		return func(e wormbell.Event, s *detect.Scope) {
			s.Report(wormbell.Finding{Subject: "half", Summary: "a finding"})
			var none []int
			_ = none[e.Count]
		}
	}}
	good := bad
	good.ID, good.New = "good", func() detect.Check {
		return func(e wormbell.Event, s *detect.Scope) {
			s.Report(wormbell.Finding{Subject: "whole", Summary: "a finding"})
		}
	}
	en := engine(bad, good)
	for range 2 {
		found := en.Observe(wormbell.Event{Kind: wormbell.Gap, Time: scene.Begin})
		if len(found) != 1 || found[0].Detector != "good" {
			t.Errorf("got %+v, want the good detector's finding alone", found)
		}
	}
	if p := en.Problems(); len(p) != 1 || !strings.Contains(p[0], "bad") {
		t.Errorf("problems: %q, want one that names the detector", p)
	}
}

// TestContext: a command that the user typed is the first piece of evidence.
func TestContext(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
10 [deb:bash] tty=pts/0 leader /bin/bash
11 < 10 [] cwd=~/app /usr/bin/node auto.js
-- events --
0s shell.command ? ~/.bash_history line="ls auto.js.bak"
1s shell.command ? ~/.bash_history line="node ./auto.js"
2s shell.command ? ~/.bash_history user=1001 line="node auto.js"
3s file.read 11 ~/.npmrc
20m file.read 11 ~/.npmrc
`))
	if err != nil {
		t.Fatal(err)
	}
	found := scene.Replay(s.Events, engine(detect.All...).Observe)
	if len(found) != 2 {
		t.Fatalf("got %d findings, want 2: %s", len(found), scene.Findings(found))
	}
	if e := found[0].Evidence; len(e) != 2 || e[0].Line != "node ./auto.js" || e[1].Kind != wormbell.FileRead {
		t.Errorf("evidence: %+v", e)
	}
	if e := found[1].Evidence; len(e) != 1 {
		t.Errorf("a command of twenty minutes ago explains nothing: %+v", e)
	}
}

// TestSuspect: what ran below an alerted process is no person's doing.
func TestSuspect(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
10 [deb:bash] tty=pts/0 leader /bin/bash
11 < 10 [] cwd=~/app /usr/bin/python3 tool.py
12 < 11 [deb:coreutils] /usr/bin/cat ~/.npmrc
13 < 10 [deb:coreutils] /usr/bin/cat ~/.npmrc
14 [] ~/.vscode-server/bin/a/node ~/.vscode-server/bin/a/out/server-main.js
15 < 14 [deb:bash] tty=pts/1 leader /bin/bash
16 < 15 [deb:coreutils] /usr/bin/cat ~/.npmrc
-- events --
0s file.read 12 ~/.npmrc
1s file.read 11 ~/.git-credentials
2s file.read 12 ~/.npmrc
3s file.read 13 ~/.npmrc
4s file.read 14 ~/.npmrc
5s file.read 16 ~/.npmrc
`))
	if err != nil {
		t.Fatal(err)
	}
	en := engine(detect.ByID("credential-read"))
	var got []int
	for i, e := range s.Events {
		if len(en.Observe(e)) > 0 {
			got = append(got, i)
		}
	}
	if diff := cmp.Diff(got, []int{1, 2, 4}); diff != "" {
		t.Error(diff)
	}
	byPID := map[int]*wormbell.Process{}
	for _, r := range s.Cast {
		byPID[r.Process.PID] = r.Process
	}
	for pid, want := range map[int]bool{10: false, 11: true, 12: true, 13: false, 14: false, 16: false} {
		if en.Suspect(byPID[pid]) != want {
			t.Errorf("Suspect(%d) is not %v", pid, want)
		}
	}
	if ancestry.Person(byPID[11], en.Suspect) || !ancestry.Person(byPID[11], nil) {
		t.Error("a suspect must not count as started by a person")
	}
}

// TestSweepAfterRead: a script that has read what it must not read may not
// read its project's stores unseen any more.
func TestSweepAfterRead(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
10 [deb:bash] tty=pts/0 leader /bin/bash
11 < 10 [] cwd=~/app /usr/bin/node auto.js
-- events --
0s file.read 11 ~/.aws/credentials
1s file.read 11 ~/.npmrc
2s file.read 11 ~/.aws/credentials
3s file.read 11 ~/.kube/config
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range scene.Replay(s.Events, engine(detect.All...).Observe) {
		got = append(got, f.Detector+" "+f.Subject)
	}
	want := []string{"credential-read ~/.npmrc", "credential-read ~/.aws/credentials", "credential-read ~/.kube/config", "credential-sweep credentials"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestSees(t *testing.T) {
	read := detect.ByID("credential-read")
	for want, kinds := range map[string]map[wormbell.Kind]bool{
		"sees": {wormbell.FileRead: true}, "cannot see who": {wormbell.FileRead: false}, "blind": {wormbell.ProcessStart: true},
	} {
		if got := read.Sees(kinds); got != want {
			t.Errorf("%v: got %q, want %q", kinds, got, want)
		}
	}
	if got := detect.ByID("history-secret").Sees(map[wormbell.Kind]bool{wormbell.ShellCommand: false}); got != "sees" {
		t.Errorf("history-secret needs no process, got %q", got)
	}
}

func TestRecent(t *testing.T) {
	r := detect.NewRecent[string](time.Minute, 3)
	at := func(s int) wormbell.Event {
		return wormbell.Event{Time: scene.Begin.Add(time.Duration(s) * time.Second), Count: s}
	}
	r.Add("a", at(0))
	r.Add("b", at(10))
	if got := r.Add("a", at(59)); len(got) != 2 {
		t.Errorf("got %d events, want 2", len(got))
	}
	if got := r.Add("a", at(61)); len(got) != 2 || got[0].Count != 59 {
		t.Errorf("the window does not move: %+v", got)
	}
	r.Add("c", at(62)) // more than max: b goes
	if r.Has("b", at(62).Time) {
		t.Error("more is remembered than allowed")
	}
	if r.Has("a", at(-600).Time) {
		t.Error("after the clock was set back, the future is remembered")
	}
	if len(detect.NewRecent[int](time.Hour, 1).Add(1, wormbell.Event{})) != 1 {
		t.Error("an event without a time is not remembered at all")
	}
}

// TestPlayedAlone: the events of a scene ring the same without the quiet ones
// before them, as `wormbell replay` plays them.
func TestPlayedAlone(t *testing.T) {
	for _, d := range detect.All {
		s, file := load(t, d.ID)
		if diff := cmp.Diff(scene.Findings(scene.Replay(s.Events, engine(d).Observe)), s.Findings); diff != "" && !*update {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func TestMarkdown(t *testing.T) {
	index, pages := detect.Markdown(), detect.Pages()
	for _, d := range detect.All {
		s, _ := load(t, d.ID)
		first, _, _ := strings.Cut(s.Findings, "\n")
		page := pages[d.ID+".md"]
		for _, want := range []string{"# " + d.ID, d.Title, d.Advice, first, strings.Fields(s.Prose)[0], "## When it stays quiet\n\n", "these ring for nobody", strings.TrimSpace(d.Blind)} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page does not say %q", d.ID, want)
			}
		}
		if d.Blind == "" {
			t.Errorf("%s: nothing says what it cannot see", d.ID)
		}
		if named := strings.Contains(page, "Names: of programs"); named != d.Named {
			t.Errorf("%s: the page says that it goes by names: %v", d.ID, named)
		}
		if !strings.Contains(index, "(detectors/"+d.ID+".md)") || !strings.Contains(index, d.Title) {
			t.Errorf("%s: the list does not name it", d.ID)
		}
	}
	if index != detect.Markdown() || !maps.Equal(pages, detect.Pages()) {
		t.Error("the pages are others each time")
	}
}

// FuzzEngine shows anything to all detectors: none may panic, and what they
// say must fit on one line.
func FuzzEngine(f *testing.F) {
	f.Add(uint8(0), "~/.npmrc", "/usr/bin/node", "/home/me/x.js", "node\x00x.js", "", int64(0), uint8(0))
	f.Add(uint8(6), "", "/usr/bin/node", "/usr/bin/npm", "node\x00npm\x00publish", "a@1", int64(10), uint8(3))
	f.Add(uint8(3), "~/app/package.json", "/usr/bin/sed", "", "sed", "b\x1b[2J", int64(-5), uint8(7))
	f.Add(uint8(9), "", "", "", "", "refused close: below\nan installer", int64(1<<62), uint8(255))
	f.Fuzz(func(t *testing.T, kind uint8, path, exe, script, args, text string, dt int64, bits uint8) {
		en := engine(detect.All...)
		parent := &wormbell.Process{PID: 10, Exe: exe, Args: strings.Split(args, "\x00"), TTY: text, Leader: bits&1 != 0, Signer: "x"}
		p := &wormbell.Process{PID: 11, Exe: exe, Script: script, Args: strings.Split(args, "\x00"), Cwd: path, Parent: parent, Foreground: bits&2 != 0}
		if bits&4 != 0 {
			p.Package, p.Lifecycle = &wormbell.Package{Name: text}, text
		}
		for i := range 6 {
			e := wormbell.Event{Kind: wormbell.Kinds[(int(kind)+i)%len(wormbell.Kinds)], Path: path, Line: text, Time: scene.Begin.Add(time.Duration(dt) * time.Duration(i))}
			if bits&8 != 0 {
				e.Secrets, e.Package = []string{text, text}, &wormbell.Package{Name: text, Version: args}
			}
			if bits&16 != 0 {
				e.Was, e.Is = &wormbell.Manifest{Name: text, Private: true}, &wormbell.Manifest{Name: path}
			}
			for _, who := range []*wormbell.Process{nil, p, parent, {PID: 12 + i, Exe: exe, Script: script, Args: p.Args, Parent: p}} {
				e.Process = who
				for _, f := range en.Observe(e) {
					if strings.ContainsAny(f.Summary+f.Subject, "\n\r\x1b\x00") || len(f.Summary) > 4000 {
						t.Errorf("summary %q", f.Summary)
					}
				}
			}
		}
		if p := en.Problems(); len(p) > 0 {
			t.Error(p)
		}
	})
}
