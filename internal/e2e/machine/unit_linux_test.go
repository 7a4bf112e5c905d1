package machine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
	"wormbell/internal/vm"
	"wormbell/packaging"
)

// unit is the agent of a machine as its unit runs it.
type unit struct {
	*vm.VM
	t   *testing.T
	npm bool // node and npm are there
}

// strict ends whatever makes a system call that the unit does not allow, so that
// one nobody thought of is seen: as the unit has it, it is refused in silence.
const strict = "[Service]\nSystemCallErrorNumber=kill\n"

// boot starts a machine with the programs and the unit of this tree in the
// places where a package puts them.
func boot(t *testing.T) *unit {
	t.Helper()
	image := vm.Image(t, vm.Desktop...)
	disks := []string{vm.Disk(t, t.TempDir(), 32), vm.Disk(t, t.TempDir(), 32)}
	tools, npm := nodeTools(t)
	if npm {
		disks = append(disks, vm.Disk(t, tools, 256))
	}
	u := &unit{vm.Start(t, vm.Config{Image: image, Disks: disks}), t, npm}
	u.Put(t.Context(), programs(t), "/usr/bin")
	text, err := fs.ReadFile(packaging.Files, "systemd/wormbelld.service")
	if err != nil {
		t.Fatal(err)
	}
	u.Write(t.Context(), "/usr/lib/systemd/system/wormbelld.service", string(text))
	u.Write(t.Context(), "/etc/systemd/system/wormbelld.service.d/test.conf", strict)
	if npm {
		u.root("mkdir /opt/node && mount -o ro /dev/vdd /opt/node && ln -s /opt/node/bin/node /opt/node/bin/npm /usr/bin/")
	}
	// A program of dev's that nobody vouches for, and a token that is none.
	u.root(`cp /usr/bin/cat /home/dev/reader && printf '//registry.example.com/:_authToken=decoy\n' >/home/dev/.npmrc &&
		touch /home/dev/.bash_history && mkdir -p /home/dev/app && echo '{"name":"app","version":"1.0.0","private":true}' >/home/dev/app/package.json &&
		chmod 600 /home/dev/.npmrc && chown -R dev:dev /home/dev && systemctl daemon-reload && systemctl enable --now --quiet wormbelld`)
	return u
}

// programs builds wormbelld and wormbell into a folder, with the modes that a
// package gives them.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir, "wormbell/cmd/wormbelld", "wormbell/cmd/wormbell")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Chmod(filepath.Join(dir, "wormbell"), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nodeTools copies this machine's node and npm into a folder for a disk, and
// reports whether there are any.
func nodeTools(t *testing.T) (string, bool) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		return "", false
	}
	if node, err = filepath.EvalSymlinks(node); err != nil {
		t.Fatal(err)
	}
	npm := filepath.Join(filepath.Dir(node), "../lib/node_modules/npm")
	if _, err := os.Stat(filepath.Join(npm, "bin/npm-cli.js")); err != nil {
		return "", false
	}
	dir := t.TempDir()
	script := `set -e; mkdir -p "$3/bin" "$3/lib/node_modules"; cp "$1" "$3/bin/node"; cp -r "$2" "$3/lib/node_modules/npm"
		ln -s ../lib/node_modules/npm/bin/npm-cli.js "$3/bin/npm"; chmod 755 "$3"; chown -R 0:0 "$3"`
	if out, err := exec.Command("sh", "-c", script, "sh", node, npm, dir).CombinedOutput(); err != nil {
		t.Fatalf("copy node: %v\n%s", err, out)
	}
	return dir, true
}

// of is the same machine for a subtest.
func (u *unit) of(t *testing.T) *unit { return &unit{u.With(t), t, u.npm} }

func (u *unit) root(command string) string {
	u.t.Helper()
	return u.Run(u.t.Context(), "root", command)
}

// types has a user type lines at a terminal.
func (u *unit) types(user string, lines ...string) string {
	u.t.Helper()
	typed := strings.NewReader(strings.Join(lines, "\n") + "\nexit\n")
	out, _ := u.Do(u.t.Context(), user, "exec bash --norc -i", vm.Options{Terminal: true, Login: true, Stdin: typed})
	return out
}

// ask returns what wormbell says in JSON to root; false while no agent answers.
func (u *unit) ask(into any, command string) bool {
	u.t.Helper()
	out, code := u.Try(u.t.Context(), "root", "wormbell "+command+" --json 2>/dev/null")
	if code > 1 {
		return false
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		u.t.Fatalf("wormbell %s: %v\n%s", command, err, out)
	}
	return true
}

func (u *unit) status() (s wormbell.Status, ok bool) {
	u.t.Helper()
	ok = u.ask(&s, "status")
	return s, ok
}

func (u *unit) alerts() []wormbell.Alert {
	u.t.Helper()
	var list struct{ Alerts []wormbell.Alert }
	u.ask(&list, "alerts --all")
	return list.Alerts
}

// rings waits for a finding of a detector whose sentence holds all of these.
func (u *unit) rings(detector string, words ...string) (wormbell.Alert, wormbell.Finding) {
	u.t.Helper()
	var alert wormbell.Alert
	var finding wormbell.Finding
	defer func() {
		if u.t.Failed() {
			u.t.Logf("alerts: %s\nlog: %s", u.root("wormbell alerts --all"), u.log())
		}
	}()
	u.Wait(fmt.Sprintf("%s with %q", detector, words), 2*time.Minute, func() bool {
		for _, a := range u.alerts() {
			for _, f := range a.Findings {
				if f.Detector == detector && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(f.Summary, w) }) {
					alert, finding = a, f
					return true
				}
			}
		}
		return false
	})
	return alert, finding
}

func (u *unit) log() string {
	out, _ := u.Try(u.t.Context(), "root", "journalctl -u wormbelld -o cat --no-pager -n 60; dmesg | grep -a 'type=1326'")
	return out
}

// up waits until the agent answers.
func (u *unit) up() wormbell.Status {
	u.t.Helper()
	var s wormbell.Status
	u.Wait("the agent to answer", 3*time.Minute, func() (ok bool) { s, ok = u.status(); return ok })
	return s
}

// pids are those of the watchdog and of the agent.
func (u *unit) pids() (parent, child int) {
	u.t.Helper()
	u.Wait("both processes to run", 2*time.Minute, func() bool {
		parent, _ = strconv.Atoi(strings.TrimSpace(u.root("systemctl show -P MainPID wormbelld")))
		out, _ := u.Try(u.t.Context(), "root", fmt.Sprintf("cat /proc/%d/task/%[1]d/children /proc/%[1]d/task/*/children 2>/dev/null", parent))
		if f := strings.Fields(out); len(f) > 0 {
			child, _ = strconv.Atoi(f[0])
		}
		return parent > 1 && child > 1
	})
	return parent, child
}

// sees is what matters of a status: how well the agent sees.
func sees(s wormbell.Status) (list []string) {
	for _, x := range s.Sensors {
		list = append(list, fmt.Sprintf("%s by %s, who %v, %s", x.Name, x.Backend, x.Who, x.Why))
	}
	for _, d := range s.Detectors {
		list = append(list, d.ID+" "+d.Sees)
	}
	return list
}

// TestUnit: under the restrictions of its unit the agent sees all that it sees
// without any.
func TestUnit(t *testing.T) {
	u := boot(t)
	u.up()
	t.Run("verify", func(t *testing.T) { u.of(t).testVerify() })
	t.Run("as plain root", func(t *testing.T) { u.of(t).testAsPlainRoot() })
	t.Run("reads", func(t *testing.T) { u.of(t).testReads() })
	t.Run("manifests", func(t *testing.T) { u.of(t).testManifests() })
	t.Run("history", func(t *testing.T) { u.of(t).testHistory() })
	t.Run("npm", func(t *testing.T) { u.of(t).testNPM() })
	t.Run("freeze", func(t *testing.T) { u.of(t).testFreeze() })
	t.Run("trust", func(t *testing.T) { u.of(t).testTrust() })
	t.Run("mounts", func(t *testing.T) { u.of(t).testMounts() })
	t.Run("demonstration", func(t *testing.T) { u.of(t).testDemo() })
	t.Run("nothing refused", func(t *testing.T) { u.of(t).testNothingRefused() })
}

// exposureGoal is what systemd-analyze may deduct at most, of 10.
const exposureGoal = 3.0

func (u *unit) testVerify() {
	if out, code := u.Try(u.t.Context(), "root", "mkdir -p /tmp/v && cp /usr/lib/systemd/system/wormbelld.service /tmp/v/ && systemd-analyze verify --man=no --recursive-errors=no /tmp/v/wormbelld.service"); code != 0 || out != "" {
		u.t.Errorf("systemd-analyze verify: exit %d\n%s", code, out)
	}
	out := u.root("systemd-analyze security --no-pager wormbelld")
	m := regexp.MustCompile(`Overall exposure level for wormbelld.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		u.t.Fatalf("systemd-analyze security: %s", out)
	}
	if score, err := strconv.ParseFloat(m[1], 64); err != nil || score > exposureGoal {
		u.t.Errorf("exposure %s, want %v at most", m[1], exposureGoal)
	}
	u.t.Logf("exposure %s", m[1])
	// Each point that is deducted has a row in the page about the unit.
	b, err := os.ReadFile("../../../docs/service.md")
	if err != nil {
		u.t.Fatal(err)
	}
	page := strings.ReplaceAll(string(b), `\|`, "|") // as a table has it
	for line := range strings.Lines(out) {
		if point, ok := strings.CutPrefix(line, "✗ "); ok {
			if name := strings.Fields(point)[0]; !strings.Contains(page, "| `"+name+"`") {
				u.t.Errorf("docs/service.md does not say why %s is left", name)
			}
		}
	}
}

// testAsPlainRoot runs a second agent beside, with no restriction at all.
func (u *unit) testAsPlainRoot() {
	u.root("systemd-run --quiet --unit=bare --property=Type=notify wormbelld --state /root/bare --socket /run/bare/wormbell.sock")
	defer u.root("systemctl stop bare")
	var bare wormbell.Status
	u.Wait("the agent without restrictions", 2*time.Minute, func() bool { return u.ask(&bare, "status --socket /run/bare/wormbell.sock") })
	is, _ := u.status()
	if diff := cmp.Diff(sees(is), sees(bare)); diff != "" {
		u.t.Errorf("restricted (-) and not (+):\n%s", diff)
	}
	guarded := func(command string) (list []string) {
		var c struct{ Credentials []wormbell.Guarded }
		u.ask(&c, command)
		for _, g := range c.Credentials {
			list = append(list, g.User+" "+g.Path+" "+g.State+" "+g.Why)
		}
		return list
	}
	here, there := guarded("credentials --all"), guarded("credentials --all --socket /run/bare/wormbell.sock")
	if diff := cmp.Diff(here, there); diff != "" || len(here) < 10 {
		u.t.Errorf("%d guarded; restricted (-) and not (+):\n%s", len(here), diff)
	}
	if len(troubles(u.t, is)) > 0 || !slices.Equal(is.Homes, []string{"/root", "/home/dev"}) {
		u.t.Errorf("problems %q, homes %q", is.Problems, is.Homes)
	}
	lostNothing(u.t, u.VM, is)
	for _, s := range is.Sensors {
		want := "fanotify"
		if other, ok := map[string]string{"processes": "ebpf", "connections": "proc"}[s.Name]; ok {
			want = other
		}
		if s.Backend != want || !s.Who || s.Why != "" {
			u.t.Errorf("%s by %s, who %v, %s", s.Name, s.Backend, s.Who, s.Why)
		}
	}
}

// testReads: who reads is known, with the command line, and a file that is
// replaced is guarded at once.
func (u *unit) testReads() {
	u.Run(u.t.Context(), "dev", "~/reader ~/.npmrc >/dev/null")
	_, f := u.rings("credential-read", "reader", "~/.npmrc")
	p := f.Evidence[len(f.Evidence)-1].Process
	if p == nil || p.Exe != "/home/dev/reader" || !slices.Equal(p.Args, []string{"/home/dev/reader", "/home/dev/.npmrc"}) || p.User != "1000" || p.Parent == nil {
		u.t.Errorf("it was %+v", p)
	}
	u.Run(u.t.Context(), "dev", "cp ~/reader ~/swift; cp ~/.npmrc ~/.npmrc.new; mv ~/.npmrc.new ~/.npmrc; ~/swift ~/.npmrc >/dev/null")
	u.rings("credential-read", "swift", "~/.npmrc")
}

func (u *unit) testManifests() {
	u.Run(u.t.Context(), "dev", `cd ~/app && echo '{"name":"app","version":"1.0.0"}' >package.json`)
	_, f := u.rings("private-flag-removed", "~/app/package.json")
	if p := f.Evidence[len(f.Evidence)-1].Process; p == nil || p.User != "1000" || !strings.HasSuffix(p.Exe, "/bash") {
		u.t.Errorf("it was %+v", p)
	}
}

func (u *unit) testHistory() {
	u.Run(u.t.Context(), "dev", "echo 'npm config set //registry.example.com/:_authToken="+historyToken(u.t)+"' >>~/.bash_history")
	u.rings("history-secret", "~/.bash_history")
}

// testNPM: what npm says of the package whose script it runs is believed, so
// the environment of another user's process was read at its start.
func (u *unit) testNPM() {
	if !u.npm {
		u.t.Skip("needs node and npm on this machine")
	}
	ctx, cancel := context.WithTimeout(u.t.Context(), 10*time.Minute) // npm takes half a minute on a machine that does nothing else
	defer cancel()
	u.Run(ctx, "dev", `mkdir -p ~/evil ~/victim && cd ~/evil &&
		echo '{"name":"evil","version":"1.2.3","scripts":{"postinstall":"node steal.js"}}' >package.json &&
		echo 'require("fs").readFileSync(process.env.HOME + "/.npmrc")' >steal.js && tar -C ~ -czf ~/evil.tgz --transform 's,^evil,package,' evil &&
		cd ~/victim && echo '{"name":"victim","version":"1.0.0"}' >package.json && npm install --offline --no-audit --no-fund ~/evil.tgz`)
	_, f := u.rings("credential-read", "postinstall", "evil@1.2.3")
	p := f.Evidence[len(f.Evidence)-1].Process
	if p == nil || p.Lifecycle != "postinstall" || p.Package.String() != "evil@1.2.3" {
		u.t.Errorf("it was %+v", p)
	}
	// And npm itself, which root has installed, is known to be what it is.
	vouched := false
	for ; p != nil; p = p.Parent {
		vouched = vouched || strings.Contains(p.Script, "/npm") && p.Signer == "root"
	}
	if !vouched {
		u.t.Errorf("nobody vouches for npm: %s", f.Summary)
	}
}

// testFreeze: the processes of another user are stopped, go on and are ended.
func (u *unit) testFreeze() {
	u.Run(u.t.Context(), "dev", `cp /usr/bin/bash ~/thief; echo 'read -r x <~/.npmrc; for ((;;)); do sleep 1; done' >~/loop.sh; setsid ~/thief ~/loop.sh >/dev/null 2>&1 </dev/null & echo $! >~/pid`)
	alert, _ := u.rings("credential-read", "thief")
	pid := strings.TrimSpace(u.root("pgrep -x thief"))
	state := func() string {
		out, _ := u.Try(u.t.Context(), "root", "sed -n 's/^State:.\\(.\\).*/\\1/p' /proc/"+pid+"/status 2>/dev/null")
		return strings.TrimSpace(out)
	}
	out := u.types("dev", "wormbell alert freeze "+alert.ID)
	if s := state(); s != "T" {
		u.t.Fatalf("its state is %q after\n%s\n%s", s, out, u.log())
	}
	out = u.types("dev", "wormbell alert resume "+alert.ID)
	if s := state(); s != "S" && s != "R" {
		u.t.Errorf("its state is %q after\n%s", s, out)
	}
	out = u.types("dev", "wormbell alert kill "+alert.ID)
	u.Wait("the thief to be gone: "+out, time.Minute, func() bool { s := state(); return s == "" || s == "Z" })
}

// testTrust: a row of a person's holds for a program as long as it is the same.
func (u *unit) testTrust() {
	u.Run(u.t.Context(), "dev", "cp ~/reader ~/mine")
	out := u.types("dev", `wormbell trust add --store npm --who exe:/home/dev/mine --reason "it is mine"`)
	if rows := u.root("wormbell trust list --json"); !strings.Contains(rows, "exe:/home/dev/mine") || !strings.Contains(rows, "sha256:") {
		u.t.Fatalf("there is no row:\n%s\n%s", out, rows)
	}
	u.Run(u.t.Context(), "dev", "~/mine ~/.npmrc >/dev/null; cp ~/reader ~/after; ~/after ~/.npmrc >/dev/null")
	u.rings("credential-read", "after") // by now the other would have rung
	if slices.ContainsFunc(u.alerts(), func(a wormbell.Alert) bool { return strings.Contains(fmt.Sprint(a.Findings), "mine ") }) {
		u.t.Errorf("it rang for what was allowed\n%s", u.root("wormbell alerts --all"))
	}
	u.Run(u.t.Context(), "dev", "echo >>~/mine; ~/mine ~/.npmrc >/dev/null")
	u.rings("credential-read", "mine ", "the program changed since you allowed it")
}

// testMounts: what is mounted after the start is seen in the agent's own
// namespace, may be unmounted, and a user's home that comes later is guarded.
func (u *unit) testMounts() {
	u.Run(u.t.Context(), "dev", "mkdir ~/work")
	u.root(`mount /dev/vdb /home/dev/work && mkdir /home/dev/work/p && echo '{"name":"late","private":true}' >/home/dev/work/p/package.json && chown -R dev: /home/dev/work`)
	u.Wait("the agent to see the mount", time.Minute, func() bool {
		_, child := u.pids()
		return strings.Contains(u.root(fmt.Sprintf("cat /proc/%d/mountinfo", child)), " /home/dev/work ")
	})
	u.Run(u.t.Context(), "dev", `sleep 3; cd ~/work/p && echo '{"name":"late"}' >package.json`)
	u.rings("private-flag-removed", "~/work/p/package.json")
	if out, code := u.Try(u.t.Context(), "root", "umount /home/dev/work"); code != 0 {
		u.t.Errorf("it cannot be unmounted: %s", out)
	}

	u.root("useradd --create-home --shell /bin/bash ann && useradd --no-create-home --shell /bin/bash bob && mkdir /home/bob")
	u.Wait("the new user to be guarded", 2*time.Minute, func() bool { s, _ := u.status(); return slices.Contains(s.Homes, "/home/ann") })
	u.root("cp /home/dev/reader /home/ann/annreads")
	u.Run(u.t.Context(), "ann", "echo x >~/.npmrc; ~/annreads ~/.npmrc >/dev/null")
	u.rings("credential-read", "annreads")

	// The home itself is another file system.
	u.root("mount /dev/vdc /home/bob && cp /home/dev/reader /home/bob/bobreads && chown -R bob: /home/bob")
	u.Wait("the mounted home to be guarded", 2*time.Minute, func() bool { s, _ := u.status(); return slices.Contains(s.Homes, "/home/bob") })
	u.Run(u.t.Context(), "bob", "echo x >~/.npmrc; ~/bobreads ~/.npmrc >/dev/null")
	u.rings("credential-read", "bobreads")

	s := u.up()
	if len(troubles(u.t, s)) > 0 {
		u.t.Errorf("that it began anew by itself is no problem: %q", s.Problems)
	}
	// One that is mounted over a home that is guarded already.
	u.root("umount /home/bob || { pkill -KILL -u bob; sleep 1; umount /home/bob; }")
	u.root(`mount /dev/vdc /home/ann && cp /home/dev/reader /home/ann/over && chown -R ann: /home/ann`)
	u.Run(u.t.Context(), "ann", "sleep 3; cd; echo y >~/.npmrc; sleep 1; ~/over ~/.npmrc >/dev/null")
	u.rings("credential-read", "over ")
}

func (u *unit) testDemo() {
	if !u.npm {
		u.t.Skip("needs node and npm on this machine")
	}
	out, code := u.Try(u.t.Context(), "dev", "wormbell demo npmrc-read")
	if code != 0 || !strings.Contains(out, "rings") {
		u.t.Errorf("exit %d\n%s", code, out)
	}
}

// testNothingRefused: in all of that no system call was refused and nothing
// that the agent wanted to see was out of its reach.
func (u *unit) testNothingRefused() {
	log := u.root("journalctl -u wormbelld -o cat --no-pager; dmesg | grep -a type=1326 || true")
	for _, bad := range []string{"operation not permitted", "permission denied", "type=1326", "bad system call", "level=ERROR"} {
		if strings.Contains(strings.ToLower(log), strings.ToLower(bad)) {
			u.t.Errorf("%q is in the log:\n%s", bad, log)
		}
	}
	if n := strings.TrimSpace(u.root("systemctl show -P NRestarts wormbelld")); n != "0" {
		u.t.Errorf("it was started again %s times", n)
	}
	s := u.up()
	if len(troubles(u.t, s)) > 0 {
		u.t.Errorf("problems %q: %+v", s.Problems, s.Sensors)
	}
	lostNothing(u.t, u.VM, s)
}

// historyToken returns a token in npm's form, with its checksum, that nobody has
// given out.
func historyToken(t *testing.T) string {
	t.Helper()
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := make([]byte, 30)
	rand.Read(body)
	for i := range body {
		body[i] = digits[int(body[i])%len(digits)]
	}
	var check [6]byte
	for i, sum := len(check)-1, crc32.ChecksumIEEE(body); i >= 0; i, sum = i-1, sum/62 {
		check[i] = digits[sum%62]
	}
	return "npm_" + string(body) + string(check[:])
}
