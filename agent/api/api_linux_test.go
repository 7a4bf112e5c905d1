package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/agent/api"
	"wormbell/agent/client"
)

// nobody is the uid of the other user.
const nobody = 65534

// TestMain lets the test binary be another user's program: it sends the request
// in its environment and prints the answer.
func TestMain(m *testing.M) {
	if socket := os.Getenv("WORMBELL_TEST_SOCKET"); socket != "" {
		prepare(socket)
		if n := os.Getenv("WORMBELL_TEST_FLOOD"); n != "" {
			flood(socket, n)
		}
		status, body, err := send(socket, os.Getenv("WORMBELL_TEST_METHOD"), os.Getenv("WORMBELL_TEST_PATH"), os.Getenv("WORMBELL_TEST_BODY"), nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Printf("%d\n%s", status, body)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// flood opens n connections, prints how many are still open after a moment, and
// holds them until its input ends.
func flood(socket, n string) {
	most, _ := strconv.Atoi(n)
	var cs []net.Conn
	for range most {
		if c, err := net.Dial("unix", socket); err == nil {
			cs = append(cs, c)
		}
	}
	var open atomic.Int32
	var wait sync.WaitGroup
	for _, c := range cs {
		wait.Go(func() {
			c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)) // the agent cuts silent ones after two seconds
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				open.Add(1)
			}
		})
	}
	wait.Wait()
	fmt.Println(open.Load())
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func send(socket, method, path, body string, headers map[string]string) (int, string, error) {
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
	req, err := http.NewRequest(method, "http://wormbell/v1/"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for k, v := range headers {
		req.Header.Set(k, v)
		if k == "Host" {
			req.Host = v
		}
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// rig is a server in a test.
type rig struct {
	t      *testing.T
	socket string
	exe    string
	dir    string // the store's folder
	store  *alert.Store
	log    *syncBuffer

	mu     sync.Mutex // guards what follows
	caller func(pid int) *wormbell.Process
	events []wormbell.Event
	demos  []string
	homes  []string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func (r *rig) at(pid int) *wormbell.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.caller(pid)
}

func (r *rig) says(f func(pid int) *wormbell.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caller = f
}

func (r *rig) lines() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		out = append(out, e.Line)
	}
	return out
}

var (
	start  = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	system = &wormbell.Process{PID: 1, Exe: "/usr/lib/systemd/systemd"}
	bash   = &wormbell.Process{PID: 50, Start: start, Exe: "/bin/bash", Signer: "deb:bash", TTY: "/dev/pts/1", Leader: true, Parent: system}
	npm    = &wormbell.Process{PID: 60, Start: start, Exe: "/usr/bin/node", Script: "/usr/lib/node_modules/npm/bin/npm-cli.js", Signer: "deb:npm", TTY: "/dev/pts/1", Parent: bash}
	evil   = &wormbell.Process{PID: 61, Start: start, Exe: "/bin/sh", Lifecycle: "postinstall", Package: &wormbell.Package{Ecosystem: "npm", Name: "evil", Version: "1.0.0"}, TTY: "/dev/pts/1", Parent: npm}
	tool   = &wormbell.Process{PID: 70, Start: start, Exe: "/opt/tool", TTY: "/dev/pts/1", Parent: bash}
)

// child makes a process below parent, with parent's terminal.
func child(parent *wormbell.Process) func(int) *wormbell.Process {
	return func(pid int) *wormbell.Process {
		return &wormbell.Process{PID: pid, Start: start, Exe: "/usr/bin/wormbell", TTY: parent.TTY, Parent: parent}
	}
}

// publicDir is a folder that another user can reach; t.TempDir is private.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wormbell-api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newRig(t *testing.T) *rig { return rigWith(t, "") }

// rigWith makes a server whose own program is exe.
func rigWith(t *testing.T, exe string) *rig {
	t.Helper()
	r := &rig{exe: exe, t: t, socket: filepath.Join(publicDir(t), "run", "wormbell.sock"), log: &syncBuffer{}, caller: child(bash)}
	var err error
	r.dir = t.TempDir()
	if r.store, err = alert.Open(alert.Config{Dir: r.dir}); err != nil {
		t.Fatal(err)
	}
	srv, err := api.Listen(r.config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- srv.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server does not end")
		}
		if _, err := os.Lstat(r.socket); err == nil {
			t.Error("the socket is left behind")
		}
		r.store.Close()
	})
	return r
}

func (r *rig) config() api.Config {
	return api.Config{Socket: r.socket, Exe: r.exe, System: true, Store: r.store, At: r.at, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Living: func(id wormbell.ProcessID) []wormbell.ProcessID { return []wormbell.ProcessID{id} },
		Backend: api.Backend{
			Status: func() wormbell.Status {
				r.mu.Lock()
				defer r.mu.Unlock()
				return wormbell.Status{Version: "test", Homes: r.homes}
			},
			Guarded: func() []wormbell.Guarded {
				return []wormbell.Guarded{{Store: "npm", Path: "~/.npmrc", User: "0"}, {Store: "npm", Path: "~/.npmrc", User: strconv.Itoa(nobody)}}
			},
			Events: func(ctx context.Context, user string) <-chan wormbell.Event {
				ch := make(chan wormbell.Event, 4)
				ch <- wormbell.Event{Kind: wormbell.FileRead, User: "0", Path: "~/root"}
				ch <- wormbell.Event{Kind: wormbell.FileRead, User: strconv.Itoa(nobody), Path: "~/nobody"}
				close(ch)
				return ch
			},
			Emit: func(e wormbell.Event) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.events = append(r.events, e)
			},
			Announce: func(es []wormbell.Event) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.events = append(r.events, es...)
				return nil
			},
			Trust:   func() []wormbell.TrustRow { return []wormbell.TrustRow{{ID: "npm-reads-npmrc", By: "built-in"}} },
			Pause:   func(time.Time) error { return nil },
			Protect: func(bool) error { return nil },
			Demo: func(_ context.Context, home string, _ time.Duration) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.demos = append(r.demos, home)
				return nil
			},
		}}
}

// ask sends a request as ourselves.
func (r *rig) ask(method, path, body string) (int, string) {
	r.t.Helper()
	status, out, err := send(r.socket, method, path, body, nil)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, out
}

// askAs sends a request as another user, from a process of theirs.
func (r *rig) askAs(uid int, method, path, body string) (int, string) {
	r.t.Helper()
	cmd := as(r.t, uid, "WORMBELL_TEST_SOCKET="+r.socket, "WORMBELL_TEST_METHOD="+method, "WORMBELL_TEST_PATH="+path, "WORMBELL_TEST_BODY="+body)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("as %d: %v %s", uid, err, out)
	}
	line, rest, _ := strings.Cut(string(out), "\n")
	status, _ := strconv.Atoi(line)
	return status, rest
}

func as(t *testing.T, uid int, env ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	return cmd
}

// raise records an alert of user about p and returns its ID.
func (r *rig) raise(user string, p *wormbell.Process) string {
	r.t.Helper()
	a, err := r.store.Record(wormbell.Finding{Detector: "credential-read", Subject: "~/.npmrc", Severity: wormbell.High, Process: p,
		Evidence: []wormbell.Event{{Time: time.Now(), Kind: wormbell.FileRead, User: user, Process: p, Path: "~/.npmrc"}}}, alert.Meta{Title: "t"})
	if err != nil {
		r.t.Fatal(err)
	}
	return a.ID
}

func (r *rig) state(id string) wormbell.State {
	a, err := r.store.Get(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return a.State
}

// A user sees and changes their own alerts only; others' are not there. Root
// sees all.
func TestUsers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ours, theirs := r.raise("0", tool), r.raise(strconv.Itoa(nobody), tool)
	other := r.raise("1234", tool)

	for _, tt := range []struct {
		method, path, body string
		want               int
		has, not           []string
	}{
		{"GET", "alerts", "", 200, []string{theirs}, []string{ours, other}},
		{"GET", "alerts?all=1", "", 200, []string{theirs}, []string{ours, other}},
		{"GET", "alerts/" + theirs, "", 200, []string{theirs}, nil},
		{"GET", "alerts/" + theirs[:4], "", 200, []string{theirs}, nil},
		{"GET", "alerts/" + ours, "", 404, []string{`"error"`, `"hint"`}, []string{ours}},
		{"GET", "alerts/zzzzzzzz", "", 404, []string{`"error"`}, nil},
		{"POST", "alerts/" + ours + "/close", "", 404, nil, nil},
		{"POST", "alerts/" + ours + "/freeze", "", 404, nil, nil},
		{"POST", "alerts/" + ours + "/kill", "", 404, nil, nil},
		{"POST", "alerts/" + ours + "/action", `{"what":"x"}`, 404, nil, nil},
		{"GET", "credentials", "", 200, []string{strconv.Itoa(nobody)}, []string{`"user":"0"`}},
		{"GET", "status", "", 200, []string{`"alerts":1`, `"sensors":[]`, `"problems":[]`}, nil},
		{"GET", "events", "", 200, []string{"~/nobody"}, []string{"~/root"}},
		{"GET", "calls", "", 200, []string{`"calls":[]`}, nil},
		{"POST", "pause", `{"seconds":60}`, 403, nil, nil},
		{"POST", "protect", `{"on":false}`, 403, nil, nil},
		{"POST", "alerts/" + theirs + "/close", "", 200, []string{`"state":"closed"`}, nil},
	} {
		status, out := r.askAs(nobody, tt.method, tt.path, tt.body)
		if status != tt.want {
			t.Errorf("%s %s: %d, want %d: %s", tt.method, tt.path, status, tt.want, out)
		}
		for _, s := range tt.has {
			if !strings.Contains(out, s) {
				t.Errorf("%s %s: no %q in %s", tt.method, tt.path, s, out)
			}
		}
		for _, s := range tt.not {
			if strings.Contains(out, s) {
				t.Errorf("%s %s: %q in %s", tt.method, tt.path, s, out)
			}
		}
	}
	if r.state(ours) != wormbell.Open || r.state(theirs) != wormbell.Closed {
		t.Errorf("states: ours %s, theirs %s", r.state(ours), r.state(theirs))
	}
	if os.Getuid() == 0 {
		if _, out := r.ask("GET", "alerts?all=1", ""); !strings.Contains(out, ours) || !strings.Contains(out, theirs) || !strings.Contains(out, other) {
			t.Errorf("root does not see all: %s", out)
		}
		if _, out := r.ask("GET", "calls", ""); !strings.Contains(out, "close "+theirs) {
			t.Errorf("the accepted call was not kept: %s", out)
		}
	}
}

// What loosens the guard is judged by lineage.
func TestLoosening(t *testing.T) {
	t.Parallel()
	deep := tool
	for i := range 70 {
		deep = &wormbell.Process{PID: 1000 + i, Start: start, Exe: "/bin/sh", TTY: "/dev/pts/1", Parent: deep}
	}
	noTTY := &wormbell.Process{PID: 80, Start: start, Exe: "/usr/bin/code", Parent: system}
	faked := &wormbell.Process{PID: 81, Start: start, Exe: "/home/u/npm", TTY: "/dev/pts/1", Parent: bash}
	torn := &wormbell.Process{PID: 1 << 22, Start: start, Exe: "/bin/sh", TTY: "/dev/pts/1"} // above every PID; its parent is not known
	for _, tt := range []struct {
		name    string
		caller  func(int) *wormbell.Process
		user    bool // as an ordinary user rather than root
		allowed bool
		rings   string // in the event; "" for no refused event
	}{
		{"a person", child(bash), true, true, ""},
		{"root at a terminal", child(bash), false, true, ""},
		{"root without a terminal", child(noTTY), false, true, ""},
		{"a user without a terminal", child(noTTY), true, false, ""},
		{"below npm", child(npm), true, false, "below npm-cli.js"},
		{"below npm, as root", child(npm), false, false, "below npm-cli.js"},
		{"below what calls itself npm", child(faked), true, false, "below npm (pid 81)"},
		{"below a postinstall", child(evil), true, false, "postinstall script of evil@1.0.0"},
		{"below an alerted program", child(tool), true, false, "below a process of alert"},
		{"unknown", func(int) *wormbell.Process { return nil }, true, false, ""},
		{"unknown, as root", func(int) *wormbell.Process { return nil }, false, false, ""},
		{"another process", func(int) *wormbell.Process { return child(bash)(7) }, true, false, ""},
		{"an ancestry with a hole", child(torn), true, false, ""},
		{"too deep to see the top", child(deep), true, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			uid := "0"
			if os.Getuid() != 0 {
				if !tt.user {
					t.Skip("needs root, which is allowed more")
				}
				uid = strconv.Itoa(os.Getuid())
			}
			ask := r.ask
			if tt.user {
				uid = strconv.Itoa(nobody)
				ask = func(m, p, b string) (int, string) { return r.askAs(nobody, m, p, b) }
			}
			target := r.raise(uid, &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
			r.raise("4321", tool) // another user's alert counts too
			row, err := r.store.AddTrust(wormbell.TrustRow{Store: "npm", By: uid})
			if err != nil {
				t.Fatal(err)
			}
			r.says(tt.caller)
			calls := []struct{ method, path, body, what string }{
				{"POST", "alerts/" + target + "/mute", "", "mute " + target},
				{"POST", "alerts/" + target + "/close", `{"reason":"done"}`, "close " + target},
				{"POST", "trust", `{"store":"npm","who":"exe:/opt/x","under":"person","reason":"mine"}`, "trust exe:/opt/x with npm"},
				{"DELETE", "trust/" + row.ID, "", "remove trust row " + row.ID},
			}
			if !tt.user && os.Getuid() == 0 {
				calls = append(calls, struct{ method, path, body, what string }{"POST", "pause", `{"seconds":60}`, "pause"},
					struct{ method, path, body, what string }{"POST", "protect", `{"on":false}`, "protect off"})
			}
			for _, c := range calls {
				before := len(r.lines())
				status, out := ask(c.method, c.path, c.body)
				if (status == 200) != tt.allowed || !tt.allowed && status != 403 {
					t.Errorf("%s: %d %s", c.what, status, out)
				}
				said := strings.Join(r.lines()[before:], "|")
				switch {
				case tt.allowed && !strings.HasPrefix(said, "accepted "+c.what):
					t.Errorf("%s: event %q", c.what, said)
				case tt.rings != "" && (!strings.HasPrefix(said, "refused "+c.what+": ") || !strings.Contains(said, tt.rings)):
					t.Errorf("%s: event %q, want it refused %s", c.what, said, tt.rings)
				case !tt.allowed && tt.rings == "" && said != "":
					t.Errorf("%s: event %q", c.what, said)
				}
			}
			kept, err := r.store.Calls("", 10)
			if err != nil || (len(kept) == len(calls)) != tt.allowed {
				t.Errorf("calls kept: %v %v", kept, err)
			}
			// What tightens is for everybody.
			r.store.SetState(target, wormbell.Closed, "0", "")
			if status, out := ask("POST", "alerts/"+target+"/reopen", ""); status != 200 {
				t.Errorf("reopen: %d %s", status, out)
			}
		})
	}
}

// A worm that asks a thousand times fills neither the queue nor the log.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.raise(strconv.Itoa(os.Getuid()), tool)
	r.says(child(evil))
	for range 300 {
		r.ask("POST", "alerts/"+id+"/close", "")
	}
	if n := len(r.lines()); n < 1 || n > 60 {
		t.Errorf("%d events of 300 refusals", n)
	}
}

func TestTrustRows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good := wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x", Under: "person", Reason: "mine"}
	past, soon := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name   string
		change func(*wormbell.TrustRow)
		want   int
	}{
		{"good", func(*wormbell.TrustRow) {}, 200},
		{"until", func(r *wormbell.TrustRow) { r.Until = &soon }, 200},
		{"path", func(r *wormbell.TrustRow) { r.Path = "~/.npmrc" }, 200},
		{"no store", func(r *wormbell.TrustRow) { r.Store = "nothing" }, 400},
		{"nobody", func(r *wormbell.TrustRow) { r.Who = "" }, 400},
		{"relative", func(r *wormbell.TrustRow) { r.Who = "exe:x" }, 400},
		{"under", func(r *wormbell.TrustRow) { r.Under = "anything" }, 400},
		{"no reason", func(r *wormbell.TrustRow) { r.Reason = " " }, 400},
		{"two lines", func(r *wormbell.TrustRow) { r.Reason = "a\nb" }, 400},
		{"past", func(r *wormbell.TrustRow) { r.Until = &past }, 400},
		{"relative path", func(r *wormbell.TrustRow) { r.Path = "npmrc" }, 400},
		{"all stores", func(r *wormbell.TrustRow) { r.Store = "*" }, 403},
		{"all signers", func(r *wormbell.TrustRow) { r.Who = "signer:*" }, 403},
		{"nearly all signers", func(r *wormbell.TrustRow) { r.Who = "signer:d*" }, 403},
		{"anywhere", func(r *wormbell.TrustRow) { r.Under = "any" }, 403},
	} {
		row := good
		tt.change(&row)
		b, _ := json.Marshal(row)
		if status, out := r.askAs(nobody, "POST", "trust", string(b)); status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, out, tt.want)
		}
		want := tt.want
		if want == 403 {
			want = 200 // root may
		}
		if status, out := r.ask("POST", "trust", string(b)); status != want {
			t.Errorf("root, %s: %d %s, want %d", tt.name, status, out, want)
		}
	}
	for _, row := range r.store.Trust() {
		if row.By != "admin" && row.By != strconv.Itoa(nobody) {
			t.Errorf("a row by %q", row.By)
		}
		if row.By == "admin" {
			if status, _ := r.askAs(nobody, "DELETE", "trust/"+row.ID, ""); status != 404 {
				t.Errorf("a user removed root's row: %d", status)
			}
			break
		}
	}
	if status, _ := r.ask("DELETE", "trust/npm-reads-npmrc", ""); status != 404 {
		t.Errorf("a built-in row was removed: %d", status)
	}
	_, out := r.askAs(nobody, "GET", "trust", "")
	if !strings.Contains(out, "npm-reads-npmrc") {
		t.Errorf("built-in rows are not listed: %s", out)
	}
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.raise(strconv.Itoa(os.Getuid()), tool)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  map[string]string
		want                     int
	}{
		{"plain", "GET", "status", "", nil, 200},
		{"origin", "GET", "status", "", map[string]string{"Origin": "https://evil.example.com"}, 403},
		{"null origin", "GET", "status", "", map[string]string{"Origin": "null"}, 403},
		{"referer", "GET", "status", "", map[string]string{"Referer": "https://evil.example.com/"}, 403},
		{"fetch metadata", "GET", "status", "", map[string]string{"Sec-Fetch-Site": "same-origin"}, 403},
		{"fetch mode", "POST", "alerts/" + id + "/close", "", map[string]string{"sec-fetch-mode": "no-cors"}, 403},
		{"foreign host", "GET", "status", "", map[string]string{"Host": "evil.example.com"}, 403},
		{"localhost", "GET", "status", "", map[string]string{"Host": "localhost"}, 403},
		{"huge body", "POST", "alerts/" + id + "/action", `{"what":"` + strings.Repeat("x", 100<<10) + `"}`, nil, 413},
		{"huge header", "GET", "status", "", map[string]string{"X": strings.Repeat("x", 20<<10)}, 431},
		{"no JSON", "POST", "alerts/" + id + "/action", `{`, nil, 400},
		{"unknown field", "POST", "alerts/" + id + "/action", `{"what":"x","who":"y"}`, nil, 400},
		{"two values", "POST", "alerts/" + id + "/action", `{"what":"x"}{"what":"y"}`, nil, 400},
		{"unnamed action", "POST", "alerts/" + id + "/action", ``, nil, 400},
		{"forged action", "POST", "alerts/" + id + "/action", `{"what":"close"}`, nil, 400},
		{"action", "POST", "alerts/" + id + "/action", `{"what":"npm-token-revoke","outcome":"done"}`, nil, 200},
		{"no such route", "GET", "secrets", "", nil, 404},
		{"no such verb", "POST", "alerts/" + id + "/explode", "", nil, 404},
		{"wrong method", "PUT", "status", "", nil, 405},
		{"traversal", "GET", "alerts/..%2f..%2fstatus", "", nil, 404},
		{"no such severity", "GET", "alerts?min_severity=terrible", "", nil, 400},
		{"endless pause", "POST", "pause", `{"seconds":1e12}`, nil, 400},
		{"negative pause", "POST", "pause", `{"seconds":-1}`, nil, 400},
		{"neither on nor off", "POST", "protect", `{}`, nil, 400},
	} {
		status, out, err := send(r.socket, tt.method, tt.path, tt.body, tt.headers)
		if err != nil && tt.want != 431 || status != tt.want { // 431 closes in the middle of what we send
			t.Errorf("%s: %d %.200s %v, want %d", tt.name, status, out, err, tt.want)
		}
		if tt.want >= 400 && tt.want != 431 && (!strings.Contains(out, `"error"`) || !json.Valid([]byte(out))) {
			t.Errorf("%s: not our error: %.200s", tt.name, out)
		}
	}
	if strings.Contains(r.log.String(), "evil.example.com") {
		t.Error("content of a refused request in the log")
	}
	if !strings.Contains(r.log.String(), "request refused") {
		t.Error("refused requests are not logged")
	}
}

// A request that does not come to its end is cut, and nobody waits for it.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, text := range map[string]string{
		"header":  "GET /v1/status HTTP/1.1\r\nHost: worm",
		"body":    "POST /v1/pause HTTP/1.1\r\nHost: wormbell\r\nContent-Length: 100\r\n\r\n{",
		"nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("unix", r.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, text)
			began := time.Now()
			c.SetReadDeadline(began.Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("not cut within 20 s: %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("cut after %v", took)
			}
		})
	}
	if status, _ := r.ask("GET", "status", ""); status != 200 {
		t.Errorf("others got %d meanwhile", status)
	}
}

// One user's connections are bounded, and others still get through.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cmd := as(t, nobody, "WORMBELL_TEST_SOCKET="+r.socket, "WORMBELL_TEST_FLOOD=100")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var open int
	if _, err := fmt.Fscan(out, &open); err != nil {
		t.Fatal(err)
	}
	if open > 40 || open < 1 {
		t.Errorf("%d of 100 connections of one user stay open", open)
	}
	if status, _ := r.ask("GET", "status", ""); status != 200 {
		t.Errorf("root got %d meanwhile", status)
	}
	if status, _ := r.askAs(nobody-1, "GET", "status", ""); status != 200 {
		t.Errorf("a third user got %d meanwhile", status)
	}
	in.Close()
	cmd.Wait()
}

func TestSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	info, err := os.Lstat(r.socket)
	if err != nil || info.Mode().Perm() != 0o666 || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("socket: %v %v", info.Mode(), err)
	}
	if info, err = os.Lstat(filepath.Dir(r.socket)); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("folder: %v %v", info.Mode(), err)
	}
	if _, err := api.Listen(r.config()); !errors.Is(err, api.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("second agent: %v", err)
	}
	if status, _ := r.ask("GET", "status", ""); status != 200 {
		t.Errorf("after the second agent: %d", status)
	}

	listen := func(prepare func(path string) error) error {
		c := r.config()
		c.System = false
		c.Socket = filepath.Join(t.TempDir(), "w", "s.sock")
		if err := os.Mkdir(filepath.Dir(c.Socket), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := prepare(c.Socket); err != nil {
			t.Fatal(err)
		}
		s, err := api.Listen(c)
		if err != nil {
			return err
		}
		info, err := os.Lstat(c.Socket)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("a user's socket: %v %v", info.Mode(), err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return s.Serve(ctx)
	}
	precious := filepath.Join(t.TempDir(), "precious")
	os.WriteFile(precious, []byte("x"), 0o600)
	for name, tt := range map[string]struct {
		prepare func(path string) error
		ok      bool
	}{
		"fresh": {func(string) error { return nil }, true},
		"stale socket": {func(path string) error {
			l, err := net.Listen("unix", path)
			if err != nil {
				return err
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			return l.Close()
		}, true},
		"file":                {func(path string) error { return os.WriteFile(path, nil, 0o600) }, false},
		"symlink":             {func(path string) error { return os.Symlink(precious, path) }, false},
		"dangling symlink":    {func(path string) error { return os.Symlink(precious+"x", path) }, false},
		"symlink for a lock":  {func(path string) error { return os.Symlink(precious, path+".lock") }, false},
		"FIFO for a lock":     {func(path string) error { return syscall.Mkfifo(path+".lock", 0o600) }, false},
		"folder others write": {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) }, false},
		"sticky folder":       {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) }, true},
		"symlinked folder": {func(path string) error {
			dir := filepath.Dir(path)
			if err := os.Rename(dir, dir+"2"); err != nil {
				return err
			}
			return os.Symlink(dir+"2", dir)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := listen(tt.prepare); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
	if info, err := os.Stat(precious); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 1 {
		t.Errorf("what a symlink led to was touched: %v %v", info, err)
	}
	long := r.config()
	long.Socket = filepath.Join(t.TempDir(), strings.Repeat("d", 120), "s.sock")
	if s, err := api.Listen(long); err != nil {
		t.Errorf("a long path: %v", err)
	} else {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Serve(ctx)
	}
}

func TestUsersOwnAgentIsForThem(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.config()
	c.System = false
	c.Socket = filepath.Join(publicDir(t), "s.sock")
	s, err := api.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(c.Socket, 0o666) // even then
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	defer func() { cancel(); <-done }()
	if status, _, err := send(c.Socket, "GET", "status", "", nil); status != 200 {
		t.Error(status, err)
	}
	cmd := as(t, nobody, "WORMBELL_TEST_SOCKET="+c.Socket, "WORMBELL_TEST_METHOD=GET", "WORMBELL_TEST_PATH=status")
	if out, err := cmd.Output(); err == nil {
		t.Errorf("another user got %s", out)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	scratch := publicDir(t)
	theirs := publicDir(t)
	if os.Getuid() == 0 {
		os.Chown(theirs, nobody, nobody)
	}
	link := filepath.Join(t.TempDir(), "link")
	os.Symlink(theirs, link)
	file := filepath.Join(scratch, "file")
	os.WriteFile(file, nil, 0o600)
	home := publicDir(t)
	r.homes = []string{filepath.Join(home, "someone")}
	for _, tt := range []struct {
		name, home string
		seconds    float64
		uid, want  int
	}{
		{"scratch", scratch, 60, 0, 200},
		{"too long", scratch, 901, 0, 400},
		{"no time", scratch, 0, 0, 400},
		{"relative", "tmp", 60, 0, 400},
		{"a file", file, 60, 0, 403},
		{"not there", scratch + "x", 60, 0, 403},
		{"elsewhere", "/usr/lib", 60, 0, 403},
		{"the temp folder", os.TempDir(), 60, 0, 403},
		{"the root", "/", 60, 0, 403},
		{"above a guarded home", home, 60, 0, 403},
		{"another user's, for root", theirs, 60, 0, 403},
		{"root's, for another user", scratch, 60, nobody, 403},
		{"their own", theirs, 60, nobody, 200},
		{"another user's through a symlink", link, 60, 0, 403},
	} {
		if os.Getuid() != 0 && tt.home == theirs && tt.uid == 0 {
			continue // it is our own then
		}
		body, _ := json.Marshal(map[string]any{"home": tt.home, "seconds": tt.seconds})
		var status int
		var out string
		if tt.uid == 0 {
			status, out = r.ask("POST", "demo", string(body))
		} else {
			status, out = r.askAs(tt.uid, "POST", "demo", string(body))
		}
		if status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, out, tt.want)
		}
	}
	r.says(child(evil))
	if status, out := r.ask("POST", "demo", `{"home":"`+scratch+`"}`); status != 403 {
		t.Errorf("below a postinstall: %d %s", status, out)
	}
}

// Freezing stops the processes of an alert, notes it, and is undone by resume.
func TestFreeze(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cmd := exec.Command("sleep", "30")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	pid := cmd.Process.Pid
	victim := &wormbell.Process{PID: pid, Start: start, Exe: "/bin/sleep", User: "0", Parent: bash}
	id := r.raise(strconv.Itoa(os.Getuid()), victim)
	r.says(func(p int) *wormbell.Process {
		if p == pid {
			return victim
		}
		return child(bash)(p)
	})
	state := func() string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))[0]
	}
	for _, tt := range []struct{ verb, want, say string }{{"freeze", "T", "stopped sleep"}, {"resume", "S", "continued sleep"}, {"kill", "Z", "ended sleep"}} {
		status, out := r.ask("POST", "alerts/"+id+"/"+tt.verb, "")
		for end := time.Now().Add(5 * time.Second); state() == "R" && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // continued, on its way back to sleep
		}
		if status != 200 || !strings.Contains(out, tt.say) || state() != tt.want {
			t.Errorf("%s: %d %s, state %s", tt.verb, status, out, state())
		}
	}
	a, err := r.store.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, x := range a.Actions {
		what = append(what, x.What)
	}
	if !slices.Equal(what, []string{"freeze", "resume", "kill"}) {
		t.Errorf("actions %v", what)
	}
	if lines := r.lines(); !slices.Equal(lines, []string{"accepted resume " + id}) {
		t.Errorf("events %v", lines)
	}
}

// The client gets what the store has, and follows it over a restart.
func TestClient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := strconv.Itoa(os.Getuid())
	c, err := client.Dial(client.Config{Socket: r.socket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if a, err := c.Alerts(ctx, true); err != nil || a == nil || len(a) > 0 {
		t.Errorf("no alerts: %v %v", a, err)
	}
	got := make(chan wormbell.Alert, 100)
	ended := make(chan error)
	follow, stop := context.WithCancel(ctx)
	go func() { ended <- c.Follow(follow, func(a wormbell.Alert) { got <- a }) }()
	next := func(what string, ok func(wormbell.Alert) bool) {
		t.Helper()
		for {
			select {
			case a := <-got:
				if ok(a) {
					return
				}
			case <-ctx.Done():
				t.Fatal("never followed: " + what)
			}
		}
	}
	id := r.raise(me, &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
	next("the alert", func(a wormbell.Alert) bool { return a.ID == id && a.Count == 1 })
	r.raise(me, &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
	next("its growth", func(a wormbell.Alert) bool { return a.ID == id && a.Count == 2 })
	if err := c.Mute(ctx, id, "mine"); err != nil {
		t.Error(err)
	}
	next("its muting", func(a wormbell.Alert) bool { return a.ID == id && a.State == wormbell.Muted })
	if err := c.Reopen(ctx, id, ""); err != nil {
		t.Error(err)
	}
	if err := c.Act(ctx, id, wormbell.Action{What: "npm-token-revoke", Outcome: "done"}); err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx, id[:4], "done"); err != nil {
		t.Error(err)
	}
	next("its closing", func(a wormbell.Alert) bool { return a.ID == id && a.State == wormbell.Closed })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Follow ended with %v", err)
	}

	row, err := c.AddTrust(ctx, wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x", Under: "person", Reason: "mine"})
	if err != nil {
		t.Error(err)
	}
	if rows, err := c.Trust(ctx); err != nil || len(rows) != 2 || rows[1].ID != row.ID {
		t.Errorf("trust %v %v", rows, err)
	}
	if err := c.RemoveTrust(ctx, row.ID); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx); err != nil || s.Version != "test" {
		t.Errorf("status %v %v", s, err)
	}
	if g, err := c.Credentials(ctx); err != nil || len(g) == 0 && os.Getuid() == 0 {
		t.Errorf("credentials %v %v", g, err)
	}
	if calls, err := c.Calls(ctx); err != nil || len(calls) != 4 || calls[3].Line != "mute "+id || calls[0].Process.PID != os.Getpid() {
		t.Errorf("calls %v %v", calls, err)
	}
	if err := c.Pause(ctx, time.Minute); err != nil {
		t.Error(err)
	}
	if r.store.Setting("paused_until") == "" {
		t.Error("the pause is not kept")
	}
	if err := c.Pause(ctx, 0); err != nil || r.store.Setting("paused_until") != "" {
		t.Error("the pause does not end", err)
	}
	if err := c.Protect(ctx, true); err != nil {
		t.Error(err)
	}
	if err := c.Demo(ctx, publicDir(t), time.Minute); err != nil {
		t.Error(err)
	}
	var seen []string
	err = c.Events(ctx, func(e wormbell.Event) error { seen = append(seen, e.Path); return nil })
	if os.Getuid() == 0 && !slices.Equal(seen, []string{"~/root", "~/nobody"}) || !errors.Is(err, client.ErrNoAgent) {
		t.Errorf("events %v %v", seen, err)
	}
	_, err = c.Alert(ctx, "zzzzzzzz")
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 404 || e.Hint() == "" {
		t.Errorf("no such alert: %v", err)
	}
}
