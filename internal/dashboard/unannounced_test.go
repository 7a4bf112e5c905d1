package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell/agent/client"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// Where nothing may be looked at, the page says so, why, and where to go.
func TestUnannounced(t *testing.T) {
	t.Parallel()
	for tag, want := range map[language.Tag][]string{
		language.English:  {"Nothing was looked at and nothing is planned", "below a process of alert abcd2345"},
		language.Japanese: {"何も調べておらず、計画もありません", "警告 abcd2345 のプロセスから起動された"},
	} {
		b := visit(t, serve(t, sample(), func(c *dashboard.Config) {
			c.Words = words.In(tag)
			c.Prepare = func(context.Context, string, dashboard.How, respond.Person) (*dashboard.Prepared, error) {
				return nil, fmt.Errorf("%w: %w", incident.ErrUnannounced, &client.Error{Status: http.StatusForbidden,
					Text: "refused to announce the reading of credentials: the call comes from below a process of alert abcd2345"})
			}
		}), "/")
		var got string
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(got, want[0]) && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			got = b.get("/alerts/worm2345/respond", nil).body
		}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: the page does not say %q", tag, w)
			}
		}
	}
}
