package ancestry_test

import (
	"fmt"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/scene"
)

// family is one machine: what a person does in a terminal, in an IDE and over
// ssh, and what worms do to look the same.
const family = `
-- processes --
1 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
2 < 1 [deb:systemd] uid=1000 /usr/lib/systemd/systemd --user
3 < 2 [deb:gnome-terminal] /usr/libexec/gnome-terminal-server
4 < 3 [deb:bash] cwd=~ tty=pts/0 leader /bin/bash
5 < 2 [deb:code] /usr/share/code/code
6 < 5 [deb:zsh] cwd=~ tty=pts/1 leader /bin/zsh -i
7 < 5 [deb:bash] cwd=~ tty=pts/2 leader /bin/bash -c "npm run build"
8 < 1 [deb:openssh] /usr/sbin/sshd
9 < 8 [deb:bash] cwd=~ tty=pts/3 leader /bin/bash -o vi

20 < 4 [deb:coreutils] /usr/bin/cat x
21 < 4 [deb:coreutils] bg /usr/bin/cat x
22 < 4 [deb:git] /usr/bin/git commit
23 < 22 [deb:vim] /usr/bin/vim COMMIT_EDITMSG
24 < 4 [] /usr/bin/node auto.js
25 < 24 [deb:npm] /usr/bin/node /usr/bin/npm publish
26 < 4 [deb:npm] /usr/bin/node /usr/bin/npm run x
27 < 26 [deb:dash] /bin/sh -c "npm pkg delete private"
28 < 27 [deb:npm] /usr/bin/node /usr/bin/npm pkg delete private
29 < 6 [deb:git] /usr/bin/git status
30 < 7 [deb:npm] /usr/bin/node /usr/bin/npm run build
31 < 9 [deb:git] /usr/bin/git status
32 < 4 [deb:bash] /bin/bash
33 < 32 [deb:coreutils] /usr/bin/cat x

40 < 4 [deb:npm] /usr/bin/node /usr/bin/npm i
41 < 40 [deb:dash] pkg=evil@1.0.0:postinstall /bin/sh -c "bash"
42 < 41 [deb:bash] tty=pts/9 leader /bin/bash
43 < 42 [deb:coreutils] /usr/bin/cat x
44 < 42 [deb:npm] pkg=inner@1.0.0:install /usr/bin/node /usr/bin/npm i

50 < 24 [deb:util-linux] /usr/bin/script -qc bash /dev/null
51 < 50 [deb:bash] tty=pts/8 leader /bin/bash
52 < 51 [deb:coreutils] /usr/bin/cat x
53 < 24 [deb:xterm] /usr/bin/xterm -e cat x
54 < 53 [deb:coreutils] tty=pts/7 fg /usr/bin/cat x
55 < 24 [] /home/me/bin/bash
56 < 55 [deb:coreutils] /usr/bin/cat x
57 < 24 [deb:bash] tty=pts/6 leader /bin/bash -o vi -c "cat x"
58 < 57 [deb:coreutils] /usr/bin/cat x
59 < 24 [] /home/me/bin/tmux
60 < 59 [deb:coreutils] /usr/bin/cat x
61 < 4 [deb:tmux] /usr/bin/tmux
62 < 61 [deb:tmux] tty= /usr/bin/tmux
63 < 62 [deb:bash] tty=pts/5 leader /bin/bash
64 < 63 [deb:coreutils] /usr/bin/cat x
65 < 24 [deb:tmux] tty= /usr/bin/tmux new -d
66 < 65 [deb:bash] tty=pts/10 leader /bin/bash
67 < 66 [deb:coreutils] /usr/bin/cat x
70 < 2 [] /home/me/.vscode-server/bin/a/node /home/me/.vscode-server/bin/a/out/server-main.js
71 < 70 [deb:bash] tty=pts/11 leader /bin/bash
72 < 71 [deb:coreutils] /usr/bin/cat x
73 < 2 [] /home/me/.vscode-server/bin/a/node /home/me/evil.js
74 < 24 [deb:bash] tty=pts/12 leader /bin/bash
75 < 74 [deb:coreutils] /usr/bin/cat x
76 < 24 [] /home/me/makepty
77 < 76 [deb:bash] tty=pts/13 leader /bin/bash
78 < 77 [deb:coreutils] /usr/bin/cat x
79 < 4 [] /home/me/.cargo/bin/zellij
80 < 79 [deb:bash] tty=pts/14 leader /bin/bash
81 < 80 [deb:coreutils] /usr/bin/cat x
82 < 24 [deb:tini] /usr/bin/tini -- cat x
83 < 82 [deb:coreutils] /usr/bin/cat x
84 < 24 [deb:systemd] /usr/lib/systemd/systemd --user
85 < 84 [deb:coreutils] /usr/bin/cat x
86 < 2 [deb:coreutils] /usr/bin/cat x
`

func cast(t *testing.T) map[string]*wormbell.Process {
	t.Helper()
	s, err := scene.Parse([]byte(family))
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*wormbell.Process{}
	for _, r := range s.Cast {
		byID[r.ID] = r.Process
	}
	return byID
}

func TestFamily(t *testing.T) {
	all := cast(t)
	pid := func(p *wormbell.Process) string {
		if p == nil {
			return "-"
		}
		return fmt.Sprint(p.PID)
	}
	check := func(name string, is func(*wormbell.Process) bool, want string) {
		for id, p := range all {
			in := false
			for _, w := range strings.Fields(want) {
				in = in || w == id
			}
			if is(p) != in {
				t.Errorf("%s(%s %s) = %v", name, id, p.Name(), !in)
			}
		}
	}
	check("Interactive", ancestry.Interactive, "4 6 9 42 51 63 66 71 74 77 80")
	check("Person", func(p *wormbell.Process) bool { return ancestry.Person(p, nil) },
		"20 22 24 26 29 31 32 40 61 64 72 79 81")
	check("UnderPerson", func(p *wormbell.Process) bool { return ancestry.UnderPerson(p, nil) },
		"20 22 23 26 29 31 32 33 40 61 64 72 62 63 81")
	check("Installer", ancestry.Installer, "25 26 28 30 40 44")
	check("UnvouchedScript", func(p *wormbell.Process) bool { return ancestry.UnvouchedScript(p) != nil },
		"24 25 50 51 52 53 54 55 56 57 58 59 60 65 66 67 73 74 75 76 77 78 82 83 84 85")
	check("Boundary", ancestry.Boundary, "1 2 3 4 5 6 8 9 42 51 53 61 62 63 65 66 70 71 74 77 80 82 84")
	for id, want := range map[string]string{"20": "20", "23": "22", "25": "24", "28": "26", "30": "7", "41": "41", "43": "41", "44": "41", "56": "24", "60": "24", "64": "64", "4": "4", "73": "73"} {
		if got := pid(ancestry.Root(all[id])); got != want {
			t.Errorf("Root(%s) = %s, want %s", id, got, want)
		}
	}
	for id, want := range map[string]string{"20": "-", "41": "41", "43": "41", "44": "41"} {
		if got := pid(ancestry.Dependency(all[id])); got != want {
			t.Errorf("Dependency(%s) = %s, want %s", id, got, want)
		}
	}
	for id, want := range map[string]string{"25": "24", "20": "20", "28": "26", "43": "40", "67": "24", "73": "-"} {
		if got := pid(ancestry.PersonAbove(all[id])); got != want {
			t.Errorf("PersonAbove(%s) = %s, want %s", id, got, want)
		}
	}
	for id, want := range map[string]string{"43": "40", "28": "26", "26": "-", "25": "-"} {
		if got := pid(ancestry.BelowInstaller(all[id])); got != want {
			t.Errorf("BelowInstaller(%s) = %s, want %s", id, got, want)
		}
	}
}

func TestNobody(t *testing.T) {
	if ancestry.Person(nil, nil) || ancestry.UnderPerson(nil, nil) || ancestry.PersonAbove(nil) != nil || ancestry.Installer(nil) || ancestry.NamedInstaller(nil) ||
		ancestry.Root(nil) != nil || ancestry.Dependency(nil) != nil || ancestry.UnvouchedScript(nil) != nil || ancestry.Interactive(nil) || ancestry.Shell(nil) ||
		ancestry.JavaScript(nil) || ancestry.Interpreter(nil) || ancestry.LoadsCode(nil) || !ancestry.Boundary(nil) {
		t.Error("nobody is somebody")
	}
}

// TestDeep: nesting processes until the chain is cut off hides nothing.
func TestDeep(t *testing.T) {
	p := &wormbell.Process{PID: 5000, Exe: "/usr/bin/node", Script: "/home/me/evil.js"}
	for i := range 200 {
		p = &wormbell.Process{PID: 5001 + i, Exe: "/bin/sh", Signer: "deb:dash", Parent: p}
	}
	if ancestry.UnvouchedScript(p) == nil {
		t.Error("the script on top is not suspected")
	}
}

func TestInstaller(t *testing.T) {
	for _, test := range []struct {
		line   string
		signer string
		named  bool
		want   bool
	}{
		{"/usr/bin/node /usr/bin/npm install", "deb:npm", true, true},
		{"/usr/bin/node /usr/bin/npm install", "", true, false},
		{"/usr/bin/node --require /tmp/x.js /usr/bin/npm install", "deb:npm", true, false},
		{"/usr/bin/node --import=/tmp/x.mjs /usr/bin/npm install", "deb:npm", true, false},
		{"/usr/bin/node --inspect=1 /usr/bin/npm install", "deb:npm", true, false},
		{"/usr/bin/node /usr/bin/npm --require install", "deb:npm", true, true},
		{"/usr/bin/node --title npm install.js", "deb:npm", false, false},
		{"/usr/bin/node -e npm", "deb:nodejs", false, false},
		{"/usr/bin/node install.js npm", "deb:x", false, false},
		{"/usr/bin/node /usr/bin/npx x", "deb:npm", true, true},
		{"/usr/bin/node /usr/bin/corepack yarn install", "deb:nodejs", true, true},
		{"/usr/bin/node /usr/bin/corepack enable", "deb:nodejs", false, false},
		{"/usr/bin/pnpm install", "root", true, true},
		{"/home/me/.bun/bin/bun install", "first-use:~/.bun", true, true},
		{"/home/me/.bun/bin/bun --cwd x add y", "first-use:~/.bun", true, true},
		{"/home/me/.bun/bin/bun ./install", "first-use:~/.bun", false, false},
		{"/home/me/.bun/bin/bun run steal", "first-use:~/.bun", false, false},
		{"/home/me/.bun/bin/bun -e install", "first-use:~/.bun", false, false},
		{"/usr/lib/node_modules/pnpm/pn install", "root", true, true},
		{"/usr/lib/node_modules/pnpm/pnx x", "root", true, true},
		{"/usr/bin/node /usr/bin/pn install", "root", true, true},
		{"/bin/sh -c npm", "deb:dash", false, false},
		{"/usr/bin/cat npm", "deb:coreutils", false, false},
	} {
		args := strings.Fields(test.line)
		p := &wormbell.Process{PID: 5, Exe: args[0], Args: args, Signer: test.signer}
		if got := ancestry.NamedInstaller(p); got != test.named {
			t.Errorf("NamedInstaller(%s) = %v", test.line, got)
		}
		if got := ancestry.Installer(p); got != test.want {
			t.Errorf("Installer(%s by %q) = %v", test.line, test.signer, got)
		}
	}
	for argv0, want := range map[string]bool{"bunx": true, "bun": false, "x": false} {
		p := &wormbell.Process{PID: 5, Exe: "/usr/lib/node_modules/bun/bin/bunx.exe", Args: []string{argv0, "./steal.js"}, Script: "/home/me/steal.js", Signer: "root"}
		if argv0 == "bunx" {
			p.Script = ""
		}
		if got := ancestry.NamedInstaller(p); got != want {
			t.Errorf("bunx that is called %s: %v", argv0, got)
		}
		if got := ancestry.JavaScript(p); got == want {
			t.Errorf("bunx that is called %s is a runtime: %v", argv0, got)
		}
	}
	release := &wormbell.Process{PID: 6, Exe: "/usr/bin/node", Script: "/home/me/app/.yarn/releases/yarn-4.18.1.cjs", Args: []string{"node", "/home/me/app/.yarn/releases/yarn-4.18.1.cjs", "install"}}
	if ancestry.Installer(release) {
		t.Error("a release that nobody vouches for is no installer by itself")
	}
	release.Parent = &wormbell.Process{PID: 5, Exe: "/usr/bin/node", Script: "/usr/bin/yarn", Args: []string{"node", "/usr/bin/yarn", "install"}, Signer: "deb:yarn"}
	if !ancestry.Installer(release) {
		t.Error("the release that a vouched yarn starts is one")
	}
}
