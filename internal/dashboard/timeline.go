package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"wormbell"
	"wormbell/internal/words"
)

// timeline is the list of alerts.
type timeline struct {
	All      bool
	Severity wormbell.Severity // least one that is shown; 0 for all
	Days     []dayOf
	Shown    int // that fit the filter
	Total    int // of open or all
	Open     int
	Worst    wormbell.Severity // of the open ones
	Page     int
	Pages    int
	Before   string // links, "" if there is no such page
	After    string
	Capped   bool // the agent may know more
	Past     int  // alerts that are closed or hidden; known only if none is open
	PastMore bool // there may be more of them
	Status   wormbell.Status
	Blind    []unseen
}

// dayOf is the alerts of one day.
type dayOf struct {
	Day  time.Time
	Rows []row
}

// maxListed is how many alerts the agent lists at once, see package api.
const maxListed = 1000

func (s *Server) alerts(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v := timeline{All: q.Get("state") == "all", Page: 1}
	if m := q.Get("severity"); m != "" {
		v.Severity, _ = wormbell.ParseSeverity(m) // what it does not know is no filter
	}
	// First what takes little time: who does not answer is found out by it.
	st, err := s.status(r.Context())
	if err != nil {
		return err
	}
	v.Status, v.Blind = st, s.blind(st)
	rows, err := s.rows(r.Context(), v.All)
	if err != nil {
		return err
	}
	v.Total, v.Capped = len(rows), len(rows) == maxListed
	var fit []row
	for _, a := range rows {
		if a.State == wormbell.Open {
			v.Open++
			v.Worst = max(v.Worst, a.Severity)
		}
		if a.Severity >= v.Severity {
			fit = append(fit, a)
		}
	}
	v.Shown = len(fit)
	v.Pages = max(1, (len(fit)+perPage-1)/perPage)
	if n, err := strconv.Atoi(q.Get("page")); err == nil {
		v.Page = min(max(1, n), v.Pages)
	}
	link := func(page int) string {
		to := url.Values{}
		if v.All {
			to.Set("state", "all")
		}
		if v.Severity > 0 {
			to.Set("severity", v.Severity.String())
		}
		if page > 1 {
			to.Set("page", strconv.Itoa(page))
		}
		return s.gate.at() + "/?" + to.Encode()
	}
	if v.Page > 1 {
		v.Before = link(v.Page - 1)
	}
	if v.Page < v.Pages {
		v.After = link(v.Page + 1)
	}
	shown := fit[(v.Page-1)*perPage : min(v.Page*perPage, len(fit))]
	s.tell(r.Context(), shown)
	for _, a := range shown {
		if n := len(v.Days); n == 0 || s.day(v.Days[n-1].Day) != s.day(a.Last) {
			v.Days = append(v.Days, dayOf{Day: a.Last})
		}
		d := &v.Days[len(v.Days)-1]
		d.Rows = append(d.Rows, a)
	}
	if v.Total == 0 && !v.All {
		all, err := s.rows(r.Context(), true)
		if err != nil {
			return err
		}
		v.Past, v.PastMore = len(all), len(all) == maxListed
	}
	summary := s.c.Words.Say(words.DashNoOpen)
	if v.Open > 0 {
		summary = s.c.Words.Say(words.DashOpenCount, v.Open)
	}
	if n := slices.IndexFunc(rows, func(a row) bool { return a.State == wormbell.Open }); n >= 0 {
		summary += " " + rows[n].Title
	}
	s.show(w, r, http.StatusOK, "alerts", page{Title: s.c.Words.Say(words.DashAlerts), Nav: "alerts", Topics: topicAlerts, Summary: summary, Status: &st, Data: v})
	return nil
}

// unseen is something that the agent does not see, or not all of.
type unseen struct {
	What  string
	Agent bool // What is in the agent's words
	How   string
}

// blind names the detectors that do not see what they should.
func (s *Server) blind(st wormbell.Status) (out []unseen) {
	for _, d := range st.Detectors {
		if d.Sees == "sees" {
			continue
		}
		how := words.DashCannotSeeWho
		if d.Sees == "blind" {
			how = words.DashBlind
		}
		what, known := s.c.Words.Detector(d.ID)
		if !known {
			what = d.Title
		}
		out = append(out, unseen{what, !known, s.c.Words.Say(how)})
	}
	return out
}
