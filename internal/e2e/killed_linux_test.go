package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wormbell/internal/secretservice"
)

// victim is a stage whose person rotates over and over.
type victim struct {
	*stage
	shop     *shop
	gate     *gate
	password string
	spent    []string // tokens that were used
	thefts   []string // IDs of the alerts
}

func newVictim(t *testing.T, open func(*testing.T, string) (*shop, string)) *victim {
	t.Helper()
	needRoot(t)
	needNPM(t)
	const password = "a-password-of-the-test"
	shop, base := open(t, password)
	g := newGate(t, base)
	g.browser = true
	old := shop.issue()
	v := &victim{setStage(t, g.URL, old, secretservice.Start(t, secretservice.Config{UID: person})), shop, g, password, []string{old}, nil}
	v.thefts = []string{v.alert.ID}
	return v
}

// robbed has the live token stolen again, by another install of the worm, which
// makes another alert.
func (v *victim) robbed() {
	v.t.Helper()
	if err := errors.Join(os.Remove(v.path("~/pids")), os.Remove(v.path("~/loot"))); err != nil {
		v.t.Fatal(err)
	}
	app := fmt.Sprintf("~/app%d", len(v.thefts))
	v.write(app+"/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	v.background("npm", "--prefix", v.path(app), "install", v.path("~/evil-1.0.0.tgz"))
	v.until("the next theft to ring", 20*time.Second, func() bool {
		for _, a := range v.alerts() {
			if !slices.Contains(v.thefts, a.ID) && !slices.ContainsFunc(a.Findings, v.foreign) {
				v.alert = a
				v.thefts = append(v.thefts, a.ID)
				return true
			}
		}
		return false
	})
	v.caught()
}

// renew puts a live token into ~/.npmrc, in place of whatever stands there.
func (v *victim) renew() {
	v.t.Helper()
	v.token = v.shop.issue()
	v.spent = append(v.spent, v.token)
	v.write("~/.npmrc", fmt.Sprintf(v.npmrc, v.token))
	if err := os.Chmod(v.path("~/.npmrc"), 0o640); err != nil {
		v.t.Fatal(err)
	}
}

// runs runs wormbell with passwords to read, while the gate loses what it
// loses, and returns what it printed and its exit status, -1 if it was killed.
func (v *victim) runs(p point, args ...string) (out answers, said string, code int) {
	v.t.Helper()
	cmd := v.command(append([]string{"--json"}, args...)...)
	cmd.Env = append(cmd.Env, "BROWSER=/bin/true")
	cmd.Stdin = strings.NewReader(strings.Repeat(v.password+"\n", 6))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	started := make(chan *typed, 1)
	v.gate.arm(p, func() {
		running := <-started
		running.kill()
		<-running.done
	})
	running := v.shell.start(cmd)
	started <- running
	code = running.wait()
	said = stdout.String() + stderr.String()
	v.hides("what wormbell printed", []byte(said), append([]string{v.password}, v.spent...)...)
	if stdout.Len() > 0 && code != -1 {
		if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
			v.t.Fatalf("%q: %v\n%s", args, err, said)
		}
	}
	return out, said, code
}

// now is the token that stands in ~/.npmrc, read so that nobody rings for it.
func (v *victim) now() string {
	v.t.Helper()
	return v.tokenIn([]byte(v.read("~/.npmrc")))
}

// kept are the secrets that the keyring holds.
func (v *victim) kept() (values []string) {
	v.t.Helper()
	out, err := v.session.Run(v.t.Context(), "", "secret-tool", "search", "--all", "service", "wormbell")
	if err != nil && strings.TrimSpace(out) != "" {
		v.t.Fatalf("secret-tool: %v\n%s", err, out)
	}
	for _, found := range regexp.MustCompile(`(?m)^secret = (.*)$`).FindAllStringSubmatch(out, -1) {
		value := found[1]
		if inner := regexp.MustCompile(`"value":"([^"]+)"`).FindStringSubmatch(value); inner != nil {
			value = inner[1]
		}
		values = append(values, value)
	}
	return values
}

// unfinished are the rotations that 'wormbell tokens' lists as begun.
func (v *victim) unfinished() int {
	v.t.Helper()
	cmd := v.command("--json", "tokens", "--offline")
	var out bytes.Buffer
	cmd.Stdout = &out
	code := v.shell.run(cmd)
	var listed struct{ Rotations []struct{ ID string } }
	if code != 0 || json.Unmarshal(out.Bytes(), &listed) != nil || listed.Rotations == nil {
		v.t.Fatalf("tokens: exit %d\n%s", code, out.String())
	}
	return len(listed.Rotations)
}

// strike rotates a live token, is struck at p, looks at what there is, and goes
// on until all is done. by says how: "rotate" or "respond".
func (v *victim) strike(p point, by string) {
	v.t.Helper()
	v.renew()
	v.robbed()
	old := v.token
	before, ended := v.shop.live()
	delete(before, v.shop.key(old))
	out, said, code := v.runs(p, "respond", v.alert.ID, "--yes", "--password-stdin")
	seen, lost := v.gate.opened()
	if lost == "" {
		v.t.Errorf("%v: there were %d requests only", p, len(seen))
	}
	name := fmt.Sprintf("%v (%s)", p, lost)
	// Soon after the last answers there may have been nothing left to kill.
	over := p.fate == killedSoon && code == 0 && out.Response.Complete
	if killed := code == -1; killed != p.fate.kills && !over {
		v.t.Errorf("%s: exit %d\n%s", name, code, said)
	}
	v.between(name, old, out)
	unfinished := v.unfinished()
	if unfinished == 0 {
		// Then nothing may be left to do.
		if v.shop.works(old) || !v.shop.works(v.now()) || len(v.kept()) > 0 {
			v.t.Errorf("%s: exit %d, and 'wormbell tokens' lists no rotation that was begun", name, code)
		}
	} else if code == 0 {
		v.t.Errorf("%s: exit 0, and a rotation has not ended", name)
	}
	left := out.Response.Left
	if unfinished > 0 {
		args := []string{"rotate", "--resume", "--password-stdin"}
		if by == "respond" {
			args = []string{"respond", v.alert.ID, "--yes", "--password-stdin"}
		}
		out, said, code = v.runs(point{}, args...)
		v.gate.opened()
		left = out.Response.Left
		if code != 0 && len(left) == 0 || len(out.Response.Rotations) != 1 || !out.Response.Rotations[0].Done {
			v.t.Errorf("%s, then %s: exit %d, %+v\n%s", name, by, code, out, said)
		}
		name += ", then " + by
	}
	v.after(name, old, before, ended, left, p)
	// And once more: what is new was not stolen. It only ends the thief.
	fresh := v.now()
	out, said, code = v.runs(point{}, "respond", v.alert.ID, "--yes", "--password-stdin")
	if code != 0 || !out.Response.Complete || len(out.Response.Rotations) > 0 || v.now() != fresh || !v.shop.works(fresh) {
		v.t.Errorf("%s, and once more: exit %d, %+v\n%s", name, code, out, said)
	}
	for _, pid := range v.pids {
		v.until(fmt.Sprintf("process %d of the worm to be gone", pid), 10*time.Second, func() bool { st := state(pid); return st == "" || st == "Z" })
	}
}

// between checks what holds at every moment: somebody has a token that works,
// and what was said of which one is true.
func (v *victim) between(name, old string, out answers) {
	v.t.Helper()
	here := v.now()
	if !v.shop.works(old) && !v.shop.works(here) && !slices.ContainsFunc(v.kept(), v.shop.works) {
		v.t.Errorf("%s: neither the old token nor one that anybody has works", name)
	}
	for _, r := range out.Response.Rotations {
		true_ := false
		switch r.Works {
		case "old":
			true_ = v.shop.works(old)
		case "both":
			true_ = v.shop.works(old) && (here != old && v.shop.works(here) || slices.ContainsFunc(v.kept(), func(k string) bool { return k != old && v.shop.works(k) }))
		case "new":
			true_ = here != old && v.shop.works(here)
		}
		if !true_ {
			v.t.Errorf("%s: it said that %q works: %s", name, r.Works, r.Sentence)
		}
	}
}

// after checks what holds when all is done. left are the sentences about what
// is left to a person.
func (v *victim) after(name, old string, before map[string]string, sessions int, left []string, p point) {
	v.t.Helper()
	fresh := v.now()
	v.spent = append(v.spent, fresh)
	if fresh == old || v.shop.works(old) || !v.shop.works(fresh) {
		v.t.Errorf("%s: the token that stands in ~/.npmrc is new: %v; the old one lives: %v; the new one: %v", name, fresh != old, v.shop.works(old), v.shop.works(fresh))
	}
	live, stayed := v.shop.live()
	for key, called := range live {
		if _, was := before[key]; was || key == v.shop.key(fresh) {
			continue
		}
		if i := slices.IndexFunc(left, func(l string) bool { return called != "" && strings.Contains(l, `"`+called+`"`) }); i < 0 {
			v.t.Errorf("%s: a token called %q lives that nobody has, and nothing says so: %q", name, called, left)
		}
	}
	// A login that was cut short, or that did not arrive, cannot be ended by
	// anybody else: nobody has it, and it ends by itself.
	if stayed -= sessions; stayed > 1 || stayed == 1 && !p.fate.kills && !strings.Contains(name, "/-/v1/done") {
		v.t.Errorf("%s: %d sessions were left behind", name, stayed)
	}
	if kept := v.kept(); len(kept) > 0 {
		v.t.Errorf("%s: the keyring holds %d secrets still", name, len(kept))
	}
	if n := v.unfinished(); n > 0 {
		v.t.Errorf("%s: %d rotations have not ended", name, n)
	}
}

// TestRespondKilled: whatever request of a response is the last thing that it
// does, or is lost, no token is: what is run again ends with one that works,
// and with a dead old one.
func TestRespondKilled(t *testing.T) {
	for _, kind := range []struct {
		name   string
		open   func(*testing.T, string) (*shop, string)
		struck map[string][]fate // the requests that are struck if the test is not to take long
	}{
		{"Verdaccio", verdaccioShop, map[string][]fate{
			"POST /-/npm/v1/tokens": {killedAfter, killedSoon}, "DELETE /-/npm/v1/tokens/token/***": {killedBefore, killedAfter}}},
		{"second factor", accountsShop, map[string][]fate{
			"POST /-/npm/v1/tokens otp": {killedAfter, lostAfter}, "DELETE /-/npm/v1/tokens/token/*** otp": {killedBefore, killedAfter}}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			v := newVictim(t, kind.open)
			// A clean run says what there is to lose.
			out, said, code := v.runs(point{}, "respond", v.alert.ID, "--yes", "--password-stdin")
			seen, _ := v.gate.opened()
			v.answered(out, said, code)
			v.spent = append(v.spent, v.now())
			var points []point
			for i, what := range seen {
				all := []fate{killedBefore, killedAfter, lostBefore, lostAfter, killedSoon}
				if !*long {
					all = kind.struck[what]
				}
				for _, f := range all {
					points = append(points, point{i + 1, f, 0})
					if f == killedSoon {
						points[len(points)-1].then = time.Duration(1+i%5*4) * time.Millisecond
					}
				}
			}
			if *long && !*every { // no multiple of the fates, so that each of them is met
				points = slices.Collect(func(yield func(point) bool) {
					for i := 0; i < len(points) && yield(points[i]); i += 4 {
					}
				})
			}
			for i, p := range points {
				v.strike(p, []string{"rotate", "respond"}[i%2])
			}
			t.Logf("%d points in %d requests", len(points), len(seen))
			v.settle()
			for _, a := range v.alerts("--all", "--min-severity", "medium") {
				for _, f := range a.Findings {
					if !v.foreign(f) && (!slices.Contains(v.thefts, a.ID) || f.Detector != "credential-read") {
						t.Errorf("what was done raised %s: %s", f.Detector, f.Summary)
					}
				}
			}
			if who := v.whoami(); who == "" {
				t.Error("npm whoami knows nobody")
			}
			v.nowhere(append(v.spent, v.password)...)
		})
	}
}

// TestRespondLeavesNoCore: while a response has secrets in its memory, nobody
// of the same user reads them there, and a crash leaves no core file.
func TestRespondLeavesNoCore(t *testing.T) {
	v := newVictim(t, accountsShop)
	v.write("~/cores/.keep", "")
	hold, held := make(chan struct{}), make(chan struct{})
	v.gate.hold, v.gate.held = hold, held
	var once sync.Once
	release := func() { once.Do(func() { close(hold) }) }
	t.Cleanup(release) // before the gate closes

	// It waits for an answer: it knows the old token and the password, and the
	// new token is on its way.
	respond := v.command("respond", v.alert.ID, "--yes", "--password-stdin")
	cmd := v.crashing(respond.Args...)
	cmd.Env = append(respond.Env, "BROWSER=/bin/true", "GOTRACEBACK=crash")
	cmd.Stdin = strings.NewReader(v.password + "\n")
	out := &buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	running := v.shell.start(cmd)
	select {
	case <-held:
	case <-running.done:
		t.Fatalf("it ended: %s", out)
	case <-time.After(30 * time.Second):
		t.Fatalf("it asked for no token: %s", out)
	}

	proc := fmt.Sprintf("/proc/%d/", running.pid)
	if b, err := os.ReadFile(proc + "limits"); err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(b) {
		t.Errorf("it may leave a core file: %v\n%s", err, b)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(proc+"status", &st); err != nil || st.Uid != 0 { // proc(5): so it is with what is not dumpable
		t.Errorf("its files in /proc belong to uid %d, %v", st.Uid, err)
	}
	bystander := v.background("sleep", "60")
	for _, file := range []string{"environ", "mem", "fd/0"} {
		read := []string{"dd", "bs=1", "count=1", "status=none", "of=/dev/null", "if=" + proc + file}
		if out, err := v.run("~", read...); err == nil || !strings.Contains(out, "Permission denied") {
			t.Errorf("a program of the same user reads its %s: %v %s", file, err, out)
		}
	}
	if out, err := v.run("~", "cat", fmt.Sprintf("/proc/%d/environ", bystander.cmd.Process.Pid)); err != nil || !strings.Contains(out, "HOME=") {
		t.Errorf("the control failed: %v", err)
	}

	running.signal(syscall.SIGABRT)
	running.wait()
	v.hides("what it printed when it crashed", []byte(out.String()), v.password, v.token)
	if left := v.cores(); len(left) > 0 {
		t.Errorf("it left %q", left)
	}
	release()
	v.crashLeavesCore()

	if out, said, code := v.runs(point{}, "rotate", "--resume", "--password-stdin"); code != 0 {
		t.Errorf("rotate --resume: exit %d, %+v\n%s", code, out, said)
	}
	if fresh := v.now(); fresh == v.token || v.shop.works(v.token) || !v.shop.works(fresh) {
		t.Error("the old token lives, or the new one does not")
	}
	v.respond("", nil, "--yes") // ends the thief
}

// crashing is a program in a shell that asks for core files.
func (v *victim) crashing(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(v.t.Context(), "/bin/sh", append([]string{"-c", `ulimit -c unlimited || ulimit -c $(ulimit -H -c); exec "$@"`, "sh"}, args...)...)
	cmd.Env, cmd.Dir = v.env(), v.path("~/cores")
	v.as(cmd)
	return cmd
}

// cores are the files that crashes left.
func (v *victim) cores() []string {
	v.t.Helper()
	left, err := filepath.Glob(v.path("~/cores/[^.]*"))
	if err != nil {
		v.t.Fatal(err)
	}
	return left
}

// crashLeavesCore is the control: another program's crash leaves a file where
// this one's would. Where it cannot the part of the test that looked for one
// says nothing.
func (v *victim) crashLeavesCore() {
	v.t.Helper()
	if pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err != nil || strings.ContainsAny(string(pattern), "|/@") {
		v.t.Logf("core files go elsewhere here (%s, %v): none was looked for", bytes.TrimSpace(pattern), err)
		return
	}
	cmd := v.crashing("sh", "-c", "kill -ABRT $$")
	cmd.Run()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.CoreDump() {
		v.t.Logf("no program leaves a core file here: none was looked for")
	} else if len(v.cores()) == 0 {
		v.t.Error("a core file was left elsewhere than was looked")
	}
}
