package e2e

import (
	"os"
	"strings"
	"testing"
	"time"
)

// ways are worms that act on a refusal at once, in other ways than the wiper does.
// Each beats while it runs, if it can.
var ways = map[string]pkg{
	"cat":      {scripts: map[string]any{"postinstall": "cat $HOME/.npmrc > $HOME/loot || echo x > $HOME/wiped"}},
	"redirect": {scripts: map[string]any{"postinstall": "{ read x < $HOME/.npmrc && echo $x > $HOME/loot; } || echo x > $HOME/wiped"}},
	"perl": {scripts: map[string]any{"postinstall": "perl steal.pl"}, files: map[string]string{
		"steal.pl": `open(F, "<", "$ENV{HOME}/.npmrc") ? open(G, ">", "$ENV{HOME}/loot") : open(G, ">", "$ENV{HOME}/wiped")`}},
	"forks": {scripts: map[string]any{"postinstall": "for i in 1 2 3; do sh fork.sh & done; cat $HOME/.npmrc > $HOME/loot || echo x > $HOME/wiped"},
		files: map[string]string{"fork.sh": "while :; do (test -s $HOME/wiped && echo x > $HOME/wiped-by-fork; date +%N > $HOME/beat); done"}},
	"of an earlier script": {scripts: map[string]any{"preinstall": "setsid sh watch.sh > /dev/null 2>&1 &", "postinstall": "sleep 0.2; cat $HOME/.npmrc > $HOME/loot || echo x > $HOME/wiped"},
		files: map[string]string{"watch.sh": "while :; do test -s $HOME/wiped && echo x > $HOME/wiped-by-other; date +%N > $HOME/beat; sleep 0.01; done"}},
	"many at once": {scripts: map[string]any{"postinstall": "for i in $(seq 40); do (cat $HOME/.npmrc >> $HOME/loot || echo x > $HOME/wiped) & done; wait"}},
}

// TestProtectWays: however it opens the file, nothing of it runs after the refusal.
func TestProtectWays(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{args: []string{"--protect"}})
	for name, p := range ways {
		t.Run(name, func(t *testing.T) {
			p.name, p.version = "ways-"+strings.ReplaceAll(name, " ", "-"), "1.0.0"
			npm := m.installing("~/"+p.name, p)
			id := ""
			m.until("it to be denied and noted", 60*time.Second, func() bool {
				for _, a := range m.alerts() {
					for _, f := range a.Findings {
						if f.Detector == "credential-read" && strings.Contains(f.Summary, p.name) && a.Frozen() && !a.Escaped() {
							id = a.ID
							return f.Denied()
						}
					}
				}
				return false
			})
			beat := func() string { b, _ := os.ReadFile(m.path("~/beat")); return string(b) }
			before := beat()
			time.Sleep(300 * time.Millisecond) // in which what runs would act
			if after := beat(); before != after {
				t.Errorf("something of it beats: %q, then %q", before, after)
			}
			found := m.there("wiped", "wiped-by-fork", "wiped-by-other")
			if b, _ := os.ReadFile(m.path("~/loot")); len(b) > 0 {
				found = append(found, "loot")
			}
			if len(found) > 0 {
				t.Errorf("it ran after the refusal, or was not refused: %q", found)
			}
			if out, code := m.wormbell("alert", "kill", id); code != 0 {
				t.Errorf("kill: exit %d\n%s", code, out)
			}
			select {
			case <-npm.done:
			case <-time.After(30 * time.Second):
				t.Error("npm waits yet")
			}
			for _, f := range []string{"loot", "wiped", "wiped-by-fork", "wiped-by-other", "beat"} {
				os.Remove(m.path("~/" + f))
			}
		})
	}
	if s := m.status(); s.Denied < len(ways) || len(s.Problems) > 0 {
		t.Errorf("denied %d, problems %q", s.Denied, s.Problems)
	}
}
