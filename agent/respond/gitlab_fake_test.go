package respond

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// gitlabFake is a GitLab server as its documents describe it, with the rule
// that makes it dangerous: who rotates a dead token kills the living one that
// came of it.
type gitlabFake struct {
	t     *testing.T
	mint  func() string // makes the value of a new token
	old   bool          // before 16.10: no rotation
	later int           // a rotation takes place only when so many further questions have come

	mu      sync.Mutex // guards what is below
	tokens  []*gitlabFakeToken
	pending []func()
	reused  int // how often a dead token was rotated
	rotated int
}

type gitlabFakeToken struct {
	value   string
	id      int
	user    int
	family  int
	name    string
	scopes  []string
	expires string
	revoked bool
}

func newGitlabFake(t *testing.T, mint func() string) *gitlabFake {
	return &gitlabFake{t: t, mint: mint}
}

func (f *gitlabFake) add(value string, user int, expires string, scopes ...string) *gitlabFakeToken {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := &gitlabFakeToken{value: value, id: 100 + len(f.tokens), user: user, family: len(f.tokens), name: "laptop", scopes: scopes, expires: expires}
	f.tokens = append(f.tokens, k)
	return k
}

// alive returns the values that work.
func (f *gitlabFake) alive() (values []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.tokens {
		if !k.revoked {
			values = append(values, k.value)
		}
	}
	return values
}

func (f *gitlabFake) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

func (f *gitlabFake) show(k *gitlabFakeToken) map[string]any {
	m := map[string]any{"id": k.id, "name": k.name, "scopes": k.scopes, "user_id": k.user, "active": !k.revoked, "revoked": k.revoked, "expires_at": nil}
	if k.expires != "" {
		m["expires_at"] = k.expires
	}
	return m
}

func (f *gitlabFake) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.later > 0 && len(f.pending) > 0 {
		if f.later--; f.later == 0 {
			for _, do := range f.pending {
				do()
			}
			f.pending = nil
		}
	}
	value := q.Header.Get("PRIVATE-TOKEN")
	i := slices.IndexFunc(f.tokens, func(k *gitlabFakeToken) bool { return k.value == value })
	if i < 0 {
		f.answer(w, http.StatusUnauthorized, map[string]string{"message": "401 Unauthorized"})
		return
	}
	k := f.tokens[i]
	path, ok := strings.CutPrefix(q.URL.Path, "/api/v4")
	if !ok {
		http.NotFound(w, q)
		return
	}
	if rotates := q.Method == http.MethodPost && strings.HasSuffix(path, "/rotate"); k.revoked {
		if rotates { // automatic reuse detection
			f.reused++
			for _, o := range f.tokens {
				if o.family == k.family {
					o.revoked = true
				}
			}
		}
		f.answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token", "error_description": "Token was revoked. You have to re-authorize from the user."})
		return
	}
	switch q.Method + " " + path {
	case "GET /personal_access_tokens/self":
		f.answer(w, http.StatusOK, f.show(k))
	case "DELETE /personal_access_tokens/self":
		k.revoked = true
		f.answer(w, http.StatusNoContent, nil)
	case "POST /personal_access_tokens/self/rotate":
		f.rotate(w, q, k)
	case "GET /user":
		if !slices.Contains(k.scopes, "api") && !slices.Contains(k.scopes, "read_user") {
			f.answer(w, http.StatusForbidden, map[string]string{"error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token.", "scope": "api read_user"})
			return
		}
		f.answer(w, http.StatusOK, map[string]any{"id": k.user, "username": fmt.Sprintf("user%d", k.user)})
	default:
		f.answer(w, http.StatusNotFound, map[string]string{"error": "404 Not Found"})
	}
}

func (f *gitlabFake) rotate(w http.ResponseWriter, q *http.Request, k *gitlabFakeToken) {
	if f.old {
		f.answer(w, http.StatusNotFound, map[string]string{"error": "404 Not Found"})
		return
	}
	if !slices.Contains(k.scopes, "api") && !slices.Contains(k.scopes, "self_rotate") {
		f.answer(w, http.StatusForbidden, map[string]string{"error": "insufficient_scope"})
		return
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	expires := q.URL.Query().Get("expires_at")
	if expires == "" {
		expires = now.AddDate(0, 0, 7).Format(time.DateOnly) // a week
	}
	at, err := time.Parse(time.DateOnly, expires)
	if err != nil || at.Before(now) || at.After(now.AddDate(1, 0, 0)) {
		f.answer(w, http.StatusBadRequest, map[string]string{"message": "400 Bad request - Expiration date must be before 2027-03-01"})
		return
	}
	fresh := &gitlabFakeToken{value: f.mint(), id: 100 + len(f.tokens), user: k.user, family: k.family, name: k.name, scopes: k.scopes, expires: expires}
	do := func() {
		k.revoked = true
		f.tokens = append(f.tokens, fresh)
		f.rotated++
	}
	if f.later > 0 { // the answer is late, and what it tells of, too
		f.pending = append(f.pending, do)
		f.answer(w, http.StatusBadGateway, nil)
		return
	}
	do()
	show := f.show(fresh)
	show["token"] = fresh.value
	f.answer(w, http.StatusOK, show)
}
