package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wormbell/internal/scratch"
)

// TestStarts: whatever brings a worm runs it, of every client and in every form.
func TestStarts(t *testing.T) {
	if out, err := exec.Command("npm", "--version").Output(); err != nil || !strings.HasPrefix(string(out), "11.") {
		t.Skipf("needs npm 11, found %q (%v)", out, err)
	}
	worms := map[string]*Worm{"prepare": {Start: "prepare"}, "own": {Start: "own"}, "workspace": {Start: "workspace"}, "hand": {Start: "hand"}}
	for name := range forms {
		worms["import "+name] = &Worm{Start: "import", Form: name}
	}
	for name := range gypFiles {
		worms["gyp "+name] = &Worm{Start: "gyp", Form: name}
	}
	for name, c := range clients {
		if c.add != "" {
			worms["postinstall "+name] = &Worm{Start: "postinstall", Client: name}
		}
	}
	for name, w := range worms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needs := w.Client
			if w.Form != "" && w.Start == "import" {
				needs = forms[w.Form].client
			}
			if _, ok := bins(testClients, needs); needs != "" && !ok {
				t.Skipf("needs %s", needs)
			}
			if w.Client == "" {
				w.Client = "npm"
			}
			w.Campaign, w.Package, w.Version, w.File = "x", "late-vibi", "1.2.3", "index.js"
			if w.Start == "import" {
				w.File = "core.js"
			}
			w.Files = map[string]string{"~/.npmrc": decoyFiles["~/.npmrc"]}
			w.Want = [][]string{{"credential-read"}}
			w.Script = Script{Language: "node", Steps: []Step{{Play: &Play{File: "$PKG/inner", Script: Script{Language: "sh", Steps: []Step{run("true")}}}}}}
			if err := w.check(); err != nil {
				t.Fatal(err)
			}
			m, err := scratch.New("zoo", "npm_config_nodedir=$DIR/node")
			defer m.Close()
			if err != nil {
				t.Fatal(err)
			}
			s := &stage{Machine: m}
			s.clients = testClients
			if err := s.set(w); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-c", s.command(w))
			cmd.Env, cmd.Dir = s.Env(), s.Home
			out, err := cmd.CombinedOutput()
			if s.made("done-") != 2 {
				t.Errorf("%s\n%d scripts ran to their end, not 2: %v\n%s", fmt.Sprint(cmd), s.made("done-"), err, out)
			}
		})
	}
}
