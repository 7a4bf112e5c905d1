package dashboard_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wormbell/agent/client"
	"wormbell/internal/dashboard"
)

// browser is a client that sends what a browser would.
type browser struct {
	t    testing.TB
	base string // "http://127.0.0.1:PORT/PATH", below which its pages are
	http *http.Client
}

// visit opens a link as somebody who clicked it in a terminal.
func visit(t testing.TB, s *dashboard.Server, page string) *browser {
	t.Helper()
	b := stranger(t, s)
	if got := b.get(s.Link(page), nil); got.status != 200 {
		t.Fatalf("the link: %d %s", got.status, got.body)
	}
	return b
}

// stranger is a browser without a session.
func stranger(t testing.TB, s *dashboard.Server) *browser {
	t.Helper()
	u, err := url.Parse(s.Link("/"))
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	return &browser{t, "http://" + u.Host + s.At(), &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

type answer struct {
	status int
	body   string
	header http.Header
	url    string
}

func (b *browser) do(req *http.Request, header map[string]string) answer {
	b.t.Helper()
	req.Header.Set("Sec-Fetch-Site", "none")
	if req.Method != "GET" {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("Origin", "null") // see refuse
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		} else if v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Header, res.Request.URL.String()}
}

func (b *browser) get(path string, header map[string]string) answer {
	b.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.base + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), "GET", path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req, header)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func (b *browser) csrf() string {
	b.t.Helper()
	m := csrfField.FindStringSubmatch(b.get("/alerts/worm2345", nil).body)
	if m == nil {
		b.t.Fatal("the page has no form")
	}
	return m[1]
}

func (b *browser) post(path string, form url.Values, header map[string]string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), "POST", b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req, header)
}

// TestTicket: a link works once, within a minute, and opens its page.
func TestTicket(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	s := serve(t, sample(), func(c *dashboard.Config) {
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }

	link := s.Link("/status")
	enter, _, _ := strings.Cut(link, "?")
	b := stranger(t, s)
	first := b.get(link, nil)
	if first.status != 200 || !strings.HasSuffix(first.url, "/status") || strings.Contains(first.url, "ticket") {
		t.Errorf("the link leads to %s with %d", first.url, first.status)
	}
	if got := b.get(link, nil); got.status != 403 {
		t.Errorf("the link opened a second time: %d", got.status)
	}
	if got := b.get("/", nil); got.status != 200 {
		t.Errorf("the session is gone after that: %d", got.status)
	}
	for _, wrong := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if got := stranger(t, s).get(enter+"?ticket="+wrong, nil); got.status != 403 {
			t.Errorf("ticket %q: %d", wrong, got.status)
		}
	}
	late := s.Link("/")
	pass(61 * time.Second)
	if got := stranger(t, s).get(late, nil); got.status != 403 {
		t.Errorf("a link of a minute ago: %d", got.status)
	}
	if got := b.get("/", nil); got.status != 200 {
		t.Errorf("a session of a minute: %d", got.status)
	}
	pass(12 * time.Hour)
	if got := b.get("/", nil); got.status != 401 {
		t.Errorf("a session of twelve hours: %d", got.status)
	}
	// What is no page of ours is never gone to.
	for _, page := range []string{"//registry.example.com/", "https://registry.example.com/", "/enter", "/alerts/../x", "/alerts/a<b>"} {
		if got := stranger(t, s).get(s.Link(page), nil); got.status != 200 || !strings.HasSuffix(got.url, "/") || strings.Contains(got.url, "example") {
			t.Errorf("a link to %q leads to %s", page, got.url)
		}
	}
}

// TestCookie: what the browser keeps is of use to nobody else.
func TestCookie(t *testing.T) {
	t.Parallel()
	s, other := serve(t, sample(), nil), serve(t, sample(), nil)
	var names []string
	for _, s := range []*dashboard.Server{s, other} {
		b := stranger(t, s)
		b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got := b.get(s.Link("/"), nil)
		res := http.Response{Header: got.header}
		if got.status != 303 || len(res.Cookies()) != 2 {
			t.Fatalf("%d, %v", got.status, got.header)
		}
		c := res.Cookies()[0]
		if mark := res.Cookies()[1]; mark.Path != "/enter" || !mark.HttpOnly || mark.SameSite != http.SameSiteStrictMode || mark.Value == c.Value {
			t.Errorf("cookie %+v", mark)
		}
		if len(c.Path) < 44 || c.Path != s.At()+"/" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.MaxAge != 0 || !c.Expires.IsZero() || len(c.Value) < 43 || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
		names = append(names, c.Name)
		if strings.Contains(got.header.Get("Location"), "ticket") {
			t.Errorf("goes to %s", got.header.Get("Location"))
		}
	}
	if names[0] == names[1] {
		t.Errorf("two dashboards on one host share the cookie %s", names[0])
	}
	// The session of one is none of the other, whatever it is called.
	b := visit(t, s, "/")
	value := b.http.Jar.Cookies(parsed(t, b.base+"/"))[0].Value
	c := stranger(t, other)
	u2, _ := url.Parse(c.base + "/")
	c.http.Jar.SetCookies(u2, []*http.Cookie{{Name: names[1], Value: value, Path: other.At()}, {Name: names[0], Value: value, Path: other.At()}})
	if got := c.get("/", nil); got.status != 401 {
		t.Errorf("another's session: %d", got.status)
	}
}

// TestOtherPort: whoever listens on another port of this host is not sent what
// opens the pages, whatever path they have a browser ask them for, and does not
// learn the one path for which it would be sent.
func TestOtherPort(t *testing.T) {
	t.Parallel()
	s := serve(t, sample(), nil)
	b := visit(t, s, "/")
	if n := len(b.http.Jar.Cookies(parsed(t, b.base+"/status"))); n != 1 {
		t.Fatalf("the browser sends us %d cookies", n)
	}
	link := s.Link("/")
	if strings.Contains(link, s.At()[1:]) {
		t.Error("the link says the path")
	}
	for _, path := range []string{"/", "/enter", "/status", "/alerts/worm2345", "/static/style.css", s.At(), "/" + strings.Repeat("A", 43) + "/"} {
		for _, c := range b.http.Jar.Cookies(parsed(t, "http://127.0.0.1:1"+path)) {
			r := stranger(t, s)
			r.http.Jar.SetCookies(parsed(t, r.base+"/"), []*http.Cookie{{Name: strings.TrimSuffix(c.Name, "-mark"), Value: c.Value, Path: "/"}})
			if got := r.get("/", nil); got.status != 401 {
				t.Errorf("what another port is sent at %s opens the page: %d", path, got.status)
			}
		}
		if path == s.At() || path == "/enter" {
			continue
		}
		if got := b.get("http://"+parsed(t, b.base).Host+path, nil); got.status != 403 || strings.Contains(got.body, s.At()[1:]) || len(got.body) > 200 {
			t.Errorf("%s outside of the path: %d", path, got.status)
		}
	}
	for _, path := range []string{s.At() + "x/", s.At() + "/../status", "/%2f" + s.At()[1:] + "/status", strings.ToLower(s.At()) + "/status"} {
		if got := b.get("http://"+parsed(t, b.base).Host+path, nil); got.status < 400 && path != s.At()+"/../status" || strings.Contains(got.body, "npmrc") {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

func parsed(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUsedTwice: of two browsers that have one link, one stole it: neither stays in.
func TestUsedTwice(t *testing.T) {
	t.Parallel()
	var told atomic.Int32
	s := serve(t, sample(), func(c *dashboard.Config) { c.UsedTwice = func() { told.Add(1) } })
	other := visit(t, s, "/")
	link, at := s.Link("/"), s.At()
	thief := stranger(t, s)
	if got := thief.get(link, nil); got.status != 200 {
		t.Fatalf("the link: %d", got.status)
	}
	if got := thief.get(link, nil); got.status != 403 || told.Load() != 0 {
		t.Errorf("opened again where it was opened: %d, told %d times", got.status, told.Load())
	}
	if got := thief.get("/", nil); got.status != 200 {
		t.Errorf("the session after that: %d", got.status)
	}
	if got := stranger(t, s).get(link, nil); got.status != 403 || !strings.Contains(got.body, "used by two browsers") || told.Load() != 1 {
		t.Errorf("another browser: %d, told %d times", got.status, told.Load())
	}
	for _, b := range []*browser{thief, other} {
		if got := b.get("/", nil); got.status < 400 || strings.Contains(got.body, "npmrc") {
			t.Errorf("a browser that was in still is: %d", got.status)
		}
	}
	if s.At() == at {
		t.Error("the path is what the thief knows")
	}
	if got := visit(t, s, "/").get("/status", nil); got.status != 200 {
		t.Errorf("a new link: %d", got.status)
	}
	if got := stranger(t, s).get(link, nil); got.status != 403 || told.Load() != 1 {
		t.Errorf("once more: %d, told %d times", got.status, told.Load())
	}
}

// TestRefusals: who is not the person's browser on our own page gets nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	a := sample()
	s := serve(t, a, nil)
	b := visit(t, s, "/")
	u, _ := url.Parse(b.base)
	port := ":" + u.Port()
	for _, path := range []string{"/", "/alerts/worm2345", "/alerts/worm2345/report.json", "/static/style.css"} {
		for what, header := range map[string]map[string]string{
			"a name that was made to point here": {"Host": "attacker.example.com" + port},
			"localhost by name":                  {"Host": "localhost" + port},
			"another port":                       {"Host": "127.0.0.1:1"},
			"no port":                            {"Host": "127.0.0.1"},
			"a foreign page's request":           {"Sec-Fetch-Site": "cross-site", "Origin": "https://attacker.example.com"},
			"a foreign page's image":             {"Sec-Fetch-Site": "cross-site"},
			"a page of another port":             {"Sec-Fetch-Site": "same-site"},
			"another origin alone":               {"Sec-Fetch-Site": "", "Origin": "http://127.0.0.1:1"},
			"a prefetch":                         {"Sec-Purpose": "prefetch"},
		} {
			if got := b.get(path, header); got.status != 403 || strings.Contains(got.body, "evil") || len(got.body) > 200 {
				t.Errorf("%s: %s: %d, %d bytes", path, what, got.status, len(got.body))
			}
		}
	}
	for what, header := range map[string]map[string]string{
		"another page":     {"Sec-Fetch-Site": "cross-site"},
		"another port":     {"Sec-Fetch-Site": "same-site"},
		"typed":            {"Sec-Fetch-Site": "none"},
		"no word of where": {"Sec-Fetch-Site": ""},
		"foreign origin":   {"Sec-Fetch-Site": "same-origin", "Origin": "https://attacker.example.com"},
		"null alone":       {"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		if got := b.post("/alerts/worm2345/close", url.Values{"csrf": {b.csrf()}}, header); got.status != 403 {
			t.Errorf("post, %s: %d", what, got.status)
		}
		if got := b.get("/live", header); got.status != 403 {
			t.Errorf("stream, %s: %d", what, got.status)
		}
	}
	for _, mark := range []string{"", "x", strings.Repeat("A", 43)} {
		if got := b.post("/alerts/worm2345/close", url.Values{"csrf": {mark}}, nil); got.status != 403 {
			t.Errorf("post with mark %q: %d", mark, got.status)
		}
	}
	other := visit(t, s, "/") // another session's mark
	if got := b.post("/alerts/worm2345/close", url.Values{"csrf": {other.csrf()}}, nil); got.status != 403 {
		t.Errorf("post with another's mark: %d", got.status)
	}
	if got := stranger(t, s).post("/alerts/worm2345/close", url.Values{"csrf": {b.csrf()}}, nil); got.status != 401 {
		t.Errorf("post without a session: %d", got.status)
	}
	for _, path := range []string{"/", "/alerts/worm2345", "/alerts/worm2345/report.html", "/alerts/worm2345/respond", "/credentials", "/trust", "/packages", "/status", "/live", "/alive", "/nothing"} {
		got := stranger(t, s).get(path, map[string]string{"Sec-Fetch-Site": "same-origin"})
		if got.status != 401 || strings.Contains(got.body, "evil") || strings.Contains(got.body, "npmrc") {
			t.Errorf("%s without a session: %d", path, got.status)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"} {
		req, _ := http.NewRequestWithContext(t.Context(), method, b.base+"/", nil)
		if got := b.do(req, nil); got.status != 403 {
			t.Errorf("%s: %d", method, got.status)
		}
	}
	if got := b.post("/alerts/worm2345/close", url.Values{"csrf": {b.csrf()}, "reason": {strings.Repeat("x", 70<<10)}}, nil); got.status < 400 {
		t.Errorf("a form of 70 KiB: %d", got.status)
	}
	if calls := a.made(); len(calls) != 0 {
		t.Errorf("the agent was asked to %q", calls)
	}
	// And the same from our own page is done.
	if got := b.post("/alerts/worm2345/close", url.Values{"csrf": {b.csrf()}, "reason": {"done"}, "frozen": {"leave"}}, nil); got.status != 200 || len(a.made()) != 1 {
		t.Errorf("from our own page: %d, %q", got.status, a.made())
	}
	if got := b.post("/alerts/backup23/mute", url.Values{"csrf": {b.csrf()}}, map[string]string{"Sec-Fetch-Site": "", "Origin": "http://" + u.Host}); got.status != 200 || len(a.made()) != 2 {
		t.Errorf("from our own origin: %d, %q", got.status, a.made())
	}
}

// TestHeaders: every answer, also a refusal, ties the browser's hands.
func TestHeaders(t *testing.T) {
	t.Parallel()
	b := visit(t, serve(t, sample(), nil), "/")
	for _, x := range []struct {
		path   string
		header map[string]string
	}{{"/", nil}, {"/alerts/worm2345", nil}, {"/nothing", nil}, {"/static/live.js", nil}, {"/alerts/worm2345/report.html", nil}, {b.base[:strings.LastIndex(b.base, "/")] + "/enter?ticket=x", nil}, {"/", map[string]string{"Host": "x"}}} {
		got := b.get(x.path, x.header)
		for k, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY"} {
			if got.header.Get(k) != want {
				t.Errorf("%s: %s: %q", x.path, k, got.header.Get(k))
			}
		}
		if got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may be read by others", x.path)
		}
		if cc := got.header.Get("Cache-Control"); cc != "no-store" && !strings.HasPrefix(x.path, "/static/") {
			t.Errorf("%s: Cache-Control %q", x.path, cc)
		}
		if strings.Contains(got.body, "style=\"") || strings.Contains(got.body, "onclick") {
			t.Errorf("%s has what its policy forbids", x.path)
		}
	}
}

// TestRefusedByAgent: what the agent refuses is shown in its words.
func TestRefusedByAgent(t *testing.T) {
	t.Parallel()
	a := sample()
	a.refuse = &client.Error{Status: 403, Text: "refused to close worm2345: the call comes from no terminal", Advice: "run it in a terminal"}
	b := visit(t, serve(t, a, nil), "/")
	got := b.post("/alerts/worm2345/close", url.Values{"csrf": {b.csrf()}, "frozen": {"leave"}}, nil)
	for _, want := range []string{"refused to close worm2345: the call comes from no terminal", "run it in a terminal", `role="alert"`, "It was not done."} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if again := b.get("/alerts/worm2345", nil); strings.Contains(again.body, "It was not done.") {
		t.Error("it is said twice")
	}
}

// TestAway: without an agent the pages say so, and notice when it is back.
func TestAway(t *testing.T) {
	t.Parallel()
	a := sample()
	a.gone = true
	dials := 0
	s := serve(t, a, func(c *dashboard.Config) {
		good := c.Dial
		var mu sync.Mutex
		c.Dial = func() (dashboard.Agent, error) {
			mu.Lock()
			defer mu.Unlock()
			if dials++; dials < 3 {
				return nil, errors.New("no agent is running at /run/x.sock")
			}
			return good()
		}
	})
	b := stranger(t, s)
	for _, path := range []string{s.Link("/"), "/alerts/worm2345", "/credentials", "/trust", "/packages", "/status", "/alerts/worm2345/respond"} {
		if got := b.get(path, nil); got.status != 503 || !strings.Contains(got.body, "Wormbell is not watching") {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	a.mu.Lock()
	a.gone = false
	a.mu.Unlock()
	if got := b.get("/", nil); got.status != 200 {
		t.Errorf("once it is back: %d", got.status)
	}
}

// listen opens a stream until the test ends, and counts it once it is open.
func (b *browser) listen(path string, opened *atomic.Int32) {
	req, err := http.NewRequestWithContext(b.t.Context(), "GET", b.base+path, nil)
	if err != nil {
		b.t.Error(err)
		return
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := http.DefaultTransport.RoundTrip(b.with(req))
	if err != nil {
		b.t.Error(err)
		return
	}
	defer res.Body.Close()
	opened.Add(1)
	io.Copy(io.Discard, res.Body) // ends with the test
}

// with adds the cookies of a browser to a request.
func (b *browser) with(req *http.Request) *http.Request {
	for _, c := range b.http.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	return req
}
