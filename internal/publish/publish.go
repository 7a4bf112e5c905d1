// Package publish recognises a process that publishes a package, from its
// command line alone, for npm, pnpm, yarn (classic and berry) and bun.
//
// It reads argv the way each client reads it, because a worm's author may put
// flags first, abbreviate and use aliases. It knows nothing of registries,
// manifests or judgement: whether a publish is harmful is the detectors' part.
package publish

import (
	"path"
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/ancestry"
)

// Attempt is one run of a client's publish command.
type Attempt struct {
	Client     string   // "npm", "pnpm", "yarn" or "bun"
	DryRun     bool     // nothing is sent
	Staged     bool     // `npm stage publish`, `yarn npm publish --staged`: waits for somebody's approval
	Workspaces bool     // every workspace of the project is published, or those that were named
	Named      []string // the workspaces that were named, as they were: names, folders or patterns
	Folder     string   // absolute folder whose manifest is published; for Workspaces the project's; "" if it is none or not known
	Tarball    string   // absolute path, or URL, of the tarball that is published; "" if it is none
	Registry   string   // as given by --registry, "" if it was not
	Spec       string   // what is published when it is neither a folder nor a tarball: "name@version", "git+ssh://…"
}

// Parse reports whether p is a publish, and what it publishes.
//
// Only the client itself counts, by name and not by signer (a copy of npm
// publishes too): a shell, npx or `npm exec` that starts one does not, so that
// one publish counts once. pnpm and yarn start a second client for the same
// publish, as a direct child: telling that is the caller's part.
//
// Where npm has replaced its command line by its title, the flags are gone:
// such a dry run looks like a publish.
func Parse(p *wormbell.Process) (Attempt, bool) {
	client, args, ok := ancestry.Client(p)
	if !ok {
		return Attempt{}, false
	}
	switch client {
	case "npm":
		return parseNpm(p, args)
	case "pnpm":
		return parsePnpm(p, args)
	case "yarn":
		return parseYarn(p, args)
	case "bun":
		return parseBun(p, args)
	}
	return Attempt{}, false
}

func parseNpm(p *wormbell.Process, args []string) (Attempt, bool) {
	words, opts := npmOptions.parse(args)
	if len(words) == 0 || opts.truthy("usage") || opts.truthy("version") || opts.truthy("versions") {
		return Attempt{}, false
	}
	a := Attempt{Client: "npm", DryRun: p.DryRun, Registry: opts.registry()}
	switch command := npmCommand(words[0]); {
	case command == "publish":
		words = words[1:]
	case command == "stage" && len(words) > 1 && words[1] == "publish": // subcommands are not abbreviated
		a.Staged = true
		words = words[2:]
	default:
		return Attempt{}, false
	}
	if len(words) > 1 {
		return Attempt{}, false // a usage error: nothing is published
	}
	if v, ok := opts.last("dry-run"); ok {
		a.DryRun = v == "true"
	}
	named := opts["workspace"]
	a.Workspaces = (len(named) > 0 || opts.truthy("workspaces")) && (len(words) == 0 || words[0] == ".")
	if a.Workspaces {
		// Workspaces are those of the project at the prefix. A plain publish
		// takes the working directory, whatever the prefix is (npm 11.19).
		a.Folder, a.Named = p.Cwd, named
		if prefix, ok := opts.last("prefix"); ok {
			a.Folder = absolute(p, prefix)
		}
		return a, true
	}
	a.source(p, words)
	return a, true
}

// source fills in what words, the arguments after the command, name.
func (a *Attempt) source(p *wormbell.Process, words []string) {
	if len(words) == 0 {
		a.Folder = p.Cwd
		return
	}
	spec := words[0]
	if file, ok := strings.CutPrefix(spec, "file:"); ok {
		spec = file
		if !strings.HasPrefix(spec, "/") && !strings.HasPrefix(spec, ".") {
			spec = "./" + spec
		}
	}
	switch {
	case tarball(spec):
		a.Tarball = spec
		if !strings.Contains(spec, "://") {
			a.Tarball = absolute(p, spec)
		}
	case isPath(spec):
		a.Folder = absolute(p, spec)
	case a.Client != "npm": // the others know no specs
		a.Folder = absolute(p, spec)
	default:
		a.Spec = spec
	}
}

// isPath reports whether npm takes spec for a folder: "dir" alone is a package's name.
func isPath(spec string) bool {
	if spec == "." || spec == ".." || spec == "~" {
		return true
	}
	for _, prefix := range []string{"/", "./", "../", "~/", `.\`, `..\`} {
		if strings.HasPrefix(spec, prefix) {
			return true
		}
	}
	return len(spec) > 2 && spec[1] == ':' && (spec[2] == '/' || spec[2] == '\\')
}

func tarball(spec string) bool {
	s := strings.ToLower(spec)
	return strings.HasSuffix(s, ".tgz") || strings.HasSuffix(s, ".tar.gz") || strings.HasSuffix(s, ".tar")
}

// absolute resolves name against p's working directory; "" if that is not known.
func absolute(p *wormbell.Process, name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	if strings.HasPrefix(name, "/") || len(name) > 2 && name[1] == ':' {
		return path.Clean(name)
	}
	if p.Cwd == "" || strings.HasPrefix(name, "~") {
		return ""
	}
	return path.Join(p.Cwd, name)
}

// pnpm hands its flags on to npm, or (since 11) publishes by itself. It reads
// no npm_config_dry_run that npm would not read again.
func parsePnpm(p *wormbell.Process, args []string) (Attempt, bool) {
	words, opts := pnpmOptions.parse(args)
	a := Attempt{Client: "pnpm", DryRun: opts.truthy("dry-run"), Registry: opts.registry()}
	for len(words) > 0 && words[0] != "publish" { // what may stand before the command
		switch {
		case words[0] == "recursive" || words[0] == "multi" || words[0] == "m":
			opts["recursive"] = append(opts["recursive"], "true")
		case words[0] == "pm": // the built-in command, whatever scripts the project has
		case words[0] == "with" && len(words) > 1: // another version of pnpm, or this one
			words = words[1:]
		case words[0] == "stage" && len(words) > 1 && words[1] == "publish":
			a.Staged = true
		default:
			return Attempt{}, false
		}
		words = words[1:]
	}
	if len(words) == 0 || opts.truthy("help") || opts.truthy("version") {
		return Attempt{}, false
	}
	named := slices.Concat(opts["filter"], opts["filter-prod"])
	a.Workspaces = opts.truthy("recursive") || len(named) > 0
	at := *p
	if dir, ok := opts.last("dir"); ok {
		at.Cwd = absolute(p, dir)
	}
	if a.Workspaces {
		a.Folder, a.Named = at.Cwd, named
		return a, true
	}
	a.source(&at, words[1:])
	return a, true
}

// parseYarn reads both yarns: `yarn publish` is classic's, `yarn npm publish`
// is berry's, `yarn workspaces foreach … npm publish` berry's for all.
// Classic knows no dry run: it publishes whatever the flag says.
func parseYarn(p *wormbell.Process, args []string) (Attempt, bool) {
	words, opts := yarnOptions.parse(args)
	if len(words) == 0 || opts.truthy("help") {
		return Attempt{}, false
	}
	at := *p
	if dir, ok := opts.last("cwd"); ok {
		at.Cwd = absolute(p, dir)
	}
	if isPath(words[0]) && len(words) > 1 { // berry: yarn ./dir npm publish
		at.Cwd = absolute(&at, words[0])
		words = words[1:]
	}
	a := Attempt{Client: "yarn", Registry: opts.registry()}
	switch {
	case words[0] == "publish":
		a.source(&at, words[1:])
		return a, true
	case len(words) > 1 && words[0] == "npm" && words[1] == "publish":
		a.DryRun, a.Staged = opts.truthy("dry-run"), opts.truthy("staged")
		a.Folder = at.Cwd
		return a, true
	case len(words) > 2 && (words[0] == "workspace" || words[0] == "workspaces"):
		for i := 1; i < len(words); i++ {
			if words[i] == "publish" && (words[i-1] == "npm" || i == 2) {
				a.DryRun, a.Staged = opts.truthy("dry-run"), opts.truthy("staged")
				a.Workspaces, a.Folder = true, at.Cwd
				if words[0] == "workspace" {
					a.Named = words[1:2]
				}
				return a, true
			}
		}
	}
	return Attempt{}, false
}

func parseBun(p *wormbell.Process, args []string) (Attempt, bool) {
	words, opts := bunOptions.parse(args)
	if len(words) == 0 || words[0] != "publish" || opts.truthy("help") {
		return Attempt{}, false
	}
	at := *p
	if dir, ok := opts.last("cwd"); ok {
		at.Cwd = absolute(p, dir)
	}
	a := Attempt{Client: "bun", DryRun: opts.truthy("dry-run"), Registry: opts.registry()}
	a.source(&at, words[1:])
	return a, true
}
