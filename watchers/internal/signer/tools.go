package signer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell"
)

// tool is one enrolled folder: a version manager's copy of a program in a
// person's home. It is vouched for because it was there first, no more.
type tool struct {
	Dir      string           `json:"dir"` // resolved
	Label    string           `json:"label"`
	Since    time.Time        `json:"since"`
	Base     time.Time        `json:"base"`             // what was there and unchanged since then is the tool; zero if that cannot be said
	Fell     string           `json:"fell,omitempty"`   // why it is vouched for no more
	FellAt   time.Time        `json:"fell_at,omitzero"` // when that was seen; zero if a person took it back
	Files    map[string]Ident `json:"files"`            // what was vouched for, as it was then
	Wholes   map[string]whole `json:"wholes"`           // the folders of it that are judged as a whole
	allow    func(rel string) bool
	updaters []span
	looked   bool   // a first look at its folders was taken, or is due
	there    bool   // it was there when the agent started
	pkg      string // the package's name, of one that is held; "" for a tool in its own place
}

// span is a time during which a tool may have changed itself.
type span struct{ from, to time.Time } // to is zero as long as it goes on

// place is where a version manager keeps programs, below a home.
type place struct {
	pattern string // segments as of path.Match
	allow   func(dir, rel string) bool
}

// places is the list of enrolled tools. Of a node only the node and what came
// with it are the tool; packages installed into it are anybody's.
var places = []place{
	{".nvm/versions/node/*", nodeOnly},
	{".config/nvm/versions/node/*", nodeOnly}, // where nvm goes if XDG_CONFIG_HOME is set
	{".nodenv/versions/*", nodeOnly},
	{".nvs/node/*/*", nodeOnly},
	{".proto/tools/node/*", nodeOnly},
	{"n", nodeOnly},
	{".n", nodeOnly},
	{".local/share/fnm/node-versions/*/installation", nodeOnly},
	{".fnm/node-versions/*/installation", nodeOnly},
	{".volta/tools/image/node/*", nodeOnly},
	{".volta/tools/image/npm/*", anyFile},
	{".volta/tools/image/yarn/*", anyFile},
	{".volta/tools/image/pnpm/*", anyFile},
	{".volta/bin", only("volta", "volta-shim", "volta-migrate")},
	{".asdf/installs/nodejs/*", nodeOnly},
	{".asdf/installs/python/*", pythonOnly},
	{".asdf/installs/pnpm/*", anyFile},
	{".asdf/installs/yarn/*", anyFile},
	{".asdf/installs/bun/*", only("bin/bun")},
	{".local/share/mise/installs/*/*", miseTool},
	{".local/share/pnpm/nodejs/*", nodeOnly}, // pnpm env use
	{".local/share/pnpm", pnpmOnly},
	{"Library/pnpm", pnpmOnly},
	{".bun/bin", only("bun")},
	{".pyenv/versions/*", pythonOnly},
	{".deno/bin", only("deno")},
	{".cache/node/corepack/v1/*/*", corepackTool},
	{".local/share/uv/python/*", pythonOnly},
}

func anyFile(_, _ string) bool { return true }

func only(names ...string) func(string, string) bool {
	return func(_, rel string) bool { return slices.Contains(names, rel) }
}

func nodeOnly(_, rel string) bool {
	if ext := path.Ext(rel); ext != "" && !javaScript(rel) {
		return false // node-gyp's Python runs what lies compiled beside it
	}
	return rel == "bin/node" || strings.HasPrefix(rel, "lib/node_modules/npm/") || strings.HasPrefix(rel, "lib/node_modules/corepack/")
}

func pythonOnly(_, rel string) bool {
	name, ok := strings.CutPrefix(rel, "bin/")
	return ok && strings.HasPrefix(name, "python") && !strings.Contains(name, "/")
}

func pnpmOnly(_, rel string) bool {
	return rel == "pnpm" || strings.HasPrefix(rel, ".tools/pnpm/") || strings.HasPrefix(rel, "global/") && strings.Contains(rel, "/node_modules/@pnpm/exe/")
}

func corepackTool(dir, _ string) bool {
	return slices.Contains([]string{"npm", "pnpm", "yarn"}, path.Base(path.Dir(dir)))
}

// miseTool: the folder is named after the tool. What mise installs from a
// language's registry is a package like any other.
func miseTool(dir, rel string) bool {
	switch name := path.Base(path.Dir(dir)); {
	case name == "node":
		return nodeOnly(dir, rel)
	case name == "python":
		return pythonOnly(dir, rel)
	default:
		backend, _, ok := strings.Cut(name, "-")
		return !ok || !slices.Contains([]string{"npm", "pipx", "cargo", "gem", "go"}, backend)
	}
}

// brewFile: formulas live in the cellar; the packages installed globally into
// Homebrew's node do not belong to it.
func brewFile(_, rel string) bool {
	return strings.HasPrefix(rel, "Cellar/") || strings.HasPrefix(rel, "lib/node_modules/npm/") || strings.HasPrefix(rel, "Homebrew/Library/Homebrew/vendor/portable-ruby/")
}

// enrol finds the tools that are there. s.mu is held.
func (s *Signer) enrol() {
	for _, h := range s.cfg.Homes {
		for _, p := range places {
			for _, dir := range s.glob(h.Dir, strings.Split(p.pattern, "/")) {
				if found, err := s.files.Lookup(dir); err == nil && found.Dir {
					s.toolOf(found.Path)
				}
			}
		}
	}
	if found, err := s.files.Lookup(s.cfg.Brew); err == nil && found.Dir {
		s.toolOf(found.Path)
	}
}

// glob lists the folders below dir that match the segments.
func (s *Signer) glob(dir string, segments []string) []string {
	if len(segments) == 0 {
		return []string{dir}
	}
	if !strings.Contains(segments[0], "*") {
		return s.glob(path.Join(dir, segments[0]), segments[1:])
	}
	names, err := s.files.ReadDir(dir)
	if err != nil {
		return nil
	}
	slices.Sort(names)
	var dirs []string
	for _, n := range names {
		dirs = append(dirs, s.glob(path.Join(dir, n), segments[1:])...)
	}
	return dirs
}

// toolsMax bounds what a person's folders can make us keep: so many tools in
// places of their own, and so many packages.
const toolsMax = 500

// room reports whether one more may be kept. Any script can make folders that have the
// names of packages and write there, so those take no tool's room. s.mu is held.
func (s *Signer) room(isPackage bool) bool {
	n := 0
	for _, t := range s.tools {
		if (t.pkg != "") == isPackage {
			n++
		}
	}
	return n < toolsMax
}

// toolOf returns the tool that a resolved path belongs to, enrolling it if it
// is one that came later; nil for none.
func (s *Signer) toolOf(name string) *tool {
	// The npm of a version manager is that tool's, not a package that somebody
	// installed into it.
	dir, label, allow := s.place(name)
	rel := strings.TrimPrefix(name[len(dir):], "/")
	if dir == "" || !allow(rel) && !allow(rel+"/x.js") {
		if t := s.packageTool(name); t != nil {
			return t
		}
	}
	if dir == "" {
		return nil
	}
	for _, t := range s.tools {
		if t.Dir == dir {
			t.allow = allow
			return t
		}
	}
	if !s.room(false) {
		return nil
	}
	now := s.cfg.Now().UTC()
	t := &tool{Dir: dir, Label: label, Since: now, Base: now, Files: map[string]Ident{}, allow: allow, there: !s.started}
	if s.started {
		// It came while we watched: the person's doing, or a script's. What
		// comes next may bear a time that is before now.
		t.Base = now.Add(-tick)
		if found, err := s.files.Lookup(dir); err != nil || !s.cfg.Quiet(time.Unix(0, found.Ctime), now) {
			t.Base = time.Time{}
		}
	}
	s.tools = append(s.tools, t)
	s.dirty = true
	s.cfg.Log.Info("enrolled a tool at first use", "signer", label)
	return t
}

// place matches a resolved path with the places.
func (s *Signer) place(name string) (dir, label string, allow func(string) bool) {
	if within(name, s.cfg.Brew) {
		return s.cfg.Brew, "first-use:" + s.cfg.Brew, func(rel string) bool { return brewFile(s.cfg.Brew, rel) }
	}
	for _, h := range s.cfg.Homes {
		if !within(name, h.Dir) || name == h.Dir {
			continue
		}
		have := strings.Split(strings.TrimPrefix(name[len(h.Dir):], "/"), "/")
	places:
		for _, p := range places {
			want := strings.Split(p.pattern, "/")
			if len(have) < len(want) {
				continue
			}
			for i, w := range want {
				if ok, _ := path.Match(w, have[i]); !ok {
					continue places
				}
			}
			rel := strings.Join(have[:len(want)], "/")
			dir := path.Join(h.Dir, rel)
			return dir, "first-use:~/" + rel, func(r string) bool { return p.allow(dir, r) }
		}
	}
	return "", "", nil
}

// tick is more than a file's times can lie behind the clock: the kernel stamps
// them with its last tick, 10 ms ago at most (CONFIG_HZ is 100 or more).
const tick = 50 * time.Millisecond

// filesMax bounds the files of one tool that are remembered.
const filesMax = 2000

// hold vouches for a file of an enrolled tool, and remembers what it looks
// like. A row falls when a file it vouched for has changed, unless the tool
// itself was changing its own files then and no dependency's script was about.
func (s *Signer) hold(found Found) string {
	t := s.toolOf(found.Path)
	if t != nil && t.pkg != "" {
		if t.Fell != "" && !s.renew(t) || found.Open || !s.ownerIsFine(found) || !s.intact(t, "") {
			return ""
		}
		return t.Label
	}
	if t == nil || t.Fell != "" || found.Open || !s.ownerIsFine(found) {
		return ""
	}
	rel := strings.TrimPrefix(found.Path[len(t.Dir):], "/")
	if rel == "" || !t.allow(rel) {
		return ""
	}
	changed := time.Unix(0, found.Ctime)
	was, seen := t.Files[rel]
	was.Dev = found.Dev // its number may be another after a restart of the machine
	switch {
	case seen && was == found.Ident:
	case !seen && (len(t.Files) >= filesMax || changed.After(t.Base) && !s.cfg.Quiet(changed, changed)):
		return "" // it came while a dependency's script was about
	case seen && !(updating(t.updaters, changed) && s.cfg.Quiet(changed, changed)):
		s.fall(t, changedAt(rel, changed))
		return ""
	}
	if !s.intact(t, rel) {
		return ""
	}
	if t.Files[rel] != found.Ident {
		t.Files[rel] = found.Ident
		s.dirty = true
	}
	return t.Label
}

// ownerIsFine: a tool belongs to the person whose home it is in, or to root.
func (s *Signer) ownerIsFine(found Found) bool {
	if found.UID == 0 {
		return true
	}
	for _, h := range s.cfg.Homes {
		if within(found.Path, h.Dir) {
			return found.UID == h.UID
		}
	}
	return within(found.Path, s.cfg.Brew) // whose user is linuxbrew or the one who installed it
}

// updating reports whether a tool was changing itself at a time.
func updating(updaters []span, at time.Time) bool {
	for _, u := range updaters {
		if !at.Before(u.from) && (u.to.IsZero() || !at.After(u.to)) {
			return true
		}
	}
	return false
}

// Updating says that a program vouched for as label began at a time to replace
// its own tool's files, as `npm install -g npm` does, and Updated that it ended,
// with whether its scripts were its own alone.
func (s *Signer) Updating(label string, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tools {
		if t.Label == label {
			t.updaters = append(t.updaters, span{from: from})
			if len(t.updaters) > 20 {
				t.updaters = slices.Delete(t.updaters, 0, 1)
			}
		}
	}
}

// Updated ends what Updating began.
func (s *Signer) Updated(label string, from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tools {
		for i := range t.updaters {
			if t.Label == label && t.updaters[i].from.Equal(from) {
				t.updaters[i].to = to
			}
		}
	}
}

// Enrolled lists the tools that are vouched for because they were there, and
// those that fell.
func (s *Signer) Enrolled() []wormbell.TrustRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := make([]wormbell.TrustRow, 0, len(s.tools))
	for _, t := range s.tools {
		store := "*"
		if t.pkg != "" {
			store = "npm"
		}
		row := wormbell.TrustRow{
			ID:    t.id(),
			Store: store, Who: "signer:" + t.Label, Under: "not-a-dependency-script", Path: "", By: "first-use",
			Reason: "found at " + t.Since.Format(time.RFC3339),
		}
		if t.Fell != "" {
			row.Reason = "fallen, vouches for nothing: " + t.Fell
			row.Until = new(time.Time)
			*row.Until = t.Since
		}
		rows = append(rows, row)
	}
	return rows
}

// stateFile is the format on disk.
type stateFile struct {
	Version int     `json:"version"`
	Tools   []*tool `json:"tools"`
}

// stateVersion is of what this version writes. The first knew single files only.
const stateVersion = 2

// stateMax bounds the state file.
const stateMax = 16 << 20

// load reads what an earlier run enrolled. A file that cannot be read is like
// none: the tools are enrolled anew, and the log says so.
func (s *Signer) load() {
	if s.cfg.State == "" {
		return
	}
	info, err := os.Stat(s.cfg.State)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var b []byte
	if err == nil && info.Size() > stateMax {
		err = ErrTooBig
	}
	if err == nil {
		b, err = os.ReadFile(s.cfg.State)
	}
	var st stateFile
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err == nil && st.Version != 1 && st.Version != stateVersion {
		err = fmt.Errorf("version %d", st.Version)
	}
	if err != nil {
		s.cfg.Log.Warn("the list of enrolled tools cannot be read; enrolling anew", "err", err)
		return
	}
	for _, t := range st.Tools {
		if t == nil {
			continue
		}
		if in := packagesOf(t.Dir); len(in) > 0 && in[0].dir == t.Dir && s.packageLabelOf(in[0]) != "" {
			t.Label, t.allow, t.pkg = s.packageLabelOf(in[0]), anyOf, in[0].name
		} else if dir, label, allow := s.place(t.Dir); dir == t.Dir {
			t.Label, t.allow = label, allow
		} else {
			continue // of a home that is not guarded any more
		}
		if !s.room(t.pkg != "") {
			continue
		}
		if st.Version == 1 { // which knew no folders: they are what they are now
			t.Base, t.Wholes = s.cfg.Now().UTC(), nil
		}
		if t.Files == nil {
			t.Files = map[string]Ident{}
		}
		s.tools = append(s.tools, t)
	}
}

// save writes the state file if there is something new.
func (s *Signer) save() {
	s.mu.Lock()
	if s.cfg.State == "" || !s.dirty {
		s.mu.Unlock()
		return
	}
	b, err := json.Marshal(stateFile{stateVersion, s.tools})
	s.dirty = false
	s.mu.Unlock()
	if err == nil {
		err = replace(s.cfg.State, b)
	}
	if err != nil {
		s.mu.Lock()
		s.dirty = true
		s.mu.Unlock()
		s.cfg.Log.Warn("the list of enrolled tools cannot be written", "err", err)
	}
}

// replace writes a file so that a crash leaves the old one or the new one.
func replace(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
