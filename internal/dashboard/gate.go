package dashboard

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"os"
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
	csrf  string // what its forms carry
	until time.Time

	mu    sync.Mutex // guards what follows
	flash *flash     // what the next page says
}

// flash is what one page does and the next one says.
type flash struct {
	Text  string
	Hint  string
	Error bool
	Agent bool // Text and Hint are the agent's, in English
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

// enter takes a ticket, which is then gone, and returns the page it is for and
// the value of a new session's cookie.
func (g *gate) enter(text string) (page, cookie string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := sha256.Sum256([]byte(text))
	t, ok := g.tickets[key]
	delete(g.tickets, key)
	now := g.now()
	if !ok || !now.Before(t.until) {
		return "", "", false
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
	cookie = secretText()
	g.sessions[sha256.Sum256([]byte(cookie))] = &session{csrf: secretText(), until: now.Add(sessionTime)}
	return t.page, cookie, true
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
		if why := s.refuse(r); why != "" {
			s.c.Log.Warn("request refused", "why", why)
			h.Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(s.c.Words.Say(words.DashRefused) + "\n")) // who that is, is told nothing
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if r.URL.Path == "/enter" {
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

// refuse says why a request is not from the person's own browser and our own
// pages, "" if it may be.
func (s *Server) refuse(r *http.Request) string {
	if r.Host != s.host { // a name that an attacker made point here
		return "foreign host"
	}
	if err, _ := r.Context().Value(peerKey{}).(error); err != nil {
		return err.Error()
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
	page, cookie, ok := s.gate.enter(r.URL.Query().Get("ticket"))
	if !ok {
		s.outside(w, r, http.StatusForbidden, "locked")
		return
	}
	s.hub.touch()
	// No Max-Age: it ends with the browser, and with us, who forget the session.
	http.SetCookie(w, &http.Cookie{Name: s.cookie, Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, page, http.StatusSeeOther)
}

type peerKey struct{}

// peer notes of a connection whether it comes from this user. Whoever else can
// connect to loopback may have seen a ticket in a list of processes, or been
// sent our cookie: browsers send cookies to every port of a host.
func (s *Server) peer(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*place); ok {
		c = p.Conn
	}
	uid, err := uidOf(c)
	switch {
	case err == nil && uid != os.Getuid():
		err = errStranger
	case err == errCannotTell:
		err = nil
	}
	if err != nil {
		return context.WithValue(ctx, peerKey{}, err)
	}
	return ctx
}
