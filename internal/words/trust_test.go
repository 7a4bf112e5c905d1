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
