package dashboard_test

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/dashboard"
	"wormbell/internal/words"
)

// TestSettings: the page of the agent's state says what is set, by which file,
// and what an administrator has locked; the trust page says which file a row
// comes from.
func TestSettings(t *testing.T) {
	t.Parallel()
	const fleet = "/etc/wormbell/conf.d/50-fleet.toml"
	for _, tt := range []struct {
		tag         language.Tag
		rows        []string // of the table of settings, without their markup
		want, trust string
	}{
		{language.English, []string{
			"homes | /home/dev, /root | default |",
			"stores | none | default |",
			"protect | off | " + fleet + " | by your administrator " + fleet,
			"log_level | info | --log |",
			"pause | refused | " + fleet + " | by your administrator " + fleet,
			"trust | allowed | default |"},
			"which is a lot", "Added by the administrator, in /etc/wormbell/trust.d/10.toml."},
		{language.Japanese, []string{
			"homes | /home/dev, /root | 既定値 |",
			"stores | なし | 既定値 |",
			"protect | オフ | " + fleet + " | 管理者によるロック " + fleet,
			"log_level | info | --log |",
			"pause | 拒否 | " + fleet + " | 管理者によるロック " + fleet,
			"trust | 許可 | 既定値 |"},
			"は広い範囲", "管理者が /etc/wormbell/trust.d/10.toml で追加しました。"},
	} {
		a := sample()
		a.status.Settings = []wormbell.Setting{
			{Key: "homes", Value: []any{"/home/dev", "/root"}, From: "default"},
			{Key: "stores", Value: []any{}, From: "default"},
			{Key: "protect", Value: false, From: fleet, Locked: true, LockedBy: fleet},
			{Key: "log_level", Value: "info", From: "--log"},
			{Key: "pause", Value: "refused", From: fleet, Locked: true, LockedBy: fleet},
			{Key: "trust", Value: "allowed", From: "default"},
		}
		a.status.Notices = []string{`trust: "/etc/wormbell/trust.d/10.toml" lets "exe:/opt/b" read "*", which is a lot (row file-a)`}
		a.rows = append(a.rows, wormbell.TrustRow{ID: "file-a", Store: "*", Who: "exe:/opt/b", Under: "any", Reason: "backup", By: "admin", File: "/etc/wormbell/trust.d/10.toml"})
		s := serve(t, a, func(c *dashboard.Config) { c.Words = words.In(tt.tag) })
		h := visit(t, s, "/")
		body := h.get("/status", nil).body
		if !strings.Contains(body, tt.want) {
			t.Errorf("%v: it does not say %q", tt.tag, tt.want)
		}
		_, table, _ := strings.Cut(body, `id="settings"`)
		table, _, _ = strings.Cut(table, "</section>")
		var got []string
		for _, row := range regexp.MustCompile(`<tr><td.*</tr>`).FindAllString(table, -1) {
			row = strings.ReplaceAll(row, "</td><td", " | <td")
			row = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(row, "")
			got = append(got, strings.TrimSpace(strings.Join(strings.Fields(row), " ")))
		}
		if strings.Join(got, "\n") != strings.Join(tt.rows, "\n") {
			t.Errorf("%v: got\n%s\nwant\n%s", tt.tag, strings.Join(got, "\n"), strings.Join(tt.rows, "\n"))
		}
		trust := h.get("/trust", nil).body
		if !strings.Contains(trust, tt.trust) || strings.Contains(trust, "/trust/file-a/remove") {
			t.Errorf("%v: the trust page does not say %q, or offers to remove the row", tt.tag, tt.trust)
		}
	}
}
