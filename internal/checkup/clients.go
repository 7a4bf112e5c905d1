package checkup

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// This file finds the package managers that a person uses.

// client is a package manager as it is installed here. Nothing of it is run: a
// worm may be in it.
type client struct {
	name    string
	version string // "" if it cannot be told
	major   int    // -1 if it cannot be told
	minor   int
	dir     string // of its package, "" if it has none
}

// toolFolders are where managers of versions put clients in a home, as patterns
// relative to it. A shell's start-up files put them into PATH, which whoever is not
// started from a shell of the user's does not have.
var toolFolders = []string{
	".nvm/versions/node/*/bin", ".local/share/fnm/node-versions/*/installation/bin", ".fnm/node-versions/*/installation/bin", ".volta/bin",
	".local/share/mise/installs/node/*/bin", ".asdf/installs/nodejs/*/bin", ".n/bin", ".npm-global/bin", ".local/bin", ".bun/bin", ".local/share/pnpm", "Library/pnpm",
}

// paths are the folders in which clients are looked for: those of PATH, then those
// of a home's own tools, the newest version first.
func (k *checkup) paths(s *Section) []string {
	dirs := filepath.SplitList(k.Getenv("PATH"))
	for _, pattern := range toolFolders {
		found := k.home.glob(pattern, func(at string, err error) { s.skip("%s", could(tilde(at), err)) })
		slices.SortFunc(found, func(a, b string) int { return compareVersions(b, a) })
		for _, dir := range found {
			dirs = append(dirs, filepath.Join(k.home.dir, filepath.FromSlash(dir)))
		}
	}
	return dirs
}

// compareVersions compares paths, and numbers in them by their value.
func compareVersions(a, b string) int {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	for a != "" && b != "" {
		i, j := len(a)-len(strings.TrimLeftFunc(a, digit)), len(b)-len(strings.TrimLeftFunc(b, digit))
		switch x, y := strings.TrimLeft(a[:i], "0"), strings.TrimLeft(b[:j], "0"); {
		case i == 0 || j == 0:
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			i, j = 1, 1
		case x != y:
			return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
		}
		a, b = a[i:], b[j:]
	}
	return cmp.Compare(len(a), len(b))
}

// findClient looks for a package manager in folders.
func findClient(name string, dirs []string) (client, bool) {
	c := client{name: name, major: -1}
	suffixes := []string{""}
	if runtime.GOOS == "windows" {
		suffixes = []string{".cmd", ".exe"}
	}
	for _, dir := range dirs {
		for _, suffix := range suffixes {
			p := filepath.Join(dir, name+suffix)
			if !filepath.IsAbs(p) {
				continue
			}
			real, err := filepath.EvalSymlinks(p)
			if err != nil {
				continue
			}
			at := filepath.Dir(real)
			for _, d := range []string{at, filepath.Dir(at), filepath.Dir(filepath.Dir(at)), filepath.Join(at, "node_modules", name)} {
				if c.identify(d) {
					return c, true
				}
			}
			return c, true
		}
	}
	return c, false
}

// identify reads the version out of the package in dir, if it is the client's.
func (c *client) identify(dir string) bool {
	b, err := readSystem(filepath.Join(dir, "package.json"))
	if err != nil {
		return false
	}
	var m struct{ Name, Version string }
	if json.Unmarshal(b, &m) != nil {
		return false
	}
	if m.Name != c.name && m.Name != "@pnpm/exe" && m.Name != "@yarnpkg/cli-dist" && m.Name != "yarnpkg" {
		return false
	}
	major, rest, _ := strings.Cut(m.Version, ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	minor, _, _ := strings.Cut(rest, ".")
	c.minor, _ = strconv.Atoi(minor) // 0 does
	c.major, c.version, c.dir = n, m.Version, dir
	return true
}

// readSystem reads a settings file that is not the home's.
func readSystem(p string) ([]byte, error) {
	f, err := os.OpenFile(p, os.O_RDONLY|openSafely, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errIrregular
	}
	return io.ReadAll(io.LimitReader(f, maxSettings))
}
