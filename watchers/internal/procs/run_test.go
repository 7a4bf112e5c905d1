package procs

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	script := func(k Kind, s string) Run { return Run{Kind: k, Script: s} }
	code := func(k Kind) Run { return Run{Kind: k, Code: true} }
	for _, tc := range []struct {
		exe, args string // args are split at "|"
		want      Run
	}{
		{"/usr/bin/cat", "cat|/home/u/.npmrc", Run{}},
		{"/usr/bin/ld.bfd", "ld|-o|x", Run{}},

		{"/usr/bin/node", "node|x.js|-e|y", script(Node, "/w/x.js")},
		{"/usr/bin/node", "/usr/bin/node|/usr/bin/npm|install", script(Node, "/usr/bin/npm")},
		{"/usr/bin/node", "node|../x/./y.js", script(Node, "/x/y.js")},
		{"/usr/bin/nodejs", "nodejs|--max-old-space-size=4096|--no-warnings|x.js", script(Node, "/w/x.js")},
		{"/usr/bin/node", "node|-C|dev|--title|t|--input-type|module|x.js", script(Node, "/w/x.js")},
		{"/usr/bin/node", "node|--|-weird.js", script(Node, "/w/-weird.js")},
		{"/usr/bin/node", "node|--watch|x.js", script(Node, "/w/x.js")},
		{"/usr/bin/node", "node|-r|./hook.js|x.js", Run{Kind: Node, Script: "/w/x.js", Loads: []string{"/w/hook.js"}}},
		{"/usr/bin/node", "node|--require=dotenv/config|x.js", Run{Kind: Node, Script: "/w/x.js", Loads: []string{""}}},
		{"/usr/bin/node", "node|--import|file:///opt/h.mjs|x.js", Run{Kind: Node, Script: "/w/x.js", Loads: []string{"/opt/h.mjs"}}},
		{"/usr/bin/node", "node|--import|data:text/javascript,1|x.js", Run{Kind: Node, Script: "/w/x.js", Loads: []string{""}}},
		{"/usr/bin/node", "node|--experimental_loader|/l.mjs|x.js", Run{Kind: Node, Script: "/w/x.js", Loads: []string{"/l.mjs"}}},
		{"/usr/bin/node", "node|--env-file|.env|x.js", Run{Kind: Node, Script: "/w/x.js", Loads: []string{"/w/.env"}}},
		{"/usr/bin/node", "node|--inspect-brk|/usr/bin/npm|whoami", Run{Kind: Node, Script: "/usr/bin/npm", Void: true}},
		{"/usr/bin/node", "node|--inspect=0.0.0.0:1|x.js", Run{Kind: Node, Script: "/w/x.js", Void: true}},
		{"/usr/bin/node", "node|inspect|x.js", Run{Kind: Node, Code: true, Void: true}},
		{"/usr/bin/node", "node|-e|code|x.js", code(Node)},
		{"/usr/bin/node", "node|--eval=code", code(Node)},
		{"/usr/bin/node", "node|-p|code", code(Node)},
		{"/usr/bin/node", "node|-pe|code", code(Node)},
		{"/usr/bin/node", "node|-", code(Node)},
		{"/usr/bin/node", "node", code(Node)},
		{"/usr/bin/node", "node|--test|x.js", code(Node)},
		{"/usr/bin/node", "node|--run|build", code(Node)},
		{"/usr/bin/node18", "node|x.js", script(Node, "/w/x.js")},
		{"/usr/bin/node_exporter", "node_exporter|x", Run{}},

		{"/b/bun", "bun|x.js", script(Bun, "/w/x.js")},
		{"/b/bun", "bun|run|src/x.ts", script(Bun, "/w/src/x.ts")},
		{"/b/bun", "bun|--cwd|/q|x.ts", script(Bun, "/w/x.ts")},
		{"/b/bun", "bun|install|--frozen-lockfile", Run{Kind: Bun}},
		{"/b/bun", "bun|add|x.js", Run{Kind: Bun}},
		{"/b/bun", "bun|x|cowsay", Run{Kind: Bun}},
		{"/b/bun", "bunx|cowsay", Run{Kind: Bun}},
		{"/b/bunx.exe", "bunx|cowsay", Run{Kind: Bun}},
		{"/b/bunx.exe", "bun|x.js", script(Bun, "/w/x.js")}, // npm gives bun a second name
		{"/b/bunx.exe", "y|-e|code", code(Bun)},
		{"/b/bun", "bun|run|build", code(Bun)},
		{"/b/bun", "bun|evil", code(Bun)},
		{"/b/bun", "bun|-e|code", code(Bun)},
		{"/b/bun", "bun|test", code(Bun)},
		{"/b/bun", "bun", code(Bun)},
		{"/b/bun", "bun|--preload|./p.ts|install", Run{Kind: Bun, Loads: []string{"/w/p.ts"}}},

		{"/b/deno", "deno|run|-A|x.ts", script(Deno, "/w/x.ts")},
		{"/b/deno", "deno|x.ts", script(Deno, "/w/x.ts")},
		{"/b/deno", "deno|run|https://registry.example.com/x.ts", code(Deno)},
		{"/b/deno", "deno|eval|code", code(Deno)},
		{"/b/deno", "deno|install", Run{Kind: Deno}},

		{"/usr/bin/python3.11", "python3|x.py|-c|y", script(Python, "/w/x.py")},
		{"/usr/bin/python3.11", "python3|-Bu|-W|ignore|-Xdev|x.py", script(Python, "/w/x.py")},
		{"/usr/bin/python3.11", "python3|-c|code|x.py", code(Python)},
		{"/usr/bin/python3.11", "python3|-Ic|code", code(Python)},
		{"/usr/bin/python3.11", "python3|-m|http.server", code(Python)},
		{"/usr/bin/python3.11", "python3|-|x", code(Python)},
		{"/usr/bin/python3.11", "python3", code(Python)},
		{"/usr/bin/python3.11-dbg", "python3|x.py", script(Python, "/w/x.py")},
		{"/opt/pypy3", "pypy3|x.py", script(Python, "/w/x.py")},

		{"/usr/bin/perl", "perl|x.pl", script(Perl, "/w/x.pl")},
		{"/usr/bin/perl", "perl|-w|-T|/usr/bin/x", script(Perl, "/usr/bin/x")},
		{"/usr/bin/perl", "perl|-lane|code|f", code(Perl)},
		{"/usr/bin/perl", "perl|-I|/opt/lib|x.pl", Run{Kind: Perl, Script: "/w/x.pl", Loads: []string{"/opt/lib"}}},
		{"/usr/bin/perl", "perl|-MEvil|x.pl", Run{Kind: Perl, Script: "/w/x.pl", Loads: []string{""}}},
		{"/usr/bin/ruby3.1", "ruby|-W0|x.rb", script(Ruby, "/w/x.rb")},
		{"/usr/bin/ruby3.1", "ruby|-e|code", code(Ruby)},
		{"/usr/bin/ruby3.1", "ruby|-revil|x.rb", Run{Kind: Ruby, Script: "/w/x.rb", Loads: []string{""}}},
		{"/usr/bin/php8.2", "php|-f|x.php", script(PHP, "/w/x.php")},
		{"/usr/bin/php8.2", "php|-d|auto_prepend_file=/e|x.php", Run{Kind: PHP, Script: "/w/x.php", Loads: []string{""}}},
		{"/usr/bin/php8.2", "php|-r|code", code(PHP)},
		{"/usr/bin/lua5.4", "lua|x.lua", script(Lua, "/w/x.lua")},
		{"/usr/bin/lua5.4", "lua|-e|code|x.lua", code(Lua)},
		{"/usr/bin/tclsh8.6", "tclsh|x.tcl", script(Tcl, "/w/x.tcl")},
		{"/usr/bin/expect", "expect|-f|x.exp", script(Tcl, "/w/x.exp")},

		{"/usr/bin/dash", "sh|x.sh|-c", script(Shell, "/w/x.sh")},
		{"/usr/bin/dash", "sh|-c|node x.js", code(Shell)},
		{"/usr/bin/bash", "bash|-lc|x", code(Shell)},
		{"/usr/bin/bash", "bash|-eo|pipefail|x.sh", script(Shell, "/w/x.sh")},
		{"/usr/bin/bash", "bash|--rcfile|/x|-i", Run{Kind: Shell, Stdin: true}},
		{"/usr/bin/bash", "-bash", Run{Kind: Shell, Stdin: true}},
		{"/usr/bin/bash", "bash|-s|--|x", Run{Kind: Shell, Stdin: true}},
		{"/usr/bin/bash", "bash|--|x.sh", script(Shell, "/w/x.sh")},
		{"/usr/bin/zsh", "zsh|+o|x|y.zsh", script(Shell, "/w/y.zsh")},
		{"/usr/bin/fish", "fish|--command=x", code(Shell)},
		{"/usr/bin/fish", "fish|/x.fish", script(Shell, "/x.fish")},
		{"/opt/pwsh", "pwsh|-NoProfile|-File|x.ps1", script(Shell, "/w/x.ps1")},
		{"/opt/pwsh", "pwsh|-NoProfile|-Command|x", code(Shell)},
		{"/opt/pwsh", "pwsh|-ExecutionPolicy|Bypass|x.ps1", script(Shell, "/w/x.ps1")},
		{"/bin/busybox", "sh|-c|x", code(Shell)},
		{"/bin/busybox", "busybox|sh|x.sh", script(Shell, "/w/x.sh")},
		{"/bin/busybox", "cat|x", Run{}},

		{"/usr/bin/java", "java|-Xmx1g|-jar|/tmp/x.jar", script(Java, "/tmp/x.jar")},
		{"/usr/bin/java", "java|-cp|/a:/b/*|Main", Run{Kind: Java, Loads: []string{"/a", "/b"}}},
		{"/usr/bin/java", "java|Main", code(Java)},
		{"/usr/bin/java", "java|@file", Run{Kind: Java, Void: true, Code: true}},
		{"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "ld.so|/home/u/evil", code(Loader)},
		{"/usr/bin/qemu-x86_64-static", "qemu|/home/u/evil", code(Loader)},

		{"/usr/bin/node", "", code(Node)}, // argv was not seen
	} {
		var args []string
		if tc.args != "" {
			args = strings.Split(tc.args, "|")
		}
		if d := cmp.Diff(Parse(tc.exe, args, "/w"), tc.want); d != "" {
			t.Errorf("%s: %s (-got +want):\n%s", tc.exe, tc.args, d)
		}
	}
}

func TestParseWithoutCwd(t *testing.T) {
	t.Parallel()
	got := Parse("/usr/bin/node", []string{"node", "x.js"}, "")
	if got.Script != "" || !got.Code {
		t.Errorf("a relative script in an unknown folder: %+v", got)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		value string
		loads []string
		void  bool
	}{
		{"", nil, false},
		{"--max-old-space-size=4096 --no-warnings", nil, false},
		{"--require /h.js", []string{"/h.js"}, false},
		{"-r /h.js --import=./i.mjs", []string{"/h.js", "/w/i.mjs"}, false},
		{`--require "/with space/h.js"`, []string{"/with space/h.js"}, false},
		{`--require "/with \"quote\"/h.js"`, []string{`/with "quote"/h.js`}, false},
		{"--require ts-node/register", []string{""}, false},
		{"--inspect-publish-uid=http --inspect", nil, true},
		{"--require", []string{""}, false},
	} {
		loads, void := Options(tc.value, "/w")
		if d := cmp.Diff(loads, tc.loads); d != "" || void != tc.void {
			t.Errorf("%s: void %v, loads (-got +want):\n%s", tc.value, void, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("node", "-r\x00./x\x00y.js", "/w")
	f.Add("bash", "-eo\x00pipefail\x00x", "/w")
	f.Add("perl", "-lane\x00x", "/")
	f.Add("java", "-cp\x00a:b\x00Main", "/")
	f.Add("pwsh", "-f\x00x", "")
	f.Fuzz(func(t *testing.T, exe, args, cwd string) {
		if cwd != "" {
			cwd = path.Join("/", cwd)
		}
		r := Parse("/usr/bin/"+exe, append([]string{exe}, strings.Split(args, "\x00")...), cwd)
		if r.Script != "" && (!path.IsAbs(r.Script) || path.Clean(r.Script) != r.Script) {
			t.Errorf("script %q is not clean", r.Script)
		}
		for _, l := range r.Loads {
			if l != "" && (!path.IsAbs(l) || path.Clean(l) != l) {
				t.Errorf("load %q is not clean", l)
			}
		}
		if r.Kind == "" && (r.Script != "" || r.Code) {
			t.Errorf("no interpreter, and yet %+v", r)
		}
	})
}
