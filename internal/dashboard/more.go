package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
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
	Status   *wormbell.Status
	Blind    []string
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
	if a, err := s.ask(); err == nil {
		if st, err := a.Status(r.Context()); err == nil {
			v.Status, v.Blind = &st, blind(st)
		}
	}
	summary := s.c.Words.Say(words.DashNoOpen)
	if v.Open > 0 {
		summary = s.c.Words.Say(words.DashOpenCount, v.Open)
	}
	if len(rows) > 0 && v.Open > 0 {
		summary += " " + rows[0].Title
	}
	s.show(w, r, http.StatusOK, "alerts", page{Title: s.c.Words.Say(words.DashAlerts), Nav: "alerts", Topics: topicAlerts, Summary: summary, Data: v})
	return nil
}

// blind names the detectors that do not see.
func blind(st wormbell.Status) (out []string) {
	for _, d := range st.Detectors {
		if d.Sees != "sees" {
			out = append(out, d.Title)
		}
	}
	return out
}

func (s *Server) credentials(w http.ResponseWriter, r *http.Request) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	all, err := a.Credentials(r.Context())
	if err != nil {
		return err
	}
	type group struct {
		State string
		ID    string // of its heading
		Files []wormbell.Guarded
	}
	groups := []group{{State: wormbell.GuardNot, ID: "not"}, {State: wormbell.GuardOn, ID: "on"}, {State: wormbell.GuardAbsent, ID: "absent"}, {State: wormbell.GuardOff, ID: "off"}}
	for _, g := range all {
		for i := range groups {
			if groups[i].State == g.State {
				groups[i].Files = append(groups[i].Files, g)
			}
		}
	}
	for _, g := range groups {
		slices.SortStableFunc(g.Files, func(a, b wormbell.Guarded) int {
			var x, y time.Time
			if a.LastRead != nil {
				x = *a.LastRead
			}
			if b.LastRead != nil {
				y = *b.LastRead
			}
			return cmp.Or(y.Compare(x), cmp.Compare(a.Path, b.Path))
		})
	}
	groups = slices.DeleteFunc(groups, func(g group) bool { return len(g.Files) == 0 })
	s.show(w, r, http.StatusOK, "credentials", page{Title: s.c.Words.Say(words.DashCredentials), Nav: "credentials", Topics: topicAlerts, Data: groups})
	return nil
}

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
	s.show(w, r, http.StatusOK, "trust", page{Title: s.c.Words.Say(words.DashTrust), Nav: "trust", Data: v})
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

const maxPackages = 100

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
	}
	index := map[role]int{}
	for _, a := range rows {
		for _, p := range a.Packages {
			i, known := index[p]
			if !known {
				i = len(v.Named)
				index[p] = i
				v.Named = append(v.Named, named{Package: p.Package, Script: p.Script})
			}
			n := &v.Named[i]
			n.Worst = max(n.Worst, a.Severity)
			if len(n.Alerts) == 0 {
				n.Alerts = []row{a}
			} else {
				n.More++
			}
		}
	}
	slices.SortStableFunc(v.Named, func(a, b named) int { return int(b.Worst) - int(a.Worst) })
	if len(v.Named) > maxPackages {
		v.More = len(v.Named) - maxPackages
		v.Named = v.Named[:maxPackages]
	}
	for _, n := range v.Named {
		s.tell(r.Context(), n.Alerts)
	}
	v.Arrivals, v.Since = s.seen.get()
	s.show(w, r, http.StatusOK, "packages", page{Title: s.c.Words.Say(words.DashPackages), Nav: "packages", Topics: topicAlerts + " " + topicStatus, Stream: "packages", Data: v})
	return nil
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	st, err := a.Status(r.Context())
	if err != nil {
		return err
	}
	s.usage.add(st, s.c.Now())
	v := struct {
		Status  wormbell.Status
		Blind   []string
		Average string // per cent of a core since it started
		Memory  string
		Uptime  string
		Charts  []*chart
		Paused  bool
	}{Status: st, Blind: blind(st), Average: "–", Memory: megabytes(st.RSS), Uptime: s.span(time.Duration(st.Uptime * float64(time.Second))),
		Paused: st.PausedUntil != nil && st.PausedUntil.After(s.c.Now())}
	if st.Uptime > 0 {
		v.Average = percent(100 * st.CPU / st.Uptime)
	}
	v.Charts = s.charts()
	s.show(w, r, http.StatusOK, "status", page{Title: s.c.Words.Say(words.DashStatus), Nav: "status", Topics: topicStatus + " " + topicAlerts, Data: v})
	return nil
}

// charts draws the agent's own load.
func (s *Server) charts() (out []*chart) {
	points := s.usage.get()
	var cpu, rss []float64
	for _, p := range points {
		cpu, rss = append(cpu, p.CPU), append(rss, float64(p.RSS))
	}
	if len(points) < 2 {
		return nil
	}
	top := round(max(slices.Max(cpu), 0.1), 0.1)
	c := plot("cpu", cpu, top)
	c.Title, c.Top = s.c.Words.Say(words.DashChartCPU), percent(top)
	c.Desc = s.c.Words.Say(words.DashChartNow, percent(cpu[len(cpu)-1]), percent(slices.Max(cpu)))
	topRSS := round(max(slices.Max(rss), 1<<20)/(1<<20), 1) * (1 << 20)
	m := plot("memory", rss, topRSS)
	m.Title, m.Top = s.c.Words.Say(words.DashChartMemory), megabytes(int64(topRSS))
	m.Desc = s.c.Words.Say(words.DashChartNow, megabytes(int64(rss[len(rss)-1])), megabytes(int64(slices.Max(rss))))
	return []*chart{c, m}
}

// span is a duration in its two greatest units.
func (s *Server) span(d time.Duration) string {
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case h >= 24:
		return s.c.Words.Say(words.DashDaysHours, h/24, h%24)
	case h > 0:
		return s.c.Words.Say(words.DashHoursMinutes, h, m)
	}
	return s.c.Words.Say(words.DashMinutes, m)
}

// number writes n with its thousands apart.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func percent(v float64) string {
	switch {
	case v >= 10:
		return fmt.Sprintf("%.0f %%", v)
	case v >= 0.1 || v == 0:
		return fmt.Sprintf("%.1f %%", v)
	}
	return fmt.Sprintf("%.2f %%", v)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }

// answer is the page of a response.
type answer struct {
	alertView
	progress
	Trouble, Hint string
	Elsewhere     string // another alert's response is under way
	Possible      bool
	Foreign       bool // the alert concerns somebody else
}

func (s *Server) respondPage(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	if a.ID != r.PathValue("id") {
		return s.back(w, r, "/alerts/"+a.ID+"/respond")
	}
	v := answer{alertView: alertView{Alert: a, Told: s.c.Words.Alert(a)}, progress: s.response.now(),
		Foreign: a.User != "" && a.User != strconv.Itoa(os.Getuid()) && os.Getuid() >= 0}
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
