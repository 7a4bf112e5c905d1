// Package accounts gives the registry on loopback what a public one has around
// it: accounts with passwords, several kinds of tokens, a website to sign in on
// and a second factor. It follows the public registry's documents
// (npm/api-documentation, token.yaml and base.yaml of June 2026) where they say
// something, and npm 11 where they do not.
//
// It is for tests and must stay out of the programs. The browser is whoever
// gets the pages that it names: a visit is an approval.
package accounts

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"wormbell/internal/registry"
)

// sessionLife is how long a token of npm login lives (since December 2025).
const sessionLife = 2 * time.Hour

// Config says how the registry is. The zero Config is the public one's ways,
// with a user alice who has no password.
type Config struct {
	Users    map[string]User // by name; nil: alice
	SignedIn string          // who sits at the browser; "": alice

	NoWeb    bool // POST /-/v1/login is 404: no sign-in on the website
	NoPages  bool // the second factor is a code to be typed, see Server.Code
	NoLogout bool // logout answers 200 and does nothing, as Verdaccio's does
	Skip2FA  bool // one approval counts for five minutes
	Lag      int  // how many more requests a revoked token is taken for
	Now      func() time.Time
}

// User is one account.
type User struct {
	Password string
	Packages []string // what it maintains, for the search
}

// Token is one token.
type Token struct {
	Key      string // a UUID, not derived from the value
	Name     string
	User     string
	Session  bool // made by npm login: not listed, may manage tokens
	ReadOnly bool
	Bypass   bool     // needs no second factor; may manage nothing
	Packages []string // "*": all
	Scopes   []string
	Orgs     []string
	CIDR     []string
	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  bool

	value string
	lag   int
}

// pending is a page that waits for a person.
type pending struct {
	login  bool
	user   string // whose second factor it is
	opened bool
}

// Server is a running registry and its website. Its methods may be called from
// several goroutines; Close must be called once.
type Server struct {
	*registry.Server
	Web string // base URL of the website: another origin than the registry

	config Config
	web    *http.Server
	done   chan struct{} // closed when the website's goroutine has ended

	mu       sync.Mutex // guards all below
	tokens   []*Token
	pages    map[string]*pending
	codes    map[string]string    // code of a second factor → user
	skipping map[string]time.Time // user → until when no second factor is asked for
	requests []string
}

// New starts one on free ports of 127.0.0.1.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Users == nil {
		c.Users = map[string]User{"alice": {}}
	}
	if c.SignedIn == "" {
		c.SignedIn = "alice"
	}
	reg, err := registry.New()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on loopback: %w", err), reg.Close())
	}
	s := &Server{Server: reg, Web: "http://" + l.Addr().String(), config: c, done: make(chan struct{}),
		pages: map[string]*pending{}, codes: map[string]string{}, skipping: map[string]time.Time{}}
	s.web = &http.Server{Handler: http.HandlerFunc(s.visit), ReadHeaderTimeout: 10 * time.Second}
	reg.Guard(s.may, http.HandlerFunc(s.serve))
	go func() { // serves until Close
		defer close(s.done)
		_ = s.web.Serve(l) // always http.ErrServerClosed after Close
	}()
	return s, nil
}

// Close stops the registry and its website and waits for both.
func (s *Server) Close() error {
	err := errors.Join(s.web.Close(), s.Server.Close())
	<-s.done
	return err
}

// Issue makes a token as if it had always been there, and returns its value.
// What t does not say is filled in.
func (s *Server) Issue(t Token) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(t).value
}

// Tokens returns what lives, oldest first.
func (s *Server) Tokens() []Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Token
	for _, t := range s.tokens {
		if s.alive(t) {
			out = append(out, *t)
		}
	}
	return out
}

// Find returns the token of a value, also one that is dead, or nil.
func (s *Server) Find(value string) *Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if t.value == value {
			found := *t
			return &found
		}
	}
	return nil
}

// Requests returns what was asked under /-/, whoami and publishes excepted:
// "POST npm/v1/tokens otp", with three stars for a token in a path.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Code makes a code as user's authenticator or mail shows it. It counts once.
func (s *Server) Code(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.code(user)
}

func (s *Server) code(user string) string {
	c := digits(8)
	s.codes[c] = user
	return c
}

func (s *Server) issue(t Token) *Token {
	now := s.config.Now().UTC()
	if t.User == "" {
		t.User = s.config.SignedIn
	}
	if t.Key == "" {
		t.Key = uuid()
	}
	if t.Created.IsZero() {
		t.Created = now
	}
	if t.Session {
		t.Expires = t.Created.Add(sessionLife)
	}
	t.value = "npm_" + random(36)
	s.tokens = append(s.tokens, &t)
	return &t
}

// alive reports whether t is neither revoked nor expired.
func (s *Server) alive(t *Token) bool {
	return !t.Revoked && (t.Expires.IsZero() || s.config.Now().Before(t.Expires))
}

// caller returns the token that r carries, if it is taken. A revoked one is for
// as many requests as Config.Lag says.
func (s *Server) caller(r *http.Request) *Token {
	value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || value == "" {
		return nil
	}
	for _, t := range s.tokens {
		if t.value != value {
			continue
		}
		if t.Revoked && t.lag > 0 {
			t.lag--
			return t
		}
		if s.alive(t) {
			return t
		}
	}
	return nil
}

func (s *Server) revoke(t *Token) { t.Revoked, t.lag = true, s.config.Lag }

// may is the registry's question who may read and write.
func (s *Server) may(w http.ResponseWriter, r *http.Request, pkg string, write bool) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.caller(r)
	switch {
	case t == nil:
		unauthorized(w)
	case !write:
		return t.User, true
	case t.ReadOnly || !t.covers(pkg):
		answer(w, http.StatusForbidden, map[string]any{"error": "You do not have permission to publish \"" + pkg + "\"."})
	case !t.Bypass && !s.second(w, r, t.User):
	default:
		return t.User, true
	}
	return "", false
}

// covers reports whether t's grants hold pkg.
func (t *Token) covers(pkg string) bool {
	if t.Session || slices.Contains(t.Packages, "*") || slices.Contains(t.Packages, pkg) {
		return true
	}
	scope, _, scoped := strings.Cut(pkg, "/")
	return scoped && slices.Contains(t.Scopes, scope)
}

// second reports whether r has its second factor; else it asks for it.
func (s *Server) second(w http.ResponseWriter, r *http.Request, user string) bool {
	now := s.config.Now()
	if now.Before(s.skipping[user]) {
		return true
	}
	given := r.Header.Get("npm-otp")
	if given != "" && s.codes[given] == user {
		delete(s.codes, given) // they count once
		if s.config.Skip2FA {
			s.skipping[user] = now.Add(5 * time.Minute)
		}
		return true
	}
	w.Header().Set("WWW-Authenticate", "OTP")
	switch {
	case given != "":
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid OTP"})
	case s.config.NoPages:
		answer(w, http.StatusUnauthorized, map[string]any{"error": "A One Time Password (OTP) by email is required."})
	case r.Header.Get("npm-auth-type") != "web" || r.Header.Get("npm-command") == "":
		w.Header().Set("npm-notice", "Open "+s.Web+"/login/"+uuid()+" to use your security key for authentication")
		answer(w, http.StatusUnauthorized, map[string]any{"error": "You must provide a one-time pass. Upgrade your client to npm@latest in order to use 2FA."})
	default:
		id := s.page(&pending{user: user})
		answer(w, http.StatusUnauthorized, map[string]any{"authUrl": s.Web + "/auth/cli/" + id, "doneUrl": s.URL + "/-/v1/done?authId=" + id})
	}
	return false
}

func (s *Server) page(p *pending) string {
	id := uuid()
	s.pages[id] = p
	return id
}

// visit is the website: opening a page approves what it asks.
func (s *Server) visit(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if next := r.URL.Query().Get("next"); next != "" {
		id = next[strings.LastIndex(next, "/")+1:]
	}
	s.mu.Lock()
	p := s.pages[id]
	if p != nil {
		p.opened = true
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if p == nil {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprintln(w, "<!doctype html><title>registry</title>")
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody is left to tell
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	answer(w, http.StatusUnauthorized, map[string]any{"error": "Unauthorized"})
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func random(n int) string { return pick(n, letters) }
func digits(n int) string { return pick(n, letters[len(letters)-10:]) }

func pick(n int, from string) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, says its documentation
	for i := range b {
		b[i] = from[int(b[i])%len(from)]
	}
	return string(b)
}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
