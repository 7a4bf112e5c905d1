package itwasme

import (
	"os"
	"path"
	"strings"
)

// inFolder reports whether an argument of a program that was started in cwd
// names a folder that the file rel of a home is in, of which the home is one.
func inFolder(argument, cwd, rel string) bool {
	argument = strings.NewReplacer("${HOME}", "~", "$HOME", "~").Replace(argument)
	words := append(strings.FieldsFunc(argument, func(r rune) bool { return strings.ContainsRune("=:,;|&@<>()'\"` \t\n", r) }), argument)
	if len(argument) > 2 && argument[0] == '-' && argument[1] != '-' { // -C/home/me
		words = append(words, argument[2:])
	}
	for _, w := range words {
		if i := strings.IndexAny(w, "*?[{"); i >= 0 { // a pattern that the program follows itself
			w = w[:i]
			w = w[:strings.LastIndexByte(w, '/')+1]
			if w == "" {
				w = "."
			}
		}
		switch {
		case w == "~" || strings.HasPrefix(w, "~/"):
		case path.IsAbs(w):
			w = path.Clean(w)
		default:
			w = path.Join("/", cwd, w)
		}
		if holds(path.Clean(w), rel) {
			return true
		}
	}
	return false
}

// holds reports whether the file rel of a home is in dir, which is absolute or
// begins with ~. Which home is not known: all that may be one count.
func holds(dir, rel string) bool {
	within := func(dir string) bool { return dir == "" || strings.HasPrefix(rel, dir+"/") }
	if rest, ok := strings.CutPrefix(dir, "~"); ok {
		return within(strings.TrimPrefix(rest, "/"))
	}
	own, err := os.UserHomeDir()
	if err != nil || !path.IsAbs(own) {
		own = "/root"
	}
	for _, home := range []string{"/root", "/home/*", "/Users/*", path.Clean(own)} {
		parts, at := strings.Split(home, "/"), strings.Split(strings.TrimSuffix(dir, "/"), "/")
		n := min(len(parts), len(at))
		same := true
		for i := range n {
			same = same && (parts[i] == "*" || parts[i] == at[i])
		}
		if same && within(strings.Join(at[n:], "/")) {
			return true
		}
	}
	// Homes lie elsewhere, too; a hidden folder is told by its name.
	for d := path.Dir(rel); d != "." && strings.HasPrefix(d, "."); d = path.Dir(d) {
		if strings.HasSuffix(dir, "/"+d) {
			return true
		}
	}
	return false
}
