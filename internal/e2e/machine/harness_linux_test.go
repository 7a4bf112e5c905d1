package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/vm"
)

// patience is how long something may take that the processor of software and
// other tests beside it make slow.
const patience = 10 * time.Minute

// laptop is a machine on which nothing of ours is yet, with node and npm, and
// two users: dev, and whoever a test adds.
type laptop struct {
	*vm.VM
	t    *testing.T
	node bool
	used int // disks that are mounted
}

func newLaptop(t *testing.T, c vm.Config) *laptop {
	t.Helper()
	c.Image = vm.Image(t, vm.Desktop...)
	node := nodeFolder(t)
	if node != "" {
		c.Disks = append([]string{vm.Disk(t, node, 256)}, c.Disks...)
	}
	l := &laptop{vm.Start(t, c), t, node != "", 0}
	t.Logf("its processor is slower by %.0f, with what else runs here", l.Slowness(t.Context()))
	if l.node {
		l.mount("/opt/node")
		l.root("ln -s /opt/node/bin/* /usr/local/bin/")
	}
	return l
}

func (l *laptop) with(t *testing.T) *laptop { return &laptop{l.VM.With(t), t, l.node, l.used} }

// mount mounts the next of the machine's disks.
func (l *laptop) mount(at string) {
	l.t.Helper()
	l.used++
	l.root(fmt.Sprintf("mkdir -p %[1]s && mount -o ro /dev/vd%[2]c %[1]s", at, 'a'+l.used))
}

func (l *laptop) root(command string) string {
	l.t.Helper()
	return l.Run(l.t.Context(), "root", command)
}

func (l *laptop) dev(command string) string {
	l.t.Helper()
	return l.Run(l.t.Context(), "dev", command)
}

// needNode skips a test where this machine has no node and npm to lend.
func (l *laptop) needNode() {
	l.t.Helper()
	if !l.node {
		l.t.Skip("needs node and npm, in one folder's bin and lib")
	}
}

// nodeFolder makes a folder with this machine's node and npm, as on the disk of
// the machine. "" if there are none.
func nodeFolder(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		return ""
	}
	if node, err = filepath.EvalSymlinks(node); err != nil {
		t.Fatal(err)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return ""
	}
	if npm, err = filepath.EvalSymlinks(npm); err != nil { // …/npm/bin/npm-cli.js
		t.Fatal(err)
	}
	dir := t.TempDir()
	const script = `set -e; mkdir -p "$3/bin" "$3/lib/node_modules"; cp "$1" "$3/bin/node"; cp -r "$2" "$3/lib/node_modules/npm"
		ln -s ../lib/node_modules/npm/bin/npm-cli.js "$3/bin/npm"; chmod -R go-w "$3"; chown -R 0:0 "$3"; chmod 755 "$3"`
	if out, err := exec.Command("sh", "-c", script, "sh", node, filepath.Dir(filepath.Dir(npm)), dir).CombinedOutput(); err != nil {
		t.Fatalf("copy node: %v\n%s", err, out)
	}
	return dir
}

// release makes packages of what is in this work tree, committed or not, as so
// many versions; a folder for each, as internal/release writes it.
func release(t *testing.T, versions ...string) []string {
	t.Helper()
	began := time.Now()
	top := strings.TrimSpace(command(t, "", nil, "git", "rev-parse", "--show-toplevel"))
	// A commit of the work tree that no branch has, made with an index of our own.
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(t.TempDir(), "index"), "GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com"}
	command(t, top, index, "git", "read-tree", "HEAD")
	command(t, top, index, "git", "add", "--all")
	tree := strings.TrimSpace(command(t, top, index, "git", "write-tree"))
	commit := strings.TrimSpace(command(t, top, index, "git", "commit-tree", "-p", "HEAD", "-m", "test", tree))
	clone := filepath.Join(t.TempDir(), "clone")
	command(t, "", nil, "git", "clone", "--quiet", "--shared", "--no-checkout", top, clone)
	command(t, clone, nil, "git", "checkout", "--quiet", "--detach", commit)
	program := filepath.Join(t.TempDir(), "release")
	command(t, top, nil, "go", "build", "-o", program, "wormbell/internal/release")
	var folders []string
	for _, v := range versions {
		folder := filepath.Join(t.TempDir(), v)
		command(t, top, nil, program, "-repo", clone, "-version", v, "-targets", "linux/amd64", "-out", folder)
		folders = append(folders, folder)
	}
	t.Logf("the packages of %q took %v", versions, time.Since(began).Round(time.Second))
	return folders
}

// command runs a program on this machine that must succeed, and returns what it
// wrote.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// debs are the files of the two packages in a folder of internal/release.
func debs(t *testing.T, folder string) (agent, tray string) {
	t.Helper()
	for name, into := range map[string]*string{"wormbell_*.deb": &agent, "wormbell-tray_*.deb": &tray} {
		found, err := filepath.Glob(filepath.Join(folder, name))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q %v, want one", name, found, err)
		}
		*into = found[0]
	}
	return agent, tray
}

// status is what the agent says of itself to dev; false while none answers.
func (l *laptop) status() (s wormbell.Status, ok bool) {
	l.t.Helper()
	ok = l.ask(&s, "status")
	return s, ok
}

// alerts are dev's, closed ones too.
func (l *laptop) alerts() []wormbell.Alert {
	l.t.Helper()
	var list struct{ Alerts []wormbell.Alert }
	if !l.ask(&list, "alerts --all") {
		l.t.Fatal("no agent answers")
	}
	return list.Alerts
}

// ask has wormbell answer dev in JSON; false while no agent answers.
func (l *laptop) ask(into any, args string) bool {
	l.t.Helper()
	out, code := l.Try(l.t.Context(), "dev", "wormbell --json "+args+" 2>/dev/null")
	if code > 1 || out == "" {
		return false
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		l.t.Fatalf("wormbell %s: %v\n%s", args, err, out)
	}
	return true
}

// up waits until the agent answers.
func (l *laptop) up() wormbell.Status {
	l.t.Helper()
	var s wormbell.Status
	l.Wait("the agent to answer", patience, func() (ok bool) { s, ok = l.status(); return ok })
	return s
}

// troubles are the problems but for two, which are told: on a processor of
// software, with other work beside it, everything takes more than it should, and
// an agent that is given no time is started again so that openers go on.
func troubles(t *testing.T, s wormbell.Status) (list []string) {
	t.Helper()
	for _, p := range s.Problems {
		if strings.Contains(p, "takes more than it should") || strings.Contains(p, "no sign of life while openers waited") {
			t.Log(p)
		} else {
			list = append(list, p)
		}
	}
	return list
}

// lostNothing finds fault with events that the agent has lost since the machine
// was started. Of command lines it only tells: on a processor of software a process
// can stand still for longer than the agent waits for its own, and a whole
// processor in the middle of a record of the ring, which keeps what comes after.
func lostNothing(t *testing.T, m *vm.VM, s wormbell.Status) {
	t.Helper()
	out, _ := m.Try(t.Context(), "root", "journalctl -u wormbelld -o cat --no-pager | grep 'events were lost'")
	for line := range strings.Lines(out) {
		if strings.Contains(line, "command lines of processes that") {
			t.Log(line)
		} else {
			t.Error(line)
		}
	}
	if s.Lost > 0 && out == "" {
		t.Errorf("%d events were lost, and the log says nothing of it: %+v", s.Lost, s.Sensors)
	}
}

// rings waits for a finding of a detector whose sentence has this word.
func (l *laptop) rings(detector, word string) wormbell.Alert {
	l.t.Helper()
	var alert wormbell.Alert
	defer func() {
		if l.t.Failed() {
			out, _ := l.Try(l.t.Context(), "root", "wormbell alerts --all; wormbell status; journalctl -u wormbelld -o cat -n 60")
			l.t.Log(out)
		}
	}()
	l.Wait(fmt.Sprintf("%s with %q", detector, word), patience, func() bool {
		for _, a := range l.alerts() {
			if slices.ContainsFunc(a.Findings, func(f wormbell.Finding) bool { return f.Detector == detector && strings.Contains(f.Summary, word) }) {
				alert = a
				return true
			}
		}
		return false
	})
	return alert
}

// steal installs a package with the real npm whose postinstall reads ~/.npmrc,
// as a user at a terminal of their own.
func (l *laptop) steal(user, name string) {
	l.t.Helper()
	l.needNode()
	script := fmt.Sprintf(`set -e; cd; [ -e .npmrc ] || echo 'fund=false
audit=false
update-notifier=false
//registry.example.com/:_authToken=npm_%s' >.npmrc
mkdir -p app %[2]s; cd %[2]s
echo '{"name":"%[2]s","version":"1.0.0","scripts":{"postinstall":"node steal.js"}}' >package.json
echo "require('fs').readFileSync(process.env.HOME + '/.npmrc')" >steal.js
cd ../app; echo '{"name":"app","version":"1.0.0","private":true}' >package.json
npm install --offline --install-links ../%[2]s`, "Zk3qWm8vR1tYx5LcB9dNf2HsJ7gPa4UeQ0oi", name)
	if out, code := l.Do(l.t.Context(), user, script, vm.Options{Terminal: true, Login: true}); code != 0 {
		l.t.Fatalf("npm install: exit %d\n%s", code, out)
	}
}
