package words

import (
	"go/ast"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell/agent/respond"
	"wormbell/agent/respond/persistence"
)

// TestForms: every form in every language, with the same data in each.
func TestForms(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, table := range forms {
		for _, f := range table {
			plain := anyVerb.ReplaceAllString(f.En, "%")
			if seen[plain] != "" {
				t.Errorf("%q and %q are the same", f.En, seen[plain])
			}
			seen[plain] = f.En
			if f.En == "" || f.Ja == "" {
				t.Errorf("not in every language: %+v", f)
			}
			n := 0
			var want []string
			for _, m := range anyVerb.FindAllStringSubmatch(f.En, -1) {
				if n++; m[1] != strconv.Itoa(n) {
					t.Errorf("%q: the data must be numbered as they stand", f.En)
				}
				if verbText[m[2][0]] == "" {
					t.Errorf("%q: there is no %%%s", f.En, m[2])
				}
				want = append(want, m[1])
			}
			for _, other := range []string{f.Ja, f.Page} {
				var got []string
				for _, m := range anyVerb.FindAllStringSubmatch(other, -1) {
					got = append(got, m[1])
				}
				slices.Sort(got)
				if rest := strings.ReplaceAll(anyVerb.ReplaceAllString(other, ""), "%%", ""); strings.Contains(rest, "%") {
					t.Errorf("%q: what verb is in %q?", f.En, other)
				}
				if other != "" && !slices.Equal(got, want) && !slices.Contains(shorter, f.En) {
					t.Errorf("%q: the data in %q are %v, in English %v", f.En, other, got, want)
				}
			}
			if !strings.ContainsFunc(f.Ja, japanese) && strings.ContainsAny(anyVerb.ReplaceAllString(f.Ja, ""), "aeiou") && !strings.HasPrefix(f.Ja, "LaunchAgent") && f.Ja != f.En {
				t.Errorf("%q: not Japanese: %q", f.En, f.Ja)
			}
			if strings.ContainsAny(strings.ReplaceAll(f.Ja, "://", ""), "?!") || strings.Contains(f.Ja, "、、") {
				t.Errorf("%q: half-width marks in %q", f.En, f.Ja)
			}
		}
	}
}

// shorter are sentences of which a page leaves something out: it has a button.
var shorter = []string{"blocks %[1]w: %[2]s", "note %[1]w: %[2]s",
	"The processes of the alert stay stopped: 'wormbell alert kill %[1]w' ends them.",
	"1 thing must be disabled before a token is revoked; %[1]d of them running",
}

// together are those that are put together while the program runs.
var together = []string{
	"Not watched, so nobody can tell whether it was taken: %[1]l. If in doubt, replace it; for SSH: ssh-keygen -t ed25519, its public half to every site and server, and the old one's off them.",
	"something may be waiting for a token to die: %[1]s; nothing was revoked",
	"a rotation of it was begun and has not ended: rotation %[1]w",
	"it cannot be changed: %[1]s",
	"it must be done by hand: %[1]s",
	"no keychain: %[1]s",
	"The service does not take it: %[1]s.", "The service does not take it.",
	"no process was stopped", "no process was continued", "no process was ended",
	"1 thing must be disabled before a token is revoked", "%[1]d things must be disabled before a token is revoked",
	"1 thing must be disabled before a token is revoked; %[1]d of them running", "%[1]d things must be disabled before a token is revoked; %[2]d of them running",
	"refused to %[1]s: the call comes from below the %[2]w script of %[3]w", "refused to %[1]s: the call comes from below a %[2]w script",
	"refused to %[1]s: the call comes from below %[2]w (pid %[3]d)", "refused to %[1]s: the call comes from below a process of alert %[2]w",
	"freeze processes", "resume processes", "kill processes", "guard the scratch home", "close %[1]w", "mute %[1]w", "resume %[1]w",
	"a pause of your notifications lasts at most %[1]w", "a pause of everybody's notifications lasts at most %[1]w",
	"no agent is running at %[1]c: %[2]s", "the socket is not served by the agent: %[1]s",
	"the alert database was written by a newer version; it was set aside as %[1]q and a new one begun",
	"it asks %[1]w who a token belongs to, among much else", "it asks %[1]w with a token, among much else",
}

// TestTrapNames: whatever can be found has a name.
func TestTrapNames(t *testing.T) {
	t.Parallel()
	for name, value := range constants(t, "../../agent/respond/persistence") {
		if ast.IsExported(name) && !slices.Contains([]string{"Note", "Blocks"}, name) && trapNames[value] == "" {
			t.Errorf("%s, %q, has no name in Japanese", name, value)
		}
	}
	if trapNames[persistence.Unit] == "" {
		t.Error("there is no unit")
	}
}

// spoken are the packages whose sentences a person is shown.
var spoken = []string{"agent/respond", "agent/respond/incident", "agent/respond/persistence", "agent/respond/keychain", "agent/freeze", "agent/api", "agent/client", "watchers", "watchers/internal/tree", "internal/trustrow"}

// besides are those of which some are.
var besides = []string{"agent", "agent/settings", "agent/alert", "agent/detect", "agent/watchdog", "watchers/internal/packagedb", "watchers/internal/procs", "watchers/internal/signer", "agent/respond/call", "agent/respond/edit", "agent/respond/journal", "internal/exposure", "internal/cli"}

// ofSystem are texts of the system and of Go that are told as causes.
var ofSystem = []string{"permission denied", "read-only file system", "no space left on device", "no such file or directory", "context canceled", "active", "inactive"}

// TestEverySentence: there is a form for each sentence that these packages make,
// or it is one of those that stay English, the causes of faults; and each form is
// of a sentence that is made.
func TestEverySentence(t *testing.T) {
	t.Parallel()
	stay := map[string]bool{}
	for _, name := range []string{"testdata/english.txt", "testdata/english-agent.txt"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for s := range strings.Lines(string(b)) {
			if s = strings.TrimSpace(s); s != "" && !strings.HasPrefix(s, "# ") {
				stay[s] = false
			}
		}
	}
	ja := In(language.Japanese)
	var all strings.Builder
	n := 0
	for _, dir := range slices.Concat(spoken, besides) {
		for _, s := range sentences(t, "../../"+dir) {
			all.WriteString(s.text + "\x00")
			_, stays := stay[strconv.Quote(s.text)]
			if slices.Contains(besides, dir) || !isSentence.MatchString(s.text) {
				continue
			}
			n++
			if covered(ja, strings.TrimPrefix(s.text, "  ")) {
				if stays {
					t.Errorf("testdata/english*.txt: %q can be said in Japanese", s.text)
				}
				continue
			}
			if stays {
				stay[strconv.Quote(s.text)] = true
				continue
			}
			t.Errorf("%s: there is no form of %q", s.at, s.text)
		}
	}
	if n < 500 {
		t.Errorf("only %d sentences: are they read?", n)
	}
	for s, there := range stay {
		if !there {
			t.Errorf("testdata/english*.txt: nobody says %s", s)
		}
	}
	for _, s := range ofSystem {
		all.WriteString(s + "\x00")
	}
	made := all.String()
	for _, table := range [][]form{respondForms, rotationForms, lookForms, keychainForms, causeForms, serviceForms, grantForms, pageForms, agentForms} {
		for _, f := range table {
			if slices.Contains(together, f.En) {
				continue
			}
			longest := ""
			for _, l := range read(f).literals {
				if len(l) > len(longest) {
					longest = l
				}
			}
			if !strings.Contains(made, strings.TrimSpace(longest)) {
				t.Errorf("nobody says %q", f.En)
			}
		}
	}
}

// covered reports whether a sentence of this format can be said in Japanese,
// with some data at least.
func covered(w *Words, format string) bool {
	var try func(done, rest string) bool
	try = func(done, rest string) bool {
		m := goVerb.FindStringIndex(rest)
		if m == nil {
			parts, whole := w.told(done + rest)
			return whole && !slices.ContainsFunc(parts, func(p Part) bool { return p.English })
		}
		data := []string{"NAME", "7", "2026-11-22 12:00"}
		if rest[m[1]-1] == 'q' {
			data = []string{`"NAME"`}
		}
		for _, d := range data {
			if try(done+rest[:m[0]]+d, rest[m[1]:]) {
				return true
			}
		}
		return false
	}
	return try("", format)
}

var (
	goVerb     = regexp.MustCompile(`%[+#-]?[0-9.]*[a-zA-Z]`)
	isSentence = regexp.MustCompile(`[A-Za-z]{2,}[,;:.]? [A-Za-z(%]|[A-Za-z%)]:? [a-z]{2,}`)
)

// TestPlansOfAllKinds: the whole plan for a token of each kind there is, in each
// way that it can be answered for, and the pages that a person is sent to.
func TestPlansOfAllKinds(t *testing.T) {
	t.Parallel()
	ja, en := In(language.Japanese), In(language.English)
	check := func(s string) {
		t.Helper()
		s = strings.TrimSpace(s)
		got := ja.Translate(s)
		if slices.ContainsFunc(got, func(p Part) bool { return p.English }) || !strings.ContainsFunc(got.String(), japanese) {
			t.Errorf("%q: %q", s, got)
		}
		if got := en.Translate(s).String(); strings.Contains(got, "--force") || strings.Contains(got, "--contain-now") || strings.Contains(got, "--resume") || strings.Contains(got, "paste it here: ") {
			t.Errorf("a page names a flag: %q", got)
		}
	}
	n := 0
	for _, k := range respond.All {
		r := &respond.Rotator{Patience: 2 * time.Minute}
		token := respond.Token{Kind: k.ID, Name: k.ID + ":it", Site: "https://service.example.com", Owner: "alice", ID: "AKIA0", Facts: respond.Facts{"host": "service.example.com", "login": "aws sso login", "email": "bot@example.com"},
			Places: []respond.Place{{Path: "~/.credentials", Key: "token"}}}
		for _, o := range []respond.Options{{}, {ContainNow: true}, {RevokeOnly: true}} {
			for _, s := range append(r.Steps(token, o), r.Notices([]respond.Token{token}, o)...) {
				check(s)
				n++
			}
		}
		if k.Pages == nil {
			continue
		}
		for _, kind := range []string{"", "fine-grained", "oauth", "app", "installation"} {
			token.Facts["type"] = kind
			for _, p := range k.Pages(token) {
				check(p.Title)
				for _, s := range p.Steps {
					check(s)
					n++
				}
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d sentences", n)
	}
}

// TestTranslate: nested sentences, causes, lists, names.
func TestTranslate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ said, en, ja string }{
		{"Replace npm:registry.example.com, the npm token in ~/.npmrc.", "", "~/.npmrc の npm トークン（npm:registry.example.com）を新しいものに置き換えます。"},
		{"Revoke the old one, and ask until it is refused. That may take an hour; after 2 minutes it is left pending, and 'wormbell rotate --resume' asks again.",
			"Revoke the old one, and ask until it is refused. That may take an hour; after 2 minutes it is left pending, and planning again asks again.",
			"古いものを失効させ、拒否されるようになるまで確認します。最長 1 時間かかります。2 分たっても終わらない場合は保留とし、もう一度計画すると確認を続けます。"},
		{"blocks ab12cd34: systemd user unit ~/.config/systemd/user/x.service (running, pid 12, 14): it asks api.github.com with a token; nobody can tell what it runs: its command line names no script and holds no code",
			"must go: systemd user unit ~/.config/systemd/user/x.service (running, pid 12, 14): it asks api.github.com with a token; nobody can tell what it runs: its command line names no script and holds no code",
			"【要無効化】systemd のユーザーユニット ~/.config/systemd/user/x.service（実行中、PID 12, 14）：トークンを使って api.github.com に問い合わせる。何を実行しているか分からない（コマンドラインにスクリプトもコードもない）"},
		{"Disable the shell start-up file ~/.bashrc (line 12): it uses a token; it goes on in a loop.", "", "シェルの起動ファイル ~/.bashrc（12 行目）を無効にしてください。理由：トークンを使う。繰り返し動き続ける。"},
		{"rotation 20261122-1 of npm:registry.example.com: ask whose token it is, but the service was not reached: the connection failed", "",
			"npm:registry.example.com の置き換え（20261122-1）：サービスに接続できませんでした（トークンの持ち主の問い合わせ：接続に失敗しました）"},
		{"npm:registry.example.com: go on with what was begun 2026-11-22 12:03. The new npm token works and stands in ~/.npmrc; the old one is dead: the service refuses it.", "",
			"npm:registry.example.com：2026-11-22 12:03 に始めた処理を続けます。新しい npm トークンは使えます（~/.npmrc に書き込まれています）。古いものは失効しました。サービスに拒否されます。"},
		{"The new token may: read and publish @acme/a, @acme/b; live for 30 days.", "", "新しいトークンに許す操作：@acme/a, @acme/b の読み取りと公開。有効期間 30 日。"},
		{"Disabled the git hook ~/src/a/.git/hooks/post-commit. 'wormbell restore 20261122-ab' puts it back.", "Disabled the git hook ~/src/a/.git/hooks/post-commit. In a terminal, 'wormbell restore 20261122-ab' puts it back.",
			"git フック ~/src/a/.git/hooks/post-commit を無効にしました。元に戻すには、ターミナルで「wormbell restore 20261122-ab」を実行します。"},
		{"stopped 3 processes; left alone bash (pid 12): it is init", "", "3 個のプロセスを一時停止しました。bash（PID 12）は対象外にしました（init プロセス）"},
		{"Not watched, so nobody can tell whether it was taken: SSH keys (~/.ssh/id_ed25519), npm tokens (~/.npmrc). If in doubt, replace it.", "",
			"監視されていないため、持ち出されたか分からないもの：SSH 鍵（~/.ssh/id_ed25519）、npm トークン（~/.npmrc）。疑わしい場合は新しいものに替えてください。"},
		{"no process was stopped: all of the tree has ended", "", "一時停止したプロセスはありません：対象のプロセスはすべて終了しています"},
		{"npm:registry.example.com: Revoke the old one.", "", "npm:registry.example.com：古いものを失効させる。"},
		{"change \"/home/a/.npmrc\": is marked immutable (chattr +i)\nno keychain", "", "\"/home/a/.npmrc\" の変更：変更不可の属性が付いています（chattr +i）\nキーチェーンがありません"},
		{"", "", ""},
	} {
		en := c.en
		if en == "" {
			en = c.said
		}
		if got := In(language.English).Translate(c.said).String(); got != en {
			t.Errorf("%q in English:\n%q, want\n%q", c.said, got, en)
		}
		got := In(language.Japanese).Translate(c.said)
		if got.String() != c.ja {
			t.Errorf("%q in Japanese:\n%q, want\n%q", c.said, got, c.ja)
		}
		if slices.ContainsFunc(got, func(p Part) bool { return p.English }) {
			t.Errorf("%q: some of it is taken for English: %+v", c.said, got)
		}
	}
}

// TestTranslatePart: what has no form is marked, and nothing else.
func TestTranslatePart(t *testing.T) {
	t.Parallel()
	got := In(language.Japanese).Translate("The new token cannot be put into its place: some fault nobody thought of.")
	want := Parts{{Text: "新しいトークンを書き込めません："}, {Text: "some fault nobody thought of", English: true}, {Text: "。"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	long := strings.Repeat("a; ", 1<<16)
	if got := In(language.Japanese).Translate(long); got.String() != long {
		t.Error("what is too long was changed")
	}
}

// TestTranslateHostile: what a thief chooses, such as a file's name, is shown as
// it is and does not make another sentence of one.
func TestTranslateHostile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"~/x, the npm token in ~/y", "~/x. Nothing is revoked", "~/a: it was disabled", "~/x (line 3): it uses a token. ", "%[1]s", "%[2]s%s%d", "~/\x00", "Revoke the old one.",
		"~/x: stop it and move it away, with a copy from which it can be put back", "All is done; the alert is closed.", "~/x\nThe new token works", strings.Repeat("; ", 300), strings.Repeat(": a. ", 300),
	} {
		for _, before := range []string{"Disable the git hook ", "blocks abcd2345: git hook ", "Replace npm:a, the npm token in ", "Putting the new token into "} {
			for _, after := range []string{": stop it and move it away, with a copy from which it can be put back.", ": it deletes the home folder", "."} {
				said := before + name + after
				for _, tag := range languages {
					got := In(tag).Translate(said).String()
					if strings.Contains(name, "%") && !strings.Contains(got, name) {
						t.Errorf("%v: %q is not in %q", tag, name, got)
					}
					if after == ": it deletes the home folder" && !strings.Contains(got, "it deletes the home folder") && !strings.Contains(got, "ホームフォルダーを削除する") {
						t.Errorf("%v: %q hides what it does: %q", tag, said, got)
					}
				}
			}
		}
	}
}

// TestTranslateRemembers: many sentences that somebody makes up take neither all
// memory nor all that is remembered.
func TestTranslateRemembers(t *testing.T) {
	t.Parallel()
	w := In(language.Japanese)
	for i := range 3 * mostTold {
		w.Translate("x" + strconv.Itoa(i))
		if n := len(w.said); n > mostTold || i > mostTold && n < mostTold/2 {
			t.Fatalf("after %d sentences %d are remembered", i+1, n)
		}
	}
}

// TestTranslateEffort: what is put together of very many parts is given up soon.
func TestTranslateEffort(t *testing.T) {
	t.Parallel()
	for _, sep := range []string{"; ", ": ", ". ", "\n"} {
		said := strings.Repeat("a"+sep, longestSentence)[:longestSentence]
		w := &telling{Words: In(language.Japanese), known: map[string]turned{}}
		parts, _ := w.told(said, 0)
		if w.tried > 2*longestSentence {
			t.Errorf("%q: %d bytes were tried", sep, w.tried)
		}
		if got := parts.String(); strings.Count(got, "a") != strings.Count(said, "a") {
			t.Errorf("%q: something is lost: %q", sep, got)
		}
	}
}

// FuzzTranslate: whatever is said is told, all of it that has no form, and again
// the same.
func FuzzTranslate(f *testing.F) {
	for _, table := range forms {
		f.Add(anyVerb.ReplaceAllString(table[0].En, "a")) // all of them would take it a minute to begin
	}
	ja, en := In(language.Japanese), In(language.English)
	f.Fuzz(func(t *testing.T, said string) {
		got := ja.Translate(said)
		if (got.String() == "") != (strings.Trim(said, ".。 ") == "") && strings.TrimSpace(said) != "" && strings.Trim(said, ". ") != "" {
			t.Errorf("%q became %q", said, got)
		}
		if again := ja.Translate(said); !slices.Equal(again, got) {
			t.Errorf("%q became %q, and then %q", said, got, again)
		}
		for _, p := range en.Translate(said) {
			if p.English {
				t.Errorf("%q: English is marked in English", said)
			}
		}
	})
}
