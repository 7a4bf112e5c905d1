package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/executable"
)

// prepare does what a test asks of the program before it sends its request.
func prepare(socket string) {
	if os.Getenv("WORMBELL_TEST_HIDE") != "" {
		syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
	}
	if os.Getenv("WORMBELL_TEST_WAIT") != "" {
		os.Stdout.WriteString("ready\n")
		os.Stdin.Read(make([]byte, 1))
	}
	if program := os.Getenv("WORMBELL_TEST_THEN"); program != "" {
		executeConnected(socket, program)
	}
	if fd := os.Getenv("WORMBELL_TEST_FD"); fd != "" {
		n, _ := strconv.Atoi(fd)
		sendOver(os.NewFile(uintptr(n), "socket"))
	}
}

// executeConnected connects and then becomes another program, which sends the
// request over that connection.
func executeConnected(socket, program string) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Fprint(c, "GET /v1/status HTTP/1.1\r\nHost: wormbell\r\n\r\n") // the answer says that we were accepted
	c.Read(make([]byte, 64<<10))
	f, _ := c.(*net.UnixConn).File()
	fd, _ := syscall.Dup(int(f.Fd()))
	os.Unsetenv("WORMBELL_TEST_THEN")
	os.Setenv("WORMBELL_TEST_FD", strconv.Itoa(fd))
	fmt.Println(syscall.Exec(program, []string{"wormbell"}, os.Environ()))
	os.Exit(1)
}

func sendOver(f *os.File) {
	c, err := net.FileConn(f)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	h := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}}
	resp, err := h.Post("http://wormbell/v1/"+os.Getenv("WORMBELL_TEST_PATH"), "", strings.NewReader(os.Getenv("WORMBELL_TEST_BODY")))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	b, _ := io.ReadAll(resp.Body)
	fmt.Printf("%d\n%s", resp.StatusCode, b)
	os.Exit(0)
}

// suite is a folder with an agent's program and, beside it, ours.
type suite struct {
	t   *testing.T
	dir string
}

// newSuite makes one. All of ours are this test's program, copied: the test
// itself must not pass for one.
func newSuite(t *testing.T) suite {
	t.Helper()
	s := suite{t, publicDir(t)}
	s.copy("wormbell")
	if err := os.Link(s.path("wormbell"), s.path("wormbell-tray")); err != nil {
		t.Fatal(err)
	}
	if err := executable.Write(s.path("wormbelld"), ""); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s suite) path(name string) string { return filepath.Join(s.dir, name) }

func (s suite) copy(name string) string {
	s.t.Helper()
	os.Remove(s.path(name))
	err := executable.Copy("/proc/self/exe", s.path(name))
	if err == nil {
		err = os.Chmod(s.path(name), 0o755)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// give gives files of the suite to uid.
func (s suite) give(uid int, names ...string) {
	s.t.Helper()
	for _, n := range names {
		if err := os.Lchown(s.path(n), uid, uid); err != nil {
			s.t.Fatal(err)
		}
	}
}

// asker is a program that sends a request.
type asker struct {
	program string
	uid     int
	env     []string
	before  func() // done once it runs and before it connects
	traced  bool
}

const plan = `{"paths":["~/.npmrc","~/.config/gh/hosts.yml"],"seconds":300}`

// asks runs the program and returns its answer.
func (r *rig) asks(a asker, path, body string) (int, string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.program)
	cmd.Env = append(append(os.Environ(), "WORMBELL_TEST_SOCKET="+r.socket, "WORMBELL_TEST_METHOD=POST", "WORMBELL_TEST_PATH="+path, "WORMBELL_TEST_BODY="+body), a.env...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: a.traced}
	if a.uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.uid)}
	}
	var text string
	switch {
	case a.traced:
		text = r.trace(cmd)
	case a.before != nil:
		cmd.Env = append(cmd.Env, "WORMBELL_TEST_WAIT=1")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			r.t.Fatal(err)
		}
		io.ReadFull(out, make([]byte, len("ready\n")))
		a.before()
		in.Close()
		b, _ := io.ReadAll(out)
		cmd.Wait()
		text = string(b)
	default:
		b, err := cmd.CombinedOutput()
		if err != nil {
			r.t.Fatalf("%s: %v %s", a.program, err, b)
		}
		text = string(b)
	}
	line, rest, _ := strings.Cut(text, "\n")
	status, err := strconv.Atoi(line)
	if err != nil {
		r.t.Fatalf("%s: %s", a.program, text)
	}
	return status, rest
}

// trace runs cmd as a debugger does, and lets it do what it wants.
func (r *rig) trace(cmd *exec.Cmd) string {
	r.t.Helper()
	runtime.LockOSThread() // the debugger is a thread
	defer runtime.UnlockOSThread()
	out, err := os.Create(filepath.Join(r.t.TempDir(), "out"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	pid := cmd.Process.Pid
	for {
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws.Exited() || ws.Signaled() {
			break
		}
		sig := ws.StopSignal()
		if sig == syscall.SIGTRAP {
			sig = 0
		}
		syscall.PtraceCont(pid, int(sig))
	}
	b, _ := os.ReadFile(out.Name())
	return string(b)
}

// signed is a person's own call, by a program that somebody vouches for.
func signed(parent *wormbell.Process, signer string) func(int) *wormbell.Process {
	return func(pid int) *wormbell.Process {
		return &wormbell.Process{PID: pid, Start: start, Exe: "/usr/bin/wormbell", Signer: signer, TTY: parent.TTY, Parent: parent}
	}
}

// Only the very program that lies beside the agent may announce what it is
// about to read, and only if nobody else can be behind it.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	node := &wormbell.Process{PID: 62, Start: start, Exe: "/usr/bin/node", Script: "/home/u/auto.js", TTY: "/dev/pts/1", Parent: bash}
	dropper := &wormbell.Process{PID: 63, Start: start, Exe: "/home/u/.cache/dropper", TTY: "/dev/pts/1", Parent: bash}
	python := &wormbell.Process{PID: 64, Start: start, Exe: "/usr/bin/python3.13", Script: "/home/u/x.py", TTY: "/dev/pts/1", Parent: bash}
	sh := &wormbell.Process{PID: 65, Start: start, Exe: "/bin/sh", Args: []string{"sh", "-c", "wormbell tokens"}, Signer: "deb:dash", TTY: "/dev/pts/1", Parent: dropper}
	sudo := &wormbell.Process{PID: 66, Start: start, Exe: "/usr/bin/sudo", Signer: "deb:sudo", TTY: "/dev/pts/1", Parent: bash}
	unseen := &wormbell.Process{PID: 67, Start: start, TTY: "/dev/pts/1", Parent: bash}
	became := func(pid int) *wormbell.Process {
		p := *signed(bash, "root")(pid)
		p.Replaced = "/home/u/.cache/dropper"
		return &p
	}
	hidden := []string{"WORMBELL_TEST_HIDE=1"}
	ours := func(s suite) asker { return asker{program: s.path("wormbell"), uid: nobody, env: hidden} }
	as := func(uid int) func(suite) asker {
		return func(s suite) asker { return asker{program: s.path("wormbell"), uid: uid, env: hidden} }
	}
	elsewhere := func(how func(from, to string) error) func(s suite) asker {
		return func(s suite) asker {
			to := filepath.Join(publicDir(s.t), "wormbell")
			if err := how(s.path("wormbell"), to); err != nil {
				s.t.Fatal(err)
			}
			return asker{program: to, uid: nobody, env: hidden}
		}
	}
	for _, tt := range []struct {
		name   string
		caller func(int) *wormbell.Process // nil for a person's
		asker  func(suite) asker
		want   int
		say    string // in the answer
		rings  bool
	}{
		{"ours", nil, ours, 200, `"paths":2`, false},
		{"root's", nil, as(0), 200, "", false},
		{"root's, which needs not hide", nil, func(s suite) asker { return asker{program: s.path("wormbell")} }, 200, "", false},
		{"the tray", nil, func(s suite) asker { return asker{program: s.path("wormbell-tray"), uid: nobody, env: hidden} }, 200, "", false},
		{"not hidden", nil, func(s suite) asker { return asker{program: s.path("wormbell"), uid: nobody} }, 403, "could read its memory", false},
		{"a hard link to it", nil, elsewhere(os.Link), 200, "", false}, // the very same file
		{"a symlink to it", nil, elsewhere(os.Symlink), 200, "", false},
		{"a copy of it", nil, func(s suite) asker {
			other := suite{s.t, publicDir(s.t)}
			return asker{program: other.copy("wormbell"), uid: nobody, env: hidden}
		}, 403, "another program", false},
		{"another program beside it", nil, func(s suite) asker { return asker{program: s.copy("wormbell2"), uid: nobody, env: hidden} }, 403, "another program", false},
		{"renamed by its owner", nil, func(s suite) asker {
			os.Rename(s.path("wormbell"), s.path("w"))
			os.Remove(s.path("wormbell-tray"))
			return asker{program: s.path("w"), uid: nobody, env: hidden}
		}, 403, "another program", false},
		{"replaced since it was started", nil, func(s suite) asker {
			return asker{program: s.path("wormbell"), uid: nobody, env: hidden, before: func() { s.copy("wormbell"); os.Remove(s.path("wormbell-tray")) }}
		}, 403, "another program", false},
		{"a symlink beside the agent", nil, func(s suite) asker {
			other := suite{s.t, publicDir(s.t)}
			os.Remove(s.path("wormbell"))
			os.Remove(s.path("wormbell-tray"))
			os.Symlink(other.copy("evil"), s.path("wormbell"))
			return asker{program: s.path("wormbell"), uid: nobody, env: hidden}
		}, 403, "another program", false},
		{"it belongs to the caller", nil, func(s suite) asker { s.give(nobody, "wormbell"); return ours(s) }, 403, "belongs to uid 65534", false},
		{"the folder belongs to the caller", nil, func(s suite) asker { s.give(nobody, "."); return ours(s) }, 403, "belongs to uid 65534", false},
		{"others may write it", nil, func(s suite) asker { os.Chmod(s.path("wormbell"), 0o775); return ours(s) }, 403, "others may write", false},
		{"others may write the folder", nil, func(s suite) asker { os.Chmod(s.dir, 0o757); return ours(s) }, 403, "others may write", false},
		{"a build in the caller's own folder", nil, func(s suite) asker { s.give(nobody, ".", "wormbelld", "wormbell"); return ours(s) }, 200, "", false},
		{"a build in the caller's own folder, by root", nil, func(s suite) asker { s.give(nobody, ".", "wormbelld", "wormbell"); return as(0)(s) }, 200, "", false},
		{"a build in another user's folder", nil, func(s suite) asker { s.give(nobody-1, ".", "wormbelld", "wormbell"); return ours(s) }, 403, "belongs to uid 65533", false},
		{"under a debugger", nil, func(s suite) asker { a := as(0)(s); a.traced = true; return a }, 403, "debugger", false},
		{"executed over a connection", nil, func(s suite) asker {
			other := suite{s.t, publicDir(s.t)}
			return asker{program: other.copy("evil"), uid: nobody, env: append(hidden, "WORMBELL_TEST_THEN="+s.path("wormbell"))}
		}, 403, "executed another program", false},
		{"below npm", signed(npm, "root"), ours, 403, "below npm (pid 60)", false},
		{"below a postinstall", signed(evil, "root"), ours, 403, "postinstall script of evil@1.0.0", true},
		// Our own program that asks first, wherever it was started, silences nobody; another does.
		{"below an alerted program", signed(tool, "root"), ours, 403, "below a process of alert", false},
		{"a copy of it, below an alerted program", signed(tool, "root"), func(s suite) asker {
			other := suite{s.t, publicDir(s.t)}
			return asker{program: other.copy("wormbell"), uid: nobody, env: hidden}
		}, 403, "below a process of alert", true},
		{"below a script that nobody vouches for", signed(node, "root"), ours, 403, "below auto.js", false},
		{"below a program that nobody vouches for", signed(dropper, "root"), ours, 403, "below dropper (pid 63), which nobody vouches for; type the command in a terminal yourself", false},
		{"below such a program, as root", signed(dropper, "root"), as(0), 403, "below dropper (pid 63)", false},
		{"below a shell that such a program started", signed(sh, "root"), ours, 403, "below dropper (pid 63)", false},
		{"below a Python script", signed(python, "root"), ours, 403, "below x.py (pid 64)", false},
		{"once such a program", became, ours, 403, "ran /home/u/.cache/dropper before", false},
		{"below what was not seen", signed(unseen, "root"), ours, 403, "could not tell what process 67 ran", false},
		{"below sudo", signed(sudo, "root"), as(0), 200, "", false},
		{"unknown", func(int) *wormbell.Process { return nil }, ours, 403, "could not tell who", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSuite(t)
			a := tt.asker(s)
			r := rigWith(t, s.path("wormbelld"))
			r.raise("4321", tool)
			if tt.caller == nil {
				tt.caller = signed(bash, "root")
			}
			r.says(tt.caller)
			status, out := r.asks(a, "announce", plan)
			if status != tt.want || !strings.Contains(out, tt.say) {
				t.Errorf("%d %s, want %d and %q", status, out, tt.want, tt.say)
			}
			calls, err := r.store.Calls("", 10)
			if err != nil {
				t.Fatal(err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if tt.want != 200 {
				quiet := strings.HasPrefix(tt.name, "below npm") || tt.name == "below an alerted program"
				if quiet && (len(calls) != 1 || !strings.HasPrefix(calls[0].What, "refused announce the reading of credentials: below ")) {
					t.Errorf("refused, and kept as %v", calls)
				}
				if len(calls) > 0 && !quiet || (len(r.events) > 0) != tt.rings || tt.rings && !strings.HasPrefix(r.events[0].Line, "refused announce the reading of credentials: ") {
					t.Errorf("refused, and yet calls %v, events %v", calls, r.events)
				}
				return
			}
			if len(calls) != 1 || calls[0].What != "read 2 files within 5m0s: ~/.npmrc ~/.config/gh/hosts.yml" || calls[0].User != strconv.Itoa(a.uid) {
				t.Errorf("calls %+v", calls)
			}
			for i, path := range []string{"~/.npmrc", "~/.config/gh/hosts.yml"} {
				if len(r.events) != 2 {
					t.Fatalf("events %v", r.events)
				}
				e := r.events[i]
				if e.Kind != wormbell.AgentCall || e.Line != wormbell.Announced || e.Path != path || e.Count != 300 || e.Process == nil || e.Process.PID != calls[0].PID || e.Time.IsZero() {
					t.Errorf("event %+v", e)
				}
			}
		})
	}
}

// Our own programs need nobody to vouch for them, wherever they stand: the tray
// of a build in a home starts the command line. They are known by the file.
func TestAnnounceBelowOurs(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	other := suite{t, publicDir(t)}
	other.copy("wormbell-tray")
	r := rigWith(t, s.path("wormbelld"))
	for _, tt := range []struct {
		name  string
		runs  string // what the tray runs now
		exe   string // what it ran when it started the other
		known bool   // the agent knows it still
		want  int
	}{
		{"the tray", s.path("wormbell-tray"), s.path("wormbell-tray"), true, 200},
		{"a copy of it", other.path("wormbell-tray"), other.path("wormbell-tray"), true, 403},
		{"what only says that it is", other.path("wormbell-tray"), s.path("wormbell-tray"), true, 403},
		{"what was something else then", s.path("wormbell-tray"), "/home/u/dropper", true, 403},
		{"one that has ended", s.path("wormbell-tray"), s.path("wormbell-tray"), false, 403},
	} {
		cmd := exec.Command(tt.runs)
		cmd.Env = append(os.Environ(), "WORMBELL_TEST_WAIT=1", "WORMBELL_TEST_SOCKET="+r.socket)
		in, err := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		io.ReadFull(out, make([]byte, len("ready\n"))) // it is what it is to be
		tray := &wormbell.Process{PID: cmd.Process.Pid, Start: start, Exe: tt.exe, TTY: bash.TTY, Parent: bash}
		r.says(func(pid int) *wormbell.Process {
			switch {
			case pid != tray.PID:
				return signed(tray, "root")(pid)
			case tt.known:
				now := *tray
				now.Exe = tt.runs
				return &now
			}
			return nil
		})
		status, said := r.asks(asker{program: s.path("wormbell"), uid: os.Getuid()}, "announce", plan)
		if status != tt.want {
			t.Errorf("below %s: %d %s, want %d", tt.name, status, said, tt.want)
		}
		cmd.Process.Kill()
		in.Close()
		cmd.Wait()
	}
}

// A program that was built with libraries counts only if somebody vouches for
// it, LD_PRELOAD included.
func TestAnnounceWithLibraries(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	r := rigWith(t, s.path("wormbelld"))
	r.says(signed(bash, ""))
	want := 200
	if ldd, err := exec.Command("ldd", s.path("wormbell")).CombinedOutput(); err == nil && strings.Contains(string(ldd), "libc") {
		want = 403
	}
	if status, out := r.asks(asker{program: s.path("wormbell"), uid: os.Getuid()}, "announce", plan); status != want {
		t.Errorf("%d %s, want %d", status, out, want)
	}
}

func TestAnnounceWhat(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	r := rigWith(t, s.path("wormbelld"))
	r.says(signed(bash, "root"))
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprintf("~/%d", i)
	}
	for _, tt := range []struct {
		paths   []string
		seconds float64
		want    int
	}{
		{[]string{"~/.npmrc"}, 600, 200},
		{many[:64], 1, 200},
		{many, 60, 400},
		{nil, 60, 400},
		{[]string{"~/.npmrc"}, 601, 400},
		{[]string{"~/.npmrc"}, 0, 400},
		{[]string{"~/.npmrc"}, -1, 400},
		{[]string{"~/.npmrc", "/etc/shadow"}, 60, 400},
		{[]string{".npmrc"}, 60, 400},
		{[]string{"~"}, 60, 400},
		{[]string{"~/a/../../b"}, 60, 400},
		{[]string{"~/../b"}, 60, 400},
		{[]string{"~/a/"}, 60, 400},
		{[]string{"~/a\nb"}, 60, 400},
		{[]string{"~/" + strings.Repeat("a", 1024)}, 60, 400},
	} {
		body, _ := json.Marshal(map[string]any{"paths": tt.paths, "seconds": tt.seconds})
		status, out := r.asks(asker{program: s.path("wormbell"), uid: os.Getuid()}, "announce", string(body))
		if status != tt.want {
			t.Errorf("%.80s: %d %s, want %d", body, status, out, tt.want)
		}
	}
	plain := newRig(t)
	if status, out := plain.ask("POST", "announce", plan); status != 501 {
		t.Errorf("an agent that does not know its own program: %d %s", status, out)
	}
}

// What was done about an alert is said by our own programs only, and not from
// below what the alert is about.
func TestActions(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	r := rigWith(t, s.path("wormbelld"))
	id := r.raise(strconv.Itoa(os.Getuid()), tool)
	theirs := r.raise("4321", evil)
	// A token of the right shape that never was one.
	secret := "npm_" + strings.Repeat("0aB1", 9)
	body, _ := json.Marshal(map[string]string{"what": "npm-token-revoke", "outcome": "the token " + secret + " is dead\nclosed: all is well"})
	mine := asker{program: s.path("wormbell"), uid: os.Getuid()}
	for _, tt := range []struct {
		name   string
		caller func(int) *wormbell.Process
		want   int
	}{
		{"ours", signed(bash, "root"), 200},
		{"below the alerted tree", signed(tool, "root"), 403},
		{"below a postinstall", signed(evil, "root"), 403},
		{"below a program that nobody vouches for", signed(&wormbell.Process{PID: 63, Start: start, Exe: "/home/u/dropper", TTY: "/dev/pts/1", Parent: bash}, "root"), 403},
		{"unknown", func(int) *wormbell.Process { return nil }, 403},
	} {
		r.says(tt.caller)
		if status, out := r.asks(mine, "alerts/"+id+"/action", string(body)); status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, out, tt.want)
		}
	}
	r.says(signed(bash, "root"))
	if status, out := r.ask("POST", "alerts/"+id+"/action", string(body)); status != 403 {
		t.Errorf("another program: %d %s", status, out)
	}
	for _, what := range []string{"close", "freeze", "", "Revoked", "two words", "a\u202eb", strings.Repeat("a", 65)} {
		b, _ := json.Marshal(map[string]string{"what": what, "outcome": "x"})
		if status, out := r.asks(mine, "alerts/"+id+"/action", string(b)); status != 400 {
			t.Errorf("an action called %q: %d %s", what, status, out)
		}
	}
	if os.Getuid() == 0 {
		other := asker{program: s.path("wormbell"), uid: nobody, env: []string{"WORMBELL_TEST_HIDE=1"}}
		if status, out := r.asks(other, "alerts/"+theirs+"/action", string(body)); status != 404 {
			t.Errorf("another user's alert: %d %s", status, out)
		}
	}
	a, err := r.store.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Actions) != 1 {
		t.Fatalf("actions %+v", a.Actions)
	}
	got := a.Actions[0]
	if got.What != "npm-token-revoke" || got.By != strconv.Itoa(os.Getuid()) || got.Time.IsZero() || strings.Contains(got.Outcome, "0aB1") ||
		strings.Contains(got.Outcome, "\n") || !strings.HasPrefix(got.Outcome, "the token ") {
		t.Errorf("kept is %+v", got)
	}
	long, _ := json.Marshal(map[string]string{"what": "a", "outcome": strings.Repeat("é", 10_000)})
	if status, out := r.asks(mine, "alerts/"+id+"/action", string(long)); status != 200 {
		t.Errorf("a long outcome: %d %s", status, out)
	}
	if a, _ = r.store.Get(id); len(a.Actions[1].Outcome) > 520 {
		t.Errorf("%d bytes of an outcome are kept", len(a.Actions[1].Outcome))
	}
	// Wherever it is cut, nothing is left of a token that the cut goes through.
	for n := range len(secret) {
		text := strings.Repeat(secret+" ", 48) + strings.Repeat("é", 20+n/2) + strings.Repeat("-", n%2) + " " + strings.Repeat(secret+" ", 20)
		b, _ := json.Marshal(map[string]string{"what": "a", "outcome": text})
		if status, out := r.asks(mine, "alerts/"+id+"/action", string(b)); status != 200 {
			t.Fatalf("many tokens: %d %s", status, out)
		}
		a, err := r.store.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if kept := a.Actions[len(a.Actions)-1].Outcome; !strings.HasPrefix(kept, "npm_*** ") || strings.Contains(kept, "_0") || strings.Contains(kept, "\ufffd") {
			t.Fatalf("of a token in the middle of which it is cut, this is kept: %s", kept)
		}
	}
	if status, out := r.ask("POST", "alerts/"+id+"/reopen", `{"reason":"it was `+secret+`"}`); status != 200 || strings.Contains(out, "0aB1") {
		t.Errorf("a secret in a reason: %d %s", status, out)
	}
}

// The client says what it must.
func TestClientAnnounces(t *testing.T) {
	t.Parallel()
	r := rigWith(t, filepath.Join(publicDir(t), "wormbelld"))
	c, err := client.Dial(client.Config{Socket: r.socket})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Announce(t.Context(), []string{"~/.npmrc"}, time.Minute)
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 403 || e.Hint() == "" {
		t.Errorf("the test is not the program beside the agent, and yet: %v", err)
	}
}
