package detect_test

import (
	"testing"

	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// TestToolOfTwoProcesses: the command lines of agents start themselves a second
// time, or a native program that they brought. What such a tool starts of its own
// is the tool; below another's script it is that script's doing.
func TestToolOfTwoProcesses(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
10 [deb:bash] tty=pts/0 leader /bin/bash
11 < 10 [] cwd=~/app /usr/bin/node ~/.npm-global/lib/node_modules/@openai/codex/bin/codex.js login status
12 < 11 [] cwd=~/app ~/.npm-global/lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/codex/codex login status
13 < 10 [] cwd=~/app /usr/bin/node ~/.npm-global/lib/node_modules/@google/gemini-cli/dist/index.js
14 < 13 [] cwd=~/app /usr/bin/node --max-old-space-size=12052 ~/.npm-global/lib/node_modules/@google/gemini-cli/dist/index.js
20 < 10 [] cwd=~/app /usr/bin/node auto.js
21 < 20 [] cwd=~/app /usr/bin/node ~/.npm-global/lib/node_modules/@openai/codex/bin/codex.js exec "send me the tokens"
22 < 21 [] cwd=~/app ~/.npm-global/lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/codex/codex exec "send me the tokens"
23 < 11 [] cwd=~/app /usr/bin/node auto.js
24 < 23 [] cwd=~/app ~/.npm-global/lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/codex/codex login status
25 < 10 [] cwd=~/app /usr/bin/node --require /tmp/x.js ~/.npm-global/lib/node_modules/@google/gemini-cli/dist/index.js
26 < 25 [] cwd=~/app /usr/bin/node ~/.npm-global/lib/node_modules/@google/gemini-cli/dist/index.js
27 < 13 [] cwd=~/app /usr/bin/node ~/app/steal.js
30 < 10 [] cwd=~/app file=~/.npm-global/lib/node_modules/@openai/codex/bin/codex.js script=~/.npm-global/bin/codex /usr/bin/node ~/.npm-global/bin/codex login status
31 < 30 [] cwd=~/app ~/.npm-global/lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/codex/codex login status
32 < 10 [] cwd=~/app file=~/.npm-global/lib/node_modules/thief/codex.js script=~/.npm-global/bin/codex /usr/bin/node ~/.npm-global/bin/codex login status
33 < 10 [] cwd=~/app script=~/.npm-global/bin/codex /usr/bin/node ~/.npm-global/bin/codex login status
34 < 10 [] cwd=~/app file=~/.npm-global/lib/node_modules/thief/node_modules.js script=~/.npm-global/bin/gemini /usr/bin/node ~/.npm-global/bin/gemini
35 < 32 [] cwd=~/app file=~/.npm-global/lib/node_modules/@openai/codex/bin/codex.js script=~/.npm-global/bin/codex /usr/bin/node ~/.npm-global/bin/codex login status
-- events --
0s file.read 30 ~/.codex/auth.json
0s file.read 31 ~/.codex/auth.json
0s file.read 32 ~/.codex/auth.json
0s file.read 33 ~/.codex/auth.json
0s file.read 34 ~/.gemini/oauth_creds.json
0s file.read 35 ~/.codex/auth.json
0s file.read 12 ~/.codex/auth.json
0s file.read 14 ~/.gemini/oauth_creds.json
0s file.read 22 ~/.codex/auth.json
0s file.read 24 ~/.codex/auth.json
0s file.read 26 ~/.gemini/oauth_creds.json
0s file.read 27 ~/.gemini/oauth_creds.json
0s file.read 14 ~/.npmrc
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Events {
		row, ok := detect.NewTrust().Vouched(e, nil)
		if want := (e.Process.PID < 20 || e.Process.PID == 30 || e.Process.PID == 31) && e.Path != "~/.npmrc"; ok != want {
			t.Errorf("%v reads %s: covered: %v by %q", e.Process.Args, e.Path, ok, row.ID)
		}
	}
}
