package dashboard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/words"
)

// This file has the answer "It was me" to one alert.

// wasMe is the page that asks what "It was me" would mean.
type wasMe struct {
	alertView
	Rows  []Suggestion
	Why   string
	Hours int
	Seen  string // see seen
}

// seen tells what a person looked at when they chose from what is there now: an
// alert that went on meanwhile has findings that they have not seen.
func seen(a wormbell.Alert, rows []Suggestion) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d %d", a.ID, a.Count, a.Last.UnixNano())
	for _, r := range rows {
		fmt.Fprintf(h, " %s", rowKey(r))
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// hours are how long a row may hold; the third is what nobody chose.
var hours = []int{1, 24, 30 * 24, 365 * 24}

// suggest says which rows there can be, for the hours that the request chose.
// For another user's alert there are none: they would let in what we do.
func (s *Server) suggest(r *http.Request, a wormbell.Alert) (rows []Suggestion, why string, last int) {
	last = hours[2]
	if n, err := strconv.Atoi(r.FormValue("hours")); err == nil && slices.Contains(hours, n) {
		last = n
	}
	switch {
	case foreign(a):
		why = s.c.Words.Say(words.PageForeign, a.User)
	case s.c.Suggest != nil:
		rows, why = s.c.Suggest(a, time.Duration(last)*time.Hour, s.c.Now())
	}
	return rows, why, last
}

func (s *Server) itWasMe(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	if a.ID != r.PathValue("id") {
		return s.back(w, r, "/alerts/"+a.ID+"/it-was-me")
	}
	v := wasMe{alertView: s.head(r, a)}
	v.Rows, v.Why, v.Hours = s.suggest(r, a)
	if st, err := s.status(r.Context()); err == nil && len(v.Rows) > 0 {
		if file := st.Locked("trust"); file != "" { // the agent would refuse each
			v.Rows, v.Why = nil, s.c.Words.Say(words.DashTrustLocked, file)
		}
	}
	v.Seen = seen(a, v.Rows)
	s.show(w, r, http.StatusOK, "itwasme", page{Title: s.c.Words.Say("dash-was-title") + " " + v.Told.Title, Nav: "alerts", Data: v})
	return nil
}

// vouch is the answer "It was me": the rows that were chosen, all of them or
// none. If they were all that there are, the alert is closed, and what it froze
// goes on.
func (s *Server) vouch(w http.ResponseWriter, r *http.Request) error {
	agent, a, err := s.find(r)
	if err != nil {
		return err
	}
	rows, _, last := s.suggest(r, a)
	again := "/alerts/" + a.ID + "/it-was-me?hours=" + strconv.Itoa(last)
	if r.PostFormValue("seen") != seen(a, rows) {
		sessionOf(r).say(flash{Text: s.c.Words.Say(words.DashStale), Error: true})
		return s.back(w, r, again)
	}
	chosen := r.PostForm["row"]
	rows, all := slices.DeleteFunc(slices.Clone(rows), func(x Suggestion) bool { // made anew: of what was shown only the choice is taken from the browser
		return !slices.Contains(chosen, rowKey(x))
	}), len(rows)
	if len(rows) == 0 {
		sessionOf(r).say(flash{Text: s.c.Words.Say(words.DashNothingChosen), Error: true})
		return s.back(w, r, again)
	}
	added, err := addRows(r.Context(), agent, rows)
	if err == nil && len(rows) == all {
		if err = agent.Close(r.Context(), a.ID, s.c.Words.Say(words.DashReasonMe)); err != nil {
			err = takeBack(r.Context(), agent, added, err)
		}
	}
	if away(err) {
		return err
	} else if err != nil {
		s.did(r, "", err)
		return s.back(w, r, "/alerts/"+a.ID)
	}
	f := flash{Text: s.c.Words.Say(words.DashDidTrust, len(rows))}
	f.Trust, f.Undo = true, "/alerts/"+a.ID+"/undo"
	for _, row := range added {
		f.Rows = append(f.Rows, row.ID)
	}
	switch {
	case len(rows) < all: // for the rest it was not them
		f.Text = s.c.Words.Say(words.DashDidSome, len(rows))
	case a.Frozen():
		f = s.join(f, words.PageStillFrozen, func() (flash, error) { return s.halt(r.Context(), agent, a, "resume") })
		f.Resumed = true
	}
	sessionOf(r).say(f)
	return s.back(w, r, "/alerts/"+a.ID)
}

// addRows adds all rows or none.
func addRows(ctx context.Context, agent Agent, rows []Suggestion) (added []wormbell.TrustRow, err error) {
	for _, row := range rows {
		one, err := agent.AddTrust(ctx, row.Row)
		if err != nil {
			return nil, takeBack(ctx, agent, added, err)
		}
		added = append(added, one)
	}
	return added, nil
}

var rowForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// unvouch undoes the answer "It was me": the rows that it made are taken back,
// and the alert is opened again.
func (s *Server) unvouch(w http.ResponseWriter, r *http.Request) error {
	agent, a, err := s.find(r)
	if err != nil {
		return err
	}
	r.ParseForm() // it was read for its mark
	for _, id := range r.PostForm["row"] {
		if !rowForm.MatchString(id) {
			continue // none of ours
		}
		if err = agent.RemoveTrust(r.Context(), id); err != nil {
			break
		}
	}
	f := flash{Text: s.c.Words.Say(words.PageUndone)}
	if err == nil && a.State == wormbell.Closed {
		if err := agent.Reopen(r.Context(), a.ID, ""); away(err) {
			return err
		} else if err != nil {
			f = flash{Text: s.c.Words.Say(words.PageUndoneClosed)}
			f.Warn, f.Details = true, s.because(err)
		}
	}
	if away(err) {
		return err
	} else if err != nil {
		f = s.explain(err)
		f.Trust = true // which has those that are left
	} else if r.PostFormValue("resumed") != "" {
		f.Hint = s.c.Words.Say(words.PageUndoneRuns)
	}
	sessionOf(r).say(f)
	return s.back(w, r, "/alerts/"+a.ID)
}

// takeBack removes rows that were added before err came up, also when ctx is
// over: half of an answer is none. It returns err and what stays.
func takeBack(ctx context.Context, agent Agent, added []wormbell.TrustRow, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
	defer cancel()
	for _, row := range added {
		if uerr := agent.RemoveTrust(ctx, row.ID); uerr != nil {
			err = errors.Join(err, fmt.Errorf("row %s stays: %w", row.ID, uerr))
		}
	}
	return err
}

// rowKey tells a row that was shown from others.
func rowKey(x Suggestion) string {
	r := x.Row
	sum := sha256.Sum256([]byte(strings.Join([]string{r.Store, r.Who, r.Under, r.Path}, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// Key is what the form sends for a row that was chosen.
func (x Suggestion) Key() string { return rowKey(x) }
