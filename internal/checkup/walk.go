package checkup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	maxDepth    = 9
	maxInFolder = 5_000
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
	queue := []folder{{".", 0}}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if ctx.Err() != nil || k.walked >= maxFolders {
			k.stopped = append(k.stopped, fmt.Sprintf("projects: %d folders were gone through, and more are there", k.walked))
			return
		}
		k.walked++
		names, more, err := k.home.names(at.rel, maxInFolder)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			k.missed(tilde(at.rel), err)
			continue
		case more:
			k.stopped = append(k.stopped, fmt.Sprintf("%s: only %d of its names", tilde(at.rel), maxInFolder))
		}
		p := project{strings.TrimPrefix(at.rel, "."), names}
		if slices.ContainsFunc(telling, p.has) && at.depth > 0 {
			k.projects = append(k.projects, p)
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
			default:
				if below := path.Join(at.rel, name); k.home.hung(below) {
					k.missed(tilde(below), errMount)
				} else {
					queue = append(queue, folder{below, at.depth + 1})
				}
			}
		}
	}
}

// missed notes a folder that could not be gone through, unless there are many.
func (k *checkup) missed(p string, err error) {
	if len(k.stopped) < maxNotLooked {
		k.stopped = append(k.stopped, p+": "+reason(err))
	}
}

// flows notes the workflows of a project.
func (k *checkup) flows(p project) {
	dir := p.at(".github/workflows")
	names, _, _ := k.home.names(dir, 200) // most projects with .github have none
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
	k.may = map[string]bool{}
	if k.Announce == nil {
		return nil
	}
	var files []string
	for _, p := range k.holding() {
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
			for _, r := range k.home.glob(rel(pattern)) {
				files = append(files, tilde(r))
			}
		}
	}
	files = append(files, k.envs...)
	slices.Sort(files)
	return slices.Compact(files)
}

// glob returns the paths that fit a pattern relative to the home, at most 200,
// without following links to folders.
func (h *home) glob(pattern string) []string {
	found := []string{"."}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				if p := path.Join(dir, part); h.is(p) {
					next = append(next, p)
				}
				continue
			}
			names, _, _ := h.names(dir, 200) // what cannot be listed is not there for us, and its section says so
			for _, name := range names {
				name = strings.TrimSuffix(name, "/")
				if ok, _ := path.Match(part, name); ok && len(next) < 200 {
					next = append(next, path.Join(dir, name))
				}
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
