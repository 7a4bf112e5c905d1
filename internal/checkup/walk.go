package checkup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond"
	"wormbell/internal/decoy"
	"wormbell/internal/stores"
)

// How far the walk through the home goes. Some 20 µs a folder: a home of three
// thousand projects takes a second or two.
const (
	maxFolders  = 60_000
	maxDepth    = 24 // of folders in folders; sources of Java have some fifteen
	maxInFolder = 5_000
	maxNames    = 2_000_000 // of all projects, which are kept
	maxLinks    = 2_000     // that are followed to see whether they lead out of the home
	maxWalk     = 8 * time.Second
	maxEnvs     = 2_000
	maxFlows    = 5_000
)

// project is a folder that somebody works in.
type project struct {
	dir   string   // relative to the home, "" is the home itself
	names []string // of what lies in it, folders with a slash
}

func (p project) has(name string) bool {
	_, found := slices.BinarySearch(p.names, name)
	return found
}

// at is the path, relative to the home, of a name in the project.
func (p project) at(name string) string { return path.Join(p.dir, name) }

// tilde is a path relative to the home as a person reads it.
func tilde(rel string) string {
	if rel == "." || rel == "" {
		return "~"
	}
	return "~/" + rel
}

// notBelow are folders that hold no projects of the user's, or too much.
var notBelow = []string{"node_modules/", "Library/", "AppData/", "snap/", "go/", "__pycache__/", "venv/", "target/"}

// telling are names that make a folder a project.
var telling = []string{"package.json", ".npmrc", "pnpm-workspace.yaml", ".yarnrc.yml", "bunfig.toml", ".git/", ".vscode/", ".claude/", ".github/"}

// walk goes through the home, nearest folders first, and notes what is there by
// its name. It opens no file.
func (k *checkup) walk(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, maxWalk)
	defer cancel()
	type folder struct {
		rel   string
		depth int
	}
	queue, kept, links := []folder{{".", 0}}, 0, 0
	deep, outside := several{}, several{}
	defer func() {
		k.stop(deep.says("it lies too deep", "%d folders lie too deep"))
		k.stop(outside.says("a link to a folder outside of the home", "%d links to folders outside of the home"))
	}()
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if ctx.Err() != nil || k.walked >= maxFolders || kept > maxNames {
			k.stop(fmt.Sprintf("projects: %d folders were gone through, and more are there", k.walked))
			return
		}
		k.walked++
		names, linked, more, err := k.home.list(at.rel, maxInFolder)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			k.missed(tilde(at.rel), err)
			continue
		case more:
			k.missed(tilde(at.rel), errMany)
		}
		for _, name := range linked {
			if strings.HasPrefix(name, ".") || links > maxLinks {
				continue
			}
			if links++; links > maxLinks {
				k.stop(fmt.Sprintf("links beyond the first %d: where they lead", maxLinks))
			} else if link := path.Join(at.rel, name); k.home.leadsOut(ctx, link) {
				outside.add(tilde(link))
			}
		}
		p := project{strings.TrimPrefix(at.rel, "."), names}
		if slices.ContainsFunc(telling, p.has) && at.depth > 0 {
			k.projects = append(k.projects, p)
			kept += len(names)
			if p.has(".github/") {
				k.flows(p)
			}
		}
		for _, name := range names {
			switch {
			case isEnv(name) && slices.Contains(k.Decoys, tilde(p.at(name))):
			case isEnv(name) && len(k.envs) < maxEnvs:
				k.envs = append(k.envs, tilde(p.at(name)))
			case !strings.HasSuffix(name, "/") || strings.HasPrefix(name, ".") || slices.Contains(notBelow, name):
			case at.depth == maxDepth:
				deep.add(tilde(path.Join(at.rel, name)))
			default:
				if below := path.Join(at.rel, name); k.home.hung(below) {
					k.missed(tilde(below), errMount)
				} else if len(queue) <= maxFolders { // those behind are never reached
					queue = append(queue, folder{below, at.depth + 1})
				}
			}
		}
	}
}

// missed notes a folder that could not be gone through.
func (k *checkup) missed(p string, err error) { k.stop(p + ": " + reason(err)) }

// stop notes why the walk is not complete.
func (k *checkup) stop(why string) {
	if why != "" && len(k.stopped) < maxFolders {
		k.stopped = append(k.stopped, why)
	}
}

// several are things of which the first few are told of by name.
type several struct {
	first []string
	n     int
}

const maxSeveral = 3

func (v *several) add(p string) {
	if v.n++; len(v.first) < maxSeveral {
		v.first = append(v.first, p)
	}
}

// list names them.
func (v *several) list() string {
	out := strings.Join(v.first, ", ")
	if more := v.n - len(v.first); more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// says what there is to say of them in one line, "" if there are none. many holds
// a verb for their number.
func (v *several) says(one, many string) string {
	switch v.n {
	case 0:
		return ""
	case 1:
		return v.first[0] + ": " + one
	}
	return fmt.Sprintf(many, v.n) + ": " + v.list()
}

// systems are folders in which persons have no projects, so that links to there
// leave nothing out: Nix makes one beside each project.
var systems = []string{"/nix/store/", "/gnu/store/", "/usr/", "/etc/", "/lib/", "/proc/", "/sys/", "/snap/", "/System/", "/Applications/"}

// leadsOut reports whether a link in the home, relative to it, leads to a folder
// outside of it, or to what does not say in time what it is.
func (h *home) leadsOut(ctx context.Context, rel string) bool {
	to, err := h.root.Readlink(filepath.FromSlash(rel))
	if err != nil {
		return false
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(h.dir, filepath.FromSlash(path.Dir(rel)), to)
	}
	in := func(p string) bool { // then it is met there
		return p == h.dir || strings.HasPrefix(p, strings.TrimSuffix(h.dir, "/")+string(filepath.Separator))
	}
	if to = filepath.Clean(to); in(to) {
		return false
	}
	if slices.ContainsFunc(h.slow, func(m string) bool { return to == m || strings.HasPrefix(to, m+"/") }) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	leads, err := within(ctx, func() (bool, error) {
		real, err := filepath.EvalSymlinks(to) // the home may have two names
		if err != nil || in(real) || slices.ContainsFunc(systems, func(dir string) bool { return strings.HasPrefix(real, dir) }) {
			return false, err
		}
		info, err := os.Stat(real)
		return err == nil && info.IsDir(), err
	})
	return leads || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, fs.ErrPermission)
}

// flows notes the workflows of a project.
func (k *checkup) flows(p project) {
	dir := p.at(".github/workflows")
	names, more, err := k.home.names(dir, 200)
	switch {
	case err != nil && !absent(err): // most projects with .github have none
		k.missed(tilde(dir), err)
	case more:
		k.missed(tilde(dir), errMany)
	}
	for _, name := range names {
		if (strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml")) && len(k.workflows) < maxFlows {
			k.workflows = append(k.workflows, tilde(path.Join(dir, name)))
		}
	}
}

// isEnv reports whether a file of this name holds the environment of a project,
// and is no pattern of one.
func isEnv(name string) bool {
	rest, ok := strings.CutPrefix(name, ".env")
	if !ok || rest != "" && rest[0] != '.' || strings.HasSuffix(name, "/") {
		return false
	}
	for _, s := range []string{"example", "sample", "template", "dist", "defaults", "schema", "vault"} {
		if strings.Contains(rest, s) {
			return false
		}
	}
	return true
}

// histories are the files in which shells and interpreters keep what was typed,
// relative to the home.
var histories = []string{
	".bash_history", ".zsh_history", ".zhistory", ".histfile", ".config/zsh/.zsh_history", ".cache/zsh/history",
	".local/share/zsh/history", ".local/state/zsh/history", ".local/share/bash/history", ".local/state/bash/history",
	".local/share/fish/fish_history", ".local/share/powershell/PSReadLine/ConsoleHost_history.txt", ".config/nushell/history.txt",
	"AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt",
	".node_repl_history", ".python_history", ".psql_history", ".mysql_history", ".rediscli_history", ".lesshst",
}

// unreadHistories are those that are databases.
var unreadHistories = []string{".config/nushell/history.sqlite3", ".local/share/atuin/history.db", ".local/share/xonsh/xonsh-history.sqlite", ".local/share/mcfly/history.db"}

// starting are the files that shells read when they start.
var starting = []string{
	".bashrc", ".bash_profile", ".bash_login", ".profile", ".bash_aliases", ".zshrc", ".zshenv", ".zprofile", ".zlogin",
	".config/fish/config.fish", ".config/fish/fish_variables", ".config/powershell/profile.ps1", ".config/powershell/Microsoft.PowerShell_profile.ps1",
	"Documents/PowerShell/profile.ps1", "Documents/PowerShell/Microsoft.PowerShell_profile.ps1",
	"Documents/WindowsPowerShell/profile.ps1", "Documents/WindowsPowerShell/Microsoft.PowerShell_profile.ps1",
}

// startingIn are folders of such files.
var startingIn = []string{".config/fish/conf.d", ".config/environment.d"}

// maxAnnounced is how many guarded files are read, and announcedAtOnce how many
// of them one announcement may hold (package api).
const (
	maxAnnounced    = 512
	announcedAtOnce = 64
)

// guarded reports whether the agent rings for the file, with ~, unless it was told.
// Where a decoy may lie, one may that we were not told of.
func (k *checkup) guarded(p string) bool {
	if _, ok := decoy.Place(p); ok {
		return k.Announce != nil
	}
	s := stores.Of(p)
	return k.Announce != nil && s != nil && !slices.Contains(k.Off, s.ID)
}

// allowed reports whether the file, with ~, may be opened.
func (k *checkup) allowed(p string) bool { return !k.guarded(p) || k.may[p] }

// read is home.read for a file that may be guarded.
func (k *checkup) read(rel string, limit int64) ([]byte, error) {
	if !k.allowed(tilde(rel)) {
		return nil, errGuarded
	}
	return k.home.read(rel, limit)
}

// announce tells the agent which of the guarded files are about to be read.
func (k *checkup) announce(ctx context.Context) error {
	k.may, k.holds = map[string]bool{}, k.holding()
	if k.Announce == nil {
		return nil
	}
	var files []string
	for _, p := range k.holds {
		if k.guarded(p) && len(files) < maxAnnounced {
			files = append(files, p)
		}
	}
	slices.Sort(files)
	for part := range slices.Chunk(slices.Compact(files), announcedAtOnce) {
		if err := k.Announce(ctx, part); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			k.closed = reason(err)
			clear(k.may)
			return nil
		}
		for _, p := range part {
			k.may[p] = true
		}
	}
	return nil
}

// holding are the files, with ~, that are there, may hold secrets, and are read
// by the sections.
func (k *checkup) holding() (files []string) {
	ids := []string{"npm", "pnpm", "yarn", "bun", "history"}
	for _, kind := range respond.All {
		ids = append(ids, kind.Stores...)
	}
	for i := range stores.All {
		s := &stores.All[i]
		if !slices.Contains(ids, s.ID) || s.ID == "env" {
			continue
		}
		for _, pattern := range s.Paths {
			for _, r := range k.home.glob(rel(pattern), func(at string, err error) { k.blind = append(k.blind, could(tilde(at), err)) }) {
				files = append(files, tilde(r))
			}
		}
	}
	files = append(files, k.envs...)
	slices.Sort(files)
	return slices.Compact(files)
}

// glob returns the paths that fit a pattern relative to the home, at most 200,
// without following links to folders. missed is told what could not be looked at.
func (h *home) glob(pattern string, missed func(rel string, err error)) []string {
	const most = 200
	found := []string{"."}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				p := path.Join(dir, part)
				if there, err := h.is(p); there {
					next = append(next, p)
				} else if err != nil {
					missed(dir, err)
				}
				continue
			}
			names, more, err := h.names(dir, maxInFolder)
			switch {
			case err != nil && !absent(err):
				missed(dir, err)
			case more:
				missed(dir, errMany)
			}
			for _, name := range names {
				name = strings.TrimSuffix(name, "/")
				if ok, _ := path.Match(part, name); !ok {
					continue
				}
				if len(next) == most {
					missed(dir, errMany)
					break
				}
				next = append(next, path.Join(dir, name))
			}
		}
		found = next
	}
	return found
}

// inside reports whether the file at rel is a regular one that lies in the home,
// whatever links lead to it, and not too large, without opening it.
func (h *home) inside(rel string) error {
	for range 8 {
		if h.hung(rel) {
			return errMount
		}
		to, err := h.root.Readlink(filepath.FromSlash(rel))
		if err != nil || !filepath.IsAbs(to) {
			break
		}
		in, err := filepath.Rel(h.dir, filepath.Clean(to))
		if err != nil || !filepath.IsLocal(in) {
			return errOutside
		}
		rel = filepath.ToSlash(in)
	}
	info, err := h.root.Stat(filepath.FromSlash(rel))
	switch {
	case err != nil && strings.Contains(err.Error(), "escapes"):
		return errOutside
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errIrregular
	case info.Size() > maxRead:
		return errLarge
	}
	return nil
}

// maxRead is the size up to which others look into a file for us, in bytes
// (package edit).
const maxRead = 4 << 20
