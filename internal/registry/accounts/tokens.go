package accounts

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of the public registry, in days: token.yaml.
const (
	longestWrite = 90
	usualWrite   = 7
	usualRead    = 30
)

// serve answers what the registry itself does not know, under /-/.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/-/")
	key, byKey := strings.CutPrefix(path, "npm/v1/tokens/token/")
	value, logout := strings.CutPrefix(path, "user/token/")
	s.note(r, path, byKey && strings.HasPrefix(key, "npm_") || logout)
	switch {
	case path == "v1/login" && r.Method == http.MethodPost && !s.config.NoWeb:
		id := s.page(&pending{login: true})
		answer(w, http.StatusOK, map[string]any{"loginUrl": s.Web + "/login?next=/login/cli/" + id, "doneUrl": s.URL + "/-/v1/done?authId=" + id})
	case path == "v1/done" && r.Method == http.MethodGet:
		s.poll(w, r.URL.Query().Get("authId"))
	case path == "v1/search" && r.Method == http.MethodGet:
		s.search(w, r.URL.Query())
	case path == "npm/v1/tokens" && r.Method == http.MethodGet:
		if t := s.manager(w, r); t != nil {
			s.list(w, r, t.User)
		}
	case path == "npm/v1/tokens" && r.Method == http.MethodPost:
		if t := s.manager(w, r); t != nil {
			s.create(w, r, t.User)
		}
	case byKey && r.Method == http.MethodDelete:
		if t := s.manager(w, r); t != nil {
			s.remove(w, r, t.User, key)
		}
	case logout && r.Method == http.MethodDelete:
		s.logout(w, r, value)
	default:
		answer(w, http.StatusNotFound, map[string]any{"error": "not_found"})
	}
}

// note keeps what was asked, without the token that may stand in the path.
func (s *Server) note(r *http.Request, path string, secret bool) {
	if secret {
		path = path[:strings.LastIndex(path, "/")+1] + "***"
	}
	line := r.Method + " " + path
	if r.Header.Get("npm-otp") != "" {
		line += " otp"
	}
	s.requests = append(s.requests, line)
}

// poll answers whoever waits for a page to be approved.
func (s *Server) poll(w http.ResponseWriter, id string) {
	p := s.pages[id]
	switch {
	case p == nil:
		answer(w, http.StatusNotFound, map[string]any{"error": "not_found"})
	case !p.opened:
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusAccepted, map[string]any{})
	case p.login:
		delete(s.pages, id)
		answer(w, http.StatusOK, map[string]any{"token": s.issue(Token{User: s.config.SignedIn, Session: true}).value})
	default:
		delete(s.pages, id)
		answer(w, http.StatusOK, map[string]any{"token": s.code(p.user)})
	}
}

func (s *Server) search(w http.ResponseWriter, q url.Values) {
	user, _ := strings.CutPrefix(q.Get("text"), "maintainer:")
	size, err := strconv.Atoi(q.Get("size"))
	if err != nil {
		size = 20
	}
	found := []any{}
	names := s.config.Users[user].Packages
	for _, name := range names[:min(size, 250, len(names))] {
		found = append(found, map[string]any{"package": map[string]any{"name": name, "version": "1.0.0",
			"maintainers": []any{map[string]any{"username": user, "email": user + "@example.com"}}}})
	}
	answer(w, http.StatusOK, map[string]any{"objects": found, "total": len(names)})
}

// manager returns the token of r if it may manage tokens: only a session may.
func (s *Server) manager(w http.ResponseWriter, r *http.Request) *Token {
	t := s.caller(r)
	switch {
	case t == nil:
		unauthorized(w)
	case t.Session:
		return t
	case t.Bypass && r.Method != http.MethodGet: // since August 2026
		answer(w, http.StatusForbidden, map[string]any{"error": "Tokens that bypass 2FA may not manage tokens"})
	default:
		unauthorized(w)
	}
	return nil
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, user string) {
	number := func(name string, usual int) int {
		n, err := strconv.Atoi(r.URL.Query().Get(name))
		if err != nil || n < 0 {
			return usual
		}
		return n
	}
	page, size := number("page", 0), max(1, number("perPage", 10))
	all := []any{}
	for _, t := range s.tokens {
		if t.User == user && !t.Session && s.alive(t) {
			all = append(all, t.shown(t.value[:8]+"..."+t.value[len(t.value)-4:]))
		}
	}
	from := min(page*size, len(all))
	to := min(from+size, len(all))
	urls := map[string]any{}
	if to < len(all) {
		urls["next"] = "/-/npm/v1/tokens?page=" + strconv.Itoa(page+1) + "&perPage=" + strconv.Itoa(size)
	}
	answer(w, http.StatusOK, map[string]any{"objects": all[from:to], "total": len(all), "urls": urls})
}

// shown is t as the API gives it out, with this for its value.
func (t *Token) shown(value string) map[string]any {
	when := func(at time.Time) any {
		if at.IsZero() {
			return nil
		}
		return at.Format("2006-01-02T15:04:05.000Z")
	}
	action := "write"
	if t.ReadOnly {
		action = "read"
	}
	permissions, scopes := []any{}, []any{}
	grant := func(kind string, names []string) {
		for _, n := range names {
			scopes = append(scopes, map[string]any{"type": kind, "name": n})
		}
	}
	grant("package", t.Packages)
	grant("scope", t.Scopes)
	grant("org", t.Orgs)
	if len(t.Packages)+len(t.Scopes) > 0 {
		permissions = append(permissions, map[string]any{"name": "package", "action": action})
	}
	if len(t.Orgs) > 0 {
		permissions = append(permissions, map[string]any{"name": "org", "action": action})
	}
	return map[string]any{"key": t.Key, "token": value, "name": t.Name, "description": nil, "expiry": when(t.Expires), "readonly": t.ReadOnly,
		"bypass_2fa": t.Bypass, "cidr": t.CIDR, "revoked": nil, "created": when(t.Created), "updated": nil, "accessed": nil,
		"permissions": permissions, "scopes": scopes}
}

// wanted is the body of a create: both the documents' names and npm's.
type wanted struct {
	Name, Password         string
	Packages, Scopes, Orgs []string
	PackagesAll            bool   `json:"packages_all"`
	Permission             string `json:"packages_and_scopes_permission"`
	OrgsPermission         string `json:"orgs_permission"`
	Expires                int
	Bypass                 bool `json:"bypass_2fa"`
	CIDR                   []string
	CIDRList               []string `json:"cidr_whitelist"`
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, user string) {
	var b wanted
	refuse := func(text string) { answer(w, http.StatusBadRequest, map[string]any{"error": text}) }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&b); err != nil {
		refuse("the body is no JSON")
		return
	}
	if b.PackagesAll {
		b.Packages = []string{"*"}
	}
	if b.CIDR == nil {
		b.CIDR = b.CIDRList
	}
	covered := len(b.Packages) + len(b.Scopes)
	if b.Permission == "" && covered > 0 {
		b.Permission = "read-only"
	}
	days, write := b.Expires, b.Permission == "read-write" || b.OrgsPermission == "read-write"
	if days == 0 && write {
		days = usualWrite
	} else if days == 0 {
		days = usualRead
	}
	known := func(p string) bool { return slices.Contains([]string{"", "no-access", "read-only", "read-write"}, p) }
	switch {
	case b.Name == "":
		refuse("Token name is required")
	case b.Password == "":
		refuse("Password is required")
	case !known(b.Permission):
		refuse("Invalid packages_and_scopes_permission. Must be one of: no-access, read-only, read-write")
	case !known(b.OrgsPermission):
		refuse("Invalid orgs_permission. Must be one of: no-access, read-only, read-write")
	case covered+len(b.Orgs) == 0:
		refuse("You must have at least one package / scope or organization added to this token.")
	case covered == 0 && b.Permission != "" && b.Permission != "no-access":
		refuse("You must select at least one package or scope if granting package/scopes permissions to this token.")
	case len(b.Orgs) == 0 && b.OrgsPermission != "" && b.OrgsPermission != "no-access":
		refuse("You must select at least one organization if granting organization permissions to this token.")
	case write && days > longestWrite:
		refuse("Read-write tokens cannot have expiration longer than 90 days")
	case b.Password != s.config.Users[user].Password:
		answer(w, http.StatusUnauthorized, map[string]any{"error": "Incorrect password"})
	case !s.second(w, r, user):
	default:
		t := s.issue(Token{Name: b.Name, User: user, ReadOnly: !write, Bypass: b.Bypass, Packages: b.Packages, Scopes: b.Scopes, Orgs: b.Orgs,
			CIDR: b.CIDR, Expires: s.config.Now().UTC().AddDate(0, 0, days)})
		answer(w, http.StatusCreated, t.shown(t.value))
	}
}

// remove deletes a token by its UUID or its value.
func (s *Server) remove(w http.ResponseWriter, r *http.Request, user, key string) {
	if !s.second(w, r, user) {
		return
	}
	for _, t := range s.tokens {
		if t.User == user && !t.Session && !t.Revoked && (t.Key == key || t.value == key) {
			s.revoke(t)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	answer(w, http.StatusNotFound, map[string]any{"message": "could not delete token"})
}

// logout deletes a token for whoever has it: the value is the permission.
func (s *Server) logout(w http.ResponseWriter, r *http.Request, value string) {
	if s.caller(r) == nil {
		unauthorized(w)
		return
	}
	for _, t := range s.tokens {
		if t.value == value && !s.config.NoLogout {
			s.revoke(t)
		}
	}
	answer(w, http.StatusOK, map[string]any{"ok": true})
}
