// Package settings says what can be set of the agent, and reads it: from the
// administrator's files, from a user's own, from the command line. It reads the
// administrator's rows for the trust table, too.
//
// A file that cannot be used must not leave a machine unguarded in silence, so
// it is no reason for the agent not to start: what it said when it was good
// holds, and everybody is told. The package must not know what becomes of a
// setting, nor of a running agent.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"wormbell"
)

// Settings are what an agent runs with, and where each setting is from.
type Settings struct {
	Config
	// From is where what is set was set, by key: the file, or the flag as
	// "--home". What is not in it has its default.
	From map[string]string
	// Locks are the files that have locked something, by the name of the setting
	// or act. A later file does not change what an earlier one has locked, and
	// nobody does at run time; a flag of root's agent does.
	Locks    map[string]string
	Problems []string // what of the files is not in force and why, in sentences; for people
	Files    []string // those in force, in the order in which they were read

	good []keptFile // the text of every file in force
}

// Source is where settings are looked for.
type Source struct {
	File  string // the first file; conf.d and trust.d lie beside it
	Named bool   // somebody has typed it: it must be there, and it must be right
	// Kept is a folder of the agent's in which it keeps what it read last, "" for
	// none; see [Settings.Keep].
	Kept string
	// Root says that the files are for an agent of root's: they must be such that
	// nobody else can change them, and they can lock.
	Root bool
}

// DefaultFile is where the settings are looked for when no --config is given.
// It need not exist.
func DefaultFile() string {
	if os.Geteuid() == 0 {
		return "/etc/wormbell/config.toml"
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "wormbell", "config.toml")
}

// Read reads the settings. A file that is not as it should be is left out with
// a problem, and what Kept knows of it stands in for it. It is an error only if
// src is Named and that file cannot be used: who typed it sees that.
func Read(src Source) (*Settings, error) {
	s := &Settings{From: map[string]string{}, Locks: map[string]string{}}
	if src.File == "" {
		return s, nil // a user without a home
	}
	kept := readKept(src.Kept)
	main := one(src.File, src.Root)
	switch {
	case main.err != nil && src.Named:
		return nil, fmt.Errorf("read settings %q: %w", src.File, main.err)
	case main.err == nil:
		if err := s.take(main, src.Root); err != nil && src.Named {
			return nil, fmt.Errorf("settings %q: %w", src.File, err)
		} else if err != nil {
			s.instead(main.path, err, kept, src.Root)
		}
	case !errors.Is(main.err, fs.ErrNotExist):
		s.instead(main.path, main.err, kept, src.Root)
	}
	dir := filepath.Join(filepath.Dir(src.File), "conf.d")
	for _, f := range folder(dir, src.Root) {
		switch {
		case f.path == dir: // none of them can be read, so all that there were are missed
			missed := "nothing that its files say is in force"
			for _, k := range kept {
				if filepath.Dir(k.Path) == dir && s.standIn(k, src.Root) {
					missed = "what its files said when they were last good holds"
				}
			}
			s.Problems = append(s.Problems, fmt.Sprintf("settings: %q is not used: %v; %s", dir, f.err, missed))
		case f.err != nil:
			s.instead(f.path, f.err, kept, src.Root)
		default:
			if err := s.take(f, src.Root); err != nil {
				s.instead(f.path, err, kept, src.Root)
			}
		}
	}
	return s, nil
}

// CheckFile returns what is wrong with the contents of a settings file that is
// to become one of root's agent: nil if nothing is. Whose the file is does not
// matter yet.
func CheckFile(path string) error {
	text, err := slurp(path, nil)
	if err != nil {
		return err
	}
	_, _, err = decode(text, true)
	return err
}

// decode reads the text of one file. set are the keys that it names.
func decode(text []byte, root bool) (c Config, set []string, err error) {
	meta, err := parse(text, &c)
	if err != nil {
		return c, nil, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := shown(unknown[0].String())
		return c, nil, fmt.Errorf("no key %q; did you mean %q?", key, nearest(key, keys()))
	}
	if err := c.Check(); err != nil {
		return c, nil, err
	}
	for _, key := range keys() {
		if meta.IsDefined(key) {
			set = append(set, key)
		}
	}
	if on := c.Mode == Protect; c.Mode != "" {
		if slices.Contains(set, "protect") && c.Protect != on {
			return c, nil, fmt.Errorf("mode says %q, and protect = %v the opposite", c.Mode, c.Protect)
		} else if !slices.Contains(set, "protect") {
			set = append(set, "protect")
		}
		c.Protect, c.Mode = on, ""
	}
	if !root && len(c.Locked) > 0 {
		return c, nil, fmt.Errorf("%s: only the administrator's files lock, for an agent that root runs", lockedKey)
	}
	return c, set, nil
}

// take puts f over what the files before it have set. It changes nothing if it
// returns an error.
func (s *Settings) take(f file, root bool) error {
	c, set, err := decode(f.text, root)
	if err != nil {
		return err
	}
	to, from := reflect.ValueOf(&s.Config).Elem(), reflect.ValueOf(c)
	for i, key := range keys() {
		if key == lockedKey || !slices.Contains(set, key) {
			continue
		}
		if by := s.Locks[key]; by != "" {
			s.Problems = append(s.Problems, fmt.Sprintf("settings: %q sets %q, which %q has locked; what that file says holds", f.path, key, by))
			continue
		}
		to.Field(i).Set(from.Field(i))
		s.From[key] = f.path
	}
	for _, name := range c.Locked {
		if s.Locks[name] == "" {
			s.Locks[name] = f.path
			s.Locked = append(s.Locked, name)
		}
	}
	s.Files = append(s.Files, f.path)
	s.good = append(s.good, keptFile{f.path, string(f.text)})
	return nil
}

// instead tells that the file at path cannot be used, and takes what is kept of it.
func (s *Settings) instead(path string, why error, kept []keptFile, root bool) {
	for _, k := range kept {
		if k.Path == path && s.standIn(k, root) {
			s.Problems = append(s.Problems, fmt.Sprintf("settings: %q is not used: %v; what it said when it was last good holds", path, why))
			return
		}
	}
	s.Problems = append(s.Problems, fmt.Sprintf("settings: %q is not used: %v; nothing that it says is in force", path, why))
}

// standIn takes a kept file in place of the real one.
func (s *Settings) standIn(k keptFile, root bool) bool {
	return s.take(file{path: k.Path, text: []byte(k.Text)}, root) == nil // an older version's may mean nothing to this one
}

// Flag notes that key was set on the command line, by flag.
func (s *Settings) Flag(key, flag string) { s.From[key] = flag }

// List returns every setting as it is in c, in which what the agent has found
// out itself stands for the defaults, and every act that can be locked.
func (s *Settings) List(c Config) []wormbell.Setting {
	var out []wormbell.Setting
	for i, key := range keys() {
		if key == lockedKey {
			continue
		}
		v := reflect.ValueOf(c).Field(i)
		value := v.Interface()
		if v.Kind() == reflect.Slice && v.Len() == 0 {
			value = []string{} // never null
		}
		out = append(out, s.row(key, value))
	}
	for _, act := range Acts {
		value := wormbell.Allowed
		if s.Locks[act] != "" {
			value = wormbell.Refused
		}
		r := s.row(act, value)
		if r.Locked {
			r.From = r.LockedBy
		}
		out = append(out, r)
	}
	return out
}

func (s *Settings) row(key string, value any) wormbell.Setting {
	from := s.From[key]
	if from == "" {
		from = wormbell.FromDefault
	}
	return wormbell.Setting{Key: key, Value: value, From: from, Locked: s.Locks[key] != "", LockedBy: s.Locks[key]}
}
