package words_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/words"
)

// Of a program that was allowed and is another one since both are told.
func TestChanged(t *testing.T) {
	read := func(path, end string) wormbell.Finding {
		p := &wormbell.Process{PID: 7, Exe: "/usr/bin/node", Script: "/home/me/bin/x.js", Args: []string{"node", "x.js"}}
		return wormbell.Finding{Detector: "credential-read", Subject: path, Summary: "it read" + end, Severity: wormbell.High, Process: p,
			Evidence: []wormbell.Event{{Kind: wormbell.FileRead, Path: path, Process: p}}}
	}
	sweep := read("~/.npmrc", "")
	sweep.Detector = "credential-sweep"
	for _, tt := range []struct {
		findings           []wormbell.Finding
		changed, unchecked bool
	}{
		{[]wormbell.Finding{read("~/.npmrc", "")}, false, false},
		{[]wormbell.Finding{read("~/.npmrc", "; "+wormbell.Changed)}, true, false},
		{[]wormbell.Finding{read("~/.npmrc", ""), read("~/.netrc", "; "+wormbell.Changed)}, true, false},
		{[]wormbell.Finding{read("~/.npmrc", "; "+wormbell.Changed+" (x)")}, false, false},
		{[]wormbell.Finding{sweep, read("~/.netrc", "; "+wormbell.Changed)}, true, false},
		{[]wormbell.Finding{read("~/.npmrc", "; "+wormbell.Unchecked)}, false, true},
		{[]wormbell.Finding{read("~/.npmrc", "; "+wormbell.Unchecked), read("~/.netrc", "; "+wormbell.Changed)}, true, false},
	} {
		a := wormbell.Alert{Severity: wormbell.High, Findings: tt.findings}
		for tag, says := range map[language.Tag][2]string{
			language.English:  {", and has changed since you allowed it.", ", and whether it has changed since you allowed it could not be checked in time."},
			language.Japanese: {"（許可した後に、プログラムが変更されています）。", "（許可した後にプログラムが変更されたかどうかは、時間内に確認できませんでした）。"},
		} {
			told := words.In(tag).Alert(a)
			if strings.Contains(told.What, says[0]) != tt.changed || strings.Contains(told.What, says[1]) != tt.unchecked {
				t.Errorf("%v: %q", tag, told.What)
			}
		}
	}
}

// A row says which file it is about, however long that is: where it begins, and
// its name from the first character.
func TestLongFiles(t *testing.T) {
	long := strings.Repeat("x", 150)
	for _, tt := range []struct{ exe, want string }{
		{"/opt/tool", "/opt/tool"},
		{"/opt/" + strings.Repeat("a/", 60) + "deploy.js", "/opt/" + strings.Repeat("a/", 42) + "…/deploy.js"},
		{"/opt/begin" + long + "end", "/opt/begin" + strings.Repeat("x", 42) + "…" + strings.Repeat("x", 44) + "end"},
		{"/srv/" + long + "/begin" + long + "end", "/srv/" + strings.Repeat("x", 27) + "…/begin" + strings.Repeat("x", 28) + "…" + strings.Repeat("x", 29) + "end"},
		{"/opt/" + strings.Repeat("フォルダー/", 20) + "始.js", "/opt/" + strings.Repeat("フォルダー/", 14) + "フォルダー…/始.js"},
	} {
		got := words.In(language.English).Trust(wormbell.TrustRow{Store: "npm", Who: "exe:" + tt.exe, Under: "any"}, time.Now())
		got, _, _ = strings.Cut(got, " may read")
		if got != tt.want || utf8.RuneCountInString(got) > 100 {
			t.Errorf("%s (%d)\nwant %s", got, utf8.RuneCountInString(got), tt.want)
		}
	}
}
