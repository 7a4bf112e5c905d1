package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// Vercel's calls: vercel.com/docs/rest-api/authentication.

// vercelRefusal is the error of Vercel's answers.
type vercelRefusal struct {
	Error struct {
		Code    string `json:"code"`
		Invalid bool   `json:"invalidToken"`
	} `json:"error"`
}

// vercelDead reports whether the answer says that the token is none: that the
// status is 403 does not, it is also that of a right that is missing.
func vercelDead(r *call.Response) bool {
	var a vercelRefusal
	return (r.Status == http.StatusForbidden || r.Status == http.StatusUnauthorized) && r.Into(&a) == nil && a.Error.Invalid
}

func vercelRefused(r *call.Response, what string) error {
	var a vercelRefusal
	_ = r.Into(&a) // without it there is no code
	return r.Refused(what, dataCode(a.Error.Code))
}

// vercelToken is what Vercel tells of a token (vercel.com/docs/rest-api,
// "Get Auth Token Metadata").
type vercelToken struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Expires float64       `json:"expiresAt"` // milliseconds since 1970; 0: never
	Scopes  []vercelScope `json:"scopes"`
}

type vercelScope struct {
	Type   string `json:"type"` // "user" is the whole account
	TeamID string `json:"teamId"`
}

func (v vercelToken) expires() time.Time {
	if v.Expires <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(v.Expires)).UTC()
}

func vercelOwner(ctx context.Context, m *Machine, s *service, t Token) (Identity, error) {
	const what = "ask Vercel whose token it is"
	r, id, err := s.ask(ctx, m, t, call.Request{Method: http.MethodGet, URL: "/v2/user", What: what})
	if r == nil {
		return id, err
	}
	var a struct {
		User struct {
			Name string `json:"username"`
		} `json:"user"`
	}
	switch {
	case vercelDead(r):
		return Identity{Answer: Dead}, nil
	case r.Status != http.StatusOK || r.Into(&a) != nil || a.User.Name == "":
		return dataUnclear(what, r), nil
	}
	a.User.Name = dataShown(a.User.Name)
	id = Identity{Answer: Alive, Owner: a.User.Name, Reach: []string{"deploy to the projects of " + a.User.Name + " and read their variables"}}
	current, err := vercelCurrent(ctx, m, s, t)
	if ctx.Err() != nil {
		return Identity{}, ctx.Err()
	}
	if err != nil {
		id.Note = "Vercel did not tell its scopes and when it expires."
		return id, nil
	}
	id.Expires = current.expires()
	for _, scope := range current.Scopes {
		id.Scopes = append(id.Scopes, dataShown(strings.TrimSuffix(scope.Type+" "+scope.TeamID, " ")))
	}
	return id, nil
}

// vercelCurrent returns what Vercel knows of t.
func vercelCurrent(ctx context.Context, m *Machine, s *service, t Token) (vercelToken, error) {
	const what = "ask Vercel about the token"
	r, err := s.send(ctx, m, t, call.Request{Method: http.MethodGet, URL: "/v5/user/tokens/current", What: what, Repeatable: true})
	if err != nil {
		return vercelToken{}, err
	}
	var a struct {
		Token vercelToken `json:"token"`
	}
	if r.Status != http.StatusOK {
		return vercelToken{}, vercelRefused(r, what)
	}
	if err := r.Into(&a); err != nil {
		return vercelToken{}, fmt.Errorf("%s: %w", what, err)
	}
	if a.Token.ID == "" {
		return vercelToken{}, fmt.Errorf("%s: %w: no ID", what, call.ErrGarbled)
	}
	return a.Token, nil
}

// vercelLife is how long a new token lives if the old one never expires.
const vercelLife = 90 * 24 * time.Hour

// vercelCreate makes a token for the account, or for the one team that the old
// one is for; others have no call.
func vercelCreate(ctx context.Context, m *Machine, s *service, old Token, label string) (Token, error) {
	const what = "make a new token"
	current, err := vercelCurrent(ctx, m, s, old)
	var refused *call.StatusError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return Token{}, ctx.Err()
	case errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500:
		return Token{}, err
	default: // whatever became of the question, nothing was asked to be made
		return Token{}, &call.NotSentError{What: what, Why: err.Error()}
	}
	query := ""
	if len(current.Scopes) > 0 && !slices.ContainsFunc(current.Scopes, func(c vercelScope) bool { return c.Type == "user" }) {
		if len(current.Scopes) > 1 || current.Scopes[0].Type != "team" || current.Scopes[0].TeamID == "" {
			return Token{}, fmt.Errorf("%s with the scopes of the old one: %w", what, ErrNotPossible)
		}
		query = "?teamId=" + url.QueryEscape(current.Scopes[0].TeamID)
	}
	expires := current.expires()
	if expires.IsZero() {
		expires = m.Now().Add(vercelLife)
	}
	head, body, err := call.JSON(map[string]any{"name": label, "expiresAt": expires.UnixMilli()})
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", what, err)
	}
	r, err := s.send(ctx, m, old, call.Request{Method: http.MethodPost, URL: "/v3/user/tokens" + query, What: what, Header: head, Body: body})
	if err != nil {
		return Token{}, err
	}
	var a struct {
		Token  vercelToken `json:"token"`
		Bearer string      `json:"bearerToken"`
	}
	switch {
	case r.Status != http.StatusOK && r.Status != http.StatusCreated:
		return Token{}, vercelRefused(r, what)
	case r.Into(&a) != nil || a.Bearer == "":
		// It may have been made: the caller looks for it by its label.
		return Token{}, &call.LostError{What: what, Why: "it makes no sense"}
	}
	t := old
	t.ID, t.Value, t.Also = a.Token.ID, secret.Of(a.Bearer), nil
	t.Note = "It expires on " + expires.Format(time.DateOnly) + "."
	return t, nil
}

// vercelPages is how many pages of tokens are looked through.
const vercelPages = 50

// vercelLost revokes tokens called label.
func vercelLost(ctx context.Context, m *Machine, s *service, old Token, label string) (found bool, err error) {
	const what = "look for a token by its name"
	query := ""
	for range vercelPages {
		r, err := s.send(ctx, m, old, call.Request{Method: http.MethodGet, URL: "/v6/user/tokens" + query, What: what, Repeatable: true})
		if err != nil {
			return found, err
		}
		var a struct {
			Tokens     []vercelToken `json:"tokens"`
			Pagination struct {
				Next float64 `json:"next"`
			} `json:"pagination"`
		}
		if r.Status != http.StatusOK {
			return found, vercelRefused(r, what)
		}
		if err := r.Into(&a); err != nil {
			return found, fmt.Errorf("%s: %w", what, err)
		}
		if a.Tokens == nil { // the one that asks is always among them
			return found, fmt.Errorf("%s: %w: no list", what, call.ErrGarbled)
		}
		for _, t := range a.Tokens {
			if t.Name != label || t.ID == "" {
				continue
			}
			if err := vercelDelete(ctx, m, s, old, t.ID, "revoke the token whose value was lost"); err != nil {
				return true, err
			}
			found = true
		}
		if a.Pagination.Next <= 0 {
			return found, nil
		}
		query = "?until=" + strconv.FormatInt(int64(a.Pagination.Next), 10)
	}
	return found, fmt.Errorf("%s: there are more than %d pages of them", what, vercelPages)
}

func vercelRevoke(ctx context.Context, m *Machine, s *service, t Token) error {
	return vercelDelete(ctx, m, s, t, "current", "revoke the token")
}

func vercelDelete(ctx context.Context, m *Machine, s *service, t Token, id, what string) error {
	r, err := s.send(ctx, m, t, call.Request{Method: http.MethodDelete, URL: "/v3/user/tokens/" + url.PathEscape(id), What: what, Repeatable: true})
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusOK || r.Status == http.StatusNoContent:
		return nil
	case id == "current" && vercelDead(r):
		return nil
	}
	return vercelRefused(r, what)
}
