package words

import (
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"wormbell/internal/plain"
)

// This file puts lists, times and paths into sentences.

// List joins things as a sentence does, at most [maxListed] of them.
func (w *Words) List(things []string) string {
	n := len(things)
	switch {
	case n == 0:
		return ""
	case n > maxListed:
		return w.Say(listRest, w.commas(things[:maxListed-1]), n-maxListed+1)
	case n == 1:
		return things[0]
	}
	return w.Say(listLast, w.commas(things[:n-1]), things[n-1])
}

func (w *Words) commas(things []string) string {
	out := things[0]
	for _, t := range things[1:] {
		out = w.Say(listNext, out, t)
	}
	return out
}

// span says how long something took.
func (w *Words) span(d time.Duration) string {
	switch d = max(d, time.Second); {
	case d < 2*time.Minute:
		return w.Say(spanSeconds, int(d.Round(time.Second).Seconds()))
	case d < 2*time.Hour:
		return w.Say(spanMinutes, int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		return w.Say(spanHours, int(d.Round(time.Hour).Hours()))
	}
	return w.Say(spanDays, int(d.Hours()/24+0.5))
}

// spaced puts a space before Latin letters that follow Japanese ones.
func (w *Words) spaced(s string) string {
	if w.japanese() && s != "" && s[0] < utf8.RuneSelf {
		return " " + s
	}
	return s
}

// file is a path fit for a sentence. Of a long one folders in its middle are left
// out, of a long name its middle: where it lies and what it is must both show,
// however long who chose the name has made it.
func file(p string) string {
	p = plain.Text(p)
	if utf8.RuneCountInString(p) <= maxPath {
		return p
	}
	i := strings.LastIndexByte(p, '/') + 1
	dir := []rune(p[:i])
	if len(dir) <= maxPath/3 {
		return p[:i] + middle(p[i:], maxPath-len(dir))
	}
	name := middle(p[i:], maxPath*2/3)
	return string(dir[:maxPath-2-utf8.RuneCountInString(name)]) + "…/" + name
}

// tilde writes a path inside a home, where systems keep those, with ~.
func tilde(p string) string {
	if p == "" {
		return ""
	}
	p = path.Clean(strings.ReplaceAll(p, `\`, "/"))
	if p == "/root" || strings.HasPrefix(p, "/root/") {
		return "~" + strings.TrimPrefix(p, "/root")
	}
	for _, parent := range []string{"/home/", "/Users/", "C:/Users/"} {
		if rest, ok := strings.CutPrefix(p, parent); ok && rest != "" {
			_, rest, inside := strings.Cut(rest, "/")
			if inside {
				return "~/" + rest
			}
			return "~"
		}
	}
	return p
}
