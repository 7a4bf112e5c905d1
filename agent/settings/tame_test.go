package settings

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestTame: a file as long as one may be does not make the agent, which must not
// take a quarter of a gigabyte, run out of memory or time.
func TestTame(t *testing.T) {
	t.Parallel()
	const most = maxFile - 64
	many := func(s string) string { return strings.Repeat(s, most/len(s)) }
	const long, literal = `"""`, `'''`
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"parts of a table's name":  {"[" + many("a.") + "a]", errParts},
		"parts of a key":           {many("a.") + "a = 1", errParts},
		"parts with blanks":        {many("a . ") + "a = 1", errParts},
		"quoted parts":             {many(`"a".`) + "a = 1", errParts},
		"parts behind a comment":   {"x = 1 # \"\n" + many("a.") + "a = 1", errParts},
		"parts behind a string":    {"x = 'a\"'\n" + many("a.") + "a = 1", errParts},
		"behind a long string":     {"x = " + long + "a\"\n\"\\\"" + long + "\"\"\n" + many("a.") + "a = 1", errParts},
		"behind a long literal":    {"x = " + literal + "a'\n\\" + literal + "\n" + many("a.") + "a = 1", errParts},
		"arrays within each other": {"a = " + many("["), errDepth},
		"over lines":               {"a = " + many("[\n"), errDepth},
		"tables within each other": {"a = " + many("{a="), errDepth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := decode([]byte(c.text), true); !errors.Is(err, c.want) {
				t.Errorf("%.200v", err)
			}
			if _, wrong := parseTrust([]byte(c.text), time.Now()); len(wrong) != 1 || !errors.Is(wrong[0].err, c.want) {
				t.Errorf("as rows: %.200v", wrong)
			}
		})
	}
	// What people write is none of it.
	text := "# " + strings.Repeat(". ", 100) + "\n# see [1] [2 [\n" + `state = "/a.b.c/` + strings.Repeat("x.[", 100) + `"` + "\nhomes = [\n  '/home/a.b', # [\n  \"/home/c\\\"[\",\n]\n"
	if c, _, err := decode([]byte(text), true); err != nil || len(c.Homes) != 2 {
		t.Errorf("%v %+v", err, c)
	}
	rows := strings.Repeat("[[row]]\nstore = 'npm'\nwho = 'exe:/usr/bin/x.y.z'\nreason = "+literal+"it's [[["+literal+"\nuntil = 2099-01-01T00:00:00.5Z\n", 100)
	if got, wrong := parseTrust([]byte(rows), time.Date(2098, 1, 1, 0, 0, 0, 0, time.UTC)); len(got) != 100 {
		t.Errorf("%d rows, %v", len(got), wrong)
	}
}

// TestSentencesStayShort: what is wrong is shown in every status, so it does not
// repeat a whole file.
func TestSentencesStayShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", maxFile/2-32)
	for _, text := range []string{`"` + long + `"=1`, "log_level='" + long + "'", "state='" + long + "'", "homes=['" + long + "']", "locked=['" + long + "']",
		strings.Repeat("a", maxFile-32) + "=", "[" + strings.Repeat("b", maxFile-32)} {
		if _, _, err := decode([]byte(text), true); err == nil || len(err.Error()) > 2000 {
			t.Errorf("%.40s…: %.200v", text, err)
		}
	}
	rows := strings.Repeat("[[row]]\n", maxFile/8-1)
	good, wrong := parseTrust([]byte(rows), time.Now())
	if len(good) > 0 || len(wrong) != maxWrong+1 || TrustProblem("/x", wrong[maxWrong].row, wrong[maxWrong].err) != `trust: of "/x", 131051 more of its rows are left out` {
		t.Errorf("%d rows, %d wrong: %v", len(good), len(wrong), wrong[len(wrong)-1])
	}
}
