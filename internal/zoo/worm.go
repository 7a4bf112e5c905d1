package main

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// Worm is one inert variation of a campaign: what lies where, how its first
// script comes to run, and what that does. It is data, so that whoever wants to
// escape detection changes it without knowing how it is played.
//
// Paths begin with ~ (the scratch home), with $TMP (a folder outside it) or with
// $PKG (the folder of the package). Nothing else is written to; a worm that
// names another place is refused.
type Worm struct {
	Campaign string            `json:"campaign"`
	Seed     uint64            `json:"seed"`
	Start    string            `json:"start"`          // how the first script comes to run: one of starts
	Form     string            `json:"form,omitempty"` // of an import: one of forms; of gyp: one of gypFiles
	Package  string            `json:"package"`        // its name
	Version  string            `json:"version"`
	Client   string            `json:"client"` // that installs it: one of clients
	File     string            `json:"file"`   // of the first script, in the package
	Files    map[string]string `json:"files"`  // by path: what lies in the home before
	Script   Script            `json:"script"`
	Want     [][]string        `json:"want"` // of each list one detector must ring
}

// Script is a program of the worm.
type Script struct {
	Language string `json:"language"` // one of languages
	Steps    []Step `json:"steps"`
}

// Step is one thing that a script does. Exactly one field is set.
type Step struct {
	Read  *Read  `json:"read,omitempty"`
	Write *Write `json:"write,omitempty"`
	Run   *Run   `json:"run,omitempty"`
	Put   *Put   `json:"put,omitempty"`
	Play  *Play  `json:"play,omitempty"`
	Sleep int    `json:"sleep,omitempty"` // milliseconds
}

// Read opens a file, reads it and drops what it read.
type Read struct {
	Path string `json:"path"`
	How  string `json:"how"` // itself, or one of readers
}

// Write writes a file and its folders anew.
type Write struct {
	Path string `json:"path"`
	Text string `json:"text"`
	Mode string `json:"mode,omitempty"` // octal; 644
}

// Run runs a program and waits for it, whatever comes of it.
type Run struct {
	Args []string          `json:"args"`
	Dir  string            `json:"dir,omitempty"`
	Env  map[string]string `json:"env,omitempty"` // beside its own
	As   string            `json:"as,omitempty"`  // what it calls itself: its first argument
	Tar  string            `json:"tar,omitempty"` // a publish of the folder's tarball, which lies here: one of tarballs
}

// Put publishes a package as npm's API takes it, without npm.
type Put struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Play is another script of the worm, as a program of its own.
type Play struct {
	File     string `json:"file"` // where it is written to
	Script   Script `json:"script"`
	Shell    bool   `json:"shell,omitempty"`    // a shell between
	Via      string `json:"via,omitempty"`      // one of ways: what starts it
	Detached bool   `json:"detached,omitempty"` // in a session of its own, nobody waits for it
}

// How a worm's first script comes to run.
var starts = []string{
	"preinstall", "install", "postinstall", // of a dependency that npm installs
	"prepare",   // of a dependency from git, which is built where it is installed
	"own",       // the install script of a project that the person has cloned
	"workspace", // the same, of one of its workspaces
	"gyp",       // a command that node-gyp expands, without a word under "scripts"
	"import",    // the person's own program imports the dependency
	"hand",      // the person starts it, in a project of theirs
}

var languages = []string{"node", "sh", "python", "perl", "bun", "deno"}

// limits of a worm from outside.
const (
	maxSteps = 400
	maxDepth = 12
)

// check finds fault with a worm that is not inert or cannot be played.
func (w *Worm) check() error {
	if !contains(starts, w.Start) {
		return fmt.Errorf("no start %q", w.Start)
	}
	if _, ok := forms[w.Form]; w.Start == "import" && !ok {
		return fmt.Errorf("no form of an import %q", w.Form)
	}
	if _, ok := gypFiles[w.Form]; w.Start == "gyp" && !ok {
		return fmt.Errorf("no form of a binding.gyp %q", w.Form)
	}
	if w.Package == "" || strings.ContainsAny(w.Package, "/\\ '\"$") || strings.HasPrefix(w.Package, ".") {
		return fmt.Errorf("no name for a package: %q", w.Package)
	}
	if _, ok := clients[w.Client]; !ok {
		return fmt.Errorf("no client %q", w.Client)
	}
	if path.Base(w.File) != w.File || w.File == "" || w.File == "." {
		return fmt.Errorf("no name for a script: %q", w.File)
	}
	for p := range w.Files {
		if err := place(p); err != nil {
			return err
		}
	}
	if len(w.Want) == 0 {
		return fmt.Errorf("nothing is wanted of %s", w.Campaign)
	}
	left := maxSteps
	return w.Script.check(0, &left)
}

func (s *Script) check(depth int, left *int) error {
	if depth > maxDepth {
		return fmt.Errorf("scripts are nested more than %d times", maxDepth)
	}
	if !contains(languages, s.Language) {
		return fmt.Errorf("no language %q", s.Language)
	}
	for i := range s.Steps {
		if *left--; *left < 0 {
			return fmt.Errorf("more than %d steps", maxSteps)
		}
		if err := s.Steps[i].check(depth, left); err != nil {
			return err
		}
	}
	return nil
}

func (s *Step) check(depth int, left *int) error {
	set := 0
	for _, is := range []bool{s.Read != nil, s.Write != nil, s.Run != nil, s.Put != nil, s.Play != nil, s.Sleep > 0} {
		if is {
			set++
		}
	}
	if set != 1 {
		b, _ := json.Marshal(s) // plain data always encodes
		return fmt.Errorf("a step with %d things to do: %s", set, b)
	}
	switch {
	case s.Read != nil:
		if s.Read.How != "itself" && readers[s.Read.How] == nil {
			return fmt.Errorf("no way of reading %q", s.Read.How)
		}
		return place(s.Read.Path)
	case s.Write != nil:
		return place(s.Write.Path)
	case s.Run != nil:
		if len(s.Run.Args) == 0 {
			return fmt.Errorf("a run of nothing")
		}
		if s.Run.Tar != "" && tarballs[s.Run.Tar] == "" {
			return fmt.Errorf("no place of a tarball %q", s.Run.Tar)
		}
		// What is run is npm, or a program that the worm has written.
		if a := s.Run.Args[0]; !contains(mayRun, a) && !known(a) {
			if err := place(a); err != nil {
				return fmt.Errorf("may not run %q", a)
			}
		}
		if s.Run.Dir != "" {
			return place(s.Run.Dir)
		}
	case s.Play != nil:
		if err := place(s.Play.File); err != nil {
			return err
		}
		if s.Play.Via != "" && !contains(waysOf(s.Play), s.Play.Via) {
			return fmt.Errorf("no way %q", s.Play.Via)
		}
		if s.Play.Via == "home" && runs(&s.Play.Script) {
			return fmt.Errorf("with another home a package manager would ask another registry")
		}
		return s.Play.Script.check(depth+1, left)
	}
	return nil
}

// runs reports whether s or what it plays runs any program.
func runs(s *Script) (does bool) {
	each(s, func(s *Step) { does = does || s.Run != nil })
	return does
}

// mayRun are the programs that a worm may run beside its own: they speak to the
// registry that the stage gives them, or to nobody. What is not there is not run.
var mayRun = []string{"npm", "gh", "true", "git", "id", "hostname", "uname", "ssh-keygen"}

// place finds fault with a path outside the stage.
func place(p string) error {
	root, rest, _ := strings.Cut(p, "/")
	if root != "~" && root != "$TMP" && root != "$PKG" || path.Clean("/"+rest) != "/"+rest && rest != "" {
		return fmt.Errorf("%q is no place on the stage", p)
	}
	return nil
}

func known(client string) bool { _, ok := clients[client]; return ok }

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
