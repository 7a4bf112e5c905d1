package dashboard

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/client"
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
		"steps":   steps,
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
	funcs["told"] = w.Translate // what other packages say in English
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
		"POST /alerts/{id}/undo":       s.unvouch,
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
		p.CSRF = in.csrf
		p.At, _ = r.Context().Value(atKey{}).(int)
		p.Here = r.URL.Path
		s.overall(r.Context(), &p)
		if r.Header.Get("Sec-Fetch-Dest") != "empty" { // a page that reads itself again is not the next one
			p.Flash = in.said()
		}
	}
	if f := p.Flash; f != nil { // what was done is what a screen reader says first
		said := f.Text
		if f.Agent {
			said = s.c.Words.Say("dash-refused-by-agent")
		}
		if f.Error || !f.Agent {
			p.Title = said + " – " + p.Title
		}
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
	case r.Method == http.MethodPost && idForm.MatchString(r.PathValue("id")) && sessionOf(r) != nil: // what did not work leads back to its alert
		s.c.Log.Warn("action failed", "err", err)
		s.did(r, "", err)
		s.back(w, r, "/alerts/"+r.PathValue("id"))
	default:
		s.c.Log.Warn("page failed", "err", err)
		s.show(w, r, http.StatusBadGateway, "trouble", page{Title: s.c.Words.Say(words.DashTrouble), Topics: topicAgent, Data: s.explain(err)})
	}
}

// flashMore is what a flash may say and offer besides.
type flashMore struct {
	Warn    bool     // it was done in part, or in vain
	Details string   // the agent's words about it, in English
	Undo    string   // path of the form that undoes it, "" if there is none
	Rows    []string // IDs of the trust rows that it takes back
	Resumed bool     // processes were let go on
	Trust   bool     // there is something to see on the page Trust
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
