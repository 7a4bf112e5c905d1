package detect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/scene"
	"wormbell/internal/stores"
)

// TestPersonsRows: what a row that somebody added grants, and what no row does.
func TestPersonsRows(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
10 [deb:bash] tty=pts/0 leader /bin/bash
11 < 10 [] cwd=~/app /usr/bin/node ~/bin/renovate.js
12 < 10 [] cwd=~/app /usr/bin/node ~/bin/other.js
13 < 10 [] cwd=~/app /usr/bin/node -e x
14 < 10 [first-use:~/.nvm/v22] cwd=/tmp /usr/bin/node --import /tmp/x.mjs ~/.nvm/v22/tool.js
15 [] tty= cwd=/opt /opt/x/agent
16 < 10 [deb:npm] /usr/bin/node /usr/bin/npm i
17 < 16 [] pkg=evil@1.0.0:postinstall /usr/bin/node ~/bin/renovate.js
18 < 16 [deb:evil] pkg=evil@1.0.0:postinstall /usr/bin/evil
19 < 12 [] cwd=~/app /usr/bin/node ~/bin/renovate.js
20 < 10 [deb:coreutils] /usr/bin/env X=1 node ~/bin/renovate.js
21 < 20 [] cwd=~/app /usr/bin/node ~/bin/renovate.js
22 < 16 [] cwd=~/app /usr/bin/node ~/bin/renovate.js
-- events --
0s file.read 11 ~/.npmrc
0s file.read 12 ~/.npmrc
0s file.read 13 ~/.npmrc
0s file.read 14 ~/.npmrc
0s file.read 15 ~/.npmrc
0s file.read 17 ~/.npmrc
0s file.read 18 ~/.npmrc
0s file.read 11 ~/.git-credentials
0s file.read 15 ~/.aws/credentials
0s file.read 19 ~/.npmrc
0s file.read 21 ~/.npmrc
0s file.read 22 ~/.npmrc
`))
	if err != nil {
		t.Fatal(err)
	}
	soon, past := scene.Begin.Add(time.Second), scene.Begin
	for _, test := range []struct {
		name string
		row  wormbell.TrustRow
		want []int // the events that are covered by the row
	}{
		{"exe and script", wormbell.TrustRow{Store: "npm", Who: "exe:/usr/bin/node script:/home/me/bin/renovate.js", Under: "any"}, []int{0, 9, 10, 11}},
		{"every store", wormbell.TrustRow{Store: "*", Who: "exe:/usr/bin/node script:/home/me/bin/renovate.js", Under: "any"}, []int{0, 7, 9, 10, 11}},
		{"one file", wormbell.TrustRow{Store: "*", Path: "~/.git-credentials", Who: "exe:/usr/bin/node script:/home/me/bin/renovate.js", Under: "any"}, []int{7}},
		{"person", wormbell.TrustRow{Store: "npm", Who: "exe:/usr/bin/node script:/home/me/bin/renovate.js", Under: "person"}, []int{0, 10}}, // not 9, which another script starts, nor 11, which npm does
		{"not a person", wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x/agent", Under: "person"}, nil},
		{"a service", wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x/agent", Under: "not-a-dependency-script"}, []int{4}},
		{"project stores", wormbell.TrustRow{Store: "project", Who: "exe:/opt/x/agent", Under: "any"}, []int{8}},
		{"strict stores", wormbell.TrustRow{Store: "strict", Who: "exe:/opt/x/agent", Under: "any"}, []int{4}},
		{"an interpreter alone grants nothing", wormbell.TrustRow{Store: "*", Who: "exe:/usr/bin/node", Under: "any"}, nil},
		{"signer, not with code let in", wormbell.TrustRow{Store: "*", Who: "signer:first-use:*", Under: "any"}, nil},
		{"signer, not below a dependency", wormbell.TrustRow{Store: "*", Who: "signer:*", Under: "any"}, nil},
		{"in time", wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x/agent", Under: "any", Until: &soon}, []int{4}},
		{"too late", wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x/agent", Under: "any", Until: &past}, nil},
		{"outside a project", wormbell.TrustRow{Store: "*", Who: "exe:/opt/x/agent", Under: "project"}, nil},
		{"empty", wormbell.TrustRow{}, nil},
		{"nonsense", wormbell.TrustRow{Store: "*", Who: "exe:", Under: "any"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			trust := detect.NewTrust()
			test.row.ID = "mine"
			trust.SetRows([]wormbell.TrustRow{test.row})
			var got []int
			for i, e := range s.Events {
				if row, ok := trust.Vouched(e, nil); ok && row.ID == "mine" {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("covers %v, want %v", got, test.want)
			}
		})
	}
}

// TestChangedProgram: a row holds only while what it is about is the same, and
// the finding says that it is not.
func TestChangedProgram(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
10 [deb:bash] tty=pts/0 leader /bin/bash
11 < 10 [] cwd=~/app /usr/bin/node ~/bin/renovate.js
-- events --
0s file.read 11 ~/.npmrc
`))
	if err != nil {
		t.Fatal(err)
	}
	const changed, unchecked = "; the program changed since you allowed it", "; whether the program changed since you allowed it could not be checked in time"
	for _, test := range []struct {
		digest, now string // now "" is not known
		user        string // whose row it is
		rings       bool
		says        string
	}{
		{"", "", "1000", false, ""},
		{"sha256:1", "sha256:1", "1000", false, ""},
		{"sha256:1", "sha256:2", "1000", true, changed},
		{"sha256:1", "sha256:2", "1001", true, ""},
		{"sha256:1", "", "1000", true, unchecked},
		{"sha256:1", "", "1001", true, ""},
		{"sha256:1", "sha256:1, but too late", "1000", true, unchecked},
	} {
		trust := detect.NewTrust()
		trust.SetRows([]wormbell.TrustRow{{ID: "mine", Store: "npm", Who: "exe:/usr/bin/node script:/home/me/bin/renovate.js", Under: "person", Digest: test.digest, By: test.user}})
		asked := 0
		trust.SetUnchanged(func(row wormbell.TrustRow, p *wormbell.Process) (same, known bool) {
			if row.Digest == "" || p.Script != "/home/me/bin/renovate.js" {
				t.Errorf("asked of %+v and %s", row, p)
			}
			now, late := strings.CutSuffix(test.now, ", but too late")
			if asked++; late && asked == 1 {
				return false, false
			}
			return row.Digest == now, now != ""
		})
		found := scene.Findings(scene.Replay(s.Events, detect.NewEngine(detect.All, trust).Observe))
		if (found != "") != test.rings || strings.Contains(found, changed) != (test.says == changed) || strings.Contains(found, unchecked) != (test.says == unchecked) {
			t.Errorf("%q, now %q, of %s: %s", test.digest, test.now, test.user, found)
		}
	}
}

// TestForeignCode: who is made to load somebody's code is not who was allowed.
func TestForeignCode(t *testing.T) {
	for foreign, want := range map[bool]bool{false: true, true: false} {
		trust := detect.NewTrust()
		trust.SetRows([]wormbell.TrustRow{{ID: "mine", Store: "npm", Who: "exe:/home/ann/bin/tool", Under: "not-a-dependency-script", By: "1000"}})
		_, got := trust.Vouched(wormbell.Event{Kind: wormbell.FileRead, User: "1000", Path: "~/.npmrc",
			Process: &wormbell.Process{PID: 7, Exe: "/home/ann/bin/tool", Foreign: foreign}}, nil)
		if got != want {
			t.Errorf("foreign %v: covered %v", foreign, got)
		}
	}
}

// TestRows checks what every built-in row must keep to.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range detect.Rows {
		if seen[r.ID] || r.Reason == "" || r.Who == "" || r.Under == "" {
			t.Errorf("row %q: not complete, or there twice", r.ID)
		}
		seen[r.ID] = true
		if r.Store != "*" && r.Store != "strict" && r.Store != "project" && stores.ByID(r.Store) == nil {
			t.Errorf("row %q: there is no store %q", r.ID, r.Store)
		}
		if r.Under == detect.Any && r.Who != detect.PackageManager {
			t.Errorf("row %q: below a dependency's script only a package manager may read", r.ID)
		}
	}
	trust := detect.NewTrust()
	trust.SetRows([]wormbell.TrustRow{{ID: "mine"}})
	rows := trust.Rows()
	if len(rows) != len(detect.Rows)+1 || rows[len(rows)-1].ID != "mine" || rows[0].By != "built-in" {
		t.Errorf("Rows: %+v", rows)
	}
}

// TestEveryRowIsNeeded: without a row something harmless would ring, so each
// row has a quiet event in the scenes that it and no earlier one covers.
func TestEveryRowIsNeeded(t *testing.T) {
	used := map[string]bool{}
	for _, d := range detect.All {
		s, _ := load(t, d.ID)
		for _, e := range s.Quiet {
			if row, ok := detect.NewTrust().Vouched(e, nil); ok {
				used[row.ID] = true
			}
		}
	}
	for _, r := range detect.Rows {
		if !used[r.ID] {
			t.Errorf("no quiet event needs the row %q", r.ID)
		}
	}
}

// TestHomes: a home may lie anywhere, also below a temporary folder.
func TestHomes(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
9 [deb:cron] cwd=/ /usr/sbin/cron
10 < 9 [] cwd=/tmp/scratch/me/app /usr/bin/node /tmp/scratch/me/app/deploy.js
11 < 10 [deb:npm] cwd=/tmp/scratch/me/app/a /usr/bin/node /usr/bin/npm publish
12 < 10 [deb:npm] cwd=/tmp/scratch/me/app/b /usr/bin/node /usr/bin/npm publish
13 < 10 [deb:npm] cwd=/tmp/scratch/me/app/c /usr/bin/node /usr/bin/npm publish
-- events --
0s process.start 11 pkg=a@1.0.0
1s process.start 12 pkg=b@1.0.0
2s process.start 13 pkg=c@1.0.0
3s file.read 10 ~/.npmrc
`))
	if err != nil {
		t.Fatal(err)
	}
	observe := func(homes ...string) string {
		trust := detect.NewTrust()
		trust.SetHomes(homes)
		return scene.Findings(scene.Replay(s.Events, detect.NewEngine(detect.All, trust).Observe))
	}
	if got := observe("/home/other"); !strings.Contains(got, "publish-loop temporary folder") {
		t.Errorf("outside every home it is a temporary folder:\n%s", got)
	}
	got := observe("/home/other", "/tmp/scratch/me")
	if strings.Contains(got, "publish-loop") {
		t.Errorf("a release inside a home is no loop:\n%s", got)
	}
	if !strings.Contains(got, "in ~/app)") {
		t.Errorf("the home is not written as ~:\n%s", got)
	}
}

// TestRowOfAnotherPerson: what one user allows says nothing about the files of
// another; what root allows does.
func TestRowOfAnotherPerson(t *testing.T) {
	read := wormbell.Event{Kind: wormbell.FileRead, User: "1000", Path: "~/.npmrc",
		Process: &wormbell.Process{PID: 7, User: "1000", Exe: "/home/ann/bin/tool", Cwd: "/home/ann"}}
	for by, want := range map[string]bool{"1000": true, "1001": false, "0": true} {
		trust := detect.NewTrust()
		trust.SetRows([]wormbell.TrustRow{{ID: "mine", Store: "npm", Who: "exe:/home/ann/bin/tool", Under: "any", By: by}})
		if _, got := trust.Vouched(read, nil); got != want {
			t.Errorf("a row by uid %s covers a file of uid 1000: %v, want %v", by, got, want)
		}
	}
}

// TestSandboxed: a program of this system that loads other code is none of a
// sandbox's, although nobody vouches for it either.
func TestSandboxed(t *testing.T) {
	shell := &wormbell.Process{PID: 6, Exe: "/bin/bash", Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true}
	for _, test := range []struct {
		exe     string
		foreign bool
		want    bool
	}{{"/usr/bin/ssh", false, true}, {"/usr/bin/ssh", true, false}, {"/tmp/.mount_codeAbC/code", false, true}, {"/tmp/.mount_codeAbC/code", true, true}, {"/app/bin/code", true, false}, {"/tmp/x/ssh", false, false}, {"/usr/bin/cat", false, false}, {"/app/bin/ssh", false, true}} {
		read := wormbell.Event{Kind: wormbell.FileRead, User: "1000", Path: "~/.ssh/id_ed25519",
			Process: &wormbell.Process{PID: 7, User: "1000", Exe: test.exe, Foreign: test.foreign, Cwd: "/home/ann", Parent: shell}}
		if _, got := detect.NewTrust().Vouched(read, nil); got != test.want {
			t.Errorf("%s, which loads other code: %v: %v, want %v", test.exe, test.foreign, got, test.want)
		}
	}
}
