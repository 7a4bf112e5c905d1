package watchers

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"wormbell/internal/autostart"
	"wormbell/watchers/internal/tree"
)

// links says which places are symbolic links, or lie behind one: many people
// keep ~/.bashrc or ~/.config/fish in a folder under version control. A write
// is told by the kernel under the name that the file really has. It never
// changes once made.
type links struct {
	places map[string]string // where a place really is, to where it is looked for; absolute
	names  map[string]bool   // the last parts of the former
}

// maxHops is how many links are followed on the way to one place.
const maxHops = 16

// findLinks looks at every place of the homes.
func findLinks(feed *tree.Feed, homes []Home) *links {
	l := &links{map[string]string{}, map[string]bool{}}
	for _, home := range homes {
		known := map[string]string{".": home.Dir} // what most places lie in is looked at once
		var really func(rel string) string
		really = func(rel string) string {
			real, ok := known[rel]
			if ok {
				return real
			}
			defer func() { known[rel] = real }()
			dir := really(path.Dir(rel))
			if dir == "" {
				return ""
			}
			real = filepath.Join(dir, path.Base(rel))
			switch _, err := feed.Readlink(real); {
			case err == nil:
				real = resolve(feed, home.Dir, rel)
			case errors.Is(err, fs.ErrNotExist):
				real = "" // and so is what would be in it
			}
			return real
		}
		for _, rel := range autostart.Homes() {
			place := filepath.Join(home.Dir, filepath.FromSlash(rel))
			if real := really(rel); real != "" && real != place {
				l.places[real] = place
				l.names[filepath.Base(real)] = true
			}
		}
	}
	return l
}

// resolve follows the links on a path and returns where the path relative to home leads, "" if that is out of
// the home, or nowhere. The last part need not exist.
func resolve(feed *tree.Feed, home, rel string) string {
	todo, at := strings.Split(filepath.ToSlash(rel), "/"), home
	for hops := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, part)
		if !tree.Within(next, home) {
			return ""
		}
		target, err := feed.Readlink(next)
		if err != nil { // no link, or not there
			at = next
			continue
		}
		if hops++; hops > maxHops {
			return ""
		}
		if filepath.IsAbs(target) {
			if target = filepath.Clean(target); !tree.Within(target, home) {
				return ""
			}
			at, target = home, strings.TrimPrefix(target, home)
		}
		todo = append(strings.Split(filepath.ToSlash(target), "/"), todo...)
	}
	if !tree.Within(at, home) {
		return ""
	}
	return at
}

// place returns the path by which a place is known that is, or holds, the file
// called name; name itself if no link leads there.
func (l *links) place(name string) string {
	for dir := name; len(l.places) > 0; {
		if p, ok := l.places[dir]; ok {
			return p + name[len(dir):]
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return name
}
