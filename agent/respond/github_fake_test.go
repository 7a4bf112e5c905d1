package respond

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// githubFake is GitHub as its documents describe it: what it does with tokens,
// and on a server what it does differently.
type githubFake struct {
	t      *testing.T
	server bool // GitHub Enterprise Server, under /api/v3
	before int  // its minor version: 17 knows no revocation, 20 revokes personal tokens only

	mu       sync.Mutex // guards what is below
	tokens   map[string]*githubFakeToken
	slow     int // how many questions after a revocation are still answered as if there was none
	limit    int // revocations left in this hour
	mails    []string
	requests []string
}

type githubFakeToken struct {
	login   string
	scopes  string // "" for a token that has none to tell
	expires string
	revoked bool
	lives   int // questions until a revocation takes effect
}

func newGithubFake(t *testing.T) *githubFake {
	return &githubFake{t: t, limit: 60, before: 21, tokens: map[string]*githubFakeToken{}}
}

func (f *githubFake) add(token, login, scopes string) *githubFakeToken {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := &githubFakeToken{login: login, scopes: scopes}
	f.tokens[token] = k
	return k
}

// alive reports whether a token is not revoked, and whether it was ever there.
func (f *githubFake) alive(token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.tokens[token]
	return k != nil && !k.revoked
}

func (f *githubFake) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

func (f *githubFake) refuse(w http.ResponseWriter, status int, message string) {
	f.answer(w, status, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest", "status": fmt.Sprint(status)})
}

// who returns the token of a request if it lives.
func (f *githubFake) who(q *http.Request) (string, *githubFakeToken) {
	value, _ := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	k := f.tokens[value]
	if k == nil {
		return "", nil
	}
	if k.revoked {
		if k.lives--; k.lives < 0 {
			return "", nil
		}
	}
	return value, k
}

func (f *githubFake) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, q.Method+" "+q.URL.Path)
	path := q.URL.Path
	if f.server {
		var ok bool
		if path, ok = strings.CutPrefix(path, "/api/v3"); !ok {
			http.NotFound(w, q)
			return
		}
	}
	if q.UserAgent() == "" {
		f.refuse(w, http.StatusForbidden, "Request forbidden by administrative rules.")
		return
	}
	if q.Method+" "+path == "POST /credentials/revoke" {
		f.revoke(w, q)
		return
	}
	value, k := f.who(q)
	if k == nil {
		f.refuse(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	app := strings.HasPrefix(value, "ghs_")
	if k.scopes != "" {
		w.Header().Set("X-OAuth-Scopes", k.scopes)
	}
	if k.expires != "" {
		w.Header().Set("github-authentication-token-expiration", k.expires)
	}
	switch q.Method + " " + path {
	case "GET /user":
		if app {
			f.refuse(w, http.StatusForbidden, "Resource not accessible by integration")
			return
		}
		f.answer(w, http.StatusOK, map[string]any{"login": k.login, "id": 1, "type": "User"})
	case "GET /user/repos":
		w.Header().Set("Link", `<https://api.github.com/user/repos?page=2>; rel="next"`)
		f.answer(w, http.StatusOK, []map[string]any{
			{"full_name": "acme/tools", "private": true, "permissions": map[string]bool{"push": true}},
			{"full_name": k.login + "/site", "private": false, "permissions": map[string]bool{"admin": true, "push": true}},
			{"full_name": "other/read", "private": true, "permissions": map[string]bool{"pull": true}},
		})
	case "GET /installation/repositories":
		if !app {
			f.refuse(w, http.StatusForbidden, "You must authenticate with an installation access token in order to list repositories for an installation.")
			return
		}
		f.answer(w, http.StatusOK, map[string]any{"total_count": 3, "repositories": []any{map[string]any{"owner": map[string]string{"login": k.login}}}})
	case "DELETE /installation/token":
		if !app {
			f.refuse(w, http.StatusForbidden, "Resource not accessible")
			return
		}
		k.revoked = true
		f.answer(w, http.StatusNoContent, nil)
	default:
		f.refuse(w, http.StatusNotFound, "Not Found")
	}
}

// revoke is POST /credentials/revoke.
func (f *githubFake) revoke(w http.ResponseWriter, q *http.Request) {
	switch _, k := f.who(q); {
	case !f.server && q.Header.Get("Authorization") != "":
		f.refuse(w, http.StatusForbidden, "Authenticated requests are not allowed")
		return
	case f.server && f.before < 18:
		f.refuse(w, http.StatusNotFound, "Not Found")
		return
	case f.server && k == nil:
		f.refuse(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	if f.limit--; f.limit < 0 {
		w.Header().Set("Retry-After", "1800")
		w.Header().Set("X-RateLimit-Remaining", "0")
		f.refuse(w, http.StatusForbidden, "API rate limit exceeded")
		return
	}
	body, _ := io.ReadAll(q.Body)
	var list struct{ Credentials []string }
	if json.Unmarshal(body, &list) != nil || len(list.Credentials) == 0 || len(list.Credentials) > 1000 {
		f.refuse(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	for _, c := range list.Credentials {
		personal := strings.HasPrefix(c, "ghp_") || strings.HasPrefix(c, "github_pat_")
		known := personal || strings.HasPrefix(c, "gho_") || strings.HasPrefix(c, "ghu_") || strings.HasPrefix(c, "ghr_")
		if !known || f.server && f.before < 21 && !personal {
			f.refuse(w, http.StatusUnprocessableEntity, "Validation Failed")
			return
		}
	}
	for _, c := range list.Credentials {
		if k := f.tokens[c]; k != nil && !k.revoked {
			k.revoked, k.lives = true, f.slow
			f.mails = append(f.mails, k.login)
		}
	}
	f.answer(w, http.StatusAccepted, map[string]any{}) // whatever became of each
}
