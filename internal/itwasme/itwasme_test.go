package itwasme

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/plain"
	"wormbell/internal/scene"
	"wormbell/internal/stores"
	"wormbell/internal/words"
)

// cast are the processes of a machine: a person's shell, scripts of their own
// and what is not theirs.
const cast = `
-- processes --
9 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
10 < 9 [deb:systemd] uid=1000 cwd=/ /usr/lib/systemd/systemd --user
12 < 10 [deb:bash] cwd=~ tty=pts/0 leader /bin/bash
20 < 12 [] cwd=~/work /usr/bin/node /home/me/bin/renovate.js
21 < 12 [] cwd=~/work /usr/bin/node /home/me/bin/other.js
22 < 12 [] cwd=~/work /usr/bin/python3.12 /home/me/bin/fetch.py
23 < 20 [] /home/me/go/bin/helper
24 < 20 [deb:coreutils] /usr/bin/cat ~/.npmrc
25 < 20 [deb:dash] /bin/sh -c "cat ~/.npmrc"
26 < 10 [] cwd=~/svc /usr/bin/node /home/me/svc/daemon.js
27 < 10 [] cwd=/ /opt/agent/bin/agent
28 < 10 [] cwd=/ /usr/bin/node /opt/agent/agent.js
30 < 12 [] cwd=~/work /usr/bin/node -e "steal()"
31 < 12 [] cwd=~/work /usr/bin/node
32 < 12 [] cwd=~/work /usr/bin/python3.12 -c "steal()"
33 < 20 [] /usr/bin/python3.12 -m steal
34 < 20 [] /bin/bash -c "cat x"
35 < 20 [] script=/dev/fd/63 /usr/bin/node /dev/fd/63
36 < 20 [] /home/me/bin/java -jar /home/me/steal.jar
37 < 20 [] /home/me/.nix/bin/cat ~/.npmrc
38 < 12 [] cwd=~/work /usr/bin/node --require /home/me/x.js /home/me/bin/renovate.js
40 < 12 [] cwd=/tmp /usr/bin/node /tmp/steal.js
41 < 12 [] cwd=~/work /usr/bin/node /home/me/work/node_modules/.bin/tool.js
42 < 12 [] cwd=~/work /tmp/node /home/me/bin/renovate.js
43 < 20 [] "/home/me/bin/tool (deleted)"
44 < 12 [] cwd=~/work /usr/bin/node /home/me/Downloads/setup.js
45 < 12 [] cwd=~/work /usr/bin/node /home/me/.cache/x.js
46 < 12 [] cwd=~/work /usr/bin/node /usr/local/lib/node_modules/x/x.js
47 < 12 [] cwd=~/work script=/home/me/bin/../../../tmp/x.js /usr/bin/node x.js
50 < 12 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npm install
51 < 50 [deb:dash] pkg=evil@1.0.0:postinstall cwd=~/app/node_modules/evil /bin/sh -c "node steal.js"
52 < 51 [] /usr/bin/node /home/me/bin/renovate.js
53 < 51 [deb:coreutils] /usr/bin/cat ~/.npmrc
54 < 12 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npm run deploy
55 < 54 [] /usr/bin/node /home/me/bin/renovate.js
56 < 20 [] /usr/bin/node /home/me/bin/npm install
57 < 20 [] "/usr/bin/node" "script=/home/me/bin/a\u202egpj.js" a.js
58 < 20 [] script="/home/me/bin/a script:b.js" /usr/bin/node a.js
59 < 20 [] script=C:/Users/me/a.js C:/node/node.exe a.js
60 < 20 [] script=/home/me/gone.js /usr/bin/node /home/me/gone.js
61 < 20 [] script=/home/me/open.js /usr/bin/node /home/me/open.js
62 < 20 [] script=/home/me/link.js /usr/bin/node /home/me/link.js
63 < 20 [] script=/tmp/link.js /usr/bin/node /tmp/link.js
64 < 20 [deb:reader] /usr/bin/reader --all
65 < 20 [] /home/me/bin/sqlite3 x
66 < 20 [] /home/me/bin/7z a out
67 < 20 [] /home/me/.bin/x86_64-linux-gnu-gcc-14 -E x
68 < 20 [] /home/me/lib/ld-2.31.so x
69 < 20 [] /home/me/bin/d8 x
70 < 20 [] /home/me/bin/mytool a out ~/.npmrc
71 < 20 [] /home/me/bin/mytool a --in=/home/me/.npmrc
72 < 20 [] /home/me/bin/mytool ".import '../.npmrc' t"
73 < 20 [] /home/me/bin/mytool my.npmrc .npmrc.bak
74 < 20 [] cwd=~/.aws /home/me/bin/mytool credentials
75 < 20 [] /home/me/bin/mytool .aws/credentials
76 < 20 [] /home/me/bin/mytool sync credentials
78 < 20 [] script=/home/me/changed.js /usr/bin/node /home/me/changed.js
77 < 20 [] /usr/bin/node /home/me/bin/renovate.js @../.npmrc
80 < 20 [] /home/me/bin/mytool --dir ~/.aws
81 < 20 [] /home/me/bin/mytool ~
82 < 20 [] cwd=~ /home/me/bin/mytool pack .
83 < 20 [] cwd=~/work /home/me/bin/mytool ../
84 < 20 [] /home/me/bin/mytool --in=/home
85 < 20 [] /home/me/bin/mytool -C/home/me/.aws
86 < 20 [] /home/me/bin/mytool "load '/home/me/.aws' x"
87 < 20 [] /home/me/bin/mytool "$HOME/.aws"
88 < 20 [] /home/me/bin/mytool "/home/me/.a*"
89 < 20 [] /home/me/bin/mytool /data/me/.aws
90 < 20 [] cwd=~ /home/me/bin/mytool .aws/
91 < 20 [] /home/me/bin/mytool file:///home/me
92 < 20 [] cwd=~/work /home/me/bin/mytool . ~/work ~/.awsome ~/.aws.bak /data/aws -x
93 < 20 [] cwd=~ /home/me/bin/mytool work x.js "out/*.js"
94 < 20 [] /home/me/bin/mytool /
95 < 20 [] /home/me/bin/mytool --root=~
`

// play observes events ("0s file.read 20 ~/.npmrc") and returns what rings,
// given rows.
func play(t *testing.T, rows []wormbell.TrustRow, events ...string) []wormbell.Finding {
	t.Helper()
	s, err := scene.Parse([]byte(cast + "-- events --\n" + strings.Join(events, "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	trust := detect.NewTrust()
	trust.SetRows(rows)
	return scene.Replay(s.Events, detect.NewEngine(detect.All, trust).Observe)
}

// alertOf is the alert of findings, as a client receives it.
func alertOf(t *testing.T, found []wormbell.Finding) (a wormbell.Alert) {
	t.Helper()
	b, err := json.Marshal(wormbell.Alert{ID: "ab12cd34", User: "1000", Severity: wormbell.High, Findings: found})
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fine is a disk on which the files of the cast lie as they should, but for some.
func fine(file string) (seen, doubt) {
	switch file {
	case "/home/me/gone.js":
		return seen{}, gone
	case "/home/me/open.js":
		return seen{}, writable
	case "/home/me/link.js":
		return seen{real: "/home/me/app/node_modules/x/link.js"}, ""
	case "/home/me/changed.js":
		return seen{real: file, changed: scene.Begin.Add(time.Nanosecond)}, ""
	case "/home/me/bin/renovate.js":
		return seen{real: file, changed: scene.Begin}, ""
	}
	if file == "/tmp/link.js" {
		return seen{real: "/home/me/bin/renovate.js"}, ""
	}
	return seen{real: file}, ""
}

var now = scene.Begin.Add(time.Hour)

// added is a row as the agent keeps it when the person has said yes. It checks
// what the agent will not take.
func added(t *testing.T, rows []Suggestion) (out []wormbell.TrustRow) {
	t.Helper()
	for i, s := range rows {
		r := s.Row
		switch {
		case stores.ByID(r.Store) == nil,
			!regexp.MustCompile(`^exe:/[^\n]*$`).MatchString(r.Who) || len(r.Who) > 1024 || strings.Contains(r.Who, "*"),
			!slices.Contains([]string{"person", "project", "not-a-dependency-script"}, r.Under),
			!regexp.MustCompile(`^~/[^\x00-\x1f]+$`).MatchString(r.Path) || len(r.Path) > 1024 || stores.Of(r.Path).ID != r.Store,
			r.Reason == "" || len(r.Reason) > 512 || plain.Text(r.Reason) != r.Reason,
			r.Until == nil || !r.Until.After(now) || r.Until.After(now.Add(Longest)),
			r.ID != "" || r.By != "", s.Sentence == "":
			t.Errorf("a row that the agent would not take, or that is too wide: %+v", r)
		}
		r.ID, r.By = fmt.Sprint(i), "1000"
		out = append(out, r)
	}
	return out
}

// TestCovers: what rang does not ring again, and what only looks like it does.
func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []string
		want   []string // who, under and path of the rows
		rings  []string // each still rings
	}{
		{"a script that a person starts", []string{"0s file.read 20 ~/.npmrc"},
			[]string{"exe:/usr/bin/node script:/home/me/bin/renovate.js person ~/.npmrc"},
			[]string{"0s file.read 21 ~/.npmrc", "0s file.read 20 ~/.git-credentials", "0s file.read 52 ~/.npmrc", "0s file.read 42 ~/.npmrc", "0s file.read 24 ~/.npmrc",
				"0s file.read 30 ~/.npmrc", "0s file.read 31 ~/.npmrc", "0s file.read 38 ~/.npmrc", "0s file.read 23 ~/.npmrc"}},
		{"a script of another language", []string{"0s file.read 22 ~/.npmrc"},
			[]string{"exe:/usr/bin/python3.12 script:/home/me/bin/fetch.py person ~/.npmrc"},
			[]string{"0s file.read 32 ~/.npmrc", "0s file.read 33 ~/.npmrc"}},
		{"a program of one's own", []string{"0s file.read 23 ~/.npmrc"},
			[]string{"exe:/home/me/go/bin/helper project ~/.npmrc"}, []string{"0s file.read 20 ~/.npmrc"}},
		{"a service at home", []string{"0s file.read 26 ~/.npmrc"},
			[]string{"exe:/usr/bin/node script:/home/me/svc/daemon.js project ~/.npmrc"}, []string{"0s file.read 28 ~/.npmrc"}},
		{"a service elsewhere", []string{"0s file.read 28 ~/.npmrc"},
			[]string{"exe:/usr/bin/node script:/opt/agent/agent.js not-a-dependency-script ~/.npmrc"}, []string{"0s file.read 26 ~/.npmrc"}},
		{"a native service", []string{"0s file.read 27 ~/.npmrc"}, []string{"exe:/opt/agent/bin/agent not-a-dependency-script ~/.npmrc"}, []string{"0s file.read 28 ~/.npmrc"}},
		{"a sweep", []string{"0s file.read 20 ~/.npmrc", "1s file.read 20 ~/.git-credentials", "2s file.read 20 ~/.config/gh/hosts.yml", "3s file.read 20 ~/.npmrc"},
			[]string{"exe:/usr/bin/node script:/home/me/bin/renovate.js person ~/.npmrc", "exe:/usr/bin/node script:/home/me/bin/renovate.js person ~/.git-credentials",
				"exe:/usr/bin/node script:/home/me/bin/renovate.js person ~/.config/gh/hosts.yml"},
			[]string{"0s file.read 20 ~/.vault-token", "0s file.read 52 ~/.npmrc"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := play(t, nil, tt.events...)
			if len(found) == 0 {
				t.Fatal("nothing rang")
			}
			rows, why := suggest(alertOf(t, found), now, fine)
			var got []string
			for _, s := range rows {
				got = append(got, s.Row.Who+" "+s.Row.Under+" "+s.Row.Path)
			}
			slices.Sort(tt.want)
			slices.Sort(got)
			if diff := cmp.Diff(got, tt.want); diff != "" || why != "" {
				t.Fatalf("%q: %s", why, diff)
			}
			mine := added(t, rows)
			if found := play(t, mine, tt.events...); len(found) > 0 {
				t.Errorf("it rings again:\n%s", scene.Findings(found))
			}
			for _, e := range tt.rings {
				if len(play(t, mine, e)) == 0 {
					t.Errorf("%s: quiet with %v", e, got)
				}
			}
			late := scene.Begin.Add(Default + 2*time.Hour).Sub(scene.Begin).String()
			if len(play(t, mine, strings.Replace(tt.events[0], "0s", late, 1))) == 0 {
				t.Error("the row does not end")
			}
		})
	}
}

// TestNever: what makes no row, and that the sentence says why.
func TestNever(t *testing.T) {
	for _, tt := range []struct {
		pid  string
		want doubt
	}{
		{"30", interpreter}, {"31", interpreter}, {"32", interpreter}, {"33", interpreter}, {"34", interpreter}, {"35", interpreter}, {"36", interpreter},
		{"65", tool}, {"66", tool}, {"67", tool}, {"68", interpreter}, {"69", interpreter}, {"70", bidden}, {"71", bidden}, {"72", bidden}, {"73", ""}, {"76", ""}, {"77", bidden}, {"81", bidden}, {"82", bidden}, {"80", ""}, {"78", altered},
		{"24", tool}, {"64", tool}, {"37", tool}, {"38", loadsCode},
		{"40", badPlace}, {"41", badPlace}, {"42", badPlace}, {"44", badPlace}, {"45", badPlace}, {"46", badPlace}, {"47", badPlace}, {"62", badPlace}, {"63", badPlace},
		{"43", gone}, {"60", gone}, {"61", writable},
		{"52", dependency}, {"53", dependency}, {"55", installer}, {"56", pretender}, {"57", badName}, {"58", badName}, {"59", badSystem},
	} {
		found := play(t, nil, "0s file.read "+tt.pid+" ~/.npmrc")
		if len(found) == 0 {
			t.Errorf("%s: nothing rang", tt.pid)
			continue
		}
		rows, why := suggest(alertOf(t, found), now, fine)
		if tt.want == "" {
			if why != "" || len(rows) != 1 {
				t.Errorf("%s: %q with %d rows", tt.pid, why, len(rows))
			}
			continue
		}
		if want := words.In(language.English).Say(tt.want); why != want || len(rows) > 0 {
			t.Errorf("%s: %q with %d rows, want %q", tt.pid, why, len(rows), want)
		}
	}
}

// TestTold: a name that is also a word is one of a file with its folder, or in
// it; and a folder that the file is in stands for it.
func TestTold(t *testing.T) {
	s, err := scene.Parse([]byte(cast + "-- events --\n"))
	if err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[string]bool{"74": true, "75": true, "76": false, "70": false, "20": false,
		"80": true, "81": true, "82": true, "83": true, "84": true, "85": true, "86": true, "87": true, "88": true, "89": true, "90": true, "91": true, "94": true, "95": true,
		"92": false, "93": false} {
		i := slices.IndexFunc(s.Cast, func(r scene.Role) bool { return r.ID == pid })
		if got := told(s.Cast[i].Process, "~/.aws/credentials"); got != want {
			t.Errorf("%s: %v", pid, got)
		}
	}
}

// TestNotToAllow: what no row may cover is said, each with what to do instead.
func TestNotToAllow(t *testing.T) {
	read := alertOf(t, play(t, nil, "0s file.read 20 ~/.npmrc"))
	for detector, want := range map[string]string{
		"worm-command":                  "at your own shell",
		"persistence-by-install-script": "Look at what was written",
		"publish-loop":                  "only reading can be allowed",
		"decoy-read":                    "A decoy was read",
	} {
		a := read
		a.Findings = append(slices.Clone(a.Findings), wormbell.Finding{Detector: detector})
		rows, why := suggest(a, now, fine)
		if len(rows) > 0 || !strings.Contains(why, want) {
			t.Errorf("%s: %d rows, %q", detector, len(rows), why)
		}
		if ja := words.In(language.Japanese).Why(why); ja == why || ja == "" {
			t.Errorf("%s: in Japanese %q", detector, ja)
		}
	}
}

// TestAllOrNone: one read that cannot be allowed leaves all of the alert open.
func TestAllOrNone(t *testing.T) {
	found := play(t, nil, "0s file.read 20 ~/.npmrc", "1s file.read 24 ~/.npmrc")
	if rows, why := suggest(alertOf(t, found), now, fine); len(rows) > 0 || why == "" {
		t.Errorf("%d rows, %q", len(rows), why)
	}
	read := play(t, nil, "0s file.read 20 ~/.npmrc")
	for name, change := range map[string]func(*wormbell.Alert){
		"another detector": func(a *wormbell.Alert) {
			a.Findings = append(a.Findings, wormbell.Finding{Detector: "publish-loop", Evidence: a.Findings[0].Evidence})
		},
		"a decoy":         func(a *wormbell.Alert) { a.Findings[0].Detector = "decoy-read" },
		"of tomorrow":     func(a *wormbell.Alert) { a.Findings[0].Detector = "read-of-tomorrow" },
		"a demonstration": func(a *wormbell.Alert) { a.Demo = true },
		"demonstrated":    func(a *wormbell.Alert) { a.Findings[0].Evidence[0].Demo = true },
		"no evidence":     func(a *wormbell.Alert) { a.Findings[0].Evidence = nil },
		"half of evidence": func(a *wormbell.Alert) {
			a.Findings = append(a.Findings, wormbell.Finding{Detector: "credential-read"})
		},
		"no findings": func(a *wormbell.Alert) { a.Findings = nil },
		"nobody":      func(a *wormbell.Alert) { a.Findings[0].Evidence[0].Process = nil },
		"other code": func(a *wormbell.Alert) {
			p := *a.Findings[0].Evidence[0].Process
			p.Foreign = true
			a.Findings[0].Evidence[0].Process = &p
		},
		"no program":    func(a *wormbell.Alert) { a.Findings[0].Evidence[0].Process = &wormbell.Process{PID: 3} },
		"no store":      func(a *wormbell.Alert) { a.Findings[0].Evidence[0].Path = "~/notes.txt" },
		"a file's name": func(a *wormbell.Alert) { a.Findings[0].Evidence[0].Path = "~/\u202ex/.env" },
		"many": func(a *wormbell.Alert) {
			for i := range maxRows + 1 {
				e := a.Findings[0].Evidence[0]
				e.Path = fmt.Sprintf("~/p%d/.env", i)
				a.Findings[0].Evidence = append(a.Findings[0].Evidence, e)
			}
		},
	} {
		a := alertOf(t, read)
		change(&a)
		rows, why := suggest(a, now, fine)
		if len(rows) > 0 || why == "" {
			t.Errorf("%s: %d rows, %q", name, len(rows), why)
		}
		if ja := words.In(language.Japanese).Why(why); ja == why || ja == "" {
			t.Errorf("%s: not in Japanese: %q", name, ja)
		}
	}
	if rows, why := suggest(alertOf(t, read), now, fine); len(rows) != 1 || why != "" {
		t.Errorf("unchanged: %d rows, %q", len(rows), why)
	}
}

func TestLasting(t *testing.T) {
	rows, _ := suggest(alertOf(t, play(t, nil, "0s file.read 20 ~/.npmrc")), now, fine)
	if got := rows[0].Row.Until; !got.Equal(now.Add(Default)) {
		t.Errorf("ends %v", got)
	}
	for _, d := range []time.Duration{0, -time.Hour, Longest + 1} {
		if _, err := Lasting(rows, d, now); err == nil {
			t.Errorf("%v is taken", d)
		}
	}
	short, err := Lasting(rows, time.Hour, now)
	if err != nil || !short[0].Row.Until.Equal(now.Add(time.Hour)) || !strings.Contains(short[0].Sentence, "today at 14:00") || rows[0].Row.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("%v: %+v, from %+v", err, short, rows)
	}
}

// TestSuggest: on a real disk, where the files of the scene are not.
func TestSuggest(t *testing.T) {
	if rows, why := Suggest(alertOf(t, play(t, nil, "0s file.read 27 ~/.npmrc")), now); len(rows) > 0 || why == "" {
		t.Errorf("a program that is not there: %d rows, %q", len(rows), why)
	}
}
