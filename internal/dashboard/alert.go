package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"os"
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

// This file has the page of one alert, and what its buttons do.

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
	CSRF     string
	Roots    []*node
	Pictures []*picture
	Events   []event
	Exposed  exposure.Exposure
	Late     bool // the person's files did not answer: Exposed lacks what they tell
	Commands []exposure.Command
	Log      []done
	Frozen   bool   // its processes are stopped and can go on
	Minor    bool   // closing it is what most people do
	Foreign  bool   // it is another user's
	Offers   bool   // "It was me" may have an answer
	Answers  bool   // this program can respond
	Kept     bool   // it is the report, a file to keep
	Text     string // of the report
	Host     string
	Made     time.Time
}

// done is one thing that was done about an alert.
type done struct {
	Time time.Time
	words.Did
}

// event is one line of the evidence.
type event struct {
	Time time.Time
	Day  string // of another day than today
	deed
	By       string
	PID      int
	Detector string
	Times    int
}

const maxEvents = 300

// head is what every page of an alert needs.
func (s *Server) head(r *http.Request, a wormbell.Alert) alertView {
	v := alertView{Alert: a, Told: s.c.Words.Alert(a), Frozen: a.Frozen(),
		Foreign: foreign(a), Answers: s.c.Prepare != nil}
	v.Told.Next = s.c.Words.Next(a)
	v.Offers = s.c.Suggest != nil && !v.Foreign && !a.Demo // nobody did a demonstration
	v.Minor = a.Severity <= wormbell.Low && a.State == wormbell.Open
	if in := sessionOf(r); in != nil {
		v.CSRF = in.csrf
	}
	return v
}

// foreign reports whether an alert is another user's than who serves these
// pages. An administrator sees it, and cannot answer for its owner.
func foreign(a wormbell.Alert) bool {
	uid := os.Getuid()
	return a.User != "" && uid >= 0 && a.User != strconv.Itoa(uid)
}

// view is all there is to show of an alert; what the person's files tell of it
// is waited for no longer than limit.
func (s *Server) view(r *http.Request, a wormbell.Alert, limit time.Duration) alertView {
	v := s.head(r, a)
	v.Roots, v.Host, v.Made = s.grow(a), s.c.Host, s.c.Now()
	v.Exposed, v.Late = s.expose(r.Context(), a, limit)
	v.Commands = v.Exposed.Commands()
	v.Pictures = []*picture{s.draw(v.Roots, "wide", wide), s.draw(v.Roots, "narrow", narrow)}
	v.Events = s.events(a)
	for _, act := range a.Actions {
		v.Log = append(v.Log, done{act.Time, s.c.Words.Did(act)})
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
	out = out[:min(len(out), maxEvents)]
	today := s.day(s.c.Now())
	for i := range out {
		if d := s.day(out[i].Time); d != today {
			out[i].Day = d
		}
	}
	return out
}

func (s *Server) alert(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	if a.ID != r.PathValue("id") { // a part of the ID, or merged into another
		return s.back(w, r, "/alerts/"+a.ID)
	}
	v := s.view(r, a, exposeTime)
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
	f := flash{}
	switch verb := r.PathValue("verb"); verb {
	case "freeze", "resume", "kill":
		f, err = s.halt(ctx, agent, a, verb)
	case "close":
		f, err = s.close(ctx, agent, a, reason, r.PostFormValue("frozen"))
	case "mute":
		f.Text, err = s.c.Words.Say(words.DashDidMute), agent.Mute(ctx, a.ID, reason)
	case "reopen":
		f.Text, err = s.c.Words.Say(words.DashDidReopen), agent.Reopen(ctx, a.ID, reason)
	case "note":
		if reason == "" {
			return s.back(w, r, "/alerts/"+a.ID)
		}
		f.Text, err = s.c.Words.Say(words.DashDidNote), agent.Act(ctx, a.ID, wormbell.Action{What: "note", Outcome: reason})
	default:
		s.show(w, r, http.StatusNotFound, "missing", page{Title: s.c.Words.Say(words.DashMissing)})
		return nil
	}
	if away(err) {
		return err
	}
	if err != nil {
		f = s.explain(err)
	}
	sessionOf(r).say(f)
	return s.back(w, r, "/alerts/"+a.ID)
}

// halt freezes, resumes or ends an alert's processes, and says how that went.
func (s *Server) halt(ctx context.Context, agent Agent, a wormbell.Alert, verb string) (flash, error) {
	do := map[string]func(context.Context, string) (string, error){"freeze": agent.Freeze, "resume": agent.Resume, "kill": agent.Kill}[verb]
	text, err := do(ctx, a.ID)
	if err != nil {
		return flash{}, err
	}
	f := flash{Text: text, Agent: true} // what it recorded says more, and in the person's language
	now, err := agent.Alert(ctx, a.ID)
	if err != nil {
		return f, nil // it was done all the same
	}
	last := func(x wormbell.Alert) (out wormbell.Action) {
		for _, did := range x.Actions {
			if did.What == verb || did.What == verb+"-none" {
				out = did
			}
		}
		return out
	}
	did := last(now)
	if did.What == "" || did == last(a) {
		return f, nil
	}
	if said := s.c.Words.Sentence(did); said != "" {
		f = flash{Text: said}
		f.Details, f.Warn = did.Outcome, did.Left > 0 || verb == "freeze" && did.Done == 0
	}
	return f, nil
}

// close closes an alert. Of one whose processes are frozen it has to be said
// what becomes of them: "resume", "kill" or "leave".
func (s *Server) close(ctx context.Context, agent Agent, a wormbell.Alert, reason, frozen string) (flash, error) {
	halted := a.Frozen()
	if halted && frozen != "resume" && frozen != "kill" && frozen != "leave" {
		return flash{Text: s.c.Words.Say(words.DashStale), Error: true}, nil // they were frozen after the page was made
	}
	if err := agent.Close(ctx, a.ID, reason); err != nil {
		return flash{}, err
	}
	out := flash{Text: s.c.Words.Say(words.DashDidClose)}
	switch {
	case !halted:
	case frozen == "leave":
		out.Text = s.c.Words.Say(words.PageClosedOnly)
	default:
		failed := words.PageClosedFrozen
		if frozen == "kill" {
			failed = words.PageClosedRunning
		}
		out = s.join(out, failed, func() (flash, error) { return s.halt(ctx, agent, a, frozen) })
	}
	return out, nil
}

// join adds to how one thing went how the next one goes; failed says that the
// next did not go well.
func (s *Server) join(first flash, failed words.Key, next func() (flash, error)) flash {
	f, err := next()
	if err != nil {
		first.Text, first.Warn, first.Details = s.c.Words.Say(failed), true, s.because(err)
		return first
	}
	if f.Agent {
		first.Details = f.Text
		return first
	}
	if s.c.Words.Tag() != "ja" {
		first.Text += " "
	}
	first.Text += f.Text
	first.Details, first.Warn = f.Details, f.Warn
	return first
}

// because is the agent's reason and what it advises, for the details.
func (s *Server) because(err error) string {
	why := s.explain(err)
	if why.Hint == "" {
		return why.Text
	}
	return why.Text + ". " + why.Hint
}
