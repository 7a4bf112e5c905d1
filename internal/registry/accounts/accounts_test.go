package accounts_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/registry/accounts"
)

const password = "a-password-of-alice"

func start(t *testing.T, c accounts.Config) *accounts.Server {
	t.Helper()
	if c.Users == nil {
		c.Users = map[string]accounts.User{"alice": {Password: password, Packages: []string{"a", "b", "c"}}, "bob": {Password: password + "b"}}
	}
	s, err := accounts.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// said is an answer.
type said struct {
	t      *testing.T
	status int
	header http.Header
	body   map[string]any
}

func (a said) text(key string) string { s, _ := a.body[key].(string); return s }

// ask sends a request as npm token does. header are pairs of a name and a value.
func ask(t *testing.T, s *accounts.Server, method, path, token string, body any, header ...string) said {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(path, "http") {
		path = s.URL + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("npm-auth-type", "web")
	r.Header.Set("npm-command", "token")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := said{t: t, status: res.StatusCode, header: res.Header}
	_ = json.NewDecoder(res.Body).Decode(&a.body) // a page, or nothing
	return a
}

func (a said) want(status int) said {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("status %d, want %d: %v", a.status, status, a.body)
	}
	return a
}

// session signs in and returns the session's token.
func session(t *testing.T, s *accounts.Server) string {
	t.Helper()
	in := ask(t, s, "POST", "/-/v1/login", "", map[string]any{}).want(200)
	if a := ask(t, s, "GET", in.text("doneUrl"), "", nil).want(202); a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to ask again")
	}
	if !strings.HasPrefix(in.text("loginUrl"), s.Web+"/") || strings.HasPrefix(s.Web, s.URL) {
		t.Errorf("the website is at %s", in.text("loginUrl"))
	}
	ask(t, s, "GET", in.text("loginUrl"), "", nil).want(200)
	done := ask(t, s, "GET", in.text("doneUrl"), "", nil).want(200)
	ask(t, s, "GET", in.text("doneUrl"), "", nil).want(404) // once
	return done.text("token")
}

// approved answers the challenge of a and returns the code.
func approved(t *testing.T, s *accounts.Server, a said) string {
	t.Helper()
	if a.want(401).header.Get("WWW-Authenticate") != "OTP" {
		t.Fatalf("no challenge but %v", a.body)
	}
	ask(t, s, "GET", a.text("authUrl"), "", nil).want(200)
	return ask(t, s, "GET", a.text("doneUrl"), "", nil).want(200).text("token")
}

var wish = map[string]any{"name": "n", "password": password, "packages": []string{"a"}, "packages_and_scopes_permission": "read-write", "expires": 30}

func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := start(t, accounts.Config{Now: clock})
	v := session(t, s)

	a := ask(t, s, "POST", "/-/npm/v1/tokens", v, wish)
	code := approved(t, s, a)
	made := ask(t, s, "POST", "/-/npm/v1/tokens", v, wish, "npm-otp", code).want(201)
	ask(t, s, "POST", "/-/npm/v1/tokens", v, wish, "npm-otp", code).want(401) // it counted once
	token, key := made.text("token"), made.text("key")
	if made.text("expiry") != "2026-12-22T00:00:00.000Z" || len(token) != 40 || len(key) != 36 || strings.Contains(token, key[:8]) {
		t.Errorf("it made %v", made.body)
	}
	list := ask(t, s, "GET", "/-/npm/v1/tokens", v, nil).want(200).body["objects"].([]any)
	if len(list) != 1 { // sessions are not listed
		t.Fatalf("%d tokens are listed", len(list))
	}
	entry := list[0].(map[string]any)
	if entry["key"] != key || entry["token"] != token[:8]+"..."+token[36:] || entry["readonly"] != false {
		t.Errorf("listed: %v", entry)
	}
	if diff := cmp.Diff([]any{map[string]any{"name": "package", "action": "write"}}, entry["permissions"]); diff != "" {
		t.Error(diff)
	}

	ask(t, s, "GET", "/-/whoami", token, nil).want(200)
	ask(t, s, "GET", "/-/npm/v1/tokens", token, nil).want(401)
	ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+key, token, nil).want(401)
	bypass := s.Issue(accounts.Token{Packages: []string{"*"}, Bypass: true})
	ask(t, s, "POST", "/-/npm/v1/tokens", bypass, wish).want(403)
	ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+key, bypass, nil).want(403)

	// Without both headers there are no pages.
	for _, missing := range []string{"npm-auth-type", "npm-command"} {
		a := ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+key, v, nil, missing, "").want(401)
		if a.text("authUrl") != "" || a.header.Get("npm-notice") == "" || !strings.Contains(a.text("error"), "one-time pass") {
			t.Errorf("without %s: %v", missing, a.body)
		}
	}
	code = approved(t, s, ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+key, v, nil))
	ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+key, v, nil, "npm-otp", code).want(204)
	ask(t, s, "GET", "/-/whoami", token, nil).want(401)
	code = approved(t, s, ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+key, v, nil))
	ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+key, v, nil, "npm-otp", code).want(404)
	code = approved(t, s, ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+bypass, v, nil))
	ask(t, s, "DELETE", "/-/npm/v1/tokens/token/"+bypass, v, nil, "npm-otp", code).want(204)

	// Possession is enough to log out, whatever the token may do.
	lost := s.Issue(accounts.Token{ReadOnly: true})
	ask(t, s, "DELETE", "/-/user/token/"+lost, lost, nil).want(200)
	ask(t, s, "DELETE", "/-/user/token/"+lost, lost, nil).want(401)
	ask(t, s, "GET", "/-/whoami", lost, nil).want(401)

	mu.Lock()
	now = now.Add(2*time.Hour + time.Second)
	mu.Unlock()
	ask(t, s, "GET", "/-/npm/v1/tokens", v, nil).want(401) // the session is over
	for _, line := range s.Requests() {
		if strings.Contains(line, "npm_") {
			t.Error("the record holds a token")
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, accounts.Config{Skip2FA: true})
	v := s.Issue(accounts.Token{Session: true})
	approved := false
	for _, tt := range []struct {
		change map[string]any
		want   int
	}{
		{map[string]any{"name": ""}, 400},
		{map[string]any{"password": ""}, 400},
		{map[string]any{"password": "not this"}, 401},
		{map[string]any{"packages": []string{}}, 400},
		{map[string]any{"packages": []string{}, "orgs": []string{"acme"}}, 400},
		{map[string]any{"orgs_permission": "read-only"}, 400},
		{map[string]any{"packages_and_scopes_permission": "everything"}, 400},
		{map[string]any{"expires": 91}, 400},
		{map[string]any{"expires": 91, "packages_and_scopes_permission": "read-only"}, 201},
		{map[string]any{"packages": []string{}, "packages_all": true}, 201},
		{nil, 201}, // as npm writes it
	} {
		body := map[string]any{}
		for _, from := range []map[string]any{wish, tt.change} {
			for k, v := range from {
				body[k] = v
			}
		}
		header := []string{}
		if tt.want == 201 && !approved {
			header, approved = []string{"npm-otp", s.Code("alice")}, true // for five minutes
		}
		ask(t, s, "POST", "/-/npm/v1/tokens", v, body, header...).want(tt.want)
	}
}

func TestListHasPages(t *testing.T) {
	t.Parallel()
	s := start(t, accounts.Config{})
	v := s.Issue(accounts.Token{Session: true})
	s.Issue(accounts.Token{User: "bob"})
	for i := range 25 {
		s.Issue(accounts.Token{Name: fmt.Sprint(i)})
	}
	var names, sizes []string
	for next := "/-/npm/v1/tokens"; next != ""; {
		a := ask(t, s, "GET", next, v, nil).want(200)
		page := a.body["objects"].([]any)
		sizes = append(sizes, fmt.Sprint(len(page)))
		for _, o := range page {
			names = append(names, o.(map[string]any)["name"].(string))
		}
		next, _ = a.body["urls"].(map[string]any)["next"].(string)
	}
	if len(names) != 25 || names[24] != "24" || strings.Join(sizes, " ") != "10 10 5" {
		t.Errorf("%q in pages of %q", names, sizes)
	}
	if n := len(ask(t, s, "GET", "/-/npm/v1/tokens?perPage=100", v, nil).body["objects"].([]any)); n != 25 {
		t.Errorf("%d in one page", n)
	}
}

func TestOddWays(t *testing.T) {
	t.Parallel()
	late := start(t, accounts.Config{Lag: 2})
	v := late.Issue(accounts.Token{})
	ask(t, late, "DELETE", "/-/user/token/"+v, v, nil).want(200)
	for _, want := range []int{200, 200, 401} {
		ask(t, late, "GET", "/-/whoami", v, nil).want(want)
	}
	mute := start(t, accounts.Config{NoLogout: true})
	v = mute.Issue(accounts.Token{})
	ask(t, mute, "DELETE", "/-/user/token/"+v, v, nil).want(200)
	ask(t, mute, "GET", "/-/whoami", v, nil).want(200)

	ask(t, start(t, accounts.Config{NoWeb: true}), "POST", "/-/v1/login", "", nil).want(404)

	typed := start(t, accounts.Config{NoPages: true})
	v = typed.Issue(accounts.Token{Session: true})
	if a := ask(t, typed, "POST", "/-/npm/v1/tokens", v, wish).want(401); a.text("authUrl") != "" {
		t.Error("there is a page")
	}
	ask(t, typed, "POST", "/-/npm/v1/tokens", v, wish, "npm-otp", typed.Code("bob")).want(401)
	ask(t, typed, "POST", "/-/npm/v1/tokens", v, wish, "npm-otp", typed.Code("alice")).want(201)

	if a := ask(t, typed, "GET", "/-/v1/search?text=maintainer:alice&size=2", v, nil).want(200); len(a.body["objects"].([]any)) != 2 || a.body["total"] != 3.0 {
		t.Errorf("search: %v", a.body)
	}
}

// TestNpm runs the real npm: sign-in, list, publish with every kind of token, logout.
func TestNpm(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed")
	}
	s := start(t, accounts.Config{})
	home := t.TempDir()
	rc := filepath.Join(home, ".npmrc")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := func(args ...string) (string, bool) {
		cmd := exec.CommandContext(t.Context(), "npm", args...)
		cmd.Dir = home
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USERPROFILE=" + home, "npm_config_update_notifier=false", "npm_config_browser=false"}
		out, in := io.Pipe()
		var text bytes.Buffer
		cmd.Stdout = io.MultiWriter(&text, in)
		cmd.Stderr = cmd.Stdout
		seen := make(chan struct{})
		go func() { // the browser: it opens the page that npm names
			defer close(seen)
			page := regexp.MustCompile(regexp.QuoteMeta(s.Web) + `/\S+`)
			var all []byte
			b := make([]byte, 4096)
			opened := false
			for {
				n, err := out.Read(b)
				all = append(all, b[:n]...)
				if u := page.Find(all); u != nil && !opened {
					opened = true
					if res, err := http.Get(string(u)); err == nil {
						res.Body.Close()
					}
				}
				if err != nil {
					return
				}
			}
		}()
		err := cmd.Run()
		in.Close()
		<-seen
		return text.String(), err == nil
	}
	write(rc, "registry="+s.URL+"/\n")
	if out, ok := npm("login"); !ok {
		t.Fatalf("login: %s", out)
	}
	if b, err := os.ReadFile(rc); err != nil || !strings.Contains(string(b), "//"+s.Host+"/:_authToken=npm_") {
		t.Fatalf("login wrote no token: %v", err)
	}
	s.Issue(accounts.Token{Name: "listed-one"})
	if out, ok := npm("token", "list"); !ok || !strings.Contains(out, "listed-one") {
		t.Errorf("list: %s", out)
	}
	if out, ok := npm("logout"); !ok || len(s.Tokens()) != 1 {
		t.Errorf("logout: %s, %d tokens", out, len(s.Tokens()))
	}
	for i, tt := range []struct {
		token accounts.Token
		want  string
	}{
		{accounts.Token{Packages: []string{"*"}, Bypass: true}, ""},
		{accounts.Token{Scopes: []string{"@acme"}, Bypass: true}, ""},
		{accounts.Token{Packages: []string{"other"}, Bypass: true}, "E403"},
		{accounts.Token{Packages: []string{"*"}, ReadOnly: true, Bypass: true}, "E403"},
		{accounts.Token{Packages: []string{"*"}}, "EOTP"},
		{accounts.Token{Packages: []string{"*"}, Revoked: true, Bypass: true}, "E401"},
	} {
		write(rc, "registry="+s.URL+"/\n//"+s.Host+"/:_authToken="+s.Issue(tt.token)+"\n")
		write(filepath.Join(home, "package.json"), fmt.Sprintf(`{"name":"@acme/p%d","version":"1.0.0"}`, i))
		if out, ok := npm("publish", "--access=public"); ok != (tt.want == "") || !strings.Contains(out, tt.want) {
			t.Errorf("publish with %+v: %s", tt.token, out)
		}
	}
}
