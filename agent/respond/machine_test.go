package respond

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/keychain/keychaintest"
	"wormbell/internal/secret"
)

// testMachine returns a machine in temporary folders, whose keychains are empty
// and in memory, whose person is not there, and whose clock moves only when
// somebody waits by Call.Sleep. It reaches loopback addresses only. What hangs
// on it is found again by the machine: [testLog], [testKeys], [testItems]; a person is put in front of it by [testPersonAt]. Its fields may
// be set to others before it is used.
func testMachine(t *testing.T) *Machine {
	t.Helper()
	m := &Machine{
		Home:   filepath.Join(t.TempDir(), "home"),
		State:  filepath.Join(t.TempDir(), "state"),
		Getenv: func(string) string { return "" },
		Sites:  map[string]string{},
		Keys:   &keychaintest.Store{},
		Items:  &keychaintest.Store{},
		Memory: new(Memory),
		Log:    slog.New(newTestLogged()),
	}
	for _, dir := range []string{m.Home, m.State} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	testLimit(m, 10*time.Second)
	testPersonAt(m)
	return m
}

// testLimit gives m another Call, whose tries take limit at most.
func testLimit(m *Machine, limit time.Duration) {
	clock := &testClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	m.Now = clock.Now
	m.Call = call.New(call.Config{Transport: testTransport(), Log: m.Log, Limit: limit, Sleep: clock.Sleep})
}

// testTransport reaches loopback addresses only, each time by a connection of
// its own.
func testTransport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("a test must not reach %s", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
}

// testClock is a clock that moves by sleeping.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

func testKeys(m *Machine) *keychaintest.Store  { return m.Keys.(*keychaintest.Store) }
func testItems(m *Machine) *keychaintest.Store { return m.Items.(*keychaintest.Store) }

// testLog returns all that m has logged, said, asked and opened.
func testLog(m *Machine) string { return m.Log.Handler().(*testLogged).sink.String() }

// testLogged is a slog handler that keeps what is logged.
type testLogged struct {
	slog.Handler
	sink *testSink
}

func newTestLogged() *testLogged {
	sink := new(testSink)
	return &testLogged{slog.NewTextHandler(sink, &slog.HandlerOptions{Level: slog.LevelDebug}), sink}
}

// testSink is a buffer that can be written and read at the same time.
type testSink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *testSink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *testSink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// testPerson is a person who does what a test says, in this order.
type testPerson struct {
	mu      sync.Mutex
	answers []any
	lines   []string // what was said
	asked   []string // the questions and prompts
	pages   []string // what was opened
	visit   func(url string)
}

// testPersonAt puts a person in front of m. answers are given to the questions
// in turn: a bool to Confirm, a string to Secret, an error to either; a func()
// any is called for the answer. Then, and to a question of another kind,
// nobody is there. Opening a page always works; see visits.
func testPersonAt(m *Machine, answers ...any) *testPerson {
	p := &testPerson{answers: answers}
	secretly := func(ctx context.Context, prompt string) (secret.Value, error) {
		a, err := p.answer(ctx, m, prompt)
		if err != nil {
			return secret.Value{}, err
		}
		text, ok := a.(string)
		if !ok {
			return secret.Value{}, fmt.Errorf("%w: the test had %T for %q", ErrNobody, a, prompt)
		}
		return secret.Of(text), nil
	}
	m.Person = Person{
		Say: func(line string) {
			m.Log.Debug("said", "line", line)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.lines = append(p.lines, line)
		},
		Confirm: func(ctx context.Context, question string) (bool, error) {
			a, err := p.answer(ctx, m, question)
			if err != nil {
				return false, err
			}
			yes, ok := a.(bool)
			if !ok {
				return false, fmt.Errorf("%w: the test had %T for %q", ErrNobody, a, question)
			}
			return yes, nil
		},
		Secret: secretly,
		Paste:  secretly,
		Browse: func(ctx context.Context, url string) error {
			m.Log.Debug("opened", "url", url)
			p.mu.Lock()
			p.pages = append(p.pages, url)
			visit := p.visit
			p.mu.Unlock()
			if visit != nil {
				visit(url)
			}
			return ctx.Err()
		},
	}
	return p
}

// visits sets what the person does on a page that is opened.
func (p *testPerson) visits(do func(url string)) *testPerson {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.visit = do
	return p
}

func (p *testPerson) answer(ctx context.Context, m *Machine, question string) (any, error) {
	m.Log.Debug("asked", "question", question)
	p.mu.Lock()
	p.asked = append(p.asked, question)
	if len(p.answers) == 0 {
		p.mu.Unlock()
		return nil, ErrNobody
	}
	a := p.answers[0]
	p.answers = p.answers[1:]
	p.mu.Unlock()
	if f, ok := a.(func() any); ok {
		a = f()
	}
	if err, ok := a.(error); ok {
		return nil, err
	}
	return a, ctx.Err()
}

func (p *testPerson) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}
func (p *testPerson) opened() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.pages...)
}

// testRandom returns n random letters and digits, for a canary: tokens in tests
// are made at run time, so that nothing that looks like one stands in a file.
func testRandom(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// testPut writes a 0600 file, named with ~, and the folders above it.
func testPut(t *testing.T, m *Machine, path, text string) {
	t.Helper()
	abs := m.Abs(path)
	if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(abs, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// testText returns what a file named with ~ holds, "" if it is not there.
func testText(t *testing.T, m *Machine, path string) string {
	t.Helper()
	b, err := os.ReadFile(m.Abs(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// testShows fails if one of canaries, twelve letters of its beginning, eight
// of its end, or an encoding of it stands in what m logged, said and asked, in its state
// folder, or in errs.
func testShows(t *testing.T, m *Machine, canaries []string, errs ...error) {
	t.Helper()
	text := map[string]string{"log": testLog(m)}
	for i, err := range errs {
		if err != nil {
			text[fmt.Sprintf("error %d", i)] = fmt.Sprintf("%v %+v %#v", err, err, err)
		}
	}
	err := filepath.WalkDir(m.State, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		text[path] = path + "\n" + string(b)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, c := range canaries {
		if len(c) < 12 {
			t.Fatalf("a canary of %d letters proves nothing", len(c))
		}
		for what, bad := range map[string]string{"it": c, "its beginning": c[:12], "its end": c[len(c)-8:],
			"it in hex": hex.EncodeToString([]byte(c)), "it in base64": base64.RawStdEncoding.EncodeToString([]byte(c))} {
			for where, s := range text {
				if strings.Contains(s, bad) {
					t.Errorf("a secret is shown in %s: %s", where, what)
				}
			}
		}
	}
}
