package watchers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/ancestry"
)

// stage is a scratch machine for the real npm: a home, a project, and a place
// where a script can say who it is and be held.
type stage struct {
	t        *testing.T
	dir      string
	home     string
	project  string
	gate     string
	pidFile  string
	holdFile string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	needRoot(t)
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("there is no npm")
	}
	if to, err := filepath.EvalSymlinks(npm); err != nil || !strings.HasPrefix(to, "/usr/") {
		t.Skip("the npm here is not the system's, nobody vouches for it")
	}
	s := &stage{t: t, dir: t.TempDir()}
	s.home, s.project = filepath.Join(s.dir, "home"), filepath.Join(s.dir, "app")
	s.pidFile = filepath.Join(s.dir, "pid")
	for _, d := range []string{s.home, s.project} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.gate = fifo(t, s.dir, "gate")
	// What every script runs in the end: it says its PID and waits.
	s.holdFile = putFile(t, filepath.Join(s.dir, "hold.sh"), fmt.Sprintf("echo $$ > %[1]s.new; mv %[1]s.new %[1]s; read x < %[2]s\n", s.pidFile, s.gate))
	return s
}

// start runs a command in a folder, without the registry.
func (s *stage) start(dir string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "npm_config_registry=http://127.0.0.1:1/", "npm_config_update_notifier=false",
		"npm_config_audit=false", "npm_config_fund=false", "npm_config_offline=true", "GIT_CONFIG_NOSYSTEM=1", "GIT_ALLOW_PROTOCOL=file",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com"}
	cmd.Stdout, cmd.Stderr = new(strings.Builder), new(strings.Builder)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd
}

func (s *stage) run(dir string, args ...string) {
	s.t.Helper()
	cmd := s.start(dir, args...)
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("%v: %v\n%v%v", args, err, cmd.Stdout, cmd.Stderr)
	}
}

// pack makes a tarball of a package.
func (s *stage) pack(name, manifest string, files map[string]string) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, "src", name)
	putFile(s.t, filepath.Join(dir, "package.json"), manifest)
	for f, content := range files {
		putFile(s.t, filepath.Join(dir, f), content)
	}
	tgz := filepath.Join(s.dir, name+".tgz")
	stagingDir := filepath.Join(s.dir, "pack", name)
	if err := os.MkdirAll(stagingDir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(stagingDir, "package")); err != nil {
		s.t.Fatal(err)
	}
	s.run(stagingDir, "tar", "-czhf", tgz, "package")
	return tgz
}

// held runs a command until one of its scripts holds itself, asks who that is,
// and lets everything end.
func (s *stage) held(l *Lineage, dir string, args ...string) *wormbell.Process {
	s.t.Helper()
	cmd := s.start(dir, args...)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	pid := 0
	eventually(s.t, "a script that holds itself: "+strings.Join(args, " "), func() bool {
		b, _ := os.ReadFile(s.pidFile)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		select {
		case err := <-ended:
			ended <- err
			if pid == 0 && err != nil { // a daemon may come after it
				s.t.Fatalf("%v ended without it: %v\n%v%v", args, err, cmd.Stdout, cmd.Stderr)
			}
		default:
		}
		return pid > 0
	})
	p := l.At(pid)
	os.Remove(s.pidFile)
	held := holdFifo(s.t, s.gate)
	held.Close()
	<-ended
	if p == nil {
		s.t.Fatalf("%v: process %d is not known", args, pid)
	}
	return p
}

func wantPackage(t *testing.T, p *wormbell.Process, lifecycle, pkg string) {
	t.Helper()
	if p.Lifecycle != lifecycle || p.Package.String() != pkg {
		t.Errorf("it is %q of %q, not %q of %q", p.Lifecycle, p.Package.String(), lifecycle, pkg)
		for a := range p.Chain {
			if a.PID == os.Getpid() {
				break
			}
			t.Logf("%d %s %q %q signer %q: %s of %s", a.PID, a.Exe, a.Script, a.Args, a.Signer, a.Lifecycle, a.Package)
		}
	}
}

func TestDependencyScriptIsNamed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l)
	evil := s.pack("evil-b", `{"name":"evil-b","version":"1.2.3","scripts":{"postinstall":"node steal.js"}}`, map[string]string{
		// Scrubbed environment, another session, a double fork, and lies about itself.
		"steal.js": fmt.Sprintf(`require("child_process").spawn("setsid", ["sh", "-c", "(env -i npm_lifecycle_event=test npm_package_name=good /bin/sh %s &)"], {env: {PATH: process.env.PATH}, detached: true, stdio: "ignore"}).unref(); process.title = "npm install"`, s.holdFile)})
	putFile(t, filepath.Join(s.project, "package.json"), `{"name":"app","version":"0.0.1"}`)
	p := s.held(l, s.project, "npm", "install", evil)
	wantPackage(t, p, "postinstall", "evil-b@1.2.3")
	root := ancestry.Dependency(p)
	if !ancestry.Installer(root.Parent) || !ancestry.Shell(root) {
		t.Errorf("the root is %v below %v (%q)", root.Args, root.Parent, root.Parent.Signer)
	}
	if npm := ancestry.BelowInstaller(p); npm == nil || npm.Package != nil || len(npm.Args) < 3 || npm.Args[2] != "install" {
		t.Errorf("npm is %+v", npm)
	}
}

func TestInnerScriptsKeepTheOutermostName(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l)
	evil := s.pack("evil-c", `{"name":"evil-c","version":"1.0.0","scripts":{"install":"npm run inner","inner":"sh `+s.holdFile+`"}}`, nil)
	putFile(t, filepath.Join(s.project, "package.json"), `{"name":"app","version":"0.0.1"}`)
	wantPackage(t, s.held(l, s.project, "npm", "install", evil), "install", "evil-c@1.0.0")
}

func TestOwnScriptsAreNoDependency(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l)
	dep := s.pack("dep-d", `{"name":"dep-d","version":"1.0.0","scripts":{"postinstall":"sh `+s.holdFile+`"}}`, nil)
	putFile(t, filepath.Join(s.project, "package.json"), `{"name":"app","version":"0.0.1","workspaces":["packages/*","!packages/not"],
		"scripts":{"build":"sh `+s.holdFile+`","release":"cd sub && npm install `+dep+`","setup":"cd sub && npm install"}}`)
	putFile(t, filepath.Join(s.project, "sub", "package.json"), `{"name":"sub","version":"0.0.1"}`)
	wantPackage(t, s.held(l, s.project, "npm", "run", "build"), "", "")
	wantPackage(t, s.held(l, s.project, "npm", "run", "release"), "postinstall", "dep-d@1.0.0")

	putFile(t, filepath.Join(s.project, "sub", "package.json"), `{"name":"sub","version":"0.0.1","scripts":{"prepare":"sh `+s.holdFile+`"}}`)
	wantPackage(t, s.held(l, s.project, "npm", "run", "setup"), "", "")

	putFile(t, filepath.Join(s.project, "packages", "w", "package.json"), `{"name":"w","version":"0.0.1","scripts":{"postinstall":"sh `+s.holdFile+`"}}`)
	wantPackage(t, s.held(l, s.project, "npm", "install"), "", "")
}

func TestGitDependencyIsNoOwnProject(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l)
	repo := filepath.Join(s.dir, "repo")
	putFile(t, filepath.Join(repo, "package.json"), `{"name":"git-dep","version":"2.0.0","scripts":{"prepare":"sh `+s.holdFile+`"}}`)
	s.run(repo, "git", "init", "-q")
	s.run(repo, "git", "add", ".")
	s.run(repo, "git", "commit", "-qm", "x")
	putFile(t, filepath.Join(s.project, "package.json"), `{"name":"app","version":"0.0.1"}`)
	wantPackage(t, s.held(l, s.project, "npm", "install", "git+file://"+repo), "prepare", "git-dep@2.0.0")
}

func TestFetchedByNpx(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l)
	tool := s.pack("tool-e", `{"name":"tool-e","version":"3.0.0","bin":"cli.js"}`, map[string]string{
		"cli.js": "#!/usr/bin/env node\nrequire('child_process').execFileSync('sh', ['" + s.holdFile + "'])\n"})
	putFile(t, filepath.Join(s.project, "package.json"), `{"name":"app","version":"0.0.1"}`)
	wantPackage(t, s.held(l, s.project, "npx", "--yes", "--package", tool, "tool-e"), "npx", "tool-e@3.0.0")

	// The same tool as the project's own dependency is what the person runs.
	s.run(s.project, "npm", "install", "--ignore-scripts", tool)
	wantPackage(t, s.held(l, s.project, "npx", "tool-e"), "", "")
}

func TestFakeNpmIsNoInstaller(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l)
	fake := putFile(t, filepath.Join(s.dir, "bin", "npm"), "require('child_process').execFileSync('sh', ['"+s.holdFile+"'], {env: {PATH: process.env.PATH, npm_lifecycle_event: 'postinstall', npm_package_name: 'innocent', npm_package_version: '1.0.0', npm_package_json: '/x/node_modules/innocent/package.json'}})\n")
	p := s.held(l, s.project, "node", fake, "install")
	wantPackage(t, p, "", "")
	if !ancestry.NamedInstaller(p.Parent) || p.Parent.Signer != "" {
		t.Errorf("%v is vouched for by %q", p.Parent.Args, p.Parent.Signer)
	}
}

func TestLoadedCodeVoidsTheSigner(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	l := procLineage(t, LineageConfig{})
	watchProcesses(t, l)
	hook := putFile(t, filepath.Join(s.dir, "hook.js"), "")
	putFile(t, filepath.Join(s.project, "package.json"), `{"name":"app","version":"0.0.1","scripts":{"build":"sh `+s.holdFile+`"}}`)
	npm := func(args ...string) string {
		t.Helper()
		p := s.held(l, s.project, args...)
		for a := range p.Chain {
			if ancestry.NamedInstaller(a) {
				return a.Signer
			}
		}
		t.Fatal("there is no npm above")
		return ""
	}
	if got := npm("npm", "run", "build"); got == "" {
		t.Fatal("nobody vouches for the real npm")
	}
	if got := npm("env", "NODE_OPTIONS=--max-old-space-size=2000", "npm", "run", "build"); got == "" {
		t.Error("a harmless NODE_OPTIONS voids")
	}
	for _, args := range [][]string{
		{"env", "NODE_OPTIONS=--require " + hook, "npm", "run", "build"},
		{"env", "NODE_OPTIONS=--import=" + hook, "npm", "run", "build"},
		{"node", "-r", hook, "/usr/bin/npm", "run", "build"},
		{"node", "--import", "data:text/javascript,1", "/usr/bin/npm", "run", "build"},
		{"env", "LD_PRELOAD=" + hook, "npm", "run", "build"},
	} {
		if got := npm(args...); got != "" {
			t.Errorf("%v: vouched for by %q", args, got)
		}
	}
}
