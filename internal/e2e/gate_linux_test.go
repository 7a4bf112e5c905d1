package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wormbell/internal/registry/accounts"
	"wormbell/internal/verdaccio"
)

// fate is what becomes of a request at the gate.
type fate struct {
	name    string
	arrives bool // at the registry; its answer never comes back
	kills   bool // the program that sent it
}

// What can become of a request.
var (
	killedBefore = fate{"killed before it arrives", false, true}
	killedAfter  = fate{"killed before the answer", true, true}
	killedSoon   = fate{"killed soon after the answer", true, true}
	lostBefore   = fate{"lost on the way", false, false}
	lostAfter    = fate{"its answer lost", true, false}
)

// gate stands between the person's programs and a registry, and lets every
// request through but one.
type gate struct {
	URL     string
	backend string
	browser bool // sign in and approve on the pages that the registry names

	mu    sync.Mutex    // guards all below
	point               // what to lose; at 0: nothing
	kill  func()        // ends the program, and returns when it has
	seen  []string      // what was asked, secrets excepted
	lost  string        // what was lost, "" for nothing
	hold  chan struct{} // not nil: the answer to the next request for a token waits until it is closed
	held  chan struct{} // closed when one waits
}

// newGate opens a gate to the registry at backend.
func newGate(t *testing.T, backend string) *gate {
	g := &gate{backend: backend}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// arm makes the gate strike at p, and begins to count.
func (g *gate) arm(p point, kill func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.point, g.kill, g.seen, g.lost = p, kill, nil, ""
}

// opened lets everything through again, and says what was asked and lost since
// the gate was armed.
func (g *gate) opened() (seen []string, lost string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = 0
	return g.seen, g.lost
}

// note counts r and says what becomes of it.
func (g *gate) note(r *http.Request) (p point, lose bool, kill func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	what := r.Method + " " + r.URL.Path
	if i := strings.LastIndex(what, "/token/"); i >= 0 {
		what = what[:i] + "/token/***"
	}
	if r.Header.Get("Npm-Otp") != "" {
		what += " otp"
	}
	g.seen = append(g.seen, what)
	if len(g.seen) != g.at {
		return point{}, false, nil
	}
	g.lost = what
	return g.point, true, g.kill
}

// ServeHTTP passes r on.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	p, lose, kill := g.note(r)
	if lose && !p.fate.arrives {
		g.lose(p.fate, kill)
	}
	out, err := http.NewRequest(r.Method, g.backend+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out.Header = r.Header.Clone()
	out.Header.Set("Accept-Encoding", "identity") // to be read here
	res, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // the registry is gone, or the test over
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if lose && p.then == 0 {
		g.lose(p.fate, kill)
	}
	g.wait(r, res)
	answer = bytes.ReplaceAll(answer, []byte(g.backend), []byte(g.URL))
	g.visit(answer)
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(res.StatusCode)
	w.Write(answer)
	if lose { // in the midst of what it does with the answer
		w.(http.Flusher).Flush()
		time.Sleep(p.then)
		g.lose(p.fate, kill)
	}
}

// lose cuts the connection, and does not return.
func (g *gate) lose(f fate, kill func()) {
	if f.kills {
		kill()
	}
	panic(http.ErrAbortHandler)
}

// wait holds back the answer that a new token is in.
func (g *gate) wait(r *http.Request, res *http.Response) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/tokens") || res.StatusCode/100 != 2 {
		return
	}
	g.mu.Lock()
	hold, held := g.hold, g.held
	g.hold = nil // one
	g.mu.Unlock()
	if hold == nil {
		return
	}
	close(held)
	<-hold
}

// visit does what a person does on the page that an answer names.
func (g *gate) visit(answer []byte) {
	var pages struct{ LoginURL, AuthURL string }
	if !g.browser || json.Unmarshal(answer, &pages) != nil {
		return
	}
	if page := pages.LoginURL + pages.AuthURL; page != "" {
		if res, err := http.Get(page); err == nil {
			res.Body.Close()
		}
	}
}

// shop is a registry as the test sees it.
type shop struct {
	issue func() string                                   // makes a token of the person's
	works func(token string) bool                         // whether it is taken
	live  func() (listed map[string]string, sessions int) // what lives: of each token that is listed, by its key, what it is called
	key   func(token string) string                       // of a token that lives
}

// verdaccioShop is a real one.
func verdaccioShop(t *testing.T, password string) (*shop, string) {
	v := verdaccio.Start(t)
	login := v.AddUser("dev", password)
	list := func() []struct{ Key, Token, Name string } {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.URL+"/-/npm/v1/tokens", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+login)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var got struct {
			Objects []struct{ Key, Token, Name string }
		}
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("list the tokens: %d, %v", res.StatusCode, err)
		}
		return got.Objects
	}
	return &shop{
		issue: func() string { return v.AddToken(login, password, false) },
		works: func(token string) bool { return v.Whoami(token) == "dev" },
		live: func() (map[string]string, int) {
			all := map[string]string{}
			for _, l := range list() {
				all[l.Key] = l.Name
			}
			return all, 0
		},
		key: func(token string) string {
			for _, l := range list() {
				head, tail, _ := strings.Cut(l.Token, "...")
				if strings.HasPrefix(token, head) && strings.HasSuffix(token, tail) {
					return l.Key
				}
			}
			return ""
		},
	}, v.URL
}

// accountsShop is one with the public registry's rules.
func accountsShop(t *testing.T, password string) (*shop, string) {
	reg, err := accounts.New(accounts.Config{Users: map[string]accounts.User{"alice": {Password: password, Packages: []string{"tools"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	find := func(token string) *accounts.Token {
		if f := reg.Find(token); f != nil && !f.Revoked {
			return f
		}
		return nil
	}
	return &shop{
		issue: func() string { return reg.Issue(accounts.Token{Name: "laptop", Packages: []string{"tools"}}) },
		works: func(token string) bool { return find(token) != nil },
		live: func() (map[string]string, int) {
			all, sessions := map[string]string{}, 0
			for _, l := range reg.Tokens() {
				if l.Session {
					sessions++
				} else {
					all[l.Key] = l.Name
				}
			}
			return all, sessions
		},
		key: func(token string) string {
			if f := find(token); f != nil {
				return f.Key
			}
			return ""
		},
	}, reg.URL
}

// point is one place at which a run is struck.
type point struct {
	at   int
	fate fate
	then time.Duration // the fate comes that long after the answer
}

func (p point) String() string { return fmt.Sprintf("request %d, %s %v", p.at, p.fate.name, p.then) }
