package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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

// flood asks something on each of n connections, prints how many of them were
// answered rather than closed, and holds them until its input ends.
func flood(socket, n string) {
	most, _ := strconv.Atoi(n)
	var cs []net.Conn
	for range most {
		if c, err := net.Dial("unix", socket); err == nil {
			io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: wormbell\r\n\r\n") // fails where it is closed already
			cs = append(cs, c)
		}
	}
	var open atomic.Int32
	var wait sync.WaitGroup
	for _, c := range cs {
		wait.Go(func() {
			c.SetReadDeadline(time.Now().Add(20 * time.Second)) // the agent cuts those that ask nothing more after thirty seconds
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
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
	ended  atomic.Bool // nothing runs any more
	socket string
	exe    string
	now    func() time.Time // nil: the real one
	dir    string           // the store's folder
	store  *alert.Store
	log    *syncBuffer
	plants

	mu     sync.Mutex // guards what follows
	caller func(pid int) *wormbell.Process
	events []wormbell.Event
	demos  []string
	forgot []string           // rows of tools that were taken back, and by whom
	guards []wormbell.Guarded // besides root's and nobody's
	homes  []string
	locks  map[string]string   // by name, the file that has locked it
	rows   []wormbell.TrustRow // besides a built-in one
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
func rigWith(t *testing.T, exe string) *rig { return rigAt(t, exe, nil) }

// rigAt makes one whose clock is now.
func rigAt(t *testing.T, exe string, now func() time.Time) *rig {
	t.Helper()
	r := &rig{exe: exe, now: now, t: t, socket: filepath.Join(publicDir(t), "run", "wormbell.sock"), log: &syncBuffer{}, caller: child(bash)}
	var err error
	r.dir = t.TempDir()
	if r.store, err = alert.Open(alert.Config{Dir: r.dir, Now: now}); err != nil {
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
	return api.Config{Socket: r.socket, Exe: r.exe, Now: r.now, System: true, Store: r.store, At: r.at, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Living: func(id wormbell.ProcessID) []wormbell.ProcessID {
			if r.ended.Load() {
				return nil
			}
			return []wormbell.ProcessID{id}
		},
		Backend: api.Backend{
			Status: func() wormbell.Status {
				r.mu.Lock()
				defer r.mu.Unlock()
				return wormbell.Status{Version: "test", Homes: r.homes}
			},
			Guarded: func() []wormbell.Guarded {
				r.mu.Lock()
				defer r.mu.Unlock()
				return append([]wormbell.Guarded{{Store: "npm", Path: "~/.npmrc", User: "0"}, {Store: "npm", Path: "~/.npmrc", User: strconv.Itoa(nobody)}}, r.guards...)
			},
			Usage: func() []wormbell.Usage {
				return []wormbell.Usage{{Time: start, Seconds: 600, CPU: 0.25, RSS: 1 << 20, Lost: 2}, {Time: start.Add(time.Minute), Seconds: 60}}
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
			Decoys: r.listDecoys, PlantDecoy: r.plantDecoy, ForgetDecoy: r.forgetDecoy,
			Announce: func(es []wormbell.Event) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.events = append(r.events, es...)
				return nil
			},
			Trust: func() []wormbell.TrustRow {
				r.mu.Lock()
				defer r.mu.Unlock()
				return append([]wormbell.TrustRow{{ID: "npm-reads-npmrc", By: "built-in"}}, r.rows...)
			},
			Locked: func(name string) string {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.locks[name]
			},
			Digest: func(who string, uid int) (string, error) {
				switch {
				case strings.Contains(who, "/gone"):
					return "", os.ErrNotExist
				case strings.Contains(who, "/slow"):
					return "", fmt.Errorf("read it: %w", syscall.EAGAIN) // as what says that it is temporary
				case strings.Contains(who, "/mine"):
					return fmt.Sprint("sha256:of ", who, " for ", uid), nil
				}
				return "", nil
			},
			Fallen: func(id string) bool { return id == "fallen" },
			Forget: func(id string, uid int) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.forgot = append(r.forgot, fmt.Sprint(id, " by ", uid))
				return nil
			},
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
		{"POST", "pause", `{"seconds":7200}`, 400, nil, nil},
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
