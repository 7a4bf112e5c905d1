package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/publish"
)

// packager is a package manager as people use it: where it lies and how each
// thing that matters here is done with it. In commands and files, DEP stands
// for a dependency with an install script, REG for the registry's URL.
type packager struct {
	name    string            // its folder below the tests' package managers
	node    string            // the folder of the node it runs on, "" for the machine's own
	dirs    []string          // what it consists of instead: more of those folders, or absolute ones
	version string            // what --version must say, its beginning
	files   map[string]string // of every project
	install string            // installs what package.json names
	allow   map[string]string // files that let the dependency's script run; nil: it runs as things are
	fields  string            // the same, in package.json
	approve string            // the same, after an install that did not run it
	lays    []string          // of every project: a file of the tests' package managers, and where it goes
	blocked string            // installs and runs no script; "" if install does so
	own     []string          // what it does with its credentials itself
	publish []publishing
	few     string   // the kinds of those that are driven without -long; "" for all
	dry     []string // publishes nothing
	fetch   string   // fetches a package and runs its program, TOOL
}

// packagers is the table. Which versions they are is said in .ci/deps.
var packagers = []packager{
	{name: "npm-11", version: "11.21.", approve: "npm rebuild DEP", few: "plain tarball", install: "npm install", blocked: "npm install --ignore-scripts",
		own: []string{"npm whoami", "npm ping", "npm view DEP version", "npm config list"}, publish: npmPublishes, dry: npmDry, fetch: "npx --yes TOOL"},
	{name: "npm-12", version: "12.2.", approve: "npm approve-scripts DEP && npm rebuild DEP", few: "plain tarball stage environment userconfig many", node: "node-22", install: "npm install", fields: `,"allowScripts":{"DEP":true}`,
		own: []string{"npm whoami", "npm ping", "npm view DEP version", "npm config list"}, publish: npmPublishes, dry: npmDry, fetch: "npx --yes TOOL"},
	{name: "pnpm-10", version: "10.34.", approve: "echo 'onlyBuiltDependencies: [DEP]' >pnpm-workspace.yaml && pnpm rebuild", few: "plain tarball many", node: "node-22", install: "pnpm install", allow: map[string]string{"pnpm-workspace.yaml": "onlyBuiltDependencies:\n  - DEP\n"},
		own: []string{"pnpm whoami", "pnpm view DEP version", "pnpm store path"}, publish: pnpmPublishes, dry: pnpmDry, fetch: "pnpm dlx TOOL"},
	{name: "pnpm-11", version: "11.28.", approve: "pnpm approve-builds --all", few: "plain many pm stage", node: "node-22", install: "pnpm install", allow: map[string]string{"pnpm-workspace.yaml": "allowBuilds:\n  DEP: true\n"},
		own: []string{"pnpm whoami", "pnpm view DEP version", "pn store path"}, publish: append(pnpmPublishes, pnpmShort...), dry: pnpmDry, fetch: "pnpm dlx TOOL"},
	{name: "pnpm-12", version: "12.21.", approve: "pnpm approve-builds --all", node: "node-22", install: "pnpm install", allow: map[string]string{"pnpm-workspace.yaml": "allowBuilds:\n  DEP: true\n"},
		own: []string{"pnpm whoami", "pnpm view DEP version", "pn store path"}, publish: append(pnpmPublishes, pnpmShort...), dry: pnpmDry, fetch: "pnx TOOL"},
	{name: "yarn-1", version: "1.22.", approve: "yarn install --force --non-interactive", install: "yarn install --non-interactive", blocked: "yarn install --non-interactive --ignore-scripts",
		own: []string{"yarn info DEP version", "yarn config list"}, publish: yarnPublishes},
	{name: "yarn-4", version: "4.18.", few: "plain many", node: "node-22", install: "yarn install", files: map[string]string{"yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\n"},
		allow: map[string]string{".yarnrc.yml": "nodeLinker: node-modules\nenableScripts: true\n"},
		own:   []string{"yarn npm whoami", "yarn npm info DEP"}, publish: berryPublishes, dry: []string{"yarn npm publish -n", "yarn npm publish --dry-run"}, fetch: "yarn dlx -q TOOL"},
	// Without a node_modules folder, and in the release that a project keeps.
	{name: "yarn-pnp", version: "4.18.", dirs: []string{"yarn-4", "node-22"}, install: "yarn install", files: map[string]string{"yarn.lock": ""}, allow: map[string]string{".yarnrc.yml": "enableScripts: true\n"},
		own: []string{"yarn npm whoami"}},
	{name: "yarn-kept", version: "1.22.", dirs: []string{"yarn-1", "node-22"}, install: "yarn install", files: map[string]string{"yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\n" + keptYarn},
		allow: map[string]string{".yarnrc.yml": "nodeLinker: node-modules\nenableScripts: true\n" + keptYarn}, lays: []string{"yarn-4/lib/node_modules/@yarnpkg/cli-dist/bin/yarn.js", ".yarn/releases/yarn-4.18.1.cjs"},
		own: []string{"yarn npm whoami", "yarn --version"}, publish: berryPublishes[:1], fetch: "yarn dlx -q TOOL"},
	{name: "bun-1", version: "1.4.", approve: "bun pm trust DEP", node: "node-22", install: "bun install", fields: `,"trustedDependencies":["DEP"]`,
		own: []string{"bun pm whoami", "bun info DEP version"}, publish: bunPublishes, dry: []string{"bun publish --dry-run"}, fetch: "bunx TOOL"},
}

const keptYarn = "yarnPath: .yarn/releases/yarn-4.18.1.cjs\n"

// clientsFolder is where the package managers are.
func clientsFolder(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("bash", "../../.ci/deps", "--clients").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// path is the PATH with which c is found first. It skips the test if c is not there.
func (c packager) path(t *testing.T) string {
	t.Helper()
	names := c.dirs
	if names == nil {
		names = []string{c.name, c.node}
	}
	dirs, all := []string{}, clientsFolder(t)
	for _, name := range names {
		if name == "" {
			continue
		}
		dir := filepath.Join(all, name, "bin")
		if filepath.IsAbs(name) {
			dir = name
		}
		if _, err := os.Stat(dir); err != nil {
			t.Skipf("needs %s, which .ci/deps installs as root: %v", name, err)
		}
		dirs = append(dirs, dir)
	}
	return strings.Join(append(dirs, os.Getenv("PATH")), ":")
}

// clientsHome writes into the home what lets every client reach the registry.
func (m *machine) clientsHome() {
	m.t.Helper()
	m.write("~/.yarnrc", fmt.Sprintf("registry %q\ndisable-self-update-check true\n", m.registry.URL))
	m.write("~/.yarnrc.yml", fmt.Sprintf("npmRegistryServer: %q\nunsafeHttpWhitelist: [127.0.0.1]\nnpmAuthToken: %q\nenableTelemetry: false\nnpmMinimalAgeGate: 0\n", m.registry.URL, m.token))
}

// sh runs a line of shell with c's PATH in a folder.
func (m *machine) sh(c packager, dir, line string) (string, error) {
	m.t.Helper()
	return m.run(dir, "env", "PATH="+c.path(m.t), "CI=", "sh", "-c", line)
}

// does is sh that fails the test when the line fails.
func (m *machine) does(c packager, dir, line string) string {
	m.t.Helper()
	out, err := m.sh(c, dir, line)
	if err != nil {
		m.t.Fatalf("%s: %s: %v\n%s", c.name, line, err, out)
	}
	return out
}

// settles writes what every project of c's has into a folder.
func (m *machine) settles(c packager, dir string) {
	m.t.Helper()
	for name, text := range c.files {
		m.write(dir+"/"+name, text)
	}
	if c.lays != nil {
		to := m.path(dir + "/" + c.lays[1])
		m.copies([]string{"mkdir", "-p", filepath.Dir(to)}, []string{"cp", filepath.Join(clientsFolder(m.t), c.lays[0]), to})
	}
}

// project writes a project of c's with a dependency, whose scripts may run or not.
func (m *machine) project(c packager, dir, dep string, allowed bool) {
	m.t.Helper()
	fields := ""
	if allowed {
		fields = c.fields
	}
	m.write(dir+"/package.json", strings.ReplaceAll(`{"name":"app","version":"1.0.0","private":true,"dependencies":{"DEP":"1.0.0"}`+fields+"}", "DEP", dep))
	m.settles(c, dir)
	if allowed {
		for name, text := range c.allow {
			m.write(dir+"/"+name, strings.ReplaceAll(text, "DEP", dep))
		}
	}
}

// starts are the process starts that the agent told while a test listened.
type starts struct {
	mu  sync.Mutex // guards all
	all []wormbell.Event
}

// listen collects process starts until the test ends.
func (m *machine) listen() *starts {
	m.t.Helper()
	agent, err := client.Dial(client.Config{Socket: m.socket})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, ended := &starts{}, make(chan struct{})
	go func() { // ends with the test
		defer close(ended)
		agent.Events(ctx, func(e wormbell.Event) error {
			if e.Kind == wormbell.ProcessStart && e.Process != nil {
				s.mu.Lock()
				s.all = append(s.all, e)
				s.mu.Unlock()
			}
			return nil
		})
	}()
	m.t.Cleanup(func() { cancel(); <-ended })
	m.until("the agent to tell process starts", 30*time.Second, func() bool {
		m.must("~", "true", "listening")
		return len(s.where(func(e wormbell.Event) bool { return slices.Contains(e.Process.Args, "listening") })) > 0
	})
	return s
}

// where returns those that are ok.
func (s *starts) where(ok func(wormbell.Event) bool) (list []wormbell.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if ok(e) {
			list = append(list, e)
		}
	}
	return list
}

// attempts are the publishes below a folder, each counted once.
func (s *starts) attempts(dir string) (list []wormbell.Event) {
	return s.where(func(e wormbell.Event) bool {
		a, ok := publish.Parse(e.Process)
		if !ok || a.DryRun || e.Process.Cwd != dir && !strings.HasPrefix(e.Process.Cwd, dir+"/") {
			return false
		}
		_, above := publish.Parse(e.Process.Parent)
		return !above
	})
}

// findingsOf returns the findings of medium severity and above about a folder or
// word: in their text or in where their processes ran.
func (m *machine) findingsOf(word string) (list []wormbell.Finding) {
	m.t.Helper()
	for _, a := range m.alerts("--min-severity", "medium") {
		for _, f := range a.Findings {
			if strings.Contains(f.Subject+f.Summary, word) || slices.ContainsFunc(f.Evidence, func(e wormbell.Event) bool {
				for p := range e.Process.Chain {
					if strings.HasPrefix(p.Cwd, m.home) && strings.Contains(p.Cwd, word) {
						return true
					}
				}
				return strings.Contains(e.Path, word)
			}) && !m.foreign(f) {
				list = append(list, f)
			}
		}
	}
	return list
}

// TestClients has every package manager do what it does all day, which must be
// quiet, and then install a dependency that reads a credential.
func TestClients(t *testing.T) {
	needRoot(t)
	m := prepare(t, options{})
	m.clientsHome()
	m.launch(options{})
	m.ready()
	seen := m.listen()
	t.Cleanup(func() { m.t = t })
	for _, c := range packagers {
		t.Run(c.name, func(t *testing.T) {
			m.t = t
			defer func() { m.t = t }()
			home := "~/" + c.name
			if out := m.does(c, "~", c.program()+" --version"); !strings.HasPrefix(out, c.version) {
				t.Fatalf("%s --version says %q", c.program(), out)
			}
			began := time.Now()
			lap := func(what string) { t.Logf("%s: %.1f s", what, time.Since(began).Seconds()); began = time.Now() }
			// What is blocked, and its own reads.
			calm := "calm-" + c.name
			m.seed(thief(calm, "/.npmrc"))
			m.project(c, home+"-calm", calm, false)
			line := c.install
			if c.blocked != "" {
				line = c.blocked
			}
			out, err := m.sh(c, home+"-calm", line)
			if _, missing := os.Stat(m.path(home + "-calm/node_modules/" + calm + "/steal.js")); missing != nil && !strings.Contains(out, "can't be built") && !strings.Contains(out, "lists build scripts") {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
			lap("blocked")
			for _, line := range c.own {
				m.does(c, home+"-calm", strings.ReplaceAll(line, "DEP", calm))
			}
			lap("own")
			m.settle()
			for _, f := range m.findingsOf(c.name) {
				t.Errorf("%s: %s", f.Detector, f.Summary)
			}
			if n := len(seen.where(func(e wormbell.Event) bool {
				return slices.Contains(e.Process.Args, "steal.js") && strings.Contains(e.Process.Cwd, calm)
			})); n > 0 {
				t.Fatalf("a script ran that should have been blocked: the test shows nothing")
			}
			lap("settle")
			if c.approve != "" {
				out, err := m.sh(c, home+"-calm", strings.ReplaceAll(c.approve, "DEP", calm))
				t.Logf("%s: %v\n%s", c.approve, err, out)
				m.names(calm, "postinstall")
				lap("approve")
			}
			// Who did it.
			evil := "evil-" + c.name
			m.seed(thief(evil, "/.npmrc"))
			m.project(c, home+"-evil", evil, true)
			out, err = m.sh(c, home+"-evil", c.install)
			t.Logf("%s: %v\n%s", c.install, err, out)
			m.names(evil, "postinstall")
			lap("evil")
			if c.fetch != "" {
				tool := "tool-" + c.name
				m.seed(pkg{name: tool, version: "1.0.0", bin: "tool.js", files: map[string]string{"tool.js": "#!/usr/bin/env node\nrequire('fs').readFileSync(process.env.HOME + '/.npmrc')\n"}})
				m.write(home+"-fetch/package.json", `{"name":"app"}`)
				m.settles(c, home+"-fetch")
				m.does(c, home+"-fetch", strings.ReplaceAll(c.fetch, "TOOL", tool))
				m.names(tool, "npx")
				lap("fetch")
			}
		})
	}
	m.t = t
	bun := packagers[slices.IndexFunc(packagers, func(c packager) bool { return c.name == "bun-1" })]
	if _, err := os.Stat(filepath.Join(clientsFolder(t), bun.name)); err == nil { // bun's second file, as bun
		m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.npmrc')\n")
		m.does(bun, "~", `bash -c 'exec -a bun "$(readlink -f "$(command -v bunx)")" ./steal.js W-bunx'`)
		m.rang("W-bunx")
	}
}

// program is the name of c's program.
func (c packager) program() string { name, _, _ := strings.Cut(c.name, "-"); return name }

// names waits until a credential's reader is named as a script of a package.
func (m *machine) names(name, lifecycle string) {
	m.t.Helper()
	var found *wormbell.Process
	m.until("the reader to be named as "+name, 20*time.Second, func() bool {
		for _, f := range m.findingsOf(name) {
			for _, e := range f.Evidence {
				if f.Detector == "credential-read" && e.Process != nil && e.Kind == wormbell.FileRead {
					found = e.Process
				}
			}
		}
		return found != nil
	})
	if found.Package == nil || found.Package.Name != name || found.Package.Version != "1.0.0" || found.Lifecycle != lifecycle {
		m.t.Errorf("the reader is %s of %s, not %s of %s@1.0.0", found.Lifecycle, found.Package, lifecycle, name)
	}
}
