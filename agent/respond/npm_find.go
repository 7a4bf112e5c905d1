package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
	"wormbell/internal/stores"
)

// npmEntry is a token or a password as it stands in a file of a package manager.
type npmEntry struct {
	edit.Entry
	key      string // names it in the file, for a Place
	registry string // URL, "//host/path/", or "" for the manager's default
	user     string // of a password
	basic    bool   // it is a password
	value    secret.Value
	encode   func(string) string // how a value is written there; nil: as it is
	classic  bool                // in yarn's own format, which edit does not know
}

// maxNpmFile is how long a file of a package manager may be, in bytes. Those of
// people have some hundred; a hundred thousand tokens, each to be asked about,
// are there to keep us busy.
const maxNpmFile = 256 << 10

// npmFiles returns the files where tokens are looked for.
func npmFiles(m *Machine, paths []string) []string {
	var all []string
	for _, id := range npmKind().Stores {
		if s := stores.ByID(id); s != nil {
			all = append(all, s.Paths...)
		}
	}
	if dir := m.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		all = append(all, m.tilde(filepath.Join(dir, "pnpm", "rc")), m.tilde(filepath.Join(dir, "pnpm", "auth.ini")))
	}
	for _, name := range []string{"npm_config_userconfig", "NPM_CONFIG_USERCONFIG"} {
		// A pipe, as our own exec hands it over, is no file.
		if p := m.Getenv(name); filepath.IsAbs(p) && !strings.HasPrefix(p, "/dev/") && !strings.HasPrefix(p, "/proc/") {
			all = append(all, m.tilde(p))
		}
	}
	if paths != nil {
		known := all
		all = nil
		for _, p := range paths { // also those of a project
			if slices.Contains(known, p) || npmReader(p) != nil && path.Base(p) != "rc" && path.Base(p) != "auth.ini" {
				all = append(all, p)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// npmReader returns what reads a file of this name, nil if nothing does.
func npmReader(p string) func([]byte) ([]npmEntry, error) {
	switch path.Base(p) {
	case ".yarnrc.yml":
		return npmBerry
	case ".yarnrc":
		return npmClassic
	case "bunfig.toml", ".bunfig.toml":
		return npmBunfig
	case ".npmrc", "rc", "auth.ini":
		return npmrc
	}
	return nil
}

// npmFind looks for tokens in the files of npm, pnpm, yarn and bun.
func npmFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	type found struct {
		path string
		npmEntry
	}
	var all []found
	var problems []error
	registries := npmRegistries{}
	for _, p := range npmFiles(m, paths) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		data, err := edit.Read(m.Abs(p))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && len(data) > maxNpmFile {
			err = fmt.Errorf("it is longer than %d bytes, as no such file is", maxNpmFile)
		}
		read := npmReader(p)
		if read == nil {
			read = npmrc // a userconfig may have any name
		}
		var entries []npmEntry
		if err == nil {
			entries, err = read(data)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("read %q: %w", p, err))
			continue
		}
		if path.Base(p) != ".yarnrc.yml" && path.Base(p) != ".yarnrc" {
			registries.add(edit.INI(data))
		}
		for _, e := range entries {
			if name, ok := npmReference(e.value.Reveal()); ok {
				m.Log.Info("no token but the name of a variable", "path", p, "key", e.key, "variable", name)
				continue
			}
			if npmFits(e.value.Reveal()) || e.basic && !e.value.Empty() {
				all = append(all, found{p, e})
			}
		}
	}
	var tokens []Token
	usual, logins, forges := "", githubLogins(m, paths), forgeFiles(m)
	for _, f := range all {
		site := registries.site(f.registry)
		// GitHub's and GitLab's registries take their ordinary tokens, which
		// their kinds find in the same files.
		if v := f.value.Reveal(); slices.Contains(forges, f.path) &&
			(gitlabShape(v) && site != "" || githubType(v) != "" && githubOf(npmHost(site), logins, f.path) != "") {
			continue
		}
		if site == "" && strings.HasPrefix(f.value.Reveal(), "npm_") {
			if usual == "" {
				usual = npmUsual(ctx, m)
			}
			site = usual
		}
		place := Place{Path: f.path, Key: f.key}
		i := slices.IndexFunc(tokens, func(t Token) bool {
			return t.Value.Equal(f.value) && npmSameServer(t.Site, site) && (t.Facts[npmAuth] == npmBasic) == f.basic && (!f.basic || t.Owner == f.user)
		})
		if i >= 0 {
			t := &tokens[i]
			t.Places = append(t.Places, place)
			if t.Site == "" || strings.HasPrefix(site, "https:") && strings.HasPrefix(t.Site, "http:") {
				t.Site = site
			} else if site != "" && site != t.Site {
				t.Note = "It stands for several registries on one server; only " + npmHost(t.Site) + " is asked."
			}
			continue
		}
		t := Token{Kind: "npm", Site: site, Owner: f.user, Places: []Place{place}, Facts: Facts{}, Value: f.value}
		if f.basic {
			t.Facts[npmAuth] = npmBasic
			t.Note = "It is the password of the account, which only you can change."
		} else if forgeIsToken(f.value.Reveal()) {
			t.Note = "It is a token of GitHub or GitLab, which must be revoked there."
		}
		tokens = append(tokens, t)
	}
	vaulted, err := npmInVault(ctx, m, paths)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil {
		problems = append(problems, err)
	}
	for _, v := range vaulted {
		place := Place{Service: v.item.Service, Key: v.item.Account}
		if i := slices.IndexFunc(tokens, func(t Token) bool { return t.Value.Equal(v.value) && t.Facts[npmAuth] == "" }); i >= 0 {
			tokens[i].Places = append(tokens[i].Places, place)
			continue
		}
		tokens = append(tokens, Token{Kind: "npm", Site: registries.site(strings.TrimSuffix(v.item.Key, npmTokenKey)), Places: []Place{place},
			Facts: Facts{"beside": v.item.File}, Value: v.value})
	}
	npmNameAll(m, tokens)
	if len(problems) > 0 {
		return tokens, fmt.Errorf("%w: %w", ErrPartly, errors.Join(problems...))
	}
	return tokens, nil
}

// npmSameServer reports whether two registries are one server's, so that a token
// with the same value is one token: also if only one of them is known. Those of
// several servers are several: what one server says of a value is nothing to
// another, and whoever stole a token can write it down for a server of their own.
func npmSameServer(a, b string) bool { return a == "" || b == "" || npmHost(a) == npmHost(b) }

// npmNameAll gives tokens their names and what is remembered of their sites.
func npmNameAll(m *Machine, tokens []Token) {
	taken := map[string]int{}
	for i := range tokens {
		t := &tokens[i]
		_, rest, ok := strings.Cut(t.Site, "://")
		if !ok {
			rest = "unknown"
			t.Note = cmp.Or(t.Note, "No file says which registry it is for.")
		}
		t.Name = "npm:" + rest
		if taken[rest]++; taken[rest] > 1 {
			t.Name += fmt.Sprintf("#%d", taken[rest])
		}
	}
}

// npmReference returns the name of the variable that value stands for: ${NAME},
// ${NAME?}, ${NAME:-…}, and $NAME, which bun knows.
func npmReference(value string) (name string, ok bool) {
	if _, rest, found := strings.Cut(value, "${"); found {
		inner, _, closed := strings.Cut(rest, "}")
		if end := strings.IndexAny(inner, "?:-"); end >= 0 {
			inner = inner[:end]
		}
		return inner, closed
	}
	name, ok = strings.CutPrefix(value, "$")
	return name, ok
}

// npmRegistries are the URLs of registries that files of npm name.
type npmRegistries []*url.URL

func (r *npmRegistries) add(lines []edit.Entry) {
	for _, e := range lines {
		if len(e.Path) != 1 || e.Path[0] != "registry" && !strings.HasSuffix(e.Path[0], ":registry") {
			continue
		}
		if u := npmURL(e.Value); u != nil {
			*r = append(*r, u)
		}
	}
}

// npmURL reads the URL of a registry, nil if it is none. What else stands in it,
// a password even, is left out. It is shown in commands to copy, so what means
// something to a shell is no URL here.
func npmURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsFunc(u.Host+u.Path, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._~:/@+%[]", c))
	}) {
		return nil
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
}

// site returns the base URL of a registry that is named by its URL or as npm
// names it in keys: //host/path/, which also stands for what is below it.
func (r npmRegistries) site(name string) string {
	if u := npmURL(name); u != nil {
		return u.String()
	}
	if !strings.HasPrefix(name, "//") {
		return ""
	}
	key := npmURL("https:" + name)
	if key == nil {
		return ""
	}
	var below *url.URL
	for _, u := range r {
		if u.Host == key.Host && u.Path == key.Path {
			return u.String()
		}
		if u.Host == key.Host && strings.HasPrefix(u.Path, key.Path+"/") && below == nil {
			below = u
		}
	}
	if below != nil {
		return below.String()
	}
	return key.String()
}

// npmUsual returns the registry that npm uses when no file names one, or "": it
// is asked of npm itself, without its files.
func npmUsual(ctx context.Context, m *Machine) string {
	for _, name := range []string{"npm_config_registry", "NPM_CONFIG_REGISTRY"} {
		if u := npmURL(m.Getenv(name)); u != nil {
			return u.String()
		}
	}
	npm := ""
	for _, dir := range filepath.SplitList(m.Getenv("PATH")) {
		if p, err := exec.LookPath(filepath.Join(dir, "npm")); err == nil && filepath.IsAbs(p) {
			npm = p
			break
		}
	}
	if npm == "" {
		return ""
	}
	empty, err := os.MkdirTemp("", "wormbell-")
	if err != nil {
		return ""
	}
	defer os.RemoveAll(empty)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	none := filepath.Join(empty, "none")
	cmd := exec.CommandContext(ctx, npm, "config", "get", "registry", "--userconfig="+none, "--globalconfig="+none)
	cmd.Dir = empty
	cmd.Env = []string{"PATH=" + m.Getenv("PATH"), "HOME=" + empty, "USERPROFILE=" + empty, "SystemRoot=" + m.Getenv("SystemRoot")}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		m.Log.Info("npm does not say which registry it uses", "err", err)
		return ""
	}
	if u := npmURL(strings.TrimSpace(string(out))); u != nil {
		return u.String()
	}
	return ""
}
