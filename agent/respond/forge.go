package respond

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// The tokens of GitHub and GitLab stand in the same files, which belong to git,
// curl, package managers and docker: here is what their kinds have in common.

// forgeFiles are those files. Their stores are forgeStores.
func forgeFiles(m *Machine) []string {
	files := []string{"~/.git-credentials", "~/.config/git/credentials", "~/.netrc", "~/_netrc",
		"~/.npmrc", "~/.config/pnpm/rc", "~/.config/pnpm/auth.ini", "~/Library/Preferences/pnpm/rc", "~/Library/Preferences/pnpm/auth.ini",
		"~/AppData/Local/pnpm/config/rc", "~/AppData/Local/pnpm/config/auth.ini",
		"~/.yarnrc.yml", "~/.bunfig.toml", "~/.config/.bunfig.toml", "~/.docker/config.json", "~/.config/containers/auth.json"}
	if dir := m.Getenv("XDG_CONFIG_HOME"); dir != "" {
		for _, f := range []string{"git/credentials", "pnpm/rc", "pnpm/auth.ini", ".bunfig.toml"} {
			files = append(files, m.tilde(dir+"/"+f))
		}
	}
	return distinct(files)
}

// forgeStores are the IDs of the stores of forgeFiles and of more.
func forgeStores(more ...string) []string {
	all := append([]string{"bun", "docker", "git", "netrc", "npm", "pnpm", "yarn"}, more...)
	slices.Sort(all)
	return all
}

// forgeHeld is a value in a file that may be a token.
type forgeHeld struct {
	file   string // by which a keychain item was found, "" for what stands in a file
	key    string // Place.Key
	scheme string // "https" if the file does not say
	host   string // with its port, in small letters; "" if the file does not say
	user   string // whom the file names, "" if it does not
	value  string
	entry  edit.Entry                                                    // to remove it; its zero for a user name
	line   edit.Span                                                     // of a user name
	put    func(data []byte, new string) (change edit.Change, err error) // replaces it
}

// forgeRead returns what may be tokens in a file, by its name's format.
func forgeRead(file string, data []byte) ([]forgeHeld, error) {
	var entries []edit.Entry
	var err error
	where := forgeInINI
	base := path.Base(file)
	switch {
	case base == ".git-credentials" || strings.HasSuffix(file, "git/credentials"):
		entries, where = edit.GitCredentials(data), forgeInGit
	case base == ".netrc" || base == "_netrc":
		entries, where = edit.Netrc(data), forgeInNetrc
	case strings.HasSuffix(base, ".json"):
		entries, err = edit.JSON(data)
		where = forgeInDocker
	case strings.HasSuffix(base, ".yml"):
		entries, err = edit.YAML(data)
		where = forgeInYAML
	case strings.HasSuffix(base, ".toml"):
		entries, err = edit.TOML(data)
		where = forgeInTOML
	default:
		entries = edit.INI(data)
	}
	if err != nil {
		return nil, err
	}
	var all []forgeHeld
	for _, e := range entries {
		if len(e.Path) == 0 { // a YAML file that is one word
			continue
		}
		h := forgeHeld{key: strings.Join(e.Path, " "), scheme: "https", value: e.Value, entry: e, put: e.Replace}
		where(&h, entries)
		if h.host, h.user = strings.ToLower(h.host), strings.TrimSpace(h.user); h.value != "" {
			all = append(all, h)
		}
	}
	if entries == nil || base == ".git-credentials" || strings.HasSuffix(file, "git/credentials") {
		all = append(all, forgeUsers(data)...)
	}
	return all, nil
}

// forgeInGit: "https://user:token@host".
func forgeInGit(h *forgeHeld, _ []edit.Entry) {
	h.scheme, h.host, _ = strings.Cut(h.entry.Path[0], "://")
	h.host, _, _ = strings.Cut(h.host, "/")
	if len(h.entry.Path) > 1 {
		h.user = h.entry.Path[1]
	}
	if forgeIsToken(h.user) { // the path must not be shown
		h.user, h.key = "", h.entry.Path[0]+" password"
	}
}

// forgeInNetrc: "machine host login user password token".
func forgeInNetrc(h *forgeHeld, _ []edit.Entry) {
	h.host = h.entry.Path[0]
	if n := len(h.entry.Path); n > 2 {
		h.user = h.entry.Path[1]
	}
	if forgeIsToken(h.user) {
		h.user, h.key = "", h.host+" password"
	}
	if h.entry.Path[len(h.entry.Path)-1] != "password" {
		h.value = ""
	}
}

// forgeInINI: "//host/path/:_authToken=token".
func forgeInINI(h *forgeHeld, _ []edit.Entry) {
	key := h.entry.Path[len(h.entry.Path)-1]
	rest, ok := strings.CutPrefix(key, "//")
	name := key[strings.LastIndexByte(key, ':')+1:]
	h.host, _, _ = strings.Cut(rest, "/")
	switch {
	case !ok:
		h.value = ""
	case name == "_authToken":
	case name == "_password":
		forgeBase64(h, false)
	case name == "_auth":
		forgeBase64(h, true)
	default:
		h.value = ""
	}
}

// forgeInDocker: {"auths": {"host": {"auth": base64 of "user:token"}}}.
func forgeInDocker(h *forgeHeld, _ []edit.Entry) {
	p := h.entry.Path
	if len(p) != 3 || p[0] != "auths" || p[2] != "auth" {
		h.value = ""
		return
	}
	h.setAddress(p[1])
	forgeBase64(h, true)
}

// forgeBase64 makes of h, whose value is the base64 of a token or of
// "user:token", that token.
func forgeBase64(h *forgeHeld, user bool) {
	text, err := base64.StdEncoding.DecodeString(h.value)
	prefix, token, ok := strings.Cut(string(text), ":")
	if prefix += ":"; !user {
		prefix, token, ok = "", string(text), true
	}
	if h.value = token; err != nil || !ok {
		h.value = ""
		return
	}
	if h.user = strings.TrimSuffix(prefix, ":"); forgeIsToken(h.user) {
		h.user = ""
	}
	e := h.entry
	h.put = func(data []byte, new string) (edit.Change, error) {
		return e.Replace(data, base64.StdEncoding.EncodeToString([]byte(prefix+new)))
	}
}

// forgeInYAML: gh's hosts.yml, glab's config.yml and yarn's .yarnrc.yml.
func forgeInYAML(h *forgeHeld, all []edit.Entry) {
	p := h.entry.Path
	switch name := p[len(p)-1]; {
	case name == "oauth_token" && len(p) > 1:
		h.host = p[0]
		if len(p) == 4 && p[1] == "users" {
			h.user = p[2]
		} else {
			h.user = forgeSibling(all, p, "user")
		}
	case name == "token" && len(p) == 3 && p[0] == "hosts":
		h.host, h.user = p[1], forgeSibling(all, p, "user")
	case name == "npmAuthToken":
		if len(p) == 3 && p[0] == "npmRegistries" {
			h.setAddress(p[1])
		} else {
			h.setAddress(forgeSibling(all, p, "npmRegistryServer"))
		}
	default:
		h.value = ""
	}
}

// forgeInTOML: bun's bunfig.toml, where a registry is {url = …, token = …}.
func forgeInTOML(h *forgeHeld, all []edit.Entry) {
	if p := h.entry.Path; p[len(p)-1] == "token" {
		h.setAddress(forgeSibling(all, p, "url"))
		return
	}
	h.value = ""
}

// setAddress sets the host by "host", "//host/path" or "https://host/path".
func (h *forgeHeld) setAddress(s string) {
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		h.scheme, s = scheme, rest
	}
	h.host, _, _ = strings.Cut(strings.TrimPrefix(s, "//"), "/")
	if i := strings.LastIndexByte(h.host, '@'); i >= 0 {
		h.host = h.host[i+1:]
	}
}

// forgeSibling returns the value of the key name beside the one at p.
func forgeSibling(all []edit.Entry, p []string, name string) string {
	for _, e := range all {
		if n := len(p) - 1; len(e.Path) == n+1 && e.Path[n] == name && slices.Equal(e.Path[:n], p[:n]) {
			return e.Value
		}
	}
	return ""
}

// forgeUsers returns the user names in a file of git's that are tokens: services
// take "https://token@host" and "https://token:x-oauth-basic@host", too.
func forgeUsers(data []byte) []forgeHeld {
	var all []forgeHeld
	for from := 0; from < len(data); {
		to := len(data)
		if i := strings.IndexByte(string(data[from:]), '\n'); i >= 0 {
			to = from + i + 1
		}
		line := string(data[from:to])
		scheme, rest, ok := strings.Cut(line, "://")
		i := strings.IndexByte(rest, '@')
		if ok && i > 0 {
			written, _, _ := strings.Cut(rest[:i], ":")
			host, _, _ := strings.Cut(strings.TrimSpace(rest[i+1:]), "/")
			if user, err := url.PathUnescape(written); err == nil && forgeIsToken(user) {
				at := edit.Span{From: from + len(scheme) + len("://"), To: from + len(scheme) + len("://") + len(written)}
				all = append(all, forgeHeld{
					key: scheme + "://" + host + " user name", scheme: strings.TrimSpace(scheme), host: strings.ToLower(host), value: user,
					line: edit.Span{From: from, To: to},
					put: func(_ []byte, new string) (edit.Change, error) {
						return edit.Change{Span: at, Old: written, New: url.PathEscape(new)}, nil
					},
				})
			}
		}
		from = to
	}
	return all
}

// forgeIsToken reports whether s is a token by its looks.
func forgeIsToken(s string) bool {
	return githubType(s) != "" || gitlabShape(s)
}

// forgeFind reads files and hands what may be tokens in them to take, in order.
// files that are not among paths, unless that is nil, are left alone. What could
// not be read is told of by an error that wraps ErrPartly.
func forgeFind(ctx context.Context, m *Machine, files, paths []string, take func(Place, forgeHeld)) error {
	var errs []error
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if paths != nil && !slices.Contains(paths, file) {
			continue
		}
		data, err := edit.Read(m.Abs(file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var held []forgeHeld
		if err == nil {
			held, err = forgeRead(file, data)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %w", ErrPartly, file, err))
			continue
		}
		for _, h := range held {
			take(Place{Path: file, Key: h.key}, h)
		}
	}
	return errors.Join(errs...)
}

// forgeName names tokens by kind, host if it is not the usual one, and what
// holds them: "github:alice", "gitlab:gitlab.example.com/netrc". Two may get the
// same name; [Find] tells them apart.
func forgeName(all []Token, usual string) {
	for i := range all {
		t := &all[i]
		name := t.Owner
		if p := t.Places[0]; t.Facts["cli"] == "" || name == "" {
			name = strings.Trim(path.Base(p.Path), "._")
			switch {
			case p.Path == "":
				name = "keychain"
			case strings.HasSuffix(p.Path, "git/credentials"):
				name = "git-credentials"
			case strings.Contains(p.Path, "docker/") || strings.Contains(p.Path, "containers/"):
				name = "docker"
			case t.Facts["cli"] != "":
				name = t.Facts["cli"]
			}
		}
		if host := t.Facts["host"]; host != usual {
			name = host + "/" + name
		}
		t.Name = t.Kind + ":" + name
	}
}

// forgeInstall puts the value of new into every place of old. It tries them all.
func forgeInstall(ctx context.Context, m *Machine, old, new Token) error {
	if new.Value.Empty() || old.Value.Empty() {
		return errors.New("put the new token in place: there is none")
	}
	gone := fmt.Errorf("%w: the old token does not stand there any more", edit.ErrChanged)
	change := func(held []forgeHeld, data []byte) (changes []edit.Change, err error) {
		err = gone
		for _, h := range held {
			switch v := secret.Of(h.value); {
			case v.Equal(new.Value):
				err = nil
			case v.Equal(old.Value):
				c, why := h.put(data, new.Value.Reveal())
				if why != nil {
					return nil, forgeReason(why)
				}
				changes, err = append(changes, c), nil
			}
		}
		return changes, err
	}
	item := func(service, account string) error {
		v, err := m.Items.Get(ctx, service, account)
		switch {
		case errors.Is(err, keychain.ErrNotFound):
			return gone
		case err != nil:
			return err
		case v.Equal(new.Value):
			return nil
		case !v.Equal(old.Value):
			return gone
		}
		return m.Items.Set(ctx, service, account, new.Value)
	}
	return forgeEach(ctx, m, old, change, item)
}

// forgeForget removes the value of old from all its places. What does not hold
// it any more is left as it is.
func forgeForget(ctx context.Context, m *Machine, old Token) error {
	if old.Value.Empty() {
		return errors.New("remove the token: its value is not known")
	}
	item := func(service, account string) error {
		v, err := m.Items.Get(ctx, service, account)
		if errors.Is(err, keychain.ErrNotFound) || err == nil && !v.Equal(old.Value) {
			return nil
		} else if err != nil {
			return err
		}
		return m.Items.Delete(ctx, service, account)
	}
	entries := func(held []forgeHeld, data []byte) ([]edit.Change, error) {
		var all []edit.Entry
		for _, h := range held {
			if h.line == (edit.Span{}) && secret.Of(h.value).Equal(old.Value) {
				all = append(all, h.entry)
			}
		}
		return edit.RemoveAll(data, all), nil
	}
	// A user name goes with its line, in a pass of its own: edit knows nothing
	// of it, and the line may be one that it removes.
	users := func(held []forgeHeld, data []byte) (changes []edit.Change, err error) {
		for _, h := range held {
			if h.line != (edit.Span{}) && secret.Of(h.value).Equal(old.Value) {
				changes = append(changes, edit.Change{Span: h.line, Old: string(data[h.line.From:h.line.To])})
			}
		}
		return changes, nil
	}
	return errors.Join(forgeEach(ctx, m, old, entries, item), forgeEach(ctx, m, old, users, item))
}

// forgeEach goes to all places of t. For each of those in a file, change says
// what to do with what is held there, which is nothing if the file is gone; a
// file is written once. To keychain items, item does it. What fails is told of
// when all the rest is done.
func forgeEach(ctx context.Context, m *Machine, t Token, change func([]forgeHeld, []byte) ([]edit.Change, error), item func(service, account string) error) error {
	var errs []error
	var files []string
	keys := map[string][]string{}
	for _, p := range t.Places {
		if p.Path != "" {
			files = distinct(append(files, p.Path))
			keys[p.Path] = append(keys[p.Path], p.Key)
			continue
		}
		err := fmt.Errorf("%w: it cannot be reached from here", keychain.ErrNone)
		if m.Items != nil {
			err = item(p.Service, p.Key)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p, err))
		}
	}
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		var failed []error // place by place
		all := func(held []forgeHeld, data []byte) (changes []edit.Change) {
			failed = nil
			for _, key := range keys[file] {
				c, err := change(slices.DeleteFunc(slices.Clone(held), func(h forgeHeld) bool { return h.key != key }), data)
				if changes = append(changes, c...); err != nil {
					failed = append(failed, fmt.Errorf("%s: %w", Place{Path: file, Key: key}, err))
				}
			}
			return changes
		}
		err := edit.Apply(m.Abs(file), func(data []byte) ([]edit.Change, error) {
			held, err := forgeRead(file, data)
			if err != nil {
				return nil, err
			}
			return all(held, data), nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			all(nil, nil)
			err = nil
		}
		if errs = append(errs, failed...); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	return errors.Join(errs...)
}

// forgeReason leaves of an error of edit what does not name the entry, whose
// path may hold a token.
func forgeReason(err error) error {
	for _, known := range []error{edit.ErrCannot, edit.ErrChanged} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("the value cannot be replaced")
}
