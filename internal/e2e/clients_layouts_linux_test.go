package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// layout is where somebody's node and npm lie.
type layout struct {
	name   string
	prefix string // ~ or, with %s, a folder that is root's alone; "" for the machine's own
	npm    string // folder of npm below the prefix
	link   string // a symlink to the prefix that PATH goes through
	signer string // who vouches for npm; its beginning
}

// layouts are those of the system's packages and of the version managers. Each
// is made from a real node and a real npm. What volta puts in front is a native
// program that no registry of packages has: it starts what lies here, as is.
var layouts = []layout{
	{name: "machine", signer: ""},
	{name: "debian", prefix: "%s/usr", npm: "share/nodejs/npm", signer: "root"},
	{name: "local", prefix: "%s/usr/local", npm: "lib/node_modules/npm", signer: "root"},
	{name: "nvm", prefix: "~/.nvm/versions/node/v22.23.3", npm: "lib/node_modules/npm", signer: "first-use:~/.nvm/versions/node/v22.23.3"},
	{name: "fnm", prefix: "~/.local/share/fnm/node-versions/v22.23.3/installation", npm: "lib/node_modules/npm", link: "~/.local/state/fnm_multishells/4711_1700000000000",
		signer: "first-use:~/.local/share/fnm/node-versions/v22.23.3/installation"},
	{name: "mise", prefix: "~/.local/share/mise/installs/node/22.23.3", npm: "lib/node_modules/npm", link: "~/.local/share/mise/installs/node/22", signer: "first-use:~/.local/share/mise/installs/node/22.23.3"},
	{name: "volta", prefix: "~/.volta/tools/image/node/22.23.3", npm: "lib/node_modules/npm", signer: "first-use:~/.volta/tools/image/node/22.23.3"},
}

// copies runs commands before the agent starts.
func (m *machine) copies(commands ...[]string) {
	m.t.Helper()
	for _, cmd := range commands {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			m.t.Fatalf("%q: %v\n%s", cmd, err, out)
		}
	}
}

// lay makes a layout of the tests' node 22 and npm 12 and returns the folder for PATH.
func (m *machine) lay(l layout, root string) string {
	m.t.Helper()
	if l.prefix == "" {
		npm, err := exec.LookPath("npm")
		if err != nil {
			m.t.Skip("there is no npm")
		}
		return filepath.Dir(npm)
	}
	prefix, all := m.path(strings.ReplaceAll(l.prefix, "%s", root)), clientsFolder(m.t)
	npm := filepath.Join(prefix, l.npm)
	up, err := filepath.Rel(filepath.Join(prefix, "bin"), npm)
	if err != nil {
		m.t.Fatal(err)
	}
	m.copies([]string{"mkdir", "-p", prefix + "/bin", filepath.Dir(npm)},
		[]string{"cp", "-L", "--reflink=auto", all + "/node-22/bin/node", prefix + "/bin/node"},
		[]string{"cp", "-r", all + "/npm-12/lib/node_modules/npm", npm},
		[]string{"ln", "-s", up + "/bin/npm-cli.js", prefix + "/bin/npm"},
		[]string{"ln", "-s", up + "/bin/npx-cli.js", prefix + "/bin/npx"})
	if l.link == "" {
		return prefix + "/bin"
	}
	m.copies([]string{"mkdir", "-p", filepath.Dir(m.path(l.link))}, []string{"ln", "-s", prefix, m.path(l.link)})
	return m.path(l.link) + "/bin"
}

// needClients skips a test that needs some of the tests' package managers.
func needClients(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		packager{name: name}.path(t)
	}
}

// TestNodeLayouts: npm reads its own quietly and says whose script reads, wherever
// node was installed.
func TestNodeLayouts(t *testing.T) {
	needRoot(t)
	needClients(t, "node-22", "npm-12")
	m := prepare(t, options{})
	root, err := os.MkdirTemp("/opt", "wormbell-layouts-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{}
	for _, l := range layouts {
		dirs[l.name] = m.lay(l, root)
	}
	m.launch(options{})
	m.ready()
	seen := m.listen()
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			m.t = t
			defer func() { m.t = t }()
			c := packager{name: "npm", install: "npm install", fields: `,"allowScripts":{"DEP":true}`, dirs: []string{dirs[l.name]}}
			home := "~/by-" + l.name
			m.write(home+"/package.json", fmt.Sprintf(`{"name":"by-%s","version":"1.0.0"}`, l.name))
			m.does(c, home, "npm whoami")
			m.does(c, home, "npm publish")
			var whoami []wormbell.Event
			m.until("npm to be told", 20*time.Second, func() bool {
				whoami = seen.where(func(e wormbell.Event) bool {
					return e.Process.Cwd == m.path(home) && slices.Contains(e.Process.Args, "whoami") && filepath.Base(e.Process.Exe) == "node"
				})
				return len(whoami) > 0 && len(seen.attempts(m.path(home))) > 0
			})
			if got := whoami[0].Process.Signer; got == "" || !strings.HasPrefix(got, l.signer) {
				t.Errorf("npm is vouched for by %q, not %q", got, l.signer)
			}
			if a := seen.attempts(m.path(home)); a[0].Package == nil || a[0].Package.Name != "by-"+l.name {
				t.Errorf("the publish is of %s", a[0].Package)
			}
			m.settle()
			for _, f := range m.findingsOf(home) {
				t.Errorf("%s: %s", f.Detector, f.Summary)
			}
			evil := "evil-by-" + l.name
			m.seed(thief(evil, "/.npmrc"))
			m.project(c, home+"-evil", evil, true)
			out, err := m.sh(c, home+"-evil", c.install)
			if err != nil {
				t.Logf("%v\n%s", err, out)
			}
			m.names(evil, "postinstall")
		})
	}
	m.t = t
}

// corepackKeeps lays a package manager out in a home of corepack's.
func (m *machine) corepackKeeps(home, name, version, bin string, from ...string) {
	m.t.Helper()
	dir := m.path(home) + "/v1/" + name + "/" + version
	m.copies([]string{"mkdir", "-p", dir}, append(append([]string{"cp", "-rL"}, from...), dir))
	m.write(dir+"/.corepack", fmt.Sprintf(`{"locator":{"name":%q,"reference":%q},"bin":%s,"hash":"sha512.00"}`, name, version, bin))
}

// TestCorepack: what corepack runs in its own process is what was fetched into the
// home, and is vouched for only as long as that is what it was.
func TestCorepack(t *testing.T) {
	needRoot(t)
	needClients(t, "node-22", "corepack", "pnpm-10", "yarn-4", "npm-12")
	m := prepare(t, options{})
	m.clientsHome()
	all := clientsFolder(t)
	kept := "~/.cache/node/corepack"
	pnpm := all + "/pnpm-10/lib/node_modules/pnpm/"
	m.corepackKeeps(kept, "pnpm", "10.34.9", `{"pnpm":"./bin/pnpm.cjs","pnpx":"./bin/pnpx.cjs"}`, pnpm+"bin", pnpm+"dist", pnpm+"package.json")
	m.corepackKeeps(kept, "yarn", "4.18.1", `["yarn","yarnpkg"]`, all+"/yarn-4/lib/node_modules/@yarnpkg/cli-dist/bin/yarn.js")
	known := `{"pnpm":"10.34.9","yarn":"4.18.1","npm":"12.2.0"}`
	m.write(kept+"/lastKnownGood.json", known)
	m.launch(options{})
	m.ready()
	m.listen()
	c := packager{name: "corepack", dirs: []string{all + "/corepack/bin", all + "/node-22/bin"}}
	if out := m.does(c, "~", "pnpm --version"); out != "10.34.9\n" {
		t.Fatalf("corepack runs pnpm %s", out)
	}
	m.write("~/mine/package.json", `{"name":"mine","version":"1.0.0","packageManager":"pnpm@10.34.9"}`)
	m.does(c, "~/mine", "pnpm whoami && pnpm install && corepack pnpm --version")
	m.write("~/ours/package.json", `{"name":"ours","version":"1.0.0","packageManager":"yarn@4.18.1"}`)
	m.write("~/ours/yarn.lock", "")
	m.does(c, "~/ours", "yarn npm whoami && yarn install")
	m.quiet("corepack")

	for name, shim := range map[string]packager{
		"pnpm": {install: "pnpm install", allow: map[string]string{"pnpm-workspace.yaml": "onlyBuiltDependencies:\n  - DEP\n"}, fields: `,"packageManager":"pnpm@10.34.9"`},
		"yarn": {install: "yarn install", allow: map[string]string{"yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\nenableScripts: true\n"}, fields: `,"packageManager":"yarn@4.18.1"`},
	} {
		shim.dirs = c.dirs
		evil := "evil-corepack-" + name
		m.seed(thief(evil, "/.npmrc"))
		m.project(shim, "~/"+evil, evil, true)
		m.does(shim, "~/"+evil, shim.install)
		m.names(evil, "postinstall")
	}

	// Another home, with something else in it.
	steals := "require('fs').readFileSync(process.env.HOME + '/.npmrc')\n"
	m.write("~/theirs/x/bin/pnpm.cjs", steals)
	m.corepackKeeps("~/theirs", "pnpm", "10.34.9", `{"pnpm":"./bin/pnpm.cjs"}`, m.path("~/theirs/x/bin"))
	m.write("~/theirs/lastKnownGood.json", known)
	m.sh(c, "~/mine", "COREPACK_HOME=~/theirs pnpm W-home")
	m.rang("W-home")
	// Of one program it is told once a minute: each time another shim.
	m.write("~/theirs/x/yarn.js", steals)
	m.corepackKeeps("~/theirs", "yarn", "4.18.1", `["yarn","yarnpkg"]`, m.path("~/theirs/x/yarn.js"))
	m.must("~", "mkdir", "-p", m.path("~/theirs/node"))
	m.must("~", "ln", "-s", "..", m.path("~/theirs/node/corepack"))
	m.sh(c, "~/ours", "XDG_CACHE_HOME=~/theirs yarn W-cache")
	m.rang("W-cache")

	// The same by a dependency's script, as npm, which may read its own there.
	m.seed(pkg{name: "evil-shim", version: "1.0.0", scripts: map[string]any{"postinstall": "COREPACK_ENABLE_UNSAFE_CUSTOM_URLS=1 corepack npm@" + m.registry.URL + "/npm/-/npm-1.0.0.tgz whoami; true"}})
	m.seed(pkg{name: "npm", version: "1.0.0", bin: "bin/npm-cli.js", files: map[string]string{"bin/npm-cli.js": steals}})
	npm := packager{name: "npm", dirs: []string{all + "/corepack/bin", all + "/npm-12/bin", all + "/node-22/bin"}, fields: `,"allowScripts":{"DEP":true}`}
	m.project(npm, "~/shim", "evil-shim", true)
	out, err := m.sh(npm, "~/shim", all+"/npm-12/bin/npm install --foreground-scripts")
	t.Logf("%v\n%s", err, out)
	m.names("evil-shim", "postinstall")

	// And what it runs is written to.
	m.write(kept+"/v1/pnpm/10.34.9/bin/pnpx.cjs", steals)
	m.sh(c, "~/mine", "pnpx W-written")
	m.rang("W-written")
}
