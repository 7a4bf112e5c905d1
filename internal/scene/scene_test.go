package scene_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/scene"

	"github.com/google/go-cmp/cmp"
)

const full = `What it shows.

-- processes --
# a comment
10 [deb:bash] tty=pts/0 leader start=-1h /bin/bash
11 < 10 [first-use:~/.nvm/x] cwd=~/app tool=tool:~/app dry ~/.nvm/x/bin/node "a file.js" "say \"hi\"" ""
12 < 11 [] bg pkg=@evil/x@1.0.0:postinstall uid=0 script=~/z.js /usr/bin/node -e "x\n"
12b < 12 [] pkg=inner@1.0.0:install tty= /bin/sh -c true
-- quiet --
0s gap ? count=9
-- events --
1.5s file.read 12 ~/.npmrc
2s manifest.change 12b ~/app/package.json was=@me/a@1.0.0:private is=a
3s manifest.change ? path=~/a=b/package.json is=@
4s shell.command ? ~/.bash_history line="a b" secrets="npm access token,other" user=1001 source=poll
5s process.start 12 pkg=x@1.0.0 demo=true
6s file.read 12 ~/.npmrc.old decoy=true
7s connection.seen 12 address=[2001:db8::1]:443
-- findings --
high x y: z
`

func TestParse(t *testing.T) {
	s, err := scene.Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	bash := &wormbell.Process{PID: 10, Start: scene.Begin.Add(-time.Hour), User: "1000", Exe: "/bin/bash", Args: []string{"/bin/bash"}, Cwd: "/home/me", TTY: "/dev/pts/0", Leader: true, Foreground: true, Signer: "deb:bash"}
	node := &wormbell.Process{PID: 11, Start: scene.Begin, User: "1000", Exe: "/home/me/.nvm/x/bin/node", Script: "/home/me/app/a file.js",
		Args: []string{"/home/me/.nvm/x/bin/node", "a file.js", `say "hi"`, ""}, Cwd: "/home/me/app", TTY: "/dev/pts/0", Foreground: true, Signer: "first-use:~/.nvm/x", Tool: "tool:~/app", DryRun: true, Parent: bash}
	evil := &wormbell.Process{PID: 12, Start: scene.Begin, User: "0", Exe: "/usr/bin/node", Script: "/home/me/z.js", Args: []string{"/usr/bin/node", "-e", "x\n"}, Cwd: "/home/me/app",
		TTY: "/dev/pts/0", Lifecycle: "postinstall", Package: &wormbell.Package{Ecosystem: "npm", Name: "@evil/x", Version: "1.0.0"}, Parent: node}
	inner := &wormbell.Process{PID: 12, Start: scene.Begin, User: "0", Exe: "/bin/sh", Args: []string{"/bin/sh", "-c", "true"}, Cwd: "/home/me/app",
		Lifecycle: "postinstall", Package: evil.Package, Parent: evil}
	at := func(s float64) time.Time { return scene.Begin.Add(time.Duration(s * float64(time.Second))) }
	want := &scene.Scene{
		Prose: "What it shows.",
		Cast:  []scene.Role{{"10", bash}, {"11", node}, {"12", evil}, {"12b", inner}},
		Quiet: []wormbell.Event{{Time: scene.Begin, Kind: wormbell.Gap, Source: "scene", User: "1000", Count: 9}},
		Events: []wormbell.Event{
			{Time: at(1.5), Kind: wormbell.FileRead, Source: "scene", User: "0", Process: evil, Path: "~/.npmrc"},
			{Time: at(2), Kind: wormbell.ManifestChange, Source: "scene", User: "0", Process: inner, Path: "~/app/package.json",
				Was: &wormbell.Manifest{Name: "@me/a", Version: "1.0.0", Private: true}, Is: &wormbell.Manifest{Name: "a"}},
			{Time: at(3), Kind: wormbell.ManifestChange, Source: "scene", User: "1000", Path: "~/a=b/package.json", Is: &wormbell.Manifest{}},
			{Time: at(4), Kind: wormbell.ShellCommand, Source: "poll", User: "1001", Path: "~/.bash_history", Line: "a b", Secrets: []string{"npm access token", "other"}},
			{Time: at(5), Kind: wormbell.ProcessStart, Source: "scene", User: "0", Process: evil, Package: &wormbell.Package{Ecosystem: "npm", Name: "x", Version: "1.0.0"}, Demo: true},
			{Time: at(6), Kind: wormbell.FileRead, Source: "scene", User: "0", Process: evil, Path: "~/.npmrc.old", Decoy: true},
			{Time: at(7), Kind: wormbell.ConnectionSeen, Source: "scene", User: "0", Process: evil, Address: "[2001:db8::1]:443"},
		},
		Findings: "high x y: z\n",
	}
	if diff := cmp.Diff(s, want); diff != "" {
		t.Error(diff)
	}
}

// TestFormat: what is written is read again as it was.
func TestFormat(t *testing.T) {
	texts := map[string]string{"full": full}
	files, _ := filepath.Glob("../../agent/detect/testdata/*.txtar")
	if len(files) == 0 {
		t.Error("no scenes of detectors")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(f)] = string(b)
	}
	for name, text := range texts {
		first, err := scene.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		second, err := scene.Parse(first.Format())
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, first.Format())
			continue
		}
		if diff := cmp.Diff(second, first); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestOf: a recording of a real machine becomes a scene.
func TestOf(t *testing.T) {
	begin := time.Date(2026, 11, 3, 9, 30, 0, 123456789, time.FixedZone("x", 3600))
	bash := &wormbell.Process{PID: 100, Start: begin.Add(-time.Minute), User: "1000", Exe: "/bin/bash", Args: []string{"-bash"}, Cwd: "/home/ann", TTY: "/dev/pts/4", Leader: true, Foreground: true, Signer: "deb:bash"}
	sh := &wormbell.Process{PID: 101, Start: begin, User: "1000", Exe: "/bin/sh", Args: []string{"/bin/sh", "-c", "node /home/ann/x.js"}, Cwd: "/home/ann/app", Signer: "deb:dash", Parent: bash}
	node := &wormbell.Process{PID: 101, Start: begin, User: "1000", Exe: "/usr/bin/node", Script: "/home/ann/x.js", Args: []string{"node", "/home/ann/x.js"}, Cwd: "/home/ann/app", Parent: bash}
	events := []wormbell.Event{
		{Time: begin, Kind: wormbell.ProcessStart, Source: "procconn", User: "1000", Process: sh},
		{Time: begin.Add(1500 * time.Microsecond), Kind: wormbell.ProcessStart, Source: "procconn", User: "1000", Process: node},
		{Time: begin.Add(time.Second), Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Process: node, Path: "~/.npmrc"},
	}
	s, err := scene.Parse(scene.Of("Recorded.\n-- quiet --\nx", events, nil, "/home/ann").Format())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Events) != 3 || len(s.Cast) != 3 || len(s.Quiet) != 0 {
		t.Fatalf("%d events by %d processes, want 3 by 3", len(s.Events), len(s.Cast))
	}
	e := s.Events[2]
	if got := e.Time.Sub(scene.Begin); got != time.Second {
		t.Errorf("offset %v, want 1s", got)
	}
	if e.Process.Script != "/home/me/x.js" || e.Process.Parent.PID != 100 || !e.Process.Parent.Leader || e.Source != "fanotify" {
		t.Errorf("got %+v", e.Process)
	}
	if text := string(scene.Of("", events, nil, "/home/ann").Format()); strings.Contains(text, "ann") {
		t.Errorf("the home is still named:\n%s", text)
	}
	if s := scene.Of("", nil, nil, ""); len(s.Events) != 0 {
		t.Error("nothing was recorded")
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"-- other --\n":                                       "other",
		"-- events --\n-- events --\n":                        "twice",
		"-- processes --\nx [] /bin/sh\n":                     "no process ID",
		"-- processes --\n1 /bin/sh\n":                        "signer",
		"-- processes --\n1 < 2 [] /bin/sh\n":                 "parent",
		"-- processes --\n\n1 []\n":                           "line 2",
		"-- processes --\n1 [] sh\n":                          "neither",
		"-- processes --\n1 [] start=x /bin/sh\n":             "duration",
		"-- processes --\n1 [] /bin/sh\n1 [] /bin/sh\n":       "twice",
		"-- processes --\n1 [] /bin/sh \"x\n":                 "quote",
		"-- events --\n0s file.read\n":                        "needs",
		"-- events --\nx file.read ? ~/x\n":                   "offset",
		"-- events --\n0s file.eat ? ~/x\n":                   "file.eat",
		"-- events --\n0s file.read 7 ~/x\n":                  "7",
		"-- events --\n0s file.read ? ~/x nonsense=1\n":       "nonsense",
		"-- events --\n0s gap ? count=many\n":                 "count",
		"-- events --\n" + strings.Repeat("#", 17<<20) + "\n": "larger",
	} {
		_, err := scene.Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzScene(f *testing.F) {
	f.Add(full)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scene.Parse([]byte(text))
		if err != nil {
			return
		}
		again, err := scene.Parse(s.Format())
		if err != nil {
			t.Fatalf("%v\n%s", err, s.Format())
		}
		if len(again.Cast) != len(s.Cast) || len(again.Events) != len(s.Events) {
			t.Errorf("%d processes and %d events became %d and %d", len(s.Cast), len(s.Events), len(again.Cast), len(again.Events))
		}
	})
}
