package respond

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// githubFind looks into gh's file and keychain items, and into what git, curl,
// the package managers and docker keep. What is for GitHub's registries is
// GitHub's, though it stands in an npmrc.
func githubFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	var all []Token
	add := func(p Place, h forgeHeld, host string, login bool) {
		t := Token{Kind: "github", Site: githubSite(m, host), Value: secret.Of(h.value), Places: []Place{p},
			Facts: Facts{"host": host, "type": githubType(h.value)}}
		if t.Facts["type"] == "" {
			t.Facts["type"] = githubUnknown
		}
		if login {
			t.Facts["cli"] = "gh"
			if t.Owner = h.user; h.user != "" {
				t.Facts["login"] = h.user
			}
		}
		if p.Path == "" {
			t.Facts["beside"] = h.file
		}
		t.Note = githubNote(m, t)
		all = merge(all, t)
	}
	inFile := map[string]bool{}
	errFile := forgeFind(ctx, m, githubFiles(m), paths, func(p Place, h forgeHeld) {
		if h.host != "" {
			inFile[h.host] = true
			add(p, h, h.host, true)
		}
	})
	logins := githubLogins(m, paths)
	errKeys := githubKeychain(ctx, m, logins, inFile, func(p Place, h forgeHeld) { add(p, h, h.host, true) })
	errRest := forgeFind(ctx, m, forgeFiles(m), paths, func(p Place, h forgeHeld) {
		if host := githubOf(h.host, logins, p.Path); host != "" && githubType(h.value) != "" {
			add(p, h, host, false)
		}
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	forgeName(all, githubHost)
	return all, errors.Join(errFile, errKeys, errRest)
}

// githubLogin is a host in gh's file, and who is logged in there: the one in
// use first.
type githubLogin struct {
	file  string // gh's
	host  string
	users []string
}

// githubLogins reads gh's files for who is logged in, with or without a token
// in the file. What cannot be read, forgeFind has told of.
func githubLogins(m *Machine, paths []string) (all []githubLogin) {
	for _, file := range githubFiles(m) {
		if paths != nil && !slices.Contains(paths, file) {
			continue
		}
		if data, err := edit.Read(m.Abs(file)); err == nil {
			all = append(all, githubLoginsIn(file, data)...)
		}
	}
	return all
}

func githubLoginsIn(file string, data []byte) (all []githubLogin) {
	// A login without settings of its own is "alice:" and nothing, which is no
	// value to edit. forgeFind has told of what cannot be read.
	var hosts map[string]struct {
		User  string
		Users map[string]any
	}
	defer func() {
		if recover() != nil { // see edit.YAML
			all = nil
		}
	}()
	if yaml.Unmarshal(data, &hosts) != nil {
		return nil
	}
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		l := githubLogin{file: file, host: strings.ToLower(host)}
		if u := hosts[host].User; u != "" {
			l.users = append(l.users, u)
		}
		l.users = distinct(append(l.users, slices.Sorted(maps.Keys(hosts[host].Users))...))
		all = append(all, l)
	}
	return all
}

// githubFiles are the files of gh, on every system.
func githubFiles(m *Machine) []string {
	files := []string{"~/.config/gh/hosts.yml", "~/AppData/Roaming/GitHub CLI/hosts.yml"}
	if dir := m.Getenv("XDG_CONFIG_HOME"); dir != "" {
		files = append(files, m.tilde(dir+"/gh/hosts.yml"))
	}
	if dir := m.Getenv("GH_CONFIG_DIR"); dir != "" {
		files = append(files, m.tilde(dir+"/hosts.yml"))
	}
	return distinct(files)
}

// githubKeychain hands take what gh keeps in the keychain: items of the service
// "gh:HOST" by login, and by "" for the one in use (cli/cli internal/config).
func githubKeychain(ctx context.Context, m *Machine, logins []githubLogin, inFile map[string]bool, take func(Place, forgeHeld)) error {
	var errs []error
	for _, l := range logins {
		accounts := append([]string{""}, l.users...)
		for _, account := range accounts {
			v, err := secret.Value{}, fmt.Errorf("%w: it cannot be reached from here", keychain.ErrNone)
			if m.Items != nil {
				v, err = m.Items.Get(ctx, "gh:"+l.host, account)
			}
			if errors.Is(err, keychain.ErrNotFound) || err != nil && inFile[l.host] {
				continue // it is in the file instead
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%w: keychain item gh:%s: %w", ErrPartly, l.host, err))
				break
			}
			if !v.Empty() {
				h := forgeHeld{file: l.file, host: l.host, user: account, value: v.Reveal()}
				if account == "" && len(l.users) > 0 {
					h.user = l.users[0]
				}
				take(Place{Service: "gh:" + l.host, Key: account}, h)
			}
		}
	}
	return errors.Join(errs...)
}

// githubOf returns the host, as gh would name it, whose tokens are used at host;
// "" if that is not GitHub's. In git's and curl's files any host may be a server of
// GitHub's: the token goes there anyway.
func githubOf(host string, logins []githubLogin, file string) string {
	switch {
	case host == "":
		return ""
	case host == githubHost || strings.HasSuffix(host, "."+githubHost) || host == "ghcr.io":
		return githubHost
	}
	for _, l := range logins {
		if host == l.host || strings.HasSuffix(host, "."+l.host) {
			return l.host
		}
	}
	if sub, ok := strings.CutSuffix(host, ".ghe.com"); ok {
		return sub[strings.LastIndexByte(sub, '.')+1:] + ".ghe.com"
	}
	if strings.HasSuffix(file, "credentials") || strings.HasSuffix(file, "netrc") {
		return host
	}
	return ""
}

// githubSite returns the base URL of the API of a host
// (docs.github.com/enterprise-server/rest, "api.SUBDOMAIN.ghe.com").
func githubSite(m *Machine, host string) string {
	switch {
	case host == githubHost:
		return m.Site("github", "https://api.github.com")
	case strings.HasSuffix(host, ".ghe.com"):
		return "https://api." + host
	}
	return "https://" + host + "/api/v3"
}

// githubIsServer reports whether t is of a GitHub Enterprise Server.
func githubIsServer(t Token) bool {
	host := t.Facts["host"]
	return host != "" && host != githubHost && !strings.HasSuffix(host, ".ghe.com")
}

func githubNote(m *Machine, t Token) string {
	switch t.Facts["type"] {
	case githubInstallation:
		return "It is of an app's installation, lives for an hour, and only the app can make another."
	case githubRefresh:
		return "It makes tokens of an app, and only the app can be asked about it."
	case githubUnknown:
		return "It has none of GitHub's prefixes, so it can be revoked on the page only."
	}
	for _, name := range []string{"GH_TOKEN", "GITHUB_TOKEN"} {
		if t.Facts["cli"] != "" && m.Getenv(name) != "" {
			return name + " is set in the environment, and gh takes that before this one."
		}
	}
	return ""
}
