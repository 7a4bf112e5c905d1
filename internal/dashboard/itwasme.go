package dashboard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
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
	Rows []Suggestion
	Why  string
	Days int
	Seen string // see seen
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

// suggest says which rows there can be, for the days that the request chose.
func (s *Server) suggest(r *http.Request, a wormbell.Alert) (rows []Suggestion, why string, days int) {
	days = 30
	if n, err := strconv.Atoi(r.FormValue("days")); err == nil && (n == 1 || n == 7 || n == 365) {
		days = n
	}
	if s.c.Suggest != nil {
		rows, why = s.c.Suggest(a, time.Duration(days)*24*time.Hour, s.c.Now())
	}
	return rows, why, days
}

func (s *Server) itWasMe(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	v := wasMe{alertView: alertView{Alert: a, Told: s.c.Words.Alert(a)}}
	v.Rows, v.Why, v.Days = s.suggest(r, a)
	v.Seen = seen(a, v.Rows)
	s.show(w, r, http.StatusOK, "itwasme", page{Title: s.c.Words.Say(words.DashItWasMe), Nav: "alerts", Data: v})
	return nil
}

// vouch is the answer "It was me": the rows that were chosen, all of them or
// none. The alert is closed if they were all that there are.
func (s *Server) vouch(w http.ResponseWriter, r *http.Request) error {
	agent, a, err := s.find(r)
	if err != nil {
		return err
	}
	rows, _, days := s.suggest(r, a)
	again := "/alerts/" + a.ID + "/it-was-me?days=" + strconv.Itoa(days)
	if r.PostFormValue("seen") != seen(a, rows) {
		sessionOf(r).say(flash{Text: s.c.Words.Say(words.DashStale), Error: true})
		return s.back(w, r, again)
	}
	chosen := r.PostForm["row"]
	var errs error
	var added []wormbell.TrustRow
	for _, row := range rows {
		if !slices.Contains(chosen, rowKey(row)) { // made anew: of what was shown only the choice is taken from the browser
			continue
		}
		one, err := agent.AddTrust(r.Context(), row.Row)
		if err != nil {
			errs = takeBack(r.Context(), agent, added, err)
			break
		}
		added = append(added, one)
	}
	n, text := len(added), words.DashDidTrust
	switch {
	case errs != nil && away(errs):
		return errs
	case errs == nil && n > 0 && n < len(rows): // for the rest it was not them
		text = words.DashDidSome
	case errs == nil && n > 0:
		errs = agent.Close(r.Context(), a.ID, s.c.Words.Say(words.DashReasonMe))
	case errs == nil:
		sessionOf(r).say(flash{Text: s.c.Words.Say(words.DashNothingChosen), Error: true})
		return s.back(w, r, again)
	}
	s.did(r, s.c.Words.Say(text, n), errs)
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
