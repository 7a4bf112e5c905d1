package respond

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wormbell/agent/respond/call"
)

// Everything that can go wrong with a request, for the tests of kinds.
//
//	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
//		fake := newFake(b)                       // state of its own for each run; tells b.Canary what it mints
//		m := b.Machine(t, "npm")                 // a testMachine that reaches the fake
//		return faultSubject{
//			Service: fake,
//			Run:     func(ctx context.Context) error { _, err := Kind.Create(ctx, m, old, "label"); return err },
//			After:   func(t *testing.T, r faultRun) { … what must be true now … },
//		}
//	})
//
// The operation is first run without a fault, which counts its requests. Then
// it is run again for each request and each fault, with that request alone
// going wrong and with it and all that follow going wrong.

// faultSubject is one operation with a service of its own.
type faultSubject struct {
	Service http.Handler
	Run     func(context.Context) error
	After   func(*testing.T, faultRun) // what must be true after the run, whatever went wrong
}

// faultRun is what happened in one run.
type faultRun struct {
	Fault   string   // "" for the run without one, else a name of [faults]
	At      int      // which request it was, from 0
	Lasting bool     // all later requests went wrong, too
	Request string   // the first that went wrong, "POST /credentials/revoke"
	Status  int      // what was answered instead of the service's own answer; 0 if nothing was
	Effect  bool     // the service did what that request asked, though the answer was spoiled
	Sent    []string // every request that reached the service or should have
	Err     error    // what Run returned
	Slept   []time.Duration
}

// faultBench is what an operation is run on.
type faultBench struct {
	URL  string       // of the service
	Call *call.Client // the clock of which never waits
	Log  *slog.Logger // checked for canaries

	mark string // tells our requests from those of other tests, whose server had the port before

	mu       sync.Mutex // guards what is below
	canaries []string
	shown    bytes.Buffer
	slept    []time.Duration
	sent     []string
	strayed  []string // requests that reached the other host
	last     *faultRun
	runaway  func()
	now      time.Time
	machine  *Machine

	serving sync.Mutex // held while the service is asked: fakes need no lock of their own
}

// Machine returns a [testMachine] whose requests go wrong, on which the service
// stands in for those of kinds, and whose clock moves only by Call.Sleep.
func (b *faultBench) Machine(t *testing.T, kinds ...string) *Machine {
	t.Helper()
	m := testMachine(t)
	m.Call = b.Call
	m.Now = func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.now
	}
	for _, id := range kinds {
		m.Sites[id] = b.URL
	}
	b.machine = m
	return m
}

// faultNobody is an address where nothing listens: port 0.
const faultNobody = "127.0.0.1:0"

// faultMark is the header with a bench's mark.
const faultMark = "X-Fault-Bench"

// faultLimit is more requests than any operation needs.
const faultLimit = 500

// Canary says that s is secret: it must not be shown. It returns s.
func (b *faultBench) Canary(s string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.canaries = append(b.canaries, s)
	return s
}

// Token makes a canary: prefix and n random letters and digits.
func (b *faultBench) Token(prefix string, n int) string { return b.Canary(prefix + testRandom(n)) }

// Write makes a faultBench the writer of its own log.
func (b *faultBench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shown.Write(p)
}

// faultMeans is how a request goes wrong.
type faultMeans struct {
	name    string
	status  int           // answered instead of asking the service
	later   string        // Retry-After, with status
	effect  bool          // the service is asked, and its answer spoiled
	hang    bool          // no answer, until the client gives up
	leave   bool          // no answer, until the caller's context ends
	cut     bool          // the connection is closed instead of an answer
	half    bool          // … in the middle of the answer
	body    func() []byte // instead of the service's body
	refused bool          // nothing listens
}

// faults are the ways in which a request goes wrong.
func faults() []faultMeans {
	return []faultMeans{
		{name: "401", status: 401},
		{name: "403", status: 403},
		{name: "403 later", status: 403, later: "7"},
		{name: "404", status: 404},
		{name: "422", status: 422},
		{name: "429", status: 429, later: "7"},
		{name: "429 much later", status: 429, later: "3600"},
		{name: "500", status: 500},
		{name: "503", status: 503},
		{name: "redirect", status: 307},
		{name: "time-out before", hang: true},
		{name: "time-out after", hang: true, effect: true},
		{name: "cancelled before", leave: true},
		{name: "cancelled after", leave: true, effect: true},
		{name: "cut before", cut: true},
		{name: "cut after", cut: true, effect: true},
		{name: "half", half: true, effect: true},
		{name: "garbage", effect: true, body: func() []byte { return []byte(`<html>{"token": "` + "\x00\xff") }},
		{name: "blank", effect: true, body: func() []byte { return []byte(`{}`) }},
		{name: "null", effect: true, body: func() []byte { return []byte(`null`) }},
		{name: "huge", effect: true, body: func() []byte { return bytes.Repeat([]byte(`[`), 3<<20) }},
		{name: "not reached", refused: true},
	}
}

// faultEach runs an operation with everything going wrong at every request, or
// with the faults named only, and returns the requests that it sends when
// nothing does.
func faultEach(t *testing.T, start func(*testing.T, *faultBench) faultSubject, only ...string) []string {
	t.Helper()
	clean := faultOnce(t, start, faultMeans{}, -1, false)
	if len(clean.Sent) == 0 {
		t.Fatal("the operation sends nothing")
	}
	if t.Failed() {
		return clean.Sent // it does not even work
	}
	for at, request := range clean.Sent {
		for _, f := range faults() {
			if len(only) > 0 && !slices.Contains(only, f.name) {
				continue
			}
			for _, lasting := range []bool{false, true} {
				name := fmt.Sprintf("%s at %d %s", f.name, at, request)
				if lasting {
					name += " and after"
				}
				t.Run(name, func(t *testing.T) {
					faultOnce(t, start, f, at, lasting)
				})
			}
		}
	}
	return clean.Sent
}

// faultAsk is [Kind.Identify], or another question made into one.
type faultAsk = func(context.Context, *Machine, Token) (Identity, error)

// faultBare makes a faultAsk of [Kind.IsDead], whose answers come without a note.
func faultBare(ask func(context.Context, *Machine, Token) (Answer, error)) faultAsk {
	return func(ctx context.Context, m *Machine, old Token) (Identity, error) {
		answer, err := ask(ctx, m, old)
		return Identity{Answer: answer, Note: "-"}, err
	}
}

// faultAnswer is faultEach for questions about the token that start returns,
// which are asked one after the other. Each answer must be one of those that
// truth allows for the run; one that is none must say why; and only a caller who
// gave up gets an error.
func faultAnswer(t *testing.T, start func(*testing.T, *faultBench) (http.Handler, *Machine, Token), truth func(*testing.T, faultRun) []Answer, asks ...faultAsk) {
	t.Helper()
	faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		service, m, old := start(t, b)
		var told []Identity
		return faultSubject{Service: service, Run: func(ctx context.Context) error {
			for _, ask := range asks {
				id, err := ask(ctx, m, old)
				b.Log.Debug("told", "identity", fmt.Sprintf("%+v", id)) // where no canary may be
				if told = append(told, id); err != nil {
					return err
				}
			}
			return nil
		}, After: func(t *testing.T, r faultRun) {
			if cancelled := strings.HasPrefix(r.Fault, "cancelled"); cancelled != (r.Err != nil) || cancelled && !errors.Is(r.Err, context.Canceled) {
				t.Errorf("error %v", r.Err)
			}
			may := truth(t, r)
			for i, id := range told {
				if r.Err != nil && i == len(told)-1 {
					may = append(may, CouldNotTell) // the error says why
				} else if id.Answer == CouldNotTell && id.Note == "" {
					t.Error("it does not say why it could not tell")
				}
				if !slices.Contains(may, id.Answer) {
					t.Errorf("%v (%v), want one of %v", id.Answer, r.Err, may)
				}
			}
		}}
	})
}

// faultTruth allows truth, that nobody can tell if something goes wrong, and
// that the token is dead where that is what the service says by a fault.
func faultTruth(truth Answer, dead ...string) func(*testing.T, faultRun) []Answer {
	return func(_ *testing.T, r faultRun) []Answer {
		switch {
		case r.Fault == "":
			return []Answer{truth}
		case slices.Contains(dead, r.Fault):
			return []Answer{truth, CouldNotTell, Dead}
		}
		return []Answer{truth, CouldNotTell}
	}
}

// faultOnce runs it with f at request at; -1 is never.
func faultOnce(t *testing.T, start func(*testing.T, *faultBench) faultSubject, f faultMeans, at int, lasting bool) faultRun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := faultRun{Fault: f.name, At: at, Lasting: lasting, Status: f.status}
	b := &faultBench{mark: rand.Text(), last: &r, runaway: cancel, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.Log = slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))

	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if q.Header.Get(faultMark) != b.mark {
			return
		}
		b.strayed = append(b.strayed, q.Method+" "+q.URL.Path)
	}))
	defer other.Close()
	var subject faultSubject
	service := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b.serving.Lock()
		defer b.serving.Unlock()
		subject.Service.ServeHTTP(w, q)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get(faultMark) != b.mark { // of somebody who looks for what had this port before
			http.Error(w, "not for you", http.StatusMisdirectedRequest)
			return
		}
		n := b.count(q)
		if at < 0 || n < at || n > at && !lasting {
			service(w, q)
			return
		}
		b.spoil(w, q, f, n == at, service, other.URL, cancel)
	}))
	defer server.Close()
	b.URL = server.URL
	// Connections are used once: net/http would send a GET again by itself
	// on one that was closed, and the counts would not be right.
	inner := &http.Transport{DisableKeepAlives: true}
	defer inner.CloseIdleConnections()
	b.Call = call.New(call.Config{
		Log:       b.Log,
		Transport: &faultTransport{bench: b, inner: inner, means: f, at: at, lasting: lasting},
		Sleep: func(ctx context.Context, d time.Duration) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.slept = append(b.slept, d)
			b.now = b.now.Add(d)
			return ctx.Err()
		},
	})

	subject = start(t, b)
	r.Err = subject.Run(ctx)
	b.mu.Lock()
	r.Sent, r.Slept = slices.Clone(b.sent), slices.Clone(b.slept)
	b.mu.Unlock()
	b.serving.Lock() // what is under way is done
	b.serving.Unlock()
	b.judge(t, r)
	if subject.After != nil {
		subject.After(t, r)
	}
	return r
}

// count notes a request and returns its number.
func (b *faultBench) count(q *http.Request) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, q.Method+" "+q.URL.Path)
	n := len(b.sent) - 1
	if n == b.last.At {
		b.last.Request = b.sent[n]
	}
	if n >= faultLimit {
		b.runaway()
	}
	return n
}

// judge asserts what is true of every operation.
func (b *faultBench) judge(t *testing.T, r faultRun) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(r.Sent) >= faultLimit {
		t.Errorf("it does not end: %d requests", len(r.Sent))
	}
	if len(b.strayed) > 0 {
		t.Errorf("it followed a redirect to another host: %q", b.strayed)
	}
	if r.Err != nil {
		b.shown.WriteString(r.Err.Error() + fmt.Sprintf("\n%+v %#v\n", r.Err, r.Err))
	}
	if len(b.canaries) == 0 {
		t.Error("there is no canary; see faultBench.Canary")
	}
	shown := b.shown.String()
	if b.machine != nil {
		testShows(t, b.machine, b.canaries, r.Err)
		shown += testLog(b.machine)
	}
	for i, canary := range b.canaries {
		for _, part := range faultParts(canary) {
			if strings.Contains(shown, part) {
				t.Errorf("canary %d of %d, or a part of it, is in the errors, the log or what a person is told", i+1, len(b.canaries)) // not which: it is secret
				break
			}
		}
	}
}

// faultParts are the forms in which a secret would be recognised.
func faultParts(s string) []string {
	parts := []string{s, url.QueryEscape(s), url.PathEscape(s)}
	if n := len(s); n >= 24 {
		parts = append(parts, s[n-12:], s[n/2:n/2+10])
	}
	return parts
}

// spoil answers one request wrongly. Only the first is told of in the result.
func (b *faultBench) spoil(w http.ResponseWriter, q *http.Request, f faultMeans, first bool, service http.HandlerFunc, elsewhere string, leave func()) {
	body, _ := io.ReadAll(q.Body)
	q.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	if f.effect {
		service.ServeHTTP(answer, q)
		b.mu.Lock()
		if first {
			b.last.Effect = answer.Code < 400
		}
		b.mu.Unlock()
	}
	switch {
	case f.leave, f.hang:
		if f.leave {
			leave()
		}
		w.WriteHeader(http.StatusProcessing) // at which the transport gives up
		<-q.Context().Done()
	case f.cut, f.half:
		b.cut(w, f, answer)
	case f.status != 0:
		if f.later != "" {
			w.Header().Set("Retry-After", f.later)
		}
		if f.status/100 == 3 {
			w.Header().Set("Location", elsewhere+q.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.status)
		// A service may quote what it was sent.
		sent := fmt.Sprint(q.Header, q.URL, string(body))
		_ = json.NewEncoder(w).Encode(map[string]any{"message": sent, "error": sent, "code": q.Header.Get("Authorization"), "errors": []string{sent}})
	default:
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(f.body())
	}
}

// cut closes the connection, before the answer or in the middle of it.
func (b *faultBench) cut(w http.ResponseWriter, f faultMeans, answer *httptest.ResponseRecorder) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if f.half {
		whole := answer.Body.Bytes()
		// An answer without a body is cut within its head.
		if len(whole) == 0 {
			fmt.Fprintf(conn, "HTTP/1.1 %d x\r\nContent-Ty", answer.Code)
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 %d x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", answer.Code, len(whole), whole[:len(whole)/2])
	}
}

// faultTransport is the client's side of faults: what is never sent, and time
// that runs out without anybody waiting for it.
type faultTransport struct {
	bench   *faultBench
	inner   http.RoundTripper
	means   faultMeans
	at      int
	lasting bool
}

func (f *faultTransport) RoundTrip(q *http.Request) (*http.Response, error) {
	if f.means.refused {
		f.bench.mu.Lock()
		n := len(f.bench.sent)
		f.bench.mu.Unlock()
		if n == f.at || n > f.at && f.lasting {
			f.bench.count(q)
			q.Body.Close()
			var d net.Dialer
			_, err := d.DialContext(q.Context(), "tcp", faultNobody)
			return nil, err
		}
	}
	ctx, giveUp := context.WithCancelCause(q.Context())
	q = q.Clone(ctx)
	q.Header.Set(faultMark, f.bench.mark)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		if code == http.StatusProcessing {
			giveUp(context.DeadlineExceeded)
		}
		return nil
	}})
	res, err := f.inner.RoundTrip(q.WithContext(ctx))
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
			err = cause
		}
		giveUp(nil)
		return nil, err
	}
	res.Body = &faultBody{res.Body, func() { giveUp(nil) }}
	return res, nil
}

// faultBody ends its request's context when it is closed.
type faultBody struct {
	io.ReadCloser
	end func()
}

func (f *faultBody) Close() error {
	defer f.end()
	return f.ReadCloser.Close()
}
