package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wormbell/internal/executable"
)

// testClients is where .ci/deps puts the package managers.
const testClients = "/opt/wormbell-test/clients"

// TestBreed: a seed stands for one worm, and different ones for different worms.
func TestBreed(t *testing.T) {
	for _, c := range campaigns {
		seen := map[string]uint64{}
		for seed := range uint64(50) {
			w := breed(c, seed)
			if err := w.check(); err != nil {
				t.Errorf("%s, seed %d: %v", c.name, seed, err)
			}
			if again := breed(c, seed); !reflect.DeepEqual(w, again) {
				t.Errorf("%s, seed %d: the second time it is another worm", c.name, seed)
			}
			text := js([]any{w.Package, w.Start, w.File, w.Script, w.Files})
			if other, is := seen[text]; is {
				t.Errorf("%s: seeds %d and %d are one worm", c.name, other, seed)
			}
			seen[text] = seed
			var back Worm
			if err := json.Unmarshal([]byte(js(w)), &back); err != nil || !reflect.DeepEqual(w, &back) {
				t.Errorf("%s, seed %d: does not survive JSON: %v", c.name, seed, err)
			}
		}
	}
}

// TestCheck: what would not be inert is refused.
func TestCheck(t *testing.T) {
	step := func(s Step) *Worm {
		w := breed(campaigns[0], 0)
		w.Script.Steps = append(w.Script.Steps, Step{Play: &Play{File: "$TMP/x", Script: Script{Language: "sh", Steps: []Step{s}}}})
		return w
	}
	for name, w := range map[string]*Worm{
		"a file of the machine":  step(Step{Read: &Read{Path: "/etc/passwd", How: "itself"}}),
		"the real home":          step(Step{Read: &Read{Path: "~root/.npmrc", How: "itself"}}),
		"out of the home":        step(Step{Write: &Write{Path: "~/../x"}}),
		"another program":        step(Step{Run: &Run{Args: []string{"curl", "http://registry.example.com"}}}),
		"a program of the disk":  step(Step{Run: &Run{Args: []string{"/bin/rm", "-rf", "~"}}}),
		"a folder of the disk":   step(Step{Run: &Run{Args: []string{"npm", "publish"}, Dir: "/"}}),
		"an unknown way to read": step(Step{Read: &Read{Path: "~/.npmrc", How: "no way"}}),
		"an unknown way to run":  step(Step{Play: &Play{File: "$TMP/y", Via: "no way", Script: Script{Language: "sh"}}}),
		"another home for npm":   step(Step{Play: &Play{File: "$TMP/y", Via: "home", Script: Script{Language: "sh", Steps: []Step{run("npm", "publish")}}}}),
		"two things at once":     step(Step{Read: &Read{Path: "~/.npmrc", How: "itself"}, Sleep: 1}),
		"nothing":                step(Step{}),
		"a script elsewhere":     step(Step{Play: &Play{File: "/tmp/x", Script: Script{Language: "sh"}}}),
		"a language":             step(Step{Play: &Play{File: "$TMP/x", Script: Script{Language: "sh -c id;"}}}),
	} {
		if err := w.check(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, change := range map[string]func(*Worm){
		"name":    func(w *Worm) { w.Package = "a b" },
		"client":  func(w *Worm) { w.Client = "no client" },
		"script":  func(w *Worm) { w.File = "../x.js" },
		"start":   func(w *Worm) { w.Start = "prepare; id" },
		"file":    func(w *Worm) { w.Files["/etc/x"] = "" },
		"nothing": func(w *Worm) { w.Want = nil },
	} {
		w := breed(campaigns[0], 0)
		if change(w); w.check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestLanguages: a script does the same in every language.
func TestLanguages(t *testing.T) {
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			places := &stagePlaces{clients: testClients, home: filepath.Join(dir, "it's home"), tmp: filepath.Join(dir, "tmp"), control: filepath.Join(dir, "control"), token: `a'b"c$d`}
			s := Script{Language: language, Steps: []Step{
				write("~/a/b.txt", "one 'two' \"three\" \\ $HOME\nfour $TOKEN\n"),
				{Write: &Write{Path: "$TMP/tool", Text: "#!/bin/sh\npwd >\"$1\"\nprintf %s \"$KEY\" >>\"$1\"\n", Mode: "755"}},
				{Run: &Run{Args: []string{"$TMP/tool", "~/said"}, Dir: "~/a", Env: map[string]string{"KEY": "it's $TOKEN"}}},
				{Read: &Read{Path: "~/a/b.txt", How: "itself"}},
				{Read: &Read{Path: "~/none", How: "itself"}},
				{Read: &Read{Path: "~/a/b.txt", How: "base64"}},
				{Play: &Play{File: "$TMP/inner", Shell: true, Script: Script{Language: "sh", Steps: []Step{write("~/inner", "x")}}}},
				{Sleep: 1},
			}}
			program := places.interpreter(language)
			if _, err := exec.LookPath(program[0]); err != nil {
				t.Skipf("needs %s", program[0])
			}
			for _, d := range []string{places.home, places.tmp, places.control} {
				if err := os.Mkdir(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			file := filepath.Join(dir, "script")
			if err := os.WriteFile(file, []byte(source(&s, places, nil)), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(program[0], append(program[1:], file)...).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Fatalf("%v\n%s", err, out)
			}
			for name, want := range map[string]string{
				"it's home/a/b.txt": "one 'two' \"three\" \\ $HOME\nfour a'b\"c$d\n",
				"it's home/said":    filepath.Join(dir, "it's home/a") + "\nit's a'b\"c$d",
				"it's home/inner":   "x", "control/begun-0": "", "control/done-0": "", "control/done-1": "",
			} {
				if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
					t.Errorf("%s: %q %v, want %q", name, b, err, want)
				}
			}
		})
	}
}

// TestMutators: a program of somebody else's changes the worms.
func TestMutators(t *testing.T) {
	dir := t.TempDir()
	if err := executable.Write(filepath.Join(dir, "one"), "#!/bin/sh\nexec sed 's/\"file\":\"[^\"]*\"/\"file\":\"other.js\"/'\n"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := zoo(context.Background(), options{n: 2, mutators: dir, print: true}, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `"file":"other.js"`); n < 2*len(campaigns) {
		t.Errorf("%d files have the other name", n)
	}
	if err := executable.Write(filepath.Join(dir, "two"), "#!/bin/sh\nexec sed 's,~/.npmrc,/root/.npmrc,g'\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := zoo(context.Background(), options{n: 1, mutators: dir, print: true}, &out); err == nil {
		t.Error("a worm that is not inert is accepted")
	}
}

// TestTell: the table, what was missed and the sum; what could not be played is
// neither caught nor missed.
func TestTell(t *testing.T) {
	worm := func(name string, seed uint64) *Worm {
		return &Worm{Campaign: name, Seed: seed, Want: [][]string{{"worm-command", "credential-read"}}}
	}
	named, unnamed := []string{"worm-command"}, []string{"credential-read"}
	results := []result{
		{worm: worm("nx", 1), rang: unnamed, patient: unnamed, grave: true, first: 84 * time.Millisecond},
		{worm: worm("nx", 2), rang: named, patient: unnamed, grave: true, connected: true, first: 4100 * time.Millisecond},
		{worm: worm("gyp", 3), rang: unnamed},
		{worm: worm("gyp", 4), rang: []string{"publish-loop"}},
		{worm: worm("gyp", 5), rang: unnamed, err: errors.New("no terminal")},
	}
	var out strings.Builder
	_, missed, err := tell(results, &out)
	if missed != 1 || err == nil || err.Error() != "gyp, seed 5: no terminal" {
		t.Errorf("%d missed, %v", missed, err)
	}
	want := `
| campaign | worms | caught | without names | over three days | connections told | median | longest |
|----------|-------|--------|---------------|-----------------|------------------|--------|---------|
| ` + "`nx`" + `     | 2     | 2      | 1             | 2               | 1                | 4.1 s  | 4.1 s   |
| ` + "`gyp`" + `    | 3     | 1      | 1             | 0               | –                | –      | –       |
| all      | 5     | 3      | 2             | 2               | 1                | 4.1 s  | 4.1 s   |
missed over three days: -campaign gyp -seed 3 -n 1: wants [[worm-command credential-read]], would have rung []
missed: -campaign gyp -seed 4 -n 1: wants [[worm-command credential-read]], rang [publish-loop]
not played: -campaign gyp -seed 5 -n 1: no terminal
3 of 4 caught, 2 without the detectors that go by names, 2 with their acts spread over three days; 1 could not be played
`
	if got := "\n" + out.String(); got != want {
		t.Errorf("it says%s", got)
	}
}

// TestPlay: worms are caught, and one that does nothing is not.
func TestPlay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: permission marks")
	}
	if out, err := exec.Command("npm", "--version").Output(); err != nil || !strings.HasPrefix(string(out), "11.") {
		t.Skipf("needs npm 11, found %q (%v)", out, err)
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "wormbell/cmd/wormbelld")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	o := options{bin: bin, clients: testClients}
	for _, c := range campaigns {
		for _, seed := range []uint64{0, 1} {
			t.Run(fmt.Sprint(c.name, "-", seed), func(t *testing.T) {
				t.Parallel()
				if r := play(t.Context(), breed(c, seed), o); r.err != nil || !r.caught(none) {
					t.Errorf("wants %v, rang %v, %v", r.worm.Want, r.rang, r.err)
				}
			})
		}
	}
	harmless := breed(campaigns[len(campaigns)-1], 0)
	harmless.Script.Steps = []Step{write("$TMP/x", "harmless"), run("id")}
	if r := play(t.Context(), harmless, o); r.err != nil || r.caught(none) || r.grave {
		t.Errorf("a script that does nothing: rang %v, %v", r.rang, r.err)
	}
}
