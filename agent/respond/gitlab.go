package respond

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// gitlab is what is known of GitLab's access tokens, on gitlab.com and on
// anybody's own server.
//
// Its calls: docs.gitlab.com/api/personal_access_tokens. To rotate kills the old
// token in the same breath. And to rotate with a dead token kills the one that
// took its place ("automatic reuse detection"): so gitlabCreate asks whether the
// token lives before it rotates, and sends that once.
func gitlab() Kind {
	return Kind{
		ID: "gitlab", Title: "GitLab token", Stores: forgeStores("glab"),
		Find: gitlabFind, Identify: gitlabIdentify, Create: gitlabCreate, Lost: gitlabLost, Works: gitlabWorks,
		Install: forgeInstall, Forget: forgeForget, Revoke: gitlabRevoke, IsDead: gitlabIsDead, Pages: gitlabPages,
		Fits:        gitlabFits,
		Pasted:      gitlabPasted,
		CreateKills: true,
		Notice: []string{
			"A new token whose answer was lost on the way is alive and nobody has it: you are told its name and when it was made, and revoke it on the page.",
		},
	}
}

const (
	gitlabHost = "gitlab.com"
	// gitlabDoubt is how long a request whose answer was lost may still be
	// carried out: GitLab ends requests after a minute.
	gitlabDoubt = time.Minute
	// gitlabYear is how long GitLab lets tokens live: a year, and some time
	// less for clocks that differ.
	gitlabYear = 363 * 24 * time.Hour
)

// gitlabShape reports whether s is a GitLab token by its prefix. Servers can
// have prefixes of their own.
func gitlabShape(s string) bool {
	rest, ok := strings.CutPrefix(s, "glpat-")
	return ok && len(rest) >= 20 && gitlabWord(s)
}

func gitlabWord(s string) bool {
	return len(s) <= 512 && !strings.ContainsFunc(s, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.')
	})
}

// gitlabFits: a server's own prefix may be anything, but not another kind's.
func gitlabFits(s string) bool {
	if !gitlabWord(s) || len(s) < 20 || githubType(s) != "" {
		return false
	}
	for _, other := range []string{"npm_", "gho_", "ghp_", "github_", "gldt-", "glrt-", "glft-", "pypi-", "sk-", "xox", "hvs.", "AKIA"} {
		if strings.HasPrefix(s, other) {
			return false
		}
	}
	return true
}

// gitlabSelf is what GitLab says of a token.
type gitlabSelf struct {
	ID      int64
	User    int64 `json:"user_id"`
	Name    string
	Scopes  []string
	Expires string `json:"expires_at"` // a date, "" for never
	Active  *bool
	Revoked bool
}

// gitlabAsk sends a request with the token t.
func gitlabAsk(ctx context.Context, m *Machine, t Token, method, path, what string, repeatable bool) (*call.Response, error) {
	h := http.Header{"Private-Token": {t.Value.Reveal()}}
	if t.Facts["type"] == "oauth" {
		h = http.Header{"Authorization": {"Bearer " + t.Value.Reveal()}}
	}
	return m.Call.Do(ctx, call.Request{Method: method, URL: t.Site + "/api/v4" + path, What: what, Header: h, Repeatable: repeatable})
}

const gitlabPath = "/personal_access_tokens/self"

// gitlabWho asks what a token is, with one request. note says why it could not
// tell. The error is that of ctx.
func gitlabWho(ctx context.Context, m *Machine, t Token) (self gitlabSelf, answer Answer, note string, err error) {
	what, path := "ask GitLab about the token", gitlabPath
	if t.Facts["type"] == "oauth" {
		path = "/user"
	}
	r, err := gitlabAsk(ctx, m, t, http.MethodGet, path, what, true)
	if ctx.Err() != nil {
		return self, CouldNotTell, "", ctx.Err()
	}
	switch {
	case err != nil:
		return self, CouldNotTell, err.Error(), nil
	case gitlabRefusesToken(r):
		return self, Dead, "", nil
	case r.Status == http.StatusNotFound:
		return self, CouldNotTell, "This GitLab is older than 15.5 and says nothing about tokens.", nil
	case r.Status != http.StatusOK:
		return self, CouldNotTell, r.Refused(what, "").Error(), nil
	}
	if err := r.Into(&self); err != nil {
		return gitlabSelf{}, CouldNotTell, what + ": " + err.Error(), nil
	}
	switch {
	case self.ID == 0:
		return gitlabSelf{}, CouldNotTell, "GitLab's answer tells of no token.", nil
	case t.Facts["type"] == "oauth":
		return gitlabSelf{User: self.ID}, Alive, "", nil
	case self.Active == nil || self.User == 0:
		return gitlabSelf{}, CouldNotTell, "GitLab's answer tells of no token.", nil
	case self.Revoked || !*self.Active:
		return self, Dead, "", nil
	}
	return self, Alive, "", nil
}

// gitlabRefusesToken reports whether GitLab itself says 401: what stands before
// a company's server may say so, too.
func gitlabRefusesToken(r *call.Response) bool {
	var body struct{ Message, Error any }
	return r.Status == http.StatusUnauthorized && r.Into(&body) == nil && (body.Message != nil || body.Error != nil)
}

// gitlabIdentify asks what the token is and whose: two requests. What it learns,
// later calls need when the token is dead: it is noted in t.Facts as "user_id",
// "scopes" and "expires".
func gitlabIdentify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	self, answer, note, err := gitlabWho(ctx, m, t)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Answer: answer, Scopes: self.Scopes, Note: note}
	if self.Expires != "" {
		id.Expires, _ = time.Parse(time.DateOnly, self.Expires)
	}
	if answer != Alive {
		return id, nil
	}
	gitlabRemember(t, self)
	id.Owner = "user " + strconv.FormatInt(self.User, 10)
	r, err := gitlabAsk(ctx, m, t, http.MethodGet, "/user", "ask GitLab for the user", true)
	if ctx.Err() != nil {
		return Identity{}, ctx.Err()
	}
	// Most scopes do not allow to ask for the name.
	var user struct {
		ID       int64
		Username string
	}
	if err == nil && r.Status == http.StatusOK && r.Into(&user) == nil && user.ID == self.User && user.Username != "" {
		id.Owner = user.Username
	}
	id.Reach = gitlabReach(self.Scopes, id.Owner)
	return id, nil
}

func gitlabRemember(t Token, self gitlabSelf) {
	if t.Facts == nil {
		return
	}
	t.Facts["user_id"] = strconv.FormatInt(self.User, 10)
	t.Facts["scopes"] = strings.Join(self.Scopes, ",")
	t.Facts["expires"] = self.Expires
}

// gitlabReach says what scopes give (docs.gitlab.com/security/tokens).
func gitlabReach(scopes []string, owner string) []string {
	var reach []string
	for _, s := range [][2]string{
		{"api", "read and write every group and project of " + owner + ", and publish packages"},
		{"sudo", "act as every user"},
		{"admin_mode", "administer the server"},
		{"read_api", "read every group and project of " + owner},
		{"write_repository", "push to every repository of " + owner},
		{"read_repository", "read every repository of " + owner},
		{"write_registry", "push container images"},
		{"create_runner", "add runners, which see the secrets of jobs"},
		{"k8s_proxy", "reach Kubernetes clusters"},
		{"ai_features", "use GitLab Duo"},
	} {
		if slices.Contains(scopes, s[0]) {
			reach = append(reach, s[1])
		}
	}
	return reach
}

// gitlabCreate rotates the token: GitLab makes a new one of the same name and
// scopes and kills the old one. It sends that once, and only if the old token
// lives. A *call.LostError says that neither may work.
func gitlabCreate(ctx context.Context, m *Machine, old Token, _ string) (Token, error) {
	const what = "rotate the GitLab token"
	if old.Facts["type"] == "oauth" {
		return Token{}, fmt.Errorf("%s: it came by a login: %w", what, ErrNotPossible)
	}
	self, answer, note, err := gitlabWho(ctx, m, old)
	switch {
	case err != nil:
		return Token{}, err
	case answer == Dead:
		return Token{}, fmt.Errorf("%s: it is dead already: %w", what, ErrNotPossible)
	case answer != Alive:
		return Token{}, &call.NotSentError{What: what, Why: "GitLab did not say that the old one lives: " + note}
	case !slices.Contains(self.Scopes, "api") && !slices.Contains(self.Scopes, "self_rotate"):
		return Token{}, fmt.Errorf("%s: it has neither the scope api nor self_rotate: %w", what, ErrNotPossible)
	}
	gitlabRemember(old, self)
	// Without a date the new one would live for a week.
	expires := self.Expires
	if expires == "" {
		expires = m.Now().UTC().Add(gitlabYear).Format(time.DateOnly)
	}
	r, err := gitlabAsk(ctx, m, old, http.MethodPost, gitlabPath+"/rotate?"+url.Values{"expires_at": {expires}}.Encode(), what, false)
	if err != nil {
		return Token{}, err
	}
	var made struct {
		gitlabSelf
		Token string
	}
	switch refused := r.Refused(what, ""); {
	case r.Status >= 500: // a proxy says so, too, when GitLab took too long
		return Token{}, &call.LostError{What: what, Why: refused.Error()}
	case r.Status == http.StatusForbidden || r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed:
		return Token{}, fmt.Errorf("%w: %w", ErrNotPossible, refused)
	case r.Status/100 != 2:
		return Token{}, refused
	}
	if r.Into(&made) != nil || made.Token == "" || secret.Of(made.Token).Equal(old.Value) {
		return Token{}, &call.LostError{What: what, Why: "there is no token in it"}
	}
	t := Token{Kind: old.Kind, Name: old.Name, Site: old.Site, Owner: old.Owner, Places: slices.Clone(old.Places), Facts: maps.Clone(old.Facts), Value: secret.Of(made.Token)}
	if made.ID != 0 {
		t.ID = strconv.FormatInt(made.ID, 10)
	}
	if t.Facts != nil && made.Expires != "" {
		t.Facts["expires"] = made.Expires
	}
	return t, nil
}

// gitlabLost says whether a rotation whose answer was lost took place, for which
// the old token is asked about, twice: the request may be under way still. If it
// did, the new token cannot be revoked by anything that is known here; to rotate
// again would kill it, but would also be reported as a theft.
func gitlabLost(ctx context.Context, m *Machine, old Token, _ string) (bool, error) {
	for try := range 2 {
		if try > 0 {
			if err := m.Call.Sleep(ctx, gitlabDoubt); err != nil {
				return false, err
			}
		}
		_, answer, note, err := gitlabWho(ctx, m, old)
		switch {
		case err != nil:
			return false, err
		case answer == Dead:
			return true, fmt.Errorf("GitLab made a new token and its answer was lost: neither it nor the old one works here; make one on the page and revoke the lost one there: %w", ErrNotPossible)
		case answer != Alive:
			return false, errors.New(note)
		}
	}
	return false, nil
}

// gitlabPasted: what was pasted is no login, and what it may do is not known.
func gitlabPasted(old Token, pasted secret.Value) Token {
	t := old
	t.Value, t.ID, t.Note = pasted, "", ""
	t.Facts = maps.Clone(old.Facts)
	for _, k := range []string{"scopes", "expires", "user_id"} {
		delete(t.Facts, k)
	}
	if t.Facts != nil {
		t.Facts["type"] = "token"
	}
	return t
}

// gitlabWorks asks whether a new token is the same user's and has all scopes of
// the old one. If it is somebody else's it is no use; if it lacks a scope, a person
// may have wanted that: both come with an error that says so.
func gitlabWorks(ctx context.Context, m *Machine, old, new Token) (Answer, error) {
	now, answer, _, err := gitlabWho(ctx, m, new)
	if err != nil || answer != Alive {
		return answer, err
	}
	user, scopes := old.Facts["user_id"], old.Facts["scopes"]
	if user == "" { // nobody asked while it lived, or it lives still
		was, answer, _, err := gitlabWho(ctx, m, old)
		if err != nil {
			return CouldNotTell, err
		}
		if answer == Alive {
			user, scopes = strconv.FormatInt(was.User, 10), strings.Join(was.Scopes, ",")
		}
	}
	if is := strconv.FormatInt(now.User, 10); user != "" && user != is {
		return Dead, fmt.Errorf("check the new token: it belongs to user %s and not to user %s", is, user)
	}
	for _, s := range strings.FieldsFunc(scopes, func(c rune) bool { return c == ',' }) {
		if !slices.Contains(now.Scopes, s) && !(s == "self_rotate" && slices.Contains(now.Scopes, "api")) &&
			!(strings.HasPrefix(s, "read_") && slices.Contains(now.Scopes, "api")) {
			return CouldNotTell, fmt.Errorf("check the new token: it lacks the scope %q of the old one", s)
		}
	}
	return Alive, nil
}

// gitlabRevoke lets a token revoke itself, which every scope allows.
func gitlabRevoke(ctx context.Context, m *Machine, old, _ Token) error {
	const what = "revoke the GitLab token"
	if old.Facts["type"] == "oauth" {
		return fmt.Errorf("%s: it came by a login: %w", what, ErrNotPossible)
	}
	r, err := gitlabAsk(ctx, m, old, http.MethodDelete, gitlabPath, what, true)
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusNoContent:
		return nil
	case gitlabRefusesToken(r):
		return nil // it is dead: by a rotation, or by a request whose answer was lost
	}
	return r.Refused(what, "")
}

// gitlabIsDead asks with one request.
func gitlabIsDead(ctx context.Context, m *Machine, old Token) (Answer, error) {
	_, answer, _, err := gitlabWho(ctx, m, old)
	return answer, err
}

// gitlabPages are where tokens are revoked and made.
func gitlabPages(t Token) []Page {
	web := t.Facts["web"]
	if web == "" {
		web = "https://" + gitlabHost
	}
	if t.Facts["type"] == "oauth" {
		return []Page{
			{URL: web + "/-/user_settings/applications", Title: "GitLab: revoke the login", Steps: []string{"Under authorized applications, find GitLab CLI and press Revoke."}},
			{URL: web + "/-/user_settings/applications", Title: "GitLab: new login", Steps: []string{"Run: glab auth login --hostname " + t.Facts["host"]}},
		}
	}
	scopes := t.Facts["scopes"]
	if scopes == "" {
		scopes = "api"
	}
	settings := web + "/-/user_settings/personal_access_tokens"
	return []Page{
		{URL: settings, Title: "GitLab: revoke the old token", Steps: []string{"Find the old token and press Revoke. Tokens of a project or group are in its settings, under Access tokens."}},
		{URL: settings + "?" + url.Values{"name": {"in place of a revoked token"}, "scopes": {scopes}}.Encode(), Title: "GitLab: new token",
			Steps: []string{"Choose an expiry, and the scopes " + strings.ReplaceAll(scopes, ",", ", ") + " if they are not ticked.", "Copy the token and paste it here."}},
	}
}
