package detect_test

import (
	"testing"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// TestJudge: what is refused, and what of the same day is not.
func TestJudge(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
1 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
10 < 1 [deb:bash] tty=pts/0 leader /bin/bash
16 < 10 [deb:npm] tty=pts/0 fg /usr/bin/node /usr/bin/npm i
17 < 16 [deb:dash] pkg=evil@1.0.0:postinstall /bin/sh -c "node x.js"
18 < 17 [] pkg=evil@1.0.0:postinstall /usr/bin/node x.js
19 < 18 [deb:coreutils] pkg=evil@1.0.0:postinstall /usr/bin/cat /home/me/.npmrc
20 < 17 [deb:npm] pkg=evil@1.0.0:postinstall /usr/bin/node /usr/bin/npm config get registry
21 < 18 [deb:bash] pkg=evil@1.0.0:postinstall tty=pts/9 leader /bin/bash
30 < 10 [] tty=pts/0 cwd=~/app /usr/bin/node ~/app/collect.js
31 < 30 [deb:coreutils] tty=pts/0 /usr/bin/cat x
32 < 10 [deb:coreutils] tty=pts/0 fg /usr/bin/cat x
33 < 10 [] tty=pts/0 cwd=~/app /usr/bin/node ~/app/one.js
40 < 1 [] /home/me/x/wormbell respond
41 < 1 [] /opt/gone
50 < 10 [deb:npm] tty=pts/0 fg cwd=~/app /usr/bin/node /usr/bin/npm i
51 < 50 [deb:dash] cwd=~/app/node_modules/sets-up pkg=sets-up@1.0.0:postinstall /bin/sh -c "node x.js"
52 < 51 [] pkg=sets-up@1.0.0:postinstall /usr/bin/node x.js
-- events --
0s file.read 16 ~/.npmrc
0s file.read 20 ~/.npmrc
0s file.read 18 ~/.npmrc
0s file.read 19 ~/.npmrc
0s file.read 21 ~/.npmrc
0s file.read 18 ~/x.old decoy=true
0s file.read 32 ~/x.old decoy=true
1s file.read 30 ~/.npmrc
1s file.read 30 ~/.npmrc
2s file.read 31 ~/.config/gh/hosts.yml
3s file.read 32 ~/.npmrc
3s file.read 32 ~/.config/gh/hosts.yml
3s file.read 32 ~/.aws/credentials
4s file.read 33 ~/.npmrc
5s file.read 30 ~/.aws/credentials
6s file.read 30 ~/.npmrc
7s file.read 31 ~/.git-credentials
20m file.read 30 ~/.npmrc
21m file.read 52 ~/app/.env
21m file.read 52 ~/other/.env
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []bool{false, false, true, true, true, true, false,
		false, false, false, false, false, false, false, // two kinds; a person; another
		true, true, true,
		false,       // long after it
		false, true} // of the project that it is installed into; of another
	trust, judge := detect.NewTrust(), detect.NewJudge()
	if len(s.Events) != len(want) {
		t.Fatalf("%d events", len(s.Events))
	}
	for i, e := range s.Events {
		_, vouched := trust.Vouched(e, judge.Suspect)
		if got := judge.Refuses(e, vouched, trust.Usual(e, judge.Suspect)); got != want[i] {
			t.Errorf("%d: %s of %s by %v: refused %v", i, e.Kind, e.Path, e.Process, got)
		}
	}
}

// TestJudgeAnnounced: what our own program said that it would read makes no sweep.
func TestJudgeAnnounced(t *testing.T) {
	p := &wormbell.Process{PID: 40, Start: scene.Begin, Exe: "/home/me/bin/wormbell", Args: []string{"wormbell", "respond"}, Cwd: "/"}
	judge := detect.NewJudge()
	files := []string{"~/.npmrc", "~/.config/gh/hosts.yml", "~/.aws/credentials", "~/.git-credentials"}
	for _, f := range files {
		judge.Observe(wormbell.Event{Time: scene.Begin, Kind: wormbell.AgentCall, User: "1000", Process: p, Path: f, Line: wormbell.Announced, Count: 60})
	}
	for range 2 {
		for _, f := range files {
			if judge.Refuses(wormbell.Event{Time: scene.Begin, Kind: wormbell.FileRead, User: "1000", Process: p, Path: f}, false, false) {
				t.Errorf("%s was refused", f)
			}
		}
	}
	judge.Observe(wormbell.Event{Time: scene.Begin, Kind: wormbell.ProcessExit, Process: p})
	refused := false
	for _, f := range files {
		refused = judge.Refuses(wormbell.Event{Time: scene.Begin, Kind: wormbell.FileRead, User: "1000", Process: p, Path: f}, false, false)
	}
	if !refused {
		t.Error("a sweep that nobody announced was not refused")
	}
}
