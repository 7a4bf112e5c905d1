package respond

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
	"wormbell/internal/private"
	"wormbell/internal/secret"
)

// rotateService is a service that issues tokens, for the tests of the Rotator.
type rotateService struct {
	URL string

	mu     sync.Mutex // guards what is below
	tokens []*rotateToken
	kills  bool // making a new token kills the one that asks
	slow   int  // how often a revoked token is still taken
	forbid bool // tokens may make no tokens
	broken bool // 500 for all
	mute   bool // says nothing of tokens
	gets   int  // requests to make a token that were carried out
}

type rotateToken struct {
	value, id, label, owner string
	revoked                 bool
	taken                   int // how often it is still taken, once revoked
}

// rotateByHand is the label of what a person makes.
const rotateByHand = "by hand"

func newRotateService(t *testing.T) *rotateService {
	t.Helper()
	s := new(rotateService)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// mint makes a token.
func (s *rotateService) mint(label, owner string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mintLocked(label, owner).value
}

func (s *rotateService) mintLocked(label, owner string) *rotateToken {
	t := &rotateToken{value: "fake_" + testRandom(32), id: fmt.Sprintf("id%d", len(s.tokens)), label: label, owner: owner}
	s.tokens = append(s.tokens, t)
	return t
}

func (s *rotateService) find(value string) *rotateToken {
	for _, t := range s.tokens {
		if value != "" && t.value == value {
			return t
		}
	}
	return nil
}

// kill revokes a token as a person does on the page.
func (s *rotateService) kill(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(value); t != nil {
		s.revoke(t)
	}
}

func (s *rotateService) revoke(t *rotateToken) {
	if !t.revoked {
		t.revoked, t.taken = true, s.slow
	}
}

// alive returns the values that were not revoked.
func (s *rotateService) alive() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, t := range s.tokens {
		if !t.revoked {
			all = append(all, t.value)
		}
	}
	return all
}

// values returns all that were ever issued.
func (s *rotateService) values() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, t := range s.tokens {
		all = append(all, t.value)
	}
	return all
}

func (s *rotateService) set(do func(*rotateService)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
}

func (s *rotateService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		http.Error(w, "{}", http.StatusInternalServerError)
		return
	}
	by := s.find(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if by != nil && by.revoked {
		if by.taken--; by.taken < 0 {
			by = nil
		}
	}
	answer := func(status int, v any) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	var body struct{ Label, Value string }
	if r.Method == "POST" {
		json.NewDecoder(r.Body).Decode(&body)
	}
	switch path := r.Method + " " + r.URL.Path; {
	case path == "POST /page": // a person, logged in
		answer(201, map[string]string{"value": s.mintLocked(rotateByHand, "alice").value})
	case path == "POST /page/revoke":
		if t := s.find(body.Value); t != nil {
			s.revoke(t)
		}
		answer(200, nil)
	case s.mute:
		answer(404, nil)
	case path == "POST /revoke": // by possession, without a login
		if t := s.find(body.Value); t != nil {
			s.revoke(t)
		}
		answer(202, nil)
	case by == nil:
		answer(401, nil)
	case path == "GET /me":
		answer(200, map[string]string{"owner": by.owner})
	case path == "POST /tokens" && (s.forbid || by.revoked):
		answer(403, nil)
	case path == "POST /tokens":
		s.gets++
		t := s.mintLocked(body.Label, by.owner)
		if s.kills {
			by.revoked, by.taken = true, 0
		}
		answer(201, map[string]string{"value": t.value, "id": t.id})
	case path == "GET /tokens":
		list := []map[string]string{}
		for _, t := range s.tokens {
			if !t.revoked {
				list = append(list, map[string]string{"id": t.id, "label": t.label})
			}
		}
		answer(200, list)
	case r.Method == "DELETE":
		i := slices.IndexFunc(s.tokens, func(t *rotateToken) bool { return "/tokens/"+t.id == r.URL.Path })
		if i < 0 {
			answer(404, nil)
			return
		}
		s.revoke(s.tokens[i])
		answer(204, nil)
	default:
		answer(404, nil)
	}
}

const rotateFile = "~/.fakerc"

// rotateKind is the kind of the service's tokens. step, unless it is nil, is
// called around each thing that is done to its file.
func rotateKind(step func(string)) Kind {
	if step == nil {
		step = func(string) {}
	}
	base := func(m *Machine) string { return m.Site("fake", "http://192.0.2.1") }
	do := func(ctx context.Context, m *Machine, t Token, method, path string, body any, repeatable bool) (*call.Response, error) {
		h, b, err := call.JSON(body)
		if err != nil {
			return nil, err
		}
		if !t.Value.Empty() {
			h.Set("Authorization", "Bearer "+t.Value.Reveal())
		}
		return m.Call.Do(ctx, call.Request{Method: method, URL: base(m) + path, What: method + " " + path, Header: h, Body: b, Repeatable: repeatable})
	}
	change := func(m *Machine, old Token, new string) error {
		was, err := os.ReadFile(m.Abs(rotateFile))
		if err != nil {
			return err
		}
		if new != "" && bytes.Contains(was, []byte("token="+new+"\n")) {
			return nil
		}
		if !bytes.Contains(was, []byte("token="+old.Value.Reveal()+"\n")) {
			if new == "" {
				return nil
			}
			return fmt.Errorf("%s: %w", rotateFile, edit.ErrChanged)
		}
		now := strings.Replace(string(was), "token="+old.Value.Reveal()+"\n", ifs(new == "", "", "token="+new+"\n"), 1)
		return private.Write(m.Abs(rotateFile), []byte(now), func(s string) { step("file: " + s) })
	}
	return Kind{
		ID: "fake", Title: "fake token",
		Find: func(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
			if paths != nil && !slices.Contains(paths, rotateFile) {
				return nil, ctx.Err()
			}
			b, err := os.ReadFile(m.Abs(rotateFile))
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			var all []Token
			for line := range strings.Lines(string(b)) {
				if v, ok := strings.CutPrefix(line, "token="); ok {
					all = append(all, Token{Kind: "fake", Name: "fake:it", Places: []Place{{Path: rotateFile, Key: "token"}},
						Value: secret.Of(strings.TrimSpace(v)), Also: Secrets{"client": secret.Of("also-" + testAlso)}})
				}
			}
			return all, err
		},
		Identify: func(ctx context.Context, m *Machine, t Token) (Identity, error) {
			r, err := do(ctx, m, t, "GET", "/me", nil, true)
			if ctx.Err() != nil {
				return Identity{}, ctx.Err()
			}
			if err != nil {
				return Identity{Note: err.Error()}, nil
			}
			var me struct{ Owner string }
			switch {
			case r.Status == 401:
				return Identity{Answer: Dead}, nil
			case r.Status == 200 && r.Into(&me) == nil:
				return Identity{Answer: Alive, Owner: me.Owner}, nil
			}
			return Identity{Note: r.Refused("ask", "").Error()}, nil
		},
		Create: func(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
			r, err := do(ctx, m, old, "POST", "/tokens", map[string]string{"label": label}, false)
			if err != nil {
				return Token{}, err
			}
			if r.Status != 201 {
				return Token{}, r.Refused("make a token", "")
			}
			var made struct{ Value, ID string }
			if err := r.Into(&made); err != nil {
				return Token{}, err
			}
			new := old
			new.Value, new.ID = secret.Of(made.Value), made.ID
			return new, nil
		},
		Lost: func(ctx context.Context, m *Machine, old Token, label string) (bool, error) {
			r, err := do(ctx, m, old, "GET", "/tokens", nil, true)
			if err != nil {
				return false, err
			}
			if r.Status != 200 {
				return false, r.Refused("list tokens", "")
			}
			var list []struct{ ID, Label string }
			if err := r.Into(&list); err != nil {
				return false, err
			}
			for _, t := range list {
				if t.Label != label {
					continue
				}
				r, err := do(ctx, m, old, "DELETE", "/tokens/"+t.ID, nil, true)
				if err != nil {
					return true, err
				}
				if r.Status != 204 {
					return true, r.Refused("revoke the lost token", "")
				}
				return true, nil
			}
			return false, nil
		},
		Install: func(ctx context.Context, m *Machine, old, new Token) error { return change(m, old, new.Value.Reveal()) },
		Forget:  func(ctx context.Context, m *Machine, old Token) error { return change(m, old, "") },
		Revoke: func(ctx context.Context, m *Machine, old, by Token) error {
			r, err := do(ctx, m, Token{}, "POST", "/revoke", map[string]string{"value": old.Value.Reveal()}, false)
			if err == nil && r.Status != 202 {
				err = r.Refused("revoke", "")
			}
			return err
		},
		Pages: func(Token) []Page {
			return []Page{{URL: "https://fake.example.com/tokens", Title: "Fake: tokens", Steps: []string{"Remove it."}},
				{URL: "https://fake.example.com/tokens/new", Title: "Fake: new token", Steps: []string{"Make one."}}}
		},
		Fits: func(s string) bool { return strings.HasPrefix(s, "fake_") },
	}
}

// testAlso stands in for what belongs to a token and is as secret; it opens
// nothing.
const testAlso = "canary-of-what-belongs-to-it"

// rotateHand is a person who does what is asked on the service's page.
func rotateHand(m *Machine, url string) *testPerson {
	p := testPersonAt(m)
	post := func(path, value string) string {
		b, _ := json.Marshal(map[string]string{"value": value})
		r, err := http.Post(url+path, "application/json", bytes.NewReader(b))
		if err != nil {
			return ""
		}
		defer r.Body.Close()
		var got struct{ Value string }
		json.NewDecoder(r.Body).Decode(&got)
		return got.Value
	}
	m.Person.Paste = func(ctx context.Context, prompt string) (secret.Value, error) {
		return secret.Of(post("/page", "")), ctx.Err()
	}
	m.Person.Confirm = func(ctx context.Context, q string) (bool, error) {
		p.mu.Lock()
		p.asked = append(p.asked, q)
		p.mu.Unlock()
		if strings.HasPrefix(q, "Revoke ") {
			// The person sees on the page which one it is.
			kept, err := m.Keys.Get(ctx, keptService, keptAccount(rotateIDOf(m), "old", 0))
			if err != nil {
				return false, err
			}
			_, text, _ := strings.Cut(kept.Reveal(), " ")
			var k rotateKept
			if err := json.Unmarshal([]byte(text), &k); err != nil {
				return false, err
			}
			post("/page/revoke", k.Value)
		}
		return true, ctx.Err()
	}
	return p
}

type rotateKept struct {
	Value string `json:"value"`
}

// rotateIDOf returns the ID of the one rotation that has not ended, "" if there
// is none.
func rotateIDOf(m *Machine) string {
	all, _ := (&Rotator{Machine: m, Kinds: []Kind{rotateKind(nil)}}).Unfinished()
	if len(all) == 0 {
		return ""
	}
	return all[0].ID
}

// rotatePut makes a token that stands in the file, and returns it.
func rotatePut(t *testing.T, m *Machine, s *rotateService) Token {
	t.Helper()
	m.Sites["fake"] = s.URL
	value := s.mint("first", "alice")
	testPut(t, m, rotateFile, "# mine\ntoken="+value+"\nother=1\n")
	found, err := Find(t.Context(), m, []Kind{rotateKind(nil)}, nil)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v %v", found, err)
	}
	return found[0]
}

// rotateStands returns the value that stands in the file.
func rotateStands(t *testing.T, m *Machine) string {
	t.Helper()
	text := testText(t, m, rotateFile)
	_, rest, ok := strings.Cut(text, "token=")
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\n")
	if want := "# mine\ntoken=" + value + "\nother=1\n"; text != want {
		t.Errorf("the file was changed elsewhere, too:\n%s", strings.ReplaceAll(text, value, "…"))
	}
	return value
}
