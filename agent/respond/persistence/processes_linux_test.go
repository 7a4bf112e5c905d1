package persistence_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell/agent/respond/persistence"
)

// proc makes a process in the test's /proc.
type proc struct {
	pid, ppid, sid int
	tty            int
	name, exe, cwd string
	args           []string
	cgroup         string
	uid            int
	start          int // seconds after boot
	socket         int // inode of an open connection
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
	m.link(p.exe, dir+"exe")
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
				for _, f := range m.quiet().Findings {
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

// TestProcessesOfEntries: what an entry has started is told of with it.
func TestProcessesOfEntries(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.put(map[string]string{".x/m": wiper(), ".config/systemd/user/q.service": unit("sh %h/.x/m", "Restart=always"), ".y/n.py": pythonPoller(), ".config/autostart/n.desktop": "[Desktop Entry]\nExec=python3 " + m.path(".y/n.py") + "\n"})
	m.link("../q.service", ".config/systemd/user/default.target.wants/q.service")
	m.proc(proc{pid: 11, ppid: 10, name: "curl", exe: "/usr/bin/curl", args: []string{"curl"}, cgroup: "0::/user.slice/user-4242.slice/user@4242.service/app.slice/q.service\n"})
	m.proc(proc{pid: 12, ppid: 1, name: "python3", exe: "/usr/bin/python3", args: []string{"python3", "-u", m.path(".y/n.py")}})
	m.proc(proc{pid: 13, ppid: 1, name: "sh", exe: "/usr/bin/sh", args: []string{"sh"}, cgroup: "0::/user.slice/user-4242.slice/user@4242.service/app.slice/app-gnome-terminal.scope\n"})
	r := m.look()
	got := map[string]string{}
	for _, f := range r.Findings {
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

// live is a home in which a process of the test may run.
func live(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.config.Root, m.config.UID = "", 0
	return m
}

// start runs a harmless script: it loops and sleeps, and what it says of
// tokens stands behind the end of the loop.
func start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the script does not start: %v", err)
	}
	go func() { cmd.Wait(); close(ended) }()
	return cmd
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
			cmd := start(t, sh, script)
			m.young()
			var f persistence.Finding
			for _, g := range m.look().Blocking() {
				if g.What == test.what && strings.Contains(g.Program, filepath.Base(script)) {
					f = g
				}
			}
			if !f.Live || len(f.PIDs) != 1 || f.PIDs[0] != cmd.Process.Pid {
				t.Fatalf("it is not found: %+v", f)
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
			for _, g := range m.look().Findings {
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
	m := live(t)
	p := m.path(".cache/" + word() + "/" + word())
	m.write(p, string(b)+compiled("https://"+site+"/user", "Authorization: token %s", "401", "rm -rf ~/"))
	if err := os.Chmod(p, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p, "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := startFresh(cmd); err != nil {
		t.Skipf("it cannot be run here: %v", err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	go func() { cmd.Wait(); close(ended) }()
	m.young()
	for deadline := time.Now().Add(5 * time.Second); ; {
		for _, f := range m.look().Blocking() {
			if f.Live && f.PIDs[0] == cmd.Process.Pid {
				if _, err := f.Disable(t.Context(), m.config); err != nil {
					t.Fatal(err)
				}
				<-ended
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not found:\n%s", strings.Join(m.look().Summary(), "\n"))
		}
	}
}

// startFresh starts a program that was just written: another test's fork may
// hold it open for writing a moment longer.
func startFresh(cmd *exec.Cmd) error {
	for deadline := time.Now().Add(5 * time.Second); ; {
		err := cmd.Start()
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(deadline) {
			return err
		}
		*cmd = exec.Cmd{Path: cmd.Path, Args: cmd.Args, SysProcAttr: cmd.SysProcAttr}
	}
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
	cmd := start(t, sh, script)
	m.young()
	found := false
	for _, f := range m.look().Blocking() {
		if f.Live && f.PIDs[0] == cmd.Process.Pid {
			found = true
			if _, err := f.Disable(t.Context(), m.config); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !found {
		t.Error("it is not found")
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if p := strings.TrimSpace(string(b)); !gone(p) {
		t.Errorf("its child %s lives", p)
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
	cmd := start(t, sh, script)
	m.young()
	var f persistence.Finding
	for _, g := range m.look().Blocking() {
		if g.What == persistence.Cron {
			f = g
		}
	}
	m.crontab = "# somebody else has changed it\n"
	if _, err := f.Disable(t.Context(), m.config); !errors.Is(err, persistence.ErrLeft) || !strings.Contains(err.Error(), "stays stopped") {
		t.Fatalf("got %v", err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil || !strings.Contains(string(b), ") T ") {
		t.Errorf("it is not stopped: %s, %v", b, err)
	}
}
