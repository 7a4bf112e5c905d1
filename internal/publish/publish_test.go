package publish_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/publish"

	"github.com/google/go-cmp/cmp"
)

const dir = "/home/me/app"

// proc makes a process from a command line as of exec.
func proc(line string) *wormbell.Process {
	args := strings.Fields(line)
	p := &wormbell.Process{PID: 7, Exe: args[0], Args: args, Cwd: dir}
	return p
}

func TestParse(t *testing.T) {
	npm := func(change func(*publish.Attempt)) *publish.Attempt {
		a := &publish.Attempt{Client: "npm", Folder: dir}
		if change != nil {
			change(a)
		}
		return a
	}
	dry := func(a *publish.Attempt) { a.DryRun = true }
	folder := func(s string) func(*publish.Attempt) { return func(a *publish.Attempt) { a.Folder = s } }
	tarball := func(s string) func(*publish.Attempt) {
		return func(a *publish.Attempt) { a.Folder, a.Tarball = "", s }
	}
	for _, test := range []struct {
		line string
		want *publish.Attempt // nil: no publish
	}{
		{"/usr/bin/node /usr/bin/npm publish", npm(nil)},
		{"/usr/bin/node /usr/lib/node_modules/npm/bin/npm-cli.js publish", npm(nil)},
		{"/usr/bin/node /usr/lib/node_modules/npm/bin/npm-cli publish", npm(nil)},
		{"/usr/bin/node /usr/lib/node_modules/npm/index.js publish", npm(nil)},
		{"/usr/bin/node --no-warnings -r ./x.js /usr/bin/npm publish", npm(nil)},
		{"/usr/bin/node /usr/bin/npm pub", npm(nil)},
		{"/usr/bin/node /usr/bin/npm pu", npm(nil)},
		{"/usr/bin/node /usr/bin/npm p", nil}, // pack, ping, pkg …
		{"/usr/bin/node /usr/bin/npm publishh", nil},
		{"/usr/bin/node /usr/bin/npm --access public publish", npm(nil)},
		{"/usr/bin/node /usr/bin/npm --access=public --tag publish publish", npm(nil)},
		{"/usr/bin/node /usr/bin/npm --tag publish", nil},
		{"/usr/bin/node /usr/bin/npm -s --no-fund pub --//registry.example.com/:_authToken=masked", npm(nil)},
		{"/usr/bin/node /usr/bin/npm run publish", nil},
		{"/usr/bin/node /usr/bin/npm unpublish", nil},
		{"/usr/bin/node /usr/bin/npm publish --help", nil},
		{"/usr/bin/node /usr/bin/npm publish a b", nil},
		{"/usr/bin/node /usr/bin/npm help publish", nil},
		{"/usr/bin/node /usr/bin/npm publish --dry-run", npm(dry)},
		{"/usr/bin/node /usr/bin/npm publish --dry", npm(dry)}, // --dry and --dr are short for it
		{"/usr/bin/node /usr/bin/npm --dry-run publish", npm(dry)},
		{"/usr/bin/node /usr/bin/npm publish --dry-run true", npm(dry)},
		{"/usr/bin/node /usr/bin/npm publish --dry-run false", npm(nil)},
		{"/usr/bin/node /usr/bin/npm publish --dry-run=false", npm(nil)},
		{"/usr/bin/node /usr/bin/npm publish --dry-run --no-dry-run", npm(nil)},
		{"/usr/bin/node /usr/bin/npm publish --no-no-dry-run", npm(dry)},
		{"/usr/bin/node /usr/bin/npm publish --otp --dry-run", npm(nil)},      // it is the otp
		{"/usr/bin/node /usr/bin/npm publish --message --dry-run", npm(dry)},  // a string takes no flag
		{"/usr/bin/node /usr/bin/npm publish --browser --dry-run", npm(nil)},  // a mixed type does
		{"/usr/bin/node /usr/bin/npm publish --registry --dry-run", npm(nil)}, // so does a URL
		{"/usr/bin/node /usr/bin/npm publish --registry https://registry.example.com/", npm(func(a *publish.Attempt) { a.Registry = "https://registry.example.com/" })},
		{"/usr/bin/node /usr/bin/npm publish --reg=http://127.0.0.1:4873", npm(func(a *publish.Attempt) { a.Registry = "http://127.0.0.1:4873" })},
		{"/usr/bin/node /usr/bin/npm -- publish ./lib", npm(folder(dir + "/lib"))},
		{"/usr/bin/node /usr/bin/npm publish -- --dry-run", npm(func(a *publish.Attempt) { a.Folder, a.Spec = "", "--dry-run" })},
		{"/usr/bin/node /usr/bin/npm publish ./lib", npm(folder(dir + "/lib"))},
		{"/usr/bin/node /usr/bin/npm publish ../b", npm(folder("/home/me/b"))},
		{"/usr/bin/node /usr/bin/npm publish /tmp/x", npm(folder("/tmp/x"))},
		{"/usr/bin/node /usr/bin/npm publish file:lib", npm(folder(dir + "/lib"))},
		{"/usr/bin/node /usr/bin/npm publish lib", npm(func(a *publish.Attempt) { a.Folder, a.Spec = "", "lib" })},
		{"/usr/bin/node /usr/bin/npm publish /tmp/npm-update-1/updated.tgz", npm(tarball("/tmp/npm-update-1/updated.tgz"))},
		{"/usr/bin/node /usr/bin/npm publish a-1.0.0.TGZ", npm(tarball(dir + "/a-1.0.0.TGZ"))},
		{"/usr/bin/node /usr/bin/npm publish http://127.0.0.1:1/a.tar.gz", npm(tarball("http://127.0.0.1:1/a.tar.gz"))},
		{"/usr/bin/node /usr/bin/npm --prefix /home/me/other publish", npm(nil)}, // npm 11.19 publishes the working directory all the same
		{"/usr/bin/node /usr/bin/npm publish -ws", npm(func(a *publish.Attempt) { a.Workspaces = true })},
		{"/usr/bin/node /usr/bin/npm publish --workspaces", npm(func(a *publish.Attempt) { a.Workspaces = true })},
		{"/usr/bin/node /usr/bin/npm publish -w a -C ../mono", npm(func(a *publish.Attempt) { a.Workspaces, a.Named, a.Folder = true, []string{"a"}, "/home/me/mono" })},
		{"/usr/bin/node /usr/bin/npm publish -w a ./lib", npm(folder(dir + "/lib"))},
		{"/usr/bin/node /usr/bin/npm stage publish", npm(func(a *publish.Attempt) { a.Staged = true })},
		{"/usr/bin/node /usr/bin/npm stag publish --dry-run", npm(func(a *publish.Attempt) { a.Staged, a.DryRun = true, true })},
		{"/usr/bin/node /usr/bin/npm stage list", nil},
		{"/usr/bin/node /usr/lib/node_modules/corepack/dist/npm.js publish", npm(nil)},
		{"/usr/bin/node /usr/bin/corepack npm publish", npm(nil)},
		{"/usr/bin/node /usr/bin/corepack npm@11.0.0 publish --dry-run", npm(dry)},
		{"/usr/bin/node /usr/bin/corepack enable", nil},
		{"/usr/bin/node /usr/bin/npx npm publish", nil}, // its child counts
		{"/usr/bin/node /usr/bin/npx publish", nil},
		{"/usr/bin/node /usr/bin/npm exec -- npm publish", nil},
		{"/bin/sh -c npm\tpublish", nil},
		{"/usr/bin/node publish.js npm publish", nil},
		{"/usr/bin/node -e npm publish", nil},
		{"/usr/bin/bun /usr/bin/npm publish", npm(nil)},
		{"/usr/bin/deno run -A npm:npm@11 publish", npm(nil)},
		{"/usr/bin/deno publish", nil},

		{"/usr/bin/node /usr/bin/pnpm publish", &publish.Attempt{Client: "pnpm", Folder: dir}},
		{"/usr/bin/node /x/pnpm.cjs publish --no-git-checks --dry-run", &publish.Attempt{Client: "pnpm", Folder: dir, DryRun: true}},
		{"/home/me/.local/share/pnpm/pnpm publish", &publish.Attempt{Client: "pnpm", Folder: dir}},
		{"/home/me/.local/share/pnpm/pnpm -r publish", &publish.Attempt{Client: "pnpm", Folder: dir, Workspaces: true}},
		{"/usr/bin/node /usr/bin/pnpm recursive publish", &publish.Attempt{Client: "pnpm", Folder: dir, Workspaces: true}},
		{"/usr/bin/node /usr/bin/pnpm --filter a publish", &publish.Attempt{Client: "pnpm", Folder: dir, Workspaces: true, Named: []string{"a"}}},
		{"/usr/bin/node /usr/bin/pnpm -C ../b publish", &publish.Attempt{Client: "pnpm", Folder: "/home/me/b"}},
		{"/usr/bin/node /usr/bin/pnpm --dir=/tmp/b publish lib", &publish.Attempt{Client: "pnpm", Folder: "/tmp/b/lib"}},
		{"/usr/bin/node /usr/bin/pnpm publish a.tgz --tag next", &publish.Attempt{Client: "pnpm", Tarball: dir + "/a.tgz"}},
		{"/usr/bin/node /usr/bin/pnpm run publish", nil},
		{"/usr/bin/node /usr/bin/pn publish", &publish.Attempt{Client: "pnpm", Folder: dir}},
		{"/usr/lib/node_modules/pnpm/pn -r publish", &publish.Attempt{Client: "pnpm", Folder: dir, Workspaces: true}},
		{"/usr/lib/node_modules/pnpm/pnx publish", nil},
		{"/usr/bin/pnpm stage publish --no-git-checks", &publish.Attempt{Client: "pnpm", Folder: dir, Staged: true}},
		{"/usr/bin/pnpm stage publish a.tgz --dry-run", &publish.Attempt{Client: "pnpm", Tarball: dir + "/a.tgz", Staged: true, DryRun: true}},
		{"/usr/bin/pnpm stage list publish", nil},
		{"/usr/bin/pnpm stage", nil},
		{"/usr/bin/pnpm pm publish", &publish.Attempt{Client: "pnpm", Folder: dir}},
		{"/usr/bin/pnpm with current publish ./lib", &publish.Attempt{Client: "pnpm", Folder: dir + "/lib"}},
		{"/usr/bin/pnpm with publish", nil},
		{"/usr/bin/pnpm --no-proxy x publish", &publish.Attempt{Client: "pnpm", Folder: dir}},
		{"/usr/bin/pnpm publish --publish-wait-timeout 9 --userconfig /tmp/rc", &publish.Attempt{Client: "pnpm", Folder: dir}},
		{"/usr/bin/pnpm --npmrc-auth-file /tmp/rc publish", &publish.Attempt{Client: "pnpm", Folder: dir}},
		{"/usr/bin/node /usr/bin/pnpm add publish", nil},

		{"/usr/bin/node /usr/share/yarn/bin/yarn.js publish --new-version 1.0.1", &publish.Attempt{Client: "yarn", Folder: dir}},
		{"/usr/bin/node /usr/bin/yarn publish --dry-run", &publish.Attempt{Client: "yarn", Folder: dir}}, // classic has no such flag
		{"/usr/bin/node /usr/bin/yarn --cwd ../b publish", &publish.Attempt{Client: "yarn", Folder: "/home/me/b"}},
		{"/usr/bin/node /usr/bin/yarn publish ./a.tgz", &publish.Attempt{Client: "yarn", Tarball: dir + "/a.tgz"}},
		{"/usr/bin/node /home/me/app/.yarn/releases/yarn-4.18.1.cjs npm publish --access public", &publish.Attempt{Client: "yarn", Folder: dir}},
		{"/usr/bin/node /usr/bin/yarn npm publish -n", &publish.Attempt{Client: "yarn", Folder: dir, DryRun: true}},
		{"/usr/bin/node /usr/bin/yarn workspaces foreach -A npm publish", &publish.Attempt{Client: "yarn", Folder: dir, Workspaces: true}},
		{"/usr/bin/node /usr/bin/yarn workspace a publish", &publish.Attempt{Client: "yarn", Folder: dir, Workspaces: true, Named: []string{"a"}}},
		{"/usr/bin/node /usr/bin/yarn npm publish --staged", &publish.Attempt{Client: "yarn", Folder: dir, Staged: true}},
		{"/usr/bin/node /usr/bin/yarn --emoji true publish", &publish.Attempt{Client: "yarn", Folder: dir}},
		{"/usr/bin/node /usr/bin/yarn --emoji --no-progress publish", &publish.Attempt{Client: "yarn", Folder: dir}},
		{"/usr/bin/node /usr/bin/yarn --https-proxy x publish", &publish.Attempt{Client: "yarn", Folder: dir}},
		{"/usr/bin/node /usr/bin/yarn npm info publish", nil},
		{"/usr/bin/node /usr/bin/yarn run publish", nil},

		{"/home/me/.bun/bin/bun publish", &publish.Attempt{Client: "bun", Folder: dir}},
		{"/home/me/.bun/bin/bun --cwd ../b publish --dry-run", &publish.Attempt{Client: "bun", Folder: "/home/me/b", DryRun: true}},
		{"/home/me/.bun/bin/bun publish a.tgz", &publish.Attempt{Client: "bun", Tarball: dir + "/a.tgz"}},
		{"/home/me/.bun/bin/bun run publish", nil},
		{"/usr/lib/node_modules/bun/bin/bun.exe publish --cpu x64", &publish.Attempt{Client: "bun", Folder: dir}},
		{"/usr/lib/node_modules/bun/bin/bunx.exe publish", nil}, // a package of that name
		{"/home/me/.bun/bin/bun x npm publish", nil},
	} {
		t.Run(test.line, func(t *testing.T) {
			got, ok := publish.Parse(proc(test.line))
			if ok != (test.want != nil) {
				t.Fatalf("got %+v, %v", got, ok)
			}
			if ok {
				if diff := cmp.Diff(got, *test.want); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestParseOtherForms(t *testing.T) {
	for _, test := range []struct {
		name string
		p    wormbell.Process
		want publish.Attempt
	}{
		{"title", wormbell.Process{Exe: "/usr/bin/node", Args: []string{"npm publish ./lib", "", ""}, Cwd: dir}, publish.Attempt{Client: "npm", Folder: dir + "/lib"}},
		{"dry run by environment", wormbell.Process{Exe: "/usr/bin/node", Args: []string{"node", "/usr/bin/npm", "publish"}, Cwd: dir, DryRun: true}, publish.Attempt{Client: "npm", Folder: dir, DryRun: true}},
		{"flag beats environment", wormbell.Process{Exe: "/usr/bin/node", Args: []string{"node", "/usr/bin/npm", "publish", "--no-dry-run"}, Cwd: dir, DryRun: true}, publish.Attempt{Client: "npm", Folder: dir}},
		{"bun does not read npm's environment", wormbell.Process{Exe: "/usr/bin/bun", Args: []string{"bun", "publish"}, Cwd: dir, DryRun: true}, publish.Attempt{Client: "bun", Folder: dir}},
		{"script given", wormbell.Process{Exe: "/usr/bin/node", Script: "/usr/lib/node_modules/npm/bin/npm-cli.js", Args: []string{"node", "/usr/bin/npm", "publish"}, Cwd: dir}, publish.Attempt{Client: "npm", Folder: dir}},
		{"windows", wormbell.Process{Exe: `C:\Program Files\nodejs\node.exe`, Args: []string{"node.exe", `C:\Program Files\nodejs\node_modules\npm\bin\npm-cli.js`, "publish", `.\lib`}, Cwd: "C:/app"}, publish.Attempt{Client: "npm", Folder: "C:/app/lib"}},
		{"no cwd", wormbell.Process{Exe: "/usr/bin/node", Args: []string{"node", "/usr/bin/npm", "publish", "./lib"}}, publish.Attempt{Client: "npm"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := publish.Parse(&test.p)
			if !ok {
				t.Fatal("not a publish")
			}
			if diff := cmp.Diff(got, test.want); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, p := range []*wormbell.Process{nil, {}, {Exe: "/usr/bin/node"}, {Args: []string{""}}} {
		if a, ok := publish.Parse(p); ok {
			t.Errorf("%v is no publish, got %+v", p, a)
		}
	}
}

// TestParseAsNpm compares with the parser of the npm on this machine: it feeds
// both thousands of command lines made of flags, values and commands.
func TestParseAsNpm(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node: ", err)
	}
	out, err := exec.Command(node, "-p", `require("fs").realpathSync(process.execPath)`).Output()
	if err != nil {
		t.Skip("needs node: ", err)
	}
	npm := filepath.Join(filepath.Dir(filepath.Dir(strings.TrimSpace(string(out)))), "lib/node_modules/npm")
	if _, err := os.Stat(filepath.Join(npm, "lib/utils/cmd-list.js")); err != nil {
		t.Skip("needs the npm that comes with node: ", err)
	}
	pool := []string{"publish", "pub", "pu", "p", "stage", "stag", "install", "Publish", "run", "./lib", "x", "true", "false", "null", "always", "--", "-", "---",
		"--dry-run", "--dry", "--dr", "--d", "-d", "--no-dry-run", "--no-no-dry-run", "--dry-run=true", "--dry-run=false", "--dry-run=yes", "-dry-run", "--DRY-RUN", "--no-dry",
		"--tag", "--tag=x", "--tag=-x", "--otp", "--otp=1", "--access", "--access=public", "--registry", "--reg", "--color", "--color=always", "--browser", "--ws", "-ws", "-w", "--workspace=a",
		"--workspaces", "--no-workspaces", "-s", "-sg", "-fw", "--loglevel", "--logl", "-ddd", "-C", "--prefix", "--unknown", "--unknown=1", "--no-unknown", "--yes", "-y", "-n", "--no", "--message", "-m",
		"--production", "--optional", "--ignore-scripts", "--ig", "--userconfig", "--scope", "--call", "-p", "-P", "--quiet", "-q", "--ver", "-h"}
	rnd := rand.New(rand.NewPCG(1, 2))
	var lines [][]string
	var in bytes.Buffer
	for range 4000 {
		args := []string{}
		for range 1 + rnd.IntN(6) {
			args = append(args, pool[rnd.IntN(len(pool))])
		}
		lines = append(lines, args)
		b, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	cmd := exec.Command(node, "-e", asNpm, npm)
	cmd.Stdin = &in
	cmd.Stderr = os.Stderr
	out, err = cmd.Output()
	if err != nil {
		t.Skip("this npm is built differently: ", err)
	}
	scan := bufio.NewScanner(bytes.NewReader(out))
	published := 0
	for _, args := range lines {
		if !scan.Scan() {
			t.Fatal("npm's parser ended early")
		}
		var npm struct{ Publish, Dry, Ws bool }
		if err := json.Unmarshal(scan.Bytes(), &npm); err != nil {
			t.Fatal(err)
		}
		a, ok := publish.Parse(&wormbell.Process{Exe: node, Args: append([]string{"node", "/usr/bin/npm"}, args...), Cwd: dir})
		if ok != npm.Publish || ok && (a.DryRun != npm.Dry || a.Workspaces != npm.Ws) {
			t.Errorf("%q: got publish %v dry-run %v workspaces %v; npm says %+v", args, ok, a.DryRun, a.Workspaces, npm)
		}
		if ok {
			published++
		}
	}
	if published < 100 {
		t.Errorf("only %d of the command lines publish: the comparison says little", published)
	}
}

const asNpm = `
const R = process.argv[1] + '/', {definitions, shorthands} = require(R + 'node_modules/@npmcli/config/lib/definitions')
const types = Object.fromEntries(Object.entries(definitions).map(([k, d]) => [k, d.type]))
const nopt = require(R + 'node_modules/nopt'), {deref} = require(R + 'lib/utils/cmd-list.js')
nopt.typeDefs = require(R + 'node_modules/@npmcli/config/lib/type-defs.js')
nopt.invalidHandler = nopt.unknownHandler = nopt.abbrevHandler = () => {}
require('readline').createInterface({input: process.stdin}).on('line', l => {
  const o = nopt(types, shorthands, JSON.parse(l), 0)
  let [c, ...rest] = o.argv.remain
  let is = deref(c) === 'publish'
  if (deref(c) === 'stage' && rest[0] === 'publish') { is = true; rest = rest.slice(1) }
  if (rest.length > 1 || o.usage || o.version || o.versions) is = false
  const ws = !!(o.workspaces || (o.workspace || []).length) && (!rest.length || rest.includes('.'))
  console.log(JSON.stringify({publish: is, dry: !!o['dry-run'], ws}))
})`

func FuzzParse(f *testing.F) {
	f.Add("node\x00/usr/bin/npm\x00publish\x00--dry-run=\x00-")
	f.Add("npm publish\x00\x00")
	f.Add("pnpm\x00-r\x00publish")
	f.Add("pn\x00with\x00\x00pm\x00stage\x00publish\x00--no-proxy\x00x")
	f.Add("yarn\x00--emoji\x00npm\x00publish\x00--staged")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		for _, exe := range []string{args[0], "/usr/bin/node", "/usr/bin/bun", "/usr/bin/pnpm"} {
			publish.Parse(&wormbell.Process{Exe: exe, Args: args, Cwd: dir})
		}
	})
}
