package call_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wormbell/agent/respond/call"
)

// service answers one request after the other as it is told; the last answer
// is given again and again.
type service struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*http.Request
	bodies  []string
	answers []http.HandlerFunc
}

func serve(t *testing.T, answers ...http.HandlerFunc) *service {
	t.Helper()
	s := &service{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got, s.bodies = append(s.got, r), append(s.bodies, string(body))
		answer := s.answers[min(len(s.got), len(s.answers))-1]
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, `{"ok":true}`)
	}
}

// cut closes the connection after it has sent text.
func cut(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		io.WriteString(c, text)
		c.Close()
	}
}

// slow answers when the client has gone.
func slow(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// bench is a client whose clock does not wait.
type bench struct {
	*call.Client
	log   bytes.Buffer
	slept []time.Duration
}

func newBench(limit time.Duration) *bench {
	b := &bench{}
	b.Client = call.New(call.Config{
		Log: slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Limit: limit,
		Sleep: func(ctx context.Context, d time.Duration) error {
			b.slept = append(b.slept, d)
			return ctx.Err()
		},
	})
	return b
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		answers    []http.HandlerFunc
		repeatable bool
		sent       int
		status     int           // of the answer; 0: none
		waits      time.Duration // in all, at least
		atMost     time.Duration
	}{
		{"fine", []http.HandlerFunc{status(200)}, true, 1, 200, 0, 0},
		{"refused", []http.HandlerFunc{status(403)}, true, 1, 403, 0, 0},
		{"not repeatable: 500", []http.HandlerFunc{status(500)}, false, 1, 500, 0, 0},
		{"not repeatable: 429", []http.HandlerFunc{status(429, "Retry-After", "1")}, false, 1, 429, 0, 0},
		{"not repeatable: cut", []http.HandlerFunc{cut("")}, false, 1, 0, 0, 0},
		{"once 500", []http.HandlerFunc{status(500), status(200)}, true, 2, 200, 500 * time.Millisecond, time.Second},
		{"always 500", []http.HandlerFunc{status(500)}, true, 4, 500, 3500 * time.Millisecond, 5 * time.Second},
		{"always cut", []http.HandlerFunc{cut("")}, true, 4, 0, 3500 * time.Millisecond, 5 * time.Second},
		{"half, then fine", []http.HandlerFunc{cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), status(200)}, true, 2, 200, 500 * time.Millisecond, time.Second},
		{"as asked, in seconds", []http.HandlerFunc{status(429, "Retry-After", "7"), status(200)}, true, 2, 200, 7 * time.Second, 7 * time.Second},
		{"as asked, 503", []http.HandlerFunc{status(503, "Retry-After", "60"), status(200)}, true, 2, 200, time.Minute, time.Minute},
		{"asked for too long", []http.HandlerFunc{status(429, "Retry-After", "61")}, true, 1, 429, 0, 0},
		{"asked for a century", []http.HandlerFunc{status(429, "Retry-After", "3155760000")}, true, 1, 429, 0, 0},
		{"asked for the past", []http.HandlerFunc{status(429, "Retry-After", "-5"), status(200)}, true, 2, 200, 500 * time.Millisecond, time.Second},
		{"asked for nonsense", []http.HandlerFunc{status(429, "Retry-After", "soon"), status(200)}, true, 2, 200, 500 * time.Millisecond, time.Second},
		{"asked for a date", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			status(429, "Retry-After", time.Now().UTC().Add(30*time.Second).Format(http.TimeFormat))(w, r)
		}, status(200)}, true, 2, 200, 20 * time.Second, 31 * time.Second},
		{"asked for a date far off", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			status(429, "Retry-After", time.Now().UTC().Add(time.Hour).Format(http.TimeFormat))(w, r)
		}}, true, 1, 429, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, b := serve(t, test.answers...), newBench(0)
			a, err := b.Do(t.Context(), call.Request{Method: "POST", URL: s.URL, What: "try", Body: []byte("body"), Repeatable: test.repeatable})
			if (err == nil) != (test.status > 0) || err == nil && a.Status != test.status {
				t.Errorf("%+v %v", a, err)
			}
			var lost *call.LostError
			if err != nil && !errors.As(err, &lost) {
				t.Errorf("%T %v", err, err)
			}
			if s.count() != test.sent {
				t.Errorf("sent %d times, want %d", s.count(), test.sent)
			}
			for i, body := range s.bodies {
				if body != "body" {
					t.Errorf("body %d: %q", i, body)
				}
			}
			var waited time.Duration
			for _, d := range b.slept {
				waited += d
			}
			if waited < test.waits || waited > test.atMost {
				t.Errorf("waited %v, want %v to %v", waited, test.waits, test.atMost)
			}
		})
	}
}

func TestLostOrNotSent(t *testing.T) {
	t.Parallel()
	const nobody = "http://127.0.0.1:0" // nothing can listen there; the port of a server that was closed may soon be another test's
	quiet, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quiet.Close() })
	go func() { // takes no notice of what it is sent
		for {
			c, err := quiet.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	tls := httptest.NewTLSServer(http.HandlerFunc(status(200)))
	t.Cleanup(tls.Close)
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		url    string
		lost   bool
		why    string
	}{
		{"nobody listens", nil, nobody, false, "refused"},
		{"no such name", nil, "http://no-such-host.invalid/", false, "name could not be looked up"},
		{"no address", nil, "http://bad host/", false, "makes no sense"},
		{"no protocol", nil, "gopher://127.0.0.1/", false, ""},
		{"a certificate of its own", nil, tls.URL, false, ""},
		{"cut before the answer", cut(""), "", true, "closed"},
		{"cut in the headers", cut("HTTP/1.1 200 OK\r\nContent-"), "", true, ""},
		{"cut in the body", cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\""), "", true, "part of it came"},
		{"cut in a chunk", cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"a\""), "", true, "part of it came"},
		{"no HTTP", cut("220 smtp ready\r\n"), "", true, ""},
		{"it answers too late", slow, "", true, "too long"},
		{"it never answers", nil, "http://" + quiet.Addr().String(), true, "too long"},
		{"its body takes too long", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			slow(w, r)
		}, "", true, "too long"},
		{"too much", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20+1)) }, "", true, "longer than"},
		{"too many headers", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 100<<10))
		}, "", true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address := test.url
			if test.answer != nil {
				address = serve(t, test.answer).URL
			}
			limits := []time.Duration{time.Minute}
			if test.why == "too long" { // what a busy machine does not send within one is sent within the next
				limits = []time.Duration{300 * time.Millisecond, 3 * time.Second, 30 * time.Second}
			}
			var err error
			var lost *call.LostError
			var unsent *call.NotSentError
			for i, limit := range limits {
				_, err = newBench(limit).Do(t.Context(), call.Request{Method: "POST", URL: address, What: "try it"})
				if i == len(limits)-1 || !errors.As(err, &unsent) {
					break
				}
				unsent = nil
			}
			if errors.As(err, &lost) != test.lost || errors.As(err, &unsent) == test.lost {
				t.Fatalf("%T %v", err, err)
			}
			if !strings.HasPrefix(err.Error(), "try it, but ") || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("exactly as much as is read", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) })
		if a, err := newBench(0).Do(t.Context(), call.Request{URL: s.URL, What: "try"}); err != nil || len(a.Body) != 1<<20 {
			t.Error(err)
		}
	})
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	for _, repeatable := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { cancel(); slow(w, r) })
		_, err := newBench(10*time.Second).Do(ctx, call.Request{Method: "POST", URL: s.URL, What: "try", Repeatable: repeatable})
		var lost *call.LostError
		if errors.As(err, &lost) == repeatable || repeatable && !errors.Is(err, context.Canceled) || s.count() != 1 {
			t.Errorf("repeatable %v: %v", repeatable, err)
		}
		// Before it is sent.
		if _, err := newBench(0).Do(ctx, call.Request{URL: s.URL, What: "try", Repeatable: repeatable}); !errors.Is(err, context.Canceled) || s.count() != 1 {
			t.Errorf("repeatable %v: %v", repeatable, err)
		}
	}
	// While it waits for the next try.
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, status(500))
	c := call.New(call.Config{Sleep: func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }})
	if _, err := c.Do(ctx, call.Request{URL: s.URL, What: "try", Repeatable: true}); !errors.Is(err, context.Canceled) || s.count() != 1 {
		t.Errorf("%v", err)
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	c := call.New(call.Config{})
	if err := c.Sleep(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A token goes to the host that it is for and to no other.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	thief := serve(t, status(200))
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := serve(t, status(code, "Location", thief.URL+"/x"))
		a, err := newBench(0).Do(t.Context(), call.Request{Method: "GET", URL: s.URL, What: "try", Repeatable: true,
			Header: http.Header{"Authorization": {"Bearer x"}}})
		if err != nil || a.Status != code || s.count() != 1 {
			t.Errorf("%d: %+v %v", code, a, err)
		}
	}
	if thief.count() != 0 {
		t.Error("it was followed")
	}
}

// A connection that the service closes while it is idle must not make net/http
// send a request again by itself.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			status(200)(w, r)
			return
		}
		gone.Store(true)
		cut("")(w, r)
	})
	b := newBench(0)
	if _, err := b.Do(t.Context(), call.Request{Method: "GET", URL: s.URL + "/first", What: "try"}); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "POST", "DELETE", "PUT"} { // net/http takes some of them for repeatable
		before := s.count()
		_, err := b.Do(t.Context(), call.Request{Method: method, URL: s.URL + "/second", What: "try", Header: http.Header{"Idempotency-Key": {"x"}}})
		var lost *call.LostError
		if !errors.As(err, &lost) || s.count() != before+1 {
			t.Errorf("%s: %v, arrived %d times", method, err, s.count()-before)
		}
		if _, err := b.Do(t.Context(), call.Request{Method: "GET", URL: s.URL + "/first", What: "try"}); err != nil { // a connection to reuse
			t.Fatal(err)
		}
	}
}

func TestHeadersAndSigning(t *testing.T) {
	t.Parallel()
	s, b := serve(t, status(500), status(200)), newBench(0)
	own := http.Header{"X-Own": {"1"}}
	signed := 0
	_, err := b.Do(t.Context(), call.Request{Method: "POST", URL: s.URL, What: "try", Header: own, Body: []byte("b"), Repeatable: true,
		Sign: func(r *http.Request, body []byte) error {
			signed++
			r.Header.Set("X-Signed", fmt.Sprint(signed, string(body)))
			return nil
		}})
	if err != nil || len(own) != 1 {
		t.Errorf("%v, the caller's header is now %v", err, own)
	}
	for i, r := range s.got {
		if r.Header.Get("User-Agent") != "wormbell" || r.Header.Get("Accept") != "application/json" || r.Header.Get("X-Own") != "1" || r.Header.Get("X-Signed") != fmt.Sprint(i+1, "b") {
			t.Errorf("%v", r.Header)
		}
	}
	_, err = b.Do(t.Context(), call.Request{URL: s.URL, What: "try", Sign: func(*http.Request, []byte) error { return errors.New("secret in it") }})
	var unsent *call.NotSentError
	if !errors.As(err, &unsent) || strings.Contains(err.Error(), "secret") || s.count() != 2 {
		t.Errorf("%v", err)
	}
	h, body := call.Form(url.Values{"a": {"b c"}})
	if h.Get("Content-Type") != "application/x-www-form-urlencoded" || string(body) != "a=b+c" {
		t.Errorf("%v %q", h, body)
	}
	h, body, err = call.JSON(map[string]int{"a": 1})
	if err != nil || h.Get("Content-Type") != "application/json" || string(body) != `{"a":1}` {
		t.Errorf("%v %q %v", h, body, err)
	}
}

// Wherever a secret was in a request or an answer, no error and no log line
// shows it.
func TestNothingIsShown(t *testing.T) {
	t.Parallel()
	b := make([]byte, 16)
	rand.Read(b)
	canary := fmt.Sprintf("canary-%x", b)
	answers := map[string]http.HandlerFunc{
		"fine": status(200), "refused": status(401), "broken": status(500), "cut": cut(""), "late": slow,
		"no HTTP": cut(canary + "\r\n\r\n"), "bad header": cut("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), "bad length": cut("HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n"),
		"bad status": cut("HTTP/1.1 " + canary + "\r\n\r\n"), "bad encoding": cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n"),
		"bad chunk": cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n"),
		"no JSON":   func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "<%s>", canary) }, "redirect": status(302, "Location", "http://"+canary+".invalid/"+canary),
		"bad redirect": status(302, "Location", "http://["+canary), "JSON of another shape": func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"n":%q}`, canary) },
		"refused in words": status(403, "Retry-After", canary, "X-Why", canary),
	}
	urls := map[string]string{"nobody": "http://127.0.0.1:1", "bad name": "http://" + canary + ".invalid", "bad port": "http://127.0.0.1:" + canary, "bad escape": "http://127.0.0.1/%zz", "bad protocol": canary + "://x",
		"control": "http://127.0.0.1/\x7f"}
	for name, answer := range answers {
		urls[name] = serve(t, answer).URL
	}
	for name, address := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := time.Minute
			if name == "late" {
				limit = 200 * time.Millisecond
			}
			b := newBench(limit)
			a, err := b.Do(t.Context(), call.Request{
				Method: "POST", URL: address + "/" + canary + "?token=" + canary, What: "try", Body: []byte(canary), Repeatable: true,
				Header: http.Header{"Authorization": {"Bearer " + canary}},
			})
			if err == nil {
				var v struct{ N int }
				err = errors.Join(a.Into(&v), a.Refused("try", canary+" "+canary), a.Refused("try", "fine_code-1.2"))
				if !strings.Contains(err.Error(), "(fine_code-1.2)") {
					t.Error(err)
				}
			}
			if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, b.log.String()); strings.Contains(text, canary) {
				t.Errorf("it is shown: %s", strings.ReplaceAll(text, canary, "CANARY"))
			}
		})
	}
}

func TestInto(t *testing.T) {
	t.Parallel()
	var v struct{ N int }
	if err := (&call.Response{Body: []byte(`{"n":3}`)}).Into(&v); err != nil || v.N != 3 {
		t.Error(v, err)
	}
	for _, body := range []string{"", "{", `{"n":"x"}`, "null x", "<html>"} {
		if err := (&call.Response{Body: []byte(body)}).Into(&v); !errors.Is(err, call.ErrGarbled) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestStatusError(t *testing.T) {
	t.Parallel()
	r := &call.Response{Status: 429, Header: http.Header{"Retry-After": {"90"}}}
	e := r.Refused("make a token", "rate.limited")
	if e.Later != 90*time.Second || e.Error() != "make a token, but the service answered 429 Too Many Requests (rate.limited), try again in 1m30s" {
		t.Error(e)
	}
	r = &call.Response{Status: 599, Header: http.Header{"Retry-After": {time.Now().Add(1000 * time.Hour).UTC().Format(http.TimeFormat)}}}
	if e := r.Refused("x", strings.Repeat("a", 65)); e.Code != "" || e.Later != 24*time.Hour {
		t.Errorf("%+v", e)
	}
}
