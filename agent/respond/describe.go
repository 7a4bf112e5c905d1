package respond

import (
	"fmt"
	"strings"

	"wormbell/internal/stores"
)

// Markdown is docs/tokens.md: what can be done about each kind of token.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`<!-- Made from the code by 'make generate'. -->
# Tokens that can be answered for

What ` + "`wormbell respond`, `rotate`, `revoke` and `tokens`" + ` know of each kind. A service that has a call is asked; for what it has
none, its page is opened, the steps are said, and what you make there is pasted, checked and put into its place. "Dead" is
believed only when the service refuses the token; "could not tell" is never taken for it. How the steps follow on each other
is in [respond.md](respond.md).

| kind | name | new one | revoking | is it dead? |
|---|---|---|---|---|
`)
	for _, k := range All {
		create := "you, on its page"
		switch {
		case k.Create != nil && k.CreateKills:
			create = "by a call that kills the old one"
		case k.Create != nil && k.NeedsPerson:
			create = "with you: you sign in, or log in anew"
		case k.Create != nil:
			create = "by a call"
		}
		revoke := "you, on its page"
		if k.Revoke != nil {
			revoke = "by a call"
		}
		dead := "cannot be asked: you look"
		if k.Mute == "" && (k.IsDead != nil || k.Identify != nil) {
			within := k.DiesWithin
			if within == 0 {
				within = diesWithin
			}
			dead = "asked, for up to " + inWords(within)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", k.Title, k.ID, create, revoke, dead)
	}
	b.WriteString("\n## Where they are looked for, and what to know\n")
	for _, k := range All {
		fmt.Fprintf(&b, "\n**%s** (`%s`)", k.Title, k.ID)
		files := k.Files
		for _, id := range k.Stores {
			if s := stores.ByID(id); s != nil && k.Files == nil {
				files = append(files, s.Paths...)
			}
		}
		var paths []string
		for _, p := range files {
			paths = append(paths, "`"+p+"`")
		}
		if len(paths) > 0 {
			b.WriteString(": " + strings.Join(paths, ", "))
		}
		b.WriteString("\n")
		for _, n := range k.Notice {
			b.WriteString("- " + n + "\n")
		}
		if k.NoticeContained != "" {
			b.WriteString("- With `--contain-now`: " + k.NoticeContained + "\n")
		}
	}
	return b.String()
}
