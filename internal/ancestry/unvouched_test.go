package ancestry_test

import (
	"testing"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/scene"
)

// people is how wormbell is called by people, on whatever they have, and by
// what is not vouched for. A wormbell is named by its argument.
const people = `
-- processes --
1 [deb:systemd] cwd=/ uid=0 /usr/lib/systemd/systemd
2 < 1 [deb:systemd] /usr/lib/systemd/systemd --user
3 < 2 [deb:gnome-terminal] /usr/libexec/gnome-terminal-server
4 < 3 [deb:bash] tty=pts/0 leader /bin/bash
5 < 2 [deb:gnome-shell] /usr/bin/gnome-shell
6 < 5 [deb:code] /usr/share/code/code
7 < 6 [deb:zsh] tty=pts/1 leader /bin/zsh -i
8 < 1 [deb:openssh] /usr/sbin/sshd
9 < 8 [deb:bash] tty=pts/2 leader /bin/bash
10 < 1 [deb:cron] /usr/sbin/cron
11 < 5 [] /home/me/.local/kitty.app/bin/kitty
12 < 11 [deb:bash] tty=pts/3 leader /bin/bash
13 < 5 [] /home/me/.local/share/JetBrains/Toolbox/bin/jetbrains-toolbox
14 < 13 [] /home/me/.local/share/JetBrains/Toolbox/apps/webstorm/bin/webstorm
15 < 14 [deb:zsh] tty=pts/4 leader /bin/zsh -i
16 < 2 [] /home/me/.vscode-server/bin/a/node /home/me/.vscode-server/bin/a/out/server-main.js
17 < 16 [deb:bash] tty=pts/5 leader /bin/bash
18 < 4 [deb:tmux] /usr/bin/tmux
19 < 18 [deb:tmux] tty= /usr/bin/tmux
20 < 19 [deb:bash] tty=pts/6 leader /bin/bash
21 < 4 [] /home/me/dropper
22 < 4 [deb:bash] /bin/bash
23 < 1 [deb:bash] tty=tty1 leader /bin/bash
24 < 4 [deb:util-linux] /usr/bin/script -q
25 < 24 [deb:bash] tty=pts/7 leader /bin/bash
26 < 21 [deb:util-linux] /usr/bin/script -q
27 < 26 [deb:bash] tty=pts/8 leader /bin/bash
28 < 4 [root] /opt/wormbell/wormbell-tray

40 < 4 [] /usr/bin/wormbell typed
41 < 22 [] /usr/bin/wormbell nested
42 < 7 [] /usr/bin/wormbell in-code
43 < 6 [] /usr/bin/wormbell code-task
44 < 9 [] /usr/bin/wormbell ssh
45 < 23 [] /usr/bin/wormbell console
46 < 17 [] /usr/bin/wormbell remote-code
47 < 20 [] /usr/bin/wormbell tmux
48 < 25 [] /usr/bin/wormbell script
49 < 12 [] /usr/bin/wormbell kitty
50 < 15 [] /usr/bin/wormbell toolbox
51 < 10 [deb:dash] /bin/sh -c "wormbell tokens"
52 < 51 [] /usr/bin/wormbell cron
53 < 4 [deb:sudo] /usr/bin/sudo wormbell tokens
54 < 53 [] /usr/bin/wormbell sudo
55 < 4 [deb:make] /usr/bin/make tokens
56 < 55 [deb:dash] /bin/sh -c "wormbell tokens"
57 < 56 [] /usr/bin/wormbell make
58 < 2 [] /usr/bin/wormbell unit
59 < 28 [] /usr/bin/wormbell tray

60 < 21 [] /usr/bin/wormbell dropper
61 < 21 [deb:dash] /bin/sh -c "env wormbell tokens"
62 < 61 [] /usr/bin/wormbell by-way-of-sh
63 < 27 [] /usr/bin/wormbell by-way-of-script
64 < 4 [] /usr/bin/python3 /home/me/x.py
65 < 64 [] /usr/bin/wormbell python
66 < 4 [] /bin/bash /home/me/x.sh
67 < 66 [] /usr/bin/wormbell shell-script
68 < 4 [] /bin/bash
69 < 68 [] /usr/bin/wormbell piped
70 < 4 [] /home/me/bash
71 < 70 [] /usr/bin/wormbell copy-of-bash
72 < 4 [] /usr/bin/node -e "x"
73 < 72 [] /usr/bin/wormbell node
74 < 6 [] /usr/bin/node /home/me/app/x.js
75 < 74 [] /usr/bin/wormbell node-in-code
76 < 21 [] /home/me/makepty
77 < 76 [deb:bash] tty=pts/9 leader /bin/bash
78 < 77 [] /usr/bin/wormbell own-terminal
79 < 4 [] /home/me/.local/kitty.app/bin/kitty
80 < 79 [deb:bash] tty=pts/10 leader /bin/bash
81 < 80 [] /usr/bin/wormbell typed-kitty
82 < 2 [] /usr/bin/python3 /home/me/term.py
83 < 82 [deb:bash] tty=pts/11 leader /bin/bash
84 < 83 [] /usr/bin/wormbell python-terminal
85 < 10 [] /home/me/makepty
86 < 85 [deb:bash] tty=pts/12 leader /bin/bash
87 < 86 [] /usr/bin/wormbell cron-terminal
88 < 11 [deb:bash] tty=pts/13 /bin/bash -c "wormbell tokens"
89 < 88 [] /usr/bin/wormbell no-shell-in-kitty
90 < 2 [] /home/me/dropper
91 < 90 [] /usr/bin/wormbell unit-of-a-dropper
92 < 4 [] /home/me/.cargo/bin/zellij
93 < 92 [deb:bash] tty=pts/14 leader /bin/bash
94 < 93 [] /usr/bin/wormbell zellij
`

func TestUnvouched(t *testing.T) {
	s, err := scene.Parse([]byte(people))
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]*wormbell.Process{}
	for _, r := range s.Cast {
		by[r.ID] = r.Process
		if r.Process.Name() == "wormbell" {
			by[r.Process.Args[1]] = r.Process
		}
	}
	for name, want := range map[string]string{
		"typed": "", "nested": "", "in-code": "", "code-task": "", "ssh": "", "console": "", "remote-code": "", "tmux": "", "script": "",
		"kitty": "", "toolbox": "", "cron": "", "sudo": "", "make": "", "unit": "", "tray": "",
		"dropper": "21", "by-way-of-sh": "21", "by-way-of-script": "21", "python": "64", "shell-script": "66", "piped": "68", "copy-of-bash": "70",
		"node": "72", "node-in-code": "74", "own-terminal": "76", "typed-kitty": "79", "python-terminal": "82", "cron-terminal": "85",
		"no-shell-in-kitty": "11", "unit-of-a-dropper": "90", "zellij": "92",
	} {
		p := by[name]
		if p == nil {
			t.Fatalf("%s is not in the cast", name)
		}
		ours := func(a *wormbell.Process) bool { return a == p }
		if got := ancestry.Unvouched(p, ours); got != by[want] {
			t.Errorf("%s: %v, want %v", name, got, by[want])
		}
		if got := ancestry.Unvouched(p, nil); got != p {
			t.Errorf("%s: nobody vouches for it, and it is %v", name, got)
		}
	}
	// Our own programs need no signer, wherever they stand.
	if got := ancestry.Unvouched(by["dropper"], func(a *wormbell.Process) bool { return a == by["dropper"] || a == by["21"] }); got != nil {
		t.Errorf("below one of ours: %v", got)
	}
	if ancestry.Unvouched(nil, nil) != nil {
		t.Error("nobody is below somebody")
	}
}

// TestReplaced: what a process ran before counts as what it runs: a dropper
// need not start wormbell, it can become it, or become the shell above it.
func TestReplaced(t *testing.T) {
	cast := func() (shell, sh, p *wormbell.Process) {
		top := &wormbell.Process{PID: 2, Exe: "/usr/lib/systemd/systemd", Signer: "deb:systemd", Parent: &wormbell.Process{PID: 1}}
		shell = &wormbell.Process{PID: 3, Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true, Parent: top}
		sh = &wormbell.Process{PID: 4, Exe: "/bin/sh", Args: []string{"sh", "-c", "x"}, Signer: "deb:dash", TTY: "/dev/pts/0", Parent: shell}
		return shell, sh, &wormbell.Process{PID: 5, Exe: "/usr/bin/wormbell", Signer: "root", TTY: "/dev/pts/0", Parent: sh}
	}
	if _, _, p := cast(); ancestry.Unvouched(p, nil) != nil {
		t.Error("a person is refused")
	}
	for i := range 3 {
		shell, sh, p := cast()
		was := []*wormbell.Process{p, sh, shell}[i]
		was.Replaced = "/home/me/dropper"
		ours := func(a *wormbell.Process) bool { return a == p }
		if got := ancestry.Unvouched(p, ours); got != was {
			t.Errorf("%v was something else before, and Unvouched says %v", was, got)
		}
		was.Replaced = "/home/me/.local/share/wormbell/shims/npm"
		if got := ancestry.Unvouched(p, ours); got != nil {
			t.Errorf("%v was our shim before, and Unvouched says %v", was, got)
		}
	}
}

// TestUnjudged: what was gone before anybody could check who vouches for it is
// no script to suspect what is below it for, and no person's either.
func TestUnjudged(t *testing.T) {
	shell := &wormbell.Process{PID: 10, Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "pts/0", Leader: true}
	node := &wormbell.Process{PID: 11, Exe: "/usr/bin/node", Args: []string{"node", "x.js"}, Script: "/home/me/x.js", Parent: shell}
	p := &wormbell.Process{PID: 12, Exe: "/usr/bin/cat", Args: []string{"cat"}, Signer: "deb:coreutils", Parent: node}
	if ancestry.UnvouchedScript(p) != node || ancestry.Unvouched(p, nil) != node {
		t.Error("a script that nobody vouches for is not found")
	}
	node.Unjudged = true
	if ancestry.UnvouchedScript(p) != nil || ancestry.Unvouched(p, nil) != node {
		t.Error("what was gone is suspect, or may pass for a person")
	}
	// A terminal in a home is known by what it is: native, started by the desktop.
	desktop := &wormbell.Process{PID: 20, Exe: "/usr/bin/gnome-shell", Args: []string{"x"}, Signer: "deb:gnome-shell"}
	kitty := &wormbell.Process{PID: 21, Exe: "/home/me/kitty", Args: []string{"kitty"}, Parent: desktop}
	bash := &wormbell.Process{PID: 22, Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "pts/1", Leader: true, Parent: kitty}
	if ancestry.Unvouched(bash, nil) != nil {
		t.Error("a terminal in a home is refused")
	}
	kitty.Unjudged = true
	if ancestry.Unvouched(bash, nil) != kitty {
		t.Error("what was gone passes for a terminal")
	}
}
