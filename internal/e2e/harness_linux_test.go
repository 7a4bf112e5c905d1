package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/registry"
)

var (
	long  = flag.Bool("long", false, "run the longer variants too")
	every = flag.Bool("every", false, "with -long: kill at every point, which takes up to ten minutes")
)

// bin is the folder of the programs under test, built once per run.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wormbell-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	os.Chmod(dir, 0o755) // an ordinary user runs them too
	build := exec.Command("go", "build", "-o", dir, "wormbell/cmd/wormbell", "wormbell/cmd/wormbelld")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// needRoot skips a test that needs permission marks.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: fanotify permission marks and other people's processes")
	}
}

// needNPM skips a test when there is no npm 11, and says what it found.
func needNPM(t *testing.T) {
	t.Helper()
	out, err := exec.Command("npm", "--version").Output()
	if err != nil || !strings.HasPrefix(string(out), "11.") {
		t.Skipf("needs npm 11, found %q (%v)", bytes.TrimSpace(out), err)
	}
}

// machine is one scratch home, one registry on loopback and one agent.
type machine struct {
	t        *testing.T
	home     string
	bin      string // folder of its programs
	shells   []int  // of persons, with nothing of the test above them
	dir      string // state, socket, scratch
	socket   string
	registry *registry.Server
	token    string
	uid      int // whose programs they are; 0 for the test's own
	agent    *exec.Cmd
	log      *buffer
	ended    chan struct{}
}

type options struct {
	bin    string // folder of the programs, instead of those that every test uses
	config string // text of the settings file
	user   int    // uid the agent runs as, 0 for the test's own
	home   string // an existing home to guard instead of a new one
	state  string // an existing state folder
	args   []string
}

// start makes a machine and returns when the agent is ready.
func start(t *testing.T, o options) *machine {
	t.Helper()
	m := prepare(t, o)
	m.launch(o)
	m.ready()
	return m
}

// scratch returns a fresh folder that any user may enter. It is not below
// t.TempDir, whose parents are closed to others.
func scratch(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wormbell-"+name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// token is a decoy that looks like an npm token; its checksum is wrong.
const token = "npm_" + "Zk3qWm8vR1tYx5LcB9dNf2HsJ7gPa4UeQ0oi"

func prepare(t *testing.T, o options) *machine {
	t.Helper()
	m := &machine{t: t, dir: scratch(t, "e2e-machine"), home: o.home, token: token, log: &buffer{}}
	if m.home == "" {
		m.home = scratch(t, "e2e-home")
	}
	if m.bin = o.bin; m.bin == "" {
		m.bin = bin
	}
	m.socket = filepath.Join(m.dir, "run", "wormbell.sock")
	var err error
	if m.registry, err = registry.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.registry.Close() })
	m.registry.RequireToken(m.token, "dev")
	m.write("~/.npmrc", fmt.Sprintf("registry=%s/\n//%s/:_authToken=%s\nfund=false\naudit=false\nupdate-notifier=false\n",
		m.registry.URL, strings.TrimPrefix(m.registry.URL, "http://"), m.token))
	if o.user != 0 {
		m.own(o.user)
	}
	return m
}

// own gives everything of the machine to uid.
func (m *machine) own(uid int) {
	m.t.Helper()
	for _, dir := range []string{m.home, m.dir} {
		if err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error { return errors.Join(err, os.Lchown(p, uid, uid)) }); err != nil {
			m.t.Fatal(err)
		}
	}
}

// launch starts the agent without waiting for it.
func (m *machine) launch(o options) {
	m.t.Helper()
	state := o.state
	if state == "" {
		state = filepath.Join(m.dir, "state")
	}
	args := append([]string{"--state", state, "--socket", m.socket, "--home", m.home}, o.args...)
	if o.config != "" {
		file := filepath.Join(m.dir, "config.toml")
		if err := os.WriteFile(file, []byte(o.config), 0o644); err != nil {
			m.t.Fatal(err)
		}
		args = append(args, "--config", file)
	}
	m.agent = exec.Command(filepath.Join(m.bin, "wormbelld"), args...)
	m.agent.Stdout, m.agent.Stderr = m.log, m.log
	m.agent.Env = m.env()
	m.agent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o.user != 0 {
		m.agent.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(o.user), Gid: uint32(o.user)}
	}
	if err := m.agent.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.ended = make(chan struct{})
	agent, ended := m.agent, m.ended
	go func() { agent.Wait(); close(ended) }()
	m.t.Cleanup(func() {
		m.stop()
		if m.t.Failed() {
			m.t.Logf("agent's log:\n%s", m.log.String())
		}
		if strings.Contains(m.log.String(), m.token) {
			m.t.Error("the agent logged the token")
		}
	})
}

// stop ends the agent and waits for it.
func (m *machine) stop() {
	select {
	case <-m.ended:
		return
	default:
	}
	m.agent.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.ended:
	case <-time.After(10 * time.Second):
		m.t.Error("the agent did not end within 10 s of SIGTERM")
		m.agent.Process.Kill()
		<-m.ended
	}
}

// ready waits until the agent says so.
func (m *machine) ready() {
	m.t.Helper()
	m.until("the agent to be ready", 30*time.Second, func() bool { return strings.Contains(m.log.String(), "msg=ready") })
}

// until polls ok; it fails the test when it is not so in time.
func (m *machine) until(what string, within time.Duration, ok func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(within); !ok(); {
		if time.Now().After(deadline) {
			m.t.Fatalf("waited %v for %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// env is the environment of everything that runs in the scratch home.
func (m *machine) env() []string {
	return []string{"HOME=" + m.home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TMPDIR=/tmp", "USER=dev",
		"npm_config_cache=" + filepath.Join(m.home, ".npm"), "NO_COLOR=1"}
}

// path turns ~ into the scratch home.
func (m *machine) path(p string) string {
	if rest, ok := strings.CutPrefix(p, "~"); ok {
		return m.home + rest
	}
	return p
}

// write puts text into a file, making its folders.
func (m *machine) write(p, text string) {
	m.t.Helper()
	p = m.path(p)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	for ; m.uid != 0 && strings.HasPrefix(p, m.home); p = filepath.Dir(p) {
		if err := os.Lchown(p, m.uid, m.uid); err != nil {
			m.t.Fatal(err)
		}
	}
}

// run runs a program in dir, in the scratch home's environment, and returns
// what it printed.
func (m *machine) run(dir string, argv ...string) (string, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = m.path(dir), m.env()
	m.as(cmd)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// as makes cmd a program of the machine's user.
func (m *machine) as(cmd *exec.Cmd) {
	if m.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(m.uid), Gid: uint32(m.uid)}}
	}
}

// must is run that fails the test when the program fails.
func (m *machine) must(dir string, argv ...string) string {
	m.t.Helper()
	out, err := m.run(dir, argv...)
	if err != nil {
		m.t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return out
}

// wormbell runs the command line against the machine's agent and returns its
// standard output and exit status.
func (m *machine) wormbell(args ...string) (string, int) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), filepath.Join(m.bin, "wormbell"), append([]string{"--socket", m.socket}, args...)...)
	cmd.Env = m.env()
	m.as(cmd)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	if strings.Contains(stdout.String()+stderr.String(), m.token) {
		m.t.Error("wormbell printed the token")
	}
	if stderr.Len() > 0 {
		m.t.Logf("wormbell %q: %s", args, stderr.String())
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// alerts reads the open alerts through the command line.
func (m *machine) alerts(args ...string) []wormbell.Alert {
	m.t.Helper()
	out, _ := m.wormbell(append([]string{"alerts", "--json"}, args...)...)
	var list struct {
		Version int
		Alerts  []wormbell.Alert
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || list.Version != 1 || list.Alerts == nil {
		m.t.Fatalf("alerts --json: %v\n%s", err, out)
	}
	return list.Alerts
}

// status reads the agent's status through the command line.
func (m *machine) status() (s wormbell.Status) {
	m.t.Helper()
	out, code := m.wormbell("status", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
		m.t.Fatalf("status --json: exit %d, %v\n%s", code, err, out)
	}
	return s
}

// finding returns the first finding of a detector and its alert.
func (m *machine) finding(detector string) (wormbell.Alert, *wormbell.Finding) {
	for _, a := range m.alerts() {
		for i := range a.Findings {
			if a.Findings[i].Detector == detector {
				return a, &a.Findings[i]
			}
		}
	}
	return wormbell.Alert{}, nil
}

// rings waits for a finding of a detector.
func (m *machine) rings(detector string) (alert wormbell.Alert, finding wormbell.Finding) {
	m.t.Helper()
	m.until("a finding of "+detector, 20*time.Second, func() bool {
		a, f := m.finding(detector)
		if f != nil {
			alert, finding = a, *f
		}
		return f != nil
	})
	return alert, finding
}

// quiet fails the test if there is any alert of at least medium severity. The
// agent has seen everything by then: an event that does ring is sent through
// first, by a reader of a second guarded file.
func (m *machine) quiet(what string) {
	m.t.Helper()
	m.settle()
	for _, a := range m.alerts("--min-severity", "medium") {
		for _, f := range a.Findings {
			if !m.foreign(f) {
				m.t.Errorf("%s raised %s: %s", what, f.Detector, f.Summary)
			}
		}
	}
}

// foreign reports whether a finding is about what somebody else does on this
// computer meanwhile: no process of it is the test's or of a shell of this
// machine, and nothing of it is in this machine's home. The agent sees
// everybody's.
func (m *machine) foreign(f wormbell.Finding) bool {
	for _, e := range f.Evidence {
		if e.Process == nil || strings.HasPrefix(e.Path, "~") || strings.Contains(e.Path, m.home) {
			return false
		}
		for p := range e.Process.Chain {
			if p.PID == os.Getpid() || slices.Contains(m.shells, p.PID) || strings.Contains(p.Cwd+" "+p.Script+" "+strings.Join(p.Args, " "), m.home) {
				return false
			}
		}
	}
	return len(f.Evidence) > 0
}

// settle returns once what the sensors told up to now has passed the engine: it
// writes a manifest until an event of what it wrote has. A sensor may still be
// about to tell of what it saw; whatever must ring is therefore waited for, and
// not looked for after settle.
func (m *machine) settle() {
	m.t.Helper()
	agent, err := client.Dial(client.Config{Socket: m.socket})
	if err != nil {
		m.t.Fatal(err)
	}
	for range 2 {
		m.passes(agent)
	}
}

// passes waits for the event of a manifest that it writes.
func (m *machine) passes(agent *client.Client) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	passed, ended := make(chan string, 1000), make(chan error, 1)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel() // first
	listening.Go(func() {
		ended <- agent.Events(ctx, func(e wormbell.Event) error {
			if e.Kind == wormbell.ManifestChange && e.Path == "~/settle/package.json" && e.Is != nil {
				passed <- e.Is.Version
			}
			return nil
		})
	})
	wrote, last := map[string]bool{}, time.Time{}
	m.until("an event to pass", 30*time.Second, func() bool {
		if time.Since(last) > time.Second { // nobody listened yet when it wrote the one before
			last = time.Now()
			version := fmt.Sprintf("1.0.%d", last.UnixNano())
			wrote[version] = true
			m.write("~/settle/package.json", fmt.Sprintf(`{"name":"settle","version":%q}`, version))
		}
		select {
		case version := <-passed:
			return wrote[version]
		case err := <-ended:
			m.t.Fatalf("the agent's events ended: %v", err)
		default:
		}
		return false
	})
}

// install publishes a package with the given scripts and files to the
// registry and installs it into a new project, which npm 11 lets run scripts.
func (m *machine) install(project string, p pkg) string {
	m.t.Helper()
	m.seed(p)
	m.write(project+"/package.json", `{"name":"app","version":"1.0.0","private":true}`)
	out, err := m.run(project, "npm", "install", p.name+"@"+p.version)
	if err != nil {
		m.t.Logf("npm install: %v\n%s", err, out)
	}
	return out
}

// pkg is a package that a test puts into the registry.
type pkg struct {
	name, version string
	scripts       map[string]any
	files         map[string]string
	bin           string // file that is its program
}

func (m *machine) seed(p pkg) {
	m.t.Helper()
	manifest := map[string]any{"name": p.name, "version": p.version}
	if p.scripts != nil {
		manifest["scripts"] = p.scripts
	}
	if p.bin != "" {
		manifest["bin"] = p.bin
	}
	if err := m.registry.Seed(manifest, p.files); err != nil {
		m.t.Fatal(err)
	}
}

// children returns the processes whose parent is pid.
func children(pid int) (list []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range dirs {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var p, parent int
		var state string
		i := bytes.LastIndexByte(b, ')')
		fmt.Sscanf(string(b), "%d", &p)
		fmt.Sscanf(string(b[i+1:]), "%s %d", &state, &parent)
		if parent == pid {
			list = append(list, p)
		}
	}
	return list
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

var _ io.Writer = (*buffer)(nil)

// job is a program that runs beside the test.
type job struct {
	m    *machine
	cmd  *exec.Cmd
	out  *buffer
	done chan struct{}
}

// background starts a program in the scratch home.
func (m *machine) background(argv ...string) *job {
	m.t.Helper()
	j := &job{m, exec.Command(argv[0], argv[1:]...), &buffer{}, make(chan struct{})}
	j.cmd.Dir, j.cmd.Env, j.cmd.Stdout, j.cmd.Stderr = m.home, m.env(), j.out, j.out
	m.as(j.cmd)
	if err := j.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() { j.cmd.Wait(); close(j.done) }()
	m.t.Cleanup(func() { j.cmd.Process.Kill(); <-j.done })
	return j
}

// interrupt ends the program as Ctrl-C would, and waits for it.
func (j *job) interrupt() {
	j.m.t.Helper()
	j.cmd.Process.Signal(os.Interrupt)
	select {
	case <-j.done:
	case <-time.After(10 * time.Second):
		j.m.t.Errorf("%q did not end on an interrupt\n%s", j.cmd.Args, j.out)
	}
}
