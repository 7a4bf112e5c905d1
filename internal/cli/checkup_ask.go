package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/itwasme"
	"wormbell/internal/plain"
	"wormbell/internal/stores"
)

// maxAsked is how many questions a checkup asks. Whoever is asked more answers
// without reading.
const maxAsked = 3

// reader is a program that has read credentials and that no row vouches for.
type reader struct {
	who    string
	kinds  []string // of what it read, in words
	times  int
	since  time.Time
	rows   []itwasme.Suggestion // what "it was me" would allow
	alerts []wormbell.Alert     // that say so, the newest last
}

// readers are the programs that a person can be asked about, the most frequent
// first: only those for which "It was me" makes rows, which it does for nobody
// below a dependency's script, and none of whose alerts is critical.
func readers(alerts []wormbell.Alert, uid string, now time.Time) (list []reader) {
	for _, a := range alerts {
		if a.User != uid || a.State != wormbell.Open || a.Demo || a.Severity >= wormbell.Critical {
			continue
		}
		rows, why := itwasme.Suggest(a, now)
		if why != "" || len(rows) == 0 {
			continue
		}
		i := slices.IndexFunc(list, func(r reader) bool { return sameRows(r.rows, rows) })
		if i < 0 {
			list = append(list, reader{who: rows[0].Row.Who, since: a.First, rows: rows})
			i = len(list) - 1
			for _, row := range rows {
				if kind := stores.ByID(row.Row.Store); kind != nil && !slices.Contains(list[i].kinds, kind.Kind) {
					list[i].kinds = append(list[i].kinds, kind.Kind)
				}
			}
		}
		r := &list[i]
		r.times += max(1, a.Count)
		if a.First.Before(r.since) {
			r.since = a.First
		}
		r.alerts = append(r.alerts, a)
	}
	for i := range list {
		slices.SortFunc(list[i].alerts, func(a, b wormbell.Alert) int { return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.ID, b.ID)) })
	}
	slices.SortStableFunc(list, func(a, b reader) int { return cmp.Or(cmp.Compare(b.times, a.times), cmp.Compare(a.who, b.who)) })
	return list
}

// sameRows reports whether two answers would allow the same.
func sameRows(a, b []itwasme.Suggestion) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x itwasme.Suggestion) bool {
		return !slices.ContainsFunc(b, func(y itwasme.Suggestion) bool {
			return x.Row.Store == y.Row.Store && x.Row.Path == y.Row.Path && x.Row.Who == y.Row.Who && x.Row.Under == y.Row.Under
		})
	})
}

// name is the program in a word or two: its script's file, or its own.
func (r reader) name() string {
	return plain.Cut(r.who[strings.LastIndexAny(r.who, "/:")+1:], 60)
}

// askWhose asks at most three times whether a reader is the person's. Yes does
// what "It was me" does, by the same way; the agent decides whether it may.
func (a *app) askWhose(ctx context.Context, c Agent, alerts []wormbell.Alert, quiet bool) error {
	list := readers(alerts, strconv.Itoa(os.Getuid()), time.Now().In(a.zone))
	if len(list) == 0 {
		return nil
	}
	t := a.newTypist(responding{})
	p := a.printer()
	p.line("")
	if quiet || t.terminal() == nil || !isTerminal(a.streams.Out) {
		p.paragraph("", rest(list, "to answer, run 'wormbell checkup' in a terminal, or 'wormbell alert trust "+list[0].alerts[0].ID+"'"))
		return nil
	}
	for i, r := range list[:min(len(list), maxAsked)] {
		question := fmt.Sprintf("%s read your %s %s since %s: is that yours?", r.name(), strings.Join(r.kinds, " and "), often(r.times), r.since.In(a.zone).Format("2 Jan"))
		mine, err := t.yours(ctx, question, func() {
			for _, row := range r.rows {
				p.paragraph("  ", plain.Text(row.Sentence))
			}
			p.paragraph("  ", "'wormbell alert "+r.alerts[len(r.alerts)-1].ID+"' shows what was seen. No changes nothing: the alert stays open.")
		})
		if errors.Is(err, io.EOF) { // Ctrl-D: no more of this
			p.paragraph("", rest(list[i:], "to answer, run 'wormbell checkup' again"))
			return nil
		} else if err != nil {
			return err
		}
		if !mine {
			continue
		}
		if err := a.theirs(ctx, c, r); err != nil {
			return err
		}
	}
	if len(list) > maxAsked {
		p.paragraph("", rest(list[maxAsked:], "'wormbell alerts' has them"))
	}
	return nil
}

// theirs allows what r's alerts are about, and closes them.
func (a *app) theirs(ctx context.Context, c Agent, r reader) error {
	last := len(r.alerts) - 1
	if err := a.itWasMe(ctx, c, r.alerts[last], itwasme.Default, true); err != nil {
		return err
	}
	for _, older := range r.alerts[:last] {
		if older.Frozen() {
			if _, err := goOn(ctx, c, older.ID); err != nil {
				return err
			}
		}
		if err := c.Close(ctx, older.ID, itWasMe); err != nil {
			return hint(fmt.Errorf("it is allowed, but alert %s could not be closed: %w", older.ID, err), "close it with 'wormbell alert close "+older.ID+"'")
		}
	}
	return nil
}

// rest names readers in one line, and says what to do about them.
func rest(list []reader, do string) string {
	names := []string{}
	for _, r := range list {
		if n := r.name(); !slices.Contains(names, n) && len(names) < 5 {
			names = append(names, n)
		}
	}
	what := "1 program has"
	if len(list) > 1 {
		what = fmt.Sprintf("%d programs have", len(list))
	}
	return fmt.Sprintf("%s read credentials, and nobody has said whose %s: %s; %s.", what, itIs(len(list)), strings.Join(names, ", "), do)
}

func itIs(n int) string {
	if n == 1 {
		return "it is"
	}
	return "they are"
}

func often(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// yours asks a question that may be asked back: "?" tells more. io.EOF says that
// the person has ended it.
func (t *typist) yours(ctx context.Context, question string, more func()) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		fmt.Fprintf(t.out, "%s [y/N/?] ", plain.Text(question))
		line, err := await(ctx, t.line)
		if err != nil {
			fmt.Fprintln(t.out)
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		case "", "n", "no":
			return false, nil
		case "?":
			more()
		}
	}
}
