package docs

import (
	"fmt"
	"regexp"
	"strings"
)

// varies is what differs from one run of a command to the next, and from one
// machine to another.
var varies = []struct {
	what string
	re   *regexp.Regexp
	by   string
}{
	{"a process", regexp.MustCompile(`\bpid \d+`), "pid N"},
	{"a moment", regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d+ [A-Z][a-z]{2} \d\d:\d\d:\d\d`), "MOMENT"},
	{"how a test's shell was started", regexp.MustCompile(`\b(bash) --norc --noprofile -i\b`), "$1"},
	{"a span of time", regexp.MustCompile(`\b\d+(\.\d+)?\s?(ms|s|min|h|m\d+s)\b`), "SPAN"},
	{"how wide a column is", regexp.MustCompile(` {2,}`), "  "},
}

// Differ says how what was printed differs from what a page shows, "" if it
// does not. A line of … stands for any lines, a … at the end of a line for its
// rest.
func Differ(want, got []string) string {
	if len(want) == 0 {
		want = []string{""}
	}
	i := 0
	for w := 0; w < len(want); w++ {
		if strings.Trim(want[w], " •│├└─") == "…" {
			if w+1 == len(want) {
				return ""
			}
			for i < len(got) && !alike(want[w+1], got[i]) {
				i++
			}
			continue
		}
		if i == len(got) {
			return fmt.Sprintf("the page shows %q, and no more was printed", want[w])
		}
		if !alike(want[w], got[i]) {
			return fmt.Sprintf("the page shows %q where %q was printed", want[w], got[i])
		}
		i++
	}
	if i < len(got) {
		return fmt.Sprintf("%q was printed, and the page does not show it", got[i])
	}
	return ""
}

func alike(want, got string) bool {
	want, got = steady(want), steady(got)
	if start, cut := strings.CutSuffix(want, "…"); cut {
		return strings.HasPrefix(got, start)
	}
	return want == got
}

// steady is a line without what varies.
func steady(line string) string {
	for _, v := range varies {
		line = v.re.ReplaceAllString(line, v.by)
	}
	return strings.TrimRight(line, " ")
}
