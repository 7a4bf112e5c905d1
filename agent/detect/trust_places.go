package detect

import (
	"path"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/stores"
)

// These say where programs come from that are nobody's on this system and yet
// are what they are called as far as anything in a home is: none of them grants
// more than a file in ~/.local/bin gets.

// sandboxed reports whether p is a program of a Flatpak, a Snap, an AppImage or
// of a store such as Nix's. What it is called is a name inside of a mount
// namespace, a mount or a folder of its own, which says as little as a name in a
// home. A program of this system that somebody made load other code has such a
// name, too: that is none.
func (t *Trust) sandboxed(p *wormbell.Process) bool {
	return p.Signer == "" && (mounted(p.Exe) || !p.Foreign && !t.temp(p.Exe))
}

// mounted reports whether a program lies where AppImages mount themselves. They set
// LD_LIBRARY_PATH for themselves, to folders beside it.
func mounted(exe string) bool { return strings.HasPrefix(exe, "/tmp/.mount_") }

// builtByGo reports whether p is what `go run` or `go test` has built in a
// temporary folder, and started.
func (t *Trust) builtByGo(p *wormbell.Process) bool {
	g := p.Parent
	return strings.Contains(p.Exe, "/go-build") && g != nil && g.Name() == "go" && g.Script == "" && (g.Signer != "" || t.inHome(g.Exe))
}

// containers are the programs below which a container's run. Nothing that a
// script does puts it there unless it asks the container engine.
var containers = []string{"containerd-shim", "containerd-shim-runc-v2", "conmon"}

// inContainer reports whether p runs in a container, and not below a package
// manager that installs: whose scripts run there is not known, as no package
// manager in a container is vouched for.
func inContainer(p *wormbell.Process) bool {
	for a := range p.Chain {
		if a != p && startsContainers(a) {
			return p.Signer == ""
		}
		if installs(a) {
			return false
		}
	}
	return false
}

// contained reports whether p runs in a container.
func contained(p *wormbell.Process) bool {
	return p.Ancestor(startsContainers) != nil
}

func startsContainers(p *wormbell.Process) bool {
	return p.Signer != "" && p.Script == "" && slices.Contains(containers, path.Base(p.Exe))
}

// installs reports whether p calls itself a package manager and does anything
// but run what a project says.
func installs(p *wormbell.Process) bool {
	client, args, ok := ancestry.Client(p)
	if !ok || !ancestry.NamedInstaller(p) {
		return false
	}
	i := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") })
	switch client {
	case "npx", "pnpx", "bunx":
		return false
	}
	return i < 0 || !slices.Contains([]string{"run", "run-script", "rum", "urn", "start", "restart", "test", "t", "tst", "exec", "x", "dev", "build", "node"}, args[i])
}

// prompt reports whether the program of r is node or Python at its prompt, and
// reads what was typed there before.
func (r reader) prompt() bool {
	p := r.p
	switch path.Base(r.path) {
	case ".node_repl_history":
		return ancestry.JavaScript(p) && p.Script == "" && !ancestry.LoadsCode(p) && len(p.Args) == 1 && p.TTY != "" && !p.Foreign
	case ".python_history": // a script may show a prompt, too: `manage.py shell`
		return ancestry.Interpreter(p) && strings.HasPrefix(path.Base(p.Exe), "py") && p.TTY != "" && !p.Foreign
	}
	return false
}

// Usual reports whether the read e, which no row covers, is one that programs do
// in the course of their work, and of which a worm has little:
//
//   - a dependency's script reads the .env of the project that it is installed into;
//   - a package that somebody runs once, by npx, reads what a project's code may
//     read without a word, of secrets the project's own;
//   - so does a program in a container, and one there that is called as the credential's own;
//   - a project's code reads the login of the service it is deployed to (wrangler,
//     vercel and netlify as libraries of a dev server), or starts an AI tool that came
//     as a package, which reads its own;
//   - deno, which is package manager and runtime in one, reads npm's file.
func (t *Trust) Usual(e wormbell.Event, suspect func(*wormbell.Process) bool) bool {
	p, store := e.Process, stores.Of(e.Path)
	if p == nil || store == nil {
		return false
	}
	d := ancestry.Dependency(p)
	if d != nil && !ranOnce(d) {
		return store.ID == "env" && t.ownProject(d, e.Path)
	}
	if suspect != nil && suspect(p) || ancestry.LoadsCode(p) {
		return false
	}
	r := reader{t: t, p: p, store: store, path: e.Path, suspect: suspect}
	if d != nil {
		return !store.Strict && somebodyAbove(p, d) && (store.ID != "env" || near(path.Dir(e.Path), t.tilde(d.Cwd)))
	}
	switch {
	case inContainer(p):
		return !store.Strict || p.Script == "" && slices.Contains(store.Readers, p.Name()) && !ancestry.Shell(p)
	case store.ID == "vercel" && slices.ContainsFunc(nodeDeployers, func(dir string) bool { return strings.Contains(e.Path, dir) }):
		return ancestry.JavaScript(p) && p.Script != "" && r.projectCode()
	case store.ID == "npm":
		return path.Base(p.Exe) == "deno" && !p.Foreign && ancestry.Hosted(p) && ancestry.UnvouchedScript(p.Parent) == nil
	}
	return slices.Contains(aiStores, store.ID) && r.packageAtPlace()
}

// nodeDeployers are the folders of those whose own tools run on node, and whose
// libraries ask for their login. The others' are native programs, and Stripe's key is money.
var nodeDeployers = []string{"/com.vercel.cli/", "/netlify/", "/.wrangler/"}

// aiStores are the logins of AI tools.
var aiStores = []string{"claude", "codex", "continue", "copilot", "gemini"}

// packageAtPlace reports whether what runs lies in a package that is one of the
// store's places by its own name, and not by that of a folder that it brought.
func (r reader) packageAtPlace() bool {
	file := code(r.p)
	i := strings.LastIndex(file, "/node_modules/")
	return i >= 0 && slices.ContainsFunc(r.store.Places, func(place string) bool {
		return strings.HasPrefix(place, "/node_modules/") && strings.HasPrefix(file[i:], place)
	})
}

// near reports whether one of two folders, with ~, lies in the other, and neither
// is a whole home.
func near(a, b string) bool {
	within := func(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
	return a != "~" && b != "~" && strings.HasPrefix(a, "~/") && strings.HasPrefix(b, "~/") && (within(a, b) || within(b, a))
}

// ownProject reports whether the file at p, with ~, lies in the project for
// which a package manager runs the dependency's script d. What the package
// manager was started in says which that is; the script can only narrow it.
func (t *Trust) ownProject(d *wormbell.Process, p string) bool {
	if d == nil || d.Parent == nil || !ancestry.Installer(d.Parent) {
		return false
	}
	root, _, ok := strings.Cut(d.Cwd, "/node_modules/")
	if !ok {
		return false
	}
	root, started, folder := t.tilde(root), t.tilde(d.Parent.Cwd), path.Dir(p)
	return near(root, started) && near(folder, root)
}
