// Package ancestry reads a process's ancestry: which of its ancestors is an
// installer, a dependency's script, a shell somebody types at, and where its
// tree begins.
//
// It judges [wormbell.Process] values only: no I/O, no clock, no state. A name
// alone is suspicion, never trust; functions that grant something ask for a
// Signer.
package ancestry

import (
	"path"
	"slices"
	"strings"

	"wormbell"
)

// NamedInstaller reports whether p calls itself a package manager. Anything
// can: use it for suspicion only. A bun that runs the user's code is none.
func NamedInstaller(p *wormbell.Process) bool {
	name, args, ok := Client(p)
	if !ok {
		return false
	}
	return name != "bun" || !bunRunsCode(p, args)
}

// bunRunsCode reports whether a bun process interprets the user's code rather
// than managing packages: `bun x.js`, `bun -e …`, `bun run x.ts`. `bun run x`
// may be either, so it counts as code.
func bunRunsCode(p *wormbell.Process, args []string) bool {
	if p.Script != "" {
		return true
	}
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--cwd" || a == "--config" || a == "-c":
			i++
		case strings.HasPrefix(a, "--cwd=") || strings.HasPrefix(a, "--config=") || a == "--silent" || a == "--verbose":
		default:
			return !slices.Contains(bunCommands, a)
		}
	}
	return true
}

// bunCommands are those of bun's commands that manage packages.
var bunCommands = []string{"install", "i", "add", "a", "remove", "rm", "update", "publish", "pm", "ci", "link", "unlink",
	"create", "c", "x", "outdated", "audit", "patch", "patch-commit", "why", "info", "init", "upgrade"}

// Installer reports whether p is a package manager that somebody vouches for,
// or the release of yarn that a project keeps and that such a yarn started.
func Installer(p *wormbell.Process) bool {
	if p == nil || !NamedInstaller(p) || LoadsCode(p) {
		return false
	}
	if p.Signer != "" {
		return true
	}
	name, _, _ := Client(p.Parent)
	return name == "yarn" && berryRelease.MatchString(path.Base(p.Script)) && Installer(p.Parent)
}

// Packaged reports whether p is a package manager that came as a package, as into
// a project's node_modules, and that nobody but package managers changed. It is
// vouched for as what it is and for nothing else.
func Packaged(p *wormbell.Process) bool {
	return p != nil && strings.HasPrefix(p.Signer, "package:")
}

// LoadsCode reports whether p's command line makes its interpreter load other
// code before its script: `node --require ./x.js /usr/bin/npm`. Whoever vouches
// for the script does not vouch for that.
func LoadsCode(p *wormbell.Process) bool {
	if p == nil || !JavaScript(p) {
		return false
	}
	for i := 1; i < len(p.Args); i++ {
		flag, _, _ := strings.Cut(p.Args[i], "=")
		switch flag {
		case "-r", "--require", "--import", "--loader", "--experimental-loader", "--preload", "--inspect", "--inspect-brk", "--inspect-wait", "--env-file", "--openssl-config":
			return true
		}
		if !strings.HasPrefix(flag, "-") {
			return false // from here on they are the script's
		}
		if slices.Contains(nodeValueFlags, p.Args[i]) {
			i++
		}
	}
	return false
}

// BelowInstaller returns the nearest ancestor of p that is a vouched package
// manager, or nil.
func BelowInstaller(p *wormbell.Process) *wormbell.Process { return p.Ancestor(Installer) }

// Dependency returns the process that is the outermost dependency script at or
// above p, nil if there is none. The watcher sets Lifecycle and Package on it
// and on everything below.
func Dependency(p *wormbell.Process) (root *wormbell.Process) {
	for a := range p.Chain {
		if a.Package != nil {
			root = a
		}
	}
	return root
}

var shells = []string{"sh", "bash", "dash", "zsh", "fish", "ksh", "mksh", "tcsh", "csh", "nu", "pwsh", "elvish", "xonsh", "busybox", "ash", "cmd.exe", "powershell.exe", "pwsh.exe"}

// Shell reports whether p runs a shell, by name.
func Shell(p *wormbell.Process) bool {
	return p != nil && slices.Contains(shells, strings.TrimPrefix(path.Base(p.Exe), "-"))
}

// Interactive reports whether p is a shell that somebody types at: vouched
// for, without a script or -c, leading the session of its terminal. A shell
// inside such a shell is none: `curl … | bash` looks just like one.
func Interactive(p *wormbell.Process) bool {
	if !Shell(p) || p.Signer == "" || p.Script != "" || p.TTY == "" || !p.Leader {
		return false
	}
	for i := 1; i < len(p.Args); i++ {
		a := p.Args[i]
		switch {
		case a == "--" || !strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "+"):
			return true // an option's value we do not know, or a script that Script would have told
		case a == "-o" || a == "+o" || a == "-O" || a == "+O" || a == "--rcfile" || a == "--init-file" || a == "-C" || a == "--init-command":
			i++ // its value
		case a == "--command" || strings.HasPrefix(a, "--command="):
			return false
		case !strings.HasPrefix(a, "--") && strings.Contains(a, "c"):
			return false
		}
	}
	return true
}

// Person reports whether a person started p: a child of an interactive shell,
// in the foreground of its terminal, with no installer, dependency script or
// suspect process at it or between, and no script above the shell that could
// have made the terminal for itself. A terminal alone proves nothing: a
// postinstall below an interactive `npm i` has the user's too. suspect may be
// nil; it says which processes already raised an alert.
func Person(p *wormbell.Process, suspect func(*wormbell.Process) bool) bool {
	if p == nil || p.Package != nil || !p.Foreground || p.Parent == nil || !Interactive(p.Parent) || p.Parent.Package != nil {
		return false
	}
	if suspect != nil && (suspect(p) || suspect(p.Parent)) {
		return false
	}
	return UnvouchedScript(p.Parent) == nil
}

// PersonAbove returns the nearest process at or above p that a person started,
// or nil: the `node auto.js` that somebody typed, for the npm it starts.
func PersonAbove(p *wormbell.Process) *wormbell.Process {
	for a := range p.Chain {
		if Person(a, nil) {
			return a
		}
	}
	return nil
}

// UnderPerson reports whether p, or a program that p belongs to, was started
// by a person and does that person's bidding: everything from there down to p
// is vouched for, and no package manager above p runs it as a script. So `git
// commit` and the editor it opens qualify; `node auto.js` and the npm it
// starts do not, nor does what `npm run x` starts.
func UnderPerson(p *wormbell.Process, suspect func(*wormbell.Process) bool) bool {
	for a := range p.Chain {
		if a.Signer == "" || suspect != nil && suspect(a) || a != p && NamedInstaller(a) {
			return false
		}
		if Person(a, suspect) {
			return true
		}
	}
	return false
}

// services start the work of a person or of the system and are not part of
// it: nothing that a script does puts it below one of them unless the script
// asks that service to start it.
var services = []string{
	"init", "systemd", "launchd", "services.exe", "explorer.exe", "openrc", "runit", "s6-svscan", "dumb-init", "tini", "docker-init", "containerd-shim", "containerd-shim-runc-v2", "conmon",
	"sshd", "sshd-session", "login", "cron", "crond", "atd", "anacron",
	"gnome-shell", "plasmashell", "kwin_wayland", "sway", "Xorg", "Xwayland", "dbus-daemon", "dbus-broker", "gdm-session-worker", "sddm-helper",
}

// ides are hosts as well, and a script that opens one (`code .`) does not own
// what the person then does in it.
var ides = []string{
	"code", "code-insiders", "codium", "cursor", "windsurf", "zed", "zed-editor", "idea", "webstorm", "goland", "pycharm", "java", "sublime_text", "emacs", "Code Helper",
}

// terminals host a person's work, but a script can start one to run a command
// in it: [UnvouchedScript] looks above them.
var terminals = []string{
	"sudo", "su", "doas", "tmux", "tmux: server", "screen", "zellij", "mosh-server",
	"gnome-terminal-server", "gnome-terminal", "ptyxis", "ptyxis-agent", "kgx", "konsole", "xterm", "alacritty", "kitty", "wezterm-gui", "foot", "ghostty", "tilix", "terminator",
	"xfce4-terminal", "qterminal", "lxterminal", "urxvt", "st", "Terminal", "iTerm2", "WindowsTerminal.exe", "conhost.exe",
}

// ideFolders are where editors keep the server that runs on the other end of
// a remote session: a node in the user's home that nobody vouches for and that
// starts the shells people type at.
var ideFolders = []string{"/.vscode-server/", "/.vscode-server-insiders/", "/.cursor-server/", "/.windsurf-server/", "/.vscodium-server/", "/.vscode-remote/", "/.vscode/cli/servers/", "/lib/code-server"}

// Boundary reports whether p is something a tree of work hangs below: init, a
// service manager, a login, a terminal, an IDE or an interactive shell. A host
// counts only if it is vouched for: a file that is merely called tmux is not.
func Boundary(p *wormbell.Process) bool {
	return shield(p) || Interactive(p) || host(p, terminals)
}

// shield reports whether p hosts work that is not its own: init, a service or
// an IDE.
func shield(p *wormbell.Process) bool {
	return p == nil || p.PID <= 1 || host(p, services) || host(p, ides) || ideServer(p)
}

func host(p *wormbell.Process, names []string) bool {
	return p != nil && p.Signer != "" && p.Script == "" && p.Package == nil && slices.Contains(names, path.Base(p.Exe))
}

func ideServer(p *wormbell.Process) bool {
	return p != nil && p.Package == nil && JavaScript(p) && slices.ContainsFunc(ideFolders, func(folder string) bool {
		return strings.Contains(p.Exe, folder) && (p.Script == "" || strings.Contains(p.Script, folder))
	})
}

// Root returns the process whose tree is one incident: the outermost
// dependency script at or above p, else the topmost ancestor of p below the
// nearest boundary, else p itself.
func Root(p *wormbell.Process) *wormbell.Process {
	if d := Dependency(p); d != nil {
		return d
	}
	root := p
	for a := range p.Chain {
		if Boundary(a) {
			break
		}
		root = a
	}
	return root
}

// UnvouchedScript returns the nearest process at or above p that runs code
// nobody vouches for in a JavaScript runtime, or a program that a package brought,
// in whatever language; up to the IDE that p's work hangs below; nil if there is
// none. `-e` counts: it has no script and no signer; what was gone before it could
// be judged does not. What a process ran before counts as well: a script can have its
// process execute something else. Terminals, multiplexers, services and
// shells are looked through: a script can start those to hide behind, also
// a service manager or an init for containers. What a real one starts has no
// script above it.
func UnvouchedScript(p *wormbell.Process) *wormbell.Process {
	return nearest(p, nil, func(a *wormbell.Process) bool {
		return a.Signer == "" && !a.Unjudged && (JavaScript(a) || brought(a.Script) || brought(a.ScriptFile) || brought(a.Exe)) ||
			brought(a.Replaced) || HidesScript(a.Replaced)
	})
}

// HidesScript reports whether what a process ran before, as Replaced tells it, is
// code of a JavaScript runtime by its name: a script, or the runtime itself where
// the name of what it ran says nothing (`node .`, `node -e`).
func HidesScript(replaced string) bool {
	return slices.Contains([]string{".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx"}, path.Ext(replaced)) || JavaScript(&wormbell.Process{Exe: replaced})
}

// brought reports whether a program lies in a node_modules.
func brought(file string) bool { return strings.Contains(file, "/node_modules/") }

// nearest returns the nearest process at or above p that is unwanted, up to
// the shell that a person types at or the IDE that p's work hangs below; nil
// if there is none. A shell below what types for others, or below a script that
// nobody vouches for, is no person's: it is looked through. Without types, every shell is.
func nearest(p *wormbell.Process, types, unwanted func(*wormbell.Process) bool) *wormbell.Process {
	n := 0
	var last *wormbell.Process
	for a := range p.Chain {
		if a.PID <= 1 || host(a, ides) || ideServer(a) {
			return nil
		}
		if unwanted(a) {
			return a
		}
		if types != nil && Interactive(a) && !types(a.Parent) && UnvouchedScript(a.Parent) == nil {
			return nil
		}
		last = a
		n++
	}
	if n >= maxDepth { // nobody nests that deep but to hide what is on top
		return last
	}
	return nil
}

// maxDepth is how long a chain [wormbell.Process.Chain] yields.
const maxDepth = 64

// typesForOthers reports whether p makes terminals that a program can type
// into, or is a program that nobody knows and that made one.
func typesForOthers(p *wormbell.Process) bool {
	return p != nil && (p.Signer == "" && !ideServer(p) || slices.Contains([]string{"script", "expect", "unbuffer", "socat", "tmux", "tmux: server", "screen", "zellij", "dtach", "abduco"}, path.Base(p.Exe)))
}

// Interpreter reports whether p runs an interpreter of a scripting language
// other than a shell or a JavaScript runtime, by the name of its program:
// "python3.12", "perl".
func Interpreter(p *wormbell.Process) bool {
	if p == nil {
		return false
	}
	switch strings.TrimRight(programName(p.Exe), "0123456789.") {
	case "python", "pypy", "ruby", "perl", "php", "lua", "luajit", "tclsh", "Rscript", "osascript":
		return true
	}
	return false
}

// JavaScript reports whether p is a JavaScript runtime, by the name of its program.
func JavaScript(p *wormbell.Process) bool {
	if p == nil {
		return false
	}
	switch programName(p.Exe) {
	case "node", "nodejs", "bun", "deno", "electron":
		return true
	case "bunx": // bun itself: it runs what a package brings only if it is called so
		return p.Script != "" || len(p.Args) > 0 && programName(p.Args[0]) != "bunx"
	}
	return false
}

// Retitled reports whether all that is known of p's command line is a title
// that it gave itself: npm does so some milliseconds after it starts, and an
// agent that was starved of processor time reads that instead of the arguments.
// What p runs is then not known; it may be npm, or something that says so. What the
// kernel told when p began is no title, whatever it looks like.
func Retitled(p *wormbell.Process) bool {
	if !p.ArgsLate || !JavaScript(p) || p.Script != "" || len(p.Args) != 1 {
		return false
	}
	title := p.Args[0]
	first, _, _ := strings.Cut(title, " ")
	switch first {
	case "npm", "npx", "pnpm", "yarn":
		return path.Base(title) != path.Base(p.Exe)
	}
	return false
}
