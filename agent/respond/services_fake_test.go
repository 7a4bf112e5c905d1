package respond

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"wormbell/internal/secret"
)

// dataFake stands in for the services of the table: it knows their requests
// and answers as they document it.
type dataFake struct {
	t      *testing.T
	kind   string
	tokens map[string]*dataFakeToken // by value
	mint   func() string             // of what Vercel makes
	minted []string
}

type dataFakeToken struct {
	id, name string
	dead     bool
	scoped   bool // crates.io: may not revoke itself
	policy   bool // Vault: may not look itself up
	scopes   string
	expires  int64
}

func (f *dataFake) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var t *dataFakeToken
	value := strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer ")
	switch f.kind {
	case "vault":
		value = q.Header.Get("X-Vault-Token")
	case "docker-hub":
		var a struct{ Identifier, Secret string }
		b, _ := io.ReadAll(q.Body)
		if json.Unmarshal(b, &a) != nil || a.Identifier != "alice" || q.Header.Get("Authorization") != "" {
			f.t.Errorf("log-in of %q", a.Identifier)
		}
		value = a.Secret
	case "crates-io":
		if strings.HasPrefix(q.Header.Get("Authorization"), "Bearer") {
			f.t.Error("crates.io is shown a bearer token")
		}
	}
	if t = f.tokens[value]; t == nil {
		f.t.Errorf("%s %s carries no token of ours", q.Method, q.URL.Path)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	status, body := f.answer(q, t)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// answer is the service's.
func (f *dataFake) answer(q *http.Request, t *dataFakeToken) (int, string) {
	request := q.Method + " " + q.URL.Path
	switch f.kind + " " + request {
	case "slack POST /api/auth.test":
		if t.dead {
			return 200, `{"ok":false,"error":"token_revoked"}`
		}
		return 200, `{"ok":true,"url":"https://acme.slack.com/","team":"Acme","user":"alice","team_id":"T1","user_id":"U1"}`
	case "slack POST /api/auth.revoke":
		if t.dead {
			return 200, `{"ok":false,"error":"token_revoked"}`
		}
		t.dead = true
		return 200, `{"ok":true,"revoked":true}`
	case "vault GET /v1/auth/token/lookup-self":
		switch {
		case t.dead:
			return 403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`
		case t.policy:
			return 403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`
		}
		return 200, `{"data":{"display_name":"oidc-alice","type":"service","policies":["default","deploy"],"expire_time":"2026-04-01T00:00:00.5Z"}}`
	case "vault POST /v1/auth/token/revoke-self":
		if q.Header.Get("X-Vault-Namespace") != "team" {
			f.t.Errorf("%s without its namespace", request)
		}
		if t.dead {
			return 403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`
		}
		t.dead = true
		return 204, ""
	case "crates-io GET /api/v1/me":
		if t.dead {
			return 403, `{"errors":[{"detail":"authentication failed"}]}`
		}
		return 403, `{"errors":[{"detail":"this action can only be performed on the crates.io website"}]}`
	case "crates-io DELETE /api/v1/tokens/current":
		switch {
		case t.dead:
			return 403, `{"errors":[{"detail":"authentication failed"}]}`
		case t.scoped:
			return 403, `{"errors":[{"detail":"this token does not have the required permissions to perform this action"}]}`
		}
		t.dead = true
		return 204, ""
	case "stripe GET /v1/account":
		if t.dead {
			return 401, `{"error":{"message":"Expired API Key provided","type":"invalid_request_error","code":"api_key_expired"}}`
		}
		return 200, `{"id":"acct_1","object":"account"}`
	case "openai GET /v1/me":
		switch {
		case t.dead:
			return 401, `{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}`
		case t.scoped:
			return 403, `{"error":{"message":"You have insufficient permissions for this operation."}}`
		}
		return 200, `{"object":"user","id":"user-1","email":"alice@example.com"}`
	case "openai GET /v1/models":
		if t.dead {
			return 401, `{"error":{"code":"invalid_api_key"}}`
		}
		return 200, `{"object":"list","data":[]}`
	case "huggingface GET /api/whoami-v2":
		if t.dead {
			return 401, `{"error":"Invalid username or password."}`
		}
		return 200, `{"type":"user","name":"alice","orgs":[{"name":"acme"}],"auth":{"type":"access_token","accessToken":{"displayName":"laptop","role":"write"}}}`
	case "docker-hub POST /v2/auth/token":
		if t.dead {
			return 401, `{"detail":"incorrect username or password"}`
		}
		return 200, `{"access_token":"eyJhbGciOi"}`
	}
	if f.kind == "vercel" {
		return f.vercel(q, t)
	}
	f.t.Errorf("%s: unknown request %s", f.kind, request)
	return 404, `{}`
}

// vercel is the only one that makes tokens. Its list has pages of two.
func (f *dataFake) vercel(q *http.Request, t *dataFakeToken) (int, string) {
	if t.dead {
		return 403, `{"error":{"code":"forbidden","message":"Not authorized","invalidToken":true}}`
	}
	told := func(t *dataFakeToken) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"type":"token","scopes":[%s],"expiresAt":%d,"activeAt":1,"createdAt":1}`, t.id, t.name, t.scopes, t.expires)
	}
	switch q.Method + " " + q.URL.Path {
	case "GET /v2/user":
		return 200, `{"user":{"id":"u1","username":"alice","email":"alice@example.com"}}`
	case "GET /v5/user/tokens/current":
		return 200, `{"token":` + told(t) + `}`
	case "GET /v6/user/tokens":
		var live []*dataFakeToken
		for _, o := range f.tokens {
			if !o.dead {
				live = append(live, o)
			}
		}
		slices.SortFunc(live, func(a, b *dataFakeToken) int { return strings.Compare(a.id, b.id) })
		from, next := 0, "null"
		fmt.Sscan(q.URL.Query().Get("until"), &from)
		if from+2 < len(live) {
			next = fmt.Sprint(from + 2)
		}
		var page []string
		for _, o := range live[min(from, len(live)):min(from+2, len(live))] {
			page = append(page, told(o))
		}
		return 200, `{"tokens":[` + strings.Join(page, ",") + `],"pagination":{"count":2,"next":` + next + `,"prev":null}}`
	case "POST /v3/user/tokens":
		var a struct {
			Name      string
			ExpiresAt int64
		}
		b, _ := io.ReadAll(q.Body)
		if json.Unmarshal(b, &a) != nil || a.Name == "" {
			return 400, `{"error":{"code":"bad_request"}}`
		}
		n := &dataFakeToken{id: fmt.Sprintf("tok_%d", len(f.tokens)+1), name: a.Name, expires: a.ExpiresAt, scopes: `{"type":"user"}`}
		if team := q.URL.Query().Get("teamId"); team != "" {
			n.scopes = fmt.Sprintf(`{"type":"team","teamId":%q}`, team)
		}
		value := f.mint()
		f.tokens[value] = n
		f.minted = append(f.minted, value)
		return 200, `{"token":` + told(n) + `,"bearerToken":"` + value + `"}`
	}
	if id, ok := strings.CutPrefix(q.URL.Path, "/v3/user/tokens/"); ok && q.Method == "DELETE" {
		for _, o := range f.tokens {
			if o == t && id == "current" || o.id == id && !o.dead {
				o.dead = true
				return 200, `{"tokenId":"` + o.id + `"}`
			}
		}
		return 404, `{"error":{"code":"not_found"}}`
	}
	f.t.Errorf("unknown request %s %s", q.Method, q.URL.Path)
	return 404, `{}`
}

// dataCalled are the rows that can be asked.
func dataCalled() []string {
	return []string{"slack", "vault", "crates-io", "vercel", "stripe", "openai", "huggingface", "docker-hub"}
}

// dataTold makes a token of a kind, which the fake knows.
func dataTold(t *testing.T, id, site string, fake *dataFake, value string) (Kind, Token) {
	t.Helper()
	fake.t, fake.kind = t, id
	if fake.tokens == nil {
		fake.tokens = map[string]*dataFakeToken{}
	}
	fake.tokens[value] = &dataFakeToken{id: "tok_0", name: "laptop", scopes: `{"type":"user"}`}
	return dataKind(t, id), Token{Kind: id, Name: id + ":x", Site: site, Owner: "alice", Value: secret.Of(value),
		Places: []Place{{Path: "~/file", Key: "token"}}, Facts: Facts{"namespace": "team"}}
}
