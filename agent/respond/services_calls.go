package respond

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"wormbell/agent/respond/call"
)

// The calls of the services in [services]. Each takes an answer for "dead" only
// if the service documents that it means that and nothing else.

// slackAnswer is what every method of Slack's answers, with status 200.
type slackAnswer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Revoked bool   `json:"revoked"`
	URL     string `json:"url"`
	Team    string `json:"team"`
	User    string `json:"user"`
}

// slackDead reports whether an error says that the token is none any more.
// invalid_auth may also mean that this network is not let in
// (docs.slack.dev, auth.test).
func slackDead(code string) bool {
	return slices.Contains([]string{"token_revoked", "token_expired", "account_inactive"}, code)
}

func slackOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "ask Slack whose token it is"
	r, id, err := s.ask(ctx, m, t, call.Request{Method: http.MethodPost, URL: "/api/auth.test", What: what})
	if r == nil {
		return id, err
	}
	var a slackAnswer
	switch err := r.Into(&a); {
	case err != nil || r.Status != http.StatusOK:
		return dataUnclear(what, r), nil
	case a.OK && a.User != "":
		a.User, a.Team = dataShown(a.User), dataShown(a.Team)
		return Identity{Answer: Alive, Owner: a.User + " of " + a.Team, Scopes: dataList(r.Header.Get("X-OAuth-Scopes")),
			Reach: []string{"act as " + a.User + " in Slack's " + a.Team}}, nil
	case !a.OK && slackDead(a.Error):
		return Identity{Answer: Dead}, nil
	case !a.OK && a.Error == "invalid_auth":
		return Identity{Note: "Slack does not take it, or does not take it from this network."}, nil
	}
	return Identity{Note: r.Refused(what, dataCode(a.Error)).Error() + "."}, nil
}

// slackRevoke revokes the refresh token first: it would make a new access
// token.
func slackRevoke(ctx context.Context, m *Machine, s *service, t Token) error {
	refresh := t.Also["refresh_token"]
	if !refresh.Empty() {
		other := t
		other.Value = refresh
		if err := slackRevokeOne(ctx, m, s, other, "revoke the refresh token"); err != nil {
			return err
		}
	}
	return slackRevokeOne(ctx, m, s, t, "revoke the token")
}

func slackRevokeOne(ctx context.Context, m *Machine, s *service, t Token, what string) error {
	r, err := s.send(ctx, m, t, call.Request{Method: http.MethodPost, URL: "/api/auth.revoke", What: what, Repeatable: true})
	if err != nil {
		return err
	}
	var a slackAnswer
	if err := r.Into(&a); err != nil || r.Status != http.StatusOK {
		return r.Refused(what, "")
	}
	refused := r.Refused(what, dataCode(a.Error))
	switch {
	case a.OK && a.Revoked, !a.OK && slackDead(a.Error):
		return nil
	case a.OK, a.Error == "", slices.Contains([]string{"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"}, a.Error):
		return refused
	}
	return fmt.Errorf("%w: %w", ErrNotPossible, refused) // a plain no, though the status is 200
}

// vaultErrors are the texts of a refusal.
type vaultErrors struct {
	Errors []string `json:"errors"`
}

// vaultDead reports whether an answer is the one that a token gets that is
// revoked, expired or none (developer.hashicorp.com/vault/docs/concepts/tokens,
// "Error responses"). Versions before 1.17 say only "permission denied", which
// a policy says too.
func vaultDead(r *call.Response) bool {
	var a vaultErrors
	return r.Status == http.StatusForbidden && r.Into(&a) == nil &&
		slices.ContainsFunc(a.Errors, func(e string) bool {
			// The words of a whole line: a text may quote what was asked.
			return slices.ContainsFunc(strings.Split(e, "\n"), func(l string) bool { return strings.Trim(l, " \t*") == "invalid token" })
		})
}

func vaultShow(h http.Header, value string) {
	h.Set("X-Vault-Token", value)
	h.Set("X-Vault-Request", "true")
}

// vaultAsk adds the namespace.
func vaultAsk(t Token, r call.Request) call.Request {
	r.Header = http.Header{}
	if n := t.Facts["namespace"]; n != "" {
		r.Header.Set("X-Vault-Namespace", n)
	}
	return r
}

func vaultOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "ask Vault about the token"
	r, id, err := s.ask(ctx, m, t, vaultAsk(t, call.Request{Method: http.MethodGet, URL: "/v1/auth/token/lookup-self", What: what}))
	if r == nil {
		return id, err
	}
	var a struct {
		Data struct {
			Name     string    `json:"display_name"`
			Type     string    `json:"type"`
			Policies []string  `json:"policies"`
			Expires  time.Time `json:"expire_time"`
		} `json:"data"`
	}
	switch {
	case vaultDead(r):
		return Identity{Answer: Dead}, nil
	case r.Status == http.StatusForbidden:
		return Identity{Note: "Vault denies it; before version 1.17 it does not say whether because the token is dead or because of a policy."}, nil
	case r.Status != http.StatusOK || r.Into(&a) != nil || len(a.Data.Policies) == 0:
		return dataUnclear(what, r), nil
	}
	id = Identity{Answer: Alive, Owner: dataShown(a.Data.Name), Expires: a.Data.Expires}
	for _, p := range a.Data.Policies {
		p = dataShown(p)
		id.Scopes = append(id.Scopes, p)
		id.Reach = append(id.Reach, "what Vault's policy "+p+" allows")
	}
	if a.Data.Type == "batch" {
		id.Note = "It is a batch token: it cannot be revoked and dies when it expires."
	}
	return id, nil
}

func vaultRevoke(ctx context.Context, m *Machine, s *service, t Token) error {
	const what = "revoke the token"
	if strings.HasPrefix(t.Value.Reveal(), "hvb.") {
		return fmt.Errorf("%s: a batch token dies only when it expires: %w", what, ErrNotPossible)
	}
	r, err := s.send(ctx, m, t, vaultAsk(t, call.Request{Method: http.MethodPost, URL: "/v1/auth/token/revoke-self", What: what, Repeatable: true}))
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusNoContent || vaultDead(r):
		return nil
	}
	return r.Refused(what, "")
}

// cratesSays returns what crates.io says in a refusal.
func cratesSays(r *call.Response) string {
	var a struct {
		Errors []struct {
			Detail string `json:"detail"`
		} `json:"errors"`
	}
	if r.Into(&a) != nil || len(a.Errors) != 1 {
		return ""
	}
	return a.Errors[0].Detail
}

func cratesShow(h http.Header, value string) { h.Set("Authorization", value) }

// cratesDead is what a token gets that is revoked, expired or none, and
// cratesAlive what a good one gets where only a browser is let in, which is
// checked after the token (AuthCheck in crates.io's src/auth.rs).
const (
	cratesDead  = "authentication failed"
	cratesAlive = "this action can only be performed on the crates.io website"
)

// cratesOwner asks for what no token may have: only how it is refused matters.
func cratesOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "ask crates.io whether the token is alive"
	r, id, err := s.ask(ctx, m, t, call.Request{Method: http.MethodGet, URL: "/api/v1/me", What: what})
	if r == nil {
		return id, err
	}
	if r.Status == http.StatusForbidden {
		switch cratesSays(r) {
		case cratesDead:
			return Identity{Answer: Dead}, nil
		case cratesAlive:
			return Identity{Answer: Alive, Reach: []string{"publish and yank the crates that its scopes name"},
				Note: "crates.io does not tell a token's owner or scopes."}, nil
		}
	}
	return dataUnclear(what, r), nil
}

// cratesRevoke works for tokens without scopes only.
func cratesRevoke(ctx context.Context, m *Machine, s *service, t Token) error {
	const what = "revoke the token"
	r, err := s.send(ctx, m, t, call.Request{Method: http.MethodDelete, URL: "/api/v1/tokens/current", What: what, Repeatable: true})
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusNoContent:
		return nil
	case r.Status == http.StatusForbidden && cratesSays(r) == cratesDead:
		return nil
	case r.Status == http.StatusForbidden && cratesSays(r) == "this token does not have the required permissions to perform this action":
		return fmt.Errorf("%s: crates.io lets tokens with scopes not revoke themselves: %w", what, ErrNotPossible)
	}
	return r.Refused(what, "")
}

func stripeOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "ask Stripe whose key it is"
	r, id, err := s.ask(ctx, m, t, call.Request{Method: http.MethodGet, URL: "/v1/account", What: what})
	if r == nil {
		return id, err
	}
	var a struct {
		ID    string `json:"id"`
		Error struct {
			Type string `json:"type"`
		} `json:"error"`
	}
	bad := r.Into(&a) != nil
	switch {
	case !bad && r.Status == http.StatusUnauthorized && (a.Error.Type == "invalid_request_error" || a.Error.Type == "authentication_error"):
		return Identity{Answer: Dead}, nil
	case bad || r.Status != http.StatusOK || a.ID == "":
		return dataUnclear(what, r), nil
	}
	a.ID = dataShown(a.ID)
	mode := "live data"
	if strings.Contains(t.Value.Reveal()[:min(8, len(t.Value.Reveal()))], "_test_") {
		mode = "test data"
	}
	return Identity{Answer: Alive, Owner: a.ID, Reach: []string{mode + " and payments of the Stripe account " + a.ID + ", as far as the key may"}}, nil
}

// openAIOwner asks who it is, and where a key may not ask that, whether it may
// do anything (developers.openai.com, "List models").
func openAIOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "ask OpenAI whose key it is"
	var last *call.Response
	for _, path := range []string{"/v1/me", "/v1/models"} {
		r, id, err := s.ask(ctx, m, t, call.Request{Method: http.MethodGet, URL: path, What: what})
		if r == nil {
			return id, err
		}
		var a struct {
			ID     string `json:"id"`
			Email  string `json:"email"`
			Object string `json:"object"`
			Error  struct {
				Code string `json:"code"`
			} `json:"error"`
		}
		bad := r.Into(&a) != nil
		switch {
		case !bad && r.Status == http.StatusUnauthorized && a.Error.Code == "invalid_api_key":
			return Identity{Answer: Dead}, nil
		case !bad && r.Status == http.StatusOK && a.ID != "":
			owner := dataShown(cmp.Or(a.Email, a.ID))
			return Identity{Answer: Alive, Owner: owner, Reach: []string{"use OpenAI's models at the cost of " + owner}}, nil
		case !bad && r.Status == http.StatusOK && a.Object == "list":
			return Identity{Answer: Alive, Reach: []string{"use OpenAI's models at your cost"}, Note: "OpenAI does not tell this key's owner."}, nil
		}
		last = r
		if r.Status != http.StatusForbidden && r.Status != http.StatusNotFound {
			break
		}
	}
	return dataUnclear(what, last), nil
}

func huggingFaceOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "ask Hugging Face whose token it is"
	r, id, err := s.ask(ctx, m, t, call.Request{Method: http.MethodGet, URL: "/api/whoami-v2", What: what})
	if r == nil {
		return id, err
	}
	var a struct {
		Name string `json:"name"`
		Orgs []struct {
			Name string `json:"name"`
		} `json:"orgs"`
		Auth struct {
			Token struct {
				Role    string    `json:"role"`
				Expires time.Time `json:"expiration"`
			} `json:"accessToken"`
		} `json:"auth"`
		Error string `json:"error"`
	}
	bad := r.Into(&a) != nil
	switch {
	case !bad && r.Status == http.StatusUnauthorized && a.Error != "":
		return Identity{Answer: Dead}, nil
	case bad || r.Status != http.StatusOK || a.Name == "":
		return dataUnclear(what, r), nil
	}
	a.Name = dataShown(a.Name)
	id = Identity{Answer: Alive, Owner: a.Name, Expires: a.Auth.Token.Expires}
	verb := "reach"
	if role := a.Auth.Token.Role; role != "" {
		id.Scopes = []string{dataShown(role)}
		verb = map[string]string{"read": "read", "write": "read and write"}[role]
		if verb == "" {
			verb = "reach some of"
		}
	}
	id.Reach = []string{verb + " the models, data sets and spaces of " + a.Name}
	for _, o := range a.Orgs {
		id.Reach = append(id.Reach, verb+" those of "+dataShown(o.Name))
	}
	return id, nil
}

// dockerOwner logs in. That makes a short-lived token, which is thrown away.
func dockerOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "log in to Docker Hub"
	if t.Owner == "" {
		return Identity{Note: "Docker Hub can be asked only together with a user's name, and there is none beside it."}, nil
	}
	head, body, err := call.JSON(map[string]string{"identifier": t.Owner, "secret": t.Value.Reveal()})
	if err != nil {
		return Identity{}, fmt.Errorf("%s: %w", what, err)
	}
	// send's header would carry the token a second time, see dockerShow.
	r, id, err := s.ask(ctx, m, t, call.Request{Method: http.MethodPost, URL: "/v2/auth/token", What: what, Header: head, Body: body})
	if r == nil {
		return id, err
	}
	var a struct {
		Token   string `json:"access_token"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	}
	token := strings.HasPrefix(t.Value.Reveal(), "dckr_")
	bad := r.Into(&a) != nil
	switch {
	case !bad && r.Status == http.StatusOK && a.Token != "":
		id = Identity{Answer: Alive, Owner: t.Owner, Reach: []string{"pull and push the images of " + t.Owner + " on Docker Hub"}}
		if !token {
			id.Note = "It is the account's password and not an access token."
		}
		return id, nil
	case !bad && r.Status == http.StatusUnauthorized && token:
		return Identity{Answer: Dead}, nil
	case r.Status == http.StatusUnauthorized:
		return Identity{Note: "Docker Hub does not take the password; it may want a second factor."}, nil
	}
	return dataUnclear(what, r), nil
}

// dockerShow leaves the header alone: the token is in the body.
func dockerShow(http.Header, string) {}

// dataCode returns a service's word for an error if it looks like one: an
// answer may quote the token instead.
func dataCode(s string) string {
	if len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return s
}

// dataShown returns s, which a service says, as it can be shown on a terminal.
func dataShown(s string) string {
	n := 0
	return strings.Map(func(c rune) rune {
		if n++; n > 80 {
			return -1
		}
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}

// dataList splits a header that is a list.
func dataList(s string) (list []string) {
	for _, w := range strings.Split(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			list = append(list, dataShown(w))
		}
	}
	return list
}
