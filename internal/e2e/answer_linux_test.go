package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/registry/accounts"
	"wormbell/internal/secretservice"
	"wormbell/internal/verdaccio"
)

// person is the uid of the user that a stage is about. The bus wants one that
// has a name. Other tests run programs as nobody, and a response looks at all
// that runs as its user.
var person = named("news", "games", "mail", "nobody")

func named(users ...string) int {
	for _, name := range users {
		if u, err := user.Lookup(name); err == nil {
			if uid, err := strconv.Atoi(u.Uid); err == nil && uid != 0 {
				return uid
			}
		}
	}
	return 65534
}

// stage is a machine with a live token in ~/.npmrc, a keychain, and a worm that
// has just stolen the token and stays in the background.
type stage struct {
	*machine
	session *secretservice.Session
	shell   *terminal // the person's, with nothing of the test above it
	token   string    // the stolen one
	npmrc   string    // what stands in ~/.npmrc besides
	pids    []int     // of the worm
	alert   wormbell.Alert
}

// setStage starts it all, for a registry at base.
func setStage(t *testing.T, base, token string, session *secretservice.Session) *stage {
	t.Helper()
	s := setHome(t, base, token, session)
	s.steal()
	return s
}

// setHome is a stage without the worm.
func setHome(t *testing.T, base, token string, session *secretservice.Session) *stage {
	t.Helper()
	needRoot(t)
	needNPM(t)
	host := strings.TrimPrefix(base, "http://")
	s := &stage{session: session, token: token,
		npmrc: "; settings of mine, keep them\nregistry=" + base + "/\n//" + host + "/:_authToken=%s\nfund=false\naudit=false\nupdate-notifier=false\n# the end"}
	s.machine = prepare(t, options{})
	s.machine.token = token
	// An ordinary user, as people are; and what runs on this machine besides is
	// not looked at, let alone disabled.
	s.uid = person
	s.own(person)
	if err := os.Chown(s.dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	s.write("~/.npmrc", fmt.Sprintf(s.npmrc, token))
	if err := os.Chmod(s.path("~/.npmrc"), 0o640); err != nil {
		t.Fatal(err)
	}
	s.shell = s.login("DBUS_SESSION_BUS_ADDRESS=" + session.Address)
	s.launch(options{})
	s.ready()
	return s
}

// steal is the worm: a dependency's postinstall takes the token and leaves a
// child behind. It is inert: what it takes stays in this home.
func (s *stage) steal() {
	s.t.Helper()
	s.write("~/worm/package.json", `{"name":"evil","version":"1.0.0","scripts":{"postinstall":"node steal.js"}}`)
	s.write("~/worm/steal.js", `
const fs = require('fs'), {spawn} = require('child_process')
const child = spawn(process.execPath, ['-e', "setTimeout(() => {}, 300000)"], {detached: true, stdio: 'ignore'})
fs.writeFileSync(process.env.HOME + '/loot', fs.readFileSync(process.env.HOME + '/.npmrc'))
fs.writeFileSync(process.env.HOME + '/pids', process.pid + ' ' + child.pid)
setTimeout(() => {}, 300000)`)
	s.must("~/worm", "npm", "pack", "--silent", "--pack-destination", s.home)
	s.write("~/app/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	s.background("npm", "--prefix", s.path("~/app"), "install", s.path("~/evil-1.0.0.tgz"))
	s.alert, _ = s.rings("credential-read")
	s.caught()
}

// caught waits until the worm has its loot, and notes its processes.
func (s *stage) caught() {
	s.t.Helper()
	s.until("the loot", 20*time.Second, func() bool {
		b, _ := os.ReadFile(s.path("~/pids"))
		s.pids = nil
		for _, f := range strings.Fields(string(b)) {
			n, _ := strconv.Atoi(f)
			s.pids = append(s.pids, n)
		}
		return len(s.pids) == 2
	})
	for _, pid := range s.pids { // one that is frozen would stay for ever
		s.t.Cleanup(func() {
			if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); bytes.Contains(b, []byte("steal.js")) || bytes.Contains(b, []byte("setTimeout")) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		})
	}
	if b, err := os.ReadFile(s.path("~/loot")); err != nil || !strings.Contains(string(b), s.token) {
		s.t.Fatalf("the worm has no loot: %v", err)
	}
}

// command is a wormbell in the session of the person, to be typed at their
// shell.
func (s *stage) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, "wormbell"), append([]string{"--socket", s.socket}, args...)...)
	cmd.Env = append(s.env(), "DBUS_SESSION_BUS_ADDRESS="+s.session.Address)
	cmd.Dir = s.home
	return cmd
}

// answers is what a response printed as JSON.
type answers struct {
	Response struct {
		Rotations []struct {
			ID, Token, State, Works, Sentence string
			Done, Pending                     bool
		}
		Problems, Left   []string
		Complete, Closed bool
	}
}

// respond runs wormbell respond for the alert and returns what it printed, and
// its exit status.
func (s *stage) respond(stdin string, env []string, args ...string) (answers, string, int) {
	s.t.Helper()
	cmd := s.command(append([]string{"--json", "respond", s.alert.ID}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	code := s.shell.run(cmd)
	var out answers
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
			s.t.Fatalf("respond: %v\n%s", err, stdout.String())
		}
	}
	said := stdout.String() + stderr.String()
	s.hides("what respond printed", []byte(said))
	return out, said, code
}

// now is the token that stands in ~/.npmrc, which must otherwise be as it was.
func (s *stage) now() string {
	s.t.Helper()
	b, err := os.ReadFile(s.path("~/.npmrc"))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.tokenIn(b)
}

// tokenIn is now for what was read of ~/.npmrc.
func (s *stage) tokenIn(b []byte) string {
	s.t.Helper()
	before, after, _ := strings.Cut(s.npmrc, "%s")
	rest, ok := strings.CutPrefix(string(b), before)
	token, whole := strings.CutSuffix(rest, after)
	if !ok || !whole || strings.Contains(token, "\n") {
		s.t.Errorf("~/.npmrc is not as it was:\n%s", strings.ReplaceAll(string(b), token, "***"))
	}
	if st, err := os.Stat(s.path("~/.npmrc")); err != nil || st.Mode().Perm() != 0o640 {
		s.t.Errorf("~/.npmrc: %v, %v", st.Mode(), err)
	}
	return token
}

// hides fails the test if one of the tokens stands in b, plainly or encoded.
func (s *stage) hides(what string, b []byte, more ...string) {
	s.t.Helper()
	for _, token := range append([]string{s.token}, more...) {
		for _, form := range forms(token) {
			if at := bytes.Index(b, []byte(form)); at >= 0 {
				// Of what stands around it no part of the token.
				from, to := max(0, at-len(token)), min(len(b), at+2*len(token))
				s.t.Errorf("a token stands in %s: %q (it) %q", what, b[max(0, from-100):from], b[to:min(len(b), to+100)])
				break
			}
		}
	}
}

// forms are the ways in which a token might stand somewhere. A half of it is
// as bad as the whole.
func forms(token string) []string {
	secret := strings.TrimPrefix(token, "npm_")
	half := secret[len(secret)/4 : len(secret)*3/4]
	return []string{half, url.QueryEscape(half), hex.EncodeToString([]byte(half)),
		base64.StdEncoding.EncodeToString([]byte(token))[:24]}
}

// nowhere looks for the tokens in everything that is ours: state, logs,
// database, journals, and the memory of the running agent.
func (s *stage) nowhere(tokens ...string) {
	s.t.Helper()
	files := 0
	for _, dir := range []string{s.dir, s.path("~/.local/state/wormbell")} {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(p)
			files++
			s.hides(p, b, tokens...)
			return err
		})
		if err != nil {
			s.t.Errorf("look through %s: %v", dir, err)
		}
	}
	if files < 2 {
		s.t.Errorf("only %d files were looked through", files)
	}
	s.hides("the agent's log", []byte(s.log.String()), tokens...)
	agents := append(children(s.agent.Process.Pid), s.agent.Process.Pid)
	if len(agents) < 2 {
		s.t.Errorf("the agent and its watchdog are %d processes", len(agents))
	}
	for _, pid := range agents {
		s.hides(fmt.Sprintf("the memory of the agent's process %d", pid), memory(s.t, pid), tokens...)
	}
}

// memory is what a core dump of a process would hold: all that it can write.
func memory(t *testing.T, pid int) []byte {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	var all bytes.Buffer
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to int64
		var perms string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &perms); n != 3 || !strings.HasPrefix(perms, "rw") {
			continue
		}
		io.Copy(&all, io.NewSectionReader(mem, from, to-from)) // a part that is not there reads as an error
	}
	if all.Len() < 1<<20 {
		t.Errorf("only %d bytes of memory could be read", all.Len())
	}
	return all.Bytes()
}

// answered checks what every complete response leaves behind.
func (s *stage) answered(out answers, said string, code int) {
	s.t.Helper()
	s.quietSince() // before the test itself reads anything
	// The person has a terminal, so the agent lets them close the alert.
	if code != 0 || !out.Response.Complete || !out.Response.Closed || len(out.Response.Rotations) != 1 || !out.Response.Rotations[0].Done {
		s.t.Errorf("respond: exit %d, %+v\n%s", code, out, said)
	}
	for _, pid := range s.pids {
		s.until(fmt.Sprintf("process %d of the worm to be gone", pid), 10*time.Second, func() bool { st := state(pid); return st == "" || st == "Z" })
	}
	shown, code := s.wormbell("alert", "show", s.alert.ID, "--json")
	var a wormbell.Alert
	if err := json.Unmarshal([]byte(shown), &a); err != nil || code != 0 {
		s.t.Fatalf("alert show: exit %d, %v", code, err)
	}
	var did []string
	for _, x := range a.Actions {
		did = append(did, x.What)
	}
	rest := did
	for _, want := range []string{"freeze", "persistence-scan", "npm-token-create", "npm-token-verify", "npm-token-install", "npm-token-revoke", "kill"} {
		i := indexOf(rest, want)
		if i < 0 {
			s.t.Fatalf("the alert's actions are %q; %s is missing, or comes too early", did, want)
		}
		rest = rest[i+1:]
	}
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

// quietSince fails if anything but the stage's own alert is open: a response
// reads credentials and must not ring.
func (s *stage) quietSince() {
	s.t.Helper()
	s.settle()
	for _, a := range s.alerts("--all", "--min-severity", "medium") {
		if a.ID != s.alert.ID {
			for _, f := range a.Findings {
				if !s.foreign(f) {
					s.t.Errorf("the response raised %s: %s", f.Detector, f.Summary)
				}
			}
		}
	}
}

// whoami asks the real npm whose token stands in ~/.npmrc.
func (s *stage) whoami() string {
	s.t.Helper()
	out, err := s.run("~", "npm", "whoami")
	if err != nil {
		s.t.Errorf("npm whoami: %v", err)
	}
	return strings.TrimSpace(out)
}

// TestRespondVerdaccio: a real registry, a live token, a worm that steals it,
// and one command that ends with a dead old token and a new one that works.
func TestRespondVerdaccio(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	old := v.AddToken(v.AddUser("dev", password), password, false)
	s := setStage(t, v.URL, old, secretservice.Start(t, secretservice.Config{UID: person}))

	plan, _, code := s.respond("", nil, "--plan")
	if code != 0 || plan.Response.Complete || v.Whoami(old) != "dev" || state(s.pids[0]) == "T" {
		t.Errorf("--plan: exit %d, or something was done", code)
	}
	out, said, code := s.respond(password+"\n", nil, "--yes", "--password-stdin")
	s.answered(out, said, code)
	if who := v.Whoami(old); who != "" {
		t.Errorf("the registry still takes the stolen token as %q's", who)
	}
	fresh := s.now()
	if fresh == old {
		t.Error("the stolen token still stands in ~/.npmrc")
	}
	if who := s.whoami(); who != "dev" {
		t.Errorf("npm whoami says %q", who)
	}
	s.nowhere(fresh, password)
}

// TestRespondSecondFactor: the same with the public registry's rules: a login
// and an approval in the browser, which the test plays.
func TestRespondSecondFactor(t *testing.T) {
	const password = "a-password-of-the-test"
	reg, err := accounts.New(accounts.Config{Users: map[string]accounts.User{"alice": {Password: password, Packages: []string{"tools"}}}, Lag: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	old := reg.Issue(accounts.Token{Name: "laptop", Packages: []string{"tools"}, Expires: time.Now().Add(20 * 24 * time.Hour)})
	s := setStage(t, reg.URL, old, secretservice.Start(t, secretservice.Config{UID: person}))
	s.write("~/browser", "#!/usr/bin/env node\nfetch(process.argv[2]).then(r => r.ok || process.exit(1))\n")
	if err := os.Chmod(s.path("~/browser"), 0o755); err != nil {
		t.Fatal(err)
	}

	out, said, code := s.respond(password+"\n", []string{"BROWSER=" + s.path("~/browser")}, "--yes", "--password-stdin")
	s.answered(out, said, code)
	if f := reg.Find(old); f == nil || !f.Revoked {
		t.Error("the stolen token lives")
	}
	fresh := s.now()
	made := reg.Find(fresh)
	if made == nil || made.Revoked || len(made.Packages) != 1 || made.Packages[0] != "tools" || made.Bypass || made.Expires.After(time.Now().Add(21*24*time.Hour)) {
		t.Errorf("the new token is %+v", made)
	}
	if who := s.whoami(); who != "alice" {
		t.Errorf("npm whoami says %q", who)
	}
	for _, left := range reg.Tokens() {
		if left.Session {
			t.Error("the login's session was left behind")
		}
	}
	s.nowhere(fresh, password)
}

// TestRespondWithoutKeychain: nothing is frozen, made or revoked when there is
// nowhere to keep the new token.
func TestRespondWithoutKeychain(t *testing.T) {
	reg, err := accounts.New(accounts.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	old := reg.Issue(accounts.Token{Packages: []string{"*"}})
	s := setStage(t, reg.URL, old, &secretservice.Session{Address: "unix:path=/nonexistent"})
	before := len(reg.Requests())
	_, said, code := s.respond("", nil, "--yes")
	if code != 2 || !strings.Contains(said, "nothing was done") {
		t.Errorf("exit %d\n%s", code, said)
	}
	if n := len(reg.Requests()); n != before || s.now() != old || state(s.pids[0]) == "T" {
		t.Errorf("%d requests were sent, or something was done", n-before)
	}
}

// TestRespondTrap: while something waits for the token to die, nothing is
// revoked; what was there when the plan was made is disabled first.
func TestRespondTrap(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	old := v.AddToken(v.AddUser("dev", password), password, false)
	s := setStage(t, v.URL, old, secretservice.Start(t, secretservice.Config{UID: person}))

	// A monitor as the worms of 2026 leave behind, inert: it looks at a file
	// that says what the service answered, and its handler is a remark.
	s.write("~/.local/bin/sync-helper.sh", `#!/bin/sh
# curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(cat ~/.config/sync-helper/token)" `+v.URL+`/-/whoami
while :; do
  code=$(cat "$HOME/.config/sync-helper/code" 2>/dev/null)
  case "$code" in 40[0-9]) : rm -rf "$HOME"; exit ;; esac
  sleep 60
done
`)
	s.write("~/.config/sync-helper/token", "not a token\n")
	s.write("~/.config/systemd/user/sync-helper.service", "[Unit]\nDescription=Sync helper\n[Service]\nExecStart=/bin/sh %h/.local/bin/sync-helper.sh\nRestart=always\n[Install]\nWantedBy=default.target\n")
	s.write("~/.config/systemd/user/default.target.wants/.keep", "")
	s.must("~/.config/systemd/user/default.target.wants", "ln", "-s", "../sync-helper.service", "sync-helper.service")
	monitor := s.background("/bin/sh", s.path("~/.local/bin/sync-helper.sh"))

	plan, said, code := s.respond("", nil, "--plan")
	if code != 0 || !strings.Contains(said, "sync-helper") {
		t.Fatalf("--plan: exit %d, %+v\n%s", code, plan, said)
	}
	out, said, code := s.respond(password+"\n", nil, "--yes", "--password-stdin")
	s.answered(out, said, code)
	if v.Whoami(old) != "" {
		t.Error("the stolen token lives")
	}
	pid := monitor.cmd.Process.Pid
	s.until("the monitor to be gone", 10*time.Second, func() bool { st := state(pid); return st == "" || st == "Z" })
	for _, gone := range []string{"~/.config/systemd/user/sync-helper.service", "~/.local/bin/sync-helper.sh"} {
		if _, err := os.Lstat(s.path(gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there", gone)
		}
	}
	copies, _ := filepath.Glob(s.path("~/.local/state/wormbell/quarantine/*"))
	if len(copies) != 1 {
		t.Fatalf("the copies are %q", copies)
	}
	s.ours("~", "", "restore", "--yes", filepath.Base(copies[0]))
	if _, err := os.Lstat(s.path("~/.local/bin/sync-helper.sh")); err != nil {
		t.Errorf("it was not put back: %v", err)
	}
}

// TestRespondAtTerminal: a person reads the plan, agrees, and types the
// password, which is not shown; without the yes nothing is done, and the status says so.
func TestRespondAtTerminal(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	old := v.AddToken(v.AddUser("dev", password), password, false)
	s := setStage(t, v.URL, old, secretservice.Start(t, secretservice.Config{UID: person}))
	term := s.shell
	respond := filepath.Join(bin, "wormbell") + " --socket " + s.socket + " respond " + s.alert.ID
	waits := func(for_ string) {
		t.Helper()
		s.until("the terminal to show "+for_, time.Minute, func() bool { return strings.Contains(term.out.String(), for_) })
	}
	term.pty.WriteString(respond + "; echo status-$?\n")
	waits("Do all this? [y/N]")
	term.pty.WriteString("n\n")
	waits("status-2")
	if v.Whoami(old) != "dev" || state(s.pids[0]) == "T" {
		t.Error("something was done without a yes")
	}
	term.pty.WriteString(respond + "; echo again-$?\n")
	s.until("the question to come again", time.Minute, func() bool { return strings.Count(term.out.String(), "Do all this? [y/N]") == 2 })
	term.pty.WriteString("y\n")
	waits("Password of dev")
	term.pty.WriteString(password + "\n")
	waits("again-0")
	if said := term.out.String(); strings.Contains(said, password) || !strings.Contains(said, "the alert is closed") {
		t.Errorf("the terminal shows:\n%s", said)
	}
	s.hides("the terminal", []byte(term.out.String()), s.now())
	if v.Whoami(old) != "" || s.whoami() != "dev" {
		t.Error("the old token lives, or the new one does not")
	}
}
