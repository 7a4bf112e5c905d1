package detect

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
	"wormbell/internal/autostart"
)

var persistenceByInstallScript = Detector{
	ID:       "persistence-by-install-script",
	Title:    "An install script made something start by itself",
	Advice:   "Freeze it, then respond to the alert: what was set up is looked for and disabled, with a copy kept; scripts of a package.json you put back yourself. Some of it waits for a token to be revoked and then deletes the home folder.",
	Severity: wormbell.High,
	Kinds:    []wormbell.Kind{wormbell.FileWrite, wormbell.ManifestChange, wormbell.ProcessStart},
	Who:      true,
	Doc: `
Fires when something below the install script of a dependency, or below a program that has raised an alert, writes a file from which programs
start by themselves: units of the user's systemd, autostart entries, LaunchAgents, the start-up files of shells and sessions, SSH's
authorized_keys and settings, git's settings and hooks, .vscode/tasks.json, hooks and servers of AI tools, workflow files, a self-hosted
runner; or when it starts a program that sets such a thing up or has the system run what it wants run: crontab, at, systemctl enable, systemd-run,
loginctl enable-linger, launchctl, schtasks, reg add …\Run, tmux run-shell and what else has a terminal's or an editor's server run something, git config --global core.hooksPath; or when it changes what the scripts of a project's
package.json run, of another one than the package's own: somebody runs them later, and whoever installs what is published of it. What is written is not looked at.

Low for the hooks of one git repository: husky 4, lefthook, simple-git-hooks and the like install them from a dependency's postinstall, and
nothing that can be seen of it tells them from a worm's. High once the same script writes hooks into a second repository, or has done
something else that is told of. Low, too, for what a program that was run with npx does to the home: somebody asked for it; and for what a
program that has raised an alert, but is no install script, writes in projects, and for AI tools: it may be what a person works with.

Quiet for what a program that npx runs writes into a project, for a person, editors, installers that a person runs (nvm, oh-my-zsh, rustup),
the project's own scripts (prepare: husky), for repositories that git clones with such files in them, for packages in node_modules that hold some, and for what lies in hidden folders such as ~/.cache.
Where the system does not tell who wrote a file the detector sees only the programs, and says that it cannot see who.`,
	Blind: "" +
		"Places that are not in its table: `/etc`, files that a place's own file names, `PYTHONSTARTUP`, projects in hidden folders. What is written: a harmless\n" +
		"line rings like a harmful one. A service manager or `cron` that is asked over its socket, not by its program; another hard link of a file.",
	New: func() Check {
		w := persistence{
			reported: NewRecent[placeKey](10*time.Minute, 2000),
			hooks:    NewRecent[wormbell.ProcessID](time.Hour, 1000),
		}
		return w.check
	},
}

type persistence struct {
	reported *Recent[placeKey]
	hooks    *Recent[wormbell.ProcessID] // writes of a repository's hooks, by the tree
}

// placeKey is one place that one tree wrote to.
type placeKey struct {
	root  wormbell.ProcessID
	place string
}

func (w *persistence) check(e wormbell.Event, s *Scope) {
	p := e.Process
	d := ancestry.Dependency(p)
	if p == nil || d == nil && !s.Suspect(p) {
		return
	}
	asked := d != nil && ranOnce(d) && somebodyAbove(p, d) && !s.Suspect(p)
	f := wormbell.Finding{}
	if asked {
		f.Severity = wormbell.Low
	}
	var key string
	if e.Kind == wormbell.FileWrite {
		place, project, ok := autostart.Of(e.Path)
		if !ok || asked && (project != "" || place.What == autostart.AIHook) || project != "" && cloned(p, d) {
			return
		}
		key = e.Path
		if d == nil && (project != "" || place.What == autostart.AIHook) {
			f.Severity = wormbell.Low
		}
		if place.What == autostart.GitHook && project != "" {
			key = project
			if second := w.second(p, e, project); !second && !s.Suspect(p) {
				f.Severity = wormbell.Low // a hook manager, it may be
			}
		}
		f.Subject = e.Path
		f.Summary = fmt.Sprintf("%s wrote %s (%s), from where programs start by themselves", s.who(p), e.Path, place.What)
	} else if e.Kind == wormbell.ManifestChange {
		if len(e.Scripts) == 0 || asked || cloned(p, d) || d != nil && s.Tilde(d.Cwd) == path.Dir(e.Path) {
			return
		}
		if d == nil {
			f.Severity = wormbell.Low
		}
		key = e.Path
		f.Subject = e.Path
		f.Summary = fmt.Sprintf("%s changed what scripts of %s run: %s", s.who(p), e.Path, strings.Join(e.Scripts, ", "))
	} else {
		what := setsUp(p)
		if what == "" {
			return
		}
		key = what
		f.Subject = what
		f.Summary = fmt.Sprintf("%s ran what makes programs start by themselves: %s", s.who(p), what)
	}
	f.Gathered = f.Severity == wormbell.Low
	k := placeKey{ancestry.Root(p).ID(), f.Severity.String() + " " + key}
	if w.reported.Has(k, e.Time) {
		return
	}
	w.reported.Add(k, e)
	s.Report(f)
}

// second notes that the tree of p writes hooks into project, and reports
// whether it did so in another one before.
func (w *persistence) second(p *wormbell.Process, e wormbell.Event, project string) bool {
	root := ancestry.Root(p).ID()
	other := false
	known := false
	for _, before := range w.hooks.Of(root, e.Time) {
		_, folder, _ := autostart.Of(before.Path)
		other = other || folder != project
		known = known || folder == project
	}
	if !known {
		w.hooks.Add(root, e)
	}
	return other
}

// cloned reports whether p writes as part of a git that brings a repository
// with all that is in it. What such a git writes to is new. It is git itself, or a
// helper of its, that writes, and not what an alias or a command for each submodule starts.
func cloned(p, d *wormbell.Process) bool {
	for a := range p.Chain {
		if a.Signer == "" || a.Name() != "git" && !strings.HasPrefix(a.Name(), "git-") {
			return false
		}
		if a.Name() == "git" {
			for i := 1; i < len(a.Args); i++ {
				switch word := a.Args[i]; {
				case word == "-C" || word == "--git-dir" || word == "--work-tree" || word == "--namespace":
					i++ // its value
					continue
				case word == "-c" && i+1 < len(a.Args) && !strings.HasPrefix(strings.ToLower(a.Args[i+1]), "alias."):
					i++
					continue
				case strings.HasPrefix(word, "-") && word != "-c" && !strings.HasPrefix(word, "--config-env"):
					continue
				case word == "clone", word == "submodule" && !slices.Contains(a.Args[i+1:], "foreach"):
					return true
				}
				break // another command, or what may be one
			}
		}
		if a == d || ancestry.Boundary(a) {
			break
		}
	}
	return false
}

// starters make something start by itself, or have the system run what then
// is nobody's child.
var starters = []tool{
	{id: "crontab", names: []string{"crontab"}, words: []string{"*"}},
	{id: "crontab", names: []string{"crontab"}, flags: []string{"-", "-e"}},
	{id: "at", names: []string{"at"}, words: []string{"*"}},
	{id: "batch", names: []string{"batch"}},
	// A terminal's server, an editor's: what they start is theirs.
	{id: "tmux", names: []string{"tmux"}, words: []string{"*"}},
	{id: "screen", names: []string{"screen"}, flags: []string{"-X"}},
	{id: "wezterm cli", names: []string{"wezterm"}, words: []string{"cli"}},
	{id: "kitty @", names: []string{"kitty", "kitten"}, words: []string{"@*"}},
	{id: "zellij", names: []string{"zellij"}, words: []string{"*"}},
	{id: "gnome-terminal", names: []string{"gnome-terminal", "konsole", "xfce4-terminal"}, flags: []string{"--", "-e", "-x", "--command", "--execute"}},
	{id: "emacsclient", names: []string{"emacsclient"}, flags: []string{"-e", "--eval"}},
	{id: "systemd-run", names: []string{"systemd-run"}},
	{id: "systemctl enable", names: []string{"systemctl"}, words: []string{"enable"}},
	{id: "systemctl enable", names: []string{"systemctl"}, words: []string{"reenable"}},
	{id: "systemctl link", names: []string{"systemctl"}, words: []string{"link"}},
	{id: "systemctl start", names: []string{"systemctl"}, words: []string{"start"}, flags: []string{"--user"}},
	{id: "systemctl start", names: []string{"systemctl"}, words: []string{"restart"}, flags: []string{"--user"}},
	{id: "systemctl edit", names: []string{"systemctl"}, words: []string{"edit"}},
	{id: "systemctl set-environment", names: []string{"systemctl"}, words: []string{"set-environment"}, flags: []string{"--user"}},
	{id: "loginctl enable-linger", names: []string{"loginctl"}, words: []string{"enable-linger"}},
	{id: "launchctl", names: []string{"launchctl"}, words: []string{"load"}},
	{id: "launchctl", names: []string{"launchctl"}, words: []string{"bootstrap"}},
	{id: "launchctl", names: []string{"launchctl"}, words: []string{"submit"}},
	{id: "launchctl", names: []string{"launchctl"}, words: []string{"enable"}},
	{id: "schtasks /create", names: []string{"schtasks"}, words: []string{"/create"}},
	{id: "schtasks /create", names: []string{"schtasks"}, words: []string{"/Create"}},
	{id: "schtasks /create", names: []string{"Register-ScheduledTask"}},
	{id: `reg add …\Run`, names: []string{"reg"}, words: []string{"add", `*\CurrentVersion\Run*`}},
	{id: `reg add …\Run`, names: []string{"New-ItemProperty", "Set-ItemProperty"}, words: []string{`*\CurrentVersion\Run*`}},
	{id: "git config --global core.hooksPath", names: []string{"git"}, words: []string{"core.hooksPath", "*"}, flags: []string{"--global", "--system"}},
	{id: "git config --global init.templateDir", names: []string{"git"}, words: []string{"init.templateDir", "*"}, flags: []string{"--global", "--system"}},
	{id: "git config --global core.fsmonitor", names: []string{"git"}, words: []string{"core.fsmonitor", "*"}, flags: []string{"--global", "--system"}},
	{id: "git config --global core.sshCommand", names: []string{"git"}, words: []string{"core.sshCommand", "*"}, flags: []string{"--global", "--system"}},
}

// setsUp returns what p runs of the starters, also as a shell's code; "" for none.
func setsUp(p *wormbell.Process) string {
	calls := []call{}
	if code := codeOf(p); code != "" {
		calls = callsIn(code, p)
	} else {
		calls = append(calls, callOf(p))
	}
	for _, c := range calls {
		c.plain()
		for i := range starters {
			t := &starters[i]
			if t.is(&c) && !onlyAsks(c.args) {
				return t.id
			}
		}
	}
	return ""
}

// onlyAsks reports whether a program is only asked how it is used.
func onlyAsks(args []string) bool {
	return len(args) == 1 && (strings.HasPrefix(args[0], "--help") || strings.HasPrefix(args[0], "--version") || args[0] == "-h")
}
