package signer

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// This file holds package managers and registry tools that came as packages: into
// a project's node_modules, into the cache of npx or `pnpm dlx`, or by `npm
// install -g` into a folder of the person's. Their name proves nothing: any
// package can bring a folder called pnpm, and any script can write one. What
// counts is that a vouched package manager put the folder there under this name,
// from the registry, and that nobody else has written to it since. See evidence.go.

// What the labels begin with: of packages that bring all of their code with them,
// and of those that load what other packages brought.
const (
	packageLabel = "package:"
	toolLabel    = "tool:"
)

// clients are the packages that have a reason of their own to read the
// configuration of npm, and whether they bring all of their code with them.
var clients = map[string]bool{
	"bun":               true,
	"corepack":          true,
	"npm":               true,
	"pnpm":              true,
	"@pnpm/exe":         true,
	"yarn":              true,
	"@yarnpkg/cli-dist": true,

	// They publish.
	"@changesets/cli":       false,
	"@semantic-release/npm": false,
	"auto":                  false,
	"lerna":                 false,
	"np":                    false,
	"nx":                    false,
	"release-it":            false,
	"semantic-release":      false,
	"verdaccio":             false,

	// They ask the registry for versions, with the token for it: most by
	// registry-auth-token, which update-check and update-notifier use.
	"@angular/cli":        false,
	"@vue/cli":            false,
	"create-expo":         false,
	"create-next-app":     false,
	"create-turbo":        false,
	"firebase-tools":      false,
	"netlify-cli":         false,
	"npm-check":           false,
	"npm-check-updates":   false,
	"serve":               false,
	"taze":                false,
	"update-notifier":     false,
	"update-notifier-cjs": false,
	"wrangler":            false,
	"yo":                  false,
}

// besides are modules that such packages load if they find them in a folder
// above, also those that bring all of their code: js-yaml's parser, the library
// by which pnpm clones files.
var besides = []string{"esprima", "@reflink/reflink-linux-x64-gnu", "@reflink/reflink-linux-x64-musl", "@reflink/reflink-linux-arm64-gnu", "@reflink/reflink-linux-arm64-musl"}

// inPackage is a place of a file: a package's folder.
type inPackage struct {
	dir  string
	name string // of the package
}

// IsClient reports whether a folder is by its name that of a package manager or
// registry tool among packages. It says nothing about what is in it.
func IsClient(dir string) bool {
	in := packagesOf(dir)
	return len(in) > 0 && in[0].dir == dir
}

// packagesOf returns the folders of clients, by their names, that a path is in
// or is, the innermost first.
func packagesOf(name string) (in []inPackage) {
	const nm = "/node_modules/"
	for at := len(name); ; {
		i := strings.LastIndex(name[:at], nm)
		if i < 0 {
			return in
		}
		begin := i + len(nm)
		end := begin + segment(name[begin:])
		if strings.HasPrefix(name[begin:], "@") && end < len(name) {
			end += 1 + segment(name[end+1:])
		}
		if pkg := name[begin:end]; isClient(pkg) {
			in = append(in, inPackage{name[:end], pkg})
		}
		at = i + 1 // the next may share the slash
	}
}

// has reports whether a path in the package's folder is the package's own. What lies in
// the node_modules of a registry tool came with others, as it does beside it, and
// their scripts may change it; npm puts all of a tool's there for `npm install -g`.
func (p inPackage) has(name string) bool {
	return clients[p.name] || !strings.HasPrefix(name, p.dir+"/"+modules+"/")
}

// modules is the folder of the packages that a package brings or needs.
const modules = "node_modules"

func segment(s string) int {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return i
	}
	return len(s)
}

func isClient(pkg string) bool { _, ok := clients[pkg]; return ok }

// packageLabelOf is the label of a package's folder in a home; "" if it is in none.
func (s *Signer) packageLabelOf(p inPackage) string {
	for _, h := range s.cfg.Homes {
		if rest, ok := strings.CutPrefix(p.dir, strings.TrimSuffix(h.Dir, "/")+"/"); ok {
			if clients[p.name] {
				return packageLabel + "~/" + rest
			}
			return toolLabel + "~/" + rest
		}
	}
	return ""
}

// packageTool returns the held package that a resolved path belongs to, holding
// it from now on if it can be told who put it there; nil for none. s.mu is held.
func (s *Signer) packageTool(name string) *tool {
	for _, p := range packagesOf(name) {
		label := s.packageLabelOf(p)
		if label == "" || !p.has(name) {
			continue
		}
		i := slices.IndexFunc(s.tools, func(t *tool) bool { return t.Dir == p.dir })
		if i >= 0 {
			return s.tools[i]
		}
		if !s.room(true) || !s.proven(p) {
			continue
		}
		t := &tool{Dir: p.dir, Label: label, Since: s.cfg.Now().UTC(), Base: s.born, Files: map[string]Ident{}, allow: anyOf, pkg: p.name}
		s.tools = append(s.tools, t)
		s.dirty = true
		s.cfg.Log.Info("a package is held from now on", "signer", label)
		return t
	}
	return nil
}

func anyOf(string) bool { return true }

// longProof is how long it takes to read some MB of a lockfile.
const longProof = 20 * time.Millisecond

// proven is [Signer.fromRegistry] for one of which nothing is known yet. What is
// not proven is asked again at every start, so it must not take long: what took
// long in vain is followed by ten times as long without. s.mu is held.
func (s *Signer) proven(p inPackage) bool {
	began := time.Now()
	if began.Before(s.tired) {
		return false
	}
	if s.fromRegistry(p) {
		return true
	}
	if took := time.Since(began); took > longProof {
		s.tired = began.Add(11 * took)
	}
	return false
}

// installedAt reports whether a change of a package's folder at a time can only
// be a vouched package manager's: one was at work, and no script of another
// package was there.
func (s *Signer) installedAt(dir string, at time.Time) bool {
	return s.cfg.Installed(at, at) && s.cfg.QuietBut(dir, at, at)
}

// mine reports whether what was found was written by a vouched package manager for
// a package in dir, or was there before the agent was. s.mu is held.
func (s *Signer) mine(found Found, dir string) bool {
	changed := time.Unix(0, found.Ctime)
	if found.Open || !s.ownerIsFine(found) {
		return false
	}
	return !changed.After(s.born) || s.installedAt(dir, changed) && !s.written.byAnother(dir, found.Dev, found.Ino, found.Born)
}

// ownTimes is what [glance] asks of the times of a package's files.
func (s *Signer) ownTimes(t *tool) func(time.Time) bool {
	return func(at time.Time) bool { return s.installedAt(t.Dir, at) }
}

// others is what it asks of who wrote them. It may be called without s.mu.
func (s *Signer) others(t *tool) func(*status) bool {
	return func(f *status) bool {
		return f.regular() && s.written.byAnother(t.Dir, f.Dev, f.Ino, f.made())
	}
}

// unchanged reports whether a folder or a file beside a held package is as a vouched
// package manager left it. s.mu is held.
func (s *Signer) unchanged(t *tool, name string) bool {
	found, err := s.files.Lookup(name)
	if err != nil || !s.inHome(found.Path) {
		return false
	}
	if !found.Dir {
		return s.mine(found, t.Dir)
	}
	now, err := s.files.look(found.Path, glance{since: s.born, fine: s.ownTimes(t), other: s.others(t), until: time.Now().Add(s.cfg.patience)})
	return err == nil && now.open == "" && now.wrong == ""
}

// renew holds a package that has fallen anew if a vouched package manager has put
// all of it there since. s.mu is held.
func (s *Signer) renew(t *tool) bool {
	if t.FellAt.IsZero() {
		return false // a person took it back
	}
	now, err := s.files.look(t.Dir, glance{own: !clients[t.pkg], since: t.FellAt, fine: s.ownTimes(t), other: s.others(t), until: time.Now().Add(firstPatience)})
	if err != nil || now.open != "" || now.wrong != "" || !now.oldest.After(t.FellAt) || !s.fromRegistry(inPackage{t.Dir, t.pkg}) {
		return false
	}
	t.Fell, t.Base, t.FellAt, t.looked = "", t.FellAt, time.Time{}, false
	s.dirty = true
	s.cfg.Log.Info("a package was installed anew", "signer", t.Label)
	return true
}

// firstPatience is how long the first look at a package may take: until then
// nothing vouches for it.
const firstPatience = 250 * time.Millisecond

// Came says that a package was found in a folder or came there, an absolute path
// without symlinks. If it is a client's, what is there within a minute is what it
// must stay, whether somebody uses it or not.
func (s *Signer) Came(dir string) {
	if !IsClient(dir) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.coming[dir]; ok || len(s.coming) < toolsMax {
		s.coming[dir] = s.cfg.Now()
	}
}

// comingFor is how long a package may take to be installed.
const comingFor = 10 * time.Minute

// takeIn holds the packages that came. s.mu is held.
func (s *Signer) takeIn() {
	now := s.cfg.Now()
	for dir, since := range s.coming {
		switch t := s.packageTool(dir); {
		case now.Sub(since) < comingFor && (t == nil || s.cfg.Installed(now, now)): // it may be on its way still
			continue
		case t != nil && (t.Fell == "" || s.renew(t)):
			s.later[due{t, ""}] = true
		}
		delete(s.coming, dir)
	}
}

// Tool returns the label of the registry tool that a process runs, "tool:~/…", if it
// is a package that is held and loads what other packages brought; "" for none. It
// vouches for nothing: see [Signer.Vouch] for what does.
func (s *Signer) Tool(q Query) string {
	if !runs(q) || !s.amongPackages(q.Run.Script) {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exe(q.PID, q.Exe) == "" || !s.preloads(q) || !s.loads(q) || !s.unshadowed(q) {
		return ""
	}
	label := s.scriptBy(q.PID, q.Run.Script, func(name string) (string, Found, error) {
		found, err := s.files.Lookup(name)
		if err != nil || !found.Regular {
			return "", found, err
		}
		return s.hold(found), found, nil
	})
	if !strings.HasPrefix(label, toolLabel) {
		return ""
	}
	return label
}

// amongPackages reports whether a script lies in a node_modules, or is a link to one
// that does: what npm puts into the bin of a prefix is.
func (s *Signer) amongPackages(script string) bool {
	const nm = "/" + modules + "/"
	if strings.Contains(script, nm) {
		return true
	}
	found, err := s.files.Lookup(script)
	return err == nil && found.Regular && strings.Contains(found.Path, nm)
}

// gone reports whether a tool's folder is not there any more. That of one whose
// home is not there, as before its owner logs in, may be.
func (s *Signer) gone(t *tool) bool {
	_, err := s.files.Lookup(t.Dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if t.pkg == "" {
		above, err := s.files.Lookup(path.Dir(t.Dir))
		return err == nil && above.Dir
	}
	return slices.ContainsFunc(s.cfg.Homes, func(h Home) bool {
		home, err := s.files.Lookup(h.Dir)
		if !within(t.Dir, h.Dir) || err != nil || !home.Dir {
			return false
		}
		names, err := s.files.ReadDir(h.Dir)
		return err == nil && len(names) > 0 // else it is what a home is mounted on
	})
}
