package watchers

import (
	"testing"

	"wormbell/watchers/internal/procs"
)

// TestReplacedRuntime: of what a process ran before, code of a JavaScript runtime
// counts more than what came before it, and is known as such.
func TestReplacedRuntime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		runs [][]string
		want string
	}{
		"a folder":                {[][]string{{"/usr/bin/node", "."}}, "/usr/bin/node"},
		"code":                    {[][]string{{"/usr/bin/node", "-e", "x"}}, "/usr/bin/node"},
		"TypeScript":              {[][]string{{"/home/u/.bun/bin/bun", "app.ts"}}, "/home/u/p/app.ts"},
		"by a script":             {[][]string{{"/usr/bin/dash", "./start.sh"}, {"/usr/bin/node", "app.js"}}, "/home/u/p/app.js"},
		"by a script, a folder":   {[][]string{{"/usr/bin/dash", "./start.sh"}, {"/usr/bin/node", "server"}}, "/usr/bin/node"},
		"two":                     {[][]string{{"/usr/bin/node", "a.js"}, {"/usr/bin/node", "b.js"}}, "/home/u/p/a.js"},
		"a script alone":          {[][]string{{"/usr/bin/dash", "./start.sh"}}, "/home/u/p/start.sh"},
		"a package's, by no name": {[][]string{{"/usr/bin/node", "/home/u/p/node_modules/.bin/x"}}, "/home/u/p/node_modules/.bin/x"},
		"vouched for":             {[][]string{{"/usr/bin/node", "/usr/bin/npm"}}, ""},
	} {
		m := newFakeMachine(t)
		m.procs[1] = procs.Info{Stat: procs.Stat{Start: 1, Threads: 1, ArgStart: 1}, Exe: "/usr/sbin/init", Args: []string{"init"}, Env: &procs.Env{}}
		m.tab.appeared(1, nil, false)
		m.fork(1, 50)
		for _, argv := range append(tt.runs, []string{"/usr/bin/cat"}) {
			m.exec(50, false, &procs.Env{}, "/home/u/p", argv...)
		}
		if p := m.tab.at(50); p.Replaced != tt.want {
			t.Errorf("%s: replaced %q, want %q", name, p.Replaced, tt.want)
		}
	}
}

// TestSuspectGoneTooFast: what a package manager started, and what was gone before
// its environment could be read, may have been a dependency's script.
func TestSuspectGoneTooFast(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	npm := m.installer("/p")
	m.fork(npm, 200)
	m.exec(200, true, nil, "", "/usr/bin/dash")
	m.fork(npm, 201)
	m.exec(201, false, &procs.Env{}, "/p", "/usr/bin/git", "status")
	m.fork(50, 202)
	m.exec(202, true, nil, "", "/usr/bin/dash")
	for pid, want := range map[int]bool{200: true, 201: false, 202: false} {
		m.tab.at(pid)
		if _, script := m.tab.nodes[pid].run.scriptOf(); script != want {
			t.Errorf("process %d: a script: %v", pid, script)
		}
	}
}

// TestLibraryPath: a folder of the list may be relative, and an empty list has none.
func TestLibraryPath(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"": "", "/a:lib": "/a:/w/lib", "/a:": "/a:/w"} {
		m := newFakeMachine(t)
		m.procs[1] = procs.Info{Stat: procs.Stat{Start: 1, Threads: 1, ArgStart: 1}, Exe: "/usr/sbin/init", Args: []string{"init"}, Env: &procs.Env{}}
		m.tab.appeared(1, nil, false)
		m.fork(1, 50)
		m.exec(50, false, &procs.Env{Around: "HOME=/h\nLD_LIBRARY_PATH=" + value}, "/w", "/usr/bin/nvim")
		l := &Lineage{tab: m.tab}
		if got := l.libraryPath(m.tab.at(50)); got != want {
			t.Errorf("LD_LIBRARY_PATH=%s: %q, want %q", value, got, want)
		}
	}
}
