package dashboard_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// TestAsked: what somebody asked the agent for, and what became of it, is one
// sentence in the evidence and in the picture.
func TestAsked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line   string
		tag    language.Tag
		verb   string
		has    string
		absent string
	}{
		{"refused announce the reading of credentials: below a process of alert worm2345", language.English, "asked Wormbell in vain to", "announce the reading of credentials", "refused announce"},
		{"refused announce the reading of credentials: below a process of alert worm2345", language.Japanese, "Wormbell への要求（拒否）", "認証情報の読み取りを事前に知らせる", "refused"},
		{"accepted close worm2345", language.English, "had Wormbell do this:", "close worm2345", "accepted"},
		{"doubted close worm2345: below node (pid 7)", language.English, "had Wormbell do this:", "close worm2345", "doubted"},
		{"close worm2345", language.English, "asked Wormbell to", "close worm2345", "in vain"},
	} {
		a := sample()
		a.list[0].Findings[0].Evidence = []wormbell.Event{{Time: time.Now(), Kind: wormbell.AgentCall, Line: tt.line, Process: &wormbell.Process{PID: 7, Exe: "/usr/bin/node", Args: []string{"node"}}}}
		body := visit(t, serve(t, a, func(c *dashboard.Config) { c.Words = words.In(tt.tag) }), "/").get("/alerts/"+a.list[0].ID, nil).body
		if strings.Count(body, tt.verb) < 2 || !strings.Contains(body, tt.has) || strings.Contains(body, tt.absent) {
			t.Errorf("%q in %v: %q stands there %d times, %q %v, %q %v", tt.line, tt.tag, tt.verb, strings.Count(body, tt.verb), tt.has, strings.Contains(body, tt.has), tt.absent, strings.Contains(body, tt.absent))
		}
	}
}
