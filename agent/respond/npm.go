package respond

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
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

// npmKind is tokens of npm's registry and of those that speak as it does. What
// registries have in common is little, so it goes by what they answer:
//
//   - The public one lets only a session (npm login, two hours) manage tokens,
//     and asks for a second factor in the browser. A token can still kill itself
//     by npm's logout.
//   - Verdaccio asks for the password, lets any token manage tokens, and answers
//     200 to a logout that does nothing. A token that came from its login, which
//     it does not list, cannot be revoked.
//
// Sources: npm/api-documentation (token.yaml, June 2026), npm 11.19, Verdaccio 6.8.
func npmKind() Kind {
	return Kind{
		ID: "npm", Title: "npm token", Stores: []string{"npm", "pnpm", "yarn", "bun"},
		Find: npmFind, Identify: npmIdentify, Create: npmCreate, Lost: npmLost, Works: npmWorks,
		Install: npmInstall, Forget: npmForget, Revoke: npmRevoke, IsDead: npmIsDead, Pages: npmPages,
		Locate: npmLocate, Leave: npmLeave, Fits: npmFits,
		NeedsPerson: true, DiesWithin: time.Hour,
		Notice:          []string{"The public registry wants you to sign in in the browser and to type your password and a second factor; others ask for the password alone."},
		NoticeContained: "The public registry does not let a token ask what it may do, and says nothing of a dead one. So you are asked what the new one may do; if nobody answers, it may only read.",
	}
}

// The names of an npm token's Facts.
const (
	npmAuth     = "auth"     // npmBasic: it is a password
	npmBasic    = "basic"    //
	npmReplaces = "replaces" // the registry's name for the token whose place it takes
	npmWrites   = "writes"   // "yes" or "no": whether the registry said that it may publish
	npmLife     = "life"     // npmSession: it came from a sign-in
	npmSession  = "session"  //
	npmLabel    = "label"    // the label under which it was made
)

// maxReach is how many packages are asked for; the registry's own limit.
const maxReach = 250

// npmIdentify asks whose the token is, and what it may do as far as it may ask.
func npmIdentify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	s, err := npmAt(m, t)
	if err != nil {
		return Identity{Note: "No file says which registry it is for."}, ctx.Err()
	}
	id, err := s.whoami(ctx, npmAuthOf(t))
	if err != nil || id.Answer != Alive {
		return id, err
	}
	writes := true
	if listed, err := s.listedFor(ctx, t, id.Owner); err == nil {
		id.Scopes, id.Expires, writes = listed.words(), listed.expires(), listed.writes()
		s.rememberGrants(t, id.Owner, listed)
	}
	id.Reach, err = s.reach(ctx, npmAuthOf(t), id.Owner, writes)
	return id, err
}

// listedFor returns what the registry's list says of t: by a session if there
// is one, else by t itself, which some registries allow.
func (s npmSite) listedFor(ctx context.Context, t Token, owner string) (npmListed, error) {
	auth := npmAuthOf(t)
	if v := s.session(owner); !v.Empty() {
		auth = npmBearer(v)
	}
	all, err := s.list(ctx, auth)
	if err != nil {
		return npmListed{}, err
	}
	return npmOnly(npmMatching(all, t.Value))
}

// whoami asks the registry whose the authority is. No error but that of ctx.
func (s npmSite) whoami(ctx context.Context, auth secret.Value) (Identity, error) {
	tell := func(a Answer, note string) (Identity, error) { return Identity{Answer: a, Note: note}, ctx.Err() }
	r, err := s.send(ctx, auth, npmRequest{method: http.MethodGet, path: "/-/whoami", what: "ask whose token it is", command: "whoami", again: true})
	if err != nil {
		return tell(CouldNotTell, npmNote(err))
	}
	var said map[string]any
	mute := r.Status == http.StatusUnauthorized && len(bytes.TrimSpace(r.Body)) == 0
	if !mute && (json.Unmarshal(r.Body, &said) != nil || said == nil) { // a page of a proxy, most likely
		return tell(CouldNotTell, fmt.Sprintf("%s answered %d with something that no registry says.", s.host(), r.Status))
	}
	user, _ := said["username"].(string)
	switch {
	case r.Status == http.StatusOK && npmIsName(user):
		return Identity{Answer: Alive, Owner: user}, ctx.Err()
	case r.Status == http.StatusUnauthorized && !npmAsksSecond(r):
		return tell(Dead, "")
	case r.Status == http.StatusOK && len(said) == 0, r.Status == http.StatusForbidden && r.Header.Get("Retry-After") == "":
		// Verdaccio answers {} to a token that it does not know and 403 to one that
		// was revoked. So may a proxy, to anything: then it answers the same, or
		// 403, to nobody at all.
		return s.compareNobody(ctx, r)
	}
	return tell(CouldNotTell, fmt.Sprintf("%s answered %d to the question whose token it is.", s.host(), r.Status))
}

// compareNobody tells what whoami's 403 or empty answer means by asking without a token.
func (s npmSite) compareNobody(ctx context.Context, r *call.Response) (Identity, error) {
	id := Identity{Note: fmt.Sprintf("%s answered %d, which may have other reasons than the token.", s.host(), r.Status)}
	n, err := s.send(ctx, secret.Value{}, npmRequest{method: http.MethodGet, path: "/-/whoami", what: "ask whose no token is", command: "whoami", again: true})
	if err != nil {
		return id, ctx.Err()
	}
	var said map[string]any
	blank := n.Status == http.StatusOK && json.Unmarshal(n.Body, &said) == nil && said != nil && len(said) == 0
	if blank || r.Status == http.StatusForbidden && n.Status == http.StatusUnauthorized {
		return Identity{Answer: Dead}, ctx.Err()
	}
	return id, ctx.Err()
}

// reach names the packages that a user maintains.
func (s npmSite) reach(ctx context.Context, auth secret.Value, owner string, writes bool) ([]string, error) {
	verb, all := "publish", []string{"publish what " + owner + " may publish on " + s.host()}
	if !writes {
		verb, all = "read", []string{"read what " + owner + " may read on " + s.host()}
	}
	q := url.Values{"text": {"maintainer:" + owner}, "size": {fmt.Sprint(maxReach)}}
	r, err := s.send(ctx, auth, npmRequest{method: http.MethodGet, path: "/-/v1/search?" + q.Encode(), what: "ask for the owner's packages", again: true})
	if err != nil || r.Status != http.StatusOK {
		return all, ctx.Err()
	}
	var found struct {
		Objects []struct {
			Package struct {
				Name        string
				Maintainers []struct{ Username string }
			}
		}
		Total int
	}
	if r.Into(&found) != nil {
		return all, nil
	}
	var reach []string
	for _, o := range found.Objects {
		p := o.Package
		// A registry that does not know "maintainer:" finds other things.
		mine := len(p.Maintainers) == 0 || slices.ContainsFunc(p.Maintainers, func(u struct{ Username string }) bool { return u.Username == owner })
		if mine && npmIsName(p.Name) && len(reach) < maxReach {
			reach = append(reach, verb+" "+p.Name)
		}
	}
	if len(reach) == 0 {
		return all, nil
	}
	if more := found.Total - len(found.Objects); more > 0 {
		reach = append(reach, fmt.Sprintf("%s %d more packages", verb, more))
	}
	return reach, nil
}

// npmIsDead asks whether the registry still takes the token.
func npmIsDead(ctx context.Context, m *Machine, old Token) (Answer, error) {
	s, err := npmAt(m, old)
	if err != nil {
		return CouldNotTell, ctx.Err()
	}
	id, err := s.whoami(ctx, npmAuthOf(old))
	return id.Answer, err
}

// npmWorks asks whether new is the same owner's as old, and not read-only where
// old was not. That one registry lets no token ask what it may do; then what
// the registry said when it was made counts, or else whose it is.
func npmWorks(ctx context.Context, m *Machine, old, new Token) (Answer, error) {
	s, err := npmAt(m, new)
	if err != nil {
		return CouldNotTell, ctx.Err()
	}
	id, err := s.whoami(ctx, npmAuthOf(new))
	if err != nil || id.Answer != Alive {
		return id.Answer, err
	}
	was, err := s.whoami(ctx, npmAuthOf(old))
	if err != nil {
		return CouldNotTell, err
	}
	if owner := cmp.Or(was.Owner, old.Owner); owner != "" && owner != id.Owner || new.Facts[npmWrites] == "no" {
		return Dead, nil
	}
	auth := npmAuthOf(new)
	if v := s.session(id.Owner); !v.Empty() {
		auth = npmBearer(v)
	}
	all, err := s.list(ctx, auth)
	if err != nil {
		return Alive, ctx.Err() // it may not ask
	}
	n, err := npmOnly(npmMatching(all, new.Value))
	o, err2 := npmOnly(npmMatching(all, old.Value))
	if err == nil && !n.writes() && (err2 != nil && new.Facts[npmWrites] == "yes" || err2 == nil && o.writes()) {
		return Dead, nil
	}
	return Alive, nil
}

// npmPages are where a person revokes and makes tokens.
func npmPages(t Token) []Page {
	host := npmHost(t.Site)
	if t.Facts[npmAuth] == npmBasic {
		return []Page{{URL: t.Site, Title: host + ": change the password", Steps: []string{
			"Sign in to the registry's website, or run: npm profile set password --registry=" + t.Site,
			"Change the password of " + cmp.Or(t.Owner, "your account") + "; that may end other logins, too.",
			"Better, then make a token and put it in the password's place: npm login --registry=" + t.Site,
		}}}
	}
	page := t.Site
	where := "Sign in to the website of " + host + " and open the list of access tokens, or run: npm token list --registry=" + t.Site
	if t.Web != "" {
		page = t.Web + "/settings/" + url.PathEscape(cmp.Or(t.Owner, "~")) + "/tokens"
		where = "Sign in."
	}
	return []Page{
		{URL: page, Title: host + ": revoke the token", Steps: []string{where,
			"Delete the token; when in doubt which one it is, all that you do not know.",
			"If it is not in the list it came from npm login and ends by itself after two hours; on Verdaccio it ends when the password is changed.",
		}},
		{URL: page, Title: host + ": new token", Steps: []string{where,
			"Make a granular token with the rights that the old one had and no more, and an expiry date.",
			"Copy it; it is shown once.",
		}},
	}
}

// npmFits accepts what can stand in a file and in a header. Registries other
// than npm's own make tokens of many shapes.
func npmFits(pasted string) bool {
	return len(pasted) >= 8 && len(pasted) <= maxNpmToken && !strings.ContainsFunc(pasted, func(r rune) bool { return r <= ' ' || r >= 0x7f }) &&
		!strings.Contains(pasted, "${")
}

// maxNpmToken is the longest token that is believed to be one, in bytes. Those
// of Azure's registries, the longest seen, are JWTs of some thousand.
const maxNpmToken = 16 << 10

// npmSite is a registry.
type npmSite struct {
	m    *Machine
	base string // URL without a slash at the end
}

func npmAt(m *Machine, t Token) (npmSite, error) {
	base := strings.TrimRight(m.Site("npm", t.Site), "/")
	if base == "" {
		return npmSite{}, fmt.Errorf("%w: no file says which registry it is for", ErrNotPossible)
	}
	return npmSite{m, base}, nil
}

func (s npmSite) host() string { return npmHost(s.base) }

// npmHost returns the host of a URL with its port, or "the registry".
func npmHost(site string) string {
	if u, err := url.Parse(site); err == nil && u.Host != "" {
		return u.Host
	}
	return "the registry"
}

// npmAuthOf returns the Authorization header that t stands for.
func npmAuthOf(t Token) secret.Value {
	if t.Facts[npmAuth] == npmBasic {
		return npmPassword(t.Owner, t.Value)
	}
	return npmBearer(t.Value)
}

func npmBearer(v secret.Value) secret.Value { return secret.Of("Bearer " + v.Reveal()) }

func npmPassword(user string, password secret.Value) secret.Value {
	return secret.Of("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password.Reveal())))
}

// npmIsName reports whether s can be shown as a user or a package.
func npmIsName(s string) bool {
	return s != "" && len(s) <= 214 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f && r < 0xa0 })
}

// npmNote says of an error of the network what a person should know.
func npmNote(err error) string {
	var unsent *call.NotSentError
	var lost *call.LostError
	switch {
	case errors.As(err, &unsent):
		return "The registry was not reached: " + unsent.Why + "."
	case errors.As(err, &lost):
		return "The registry did not answer: " + lost.Why + "."
	}
	return ""
}
