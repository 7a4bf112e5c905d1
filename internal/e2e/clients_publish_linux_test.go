package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/publish"
	"wormbell/internal/registry"
)

// publishing is one way to publish the package NAME that lies in a folder of
// that name. @TOKEN, @HOST and @REG stand for what they say; $RC is a file like
// ~/.npmrc elsewhere.
type publishing struct {
	kind   string
	line   string // shell, in that folder
	is     func(a publish.Attempt) bool
	staged bool   // the registry of the tests knows no stages: it fails
	secret string // variable that holds the token
}

func isFolder(a publish.Attempt) bool   { return a.Folder != "" && !a.Workspaces && !a.Staged }
func isTarball(a publish.Attempt) bool  { return a.Tarball != "" && !a.Staged }
func isStaged(a publish.Attempt) bool   { return a.Staged }
func isMany(a publish.Attempt) bool     { return a.Workspaces }
func toRegistry(a publish.Attempt) bool { return a.Registry != "" && a.Folder != "" }

// inEnv is what a worm does that took a token: it gives it by environment.
const inEnv = `env "npm_config_//@HOST/:_authToken=@TOKEN" `

var npmPublishes = []publishing{
	{kind: "plain", line: "npm publish", is: isFolder},
	{kind: "short", line: "npm --access=public pub", is: isFolder},
	{kind: "folder", line: "cd .. && npm publish ./NAME", is: isFolder},
	{kind: "tarball", line: "npm pack --silent && npm publish NAME-1.0.0.tgz", is: isTarball},
	{kind: "elsewhere", line: "npm pack --silent && mkdir -p out && mv NAME-1.0.0.tgz out && cd / && npm publish $OLDPWD/out/NAME-1.0.0.tgz", is: isTarball},
	{kind: "stage", line: "npm stage publish", is: isStaged, staged: true},
	{kind: "environment", line: inEnv + "npm publish --userconfig=/dev/null --registry @REG/", is: toRegistry, secret: "npm_config_//@HOST/:_authToken"},
	{kind: "userconfig", line: "npm publish --userconfig $RC", is: isFolder},
	{kind: "config-token", line: "NPM_CONFIG_TOKEN=@TOKEN NPM_CONFIG_USERCONFIG=$RC npm publish", is: isFolder, secret: "NPM_CONFIG_TOKEN"},
	{kind: "many", line: "npm publish --workspaces", is: isMany},
}

var npmDry = []string{"npm publish --dry-run", "npm_config_dry_run=true npm publish"}

var pnpmPublishes = []publishing{
	{kind: "plain", line: "pnpm publish --no-git-checks", is: isFolder},
	{kind: "folder", line: "cd .. && pnpm publish ./NAME --no-git-checks", is: isFolder},
	{kind: "tarball", line: "pnpm pack && pnpm publish NAME-1.0.0.tgz --no-git-checks", is: isTarball},
	{kind: "many", line: "pnpm -r publish --no-git-checks", is: isMany},
	{kind: "filter", line: "pnpm --filter '*' publish --no-git-checks", is: isMany},
	{kind: "userconfig", line: "NPM_CONFIG_USERCONFIG=$RC pnpm publish --no-git-checks --registry @REG/", is: toRegistry},
}

var pnpmShort = []publishing{
	{kind: "pn", line: "pn publish --no-git-checks", is: isFolder},
	{kind: "pm", line: "pnpm pm publish --no-git-checks", is: isFolder},
	{kind: "with", line: "pnpm with current publish --no-git-checks", is: isFolder},
	{kind: "stage", line: "pnpm stage publish --no-git-checks", is: isStaged, staged: true},
	{kind: "npmrc-auth-file", line: "pnpm --npmrc-auth-file $RC publish --no-git-checks", is: isFolder},
}

var pnpmDry = []string{"pnpm publish --no-git-checks --dry-run", "pnpm -r publish --no-git-checks --dry-run"}

var yarnPublishes = []publishing{
	{kind: "plain", line: "yarn publish --non-interactive --new-version 1.0.0 --no-git-tag-version", is: isFolder},
	{kind: "folder", line: "cd .. && yarn --emoji false publish ./NAME --non-interactive --new-version 1.0.0 --no-git-tag-version", is: isFolder},
	{kind: "tarball", line: "yarn pack -f x.tgz && yarn publish x.tgz --non-interactive --new-version 1.0.0 --no-git-tag-version", is: isTarball},
}

var berryPublishes = []publishing{
	{kind: "plain", line: "yarn install && yarn npm publish", is: isFolder},
	{kind: "environment", line: "yarn install && YARN_NPM_AUTH_TOKEN=@TOKEN yarn npm publish --access public", is: isFolder, secret: "YARN_NPM_AUTH_TOKEN"},
	{kind: "many", line: "yarn install && yarn workspaces foreach -A --no-private npm publish", is: isMany},
	{kind: "stage", line: "yarn install && yarn npm publish --staged", is: isStaged, staged: true},
}

var bunPublishes = []publishing{
	{kind: "plain", line: "bun publish", is: isFolder},
	{kind: "tarball", line: "bun pm pack && bun publish --access public ./NAME-1.0.0.tgz", is: isTarball},
	{kind: "environment", line: "NPM_CONFIG_TOKEN=@TOKEN bun publish --registry @REG/", is: toRegistry, secret: "NPM_CONFIG_TOKEN"},
	{kind: "flags", line: "bun publish --cpu x64 --tag next", is: isFolder},
}

// loop is a program that publishes what lies in its folder under three names.
const loop = `const fs = require('fs'), {spawnSync} = require('child_process')
for (const i of [1, 2, 3]) {
  fs.writeFileSync('package.json', JSON.stringify({name: process.argv[2] + '-' + i, version: '1.0.0'}))
  spawnSync(process.argv[3], {shell: true, stdio: 'inherit'})
}
`

// TestClientsPublish publishes in every way by hand, which is known as a publish
// and quiet, and then in a loop that makes names.
func TestClientsPublish(t *testing.T) {
	needRoot(t)
	m := prepare(t, options{})
	m.clientsHome()
	rc, err := os.ReadFile(m.path("~/.npmrc"))
	if err != nil {
		t.Fatal(err)
	}
	m.write("~/other.npmrc", string(rc))
	term := m.login()
	m.launch(options{})
	m.ready()
	seen := m.listen()
	m.write("~/loop.js", loop)
	fill := strings.NewReplacer("@TOKEN", m.token, "@HOST", m.registry.Host, "@REG", m.registry.URL, "$RC", m.path("~/other.npmrc"))
	for _, c := range packagers {
		t.Run(c.name, func(t *testing.T) {
			m.t, term.m.t = t, t
			defer func() { m.t = t }()
			if len(c.publish) == 0 {
				t.Skip("it publishes as the one above")
			}
			path := c.path(t)
			// types has a person type a line in a folder.
			types := func(dir, line string) string {
				before := len(term.out.String())
				term.types(fmt.Sprintf("(cd %s && PATH=%s && %s)", quoted(m.path(dir)), quoted(path), line))
				return term.out.String()[before:]
			}
			for _, p := range c.publish {
				if !*long && c.few != "" && !slices.Contains(strings.Fields(c.few), p.kind) {
					continue
				}
				began := time.Now()
				name := strings.ToLower(c.name + "-by-" + p.kind)
				dir := "~/" + name
				m.settles(c, dir)
				published := name
				if p.is(publish.Attempt{Workspaces: true}) {
					published = name + "-a"
					m.write(dir+"/package.json", fmt.Sprintf(`{"name":%q,"version":"1.0.0","private":true,"workspaces":["packages/*"]}`, name))
					m.write(dir+"/pnpm-workspace.yaml", "packages:\n  - packages/*\n")
					for _, which := range []string{"a", "b"} {
						m.write(dir+"/packages/"+which+"/package.json", fmt.Sprintf(`{"name":"%s-%s","version":"1.0.0"}`, name, which))
					}
				} else {
					m.write(dir+"/package.json", fmt.Sprintf(`{"name":%q,"version":"1.0.0"}`, name))
				}
				out := types(dir, fill.Replace(strings.ReplaceAll(p.line, "NAME", name)))
				if !p.staged && !slices.ContainsFunc(m.registry.Published(), func(p registry.Publication) bool { return p.Name == published }) {
					t.Errorf("%s: %s was not published\n%s", p.kind, published, out)
					continue
				}
				m.attempted(seen, c, p, name, fill.Replace(p.secret))
				t.Logf("%s: %.1f s", p.kind, time.Since(began).Seconds())
			}
			for i, line := range c.dry {
				name := fmt.Sprintf("%s-dry-%d", c.name, i)
				m.settles(c, "~/"+name)
				types("~/"+name, fmt.Sprintf("node ~/loop.js %s %s", name, quoted(line)))
				if n := len(seen.attempts(m.path("~/" + name))); n > 0 {
					t.Errorf("%s: %d of them are no dry runs", line, n)
				}
			}
			m.settle()
			for _, f := range m.findingsOf(c.name) {
				t.Errorf("%s: %s", f.Detector, f.Summary)
			}
			// By a program that makes names.
			dir := "~/" + c.name + "-loop"
			m.settles(c, dir)
			m.write(dir+"/package.json", `{"name":"first","version":"1.0.0"}`)
			line := c.publish[0].line // berry's without the install: an attempt that fails is one
			line = line[strings.LastIndex(line, "&")+1:]
			out := types(dir, fmt.Sprintf("node ~/loop.js %s-loop %s", c.name, quoted(line)))
			var found wormbell.Finding
			m.until("the loop to ring\n"+out, 20*time.Second, func() bool {
				for _, f := range m.findingsOf(dir) {
					if f.Detector == "publish-loop" && f.Subject == dir {
						found = f
					}
				}
				return found.Detector != ""
			})
			if found.Severity != wormbell.Critical {
				t.Errorf("%s: %s", found.Severity, found.Summary)
			}
			if n := len(seen.attempts(m.path(dir))); n != 3 {
				t.Errorf("%d attempts are known, not 3", n)
			}
		})
	}
	m.t = t
}

// attempted waits until a publish is known as what it is, once, and fails the test if it is not.
func (m *machine) attempted(seen *starts, c packager, p publishing, name, secret string) {
	m.t.Helper()
	var list []wormbell.Event
	m.until(p.kind+" to be known as a publish", 20*time.Second, func() bool {
		list = seen.where(func(e wormbell.Event) bool {
			_, ok := publish.Parse(e.Process)
			_, above := publish.Parse(e.Process.Parent)
			text := e.Process.Cwd + " " + strings.Join(e.Process.Args, " ")
			return ok && !above && strings.Contains(text, name)
		})
		return len(list) > 0
	})
	for _, e := range list {
		if a, _ := publish.Parse(e.Process); a.DryRun || !p.is(a) || a.Client != c.program() {
			m.t.Errorf("%s: %q is known as %+v", p.kind, e.Process.Args, a)
		}
		if e.Package == nil || e.Package.Name != name {
			m.t.Errorf("%s: the package is %s", p.kind, e.Package)
		}
		if secret != "" && !slices.Contains(e.Process.Secrets, secret) {
			m.t.Errorf("%s: the secrets in the environment are %q, without %s", p.kind, e.Process.Secrets, secret)
		}
	}
	if len(list) != 1 {
		m.t.Errorf("%s counts as %d publishes", p.kind, len(list))
	}
}
