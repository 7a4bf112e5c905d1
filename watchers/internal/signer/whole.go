package signer

import (
	"errors"
	"path"
	"slices"
	"strings"
	"time"
)

// This file says whether the folder that a script belongs to is as a whole what
// it was. npm-cli.js is a few lines; what it loads is the tool as well, and a
// worm that runs as the user can write all of it.

// whole is what a folder was when it was looked at.
type whole struct {
	Sum    string    `json:"sum"`    // SHA-256 of every file's name, owner, mode, number, size and times
	Newest time.Time `json:"newest"` // the last ctime of all, which no program sets
	At     time.Time `json:"at"`     // when it was looked at
	oldest time.Time // the first ctime of all
	open   string    // a file that anybody may write
	wrong  string    // a file that changed after since, at a time that was not fine
	when   time.Time
}

// glance is how a folder is to be looked at.
type glance struct {
	until time.Time               // give up then; zero for never
	own   bool                    // without the packages in it
	since time.Time               // what changed after this
	fine  func(at time.Time) bool // must have changed at a time that is fine
	other func(s *status) bool    // and not be another's; nil: nobody's is
}

// add takes in one file.
func (w *whole) add(name []byte, s *status, g glance) {
	changed := time.Unix(0, s.Ctime)
	if changed.After(w.Newest) {
		w.Newest = changed
	}
	if w.oldest.IsZero() || changed.Before(w.oldest) {
		w.oldest = changed
	}
	if w.open == "" && s.open() && !s.symlink() {
		w.open = "./" + string(name)
	}
	if w.wrong == "" && changed.After(g.since) && (!g.fine(changed) || g.other != nil && g.other(s)) {
		w.wrong, w.when = "./"+string(name), changed
	}
}

const (
	// wholeMax bounds the files of one folder. npm has 2,500, pnpm 1,200.
	wholeMax = 10_000
	// patience is how long an exec may wait for a look. npm is looked at in some
	// milliseconds as long as the system has its folders in memory.
	patience = 60 * time.Millisecond
	// fresh is how long after its last change a folder may still be being unpacked:
	// what it is then is not what it must stay.
	fresh = time.Minute
)

// What may come of a look.
var (
	errNotFolder = errors.New("it is no folder")
	errWholeMax  = errors.New("it holds more than a package manager does")
	errMounted   = errors.New("something is mounted in it")
	errLate      = errors.New("it takes long to look at")
)

// aside says what in a package manager's folder is none of its code and may
// be written while it works: node-gyp's part in Python, which nobody vouches for
// and which leaves compiled files beside itself, and pages for people.
func aside(dir, name string) bool {
	return name == "__pycache__" || name == "gyp" && path.Base(dir) == "node-gyp" || dir == "" && (name == "man" || name == "docs")
}

// unit returns the folder of a tool, "" for all of it, that must be what it was
// for the tool to vouch for a file in it. ok is false if that is the file alone.
func (t *tool) unit(rel string) (dir string, ok bool) {
	if t.pkg != "" {
		return "", true
	}
	parts := strings.Split(rel, "/")
	for i, p := range parts {
		if p == "node_modules" && i+2 < len(parts) && (parts[i+1] == "npm" || parts[i+1] == "corepack") {
			return strings.Join(parts[:i+2], "/"), true
		}
	}
	kind := path.Base(path.Dir(t.Dir))
	switch {
	case len(parts) > 3 && parts[0] == ".tools": // of pnpm: .tools/pnpm/VERSION
		return strings.Join(parts[:3], "/"), true
	case len(parts) > 3 && parts[0] == "Cellar" && javaScript(rel):
		return strings.Join(parts[:3], "/"), true
	case strings.Contains(t.Dir, "/.volta/tools/image/") && kind != "node", strings.Contains(t.Dir, "/corepack/v1/"):
		return "", true
	case strings.Contains(t.Dir, "/mise/installs/"):
		return "", javaScript(rel)
	}
	return "", false
}

func javaScript(name string) bool {
	ext := path.Ext(name)
	return ext == ".js" || ext == ".cjs" || ext == ".mjs"
}

// due is a look that could not be waited for, or was not needed yet.
type due struct {
	tool *tool
	dir  string
}

// intact reports whether the folder that a file of a tool belongs to is what
// was enrolled. If it is not, and it was not the tool's own updater that changed
// it, the tool falls. s.mu is held.
func (s *Signer) intact(t *tool, rel string) bool {
	dir, ok := t.unit(rel)
	if !ok {
		return true
	}
	patience := s.cfg.patience
	_, seen := t.Wholes[dir]
	if t.pkg != "" && !seen {
		patience = max(patience, firstPatience)
	}
	now, err := s.files.look(path.Join(t.Dir, dir), s.glance(t, dir, patience))
	if errors.Is(err, errLate) && t.pkg != "" && !seen {
		s.later[due{t, dir}] = true
		return false // nothing was seen of it yet
	}
	if errors.Is(err, errLate) {
		// A slow disk must not make a stranger of its owner's npm. All of it is
		// looked at soon; what comes of that holds from then on.
		s.later[due{t, dir}] = true
		return true
	}
	return s.judge(t, dir, now, err)
}

// glance says what to look for in a folder. s.mu is held.
func (s *Signer) glance(t *tool, dir string, within time.Duration) glance {
	g := glance{since: t.Base, fine: func(at time.Time) bool { return s.cfg.Quiet(at, at) }}
	if was, seen := t.Wholes[dir]; t.pkg != "" {
		g.fine, g.other, g.own = s.ownTimes(t), s.others(t), !clients[t.pkg]
		if seen {
			g.since = was.Newest
		}
	} else if seen {
		updaters := slices.Clone(t.updaters)
		g = glance{since: was.Newest, fine: func(at time.Time) bool { return updating(updaters, at) && s.cfg.Quiet(at, at) }}
	}
	if within > 0 {
		g.until = time.Now().Add(within)
	}
	return g
}

// judge compares a look with the one before. s.mu is held.
func (s *Signer) judge(t *tool, dir string, now whole, err error) bool {
	was, seen := t.Wholes[dir]
	switch {
	case t.Fell != "":
		return false
	case seen && err == nil && was.Sum == now.Sum:
		return true
	case !seen && (err != nil || now.open != "" || now.wrong != ""):
		if t.pkg != "" && err == nil && now.wrong != "" {
			s.fall(t, changedAt(path.Join(dir, now.wrong), now.when)+", and not by a package manager alone")
		}
		return false // it came while a dependency's script was about
	case err != nil:
		s.fall(t, path.Join("./", dir)+": "+err.Error())
		return false
	case now.wrong != "":
		s.fall(t, changedAt(path.Join(dir, now.wrong), now.when))
		return false
	case now.open != "":
		s.fall(t, "anybody may write "+path.Join(dir, now.open))
		return false
	case seen && !s.updatedSince(t, was.At):
		// A file is gone, or an old one was moved there: no time tells when.
		s.fall(t, changedAt(path.Join("./", dir), s.cfg.Now()))
		return false
	case !seen && s.cfg.Now().Sub(now.Newest) < fresh && (!t.there || now.Newest.After(t.Base)):
		t.looked = false // and is looked at again
		return true
	}
	if t.Wholes == nil {
		t.Wholes = map[string]whole{}
	}
	now.At = s.cfg.Now().UTC()
	t.Wholes[dir] = now
	s.dirty = true
	return true
}

// lookLater does the looks that nobody waited for, and first ones at tools that
// nothing was looked at of yet: what they are soon after they were enrolled is
// what they must be.
func (s *Signer) lookLater() {
	s.mu.Lock()
	for _, t := range s.tools {
		if t.Fell == "" && !t.looked {
			for _, dir := range s.units(t) {
				if _, seen := t.Wholes[dir]; !seen {
					s.later[due{t, dir}] = true
				}
			}
			t.looked = true
		}
	}
	type task struct {
		due
		glance
	}
	var tasks []task
	for l := range s.later {
		tasks = append(tasks, task{l, s.glance(l.tool, l.dir, 0)})
	}
	clear(s.later)
	s.mu.Unlock()
	for _, k := range tasks {
		now, err := s.files.look(path.Join(k.tool.Dir, k.dir), k.glance)
		s.mu.Lock()
		// What was learned meanwhile is newer.
		if was, seen := k.tool.Wholes[k.dir]; !seen && k.since.Equal(k.tool.Base) || seen && k.since.Equal(was.Newest) {
			s.judge(k.tool, k.dir, now, err)
		}
		s.mu.Unlock()
	}
}

// units lists the folders of a tool that are judged as a whole. s.mu is held.
func (s *Signer) units(t *tool) (dirs []string) {
	for _, pattern := range []string{"lib/node_modules/npm", "lib/node_modules/corepack", ".tools/pnpm/*"} {
		for _, dir := range s.glob(t.Dir, strings.Split(pattern, "/")) {
			rel := strings.TrimPrefix(dir, t.Dir+"/")
			if found, err := s.files.Lookup(dir); err == nil && found.Dir && found.Path == dir && t.allow(rel+"/x.js") {
				dirs = append(dirs, rel)
			}
		}
	}
	if t.pkg != "" {
		return []string{""}
	}
	if dir, ok := t.unit("x.js"); ok && dir == "" && t.allow("x.js") && !strings.Contains(t.Dir, "/mise/") {
		dirs = append(dirs, "")
	}
	return dirs
}

// fall ends a tool's row.
func (s *Signer) fall(t *tool, why string) {
	t.Fell, t.FellAt = why, time.Now().UTC() // to compare with times of files
	t.Wholes, s.dirty = nil, true
	s.cfg.Log.Warn("an enrolled tool has changed and is trusted no more", "signer", t.Label, "why", why)
}

func changedAt(what string, at time.Time) string {
	return what + " changed at " + at.UTC().Format(time.RFC3339)
}

// updatedSince reports whether the tool was changing itself at any time since.
func (s *Signer) updatedSince(t *tool, at time.Time) bool {
	if t.pkg != "" {
		return s.cfg.Installed(at, s.cfg.Now())
	}
	for _, u := range t.updaters {
		if u.to.IsZero() || u.to.After(at) {
			return true
		}
	}
	return false
}
