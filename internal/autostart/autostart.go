// Package autostart is the table of places from which programs start by
// themselves: what shells, desktops, service managers, git, editors and AI
// tools run without being asked. Facts only; a new place is one row.
//
// It does no I/O and knows neither who writes there nor what is written.
package autostart

import (
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
)

// What a place is, for a person.
const (
	Unit       = "systemd user unit"
	Autostart  = "autostart entry"
	Activation = "D-Bus service"
	Cron       = "crontab line"
	AtJob      = "at job"
	Shell      = "shell start-up file"
	Session    = "session environment"
	SSH        = "SSH file"
	GitHook    = "git hook"
	EditorTask = "editor task"
	AIHook     = "AI tool hook"
	Workflow   = "workflow file"
	Runner     = "self-hosted runner"
	Agent      = "LaunchAgent"
	Task       = "scheduled task"
	RunKey     = "Run key"
	Linger     = "linger flag"
)

// ShellFiles are what shells read when they start or end, relative to a home.
var ShellFiles = []string{".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".mkshrc", ".shrc", ".cshrc", ".tcshrc", ".login",
	".config/fish/config.fish", ".config/nushell/config.nu", ".config/nushell/env.nu", ".config/zsh/.zshrc", ".config/zsh/.zshenv", ".config/zsh/.zprofile",
	".config/powershell/profile.ps1", ".config/powershell/Microsoft.PowerShell_profile.ps1",
	"Documents/PowerShell/profile.ps1", "Documents/PowerShell/Microsoft.PowerShell_profile.ps1", "Documents/WindowsPowerShell/profile.ps1", "Documents/WindowsPowerShell/Microsoft.PowerShell_profile.ps1"}

// ShellFolders are folders of such files; ShellEndings is what those end in.
var (
	ShellFolders = []string{".config/fish/conf.d", ".bashrc.d", ".profile.d", ".zshrc.d", ".oh-my-zsh/custom", ".config/nushell/autoload"}
	ShellEndings = []string{".sh", ".bash", ".zsh", ".fish", ".nu"}
)

// SessionFiles are what a login or a desktop's session runs.
var SessionFiles = []string{".xprofile", ".xsession", ".xinitrc", ".xsessionrc", ".ssh/rc", ".config/autostart.sh", ".config/sway/config", ".config/i3/config", ".config/hypr/hyprland.conf"}

// DesktopFolders are those whose programs a desktop starts at the login.
var DesktopFolders = []string{".config/autostart", ".config/autostart-scripts", ".config/plasma-workspace/env", ".config/plasma-workspace/shutdown", ".config/openbox", ".config/lxsession", ".kde/Autostart", ".kde4/Autostart"}

// UnitFolders are where a user's units of systemd lie in the home, systemd.unit(5).
var UnitFolders = []string{".config/systemd/user", ".local/share/systemd/user", ".config/systemd/user.control"}

// UnitEndings are what files of systemd's units end in.
var UnitEndings = []string{".service", ".timer", ".path", ".socket", ".target", ".mount", ".automount", ".swap", ".slice"}

// GitSettings are the user's own settings of git, which can name hooks for all
// repositories.
var GitSettings = []string{".gitconfig", ".config/git/config"}

// AITools are the settings of AI tools in a home, AIProjects those in a project:
// hooks and servers that the tool starts.
var (
	AITools = []string{".claude/settings.json", ".claude/settings.local.json", ".claude.json", ".claude/mcp.json", ".cursor/hooks.json", ".cursor/mcp.json", ".gemini/settings.json", ".codeium/windsurf/mcp_config.json",
		".codeium/windsurf/hooks.json", ".continue/config.json", ".kiro/settings/mcp.json", ".config/Claude/claude_desktop_config.json", "Library/Application Support/Claude/claude_desktop_config.json",
		"AppData/Roaming/Claude/claude_desktop_config.json", ".config/zed/settings.json", ".copilot/mcp-config.json", ".config/opencode/opencode.json", ".qwen/settings.json"}
	AIProjects = []string{".claude/settings.json", ".claude/settings.local.json", ".mcp.json", ".cursor/hooks.json", ".cursor/mcp.json", ".gemini/settings.json", ".vscode/mcp.json", ".kiro/settings/mcp.json"}
)

// gitHooks are the hooks that git knows, githooks(5).
var gitHooks = []string{"applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push",
	"pre-receive", "update", "proc-receive", "post-receive", "post-update", "reference-transaction", "push-to-checkout", "pre-auto-gc", "post-rewrite", "sendemail-validate", "fsmonitor-watchman", "post-index-change"}

// Place is one row: files from which something starts by itself.
type Place struct {
	What    string
	Project bool // it counts in a folder of a project, not in the home itself
	pattern string
}

// places is the whole table. A pattern is relative to the home or to the
// project's folder; its segments are path.Match patterns.
var places = sync.OnceValue(func() (all []Place) {
	add := func(what string, project bool, patterns ...string) {
		for _, p := range patterns {
			all = append(all, Place{what, project, p})
		}
	}
	below := func(folders, names []string) (out []string) {
		for _, f := range folders {
			for _, n := range names {
				out = append(out, f+"/"+n)
			}
		}
		return out
	}
	star := func(endings []string) (out []string) {
		for _, e := range endings {
			out = append(out, "*"+e)
		}
		return out
	}
	add(Unit, false, below(UnitFolders, star(UnitEndings))...)
	add(Unit, false, below(UnitFolders, []string{"*.d/*.conf"})...) // drop-ins
	for _, dir := range []string{"*.wants", "*.requires", "*.upholds"} {
		for _, f := range UnitFolders {
			add(Unit, false, below([]string{f + "/" + dir}, star(UnitEndings))...)
		}
	}
	add(Autostart, false, below(DesktopFolders, []string{"*.desktop", "*.sh"})...)
	add(Autostart, false, ".config/openbox/autostart", ".config/lxsession/*/autostart", "AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/*.*")
	add(Activation, false, ".local/share/dbus-1/services/*.service")
	add(Shell, false, ShellFiles...)
	add(Shell, false, below(ShellFolders, star(ShellEndings))...)
	add(Session, false, ".pam_environment", ".config/environment.d/*.conf", ".config/systemd/user.conf", ".config/systemd/user.conf.d/*.conf")
	add(Session, false, SessionFiles...)
	add(SSH, false, ".ssh/authorized_keys", ".ssh/authorized_keys2", ".ssh/config")
	add(GitHook, false, GitSettings...)
	add(GitHook, true, below([]string{".git/hooks", ".husky", ".husky/_"}, gitHooks)...)
	add(EditorTask, true, ".vscode/tasks.json")
	add(AIHook, false, AITools...)
	add(AIHook, true, AIProjects...)
	add(AIHook, true, ".cursor/rules/*.mdc")
	add(Workflow, true, ".github/workflows/*.yml", ".github/workflows/*.yaml")
	add(Runner, true, ".runner")
	add(Agent, false, "Library/LaunchAgents/*.plist")
	return all
})

// Of returns the place that the file at p, with ~, belongs to, and the folder of
// the project, "" for one of the home's. What lies in a package below a
// node_modules, or in a hidden folder such as ~/.cache, is nobody's project: no
// editor opens it.
func Of(p string) (place Place, project string, ok bool) {
	rel, ok := strings.CutPrefix(p, "~/")
	if !ok {
		return Place{}, "", false
	}
	parts := strings.Split(rel, "/")
	for row := range candidates(path.Base(rel)) {
		n := row.depth
		if len(parts) < n || row.Project && len(parts) == n || !row.Project && len(parts) != n {
			continue
		}
		if !matches(row.segments, parts[len(parts)-n:]) {
			continue
		}
		if !row.Project {
			return row.Place, "", true
		}
		folder := parts[:len(parts)-n]
		if row.What != Runner && slices.ContainsFunc(folder, func(s string) bool { return s == "node_modules" || strings.HasPrefix(s, ".") }) ||
			slices.Contains(folder, "node_modules") {
			continue
		}
		return row.Place, "~/" + strings.Join(folder, "/"), true
	}
	return Place{}, "", false
}

// Name reports whether a file of this name may be one of the table's. It is
// asked of every name on a file system, keeps nothing and allocates nothing.
func Name(name []byte) bool {
	t := names()
	if t.exact[string(name)] {
		return true
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '.' {
			return t.endings[string(name[i:])]
		}
	}
	return false
}

// Folders returns the folders in a home, relative to it, in which there are or
// may come to be files of the table, without those of projects.
func Folders() (dirs []string) {
	for _, p := range places() {
		if !p.Project && !strings.Contains(path.Dir(p.pattern), "*") {
			dirs = append(dirs, path.Dir(p.pattern))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// Homes returns the places in a home, relative to it: files by their names, and
// folders where any file of some kind is one.
func Homes() (paths []string) {
	for _, p := range places() {
		if p.Project {
			continue
		}
		name := p.pattern
		for strings.Contains(name, "*") {
			name = path.Dir(name)
		}
		paths = append(paths, name)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Holds reports whether the folder at p, with ~, is part of a place: one that
// was moved there may have brought its files with it.
func Holds(p string) bool {
	rel, ok := strings.CutPrefix(p, "~/")
	if !ok {
		return false
	}
	parts := strings.Split(rel, "/")
	for _, row := range rows() {
		dir := row.segments[:row.depth-1]
		for n := 1; n <= len(dir) && n <= len(parts); n++ {
			if !row.Project && n != len(parts) {
				continue
			}
			if matches(dir[:n], parts[len(parts)-n:]) {
				return true
			}
		}
	}
	return false
}

type row struct {
	Place
	segments []string
	depth    int // how many segments
}

var rows = sync.OnceValue(func() (out []row) {
	for _, p := range places() {
		s := strings.Split(p.pattern, "/")
		out = append(out, row{p, s, len(s)})
	}
	return out
})

// index finds rows by the last segment of their patterns.
var index = sync.OnceValue(func() map[string][]row {
	m := map[string][]row{}
	for _, r := range rows() {
		last := r.segments[r.depth-1]
		if strings.HasPrefix(last, "*") {
			if last = path.Ext(last); last == ".*" {
				last = ""
			}
		}
		m[last] = append(m[last], r)
	}
	return m
})

// candidates are the rows that a file of this name may belong to.
func candidates(name string) iter.Seq[row] {
	return func(yield func(row) bool) {
		for i, key := range []string{name, path.Ext(name), ""} {
			if i > 0 && key == name {
				continue // ".bashrc" is its own ending
			}
			for _, r := range index()[key] {
				if !yield(r) {
					return
				}
			}
		}
	}
}

type nameTable struct{ exact, endings map[string]bool }

var names = sync.OnceValue(func() nameTable {
	t := nameTable{map[string]bool{}, map[string]bool{}}
	for _, r := range rows() {
		switch last := r.segments[r.depth-1]; {
		case last == "*.*": // Windows' folder, which is not watched by name
		case strings.HasPrefix(last, "*"):
			t.endings[path.Ext(last)] = true
		default:
			t.exact[last] = true
		}
	}
	return t
})

func matches(pattern, parts []string) bool {
	for i, p := range pattern {
		if p == parts[i] {
			continue
		}
		if ok, _ := path.Match(p, parts[i]); !ok {
			return false
		}
	}
	return true
}
