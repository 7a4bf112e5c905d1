package persistence_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/agent/respond/persistence"
	"wormbell/internal/executable"
)

// proc makes a process in the test's /proc.
type proc struct {
	pid, ppid, sid int
	tty            int
	name, exe, cwd string
	args           []string
	cgroup         string
	uid            int
	start          int    // seconds after boot
	socket         int    // inode of an open connection
	stdin          string // where it leads; "" for nowhere
}

func (m *machine) proc(p proc) {
	m.t.Helper()
	if p.uid == 0 {
		p.uid = m.config.UID
	}
	dir := fmt.Sprintf("/proc/%d/", p.pid)
	m.put(map[string]string{
		dir + "stat": fmt.Sprintf("%d (%s) S %d %d %d %d 0 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0 0\n", p.pid, p.name, p.ppid, p.pid, p.sid, p.tty, p.start*100), dir + "status": fmt.Sprintf("Name:\tx\nUid:\t%d\t%d\t%d\t%d\n", p.uid, p.uid, p.uid, p.uid),
		dir + "cmdline": strings.Join(p.args, "\x00") + "\x00", dir + "cgroup": p.cgroup})
	if p.exe != "" {
		m.link(p.exe, dir+"exe")
	}
	if p.stdin != "" {
		m.link(p.stdin, dir+"fd/0")
	}
	if p.cwd == "" {
		p.cwd = "/"
	}
	m.link(p.cwd, dir+"cwd")
	if p.socket != 0 {
		m.link(fmt.Sprintf("socket:[%d]", p.socket), dir+"fd/7")
	}
}

const connections = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A00020F:C350 08080404:01BB 01 00000000:00000000 00:00000000 00000000  4242        0 777 1 0000000000000000 20 4 30 10 -1
   1: 0100007F:C351 0100007F:01BB 01 00000000:00000000 00:00000000 00000000  4242        0 778 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 779 1 0000000000000000 100 0 0 10 0
`

func TestProcessesThatNothingStarts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		plant  func(m *machine) proc
		blocks bool
		says   string
	}{
		{"poller in a hidden folder", func(m *machine) proc {
			m.put(map[string]string{".x/y.py": pythonPoller()})
			return proc{name: "python3", exe: "/usr/bin/python3", args: []string{"[kworker/u8:2]", m.path(".x/y.py")}, ppid: 1, socket: 777}
		}, true, "connected to 4.4.8.8:443"},
		{"poller by a relative name", func(m *machine) proc {
			m.put(map[string]string{".x/y.sh": wiper()})
			return proc{name: "sh", exe: "/usr/bin/sh", args: []string{"sh", "./y.sh"}, cwd: m.path(".x"), ppid: 1}
		}, true, "deletes the home folder"},
		{"code in its arguments", func(m *machine) proc {
			return proc{name: "sh", exe: "/usr/bin/sh", args: []string{"sh", "-c", strings.TrimPrefix(wiper(), "#!/bin/sh\nexit 0\n")}, ppid: 1}
		}, true, "its code stands in"},
		{"program that has been removed, in a temporary folder", func(m *machine) proc {
			return proc{name: "x", exe: "/dev/shm/.x (deleted)", args: []string{"/usr/sbin/cron"}, ppid: 1, sid: 77}
		}, true, "has been removed while it runs"},
		{"editor's server", func(m *machine) proc {
			m.put(map[string]string{".vscode-server/bin/abc/out/server-main.js": "const a='https://api.github.com/user';h={Authorization:'Bearer '+t};if(s===401)retry();setInterval(()=>{},1e3);\n" + noise(400<<10), ".vscode-server/bin/abc/node": compiled(noise(1 << 20))})
			return proc{name: "node", exe: m.path(".vscode-server/bin/abc/node"), args: []string{m.path(".vscode-server/bin/abc/node"), m.path(".vscode-server/bin/abc/out/server-main.js"), "--start-server"}, ppid: 1, socket: 777}
		}, false, ""},
		{"minified extension that asks who a token belongs to", func(m *machine) proc {
			m.put(map[string]string{".vscode-server/extensions/pr/dist/extension.js": minified(4000) + "async function u(t){let r=await fetch('https://api.github.com/user',{headers:{Authorization:`Bearer ${t}`}});if(r.status===401)throw new Error('Bad credentials');let m=/scope=(.*)/.exec(r.headers.get('x'));return m&&m[1]?r.response.data:null}setInterval(()=>u(k),6e4);" + minified(4000)})
			return proc{name: "node", exe: "/usr/bin/node", args: []string{"node", m.path(".vscode-server/extensions/pr/dist/extension.js")}, ppid: 1, sid: 4711}
		}, false, ""},
		{"minified monitor in such an extension", func(m *machine) proc {
			m.put(map[string]string{".vscode-server/extensions/pr/dist/extension.js": minified(4000) + "async function u(t){let r=await fetch('https://api.github.com/user',{headers:{Authorization:`Bearer ${t}`}});if(r.status===401){let w=await fetch(h);eval(await w.text())}}setInterval(()=>u(k),6e4);" + minified(4000)})
			return proc{name: "node", exe: "/usr/bin/node", args: []string{"node", m.path(".vscode-server/extensions/pr/dist/extension.js")}, ppid: 1, sid: 4711}
		}, true, "runs what a file or a server hands it"},
		{"development server at a terminal", func(m *machine) proc {
			m.put(map[string]string{"work/app/server.js": "require('http').createServer().listen(3000); fetch('https://api.github.com/user', {headers: {authorization: t}})"})
			return proc{name: "node", exe: "/usr/bin/node", args: []string{"node", "server.js"}, cwd: m.path("work/app"), tty: 34816, ppid: 50}
		}, false, ""},
		{"somebody reads a monitor in an editor", func(m *machine) proc {
			m.put(map[string]string{".x/y.sh": wiper()})
			return proc{name: "vim", exe: "/usr/bin/vim", args: []string{"vim", m.path(".x/y.sh")}, tty: 34816, ppid: 50}
		}, false, ""},
		{"another user's", func(m *machine) proc {
			m.put(map[string]string{".x/y.sh": wiper()})
			return proc{name: "sh", exe: "/usr/bin/sh", args: []string{"sh", m.path(".x/y.sh")}, ppid: 1, uid: 4243}
		}, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			p := test.plant(m)
			p.pid, p.start = 4711, 60
			m.put(map[string]string{"/proc/self/net/tcp": connections})
			m.proc(p)
			m.young()
			if !test.blocks {
				for _, f := range m.quiet().Traps {
					t.Errorf("a person is told: %v", f)
				}
				return
			}
			f := m.blocking(persistence.Running)
			if !f.Live || len(f.PIDs) != 1 || f.PIDs[0] != 4711 {
				t.Errorf("it does not say that it runs: %+v", f)
			}
			if said := f.String(); !strings.Contains(said, test.says) {
				t.Errorf("no %q in %q", test.says, said)
			}
			// What is below another root is nobody's to stop.
			if _, err := f.Disable(t.Context(), m.config); !errors.Is(err, persistence.ErrLeft) {
				t.Errorf("got %v, want ErrLeft", err)
			}
		})
	}
}

// minified is code of many functions on one line, with the words that such code has.
func minified(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "function f%d(e,response){var r=/^[a-z]+(%d)$/.exec(e),n=e.data;return r?response.body:String.fromCharCode(n)}", i, i)
	}
	return b.String()
}

// TestBuiltByHand: a test of somebody who works against worms holds a worm's
// words. While a build tool or a person's shell waits for it, that is for them to
// judge; what merely looks like it blocks.
func TestBuiltByHand(t *testing.T) {
	t.Parallel()
	words := compiled("https://"+site+"/user", "Authorization: token %s", "HTTP/1.1 401", "rm -rf ~/", "while true; do sleep 60; done")
	for _, test := range []struct {
		name    string
		place   string
		parent  proc
		own     proc
		content string
		blocks  bool
	}{
		{name: "go test in an editor", place: "/tmp/go-build123/b001/app.test", parent: proc{exe: "/usr/local/go/bin/go", args: []string{"go", "test"}, ppid: 3000, sid: 3000}, own: proc{sid: 3000}},
		{name: "go run, from the cache", place: "~/.cache/go-build/ab/abcd-d/app", parent: proc{exe: "/usr/lib/go/bin/go", args: []string{"go", "run", "."}, ppid: 3000, sid: 3000, tty: 34816}, own: proc{sid: 3000, tty: 34816}},
		{name: "cargo test", place: "~/work/app/target/debug/deps/app-1", parent: proc{exe: "/usr/bin/cargo", args: []string{"cargo", "test"}, ppid: 3000, sid: 3000}, own: proc{sid: 3000}},
		{name: "typed into a shell", place: "/tmp/build/app", parent: proc{exe: "/usr/bin/bash", args: []string{"-bash"}, ppid: 3000, sid: 4000, tty: 34816, stdin: "/dev/pts/0"}, own: proc{sid: 4000, tty: 34816}},
		{name: "started by a script at a terminal", place: "/tmp/build/app", parent: proc{exe: "/usr/bin/bash", args: []string{"bash", "/usr/bin/x.sh"}, ppid: 3000, sid: 3000, tty: 34816, stdin: "/dev/pts/0"}, own: proc{sid: 3000, tty: 34816}, blocks: true},
		{name: "go run, cut loose", place: "/tmp/go-build123/b001/exe/app", parent: proc{exe: "/usr/bin/go", args: []string{"go", "run", "."}, ppid: 1, sid: 4000}, own: proc{sid: 4000}, blocks: true},
		{name: "what a test has left behind, or looks like it", place: "/tmp/go-build123/b001/app.test", parent: proc{exe: "/usr/bin/go", args: []string{"go", "test"}, ppid: 3000, sid: 3000}, own: proc{ppid: 1, sid: 3000}, blocks: true},
		{name: "a session of its own", place: "/tmp/go-build123/b001/app.test", parent: proc{exe: "/usr/bin/go", args: []string{"go", "test"}, ppid: 3000, sid: 3000}, own: proc{sid: 4711}, blocks: true},
		{name: "a script below go", place: "/tmp/go-build123/b001/app.sh", parent: proc{exe: "/usr/bin/go", args: []string{"go", "test"}, ppid: 3000, sid: 3000}, own: proc{sid: 3000}, content: wiper(), blocks: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			content := cmp.Or(test.content, words)
			m.put(map[string]string{strings.TrimPrefix(test.place, "~/"): content})
			exe := test.place
			if rest, ok := strings.CutPrefix(exe, "~/"); ok {
				exe = m.path(rest)
			}
			p, parent := test.own, test.parent
			p.pid, p.start, p.exe, p.args, p.name = 4711, 60, exe, []string{exe}, "app"
			if test.content != "" {
				p.exe, p.args = "/usr/bin/sh", []string{"sh", exe}
			}
			parent.pid, parent.start, parent.name = 4000, 50, "parent"
			p.ppid = cmp.Or(p.ppid, 4000)
			m.proc(parent)
			m.proc(p)
			if test.blocks {
				m.blocking(persistence.Running)
				return
			}
			r := m.quiet()
			if len(r.Traps) != 1 || r.Traps[0].Weight != persistence.Note || !strings.Contains(r.Traps[0].String(), "waits for it") {
				t.Errorf("a person is not told of it, or not why it passes:\n%s", strings.Join(r.Summary(), "\n"))
			}
		})
	}
}

// TestProcessesOfEntries: what an entry has started is told of with it.
func TestProcessesOfEntries(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".x/m": wiper(), ".config/systemd/user/q.service": unit("sh %h/.x/m", "Restart=always"), ".y/n.py": pythonPoller(), ".config/autostart/n.desktop": "[Desktop Entry]\nExec=python3 " + m.path(".y/n.py") + "\n"})
	m.link("../q.service", ".config/systemd/user/default.target.wants/q.service")
	m.proc(proc{pid: 11, ppid: 10, name: "curl", exe: "/usr/bin/curl", args: []string{"curl"}, cgroup: "0::/user.slice/user-4242.slice/user@4242.service/app.slice/q.service\n"})
	m.proc(proc{pid: 12, ppid: 1, name: "python3", exe: "/usr/bin/python3", args: []string{"python3", "-u", m.path(".y/n.py")}})
	m.proc(proc{pid: 13, ppid: 1, name: "sh", exe: "/usr/bin/sh", args: []string{"sh"}, tty: 34816, stdin: "/dev/pts/0", cgroup: "0::/user.slice/user-4242.slice/user@4242.service/app.slice/app-gnome-terminal.scope\n"})
	r := m.look()
	got := map[string]string{}
	for _, f := range r.Traps {
		got[f.What] = fmt.Sprint(f.Live, f.PIDs)
	}
	for what, want := range map[string]string{persistence.Unit: "true[11]", persistence.Autostart: "true[12]"} {
		if strings.ReplaceAll(got[what], " ", "") != want {
			t.Errorf("%s: got %s, want %s", what, got[what], want)
		}
	}
	if got[persistence.Running] != "" {
		t.Errorf("a process is told of twice: %v", got)
	}
}

// live is a home in which processes of the test may run. Of the others on the
// machine only those above the test are looked at, and none is told anything.
func live(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.config.Root, m.config.UID = "", 0
	m.answers["systemctl --user daemon-reload"] = "" // else the person's own manager would be told by a signal
	m.config.Only(func(pid int) bool { return pid == os.Getpid() || slices.Contains(m.sessions, session(pid)) })
	return m
}

// session is that of a process, 0 if it is not there.
func session(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if err != nil || len(f) < 4 {
		return 0
	}
	n, _ := strconv.Atoi(f[3])
	return n
}

// start runs a program in a session of its own. What it starts in turn is ended
// with it, also if it is stopped or nobody's child any more. ended is closed
// when the program has ended; said is what it has printed first.
func (m *machine) start(name string, args ...string) (cmd *exec.Cmd, ended chan struct{}, said *os.File) {
	m.t.Helper()
	said, output, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { said.Close() })
	cmd = exec.Command(name, args...)
	cmd.Stdout, cmd.SysProcAttr = output, &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	output.Close()
	if err != nil {
		m.t.Fatal(err)
	}
	m.sessions = append(m.sessions, cmd.Process.Pid)
	ended = make(chan struct{})
	m.t.Cleanup(func() {
		// The whole group: it keeps its number as long as one of it is there.
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	go func() { cmd.Wait(); close(ended) }()
	return cmd, ended, said
}

// script runs a harmless script: it loops and sleeps, and what it says of
// tokens stands behind the end of the loop.
func (m *machine) script(name string, args ...string) *exec.Cmd {
	m.t.Helper()
	cmd, _, said := m.start(name, args...)
	if _, err := said.Read(make([]byte, 1)); err != nil {
		m.t.Fatalf("the script does not start: %v", err)
	}
	return cmd
}

// finds looks until the look finds something to block that is as it should be.
func (m *machine) finds(is func(persistence.Trap) bool) persistence.Trap {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		r := m.look()
		for _, f := range r.Blocking() {
			if is(f) {
				return f
			}
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("it is not found:\n%s", strings.Join(r.Summary(), "\n"))
		}
	}
}

// runs reports whether the trap is about this process.
func runs(f persistence.Trap, cmd *exec.Cmd) bool {
	return f.Live && slices.Contains(f.PIDs, cmd.Process.Pid)
}

// loop is such a script. On SIGTERM, SIGHUP and SIGCONT it leaves a mark: a
// real one would wipe.
func loop(mark string) string {
	return "#!/bin/sh\ntrap 'echo woken > " + mark + "' TERM HUP INT CONT\necho r\nwhile :; do sleep 0.05; done\nexit\n: <<'END'\n" + strings.TrimPrefix(wiper(), "#!/bin/sh\nexit 0\n") + "END\n"
}

func TestLiveMonitor(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	for _, test := range []struct {
		name  string
		what  string
		plant func(m *machine, script string)
	}{
		{"unit", persistence.Unit, func(m *machine, script string) { enabled(m, "a.service", unit(sh+" "+script, "Restart=always")) }},
		{"nothing starts it", persistence.Running, func(*machine, string) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := live(t)
			script, mark := m.path(hidden()+"/"+word()), filepath.Join(m.root, "mark")
			m.write(script, loop(mark))
			test.plant(m, script)
			cmd := m.script(sh, script)
			m.young()
			f := m.finds(func(f persistence.Trap) bool { return f.What == test.what && runs(f, cmd) })
			if len(f.PIDs) != 1 {
				t.Errorf("other processes are told of: %+v", f)
			}
			done, err := f.Disable(t.Context(), m.config)
			if err != nil {
				t.Fatalf("%v\n%+v", err, done)
			}
			if err := cmd.Process.Signal(syscall.Signal(0)); err == nil && !zombie(cmd.Process.Pid) {
				t.Error("it lives")
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("it has noticed")
			}
			if _, err := os.Stat(script); err == nil {
				t.Error("its script is still there")
			}
			for _, g := range m.look().Traps {
				if strings.HasPrefix(g.Path, "~/") {
					t.Errorf("still there: %v", g)
				}
			}
		})
	}
}

func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

// TestLiveCompiled: a program of its own, with the words in it.
func TestLiveCompiled(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("there is no sleep here")
	}
	b, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("busybox")) || bytes.Contains(b, []byte("coreutils: ")) {
		t.Skip("sleep is a program of many, which goes by its name")
	}
	m := live(t)
	p := m.path(".cache/" + word() + "/" + word())
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := executable.Write(p, string(b)+compiled("https://"+site+"/user", "Authorization: token %s", "401", "rm -rf ~/")); err != nil {
		t.Fatal(err)
	}
	cmd, ended, _ := m.start(p, "600")
	m.young()
	f := m.finds(func(f persistence.Trap) bool { return runs(f, cmd) })
	if _, err := f.Disable(t.Context(), m.config); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// TestLiveChildren: what a monitor has started is ended with it.
func TestLiveChildren(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	m := live(t)
	script, pid := m.path(".x/"+word()), filepath.Join(m.root, "pid")
	m.write(script, "#!/bin/sh\nsleep 600 &\necho $! > "+pid+"\necho r\nwait\nexit\n: <<'END'\n"+strings.TrimPrefix(wiper(), "#!/bin/sh\nexit 0\n")+"END\n")
	cmd := m.script(sh, script)
	m.young()
	f := m.finds(func(f persistence.Trap) bool { return runs(f, cmd) })
	if _, err := f.Disable(t.Context(), m.config); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if p := strings.TrimSpace(string(b)); !gone(p) {
		t.Errorf("its child %s lives", p)
	}
}

// TestLiveFork: a process that has just forked as vfork(2) does waits for its
// child and cannot even stop. If the child is stopped, that is its rest.
func TestLiveFork(t *testing.T) {
	t.Parallel()
	perl, err := exec.LookPath("perl")
	clone := map[string]int{"amd64": 56, "arm64": 220}[runtime.GOARCH]
	if err != nil || clone == 0 {
		t.Skip("nothing here can fork so")
	}
	m := live(t)
	script := m.path(".x/" + word())
	m.write(script, fmt.Sprintf("$| = 1;\nif (syscall(%d, %d, 0, 0, 0, 0) == 0) { print \"r\"; sleep 600 }\nsleep 600;\n__END__\n", clone, syscall.CLONE_VFORK|int(syscall.SIGCHLD))+wiper())
	cmd := m.script(perl, script)
	m.young()
	f := m.finds(func(f persistence.Trap) bool { return runs(f, cmd) })
	if done, err := f.Disable(t.Context(), m.config); err != nil {
		t.Errorf("%v\n%+v", err, done)
	}
}

func gone(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

// TestLiveStaysStopped: when what starts it cannot be taken away, a new one
// would take its place, so that it is only stopped.
func TestLiveStaysStopped(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	m := live(t)
	script := m.path(".x/" + word())
	m.write(script, loop(filepath.Join(m.root, "mark")))
	m.crontab = "@reboot " + sh + " " + script + "\n"
	cmd := m.script(sh, script)
	m.young()
	f := m.finds(func(f persistence.Trap) bool { return f.What == persistence.Cron && runs(f, cmd) })
	m.crontab = "# somebody else has changed it\n"
	if _, err := f.Disable(t.Context(), m.config); !errors.Is(err, persistence.ErrLeft) || !strings.Contains(err.Error(), "stays stopped") || strings.Contains(err.Error(), "processs") {
		t.Fatalf("got %v", err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil || !strings.Contains(string(b), ") T ") && !strings.Contains(string(b), ") D ") { // see TestLiveFork
		t.Errorf("it is not stopped: %s, %v", b, err)
	}
}
