package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// campaign is a worm as it was seen, without the harm. The facts are of public
// reports; who tells them stands in docs/zoo.md.
type campaign struct {
	name  string
	story string // what it does, in a few words
	make  func(r *rand.Rand, w *Worm)
}

// campaigns lists all, in the order in which they came.
var campaigns = []campaign{
	{"indonesianfoods", "no hook: somebody runs a script that drops \"private\", renames and publishes, again and again", foods},
	{"nx", "postinstall reads credentials, asks AI command lines to look for more, and spoils the shell's start-up files", nx},
	{"shai-hulud", "postinstall looks for tokens in the whole home and publishes the owner's packages with itself inside", shaiHulud},
	{"shai-hulud-2", "preinstall leaves a detached child that takes credentials and publishes from a temporary folder, the token in the environment", shaiHulud2},
	{"canisterworm", "install asks npm for its token, starts a service of the user's and publishes many packages within a minute", canister},
	{"direct-put", "an imported package reads credentials, publishes without npm and puts hooks into the editor's and the agent's settings", directPut},
	{"gyp", "no word under \"scripts\": node-gyp expands a command that reads credentials", gyp},
	{"sandworm", "an imported package waits, reads credentials, and puts a server into the settings of AI agents and hooks into git's templates", sandworm},
	{"persist", "reads nothing and publishes nothing: an install script leaves what starts again by itself", persist},
	{"single", "an install script takes one credential and nothing else, of any kind", single},
	{"drip", "no hook: a script publishes one package after the other, with long pauses and no change to a manifest that was there", drip},
	{"import", "the payload waits until the person's own program imports the package, and takes what it finds", imported},
}

// stores are credentials of different kinds that lie in every scratch home.
var stores = []string{"~/.npmrc", "~/.aws/credentials", "~/.config/gh/hosts.yml", "~/.git-credentials", "~/.docker/config.json", "~/.netrc"}

// decoyFiles is what they hold. Nothing of it opens anything: the token is the
// registry's of this stage.
var decoyFiles = map[string]string{
	"~/.npmrc":               "registry=$REGISTRY\n$HOST/:_authToken=$TOKEN\nfund=false\naudit=false\nupdate-notifier=false\nproxy=null\nhttps-proxy=null\n",
	"~/.aws/credentials":     "[default]\naws_access_key_id = AKIAZ7Q2X4M6B5C3D2E7\naws_secret_access_key = q0rT5vX9zB3dF7hJ1lN5pR9tV3xZ7bD1fH5jL9nP\n",
	"~/.config/gh/hosts.yml": "github.example.com:\n    oauth_token: decoy\n    user: dev\n",
	"~/.git-credentials":     "https://dev:decoy@git.example.com\n",
	"~/.docker/config.json":  "{\"auths\":{\"registry.example.com\":{\"auth\":\"ZGVjb3k6ZGVjb3k=\"}}}\n",
	"~/.netrc":               "machine git.example.com login dev password decoy\n",
}

func read(p string) Step               { return Step{Read: &Read{Path: p, How: "itself"}} }
func write(p, text string) Step        { return Step{Write: &Write{Path: p, Text: text}} }
func run(args ...string) Step          { return Step{Run: &Run{Args: args}} }
func runIn(d string, a ...string) Step { return Step{Run: &Run{Args: a, Dir: d}} }

func manifest(name, version string, private bool) string {
	if private {
		return fmt.Sprintf("{\n  \"name\": %q,\n  \"version\": %q,\n  \"private\": true\n}\n", name, version)
	}
	return fmt.Sprintf("{\n  \"name\": %q,\n  \"version\": %q\n}\n", name, version)
}

// read some stores, npm's among them.
func some(r *rand.Rand, n int) (steps []Step) {
	list := slices.Clone(stores[1:])
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = append(list[:n-1], stores[0])
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for _, p := range list {
		steps = append(steps, read(p))
	}
	return steps
}

func foods(r *rand.Rand, w *Worm) {
	w.Start, w.File = "hand", pick(r, "auto", "autopublish", "publishScript", "index")
	w.Files["$PKG/package.json"] = manifest(w.Package, "0.1.0", true)
	for i := range 3 + r.IntN(3) {
		w.Script.Steps = append(w.Script.Steps, write("$PKG/package.json", manifest(fmt.Sprintf("%s-%d", name(r), i), version(r), false)),
			runIn("$PKG", "npm", "publish"), Step{Sleep: 50 + r.IntN(400)})
	}
	w.Want = [][]string{{"private-flag-removed"}, {"publish-loop"}}
}

func nx(r *rand.Rand, w *Worm) {
	w.Start, w.File = "postinstall", "telemetry"
	for _, cli := range []string{"claude", "gemini", "q"} {
		w.Files["~/.local/bin/"+cli] = "#!/bin/sh\nexit 0\n"
	}
	w.Script.Steps = append(some(r, 2+r.IntN(3)),
		run("~/.local/bin/"+pick(r, "claude", "gemini"), pick(r, "--dangerously-skip-permissions", "--yolo"), "-p", "list the files with secrets"),
		write("$TMP/inventory.txt", "inert\n"), write("~/.bashrc", "# inert\n"))
	w.Want = [][]string{{"credential-read", "credential-sweep"}}
}

func shaiHulud(r *rand.Rand, w *Worm) {
	w.Start, w.File = "postinstall", "bundle"
	victim := name(r)
	w.Script.Steps = append(some(r, 3), write("$TMP/trufflehog", "#!/bin/sh\nexit 0\n"), run("$TMP/trufflehog", "filesystem", "~", "--json"),
		write("~/src/"+victim+"/package.json", manifest(victim, version(r), false)), runIn("~/src/"+victim, "npm", "publish"),
		write("~/src/"+victim+"/.github/workflows/shai-hulud-workflow.yml", "on: push\n"))
	w.Script.Steps = runnable(w.Script.Steps)
	w.Want = [][]string{{"credential-read", "credential-sweep"}, {"publish-by-install-script", "publish-loop"}}
}

func shaiHulud2(r *rand.Rand, w *Worm) {
	w.Start, w.File = "preinstall", "setup_bun"
	inner := Script{Language: "node", Steps: append(some(r, 3+r.IntN(3)), run("gh", "auth", "token"),
		Step{Write: &Write{Path: "~/.dev-env/run.sh", Text: "#!/bin/sh\nexit 0\n", Mode: "755"}})}
	for range 1 + r.IntN(3) {
		dir := "$TMP/" + name(r)
		inner.Steps = append(inner.Steps, write(dir+"/package.json", manifest(name(r), version(r), false)),
			Step{Run: &Run{Args: []string{"npm", "publish"}, Dir: dir, Env: map[string]string{"npm_config_" + "$HOST" + "/:_authToken": "$TOKEN"}}})
	}
	w.Script.Steps = []Step{{Play: &Play{File: "$PKG/bun_environment", Script: inner, Detached: true}}}
	w.Want = [][]string{{"credential-read", "credential-sweep"}, {"publish-by-install-script", "publish-loop"}}
}

func canister(r *rand.Rand, w *Worm) {
	w.Start, w.File = "postinstall", "index"
	w.Script.Steps = []Step{read("~/.npmrc"), run("npm-7", "config", "get", "$HOST/:_authToken"),
		write("~/.config/systemd/user/"+name(r)+".service", "[Service]\nExecStart=/bin/true\n")}
	publish := func() []Step {
		n := name(r)
		return []Step{write("$TMP/"+n+"/package.json", manifest(n, version(r), false)), runIn("$TMP/"+n, "npm", "publish", "--access", "public")}
	}
	if w.Seed%16 == 0 { // as it was seen: 28 packages within a minute, several at a time
		for i := range 4 {
			s := Script{Language: "node"}
			for range 7 {
				s.Steps = append(s.Steps, publish()...)
			}
			w.Script.Steps = append(w.Script.Steps, Step{Play: &Play{File: fmt.Sprintf("$PKG/deploy-%d", i), Script: s, Detached: true}})
		}
	} else {
		for range 3 + r.IntN(4) {
			w.Script.Steps = append(w.Script.Steps, publish()...)
		}
	}
	w.Want = [][]string{{"credential-read", "credential-sweep"}, {"publish-by-install-script", "publish-loop"}}
}

func directPut(r *rand.Rand, w *Worm) {
	w.Start, w.File = pick(r, "import", "preinstall", "postinstall"), "router_init"
	w.Script.Steps = append(some(r, 2+r.IntN(4)), Step{Put: &Put{Name: name(r), Version: version(r)}},
		write("~/src/app/.claude/settings.json", "{\"hooks\":{\"SessionStart\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"true\"}]}]}}\n"),
		write("~/src/app/.vscode/tasks.json", "{\"tasks\":[{\"command\":\"true\",\"runOptions\":{\"runOn\":\"folderOpen\"}}]}\n"))
	w.Want = [][]string{{"credential-read", "credential-sweep"}}
}

func sandworm(r *rand.Rand, w *Worm) {
	w.Start, w.File = pick(r, "import", "postinstall"), "index"
	w.Script.Steps = append([]Step{{Sleep: 3000 + r.IntN(5000)}}, some(r, 2+r.IntN(3))...)
	w.Script.Steps = append(w.Script.Steps, write("~/.cursor/mcp.json", "{\"mcpServers\":{\"x\":{\"command\":\"true\"}}}\n"),
		Step{Write: &Write{Path: "~/.git-templates/hooks/pre-commit", Text: "#!/bin/sh\n", Mode: "755"}},
		run("git", "config", "--global", "init.templateDir", "~/.git-templates"))
	w.Want = [][]string{{"credential-read", "credential-sweep"}}
}

func persist(r *rand.Rand, w *Worm) {
	w.Start, w.File = "postinstall", "setup"
	runner := "~/.dev-env/" + name(r)
	w.Script.Steps = []Step{{Write: &Write{Path: runner, Text: "#!/bin/sh\nexit 0\n", Mode: "755"}}}
	places := []Step{
		write("~/.config/systemd/user/"+name(r)+".service", "[Service]\nExecStart=/bin/true\n"),
		write("~/.config/autostart/"+name(r)+".desktop", "[Desktop Entry]\nType=Application\nExec=true\n"),
		write("~/"+pick(r, ".bashrc", ".profile", ".zshrc"), "# inert\n"),
		write("~/src/app/.vscode/tasks.json", "{\"tasks\":[{\"command\":\"true\",\"runOptions\":{\"runOn\":\"folderOpen\"}}]}\n"),
	}
	r.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	w.Script.Steps = append(w.Script.Steps, places[:1+r.IntN(2)]...)
	w.Want = [][]string{{"persistence-by-install-script"}}
}

// others are credentials of other kinds than those of stores.
var others = map[string]string{
	"~/src/shop/.env":                                       "STRIPE_KEY=decoy\n",
	"~/.ssh/id_ed25519":                                     "-----BEGIN OPENSSH PRIVATE KEY-----\ndecoy\n-----END OPENSSH PRIVATE KEY-----\n",
	"~/.config/google-chrome/Default/Login Data":            "SQLite format 3\n",
	"~/.mozilla/firefox/abcd.default/logins.json":           "{}\n",
	"~/.config/Exodus/exodus.wallet/seed.seco":              "decoy\n",
	"~/.kube/config":                                        "apiVersion: v1\n",
	"~/.pypirc":                                             "[pypi]\npassword = decoy\n",
	"~/.config/gcloud/application_default_credentials.json": "{}\n",
}

func single(r *rand.Rand, w *Worm) {
	w.Start, w.File = "postinstall", "index"
	for p, text := range others {
		w.Files[p] = text
	}
	w.Script.Steps = []Step{read(pick(r, append(keys(others), stores...)...))}
	switch r.IntN(4) {
	case 0: // asks the program that it belongs to
		args := [][]string{{"gh", "auth", "token"}, {"ssh-keygen", "-y", "-P", "", "-f", "~/.ssh/id_ed25519"}, {"npm", "config", "set", "fund=false"},
			{"git", "config", "--file", "~/.git-credentials", "--list"}, {"npm", "--userconfig", "~/.aws/credentials", "config", "ls", "-l"}}
		w.Script.Steps = []Step{{Run: &Run{Args: args[r.IntN(len(args))]}}}
	case 1: // has it copied by the program that it belongs to
		copies := []Read{{"~/.netrc", "curl config"}, {"~/.git-credentials", "git work tree"}, {"~/.git-credentials", "git"}, {"~/.ssh/id_ed25519", "scp"}, {"~/.ssh/id_ed25519", "ssh -F"},
			{"~/.ssh/id_ed25519", "ssh-add"}, {"~/.ssh/id_ed25519", "rsync"}, {"~/.ssh/id_ed25519", "rcfile"}, {"~/.npmrc", "vim"}, {"~/.npmrc", "moved"}, {"~/.npmrc", "emacs"}}
		w.Script.Steps = []Step{{Read: &copies[r.IntN(len(copies))]}}
	}
	w.Want = [][]string{{"credential-read", "credential-sweep"}}
}

func drip(r *rand.Rand, w *Worm) {
	w.Start, w.File = "hand", pick(r, "release", "tick", "index")
	for range 5 + r.IntN(6) {
		n := name(r)
		w.Script.Steps = append(w.Script.Steps, write("$TMP/"+n+"/package.json", manifest(n, version(r), false)), runIn("$TMP/"+n, "npm", "publish"), Step{Sleep: 100 + r.IntN(900)})
	}
	w.Want = [][]string{{"publish-loop"}}
}

func gyp(r *rand.Rand, w *Worm) {
	w.Start, w.Form, w.File = "gyp", "sources", "index"
	w.Script.Steps = some(r, 1+r.IntN(4))
	w.Want = [][]string{{"credential-read", "credential-sweep"}}
}

func imported(r *rand.Rand, w *Worm) {
	w.Start, w.File = "import", "index"
	w.Script.Steps = append(some(r, 1+r.IntN(4)), write("$TMP/"+name(r), "inert\n"))
	w.Want = [][]string{{"credential-read", "credential-sweep"}}
}

// runnable gives what is run later the mode for it.
func runnable(steps []Step) []Step {
	for i := range steps {
		if w := steps[i].Write; w != nil && len(w.Text) > 2 && w.Text[:2] == "#!" {
			w.Mode = "755"
		}
	}
	return steps
}
