package dashboard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/exposure"
	"wormbell/internal/plain"
	"wormbell/internal/words"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

var idForm = regexp.MustCompile(`^[A-Za-z0-9]{4,16}$`)

// page is what every template gets.
type page struct {
	Title   string
	Nav     string // which entry of the menu it belongs to
	Topics  string // what makes it read again, see hub
	Stream  string // name of the page for the stream, "" if it needs nothing special
	Summary string // what a screen reader is told when it changes
	CSRF    string // "" outside of a session
	At      int    // see hub.at
	Lang    string
	Flash   *flash
	Status  *wormbell.Status // of the agent, if the page has asked for it
	Here    string           // path of the page
	Gone    *gone            // why the agent cannot be asked, nil if it can
	Pause   *pause           // of notifications, nil if there is none
	Data    any
}

// templates parses every page together with the frame around it.
func (s *Server) templates() (map[string]*template.Template, error) {
	w := s.c.Words
	funcs := template.FuncMap{
		"t":        func(key string, data ...any) string { return w.Say(words.Key(key), data...) },
		"p":        plain.Text,
		"cut":      func(n int, text string) string { return plain.Cut(text, n) },
		"severity": func(v wormbell.Severity) string { return w.Say(words.Key("dash-severity-" + v.String())) },
		"state":    func(v wormbell.State) string { return w.Say(words.Key("dash-state-" + string(v))) },
		"when":     s.when, "clock": s.clock, "day": s.day,
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"sub":     func(step string) bool { return strings.HasPrefix(step, "  ") }, // belongs to the step before
		"trim":    strings.TrimSpace,
		"root":    s.gate.at, // below which everything is served
		"row":     func(r wormbell.TrustRow) string { return w.Trust(r, s.c.Now()) },
		"who":     w.Trusted,
		"under":   w.Under,
		"looks":   func(id string) string { text, _ := w.Detector(id); return text },
		"action":  w.Action,
		"store":   func(id string) string { return w.Store(id) },
		"num":     number,
		"english": func() bool { return w.Tag() == "en" },
		"version": func(p *wormbell.Package) string { return plain.Text(p.String()) },
	}
	files, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("list pages: %w", err)
	}
	out := map[string]*template.Template{}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".html")
		if name == "frame" || name == "parts" {
			continue
		}
		t, err := template.New(name).Funcs(funcs).ParseFS(pageFiles, "pages/frame.html", "pages/parts.html", f)
		if err != nil {
			return nil, fmt.Errorf("read page %q: %w", name, err)
		}
		out[name] = t
	}
	return out, nil
}

// when is a time with its day, clock the time of day, day the day.
func (s *Server) when(t time.Time) string {
	return s.day(t) + " " + s.clock(t)
}

func (s *Server) clock(t time.Time) string { return t.In(s.c.Zone).Format("15:04:05") }

func (s *Server) day(t time.Time) string {
	t = t.In(s.c.Zone)
	thisYear := t.Year() == s.c.Now().In(s.c.Zone).Year()
	if s.c.Words.Tag() == "ja" {
		day := fmt.Sprintf("%d月%d日(%s)", int(t.Month()), t.Day(), []string{"日", "月", "火", "水", "木", "金", "土"}[t.Weekday()])
		if !thisYear {
			day = fmt.Sprintf("%d年", t.Year()) + day
		}
		return day
	}
	if thisYear {
		return t.Format("Mon 2 Jan")
	}
	return t.Format("Mon 2 Jan 2006")
}

// routes is the table of what can be asked.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	static, _ := fs.Sub(staticFiles, "static") // it is embedded
	mux.Handle("GET /static/", http.StripPrefix("/static/", cached(http.FileServerFS(static))))
	for pattern, do := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                     s.alerts,
		"GET /alerts/{id}":             s.alert,
		"GET /alerts/{id}/report.html": s.reportHTML,
		"GET /alerts/{id}/report.json": s.reportJSON,
		"GET /alerts/{id}/it-was-me":   s.itWasMe,
		"POST /alerts/{id}/it-was-me":  s.vouch,
		"GET /alerts/{id}/respond":     s.respondPage,
		"POST /alerts/{id}/respond":    s.respondDo,
		"POST /alerts/{id}/{verb}":     s.act,
		"GET /credentials":             s.credentials,
		"GET /trust":                   s.trust,
		"POST /trust/{id}/remove":      s.removeTrust,
		"GET /packages":                s.packages,
		"GET /status":                  s.statusPage,
		"POST /pause/end":              s.endPause,
		"GET /alive":                   func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(http.StatusNoContent); return nil },
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			// The request has been read; its deadline would end its context.
			http.NewResponseController(w).SetReadDeadline(time.Time{})
			if err := do(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Time{})
		s.live(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.show(w, r, http.StatusNotFound, "missing", page{Title: s.c.Words.Say(words.DashMissing)})
	})
	return mux
}

// cached lets a browser keep what never changes while this process lives; its
// address changes with the next one's port.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") || r.URL.Path == "" {
			http.NotFound(w, r) // no lists of files
			return
		}
		w.Header().Set("Cache-Control", "private, max-age=600")
		next.ServeHTTP(w, r)
	})
}

// show writes a page.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Lang = s.c.Words.Tag()
	if in := sessionOf(r); in != nil {
		p.CSRF, p.Flash = in.csrf, in.said()
		p.At, _ = r.Context().Value(atKey{}).(int)
		p.Here = r.URL.Path
		s.overall(r.Context(), &p)
	}
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, "frame", p); err != nil {
		s.c.Log.Error("page failed", "page", name, "err", err)
		http.Error(w, "this page failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// outside shows a page to who has no session.
func (s *Server) outside(w http.ResponseWriter, r *http.Request, status int, name string) {
	s.show(w, r, status, name, page{Title: s.c.Words.Say(words.DashLocked)})
}

// fail shows what went wrong.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var said *client.Error
	switch {
	case r.Context().Err() != nil: // nobody listens
	case away(err):
		s.showGone(w, r, err)
	case errors.As(err, &said) && said.Status == http.StatusNotFound:
		s.show(w, r, http.StatusNotFound, "missing", page{Title: s.c.Words.Say(words.DashMissing)})
	default:
		s.c.Log.Warn("page failed", "err", err)
		s.show(w, r, http.StatusBadGateway, "trouble", page{Title: s.c.Words.Say(words.DashTrouble), Topics: topicAgent, Data: s.explain(err)})
	}
}

// back sends the browser to a page of ours after something was done.
func (s *Server) back(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, s.gate.at()+to, http.StatusSeeOther)
	return nil
}

// did leaves how an action went for the next page.
func (s *Server) did(r *http.Request, text string, err error) {
	f := flash{Text: text}
	if err != nil {
		f = s.explain(err)
	}
	sessionOf(r).say(f)
}

// find returns the alert that a request names.
func (s *Server) find(r *http.Request) (Agent, wormbell.Alert, error) {
	id := r.PathValue("id")
	if !idForm.MatchString(id) {
		return nil, wormbell.Alert{}, &client.Error{Status: http.StatusNotFound, Text: "there is no such alert"}
	}
	a, err := s.ask()
	if err != nil {
		return nil, wormbell.Alert{}, err
	}
	alert, err := a.Alert(r.Context(), id)
	return a, alert, err
}

// alertView is one alert for its page and its report.
type alertView struct {
	Alert    wormbell.Alert
	Told     words.Told
	Roots    []*node
	Pictures []*picture
	Events   []event
	Exposed  exposure.Exposure
	Commands []exposure.Command
	Frozen   bool
	Offers   bool // "It was me" may have an answer
	Answers  bool // this program can respond
	Text     string
	Host     string
	Made     time.Time
}

// event is one line of the evidence.
type event struct {
	Time time.Time
	deed
	By       string
	PID      int
	Detector string
	Times    int
}

const maxEvents = 300

func (s *Server) view(r *http.Request, a wormbell.Alert) alertView {
	v := alertView{Alert: a, Told: s.c.Words.Alert(a), Roots: s.grow(a), Exposed: exposure.Of(a), Host: s.c.Host, Made: s.c.Now(),
		Offers: s.c.Suggest != nil, Answers: s.c.Prepare != nil}
	if s.c.Expose != nil {
		if err := s.c.Expose(r.Context(), a, &v.Exposed); err != nil {
			s.c.Log.Debug("not all of what was exposed is known", "err", err)
		}
	}
	v.Commands = v.Exposed.Commands()
	v.Pictures = []*picture{s.draw(v.Roots, "wide", "wide", 852, 30), s.draw(v.Roots, "narrow", "narrow", 350, 12)}
	v.Events = s.events(a)
	for _, act := range a.Actions {
		switch act.What {
		case "freeze":
			v.Frozen = true
		case "resume", "kill":
			v.Frozen = false
		}
	}
	return v
}

// events lists an alert's evidence once, in order of time.
func (s *Server) events(a wormbell.Alert) []event {
	var out []event
	seen := map[string]int{}
	for _, f := range a.Findings {
		for _, e := range f.Evidence {
			d, ok := s.deed(e)
			if !ok {
				continue
			}
			pid := 0
			if e.Process != nil {
				pid = e.Process.PID
			}
			key := fmt.Sprint(e.Time.UnixNano(), d.Verb, d.What, pid)
			if _, known := seen[key]; known {
				continue // evidence of two findings
			}
			seen[key] = len(out)
			out = append(out, event{Time: e.Time, deed: d, By: e.Process.Name(), PID: pid, Detector: f.Detector, Times: 1})
		}
	}
	slices.SortStableFunc(out, func(a, b event) int { return a.Time.Compare(b.Time) })
	return out[:min(len(out), maxEvents)]
}

func (s *Server) alert(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	if a.ID != r.PathValue("id") { // a part of the ID, or merged into another
		return s.back(w, r, "/alerts/"+a.ID)
	}
	v := s.view(r, a)
	s.show(w, r, http.StatusOK, "alert", page{Title: v.Told.Title, Nav: "alerts", Topics: topicAlerts,
		Summary: s.c.Words.Say(words.DashAlertSummary, v.Told.Title, s.c.Words.Say(words.Key("dash-state-"+string(a.State)))), Data: v})
	return nil
}

// act is POST alerts/{id}/{verb}.
func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	agent, a, err := s.find(r)
	if err != nil {
		return err
	}
	ctx, reason := r.Context(), plain.Cut(strings.TrimSpace(r.PostFormValue("reason")), 500)
	text := ""
	switch verb := r.PathValue("verb"); verb {
	case "freeze":
		text, err = agent.Freeze(ctx, a.ID)
	case "resume":
		text, err = agent.Resume(ctx, a.ID)
	case "kill":
		text, err = agent.Kill(ctx, a.ID)
	case "close":
		text, err = s.c.Words.Say(words.DashDidClose), agent.Close(ctx, a.ID, reason)
	case "mute":
		text, err = s.c.Words.Say(words.DashDidMute), agent.Mute(ctx, a.ID, reason)
	case "reopen":
		text, err = s.c.Words.Say(words.DashDidReopen), agent.Reopen(ctx, a.ID, reason)
	case "note":
		if reason == "" {
			return s.back(w, r, "/alerts/"+a.ID)
		}
		text, err = s.c.Words.Say(words.DashDidNote), agent.Act(ctx, a.ID, wormbell.Action{What: "note", Outcome: reason})
	default:
		s.show(w, r, http.StatusNotFound, "missing", page{Title: s.c.Words.Say(words.DashMissing)})
		return nil
	}
	if away(err) {
		return err
	}
	s.did(r, text, err)
	return s.back(w, r, "/alerts/"+a.ID)
}

// reportHTML is the alert as a page that stands on its own.
func (s *Server) reportHTML(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	v := s.view(r, a)
	v.Text = exposure.Report(a, v.Exposed, exposure.Header{Host: s.c.Host, Zone: s.c.Zone})
	style, err := staticFiles.ReadFile("static/style.css")
	if err != nil {
		return fmt.Errorf("read the style: %w", err)
	}
	var b bytes.Buffer
	data := struct {
		alertView
		Lang  string
		Style template.CSS // our own file
	}{v, s.c.Words.Tag(), template.CSS(style)}
	if err := s.pages["report"].ExecuteTemplate(&b, "report", data); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="wormbell-`+a.ID+`.html"`)
	w.Write(b.Bytes())
	return nil
}

// reportJSON is the alert as `wormbell alert show --json` writes it.
func (s *Server) reportJSON(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	v := s.view(r, a)
	one, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	two, err := json.Marshal(v.Exposed)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	head, ok := bytes.CutSuffix(one, []byte("}"))
	if !ok {
		return errors.New("an alert is no JSON object")
	}
	var b bytes.Buffer
	if err := json.Indent(&b, fmt.Appendf(nil, `%s,"exposure":%s}`, head, two), "", "  "); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="wormbell-`+a.ID+`.json"`)
	w.Write(b.Bytes())
	return nil
}

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
