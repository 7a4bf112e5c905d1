package procs

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// Run is what a command line makes a program do, as far as the command line
// alone can say.
type Run struct {
	Kind   Kind
	Script string   // the file an interpreter runs, absolute, cleaned, symlinks not resolved; "" for none
	Code   bool     // it runs code that is in no file we know: -e, -c, -m, a REPL, standard input
	Stdin  bool     // a shell that reads its commands from standard input
	Void   bool     // a flag lets somebody else's code in: --inspect, a snapshot, an agent
	Loads  []string // files that flags load as code, absolute; "" for one that is not a path
}

// Kind is a family of interpreters.
type Kind string

// The kinds of interpreters; "" is a program that runs itself.
const (
	Shell  Kind = "shell"
	Node   Kind = "node"
	Bun    Kind = "bun"
	Deno   Kind = "deno"
	Python Kind = "python"
	Perl   Kind = "perl"
	Ruby   Kind = "ruby"
	PHP    Kind = "php"
	Lua    Kind = "lua"
	Tcl    Kind = "tcl"
	Java   Kind = "java"
	Loader Kind = "loader" // ld.so, qemu: runs any program it is told to
)

// versioned are interpreters whose names go on: python3.11,
// perl5.36-x86_64-linux-gnu, php8.2-cgi, tclsh8.6.
var versioned = []struct {
	prefix string
	kind   Kind
}{{"python", Python}, {"pypy", Python}, {"perl", Perl}, {"ruby", Ruby}, {"jruby", Ruby}, {"truffleruby", Ruby},
	{"php", PHP}, {"lua", Lua}, {"tclsh", Tcl}, {"wish", Tcl}, {"expect", Tcl}}

// kindOf names the family by the name of the program.
func kindOf(exe string, args []string) Kind {
	name := strings.TrimSuffix(path.Base(exe), ".exe")
	if name == "busybox" && len(args) > 0 {
		name = path.Base(args[0])
		if name == "busybox" && len(args) > 1 {
			name = args[1]
		}
	}
	switch name {
	case "sh", "bash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "lksh", "rbash", "fish", "tcsh", "csh", "bsd-csh", "yash", "nu", "elvish", "xonsh", "pwsh", "powershell":
		return Shell
	case "node", "nodejs", "electron":
		return Node
	case "bun", "bun-profile", "bunx": // the same program: what it is called says what it does
		return Bun
	case "deno":
		return Deno
	case "java":
		return Java
	}
	for _, v := range versioned {
		if strings.HasPrefix(name, v.prefix) {
			return v.kind
		}
	}
	if rest, ok := strings.CutPrefix(name, "node"); ok && strings.Trim(rest, "0123456789.-") == "" {
		return Node
	}
	if strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld-musl") || strings.HasPrefix(name, "ld-2.") || name == "ld.so" || strings.HasPrefix(name, "ld64.so") ||
		strings.HasPrefix(name, "qemu-") && !strings.HasPrefix(name, "qemu-system-") {
		return Loader
	}
	return ""
}

// Parse says what exe does when it is executed with args in cwd. It looks at
// nothing but its arguments. Of two readings it takes the one that trusts less.
func Parse(exe string, args []string, cwd string) Run {
	r := Run{Kind: kindOf(exe, args)}
	p := parser{Run: &r, cwd: cwd}
	if len(args) > 0 {
		p.rest = args[1:]
		if path.Base(exe) == "busybox" && path.Base(args[0]) == "busybox" && len(p.rest) > 0 {
			p.rest = p.rest[1:]
		}
	}
	switch r.Kind {
	case "":
	case Shell:
		if name := strings.TrimSuffix(path.Base(exe), ".exe"); name == "pwsh" || name == "powershell" {
			p.powershell()
		} else {
			p.shell()
		}
	case Node:
		p.node()
	case Bun:
		p.bun(len(args) > 0 && path.Base(args[0]) == "bunx")
	case Deno:
		p.deno()
	case Python:
		p.short(shortFlags{code: "cm", value: "WXQ", long: []string{"--check-hash-based-pycs"}})
	case Perl:
		p.short(shortFlags{code: "eE", value: "I", rest: "ixFmM", load: "mMI"})
	case Ruby:
		p.short(shortFlags{code: "e", value: "rIEC", rest: "FKTWix", load: "rI", void: "CS",
			long: []string{"--encoding", "--external-encoding", "--internal-encoding", "--enable", "--disable"}})
	case PHP:
		p.short(shortFlags{code: "rBREaS", value: "cdztgF", load: "dzc", script: "fF",
			long: []string{"--php-ini", "--define", "--docroot"}})
	case Lua:
		p.short(shortFlags{code: "ei", value: "l", load: "l"})
	case Tcl:
		p.short(shortFlags{code: "ci", value: "d", script: "fb", long: []string{"-encoding"}})
	case Java:
		p.java()
	case Loader:
		r.Code = true
	}
	switch r.Kind {
	case "", Shell, Bun, Deno, Java: // have said it themselves
	default:
		r.Code = r.Code || r.Script == "" // a REPL, or standard input
	}
	if len(args) == 0 {
		r.Code = r.Kind != "" // we could not see what it was told
	}
	return r
}

// parser goes through the arguments behind a program's name.
type parser struct {
	*Run
	cwd  string
	rest []string
}

func (p *parser) next() string {
	if len(p.rest) == 0 {
		return ""
	}
	a := p.rest[0]
	p.rest = p.rest[1:]
	return a
}

// script notes the file that is run.
func (p *parser) script(name string) {
	switch {
	case name == "" || strings.Contains(name, "://"):
		p.Code = true
	case path.IsAbs(name):
		p.Script = path.Clean(name)
	case p.cwd == "":
		p.Code = true // we could not see where it is
	default:
		p.Script = path.Join(p.cwd, name)
	}
}

// load notes a file that a flag loads as code.
func (p *parser) load(name string) {
	if u, err := url.Parse(name); err == nil && u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") {
		name = u.Path
	}
	switch {
	case path.IsAbs(name):
		name = path.Clean(name)
	case (strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../")) && p.cwd != "":
		name = path.Join(p.cwd, name)
	default:
		name = "" // a module, found somewhere near: no one vouches for it
	}
	p.Loads = append(p.Loads, name)
}

// shell reads the arguments of a Bourne-like shell, fish, csh or their kin.
func (p *parser) shell() {
	for len(p.rest) > 0 {
		a := p.next()
		switch {
		case a == "--" || a == "-":
			if len(p.rest) > 0 {
				p.script(p.next())
			} else {
				p.Stdin = true
			}
			return
		case a == "--command" || a == "--commands" || strings.HasPrefix(a, "--command=") || strings.HasPrefix(a, "--commands="):
			p.Code = true
			return
		case slices.Contains([]string{"--rcfile", "--init-file", "--init-command", "--features", "--debug", "--profile", "--config", "--env-config", "--plugin-config", "--rc"}, a):
			p.next()
		case strings.HasPrefix(a, "--"):
		case len(a) > 1 && (a[0] == '-' || a[0] == '+'):
			if a[0] == '-' && strings.Contains(a, "c") {
				p.Code = true
				return
			}
			if a[0] == '-' && strings.Contains(a, "s") {
				p.Stdin = true
				return
			}
			if strings.ContainsAny(a, "oO") { // -eo pipefail
				p.next()
			}
		default:
			p.script(a)
			return
		}
	}
	p.Stdin = true
}

// powershell reads the arguments of pwsh, whose options may be shortened.
func (p *parser) powershell() {
	for len(p.rest) > 0 {
		a := p.next()
		flag := strings.ToLower(strings.TrimLeft(a, "-/"))
		is := func(name, least string) bool { return strings.HasPrefix(name, flag) && strings.HasPrefix(flag, least) }
		switch {
		case !strings.HasPrefix(a, "-"):
			p.script(a)
			return
		case is("command", "c") || is("encodedcommand", "e") || flag == "ec" || is("commandwithargs", "commandw") || flag == "cwa":
			p.Code = true
			return
		case is("file", "f"):
			p.script(p.next())
			return
		case is("executionpolicy", "ex") || is("workingdirectory", "wo") || is("configurationname", "config") || is("settingsfile", "settings") ||
			is("custompipename", "cus") || is("inputformat", "inp") || is("outputformat", "o") || is("windowstyle", "w") || is("version", "v"):
			p.next()
		}
	}
	p.Stdin = true
}

// shortFlags describes the options of an interpreter that takes them bundled,
// as in `perl -lane`.
type shortFlags struct {
	code   string   // what follows is code, or there is no script
	value  string   // takes the rest of its bundle, else the next argument
	rest   string   // takes the rest of its bundle, if any
	load   string   // of those: what is taken is loaded as code
	script string   // what is taken is the script
	void   string   // changes what the others mean
	long   []string // long options that take the next argument
}

func (p *parser) short(f shortFlags) {
	for len(p.rest) > 0 {
		a := p.next()
		switch {
		case a == "--":
			if len(p.rest) > 0 {
				p.script(p.next())
			}
			return
		case a == "-":
			p.Code = true
			return
		case slices.Contains(f.long, a):
			p.next()
		case strings.HasPrefix(a, "--"):
		case len(a) > 1 && a[0] == '-':
			if p.bundle(f, a[1:]) {
				return
			}
		default:
			p.script(a)
			return
		}
	}
}

// bundle reads one bundle and reports whether the script is settled by it.
func (p *parser) bundle(f shortFlags, s string) (settled bool) {
	for i := range len(s) {
		c, value := s[i:i+1], s[i+1:]
		if strings.Contains(f.void, c) {
			p.Void = true
		}
		switch {
		case strings.Contains(f.code, c):
			p.Code = true
			return true
		case strings.Contains(f.script, c):
			if value == "" {
				value = p.next()
			}
			p.script(value)
			return true
		case strings.Contains(f.value, c) || strings.Contains(f.rest, c) || strings.Contains(f.load, c):
			if value == "" && strings.Contains(f.value, c) {
				value = p.next()
			}
			if strings.Contains(f.load, c) {
				if c == "I" && path.IsAbs(value) || c == "c" && path.IsAbs(value) {
					p.load(value)
				} else {
					p.load("") // a module or a setting that may name any file
				}
			}
			return false
		}
	}
	return false
}

func (p *parser) java() {
	classPath := false
	for len(p.rest) > 0 {
		a := p.next()
		name, value, joined := strings.Cut(a, "=")
		switch {
		case a == "-jar":
			p.script(p.next())
			return
		case slices.Contains([]string{"-cp", "-classpath", "--class-path", "-p", "--module-path"}, name):
			if !joined {
				value = p.next()
			}
			classPath = true
			for f := range strings.SplitSeq(value, ":") {
				if f = strings.TrimSuffix(f, "/*"); !path.IsAbs(f) {
					f = "./" + f
				}
				p.load(f)
			}
		case strings.HasPrefix(a, "-javaagent:"), strings.HasPrefix(a, "-agentpath:"):
			_, file, _ := strings.Cut(a, ":")
			file, _, _ = strings.Cut(file, "=")
			p.load(file)
		case strings.HasPrefix(a, "-agentlib:"), strings.HasPrefix(a, "-Xrun"), strings.HasPrefix(a, "-Xbootclasspath"), strings.HasPrefix(a, "@"):
			p.Void = true
		case a == "-m" || a == "--module":
			p.Code = !classPath
			return
		case strings.HasPrefix(a, "-"):
			if slices.Contains([]string{"--add-modules", "--add-opens", "--add-exports", "--add-reads", "--limit-modules", "--upgrade-module-path", "--patch-module", "--source"}, a) {
				p.next()
			}
		case strings.HasSuffix(a, ".java"):
			p.script(a)
			return
		default:
			// A class: it is on the class path, all of which must be vouched for.
			p.Code = !classPath
			return
		}
	}
	p.Code = true
}
