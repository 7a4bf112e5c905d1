package checkup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"wormbell/agent/respond/edit"
)

// values are what one settings file says, by the last part of the name.
type values map[string]string

// parse reads the settings of a file by its format.
func parse(name string, b []byte) ([]edit.Entry, error) {
	switch {
	case strings.HasSuffix(name, ".json"):
		return edit.JSON(b)
	case strings.HasSuffix(name, ".yml"), strings.HasSuffix(name, ".yaml"):
		return edit.YAML(b)
	case strings.HasSuffix(name, ".toml"):
		return edit.TOML(b)
	}
	return edit.INI(b), nil
}

// settingsOf reads one file of the home; nothing if it is not there.
func (k *checkup) settingsOf(s *Section, rel string) []edit.Entry {
	b, err := k.read(rel, maxSettings)
	if err != nil {
		if why := could(tilde(rel), err); why != "" && !errors.Is(err, errGuarded) {
			s.skip("%s", why)
		}
		return nil
	}
	entries, err := parse(rel, b)
	if err != nil {
		s.skip("%s: it could not be read as what it should be", tilde(rel))
	}
	return entries
}

// top are the values that stand in no section.
func top(entries []edit.Entry) values {
	v := values{}
	for _, e := range entries {
		if len(e.Path) == 1 {
			v[e.Path[0]] = strings.TrimSpace(e.Value)
		}
	}
	return v
}

// settings looks at what keeps, or does not keep, a fresh or hostile package out.
func (k *checkup) settings(ctx context.Context, s *Section) {
	clients, dirs := []string{}, k.paths(s)
	for _, look := range []struct {
		name string
		look func(*Section, client)
	}{{"npm", k.npm}, {"pnpm", k.pnpm}, {"yarn", k.yarn}, {"bun", k.bun}} {
		c, found := findClient(look.name, dirs)
		if !found {
			continue
		}
		clients = append(clients, strings.TrimSpace(c.name+" "+c.version))
		look.look(s, c)
	}
	if len(clients) == 0 {
		clients = []string{"no package manager was found"}
	}
	if k.closed != "" {
		s.skip("settings in files that hold credentials too (~/.npmrc and its kin)")
	}
	told := map[string]int{}
	for _, p := range k.projects {
		if ctx.Err() != nil {
			s.skip("settings of projects: the time was over")
			break
		}
		for _, f := range k.projectSettings(s, p) {
			if told[f.Kind]++; told[f.Kind] <= maxOfAKind {
				s.add(f)
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(told)) {
		if n := told[kind] - maxOfAKind; n > 0 {
			s.add(Finding{Level: Note, Kind: kind, What: fmt.Sprintf("and %d more projects with the same", n)})
		}
	}
	s.Looked = fmt.Sprintf("%s; %s", strings.Join(clients, ", "), plural(len(k.projects), "project"))
}

// maxOfAKind is how many projects are told of with the same finding.
const maxOfAKind = 10

func (k *checkup) npm(s *Section, c client) {
	v := values{}
	for _, p := range []string{filepath.Join(c.dir, "npmrc"), "/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"} {
		if b, err := readSystem(p); err == nil {
			for key, value := range top(edit.INI(b)) {
				v[key] = value
			}
		}
	}
	for key, value := range top(k.settingsOf(s, ".npmrc")) {
		v[key] = value
	}
	for _, key := range []string{"ignore-scripts", "min-release-age", "before", "dangerously-allow-all-scripts"} {
		if value := k.Getenv("npm_config_" + strings.ReplaceAll(key, "-", "_")); value != "" {
			v[key] = value
		}
	}
	name := strings.TrimSpace("npm " + c.version)
	scripts := Finding{Kind: "install-scripts"}
	switch {
	case yes(v["ignore-scripts"]):
		scripts.Level, scripts.What = Fine, name+" runs no install scripts (ignore-scripts)"
	case yes(v["dangerously-allow-all-scripts"]):
		scripts.Level, scripts.What = Risk, name+" runs the install scripts of every package (dangerously-allow-all-scripts)"
		scripts.SoWhat, scripts.Do = scriptsRun, "npm config delete dangerously-allow-all-scripts"
	case c.major >= 12:
		scripts.Level, scripts.What = Fine, name+" runs only install scripts that you have approved"
	case c.major < 0:
		scripts.Level, scripts.What = Unknown, "Whether npm runs install scripts depends on its version, which could not be told"
	default:
		scripts.Level, scripts.What = Risk, name+" runs the install scripts of every package"
		scripts.SoWhat, scripts.Do = scriptsRun, "npm install -g npm@12, which asks first; or npm config set ignore-scripts true"
	}
	s.add(scripts)
	age := Finding{Kind: "minimum-age"}
	switch {
	case v["before"] != "" && v["before"] != "null":
		age.Level, age.What = Fine, "npm takes no version that is newer than a day that you have set (before)"
	case positive(v["min-release-age"]):
		age.Level, age.What = Fine, "npm takes no version younger than "+plural(atoi(v["min-release-age"]), "day")+" (min-release-age)"
	default:
		age.Level, age.What = Note, "npm takes versions that were published a minute ago"
		age.SoWhat, age.Do = ageHelps, "npm config set min-release-age 3"
		if c.major >= 0 && (c.major < 11 || c.major == 11 && c.minor < 19) {
			age.Do = "npm install -g npm@latest, then npm config set min-release-age 3"
		}
	}
	s.add(age)
}

const (
	scriptsRun = "most worms start in such a script, before anything of the package is used"
	ageHelps   = "worms are mostly found and taken down within hours"
)

func (k *checkup) pnpm(s *Section, c client) {
	v := values{}
	for _, p := range []string{".config/pnpm/rc", "Library/Preferences/pnpm/rc", ".config/pnpm/config.yaml", "Library/Preferences/pnpm/config.yaml"} {
		for key, value := range top(k.settingsOf(s, p)) {
			v[kebab(key)] = value
		}
	}
	name := strings.TrimSpace("pnpm " + c.version)
	f := Finding{Kind: "install-scripts", Level: Fine, What: name + " runs only install scripts that you have approved"}
	switch {
	case yes(v["ignore-scripts"]):
		f.What = name + " runs no install scripts (ignore-scripts)"
	case yes(v["dangerously-allow-all-builds"]):
		f.Level, f.What, f.SoWhat = Risk, name+" runs the install scripts of every package (dangerouslyAllowAllBuilds)", scriptsRun
		f.Do = "take it out of pnpm's settings, then 'pnpm approve-builds'"
	case c.major < 0:
		f.Level, f.What = Unknown, "Whether pnpm runs install scripts depends on its version, which could not be told"
	case c.major < 10:
		f.Level, f.What, f.SoWhat, f.Do = Risk, name+" runs the install scripts of every package", scriptsRun, "use pnpm 10 or newer, which asks first"
	}
	s.add(f)
	age := Finding{Kind: "minimum-age"}
	set, told := v["minimum-release-age"]
	switch {
	case positive(set):
		age.Level, age.What = Fine, "pnpm takes no version younger than "+plural(atoi(set), "minute")+" (minimumReleaseAge)"
	case !told && c.major >= 11:
		age.Level, age.What = Fine, "pnpm takes no version younger than a day, as it comes"
	default:
		age.Level, age.What, age.SoWhat = Note, "pnpm takes versions that were published a minute ago", ageHelps
		age.Do = "set minimumReleaseAge: 4320 (minutes) in pnpm-workspace.yaml"
	}
	s.add(age)
}

func (k *checkup) yarn(s *Section, c client) {
	v := top(k.settingsOf(s, ".yarnrc.yml"))
	classic := false
	if b, err := k.read(".yarnrc", maxSettings); err == nil {
		lines(b, func(_ int, line string) bool {
			if f := strings.Fields(line); len(f) == 2 && strings.Trim(f[0], `"-`) == "ignore-scripts" && yes(strings.Trim(f[1], `"`)) {
				classic = true
			}
			return true
		})
	}
	name := strings.TrimSpace("yarn " + c.version)
	f := Finding{Kind: "install-scripts"}
	switch {
	case c.major < 0:
		f.Level, f.What = Unknown, "Which yarn runs is chosen in each project: yarn 1 runs the install scripts of every package, yarn 4 does not"
	case c.major == 1 && classic:
		f.Level, f.What = Fine, name+" runs no install scripts (ignore-scripts)"
	case c.major == 1:
		f.Level, f.What, f.SoWhat, f.Do = Risk, name+" runs the install scripts of every package", scriptsRun, "yarn config set ignore-scripts true, or use yarn 4"
	case yes(v["enableScripts"]):
		f.Level, f.What, f.SoWhat, f.Do = Risk, name+" runs the install scripts of every package (enableScripts)", scriptsRun, "yarn config unset -H enableScripts"
	default:
		f.Level, f.What = Fine, name+" runs only install scripts that a project allows"
	}
	s.add(f)
	if c.major == 1 {
		s.add(Finding{Level: Note, Kind: "minimum-age", What: "yarn 1 takes versions that were published a minute ago, and has no setting for it", SoWhat: ageHelps, Do: "use yarn 4"})
	} else if set := v["npmMinimalAgeGate"]; set == "" || strings.HasPrefix(set, "0") {
		s.add(Finding{Level: Note, Kind: "minimum-age", What: "No minimum age of versions is set for yarn", SoWhat: ageHelps, Do: "yarn config set -H npmMinimalAgeGate 3d"})
	} else {
		s.add(Finding{Level: Fine, Kind: "minimum-age", What: "yarn has a minimum age of versions (npmMinimalAgeGate)"})
	}
}

func (k *checkup) bun(s *Section, _ client) {
	s.add(Finding{Level: Fine, Kind: "install-scripts", What: "bun runs install scripts of packages only that a project trusts, and of a list of its own"})
	set := ""
	for _, p := range []string{".bunfig.toml", ".config/.bunfig.toml"} {
		for _, e := range k.settingsOf(s, p) {
			if slices.Equal(e.Path, []string{"install", "minimumReleaseAge"}) {
				set = e.Value
			}
		}
		if b, err := k.read(p, maxSettings); err == nil && set == "" { // numbers are no entries to edit
			set = tomlNumber(b, "install", "minimumReleaseAge")
		}
	}
	if positive(set) {
		s.add(Finding{Level: Fine, Kind: "minimum-age", What: "bun takes no version younger than " + plural(atoi(set), "second") + " (minimumReleaseAge)"})
		return
	}
	s.add(Finding{Level: Note, Kind: "minimum-age", What: "bun takes versions that were published a minute ago", SoWhat: ageHelps,
		Do: "set minimumReleaseAge = 259200 (seconds) below [install] in ~/.bunfig.toml"})
}

// tomlNumber is the number that stands for a key in a table of a TOML file, ""
// if there is none.
func tomlNumber(b []byte, table, key string) (found string) {
	in := ""
	lines(b, func(_ int, line string) bool {
		line = strings.TrimSpace(line)
		if t, ok := strings.CutPrefix(line, "["); ok {
			in, _, _ = strings.Cut(t, "]")
		}
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(in) == table && strings.TrimSpace(name) == key {
			value, _, _ = strings.Cut(value, "#")
			found = strings.ReplaceAll(strings.TrimSpace(value), "_", "")
		}
		return true
	})
	return found
}

// projectSettings looks at the settings of one project that open what the user's
// own keep shut, and at tokens in files that go to others with it.
func (k *checkup) projectSettings(s *Section, p project) (out []Finding) {
	for _, name := range []string{".npmrc", "pnpm-workspace.yaml", ".yarnrc.yml", "bunfig.toml"} {
		if !p.has(name) {
			continue
		}
		at := p.at(name)
		for _, e := range k.settingsOf(s, at) {
			if len(e.Path) == 0 {
				continue
			}
			key := kebab(e.Path[len(e.Path)-1])
			switch {
			case isTokenKey(name, e.Path) && e.Value != "" && !strings.Contains(e.Value, "${"):
				out = append(out, k.inProject(p, name))
			case len(e.Path) > 1:
			case (key == "dangerously-allow-all-builds" || key == "dangerously-allow-all-scripts" || key == "enable-scripts") && yes(e.Value):
				out = append(out, Finding{Level: Risk, Kind: "project-scripts", What: "A project runs the install scripts of every package (" + e.Path[0] + ")", Where: tilde(at),
					SoWhat: scriptsRun, Do: "take it out, and approve those packages that need it"})
			case (key == "minimum-release-age" || key == "npm-minimal-age-gate" || key == "min-release-age") && !positive(e.Value):
				out = append(out, Finding{Level: Note, Kind: "project-age", What: "A project takes versions that were published a minute ago (" + e.Path[0] + ")", Where: tilde(at), SoWhat: ageHelps})
			}
		}
	}
	return slices.CompactFunc(out, func(a, b Finding) bool { return a == b })
}

// isTokenKey reports whether a settings file of this name keeps a token there.
func isTokenKey(name string, at []string) bool {
	last := at[len(at)-1]
	switch name {
	case ".npmrc":
		return strings.HasSuffix(last, "_authToken") || strings.HasSuffix(last, "_auth") || strings.HasSuffix(last, "_password")
	case ".yarnrc.yml":
		return last == "npmAuthToken" || last == "npmAuthIdent"
	case "bunfig.toml":
		return at[0] == "install" && (last == "token" || last == "password")
	}
	return false
}

// inProject is a token in a file of a project, and how near it is to being
// given to others.
func (k *checkup) inProject(p project, name string) Finding {
	f := Finding{Level: Risk, Kind: "project-token", Where: tilde(p.at(name)), Do: "put ${NPM_TOKEN} in its place, and replace the token"}
	switch k.git(p, name) {
	case tracked:
		f.What, f.SoWhat = "A token stands in a project's settings, and git tracks the file", "whoever has the repository has the token"
	case ignored:
		f.What, f.SoWhat = "A token stands in a project's settings, which git ignores", "every install script below it can read it"
	case loose:
		f.What, f.SoWhat = "A token stands in a project's settings, and nothing keeps it from being committed", "the next 'git add .' gives it to everybody who has the repository"
	default:
		f.What, f.SoWhat = "A token stands in a project's settings", "every install script below it can read it, and it goes to whoever gets the folder"
	}
	return f
}

// standing of a file with git.
type standing int

const (
	noGit   standing = iota // no repository, or it could not be told
	tracked                 // it is in the index
	ignored
	loose // in a repository, neither tracked nor seen to be ignored
)

// maxIndex is how large an index of git's may be, in bytes: some 100 a file.
const maxIndex = 64 << 20

// git looks how a file of a project stands with its repository, by the index
// (gitformat-index(5)) and the plain lines of ignore files.
func (k *checkup) git(p project, name string) standing {
	for dir := p.dir; ; dir = path.Dir(dir) {
		if dir == "." {
			dir = ""
		}
		if there, _ := k.home.is(path.Join(dir, ".git")); !there {
			if dir == "" {
				return noGit
			}
			continue
		}
		file := strings.TrimPrefix(strings.TrimPrefix(p.at(name), dir), "/")
		index, _, err := k.home.start(path.Join(dir, ".git/index"), maxIndex)
		if err != nil && !absent(err) || len(index) >= 8 && index[7] > 3 { // names are cut short in version 4
			return noGit
		}
		if bytes.Contains(index, []byte(file+"\x00")) {
			return tracked
		}
		for _, at := range []string{path.Join(dir, ".gitignore"), p.at(".gitignore"), path.Join(dir, ".git/info/exclude")} {
			b, err := k.home.read(at, maxSettings)
			if err != nil {
				continue
			}
			found := false
			lines(b, func(_ int, line string) bool {
				line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "**"), "/")
				found = found || line == name || line == file
				return true
			})
			if found {
				return ignored
			}
		}
		return loose
	}
}

func yes(s string) bool { return strings.EqualFold(s, "true") || s == "1" }

func positive(s string) bool { return atoi(s) > 0 }

// atoi is the number that s begins with.
func atoi(s string) int {
	s = strings.TrimSpace(s)
	i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if i >= 0 {
		s = s[:i]
	}
	n, _ := strconv.Atoi(s) // what is no number is 0
	return n
}

// kebab is a setting's name as npm writes it: "minimumReleaseAge" is "minimum-release-age".
func kebab(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
