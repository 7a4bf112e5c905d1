package dashboard

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell/internal/words"
)

// This file decides who gets in: the person's own browser, by a link that
// works once, and nobody else.

// gate keeps tickets and sessions. It keeps only digests of what opens it. It
// is safe for concurrent use.
type gate struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	root     string     // path below which all but /enter is served, "" before the first use
	tickets  map[[32]byte]ticket
	sessions map[[32]byte]*session
}

// ticket is a link that was given out and not used.
type ticket struct {
	page  string
	until time.Time
}

// session is one browser that came in.
type session struct {
	csrf   string // what its forms carry
	until  time.Time
	ticket [32]byte // digest of what it was made of
	mark   [32]byte // digest of what tells this browser when its link comes again; it opens nothing

	mu    sync.Mutex // guards what follows
	flash *flash     // what the next page says
}

// flash is what one page does and the next one says.
type flash struct {
	Text  string
	Hint  string
	Error bool
	Agent bool // Text and Hint are the agent's, in English
	flashMore
}

func secretText() string { return base64.RawURLEncoding.EncodeToString(random(32)) }

// issue returns a new ticket for page. Of too many, the oldest go.
func (g *gate) issue(page string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tickets == nil {
		g.tickets = map[[32]byte]ticket{}
	}
	for len(g.tickets) >= maxTickets {
		var oldest [32]byte
		var until time.Time
		for k, t := range g.tickets {
			if until.IsZero() || t.until.Before(until) {
				oldest, until = k, t.until
			}
		}
		delete(g.tickets, oldest)
	}
	text := secretText()
	g.tickets[sha256.Sum256([]byte(text))] = ticket{page, g.now().Add(ticketTime)}
	return text
}

// at is the path below which everything but the entrance is served. Browsers
// send cookies to every port of a host, but only below the cookie's path: who
// listens on another port of 127.0.0.1 gets ours only if they know it. It is in
// no link, so not in a list of processes either.
func (g *gate) at() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.path()
}

// path is at, for who holds mu.
func (g *gate) path() string {
	if g.root == "" {
		g.root = "/" + secretText()
	}
	return g.root
}

var (
	errNoTicket  = errors.New("no such ticket")
	errUsedTwice = errors.New("a link was used by two browsers")
)

// entry is what a ticket gives.
type entry struct {
	page   string // with its path
	root   string // path of the cookie
	cookie string
	mark   string // see session
}

// enter takes a ticket, which is then gone, and opens a session. When a ticket
// comes again from a browser that has not the first one's mark, one of the two
// stole it, and nobody can tell which: every session ends, and the path changes.
func (g *gate) enter(text string, marks []string) (entry, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := sha256.Sum256([]byte(text))
	t, ok := g.tickets[key]
	delete(g.tickets, key)
	now := g.now()
	if !ok || !now.Before(t.until) {
		for _, s := range g.sessions {
			if s.ticket != key || !now.Before(s.until) {
				continue
			}
			if slices.ContainsFunc(marks, func(m string) bool { return sha256.Sum256([]byte(m)) == s.mark }) {
				return entry{}, errNoTicket // opened once more where it was opened
			}
			clear(g.sessions)
			g.root = ""
			return entry{}, errUsedTwice
		}
		return entry{}, errNoTicket
	}
	if g.sessions == nil {
		g.sessions = map[[32]byte]*session{}
	}
	var oldest [32]byte
	var until time.Time
	for k, s := range g.sessions {
		if !now.Before(s.until) {
			delete(g.sessions, k)
		} else if until.IsZero() || s.until.Before(until) {
			oldest, until = k, s.until
		}
	}
	if len(g.sessions) >= maxSessions {
		delete(g.sessions, oldest)
	}
	e := entry{page: g.path() + t.page, root: g.path() + "/", cookie: secretText(), mark: secretText()}
	g.sessions[sha256.Sum256([]byte(e.cookie))] = &session{csrf: secretText(), until: now.Add(sessionTime),
		ticket: key, mark: sha256.Sum256([]byte(e.mark))}
	return e, nil
}

// session returns the session that a cookie's value opens, nil if there is none.
func (g *gate) session(cookie string) *session {
	if cookie == "" {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[sha256.Sum256([]byte(cookie))]
	if s == nil || !g.now().Before(s.until) {
		return nil
	}
	return s
}

// say leaves something for the next page.
func (s *session) say(f flash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flash = &f
}

// said takes what was left.
func (s *session) said() *flash {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flash
	s.flash = nil
	return f
}

type (
	sessionKey struct{}
	atKey      struct{} // hub.at when the request came
)

func sessionOf(r *http.Request) *session {
	s, _ := r.Context().Value(sessionKey{}).(*session)
	return s
}

// policy is what a page may do: show what comes from here, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard lets through what the person's own browser sends from our own pages.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=(), payment=()")
		h.Set("Cache-Control", "no-store")
		entrance := r.URL.Path == "/enter"
		r, below := s.below(r)
		why := s.refuse(r)
		if why == "" && !entrance && !below {
			why = "unknown path" // the same answer for all: whether there are pages is not to be learnt
		}
		if why != "" {
			s.c.Log.Warn("request refused", "why", why)
			h.Set("Content-Type", "text/plain; charset=utf-8")
			h.Set("Connection", "close") // it keeps no place
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(s.c.Words.Say(words.DashRefused) + "\n")) // who that is, is told nothing
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if entrance {
			s.enter(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/static/") {
			next.ServeHTTP(w, r)
			return
		}
		var in *session
		for _, c := range r.CookiesNamed(s.cookie) { // another server on this host may have set one of that name, too
			if in = s.gate.session(c.Value); in != nil {
				break
			}
		}
		if in == nil {
			s.outside(w, r, http.StatusUnauthorized, "locked")
			return
		}
		if r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(in.csrf)) != 1 {
			s.c.Log.Warn("request refused", "why", "form without its mark")
			s.outside(w, r, http.StatusForbidden, "stale")
			return
		}
		if r.URL.Path != "/live" {
			s.hub.touch()
		}
		ctx := context.WithValue(r.Context(), sessionKey{}, in)
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, atKey{}, s.hub.at())))
	})
}

// below returns a request as if its pages were served at the root, and reports
// whether it asks for something below our path.
func (s *Server) below(r *http.Request) (*http.Request, bool) {
	rest, ok := strings.CutPrefix(r.URL.Path, s.gate.at())
	if !ok || !strings.HasPrefix(rest, "/") {
		return r, false
	}
	u := *r.URL
	u.Path, u.RawPath = rest, strings.TrimPrefix(u.RawPath, s.gate.at())
	if raw := r.URL.RawPath; raw != "" && u.RawPath == raw { // our path was written in another way
		return r, false
	}
	out := r.WithContext(r.Context())
	out.URL = &u
	return out, true
}

// refuse says why a request is not from the person's own browser and our own
// pages, "" if it may be.
func (s *Server) refuse(r *http.Request) string {
	if r.Host != s.host { // a name that an attacker made point here
		return "foreign host"
	}
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	own := "http://" + s.host
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		return "method"
	case r.Header.Get("Sec-Purpose") != "" || r.Header.Get("Purpose") != "":
		return "prefetch" // nobody has asked for it yet
	case len(r.Header.Values("Origin")) > 1 || len(r.Header.Values("Sec-Fetch-Site")) > 1:
		return "ambiguous"
	case origin != "" && origin != "null" && origin != own:
		return "foreign origin"
	case r.Method == http.MethodPost || r.URL.Path == "/live":
		// Our referrer policy makes browsers send the origin of a form as "null"
		// (Fetch, 3.2); then the other header says where it comes from. Without
		// either it is no browser of these years.
		if site == "same-origin" || site == "" && origin == own {
			return ""
		}
		return "not from our pages"
	case site != "" && site != "same-origin" && site != "none":
		return "link of a foreign page" // none: typed, or opened by another program
	}
	return ""
}

// enter is GET /enter: a ticket for a session.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		s.outside(w, r, http.StatusMethodNotAllowed, "locked")
		return
	}
	var marks []string
	for _, c := range r.CookiesNamed(s.cookie + markName) {
		marks = append(marks, c.Value)
	}
	e, err := s.gate.enter(r.URL.Query().Get("ticket"), marks)
	switch {
	case errors.Is(err, errUsedTwice):
		s.c.Log.Warn("sessions ended", "why", err)
		if s.c.UsedTwice != nil {
			s.c.UsedTwice()
		}
		s.outside(w, r, http.StatusForbidden, "twice")
		return
	case err != nil:
		s.outside(w, r, http.StatusForbidden, "locked")
		return
	}
	s.hub.touch()
	// No Max-Age: it ends with the browser, and with us, who forget the session.
	http.SetCookie(w, &http.Cookie{Name: s.cookie, Value: e.cookie, Path: e.root, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.SetCookie(w, &http.Cookie{Name: s.cookie + markName, Value: e.mark, Path: "/enter", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, e.page, http.StatusSeeOther)
}

// markName is added to the name of the session's cookie for that of its mark.
const markName = "-mark"

// ours returns nil if a connection comes from this user. Whoever else can
// connect to loopback may have seen a ticket in a list of processes.
func ours(c net.Conn) error {
	uid, err := uidOf(c)
	switch {
	case err == nil && uid != os.Getuid():
		return errStranger
	case errors.Is(err, errCannotTell):
		return nil
	}
	return err
}
