package words_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/agent/detect"
	"wormbell/internal/ancestry"
	"wormbell/internal/plain"
	"wormbell/internal/scene"
	"wormbell/internal/stores"
	"wormbell/internal/words"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var english, japanese = words.In(language.English), words.In(language.Japanese)

// replay plays the scenes of detectors through the real engine and store, and
// returns the alerts as a client receives them: by the scene, and each finding
// as an alert of its own.
func replay(t *testing.T, ids []string, ds []detect.Detector) (gathered, single []wormbell.Alert) {
	t.Helper()
	for _, id := range ids {
		data, err := os.ReadFile(filepath.Join("..", "..", "agent", "detect", "testdata", id+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := scene.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		now := scene.Begin
		store, err := alert.Open(alert.Config{Dir: t.TempDir(), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var order []string
		for _, f := range scene.Replay(s.Events, detect.NewEngine(ds, detect.NewTrust()).Observe) {
			d := detect.ByID(f.Detector)
			single = append(single, received(t, wormbell.Alert{Title: d.Title, Advice: d.Advice, Severity: f.Severity, Findings: []wormbell.Finding{f}}))
			now = f.Time
			a, err := store.Record(f, alert.Meta{Title: d.Title, Advice: d.Advice, Severity: d.Severity})
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, a.ID)
		}
		seen := map[string]bool{}
		for _, id := range order {
			a, err := store.Find(id, "")
			if err != nil {
				t.Fatal(err)
			}
			if !seen[a.ID] {
				seen[a.ID] = true
				gathered = append(gathered, received(t, a))
			}
		}
	}
	return gathered, single
}

// received is a as it comes over the socket.
func received(t *testing.T, a wormbell.Alert) (out wormbell.Alert) {
	t.Helper()
	b, err := json.Marshal(a)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func ids() (all []string) {
	for _, d := range detect.All {
		all = append(all, d.ID)
	}
	return all
}

var (
	englishWords = regexp.MustCompile(`\b(the|and|was|your|within|started|also|could|an|from|by|attempts|published)\b`)
	kana         = regexp.MustCompile(`[\p{Hiragana}\p{Katakana}]`)
)

// check says what every telling must keep to.
func check(t *testing.T, a wormbell.Alert) {
	t.Helper()
	for _, w := range []*words.Words{english, japanese} {
		told := w.Alert(a)
		limit := 60
		if w == japanese {
			limit = 30
		}
		if n := utf8.RuneCountInString(told.Title); n > limit {
			t.Errorf("the title %q has %d characters", told.Title, n)
		}
		for part, s := range map[string]string{"title": told.Title, "what": told.What, "next": told.Next} {
			switch {
			case strings.TrimSpace(s) == "":
				t.Errorf("%s: the %s is empty: %+v", w.Tag(), part, told)
			case s != plain.Text(s):
				t.Errorf("%s: the %s is not plain: %q", w.Tag(), part, s)
			case utf8.RuneCountInString(s) > 2000:
				t.Errorf("%s: the %s has %d characters", w.Tag(), part, utf8.RuneCountInString(s))
			case strings.Contains(s, "%!"), strings.Contains(s, " ()"), strings.Contains(s, "（）"), strings.Contains(s, "（、"), strings.Contains(s, "  "):
				t.Errorf("%s: the %s lacks something: %q", w.Tag(), part, s)
			case w == japanese && !kana.MatchString(s):
				t.Errorf("the %s is not Japanese: %q", part, s)
			case w == japanese && englishWords.MatchString(s):
				t.Errorf("English inside Japanese: %q", s)
			case w == english && kana.MatchString(s):
				t.Errorf("Japanese inside English: %q", s)
			}
		}
		if again := w.Alert(a); again != told {
			t.Errorf("told otherwise the second time:\n%+v\n%+v", told, again)
		}
	}
}

// TestScenes: every finding of every scene is told in both languages, with the
// package or script and the file named, and as the golden file says.
func TestScenes(t *testing.T) {
	gathered, single := replay(t, ids(), detect.All)
	if len(single) < 60 || len(gathered) < 30 {
		t.Fatalf("%d findings in %d alerts", len(single), len(gathered))
	}
	var b strings.Builder
	b.WriteString("# What people are told of the scenes of the detectors, made by `go test ./internal/words -update`.\n")
	var last string
	for i, a := range append(append([]wormbell.Alert{}, gathered...), single...) {
		check(t, a)
		f := a.Findings[0]
		if i >= len(gathered) {
			names(t, a, f)
		}
		if i == len(gathered) {
			b.WriteString("\n\n# The same, each finding by itself.\n")
		}
		var entry strings.Builder
		var ds []string
		for _, f := range a.Findings {
			ds = append(ds, f.Severity.String()+" "+f.Detector)
		}
		fmt.Fprintf(&entry, "\n%s\n", strings.Join(ds, ", "))
		for _, w := range []*words.Words{english, japanese} {
			told := w.Alert(a)
			fmt.Fprintf(&entry, "  %s\n    %s\n    %s\n", told.Title, told.What, told.Next)
		}
		if entry.String() != last { // some of the scenes' findings differ in nothing that is told
			last = entry.String()
			b.WriteString(last)
		}
	}
	file := filepath.Join("testdata", "alerts.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("what is told has changed; read it, then run with -update (got before want):\n%s", diff)
	}
}

// names checks that a telling of f names who did it and what to.
func names(t *testing.T, a wormbell.Alert, f wormbell.Finding) {
	t.Helper()
	last := f.Evidence[len(f.Evidence)-1]
	var want []string
	if d := ancestry.Dependency(last.Process); d != nil {
		want = append(want, d.Package.String(), d.Lifecycle)
	} else if last.Kind == wormbell.FileRead && last.Process != nil { // of a decoy it is told without
		if _, _, ok := ancestry.Client(last.Process); !ok {
			want = append(want, last.Process.Name())
		}
	}
	if last.Kind == wormbell.FileRead || last.Kind == wormbell.ManifestChange || last.Kind == wormbell.ShellCommand {
		want = append(want, last.Path)
	}
	if program, ok := strings.CutPrefix(f.Subject, "trust exe:"); ok {
		program, _, _ = strings.Cut(program, " ")
		want = append(want, program)
	} else if strings.ContainsAny(f.Subject, "~/@") {
		want = append(want, f.Subject)
	}
	const agents = "WHAT THE AGENT SAID"
	a.Findings = []wormbell.Finding{f}
	a.Findings[0].Summary = agents
	for _, w := range []*words.Words{english, japanese} {
		what := w.Alert(a).What
		for _, s := range want {
			if !strings.Contains(what, s) {
				t.Errorf("%s %s: %q is not named: %s", w.Tag(), f.Detector, s, what)
			}
		}
		if strings.Contains(what, agents) {
			t.Errorf("%s %s: the agent's own words stand: %s", w.Tag(), f.Detector, what)
		}
	}
}

// TestPair: reading and publishing are told together, whoever did which.
func TestPair(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
12 [deb:bash] tty=pts/0 leader /bin/bash
20 < 12 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npm install
21 < 20 [deb:dash] pkg=evil@1.0.0:postinstall cwd=~/app/node_modules/evil /bin/sh -c "node steal.js"
22 < 21 [] /usr/bin/node steal.js
23 < 22 [deb:npm] cwd=/tmp/x /usr/bin/node /usr/bin/npm publish
-- events --
0s file.read 22 ~/.npmrc
1s file.read 22 ~/.config/gh/hosts.yml
2s process.start 23 pkg=mine@1.0.1
`))
	if err != nil {
		t.Fatal(err)
	}
	a := wormbell.Alert{Severity: wormbell.Critical, Findings: scene.Replay(s.Events, detect.NewEngine(detect.All, detect.NewTrust()).Observe)}
	a = received(t, a)
	check(t, a)
	for w, want := range map[*words.Words]words.Told{
		english: {"evil@1.0.0 read credentials and publishes packages",
			"The postinstall script of evil@1.0.0 (npm publish, started by npm install in ~/app) tried to publish mine@1.0.1 (with npm). " +
				"It also read your npm tokens (~/.npmrc) and GitHub token (~/.config/gh/hosts.yml).",
			"Freeze it now, then respond to the alert: what it read must be taken for stolen. Look on the registry for versions that you did not publish."},
		japanese: {"evil@1.0.0 が認証情報を読み公開も実行",
			"evil@1.0.0 の postinstall スクリプト（npm publish、~/app の npm install から起動）が、npm で mine@1.0.1 を公開しようとしました。" +
				"さらに、npm トークン（~/.npmrc）、GitHub トークン（~/.config/gh/hosts.yml）を読み取りました。",
			"今すぐ一時停止し、「対処する」に進んでください。読み取られた認証情報は盗まれたものとして扱う必要があります。公開した覚えのないバージョンがないか、レジストリも確認してください。"},
	} {
		if diff := cmp.Diff(w.Alert(a), want); diff != "" {
			t.Errorf("got before want:\n%s", diff)
		}
	}
}

// TestLacking: where data is missing, what the agent said stands; an alert of
// another version's detector is told as well as can be.
func TestLacking(t *testing.T) {
	for _, d := range ids() {
		a := wormbell.Alert{Title: "T", Findings: []wormbell.Finding{{Detector: d, Subject: "~/.npmrc", Summary: "evil\u202e read \x1b[2J it"}}}
		for _, w := range []*words.Words{english, japanese} {
			if what := w.Alert(a).What; !strings.Contains(what, `evil\u202e read \x1b[2J it`) {
				t.Errorf("%s %s: %q", w.Tag(), d, what)
			}
		}
	}
	a := wormbell.Alert{Title: "A new thing happened", Advice: "Do this.", Findings: []wormbell.Finding{{Detector: "of-tomorrow", Summary: "x did y"}}}
	if diff := cmp.Diff(english.Alert(a), words.Told{Title: "A new thing happened", What: "x did y.", Next: "Do this."}); diff != "" {
		t.Error(diff)
	}
	check(t, a)
	check(t, wormbell.Alert{})
	check(t, wormbell.Alert{Findings: []wormbell.Finding{{}}})
}

// TestTomorrow: detectors that are still to come are told from what findings
// hold anyway, and only from events that fit.
func TestTomorrow(t *testing.T) {
	p := &wormbell.Process{PID: 7, Exe: "/usr/bin/trufflehog", Args: []string{"trufflehog", "filesystem", "/home/me"}, Cwd: "/home/me",
		Package: &wormbell.Package{Name: "evil", Version: "1.0.0"}, Lifecycle: "postinstall"}
	for d, e := range map[string]wormbell.Event{
		"worm-command":                  {Kind: wormbell.ProcessStart, Process: p},
		"persistence-by-install-script": {Kind: wormbell.FileWrite, Process: p, Path: "~/.bashrc"},
		"decoy-read":                    {Kind: wormbell.FileRead, Process: p, Path: "~/.aws/old-credentials"},
	} {
		a := wormbell.Alert{Findings: []wormbell.Finding{{Detector: d, Summary: "SUMMARY", Severity: wormbell.High, Evidence: []wormbell.Event{e}}}}
		check(t, a)
		for _, w := range []*words.Words{english, japanese} {
			what := w.Alert(a).What
			for _, want := range []string{"evil@1.0.0", "trufflehog", e.Path} {
				if !strings.Contains(what, want) || strings.Contains(what, "SUMMARY") {
					t.Errorf("%s: %s", d, what)
				}
			}
		}
		a.Findings[0].Evidence[0] = wormbell.Event{Kind: wormbell.Gap}
		if what := english.Alert(a).What; what != "SUMMARY." {
			t.Errorf("%s: %s", d, what)
		}
	}
}

// TestHostile: names that attack come out plain, bounded and without a say in
// the title.
func TestHostile(t *testing.T) {
	for _, bad := range []string{"\u202egpj.exe", "a\x1b[2Jb\x07", "<script>alert(1)</script>", "nothing happened. Close this", strings.Repeat("長", 10_000), strings.Repeat("x", 10_000),
		"%s%d%[9]x%!", "a\nb\u2028c", "\xff\xfe", ""} {
		shell := &wormbell.Process{PID: 2, Exe: "/bin/bash", Args: []string{bad}, Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true, Cwd: "/home/" + bad}
		p := &wormbell.Process{PID: 3, Exe: "/usr/bin/node", Script: "/home/me/" + bad, Args: []string{"node", bad, bad}, Cwd: bad, Parent: shell}
		npm := &wormbell.Process{PID: 4, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "npm", "publish", bad}, Cwd: bad, Parent: p}
		evil := *p
		evil.PID, evil.Lifecycle, evil.Package = 5, bad, &wormbell.Package{Name: bad, Version: bad}
		var all []wormbell.Finding
		for _, f := range []wormbell.Finding{
			{Detector: "credential-read", Evidence: []wormbell.Event{{Kind: wormbell.FileRead, Path: "~/.npmrc", Process: p}}},
			{Detector: "credential-read", Evidence: []wormbell.Event{{Kind: wormbell.FileRead, Path: "~/" + strings.ReplaceAll(bad, "/", "") + "/.env", Process: &evil}}},
			{Detector: "credential-sweep", Evidence: []wormbell.Event{{Kind: wormbell.FileRead, Path: "~/.npmrc", Process: &evil}}},
			{Detector: "publish-loop", Evidence: []wormbell.Event{{Kind: wormbell.ProcessStart, Process: npm, Package: &wormbell.Package{Name: bad}}, {Kind: wormbell.ProcessStart, Process: npm, Package: &wormbell.Package{Name: "b"}}}},
			{Detector: "publish-by-install-script", Evidence: []wormbell.Event{{Kind: wormbell.ProcessStart, Process: npm}}},
			{Detector: "private-flag-removed", Severity: wormbell.Critical, Evidence: []wormbell.Event{{Kind: wormbell.ManifestChange, Path: bad, Process: p}, {Kind: wormbell.ProcessStart, Process: npm}}},
			{Detector: "history-secret", Evidence: []wormbell.Event{{Kind: wormbell.ShellCommand, Path: bad, Line: bad, Secrets: []string{bad}}}},
			{Detector: "guard-tampering", Evidence: []wormbell.Event{{Kind: wormbell.AgentCall, Line: bad, Process: &evil}}},
			{Detector: bad, Evidence: []wormbell.Event{{Kind: wormbell.Kind(bad), Process: p}}},
		} {
			f.Subject, f.Summary = bad, bad
			all = append(all, f)
			a := wormbell.Alert{Title: bad, Advice: bad, Findings: []wormbell.Finding{f}}
			for _, w := range []*words.Words{english, japanese} {
				told := w.Alert(a)
				for _, s := range []string{told.Title, told.What, told.Next, w.Who(p), w.Who(&evil)} {
					if s != plain.Text(s) || utf8.RuneCountInString(s) > 2000 || s == "" {
						t.Errorf("%s: %.300q", f.Detector, s)
					}
				}
				if f.Detector != bad && (strings.Contains(told.Title, "<") || strings.Contains(told.Title, "happened")) {
					t.Errorf("in the title: %q", told.Title)
				}
				if n := utf8.RuneCountInString(told.Title); w == english && n > 60 || w == japanese && n > 30 {
					t.Errorf("%d characters: %q", n, told.Title)
				}
			}
		}
		many := wormbell.Alert{Findings: append(append(all, all...), all...)}
		if told := english.Alert(many); utf8.RuneCountInString(told.What) > 2000 {
			t.Errorf("%d characters", len(told.What))
		}
	}
}

// TestStores: every store has a name of its own in Japanese.
func TestStores(t *testing.T) {
	seen := map[string]string{}
	for _, s := range stores.All {
		if got := english.Store(s.ID); got != s.Kind {
			t.Errorf("%s is %q, want %q", s.ID, got, s.Kind)
		}
		ja := japanese.Store(s.ID)
		if !regexp.MustCompile(`[\p{Han}\p{Hiragana}\p{Katakana}]`).MatchString(ja) || seen[ja] != "" {
			t.Errorf("%s is %q in Japanese, as is %q", s.ID, ja, seen[ja])
		}
		seen[ja] = s.ID
	}
	if got := japanese.Store("of-tomorrow\x1b"); got != `of-tomorrow\x1b` {
		t.Error(got)
	}
}

func TestTimes(t *testing.T) {
	zone := time.FixedZone("JST", 9*3600)
	now := time.Date(2026, 3, 1, 0, 30, 0, 0, zone)
	for _, tt := range []struct {
		ago                  time.Duration
		agoEn, agoJa, en, ja string
	}{
		{0, "just now", "たった今", "today at 00:30", "今日 00:30"},
		{-30 * time.Second, "just now", "たった今", "today at 00:30", "今日 00:30"},
		{time.Minute, "a minute ago", "1 分前", "today at 00:29", "今日 00:29"},
		{29 * time.Minute, "29 minutes ago", "29 分前", "today at 00:01", "今日 00:01"},
		{time.Hour, "an hour ago", "1 時間前", "yesterday at 23:30", "昨日 23:30"},
		{24 * time.Hour, "yesterday", "昨日", "yesterday at 00:30", "昨日 00:30"},
		{49 * time.Hour, "3 days ago", "3 日前", "26 Feb at 23:30", "2月26日 23:30"},
		{70 * 24 * time.Hour, "21 Dec 2025 at 00:30", "2025年12月21日 00:30", "21 Dec 2025 at 00:30", "2025年12月21日 00:30"},
		{-24 * time.Hour, "tomorrow at 00:30", "明日 00:30", "tomorrow at 00:30", "明日 00:30"},
		{-30 * 24 * time.Hour, "31 Mar at 00:30", "3月31日 00:30", "31 Mar at 00:30", "3月31日 00:30"},
	} {
		at := now.Add(-tt.ago).UTC()
		got := []string{english.Ago(at, now), japanese.Ago(at, now), english.At(at, now), japanese.At(at, now)}
		if diff := cmp.Diff(got, []string{tt.agoEn, tt.agoJa, tt.en, tt.ja}); diff != "" {
			t.Errorf("%v ago: %s", tt.ago, diff)
		}
	}
}

func TestNames(t *testing.T) {
	for s := wormbell.Severity(0); s <= wormbell.Critical; s++ {
		if english.Severity(s) != s.String() || !regexp.MustCompile(`\p{Han}|なし`).MatchString(japanese.Severity(s)) {
			t.Errorf("%v: %q, %q", s, english.Severity(s), japanese.Severity(s))
		}
	}
	for _, s := range []wormbell.State{wormbell.Open, wormbell.Muted, wormbell.Closed} {
		if english.State(s) == "" || !regexp.MustCompile(`\p{Han}`).MatchString(japanese.State(s)) {
			t.Errorf("%v: %q, %q", s, english.State(s), japanese.State(s))
		}
	}
	if got := japanese.State("a\x1b"); got != `a\x1b` {
		t.Error(got)
	}
}

// TestTrust: a row is said in a sentence, the built-in ones too.
func TestTrust(t *testing.T) {
	now := scene.Begin
	until := now.AddDate(0, 0, 30)
	row := wormbell.TrustRow{Store: "npm", Path: "~/.npmrc", Who: "exe:/usr/bin/node script:/home/me/bin/renovate.js", Under: "person", Until: &until}
	for w, want := range map[*words.Words]string{
		english:  "The script ~/bin/renovate.js, run by /usr/bin/node, may read your npm tokens (~/.npmrc) when you start it in a terminal, until 31 Jan at 12:00.",
		japanese: "/usr/bin/node で実行するスクリプト ~/bin/renovate.js に、ターミナルから起動した場合に限り、npm トークン（~/.npmrc）の読み取りを許可します（1月31日 12:00 まで）。",
	} {
		if got := w.Trust(row, now); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for _, r := range detect.NewTrust().Rows() {
		if s := english.Trust(r, now); strings.Contains(s, r.Who) || strings.Contains(s, r.Under) && r.Under != "person" {
			t.Errorf("%s: %s", r.ID, s)
		}
		if s := japanese.Trust(r, now); !kana.MatchString(s) || englishWords.MatchString(s) {
			t.Errorf("%s: %s", r.ID, s)
		}
	}
	bad := strings.Repeat("\u202e", 5000)
	if s := english.Trust(wormbell.TrustRow{Store: bad, Who: "exe:/" + bad, Under: bad, Path: bad}, now); s != plain.Text(s) || len(s) > 1000 {
		t.Errorf("%.200q", s)
	}
}

func TestWho(t *testing.T) {
	shell := &wormbell.Process{PID: 2, Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true, Cwd: "/home/me"}
	npm := &wormbell.Process{PID: 3, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "ci"}, Signer: "deb:npm", Cwd: "/home/me/app", Parent: shell}
	wrapper := &wormbell.Process{PID: 4, Exe: "/usr/bin/python3", Script: "/usr/bin/gyp", Args: []string{"python3", "/usr/bin/gyp"}, Cwd: "/home/me/app/node_modules/evil", Parent: npm}
	evil := &wormbell.Process{PID: 5, Exe: "/usr/bin/node", Args: []string{"node", "-e", "x"}, Package: &wormbell.Package{Name: "evil", Version: "1.0.0"}, Lifecycle: "install", Parent: wrapper}
	inner := &wormbell.Process{PID: 6, Exe: "/usr/bin/cat", Args: []string{"cat", "/home/me/.npmrc"}, Package: &wormbell.Package{Name: "inner"}, Lifecycle: "test", Parent: evil}
	bare := *evil
	bare.Lifecycle, bare.Parent = "", nil
	for _, tt := range []struct {
		p      *wormbell.Process
		en, ja string
	}{
		{nil, "a program that this system could not tell", "特定できなかったプログラム"},
		{&wormbell.Process{PID: 9, Parent: shell}, "a program that this system could not tell", "特定できなかったプログラム"},
		{evil, "the install script of evil@1.0.0 (node -e x, started by npm ci in ~/app)", "evil@1.0.0 の install スクリプト（node -e x、~/app の npm ci から起動）"},
		{inner, "the install script of evil@1.0.0 (cat ~/.npmrc, started by npm ci in ~/app)", "evil@1.0.0 の install スクリプト（cat ~/.npmrc、~/app の npm ci から起動）"},
		{&bare, "an install script of evil@1.0.0 (node -e x)", "evil@1.0.0 のインストールスクリプト（node -e x）"},
		{&wormbell.Process{PID: 7, Exe: "/usr/bin/node", Script: "/home/me/auto/auto.js", Args: []string{"node", "./auto.js"}, Cwd: "/home/me/auto", Parent: shell},
			"the script auto.js (node auto.js, started by bash in a terminal, in ~/auto)", "スクリプト auto.js（node auto.js、ターミナルの bash から ~/auto で起動）"},
		{&wormbell.Process{PID: 8, Exe: "/opt/x", Cwd: "/srv"}, "the program x (x, in /srv)", "プログラム x（x、作業フォルダーは /srv）"},
		{&wormbell.Process{PID: 8, Exe: "/tmp/npm", Args: []string{"npm", "i"}, Parent: shell}, "something that calls itself npm (npm i, started by bash in a terminal)", "npm を名乗るプログラム（npm i、ターミナルの bash から起動）"},
	} {
		if en, ja := english.Who(tt.p), japanese.Who(tt.p); en != tt.en || ja != tt.ja {
			t.Errorf("got %s\n    %s\nwant %s\n     %s", en, ja, tt.en, tt.ja)
		}
	}
}

// TestLongName: a long name does not hide itself from the title.
func TestLongName(t *testing.T) {
	t.Parallel()
	long := &wormbell.Process{PID: 5, Exe: "/usr/bin/node", Script: "steal.js", Lifecycle: "postinstall",
		Package: &wormbell.Package{Name: "@a-scope-of-some-length/" + strings.Repeat("a-very-long-name-", 8) + "end", Version: "1.0.12"}}
	for detector, want := range map[string][2]string{
		"credential-read":           {"@a-scope-of-some-le…ng-name-end@1.0.12 read your credentials", "@a-scope-…nd@1.0.12 が認証情報を読み取り"},
		"publish-by-install-script": {"@a-scope-of-some-…-name-end@1.0.12 tries to publish packages", "@a-scope-…d@1.0.12 がパッケージ公開を試行"},
	} {
		npm := &wormbell.Process{PID: 6, Exe: "/usr/bin/npm", Args: []string{"npm", "publish"}, Parent: long}
		event := wormbell.Event{Kind: wormbell.FileRead, Path: "~/.config/gcloud/credentials.db", Process: long}
		if detector == "publish-by-install-script" {
			event = wormbell.Event{Kind: wormbell.ProcessStart, Process: npm}
		}
		a := wormbell.Alert{Findings: []wormbell.Finding{{Detector: detector, Subject: "worm@1.0.0", Severity: wormbell.Critical, Evidence: []wormbell.Event{event}}}}
		if got := [2]string{english.Alert(a).Title, japanese.Alert(a).Title}; got != want {
			t.Errorf("%s: %q, want %q", detector, got, want)
		}
	}
}

// TestComposed: keys that are put together at run time are there too, each of
// them, so nobody is shown a key.
func TestComposed(t *testing.T) {
	t.Parallel()
	for _, w := range []*words.Words{english, japanese} {
		say := func(key string) {
			if got := w.Say(words.Key(key), 2); got == key {
				t.Errorf("%v: %s", w.Tag(), key)
			}
		}
		for s := range wormbell.Critical + 1 {
			say("severity-" + s.String())
			say("dash-severity-" + s.String())
		}
		for _, s := range []wormbell.State{wormbell.Open, wormbell.Muted, wormbell.Closed} {
			say("state-" + string(s))
			say("dash-state-" + string(s))
		}
		for _, s := range []string{"none", "preparing", "planned", "running", "done"} {
			say("dash-stage-" + s)
		}
		for _, s := range []string{"not", "on", "absent", "off"} {
			say("dash-g-" + s)
			say("dash-gn-" + s)
		}
		for _, s := range []string{"close", "resume", "trust", "untrust", "pause", "protect-off", "other"} {
			say("back-" + s)
		}
		for _, verb := range []string{"freeze", "resume", "kill", "close", "mute", "reopen", "note", "paused", "merge", "revoke-refused",
			"persistence-scan", "persistence-disable", "npm-token-create", "npm-token-install", "npm-token-revoke", "npm-token-forget"} {
			if got := w.Action(verb); got == verb || strings.HasPrefix(got, "action-") || strings.Contains(verb, "npm") != strings.Contains(got, "npm") {
				t.Errorf("%v: %s: %q", w.Tag(), verb, got)
			}
		}
		if got := w.Action("of\x1btomorrow"); got != `of\x1btomorrow` {
			t.Errorf("%q", got)
		}
		for _, d := range detect.All {
			say("title-of-" + d.ID)
		}
		rows := detect.NewTrust().Rows()
		for _, under := range []string{"person", "project", "not-a-dependency-script", "any"} { // what people may add
			rows = append(rows, wormbell.TrustRow{Store: "npm", Who: "signer:x", Under: under})
		}
		for _, r := range rows {
			for raw, said := range map[string]string{r.Under: w.Under(r.Under), r.Who: w.Trusted(r.Who), r.Store: w.Store(r.Store)} {
				if raw == said {
					t.Errorf("%v: a row says %s", w.Tag(), raw)
				}
			}
		}
	}
}
