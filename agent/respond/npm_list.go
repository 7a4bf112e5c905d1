package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// npmListed is a token as registries list them and answer to a new one. The
// public one and Verdaccio fill in different parts.
type npmListed struct {
	Key         string     `json:"key"`
	Token       string     `json:"token"` // the beginning, three dots, the end; the whole of a new one
	Name        string     `json:"name"`
	Expiry      string     `json:"expiry"`
	Created     string     `json:"created"`
	Revoked     *string    `json:"revoked"`
	ReadOnly    bool       `json:"readonly"`
	Bypass      bool       `json:"bypass_2fa"`
	CIDR        []string   `json:"cidr"`
	Permissions []npmGrant `json:"permissions"`
	Scopes      []npmGrant `json:"scopes"`
}

// npmGrant is an entry of permissions or scopes.
type npmGrant struct{ Name, Action, Type string }

// list returns the tokens that an authority may see, of all pages.
func (s npmSite) list(ctx context.Context, auth secret.Value) ([]npmListed, error) {
	const what = "list the tokens"
	var all []npmListed
	seen := map[string]bool{}
	for next := s.base + "/-/npm/v1/tokens?page=0&perPage=100"; next != ""; {
		if seen[next] = true; len(seen) > maxNpmPages {
			return nil, fmt.Errorf("%s: %w: it does not end", what, call.ErrGarbled)
		}
		r, err := s.send(ctx, auth, npmRequest{method: http.MethodGet, url: next, what: what, again: true})
		if err != nil {
			return nil, err
		}
		if r.Status != http.StatusOK {
			return nil, r.Refused(what, "")
		}
		var page struct {
			Objects *[]npmListed
			Total   int
			URLs    struct{ Next string } `json:"urls"`
		}
		if err := r.Into(&page); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if page.Objects == nil { // no list is not an empty one
			return nil, fmt.Errorf("%s: %w: there is none", what, call.ErrGarbled)
		}
		all = append(all, *page.Objects...)
		if page.URLs.Next == "" && len(all) < page.Total {
			return nil, fmt.Errorf("%s: %w: some of %d are missing", what, call.ErrGarbled, page.Total)
		}
		if next, err = s.follow(page.URLs.Next); err != nil || seen[next] {
			return nil, fmt.Errorf("%s: %w: its next page makes no sense", what, call.ErrGarbled)
		}
	}
	return all, nil
}

// follow returns the URL of a next page, which registries give as a path from
// their own URL. It must be theirs: a session is sent there.
func (s npmSite) follow(next string) (string, error) {
	if next == "" {
		return "", nil
	}
	if u, err := url.Parse(next); err == nil && !u.IsAbs() && u.Host == "" && strings.HasPrefix(next, "/") {
		base, err := url.Parse(s.base)
		if err == nil && base.Path != "" && strings.HasPrefix(u.Path, base.Path+"/") {
			next = strings.TrimPrefix(next, base.Path)
		}
		next = s.base + next
	}
	if !s.holds(next) {
		return "", errors.New("it is elsewhere")
	}
	return next, nil
}

// npmMatching returns the entries that v may be: registries show eight letters
// of its beginning and four of its end, or five of both.
func npmMatching(all []npmListed, v secret.Value) []npmListed {
	t := v.Reveal()
	var out []npmListed
	for _, l := range all {
		head, tail, cut := strings.Cut(l.Token, "...")
		if cut && len(head) >= 4 && len(tail) >= 4 && len(head)+len(tail) < len(t) && strings.HasPrefix(t, head) && strings.HasSuffix(t, tail) {
			out = append(out, l)
		}
	}
	return out
}

var (
	errNpmUnlisted  = errors.New("it is not among the tokens that the registry lists")
	errNpmAmbiguous = errors.New("several tokens in the registry's list look like it")
)

// npmOnly returns the entry if there is exactly one.
func npmOnly(l []npmListed) (npmListed, error) {
	switch len(l) {
	case 0:
		return npmListed{}, errNpmUnlisted
	case 1:
		return l[0], nil
	}
	return npmListed{}, errNpmAmbiguous
}

// expires returns when it ends, zero for never or if it is not said.
func (l npmListed) expires() time.Time {
	at, _ := time.Parse(time.RFC3339, l.Expiry)
	return at
}

// made returns when it was made, zero if it is not said.
func (l npmListed) made() time.Time {
	at, _ := time.Parse(time.RFC3339, l.Created)
	return at
}

// writes reports whether it may change anything.
func (l npmListed) writes() bool {
	if len(l.Permissions) == 0 {
		return !l.ReadOnly
	}
	return slices.ContainsFunc(l.Permissions, func(g npmGrant) bool { return g.Action != "read" })
}

// words says what it may, for a person.
func (l npmListed) words() []string {
	var out []string
	for _, p := range l.Permissions {
		if npmIsName(p.Name) && npmIsName(p.Action) {
			out = append(out, p.Action+" "+p.Name)
		}
	}
	for _, g := range l.Scopes {
		if npmIsName(g.Name) {
			out = append(out, g.Name)
		}
	}
	if l.ReadOnly {
		out = append(out, "read only")
	}
	if l.Bypass {
		out = append(out, "without a second factor")
	}
	for _, c := range l.CIDR {
		if npmIsName(c) {
			out = append(out, "from "+c)
		}
	}
	return out
}

const (
	// npmLongest is the longest life of a token that may write on the public
	// registry, in days.
	npmLongest = 90
	npmDay     = 24 * time.Hour
)

// like returns the body of a request for a token that may what l may, or less,
// and ends no later. Documents and npm itself spell some fields differently, so
// both are sent.
func (l npmListed) like(label, password string, now time.Time) ([]byte, error) {
	body := map[string]any{"name": label, "password": password}
	if l.Name != "" {
		body["description"], body["token_description"] = "replaces "+l.Name, "replaces "+l.Name
	}
	var packages, scopes, orgs []string
	for _, g := range l.Scopes {
		switch {
		case g.Type == "org":
			orgs = append(orgs, g.Name)
		case g.Type == "scope" || g.Type == "package" && strings.HasPrefix(g.Name, "@") && !strings.Contains(g.Name, "/"):
			scopes = append(scopes, g.Name)
		case g.Type == "package":
			packages = append(packages, g.Name)
		}
	}
	if p := l.permission("package"); len(packages)+len(scopes) > 0 && p != "" {
		body["packages_and_scopes_permission"] = p
		if len(packages) > 0 {
			body["packages"] = packages
		}
		if slices.Contains(packages, "*") {
			body["packages_all"] = true
		}
		if len(scopes) > 0 {
			body["scopes"] = scopes
		}
	}
	if p := l.permission("org"); len(orgs) > 0 && p != "" {
		body["orgs"], body["orgs_permission"] = orgs, p
	}
	if len(l.CIDR) > 0 {
		body["cidr"] = l.CIDR
	}
	if len(l.CIDR) > 0 || len(l.Scopes) == 0 {
		body["cidr_whitelist"] = append([]string{}, l.CIDR...) // Verdaccio wants a list, if an empty one
	}
	if l.Bypass {
		body["bypass_2fa"] = true
	}
	if len(l.Scopes) == 0 { // Verdaccio
		body["readonly"] = l.ReadOnly
	} else {
		body["expires"] = l.days(now)
	}
	return json.Marshal(body)
}

// permission says in the words of a request what l may do with packages or orgs,
// "" for nothing.
func (l npmListed) permission(what string) string {
	if len(l.Permissions) == 0 && l.ReadOnly {
		return "read-only"
	} else if len(l.Permissions) == 0 {
		return "read-write"
	}
	for _, p := range l.Permissions {
		switch {
		case p.Name != what:
		case p.Action == "write":
			return "read-write"
		case strings.Contains(p.Action, "stage"):
			return "read-write-stage-only"
		default:
			return "read-only"
		}
	}
	return ""
}
