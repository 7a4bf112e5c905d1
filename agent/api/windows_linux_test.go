package api_test

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/executable"
)

// clicked is a call that a program without a terminal makes below parent.
func clicked(parent *wormbell.Process, exe, signer string, args ...string) func(int) *wormbell.Process {
	return func(pid int) *wormbell.Process {
		return &wormbell.Process{PID: pid, Start: start, Exe: exe, Signer: signer, Args: append([]string{filepath.Base(exe)}, args...), Parent: parent}
	}
}

// Without a terminal only our own tray and dashboard may loosen the guard, and
// only if nobody but the person and their desktop is behind them.
func TestLooseningByAClick(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	var (
		desktop = &wormbell.Process{PID: 51, Start: start, Exe: "/usr/bin/xfce4-session", Signer: "deb:xfce4-session", Parent: system}
		cron    = &wormbell.Process{PID: 52, Start: start, Exe: "/usr/sbin/cron", Signer: "deb:cron", Parent: system}
		job     = &wormbell.Process{PID: 53, Start: start, Exe: "/bin/dash", Args: []string{"sh", "-c", "wormbell alert close"}, Signer: "deb:dash", Parent: cron}
		script  = &wormbell.Process{PID: 54, Start: start, Exe: "/bin/dash", Script: "/home/u/.config/autostart.sh", Args: []string{"sh", "/home/u/.config/autostart.sh"}, Parent: desktop}
		node    = &wormbell.Process{PID: 55, Start: start, Exe: "/usr/bin/node", Script: "/home/u/x.js", Parent: desktop}
		became  = &wormbell.Process{PID: 56, Start: start, Exe: "/usr/bin/env", Signer: "deb:coreutils", Replaced: "/home/u/dropper", Parent: desktop}
	)
	hidden := []string{"WORMBELL_TEST_HIDE=1"}
	runs := func(name string, env ...string) func(suite) asker {
		return func(s suite) asker { return asker{program: s.path(name), uid: nobody, env: append(env, hidden...)} }
	}
	install := func(t *testing.T) suite {
		s := newSuite(t)
		s.copy("wormbell-tray") // none of ours must pass for another
		return s
	}
	common := install(t)
	const trayExe, cliExe = "/usr/bin/wormbell-tray", "/usr/bin/wormbell"
	tray := clicked(desktop, trayExe, "root")
	for _, tt := range []struct {
		name   string
		asker  func(suite) asker
		caller func(int) *wormbell.Process
		want   int
		say    string // in the answer
		spoils bool   // what is installed
	}{
		{"the tray", runs("wormbell-tray"), tray, 200, "", false},
		{"the tray of an agent that a person built, below nobody's hands", runs("wormbell-tray"), clicked(desktop, "/home/u/bin/wormbell-tray", ""), 200, "", false},
		{"the dashboard", runs("wormbell"), clicked(desktop, cliExe, "root", "dashboard"), 200, "", false},
		{"the dashboard as the tray starts it", runs("wormbell"), clicked(desktop, cliExe, "root", "--socket", "/run/x.sock", "dashboard", "--open", "/status"), 200, "", false},
		{"the dashboard, the flag in one word", runs("wormbell"), clicked(desktop, cliExe, "root", "--socket=/run/x.sock", "dashboard"), 200, "", false},
		{"a dashboard that writes its link", runs("wormbell"), clicked(desktop, cliExe, "root", "dashboard", "--no-browser"), 403, "no terminal", false},
		{"so, with a value", runs("wormbell"), clicked(desktop, cliExe, "root", "dashboard", "--no-browser=true"), 403, "no terminal", false},
		{"so, as JSON", runs("wormbell"), clicked(desktop, cliExe, "root", "--json", "dashboard"), 403, "no terminal", false},
		{"a command from cron", runs("wormbell"), clicked(job, cliExe, "root", "alert", "close", "abc"), 403, "no terminal", false},
		{"a command on the desktop", runs("wormbell"), clicked(desktop, cliExe, "root", "alert", "close", "dashboard"), 403, "no terminal", false},
		{"a command with a flag that is called so", runs("wormbell"), clicked(desktop, cliExe, "root", "--socket", "dashboard", "alert", "close"), 403, "no terminal", false},
		{"a command behind a flag of its own whose value is called so", runs("wormbell"), clicked(desktop, cliExe, "root", "--reason", "dashboard", "alert", "close", "abc"), 403, "no terminal", false},
		{"so, in short", runs("wormbell"), clicked(desktop, cliExe, "root", "-r", "dashboard", "alert", "close", "abc"), 403, "no terminal", false},
		{"so, behind the socket", runs("wormbell"), clicked(desktop, cliExe, "root", "--socket=/run/x.sock", "--who", "dashboard", "trust", "add"), 403, "no terminal", false},
		{"a command line that is not known", runs("wormbell"), func(pid int) *wormbell.Process {
			return &wormbell.Process{PID: pid, Start: start, Exe: cliExe, Signer: "root", Parent: desktop}
		}, 403, "no terminal", false},
		{"the dashboard, from a script", runs("wormbell"), clicked(script, cliExe, "root", "dashboard"), 403, "below autostart.sh", false},
		{"a copy of the tray in a home", func(s suite) asker {
			home := suite{s.t, publicDir(s.t)}
			program := home.copy("wormbell-tray")
			home.give(nobody, ".", "wormbell-tray")
			return asker{program: program, uid: nobody, env: hidden}
		}, clicked(desktop, "/home/u/wormbell-tray", ""), 403, "no terminal", false},
		{"another program that calls itself so", func(s suite) asker {
			return asker{program: s.copy("wormbell-tray2"), uid: nobody, env: hidden}
		}, tray, 403, "no terminal", false},
		{"the tray, replaced since it was started", func(s suite) asker {
			return asker{program: s.path("wormbell-tray"), uid: nobody, env: hidden, before: func() { s.copy("wormbell-tray") }}
		}, tray, 403, "no terminal", true},
		{"a tray that belongs to the caller", func(s suite) asker { s.give(nobody, "wormbell-tray"); return runs("wormbell-tray")(s) }, tray, 403, "belongs to uid 65534", true},
		{"a tray that others can look into", func(s suite) asker { return asker{program: s.path("wormbell-tray"), uid: nobody} }, tray, 403, "could read its memory", false},
		{"a program that becomes the tray", func(s suite) asker {
			other := suite{s.t, publicDir(s.t)}
			return asker{program: other.copy("evil"), uid: nobody, env: append(hidden, "WORMBELL_TEST_THEN="+s.path("wormbell-tray"))}
		}, tray, 403, "executed another program", false},
		{"the tray, started by a script", runs("wormbell-tray"), clicked(script, trayExe, "root"), 403, "below autostart.sh", false},
		{"the tray, started by a worm", runs("wormbell-tray"), clicked(node, trayExe, "root"), 403, "below x.js", false},
		{"the tray, started by what was something else", runs("wormbell-tray"), clicked(became, trayExe, "root"), 403, "ran /home/u/dropper before", false},
		{"the tray, below a postinstall", runs("wormbell-tray"), clicked(evil, trayExe, "root"), 403, "postinstall script of evil@1.0.0", false},
		{"the tray, below an alerted program", runs("wormbell-tray"), clicked(tool, trayExe, "root"), 403, "below a process of alert", false},
		{"the tray, from where is not known", runs("wormbell-tray"), func(int) *wormbell.Process { return nil }, 403, "could not tell who", false},
		// Nobody reads that variable: our programs run without a loader.
		{"the tray with LD_PRELOAD", runs("wormbell-tray", "LD_PRELOAD=/home/u/evil.so"), clicked(desktop, trayExe, ""), 200, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if dynamic(t) {
				if strings.Contains(tt.name, "LD_PRELOAD") {
					t.Skip("this test was built with libraries, and so would the tray be")
				}
				if tt.want == 200 {
					tt.caller = vouched(tt.caller)
				}
			}
			s := common
			if tt.spoils {
				s = install(t)
			}
			s.t = t
			// One that nobody vouches for is known by its file, and where that lies.
			if caller := tt.caller; tt.want == 200 {
				tt.caller = func(pid int) *wormbell.Process {
					p := *caller(pid)
					if p.Signer == "" {
						p.Exe = s.path("wormbell-tray")
					}
					return &p
				}
			}
			a := tt.asker(s)
			r := rigWith(t, s.path("wormbelld"))
			r.raise("4321", tool)
			id := r.raise(strconv.Itoa(nobody), &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
			r.says(tt.caller)
			status, out := r.asks(a, "alerts/"+id+"/close", `{"reason":"clicked"}`)
			if status != tt.want || !strings.Contains(out, tt.say) {
				t.Errorf("close: %d %s, want %d and %q", status, out, tt.want, tt.say)
			}
			if closed := r.state(id) == wormbell.Closed; closed != (tt.want == 200) {
				t.Errorf("the alert is %s", r.state(id))
			}
			if tt.want == 200 {
				if lines := r.lines(); !slices.Equal(lines, []string{"accepted close " + id}) {
					t.Errorf("events %q", lines)
				}
				row, _ := json.Marshal(wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x", Under: "person", Reason: "mine"})
				if status, out := r.asks(a, "trust", string(row)); status != 200 {
					t.Errorf("trust: %d %s", status, out)
				}
				if status, out := r.asks(a, "pause", `{"seconds":3600}`); status != 200 {
					t.Errorf("pause: %d %s", status, out)
				}
				// What needs root needs root.
				if status, out := r.asks(a, "trust", strings.Replace(string(row), `"npm"`, `"*"`, 1)); status != 403 {
					t.Errorf("a wide row: %d %s", status, out)
				}
				if status, out := r.asks(a, "protect", `{"on":false}`); status != 403 {
					t.Errorf("protect off: %d %s", status, out)
				}
			}
		})
	}
}

// An agent that a user runs cannot see what runs in a program that hides itself,
// as the tray and the dashboard do. It goes by their names then: a terminal, which
// whatever likes can make, is no better. Of what is behind them it asks the same
// as ever.
func TestClickAtAUsersAgent(t *testing.T) {
	if os.Getuid() == 0 {
		cmd := as(t, nobody)
		cmd.Args = []string{"test", "-test.run=^TestClickAtAUsersAgent$", "-test.v"}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "no tests to run") {
			t.Errorf("as a user: %v\n%s", err, out)
		}
		return
	}
	s := newSuite(t)
	s.copy("wormbell-tray") // none of ours must pass for another
	s.copy("thief")
	desktop := &wormbell.Process{PID: 51, Start: start, Exe: "/usr/bin/xfce4-session", Signer: "deb:xfce4-session", Parent: system}
	script := &wormbell.Process{PID: 54, Start: start, Exe: "/bin/dash", Script: "/home/u/.config/autostart.sh", Args: []string{"sh", "/home/u/.config/autostart.sh"}, Parent: desktop}
	// The lineage of such an agent knows no file of what hides.
	hidden := func(parent *wormbell.Process, args ...string) func(int) *wormbell.Process {
		return func(pid int) *wormbell.Process {
			return &wormbell.Process{PID: pid, Start: start, Args: args, Parent: parent}
		}
	}
	open := func(pid int) *wormbell.Process {
		p := clicked(desktop, s.path("wormbell-tray"), "")(pid)
		if dynamic(t) {
			p.Signer = "root"
		}
		return p
	}
	for _, tt := range []struct {
		name, program string
		seen, traced  bool
		caller        func(int) *wormbell.Process
		want          int
		say           string
	}{
		{"a tray", "wormbell-tray", false, false, hidden(desktop, "wormbell-tray"), 200, ""},
		{"a tray that can be looked into", "wormbell-tray", true, false, open, 200, ""},
		{"a dashboard", "wormbell", false, false, hidden(desktop, "wormbell", "--socket", "/run/x.sock", "dashboard", "--open", "/"), 200, ""},
		{"a dashboard that writes its link", "wormbell", false, false, hidden(desktop, "wormbell", "dashboard", "--no-browser"), 403, "neither the tray nor the dashboard"},
		{"a command", "wormbell", false, false, hidden(desktop, "wormbell", "alert", "close", "abc"), 403, "neither the tray nor the dashboard"},
		{"another program", "thief", false, false, hidden(desktop, "wormbell-tray"), 403, "it hides what it runs"},
		{"a tray with a debugger", "wormbell-tray", false, true, hidden(desktop, "wormbell-tray"), 403, "it hides what it runs"},
		{"a tray that a script started", "wormbell-tray", false, false, hidden(script, "wormbell-tray"), 403, "below autostart.sh"},
		{"a tray below a postinstall", "wormbell-tray", false, false, hidden(evil, "wormbell-tray"), 403, "postinstall script of evil@1.0.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rigWith(t, s.path("wormbelld"))
			r.says(tt.caller)
			id := r.raise(strconv.Itoa(os.Getuid()), &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
			a := asker{program: s.path(tt.program), uid: os.Getuid(), traced: tt.traced}
			if !tt.seen {
				a.env = []string{"WORMBELL_TEST_HIDE=1"}
			}
			status, out := r.asks(a, "alerts/"+id+"/close", "")
			if status != tt.want || !strings.Contains(out, tt.say) {
				t.Errorf("close: %d %s, want %d and %q", status, out, tt.want, tt.say)
			}
			if closed := r.state(id) == wormbell.Closed; closed != (tt.want == 200) {
				t.Errorf("the alert is %s", r.state(id))
			}
			// What is believed of a name alone announces nothing.
			if status, out := r.asks(a, "announce", plan); !tt.seen && status != 403 {
				t.Errorf("announce: %d %s", status, out)
			}
		})
	}
}

// vouched is caller with somebody who vouches for the program.
func vouched(caller func(int) *wormbell.Process) func(int) *wormbell.Process {
	return func(pid int) *wormbell.Process {
		p := *caller(pid)
		p.Signer = "root"
		return &p
	}
}

// dynamic reports whether the test itself was built with libraries.
func dynamic(t *testing.T) bool {
	t.Helper()
	e, err := elf.Open("/proc/self/exe") // not by its name: another user may not reach that
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return slices.ContainsFunc(e.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// A tray that was built with libraries, as one with GTK is, counts if somebody
// vouches for it. The lineage vouches for none with an LD_PRELOAD.
func TestLooseningByATrayWithLibraries(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 || runtime.GOARCH != "amd64" {
		t.Skip("needs root to be another user, and the numbers of amd64's system calls")
	}
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("needs perl, as a program with libraries")
	}
	s := newSuite(t)
	os.Remove(s.path("wormbell-tray"))
	if err := executable.Copy(perl, s.path("wormbell-tray")); err != nil {
		t.Fatal(err)
	}
	os.Chmod(s.path("wormbell-tray"), 0o755)
	r := rigWith(t, s.path("wormbelld"))
	desktop := &wormbell.Process{PID: 51, Start: start, Exe: "/usr/bin/xfce4-session", Signer: "deb:xfce4-session", Parent: system}
	for _, tt := range []struct {
		name, signer string
		want         string
	}{
		{"with LD_PRELOAD", "", "403"},
		{"as it is", "root", "200"},
	} {
		id := r.raise(strconv.Itoa(nobody), &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
		r.says(clicked(desktop, "/usr/bin/wormbell-tray", tt.signer))
		cmd := as(t, nobody)
		cmd.Path, cmd.Args = s.path("wormbell-tray"), []string{"wormbell-tray", "-MIO::Socket::UNIX", "-e", `
			syscall(157, 4, 0, 0, 0, 0); # prctl(PR_SET_DUMPABLE, 0)
			my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!;
			print $s "POST /v1/alerts/$ARGV[1]/close HTTP/1.1\r\nHost: wormbell\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
			print while <$s>;`, r.socket, id}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "HTTP/1.1 "+tt.want) {
			t.Errorf("%s: %v %s, want %s", tt.name, err, out, tt.want)
		}
		if closed := r.state(id) == wormbell.Closed; closed != (tt.want == "200") {
			t.Errorf("%s: the alert is %s", tt.name, r.state(id))
		}
	}
}
