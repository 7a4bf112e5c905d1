// Package call speaks HTTP to the services that issue tokens.
//
// It keeps to what every one of them needs: a time limit, a size limit, no
// redirect that would carry a token elsewhere, retries only of what may be
// repeated, Retry-After, and errors that say whether the request can have had
// an effect. No error and no log line holds a header, a body or a query.
//
// It knows no service and remembers nothing.
package call

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxAnswer is how much of an answer is read, in bytes. The longest that a
	// service sends us is a page of a hundred tokens.
	maxAnswer = 1 << 20
	// tries is how often a request that may be repeated is sent.
	tries = 4
	// maxPatience is the longest that a Retry-After is waited for. A longer one
	// is the caller's to decide on.
	maxPatience = 60 * time.Second
)

// Client sends requests. It is safe for concurrent use. Make it with [New].
type Client struct {
	http  *http.Client
	log   *slog.Logger
	limit time.Duration
	sleep func(context.Context, time.Duration) error
}

// Config says how to send.
type Config struct {
	Transport http.RoundTripper // nil: proxies by the environment, TLS 1.2 or later
	Log       *slog.Logger      // nil: nothing is logged
	Limit     time.Duration     // for one try; 0: 30 s
	// Sleep waits between two tries; nil: it really does. For tests.
	Sleep func(context.Context, time.Duration) error
}

// New makes a Client.
func New(c Config) *Client {
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		// A connection is used once. On one that was kept, and that the service
		// closes at that moment, a request is lost that would have arrived on
		// a new one, and net/http sends some requests a second time by itself.
		t.DisableKeepAlives = true
		t.MaxResponseHeaderBytes = 64 << 10
		c.Transport = t
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Limit == 0 {
		c.Limit = 30 * time.Second
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	return &Client{
		http: &http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a token must not follow
		}},
		log: c.Log, limit: c.Limit, sleep: c.Sleep,
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Sleep waits for d, or less if ctx ends first, of which it returns the error.
// Whoever polls a service waits by it.
func (c *Client) Sleep(ctx context.Context, d time.Duration) error { return c.sleep(ctx, d) }

// Request is one request.
type Request struct {
	Method string
	URL    string
	What   string      // for errors and logs, instead of the URL: "ask who owns the token"
	Header http.Header // Accept and User-Agent are set if they are missing
	Body   []byte
	// Repeatable says that sending it twice does no harm: it is sent again
	// after a 429, a 5xx or a failure of the network.
	Repeatable bool
	// Most is how long an answer may be, in bytes; 0: a mebibyte.
	Most int64
	// Sign is called before each try; nil if there is nothing to sign.
	Sign func(*http.Request, []byte) error
}

// JSON returns the header of a request with a JSON body and that body.
func JSON(v any) (http.Header, []byte, error) {
	b, err := json.Marshal(v)
	return http.Header{"Content-Type": {"application/json"}}, b, err
}

// Form returns the header of a request with a form and that form.
func Form(v url.Values) (http.Header, []byte) {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(v.Encode())
}

// Response is the answer to a request, of any status.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Into decodes a JSON answer into v. The error does not quote the answer.
func (r *Response) Into(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("%w: no JSON at byte %d of %d", ErrGarbled, syntax.Offset, len(r.Body))
		}
		return fmt.Errorf("%w: JSON of another shape", ErrGarbled)
	}
	return nil
}

// ErrGarbled is wrapped by errors that say that an answer makes no sense.
var ErrGarbled = errors.New("the service's answer cannot be read")

// NotSentError says that the request never reached the service: it had no
// effect.
type NotSentError struct {
	What string
	Why  string
}

func (e *NotSentError) Error() string { return e.What + ", but the service was not reached: " + e.Why }

// LostError says that the request was sent and no whole answer came: it may
// have had its effect.
type LostError struct {
	What string
	Why  string
}

func (e *LostError) Error() string { return e.What + ", but no whole answer came: " + e.Why }

// StatusError says that the service refused. A caller makes it by
// [Response.Refused].
type StatusError struct {
	What   string
	Status int
	Code   string        // the service's own short word for it, "" if it gave none: letters, digits, - . _ only
	Later  time.Duration // from Retry-After; 0 if it did not say
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s, but the service answered %d", e.What, e.Status)
	if t := http.StatusText(e.Status); t != "" {
		s += " " + t
	}
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	if e.Later > 0 {
		s += fmt.Sprintf(", try again in %v", e.Later)
	}
	return s
}

// Refused makes the error of an answer that is not what was hoped for. code is
// the service's own word for it; what does not look like one is left out, for
// it may hold anything.
func (r *Response) Refused(what, code string) *StatusError {
	if len(code) > 64 || strings.ContainsFunc(code, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_')
	}) {
		code = ""
	}
	return &StatusError{What: what, Status: r.Status, Code: code, Later: retryAfter(r.Header, time.Now())}
}

// Do sends r and returns the answer, whatever its status. The error is a
// [*NotSentError], a [*LostError] or that of ctx.
//
// A request that is repeatable is sent up to four times, with growing delays
// and as the service asks by Retry-After, up to a minute; then the last answer
// or error is returned.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	delay := 500 * time.Millisecond
	for try := 1; ; try++ {
		a, err := c.once(ctx, r)
		if ctx.Err() != nil && err != nil {
			var sent *LostError
			if errors.As(err, &sent) && !r.Repeatable {
				return nil, err // what it did matters more than why we left
			}
			return nil, ctx.Err()
		}
		again := err != nil || a.Status == http.StatusTooManyRequests || a.Status >= 500
		if !again || !r.Repeatable || try == tries {
			return a, err
		}
		wait := delay + time.Duration(rand.Int64N(int64(delay/4)))
		if err == nil {
			if asked := retryAfter(a.Header, time.Now()); asked > maxPatience {
				return a, nil
			} else if asked > 0 {
				wait = asked
			}
		}
		c.log.Debug("request is sent again", "what", r.What, "try", try, "wait", wait)
		if err := c.sleep(ctx, wait); err != nil {
			return nil, err
		}
		delay *= 2
	}
}

func (c *Client) once(ctx context.Context, r Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var sent atomic.Bool // by net/http's own goroutine
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, &NotSentError{r.What, "its address makes no sense"}
	}
	req.GetBody = nil // or net/http would send it again by itself
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "wormbell")
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if r.Sign != nil {
		if err := r.Sign(req, r.Body); err != nil {
			return nil, &NotSentError{r.What, "it could not be signed"}
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		if sent.Load() {
			return nil, &LostError{r.What, why(err)}
		}
		return nil, &NotSentError{r.What, why(err)}
	}
	defer res.Body.Close()
	most := cmp.Or(r.Most, maxAnswer)
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return nil, &LostError{r.What, "only part of it came: " + why(err)}
	case int64(len(body)) > most:
		return nil, &LostError{r.What, fmt.Sprintf("it is longer than %d bytes", most)}
	}
	c.log.Debug("request", "what", r.What, "status", res.StatusCode)
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// why says in few words what went wrong, without the URL that net/http puts
// into its errors: it may hold a token.
func why(err error) string {
	var u *url.Error
	for errors.As(err, &u) {
		if u.Err == nil {
			break
		}
		err = u.Err
		u = nil
	}
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		return "its name could not be looked up"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it took too long"
	case errors.Is(err, context.Canceled):
		return "it was cancelled"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return "the connection failed" // other texts may quote what was sent
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110,
// section 10.2.3); 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := h.Get("Retry-After")
	if s == "" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(min(max(n, 0), 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(now), 0), 24*time.Hour)
	}
	return 0
}
