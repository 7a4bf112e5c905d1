package detect

import (
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/stores"
)

// Row is one line of the built-in trust table: who may read which stores, and
// below what. Rows grant; what no row grants is a finding.
type Row struct {
	ID     string
	Store  string // ID of a store, "strict", "project" (the two kinds of store) or "*"
	Who    Who
	Under  Under
	Reason string
}

// Who is a class of readers. Each asks for more than a name.
type Who string

// The classes of readers.
const (
	PackageManager Who = "package-manager" // npm, pnpm, yarn or bun itself, vouched for, reading a file of its own and running nobody's code meanwhile
	Reader         Who = "reader"          // one of the store's programs by name, vouched for
	ReaderAtPlace  Who = "reader-at-place" // a program from one of the folders where the store's programs live in a home
	NativeReader   Who = "native-reader"   // one of the store's programs by name, native or a script of Python's, from a home and no package's, or from a sandbox
	AnySigned      Who = "signer:*"        // any program, and any script, that is vouched for
	TypedProgram   Who = "typed-program"   // a native program that a person starts by hand, vouched for or not; perl that edits a file which they named
	ProjectCode    Who = "project-code"    // a script from a home, or a program run in or from one
	ProjectPython  Who = "project-python"  // the same, in Python
	ShellScript    Who = "shell-script"    // a shell, whatever it runs
	BackupTool     Who = "backup-tool"     // one of backupTools, native or a script of Python's, from a home or from a sandbox
	Editor         Who = "home-editor"     // one of editors, native, from a home or from a sandbox
	Prompt         Who = "at-prompt"       // node or Python without a script, reading what was typed to it before
	Container      Who = "in-container"    // a program in a container, which installs no packages
)

// Under says which ancestry a row still holds below.
type Under string

// The ancestries. Suspects are processes that raised a finding before.
const (
	Any           Under = "any"                     // everywhere, also below a dependency's script
	NotDependency Under = "not-a-dependency-script" // nowhere below a dependency's script
	NotSuspect    Under = "not-a-suspect"           // nor by or below a suspect
	NotScript     Under = "not-an-unvouched-script" // as NotSuspect, nor below a script in a JavaScript runtime, or a program of a package's, that nobody vouches for
	UnderAPerson  Under = "person"                  // as NotScript, and started by a person
)

// Rows is the built-in table. Order does not matter for the answer: it decides
// which reason is given.
var Rows = []Row{
	{"package-manager-reads-its-own", "*", PackageManager, Any, "npm, pnpm, yarn and bun need their own configuration at every start, also the npm or bun that a lifecycle script runs"},
	{"store-reader", "*", Reader, NotDependency, "the program that a credential belongs to reads it to do its work"},
	{"store-reader-in-home", "*", ReaderAtPlace, NotScript, "tools such as Claude Code install themselves into a home, where no package manager vouches for them"},
	{"store-reader-native", "*", NativeReader, NotScript, "command-line tools are often single files in ~/.local/bin; a worm that runs one of that name does so from a script, which voids this"},
	{"vouched-program", "*", AnySigned, NotScript, "cat, tar, rsync, editors, IDEs, backup and indexing tools from the system are what people and cron use; a worm uses them from a script"},
	{"typed-program", "*", TypedProgram, UnderAPerson, "a person chose to open the file with it: a file manager or an editor from ~/go/bin, perl -pi -e"},
	{"backup-tool-in-home", "*", BackupTool, NotScript, "backup and synchronising tools are often single files in ~/.local/bin, or come by pipx or Flatpak, and read everything"},
	{"editor-in-home", "*", Editor, NotScript, "JetBrains' Toolbox, Zed and AppImages put editors where nobody vouches for them, and people open such files in their editor"},
	{"shell-script-reads", "*", ShellScript, NotScript, "backup and set-up scripts source and copy such files"},
	{"project-code-reads-project-store", "project", ProjectCode, NotSuspect, "the cloud libraries in a project's own code read these to log in"},
	{"container-reads-env", "env", Container, NotSuspect, "a project's folder is mounted into the container that runs it; its programs are nobody's on this system"},
	{"prompt-reads-its-history", "history", Prompt, NotSuspect, "node and Python remember what was typed at their prompt, and read it when they show one"},
	{"python-reads-netrc", "netrc", ProjectPython, NotScript, "the requests library looks into ~/.netrc before every request"},
}

// backupTools read whole homes. Those that the system installed are vouched
// for; these names count for single files that a person put into a home.
var backupTools = []string{"restic", "rclone", "borg", "kopia", "rustic", "duplicacy", "duplicity", "syncthing", "dropbox", "insync", "megasync"}

// editors are what people open files with, by the names of their programs.
var editors = []string{"code", "codium", "cursor", "windsurf", "zed", "zed-editor", "sublime_text", "vim", "nvim", "hx", "helix", "emacs", "kate", "lapce", "fleet",
	"idea", "webstorm", "pycharm", "goland", "phpstorm", "rubymine", "rustrover", "rider", "clion", "datagrip", "dataspell", "studio", "eclipse"}

// Trust answers who may read what: the built-in rows and a person's. It is safe
// for concurrent use.
type Trust struct {
	rows  atomic.Pointer[[]wormbell.TrustRow]
	homes atomic.Pointer[[]string]
	same  atomic.Pointer[func(wormbell.TrustRow, *wormbell.Process) (same, known bool)]
}

// NewTrust returns a table with the built-in rows alone.
func NewTrust() *Trust { return &Trust{} }

// SetRows replaces the rows that people have added.
func (t *Trust) SetRows(rows []wormbell.TrustRow) {
	rows = slices.Clone(rows)
	t.rows.Store(&rows)
}

// SetUnchanged says how to learn whether what a process runs is still what a
// row's Digest says, and whether that is known; it is asked of rows that have
// one and cover a read otherwise. A row holds only if it is the same. Before it
// is called, as in a replay, digests are not looked at.
func (t *Trust) SetUnchanged(same func(row wormbell.TrustRow, p *wormbell.Process) (same, known bool)) {
	t.same.Store(&same)
}

func (t *Trust) unchanged(row wormbell.TrustRow, p *wormbell.Process) (same, known bool) {
	f := t.same.Load()
	if row.Digest == "" || f == nil {
		return true, true
	}
	return (*f)(row, p)
}

// SetHomes says which folders are homes, absolute and without a slash at the
// end. Before it is called, and besides, those below the system's usual places
// count: /home, /Users, /root, C:/Users.
func (t *Trust) SetHomes(dirs []string) {
	dirs = slices.Clone(dirs)
	t.homes.Store(&dirs)
}

// Rows returns the whole table, the built-in rows first.
func (t *Trust) Rows() []wormbell.TrustRow {
	out := make([]wormbell.TrustRow, 0, len(Rows))
	for _, r := range Rows {
		out = append(out, r.row())
	}
	if rows := t.rows.Load(); rows != nil {
		out = append(out, *rows...)
	}
	return out
}

func (r Row) row() wormbell.TrustRow {
	return wormbell.TrustRow{ID: r.ID, Store: r.Store, Who: string(r.Who), Under: string(r.Under), Reason: r.Reason, By: "built-in"}
}

// Vouched returns the row that covers e, the read of a guarded file. suspect
// says which processes already raised a finding; it may be nil. A read by
// nobody we know is covered by no row: whether it is a finding is the
// detector's part.
func (t *Trust) Vouched(e wormbell.Event, suspect func(*wormbell.Process) bool) (wormbell.TrustRow, bool) {
	store := stores.Of(e.Path)
	if e.Process == nil || store == nil {
		return wormbell.TrustRow{}, false
	}
	r := reader{t: t, p: e.Process, store: store, path: e.Path, suspect: suspect}
	for _, row := range Rows {
		if r.inStore(row.Store) && r.is(row.Who) && r.under(row.Under) && !atOthersBidding(e.Process) {
			return row.row(), true
		}
	}
	if rows := t.rows.Load(); rows != nil {
		for _, row := range *rows {
			if concerns(row, e.User) && r.coveredBy(row, e.Path, e.Time) {
				if same, _ := t.unchanged(row, e.Process); same {
					return row, true
				}
			}
		}
	}
	return wormbell.TrustRow{}, false
}

// Doubt is to be asked of a read that no row covers. It returns how a finding's
// summary says that one would if what runs were still what was allowed for
// certain: [wormbell.Changed] or [wormbell.Unchecked]; "" if none would.
func (t *Trust) Doubt(e wormbell.Event) string {
	store, rows := stores.Of(e.Path), t.rows.Load()
	if e.Process == nil || store == nil || rows == nil {
		return ""
	}
	r := reader{t: t, p: e.Process, store: store, path: e.Path}
	doubt := ""
	for _, row := range *rows {
		if row.Digest == "" || !concerns(row, e.User) || !r.coveredBy(row, e.Path, e.Time) {
			continue
		}
		if same, known := t.unchanged(row, e.Process); known && !same {
			return wormbell.Changed
		}
		doubt = wormbell.Unchecked // also if it is known by now: it was not when it mattered
	}
	return doubt
}

// concerns reports whether a row may speak for the files of user: a person's
// is about their own, those of root and of the administrator about everybody's.
func concerns(row wormbell.TrustRow, user string) bool {
	return row.By == user || row.By == "0" || row.By == "admin" || row.By == "first-use" || row.By == ""
}

// reader is one process in front of one store.
type reader struct {
	t       *Trust
	p       *wormbell.Process
	store   *stores.Store
	path    string // of the file, with ~
	suspect func(*wormbell.Process) bool
}

func (r reader) inStore(s string) bool {
	switch s {
	case "*", r.store.ID:
		return true
	case "strict":
		return r.store.Strict
	case "project":
		return !r.store.Strict
	}
	return false
}

func (r reader) is(who Who) bool {
	p := r.p
	named := slices.Contains(r.store.Readers, p.Name())
	native := p.Script == "" && !ancestry.JavaScript(p) && !ancestry.Interpreter(p) && !ancestry.Shell(p) && !impostor(p)
	switch who {
	case PackageManager:
		client, args, _ := ancestry.Client(p)
		return ancestry.Installer(p) && (named || slices.Contains(r.store.Readers, client)) && r.ownDoing(client, args)
	case Reader:
		return named && p.Signer != "" && !ancestry.LoadsCode(p) && (ancestry.UnvouchedScript(p) == nil || isItself(p) && !carries(p, r.store.ID, r.path))
	case ReaderAtPlace:
		return !ancestry.LoadsCode(p) && r.atPlace()
	case NativeReader:
		return (native || r.python()) && named && r.unpackaged() && !contained(p)
	case AnySigned:
		return p.Signer != "" && !ancestry.Packaged(p) && !ancestry.LoadsCode(p) && !r.hosts()
	case TypedProgram:
		return (native || module(p) || r.edits()) && (!r.t.temp(p.Exe) || mounted(p.Exe))
	case ProjectCode:
		return r.projectCode()
	case ProjectPython:
		return ancestry.Interpreter(p) && strings.HasPrefix(path.Base(p.Exe), "py") && r.projectCode()
	case ShellScript:
		return ancestry.Shell(p) && !r.t.temp(code(p)) && !contained(p)
	case BackupTool:
		return (native || r.python()) && !contained(p) && slices.Contains(backupTools, p.Name()) && r.unpackaged()
	case Editor:
		return native && slices.Contains(editors, p.Name()) && r.unpackaged() && !contained(p)
	case Prompt:
		return r.prompt()
	case Container:
		return inContainer(p)
	}
	return false
}

// python reports whether the program of r is a script of Python's, as pip and pipx
// put them into a home.
func (r reader) python() bool {
	return r.p.Script != "" && !r.p.Foreign && ancestry.Interpreter(r.p) && strings.HasPrefix(path.Base(r.p.Exe), "py")
}

// unpackaged reports whether the program of r lies in a home or a sandbox, and in no package of JavaScript's.
func (r reader) unpackaged() bool {
	return !strings.Contains(code(r.p), "/node_modules/") && (r.t.inHome(code(r.p)) || r.t.sandboxed(r.p))
}

// scripted are readers that are scripts of Python's or Ruby's where they are installed.
var scripted = []string{"ansible", "ansible-playbook", "aws", "az", "bq.py", "bundle", "bundler", "conda", "flit", "gcloud.py", "gem", "gsutil.py", "hatch", "http", "https", "pdm", "pip", "pip3",
	"poetry", "saml2aws", "sam", "twine"}

// isItself reports whether p is what its name says, and no interpreter that was
// given a file of that name: `bash --rcfile x -i /usr/bin/ssh` never comes to read that.
func isItself(p *wormbell.Process) bool {
	return p.Script == "" || ancestry.JavaScript(p) || ancestry.Interpreter(p) && slices.Contains(scripted, p.Name())
}

// carries reports whether p, one of the programs that the credential in file belongs to,
// was told to take the file as any other, or to load somebody's code: `git diff
// --no-index`, `curl file:`, scp of a key, `ssh-keygen -D`. A program that needs a
// credential for itself finds it without being told, or is told by an option. Some of
// them never do: it is what they start that reads it.
func carries(p *wormbell.Process, store, file string) bool {
	base := path.Base(file)
	if ancestry.Shell(p) && !ancestry.Interactive(p) {
		// One that nobody types at has no use for what was typed. With -i it reads it
		// all the same: `zsh -ic env`.
		i := slices.IndexFunc(p.Args, func(a string) bool { return len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.Contains(a, "i") })
		return i < 1 || slices.ContainsFunc(p.Args, func(a string) bool { return strings.ContainsAny(a, "<~*") || strings.Contains(a, "hist") })
	}
	args := p.Args[min(1, len(p.Args)):]
	has := func(is func(arg string) bool) bool { return slices.ContainsFunc(args, is) }
	named := func(options ...string) func(string) bool {
		return func(arg string) bool {
			option, _, _ := strings.Cut(arg, "=")
			return slices.Contains(options, option) || slices.ContainsFunc(options, func(o string) bool { return len(o) == 2 && strings.HasPrefix(arg, o) })
		}
	}
	if client, words, ok := ancestry.Client(p); ok && client == "npm" {
		return writesSettings(words)
	}
	switch p.Name() {
	case "rsync", "scp", "sftp", "ssh-add", "ftp", "lftp", "yt-dlp":
		return true
	case "ssh":
		return has(func(a string) bool {
			return strings.HasPrefix(a, "-I") || strings.Contains(strings.ToLower(a), "provider=")
		}) || settings(args, base) // of what is no setting it prints the line
	case "ssh-keygen":
		return has(named("-D", "-w"))
	case "git":
		return store != "git" || gitCommand(args) != "credential-store"
	case "curl":
		asked := has(func(a string) bool {
			return strings.HasPrefix(a, "--netrc") || len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.Contains(a, "n")
		})
		return !asked || has(named("-F", "--form", "-T", "--upload-file", "-K", "--config")) || has(func(a string) bool {
			return strings.Contains(strings.ToLower(a), "file:") || strings.Contains(a, "@") && strings.Contains(a, base)
		})
	case "wget":
		return has(named("-i", "--input-file", "--post-file", "--body-file")) || has(func(a string) bool { return strings.Contains(a, base) })
	case "vim", "nvim", "vi", "view", "ex": // one that opens the file of a commit is told nothing else
		return has(func(a string) bool {
			return strings.HasPrefix(a, "-") || strings.HasPrefix(a, "+") || strings.Contains(a, base)
		})
	case "gh", "glab", "http", "https":
		return has(func(a string) bool { return strings.Contains(a, base) })
	}
	return false
}

// settings reports whether ssh, with these arguments, reads its settings from a file of
// this name.
func settings(args []string, base string) bool {
	for i, a := range args {
		_, file, ok := strings.Cut(a, "F")
		if ok && file == "" && i+1 < len(args) {
			file = args[i+1]
		}
		if ok && a[0] == '-' && strings.Contains(file, base) {
			return true
		}
	}
	return false
}

// gitCommand is which of git's commands is called with these arguments, "" for none.
func gitCommand(args []string) string {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case slices.Contains([]string{"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"}, a):
			i++ // its value
		case !strings.HasPrefix(a, "-"):
			return a
		}
	}
	return ""
}

// scripts are what a program is called that is a script wherever it comes from.
var scripts = []string{"npm", "npx", "yarn", "yarnpkg", "corepack"}

// impostor reports whether p is a native program under the name of a script,
// which nobody vouches for: a node that was copied to ~/.local/bin/npm runs
// whatever it is given.
func impostor(p *wormbell.Process) bool {
	return p.Signer == "" && slices.Contains(scripts, strings.TrimSuffix(p.Name(), ".exe"))
}

// ownDoing reports whether a package manager can only be reading for itself.
// Some run what lies in the folder they are started in within their own
// process: pnpm a .pnpmfile.cjs, yarn its plugins and the release that a
// project keeps, `npm init` an init-module. Below a dependency's script that
// folder is the script's choice.
func (r reader) ownDoing(client string, args []string) bool {
	if r.p.Signer == "" && !strings.HasSuffix(r.path, "/.yarnrc.yml") {
		return false // a project's own yarn, which reads no other
	}
	if client == "npm" && writesSettings(args) && ancestry.UnvouchedScript(r.p) != nil {
		return false // it writes all of what it has read to where its environment says
	}
	if ancestry.Dependency(r.p) == nil {
		return true
	}
	if ancestry.Packaged(r.p) {
		return false
	}
	switch client {
	case "npm":
		return r.p.Signer != "" && !slices.ContainsFunc(args, func(a string) bool {
			return len(a) > 1 && a != "in" && (strings.HasPrefix("init", a) || strings.HasPrefix("innit", a) || strings.HasPrefix("create", a))
		})
	case "npx", "bun", "bunx":
		return r.p.Signer != ""
	}
	return false
}

// writesSettings reports whether npm, with these arguments, writes the user's file
// anew. npm takes beginnings of a command's name for it.
func writesSettings(args []string) bool {
	begins := func(name string, least int) bool {
		return slices.ContainsFunc(args, func(a string) bool { return len(a) >= least && strings.HasPrefix(name, a) })
	}
	one := func(names ...string) bool {
		return slices.ContainsFunc(args, func(a string) bool { return slices.Contains(names, a) })
	}
	return one("set") || begins("config", 1) && one("delete", "del", "rm", "remove", "edit", "fix") ||
		begins("login", 4) || begins("logout", 4) || begins("adduser", 4) || begins("add-user", 4)
}

// registries are the stores of package managers: they read one another's.
var registries = []string{"npm", "pnpm", "yarn", "bun"}

// hosts reports whether the program of r is a package manager in front of what
// only other programs may read. It has no business there, but what it loads may:
// a .pnpmfile.cjs or a plugin of yarn's runs within its process, and is anybody's.
func (r reader) hosts() bool {
	return r.store.Strict && !slices.Contains(registries, r.store.ID) && ancestry.Installer(r.p)
}

// code is the file whose doing p's doing is.
func code(p *wormbell.Process) string {
	if p.Script != "" {
		return p.Script
	}
	return p.Exe
}

// atPlace reports whether what runs lies in a home and in one of the folders
// where the store's programs live: by its name, or by the file that the name led
// to when it began. npm's bin/ holds nothing but links.
func (r reader) atPlace() bool {
	return slices.ContainsFunc([]string{code(r.p), r.p.ScriptFile}, func(file string) bool {
		return slices.ContainsFunc(r.store.Places, func(place string) bool { return strings.Contains(file, place) }) && r.t.inHome(file)
	})
}

// module reports whether p runs a module of Python's: `python -m twine`.
func module(p *wormbell.Process) bool {
	return ancestry.Interpreter(p) && p.Script == "" && slices.ContainsFunc(p.Args, func(a string) bool {
		return strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.HasSuffix(a, "m")
	})
}

// edits reports whether perl or ruby goes through the lines of the file that is
// read, because its name stands on the command line: `perl -pi -e s/a/b/ ~/.npmrc`
// is what sed -i is. Other code on a command line is nobody's.
func (r reader) edits() bool {
	p, lines := r.p, false
	if name := path.Base(p.Exe); !ancestry.Interpreter(p) || p.Script != "" || p.Foreign || !strings.HasPrefix(name, "perl") && !strings.HasPrefix(name, "ruby") {
		return false
	}
	for i := 1; i < len(p.Args); i++ {
		switch a := p.Args[i]; {
		case a == "-e" || a == "-E":
			i++ // the code
		case strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--"):
			lines = lines || strings.ContainsAny(a, "pn")
			if strings.HasSuffix(a, "e") || strings.HasSuffix(a, "E") {
				i++
			}
		case lines:
			if !path.IsAbs(a) {
				a = path.Join(p.Cwd, a)
			}
			if home := r.t.home(a); home != "" && "~"+strings.TrimPrefix(path.Clean(a), home) == r.path {
				return true
			}
		}
	}
	return false
}

// projectCode reports whether p is the user's own code: a script from a home or another
// disk, or without a script a program from a home or at work in one.
func (r reader) projectCode() bool {
	if r.p.Script != "" {
		return r.t.inHome(r.p.Script) || !r.t.temp(r.p.Script) && !contained(r.p)
	}
	return r.t.inHome(r.p.Exe) || r.t.inHome(r.p.Cwd) && (!r.t.temp(r.p.Exe) || mounted(r.p.Exe) || r.t.builtByGo(r.p))
}

func (r reader) under(u Under) bool {
	if u == Any {
		return true
	}
	if d := ancestry.Dependency(r.p); d != nil && !(u == NotScript && r.fetchedForIt(d)) {
		return false
	}
	switch u {
	case NotDependency:
		return true
	case NotSuspect:
		return r.suspect == nil || !r.suspect(r.p)
	case NotScript:
		return r.noScriptAbove()
	case UnderAPerson:
		return r.noScriptAbove() && ancestry.Person(r.p, r.suspect)
	}
	return false
}

// noScriptAbove reports whether no unvouched script and no suspect is at p or
// above it. A program known by its place, and what it starts of its own, is not
// its own unvouched script.
func (r reader) noScriptAbove() bool {
	if r.suspect != nil && r.suspect(r.p) {
		return false
	}
	// Such tools start themselves anew, or a native program that they brought.
	for r.is(ReaderAtPlace) {
		if r.p = r.p.Parent; r.p == nil {
			return true
		}
	}
	return ancestry.UnvouchedScript(r.p) == nil
}

// fetchedForIt reports whether d, the outermost dependency's script, is what npx or
// the like fetched for somebody and started: the very package that the store
// belongs to, as in `npx vercel`, and no other that carries a folder of its name.
func (r reader) fetchedForIt(d *wormbell.Process) bool {
	if !ranOnce(d) || !somebodyAbove(r.p, d) || !r.is(ReaderAtPlace) {
		return false
	}
	file := d.ScriptFile
	if file == "" {
		file = code(d)
	}
	_, file, _ = strings.Cut(file, "/node_modules/")
	if strings.HasPrefix(file, ".pnpm/") {
		_, file, _ = strings.Cut(file, "/node_modules/")
	}
	return !strings.Contains(file, "/node_modules/") && slices.ContainsFunc(r.store.Places, func(place string) bool { return strings.HasPrefix("/node_modules/"+file, place) })
}

// coveredBy reports whether a person's row covers a read of the file at time now.
func (r reader) coveredBy(row wormbell.TrustRow, file string, now time.Time) bool {
	if row.Until != nil && !now.Before(*row.Until) {
		return false
	}
	if !r.inStore(row.Store) || row.Path != "" && row.Path != file || !r.matches(row.Who) {
		return false
	}
	switch Under(row.Under) {
	case UnderAPerson:
		// The program itself may be unvouched for: that is what the row is for.
		return ancestry.Dependency(r.p) == nil && ancestry.Directly(r.p)
	case "project":
		return ancestry.Dependency(r.p) == nil && (r.t.inHome(r.p.Cwd) || r.t.inHome(code(r.p)))
	case Any, NotDependency, NotSuspect, NotScript:
		// Whatever a row says, below a dependency's script only the package manager reads.
		return ancestry.Dependency(r.p) == nil
	}
	return false
}

// toolOwn reports whether p is a registry tool in front of npm's own files: one that
// lies in a package that nobody but package managers changed. Nobody vouches for
// it: it loads what other packages brought, and any of those may be a worm's.
func (t *Trust) toolOwn(e wormbell.Event, suspect func(*wormbell.Process) bool) bool {
	p, store := e.Process, stores.Of(e.Path)
	return p != nil && p.Tool != "" && store != nil && store.ID == "npm" && ancestry.Dependency(p) == nil && !p.Foreign && !ancestry.LoadsCode(p) && (suspect == nil || !suspect(p))
}

// matches reads who of a person's row: "signer:S", "exe:/path" or "exe:/path
// script:/path". S may end in * to stand for all that begin with it.
func (r reader) matches(who string) bool {
	p := r.p
	if signer, ok := strings.CutPrefix(who, "signer:"); ok {
		prefix, wild := strings.CutSuffix(signer, "*")
		return p.Signer != "" && (p.Signer == signer || wild && strings.HasPrefix(p.Signer, prefix)) && !ancestry.LoadsCode(p)
	}
	if who == string(ProjectCode) {
		return r.projectCode()
	}
	exe, ok := strings.CutPrefix(who, "exe:")
	if !ok {
		return false
	}
	exe, script, _ := strings.Cut(exe, " script:")
	// Without a script in the row an interpreter's every script would be meant:
	// a row for /usr/bin/node grants nothing to node x.js.
	return exe != "" && p.Exe == exe && p.Script == script && !(script == "" && (ancestry.JavaScript(p) || ancestry.Interpreter(p))) && !ancestry.LoadsCode(p) && !p.Foreign
}

// home returns the home that the absolute path p is in, "" if it is in none.
func (t *Trust) home(p string) string {
	p = path.Clean(strings.ReplaceAll(p, `\`, "/"))
	best := ""
	if homes := t.homes.Load(); homes != nil {
		for _, h := range *homes {
			if h != "/" && len(h) > len(best) && (p == h || strings.HasPrefix(p, h+"/")) {
				best = h
			}
		}
	}
	if best != "" {
		return best
	}
	if p == "/root" || strings.HasPrefix(p, "/root/") {
		return "/root"
	}
	for _, parent := range []string{"/home/", "/Users/", "C:/Users/"} {
		if rest, ok := strings.CutPrefix(p, parent); ok && rest != "" {
			user, _, _ := strings.Cut(rest, "/")
			return parent + user
		}
	}
	return ""
}

func (t *Trust) inHome(p string) bool { return p != "" && t.home(p) != "" }

func (t *Trust) tilde(p string) string {
	if h := t.home(p); h != "" {
		return "~" + strings.TrimPrefix(path.Clean(strings.ReplaceAll(p, `\`, "/")), h)
	}
	return p
}

// tempFolders are where systems keep temporary files.
var tempFolders = []string{"/tmp", "/var/tmp", "/dev/shm", "/private/tmp", "/var/folders", "/private/var/folders", "/run/user", "C:/Windows/Temp", "C:/Temp"}

func (t *Trust) temp(p string) bool {
	p = path.Clean(strings.ReplaceAll(p, `\`, "/"))
	if strings.Contains(p, "/AppData/Local/Temp/") {
		return true // Windows keeps it inside the home
	}
	if t.inHome(p) {
		return false
	}
	return slices.ContainsFunc(tempFolders, func(dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") })
}
