package dashboard

import (
	"cmp"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/secret"
	"wormbell/internal/words"
)

// This file has the pages that are not of one alert, and that of a response.

func (s *Server) trust(w http.ResponseWriter, r *http.Request) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	all, err := a.Trust(r.Context())
	if err != nil {
		return err
	}
	var v struct{ Mine, First, Builtin []wormbell.TrustRow }
	for _, row := range all {
		switch row.By {
		case "built-in":
			v.Builtin = append(v.Builtin, row)
		case "first-use":
			v.First = append(v.First, row)
		default:
			v.Mine = append(v.Mine, row)
		}
	}
	s.show(w, r, http.StatusOK, "trust", page{Title: s.c.Words.Say(words.DashTrust), Nav: "trust", Topics: topicAgent, Data: v})
	return nil
}

func (s *Server) removeTrust(w http.ResponseWriter, r *http.Request) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	err = a.RemoveTrust(r.Context(), r.PathValue("id"))
	if away(err) {
		return err
	}
	s.did(r, s.c.Words.Say(words.DashDidRemove), err)
	return s.back(w, r, "/trust")
}

// named is a package that alerts name.
type named struct {
	Package wormbell.Package
	Script  string
	Alerts  []row // the newest
	More    int   // alerts besides
	Worst   wormbell.Severity
}

// maxPackages are listed at once, and maxNaming alerts of one package; of all
// that are asked for, more are.
const (
	maxPackages = 100
	maxAll      = 1000
	maxNaming   = 50
)

func (s *Server) packages(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.rows(r.Context(), true)
	if err != nil {
		return err
	}
	var v struct {
		Named    []named
		More     int
		Arrivals []arrival
		Since    time.Time
		Of       string // only this package is shown, "" for all
	}
	most, naming := maxPackages, 1
	if v.Of = r.URL.Query().Get("of"); v.Of != "" {
		naming = maxNaming
	} else if r.URL.Query().Get("all") != "" {
		most = maxAll
	}
	index := map[role]int{}
	for _, a := range rows {
		for _, p := range a.Packages {
			if v.Of != "" && p.Package.String() != v.Of {
				continue
			}
			i, known := index[p]
			if !known {
				i = len(v.Named)
				index[p] = i
				v.Named = append(v.Named, named{Package: p.Package, Script: p.Script})
			}
			n := &v.Named[i]
			n.Worst = max(n.Worst, a.Severity)
			if len(n.Alerts) < naming {
				n.Alerts = append(n.Alerts, a)
			} else {
				n.More++
			}
		}
	}
	slices.SortStableFunc(v.Named, func(a, b named) int { return int(b.Worst) - int(a.Worst) })
	if len(v.Named) > most {
		v.More = len(v.Named) - most
		v.Named = v.Named[:most]
	}
	for _, n := range v.Named {
		s.tell(r.Context(), n.Alerts)
	}
	v.Arrivals, v.Since = s.seen.get()
	s.show(w, r, http.StatusOK, "packages", page{Title: s.c.Words.Say(words.DashPackages), Nav: "packages", Topics: topicAlerts + " " + topicPackages, Stream: "packages", Data: v})
	return nil
}

// number writes n with its thousands apart.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// answer is the page of a response.
type answer struct {
	alertView
	progress
	Trouble   words.Parts
	Hint      string
	Elsewhere string // another alert's response is under way
	Possible  bool
	Foreign   bool // the alert concerns somebody else
}

func (s *Server) respondPage(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	if a.ID != r.PathValue("id") {
		return s.back(w, r, "/alerts/"+a.ID+"/respond")
	}
	v := answer{alertView: alertView{Alert: a, Told: s.c.Words.Alert(a), Frozen: a.Frozen()}, progress: s.response.now(),
		Foreign: a.User != "" && a.User != strconv.Itoa(os.Getuid()) && os.Getuid() >= 0}
	if in := sessionOf(r); in != nil {
		v.CSRF = in.csrf
	}
	v.Possible = s.c.Prepare != nil && !v.Foreign
	if v.progress.ID != a.ID {
		switch {
		case v.Stage == stageRunning:
			v.Elsewhere = v.progress.ID
		case v.Stage == stagePreparing || v.Stage == stagePlanned:
			// A page of another alert may be open: two that are read again at each
			// change would take the plan from each other without end.
			v.progress = progress{}
		case v.Possible:
			// Making a plan changes nothing, and it is what somebody comes here for.
			if err := s.plan(a.ID, How{}); err != nil {
				return err
			}
			v.progress = s.response.now()
		}
	}
	v.Trouble, v.Hint = s.trouble(v.Err)
	summary := s.c.Words.Say(words.Key("dash-stage-" + string(cmp.Or(v.Stage, "none"))))
	if n := len(v.Lines); n > 0 {
		summary += " " + v.Lines[n-1].Text
	}
	if v.Asked != nil {
		summary = v.Asked.Text
	}
	s.show(w, r, http.StatusOK, "respond", page{Title: s.c.Words.Say(words.DashRespondTitle, v.Told.Title), Nav: "alerts", Topics: topicRespond, Summary: summary, Data: v})
	return nil
}

// respondDo is POST alerts/{id}/respond: what the person decided.
func (s *Server) respondDo(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	if s.c.Prepare == nil || a.User != "" && os.Getuid() >= 0 && a.User != strconv.Itoa(os.Getuid()) {
		return s.back(w, r, "/alerts/"+a.ID+"/respond") // which says why
	}
	f, run := r.PostFormValue, r.PostFormValue("run")
	switch f("do") {
	case "plan":
		err = s.plan(a.ID, How{ContainNow: f("contain") != "", Force: f("force") != ""})
	case "start":
		err = s.start(a.ID, run)
	case "yes", "no":
		err = s.reply(f("question"), reply{yes: f("do") == "yes"})
	case "secret":
		err = s.reply(f("question"), reply{value: secret.Of(strings.TrimSpace(f("secret")))})
	case "stop":
		if err = s.interrupt(a.ID, run); err == nil && s.response.now().Stage == stageNone {
			return s.back(w, r, "/alerts/"+a.ID) // its own page would make a new plan
		}
	}
	if err != nil {
		key := words.DashStale
		if err == errBusy {
			key = words.DashBusy
		}
		sessionOf(r).say(flash{Text: s.c.Words.Say(key), Error: true})
	}
	return s.back(w, r, "/alerts/"+a.ID+"/respond")
}
