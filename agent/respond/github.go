package respond

import (
	"context"
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

// github is what is known of GitHub's tokens: personal ones, those that gh and
// other apps get in the browser, and those of app installations, on github.com,
// on a company's own ghe.com and on GitHub Enterprise Server.
//
// Its calls: docs.github.com/rest/credentials/revoke, rest/users/users,
// rest/apps/installations. It has none that makes a token or lists one's own.
func github() Kind {
	return Kind{
		ID: "github", Title: "GitHub token", Stores: forgeStores("gh"),
		Find: githubFind, Identify: githubIdentify, Works: githubWorks, Install: forgeInstall, Forget: forgeForget,
		Revoke: githubRevoke, IsDead: githubIsDead, Pages: githubPages,
		Fits: func(s string) bool {
			kind := githubType(s)
			return kind != "" && kind != githubRefresh && kind != githubInstallation
		},
		Pasted:      githubPasted,
		NeedsPerson: true,
		DiesWithin:  5 * time.Minute,
		Notice: []string{
			"GitHub writes a mail to the owner of a revoked token.",
			"A revoked token cannot be brought back.",
		},
	}
}

// The types of tokens, in Facts under "type".
const (
	githubClassic      = "classic"      // personal, with scopes
	githubFine         = "fine-grained" // personal, with permissions
	githubOAuth        = "oauth"        // of an OAuth app: gh's
	githubApp          = "app-user"     // of a GitHub App on behalf of a user
	githubRefresh      = "refresh"      // makes one of those
	githubInstallation = "installation" // of a GitHub App on its own behalf
	githubUnknown      = "unknown"      // without a prefix: made before 2021, or not GitHub's
)

const githubHost = "github.com"

// githubType returns the type of a token by its looks, "" if it does not look
// like one. Lengths are minima: GitHub makes tokens longer from time to time.
func githubType(s string) string {
	prefix, rest, _ := strings.Cut(s, "_")
	kind := map[string]string{"ghp": githubClassic, "github": githubFine, "gho": githubOAuth, "ghu": githubApp,
		"ghr": githubRefresh, "ghs": githubInstallation}[prefix]
	if kind == githubFine {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, "pat_"); !ok {
			return ""
		}
	}
	other := strings.ContainsFunc(rest, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' ||
			kind == githubInstallation && (c == '.' || c == '-')) // a JWT since 2026
	})
	if kind == "" || other || len(rest) < 36 || len(rest) > 4000 {
		return ""
	}
	return kind
}

// githubAsk sends a request with the token t.
func githubAsk(ctx context.Context, m *Machine, t Token, method, path, what string) (*call.Response, error) {
	h := githubHeader()
	h.Set("Authorization", "Bearer "+t.Value.Reveal())
	return m.Call.Do(ctx, call.Request{Method: method, URL: t.Site + path, What: what, Header: h, Repeatable: true})
}

// githubHeader: the version is the oldest that all servers know that know any.
func githubHeader() http.Header {
	return http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}}
}

// githubSelf is what GitHub says of a token.
type githubSelf struct {
	answer  Answer
	login   string
	scopes  []string
	classic bool // it has scopes, though perhaps none
	expires time.Time
	count   int // of the repositories of an installation
	note    string
}

// githubWho asks whose a token is, with one request. The error is that of ctx.
func githubWho(ctx context.Context, m *Machine, t Token) (githubSelf, error) {
	path, what := "/user", "ask GitHub whose the token is"
	switch t.Facts["type"] {
	case githubRefresh:
		return githubSelf{note: "GitHub tells only the app about a refresh token."}, ctx.Err()
	case githubInstallation:
		path = "/installation/repositories?per_page=1"
	}
	r, err := githubAsk(ctx, m, t, http.MethodGet, path, what)
	if ctx.Err() != nil {
		return githubSelf{}, ctx.Err()
	} else if err != nil {
		return githubSelf{note: err.Error()}, nil
	}
	if r.Status != http.StatusOK {
		return githubRefusal(r, what), nil
	}
	var body struct {
		Login        string
		Total        *int `json:"total_count"`
		Repositories []struct{ Owner struct{ Login string } }
	}
	if err := r.Into(&body); err != nil {
		return githubSelf{note: what + ": " + err.Error()}, nil
	}
	self := githubSelf{answer: Alive, login: body.Login}
	if body.Total != nil && t.Facts["type"] == githubInstallation {
		if self.count = *body.Total; len(body.Repositories) > 0 {
			self.login = body.Repositories[0].Owner.Login
		}
	} else if self.login == "" {
		return githubSelf{note: "GitHub's answer names no owner."}, nil
	}
	for _, s := range r.Header.Values("X-OAuth-Scopes") {
		self.classic = true
		self.scopes = append(self.scopes, strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' })...)
	}
	self.expires = githubTime(r.Header.Get("Github-Authentication-Token-Expiration"))
	return self, nil
}

// githubRefusal reads an answer that is none. Only GitHub's own 401 says that a
// token is dead: what stands before a company's server may send one, too.
func githubRefusal(r *call.Response, what string) githubSelf {
	var body struct{ Message string }
	self := githubSelf{note: githubRefused(r, what).Error()}
	if r.Status == http.StatusUnauthorized && r.Into(&body) == nil && body.Message != "" {
		self.answer, self.note = Dead, ""
	}
	return self
}

// githubTime reads when a token expires, which GitHub writes with a zone's
// name or offset; zero if it cannot be read.
func githubTime(s string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700", time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// githubIdentify asks whose the token is and what it can write to: two
// requests. What it learns, later calls need when the token is dead: it is noted
// in t.Facts as "login", "scopes" and "expires".
func githubIdentify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	self, err := githubWho(ctx, m, t)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Answer: self.answer, Owner: self.login, Scopes: self.scopes, Expires: self.expires, Note: self.note}
	if self.answer != Alive {
		return id, nil
	}
	githubRemember(t, self)
	if t.Facts["type"] == githubInstallation {
		id.Reach = []string{fmt.Sprintf("act as an app in %s of %s", githubCount(self.count, "repository", "repositories"), self.login)}
		return id, nil
	}
	id.Reach = githubScopeReach(self.scopes)
	r, err := githubAsk(ctx, m, t, http.MethodGet, "/user/repos?per_page=50&sort=pushed", "ask GitHub for the repositories")
	if ctx.Err() != nil {
		return Identity{}, ctx.Err()
	}
	reach, ok := githubRepos(r, err)
	if !ok {
		id.Note = "GitHub did not say which repositories it can reach."
	}
	id.Reach = append(reach, id.Reach...)
	return id, nil
}

// githubRemember notes in the facts of t what is said of it.
func githubRemember(t Token, self githubSelf) {
	if t.Facts == nil {
		return
	}
	t.Facts["login"] = self.login
	if self.classic {
		t.Facts["scopes"] = strings.Join(self.scopes, ",")
	}
	if !self.expires.IsZero() {
		t.Facts["expires"] = self.expires.Format(time.DateOnly)
	}
}

func githubCount(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// githubRepos says what a list of repositories means; ok is whether it is one.
func githubRepos(r *call.Response, err error) (reach []string, ok bool) {
	var repos []struct {
		Name        string `json:"full_name"`
		Private     bool
		Permissions struct{ Push, Admin bool }
	}
	if err != nil || r.Status != http.StatusOK || r.Into(&repos) != nil || repos == nil {
		return nil, false
	}
	var push, private int
	var names []string
	for _, r := range repos {
		if r.Private {
			private++
		}
		if r.Permissions.Push || r.Permissions.Admin {
			if push++; len(names) < 5 {
				names = append(names, r.Name)
			}
		}
	}
	least := ""
	if strings.Contains(r.Header.Get("Link"), `rel="next"`) {
		least = "at least "
	}
	if push > 0 {
		s := fmt.Sprintf("push to %s%s: %s", least, githubCount(push, "repository", "repositories"), strings.Join(names, ", "))
		if push > len(names) {
			s += " …"
		}
		reach = append(reach, s)
	}
	if private > 0 {
		reach = append(reach, fmt.Sprintf("read %s%s", least, githubCount(private, "private repository", "private repositories")))
	}
	return reach, true
}

// githubScopeReach says what the scopes that worms look for give.
func githubScopeReach(scopes []string) []string {
	var reach []string
	for _, s := range [][2]string{
		{"workflow", "change workflows, which can read every secret of a repository"},
		{"write:packages", "publish packages"},
		{"delete_repo", "delete repositories"},
		{"admin:org", "administer organisations"},
		{"write:public_key", "add SSH keys"},
		{"admin:enterprise", "administer enterprises"},
		{"codespace", "use codespaces"},
		{"gist", "write gists"},
	} {
		if githubCovers(scopes, s[0]) {
			reach = append(reach, s[1])
		}
	}
	return reach
}

// githubCovers reports whether scopes give want: a scope gives those below it
// (docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps).
func githubCovers(scopes []string, want string) bool {
	level, of, ok := strings.Cut(want, ":")
	has := func(s string) bool { return slices.Contains(scopes, s) }
	switch {
	case has(want):
		return true
	case ok && level == "read" && (has("write:"+of) || has("admin:"+of) || has(of)):
		return true
	case ok && (level == "write" || strings.HasPrefix(level, "manage_")) && has("admin:"+of):
		return true
	case ok && (level == "user" || level == "repo" || level == "codespace") && has(level): // user:email, repo:status
		return true
	case slices.Contains([]string{"public_repo", "repo_deployment", "security_events"}, want):
		return has("repo")
	}
	return false
}

// githubPasted: what was pasted may be of another type, and its scopes are not
// known.
func githubPasted(old Token, pasted secret.Value) Token {
	t := old
	t.Value, t.ID, t.Note = pasted, "", ""
	t.Facts = maps.Clone(old.Facts)
	for _, k := range []string{"scopes", "expires"} {
		delete(t.Facts, k)
	}
	if t.Facts != nil {
		if t.Facts["type"] = githubType(pasted.Reveal()); t.Facts["type"] == "" {
			t.Facts["type"] = githubUnknown
		}
	}
	return t
}

// githubWorks asks whether a new token is the same person's and has all scopes
// of the old one. If it is somebody else's it is no use; if it lacks a scope, a
// person may have wanted that: both come with an error that says so. Permissions of
// fine-grained tokens cannot be compared: that the right ones were ticked is
// believed.
func githubWorks(ctx context.Context, m *Machine, old, new Token) (Answer, error) {
	now, err := githubWho(ctx, m, new)
	if err != nil || now.answer != Alive {
		return now.answer, err
	}
	login, scopes, known := old.Facts["login"], old.Facts["scopes"], false
	if _, known = old.Facts["scopes"]; login == "" || !known && old.Facts["type"] == githubClassic {
		was, err := githubWho(ctx, m, old)
		if err != nil {
			return CouldNotTell, err
		}
		if was.answer == Alive {
			login, scopes, known = was.login, strings.Join(was.scopes, ","), was.classic
		}
	}
	if login != "" && !strings.EqualFold(login, now.login) {
		return Dead, fmt.Errorf("check the new token: it belongs to %q and not to %q", now.login, login)
	}
	if known && now.classic {
		for _, s := range strings.FieldsFunc(scopes, func(c rune) bool { return c == ',' }) {
			if !githubCovers(now.scopes, s) {
				return CouldNotTell, fmt.Errorf("check the new token: it lacks the scope %q of the old one", s)
			}
		}
	}
	return Alive, nil
}

// githubRevoke asks GitHub to revoke a token. github.com takes the request from
// anybody and refuses it from somebody who says who he is; a server takes it
// from users only. Accepted is not revoked: see githubIsDead.
func githubRevoke(ctx context.Context, m *Machine, old, by Token) error {
	const what = "ask GitHub to revoke the token"
	switch old.Facts["type"] {
	case githubInstallation:
		return githubRevokeInstallation(ctx, m, old)
	case githubUnknown:
		return fmt.Errorf("%s: %w", what, ErrNotPossible)
	}
	header, body, err := call.JSON(map[string][]string{"credentials": {old.Value.Reveal()}})
	if err != nil {
		return fmt.Errorf("%s: its value cannot be sent", what)
	}
	for k, v := range githubHeader() {
		header[k] = v
	}
	// To ask for it twice does no harm.
	q := call.Request{Method: http.MethodPost, URL: old.Site + "/credentials/revoke", What: what, Header: header, Body: body, Repeatable: true}
	if !githubIsServer(old) {
		r, err := m.Call.Do(ctx, q)
		if err != nil || r.Status == http.StatusAccepted {
			return err
		}
		return githubRefused(r, what)
	}
	var refused error
	for _, as := range []secret.Value{by.Value, old.Value} {
		if as.Empty() {
			continue
		}
		q.Header.Set("Authorization", "Bearer "+as.Reveal())
		r, err := m.Call.Do(ctx, q)
		if err != nil || r.Status == http.StatusAccepted {
			return err
		}
		refused = githubRefused(r, what)
		switch r.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			continue // a successor may be another's, or have less rights
		case http.StatusNotFound, http.StatusUnprocessableEntity: // before 3.18; before 3.21 for what is no personal token
			return fmt.Errorf("%w: %w", ErrNotPossible, refused)
		}
		return refused
	}
	return refused
}

// githubRefused is the error of an answer that is none. GitHub says "too often"
// by 403, too (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
func githubRefused(r *call.Response, what string) *call.StatusError {
	err := r.Refused(what, "")
	if r.Status == http.StatusForbidden && (r.Header.Get("Retry-After") != "" || r.Header.Get("X-RateLimit-Remaining") == "0") {
		err.Status = http.StatusTooManyRequests
	}
	return err
}

// githubRevokeInstallation: such a token revokes itself.
func githubRevokeInstallation(ctx context.Context, m *Machine, t Token) error {
	const what = "revoke the token of the installation"
	r, err := githubAsk(ctx, m, t, http.MethodDelete, "/installation/token", what)
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusNoContent:
		return nil
	case r.Status == http.StatusUnauthorized && githubRefusal(r, what).answer == Dead:
		return nil // it was revoked before, perhaps by a request whose answer was lost
	}
	return r.Refused(what, "")
}

// githubIsDead asks with one request.
func githubIsDead(ctx context.Context, m *Machine, old Token) (Answer, error) {
	self, err := githubWho(ctx, m, old)
	return self.answer, err
}

// githubPages are where tokens of this type are revoked and made.
func githubPages(t Token) []Page {
	host := t.Facts["host"]
	if host == "" {
		host = githubHost
	}
	settings := "https://" + host + "/settings/"
	revoke := func(page string, steps ...string) Page {
		return Page{URL: settings + page, Title: "GitHub: revoke the old token", Steps: steps}
	}
	fresh := func(page string, steps ...string) Page {
		return Page{URL: settings + page, Title: "GitHub: new token", Steps: append(steps, "Copy the token and paste it here.")}
	}
	scopes := t.Facts["scopes"]
	if _, known := t.Facts["scopes"]; !known {
		scopes = "repo,read:org,gist" // what gh asks for
	}
	classic := fresh("tokens/new?"+url.Values{"description": {"in place of a revoked token"}, "scopes": {scopes}}.Encode(),
		"Choose an expiry that is no later than needed.", "The scopes of the old token are ticked; take away what is not needed.")
	switch t.Facts["type"] {
	case githubFine:
		return []Page{
			revoke("personal-access-tokens", "Open the old token and note which repositories and permissions it has.", "Press Delete."),
			fresh("personal-access-tokens/new", "Choose the same owner and the same repositories as the old token had.",
				"Tick the permissions that the old token had: for git push, Contents (read and write); to change workflows, Workflows; for pull requests, Pull requests; Metadata (read) comes with each.",
				"Choose an expiry."),
		}
	case githubOAuth:
		classic.Steps = append([]string{"Or run: gh auth login -h " + host + "; and paste what gh auth token prints."}, classic.Steps...)
		return []Page{revoke("applications", "Find the app, GitHub CLI if the token is gh's, and press Revoke: all tokens that it got from you die."), classic}
	case githubApp, githubRefresh:
		return []Page{
			revoke("apps/authorizations", "Find the app and press Revoke."),
			{URL: settings + "apps/authorizations", Title: "GitHub: new login", Steps: []string{"Log in again with the program that the token belongs to."}},
		}
	case githubInstallation:
		return []Page{revoke("installations", "Nothing can be made here: the token dies within an hour. If the app's key was exposed too, make a new one in the settings of the app.")}
	}
	return []Page{revoke("tokens", "Find the old token and press Delete."), classic}
}
