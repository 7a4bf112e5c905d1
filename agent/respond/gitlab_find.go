package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// gitlabFind looks into glab's file and keychain items, and for values with
// GitLab's prefix into what git, curl, the package managers and docker keep.
func gitlabFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	var all []Token
	add := func(p Place, h forgeHeld, at gitlabAt, login bool) {
		t := Token{Kind: "gitlab", Site: at.site(m), Value: secret.Of(h.value), Places: []Place{p}, Facts: Facts{"host": at.host, "web": at.web(), "type": "token"}}
		if login {
			t.Owner, t.Facts["cli"] = h.user, "glab"
			switch {
			case at.oauth:
				t.Facts["type"] = "oauth"
				t.Note = "It came by a login in the browser and lives for two hours; glab auth login makes another."
			case m.Getenv("GITLAB_TOKEN") != "":
				t.Note = "GITLAB_TOKEN is set in the environment, and glab takes that before this one."
			}
		}
		if p.Path == "" {
			t.Facts["beside"] = at.file
		}
		all = merge(all, t)
	}
	own := gitlabHosts(m, paths)
	inFile := map[string]bool{}
	errFile := forgeFind(ctx, m, gitlabFiles(m), paths, func(p Place, h forgeHeld) {
		if h.host != "" {
			inFile[h.host] = true
			add(p, h, gitlabOf(h, own), true)
		}
	})
	errKeys := gitlabKeychain(ctx, m, own, inFile, func(p Place, h forgeHeld, at gitlabAt) { add(p, h, at, true) })
	errRest := forgeFind(ctx, m, forgeFiles(m), paths, func(p Place, h forgeHeld) {
		if gitlabShape(h.value) && h.host != "" {
			add(p, h, gitlabOf(h, own), false)
		}
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	forgeName(all, gitlabHost)
	return all, errors.Join(errFile, errKeys, errRest)
}

// gitlabFiles are the files of glab, on every system.
func gitlabFiles(m *Machine) []string {
	files := []string{"~/.config/glab-cli/config.yml"}
	for name, under := range map[string]string{"XDG_CONFIG_HOME": "/glab-cli/config.yml", "GLAB_CONFIG_DIR": "/config.yml"} {
		if dir := m.Getenv(name); dir != "" {
			files = append(files, m.tilde(dir+under))
		}
	}
	slices.Sort(files)
	return distinct(files)
}

// gitlabAt is how a server is reached.
type gitlabAt struct {
	file   string // glab's
	host   string // in git's URLs
	scheme string // "" is https
	api    string // host of the API if it is another
	folder string // where GitLab is on it, "" for the root
	user   string
	oauth  bool // its token came by a login in the browser
}

func (a gitlabAt) at(host string) string {
	scheme := "https"
	if a.scheme == "http" {
		scheme = a.scheme
	}
	return strings.TrimSuffix(scheme+"://"+host+"/"+strings.Trim(a.folder, "/"), "/")
}

func (a gitlabAt) web() string { return a.at(a.host) }

// site returns the base URL, to which "/api/v4" is added.
func (a gitlabAt) site(m *Machine) string {
	switch {
	case a.host == gitlabHost:
		return m.Site("gitlab", "https://"+gitlabHost)
	case a.api != "":
		return a.at(a.api)
	}
	return a.web()
}

// gitlabHosts are the servers in glab's files. What cannot be read, forgeFind
// has told of.
func gitlabHosts(m *Machine, paths []string) (all []gitlabAt) {
	for _, file := range gitlabFiles(m) {
		if paths != nil && !slices.Contains(paths, file) {
			continue
		}
		data, err := edit.Read(m.Abs(file))
		if err != nil {
			continue
		}
		entries, err := edit.YAML(data)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if len(e.Path) != 3 || e.Path[0] != "hosts" {
				continue
			}
			host := strings.ToLower(e.Path[1])
			i := slices.IndexFunc(all, func(a gitlabAt) bool { return a.host == host })
			if i < 0 {
				i, all = len(all), append(all, gitlabAt{file: file, host: host})
			}
			switch a := &all[i]; e.Path[2] {
			case "api_protocol":
				a.scheme = e.Value
			case "api_host":
				a.api = e.Value
			case "subfolder":
				a.folder = e.Value
			case "user":
				a.user = e.Value
			case "is_oauth2":
				a.oauth = e.Value == "true"
			}
		}
	}
	return all
}

// gitlabKeychain hands take what glab keeps in the keychain: items of the
// service "glab:HOST" without an account, which it reads if the file has no token.
func gitlabKeychain(ctx context.Context, m *Machine, own []gitlabAt, inFile map[string]bool, take func(Place, forgeHeld, gitlabAt)) error {
	var errs []error
	for _, at := range own {
		if inFile[at.host] {
			continue
		}
		v, err := secret.Value{}, fmt.Errorf("%w: it cannot be reached from here", keychain.ErrNone)
		if m.Items != nil {
			v, err = m.Items.Get(ctx, "glab:"+at.host, "")
		}
		switch {
		case err == nil && !v.Empty():
			take(Place{Service: "glab:" + at.host}, forgeHeld{host: at.host, user: at.user, value: v.Reveal()}, at)
		case err != nil && !errors.Is(err, keychain.ErrNotFound) && at.user != "": // somebody is logged in
			errs = append(errs, fmt.Errorf("%w: keychain item glab:%s: %w", ErrPartly, at.host, err))
		}
	}
	return errors.Join(errs...)
}

// gitlabOf returns the server whose tokens are used at the host of h: a registry
// is reached by another name.
func gitlabOf(h forgeHeld, own []gitlabAt) gitlabAt {
	for _, a := range append(slices.Clone(own), gitlabAt{host: gitlabHost}) {
		if h.host == a.host || h.host == a.api || h.host == "registry."+a.host {
			return a
		}
	}
	return gitlabAt{host: h.host, scheme: h.scheme}
}
