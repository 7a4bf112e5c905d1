package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// awsssoKind is what is known of logins to IAM Identity Center ("AWS SSO"), which
// the CLI keeps in a cache: a token for an hour, and often one to get more of
// them for days. A new one comes by logging in, which puts it in place itself.
//
// Its calls: docs.aws.amazon.com/singlesignon/latest/PortalAPIReference and
// OIDCAPIReference.
func awsssoKind() Kind {
	return Kind{
		ID: "aws-sso", Title: "AWS login (IAM Identity Center)", Stores: []string{"aws"},
		Find: awsssoFind, Identify: awsssoIdentify, Forget: awsssoForget, Revoke: awsssoRevoke, IsDead: awsssoIsDead, Pages: awsssoPages,
		Create: func(ctx context.Context, m *Machine, old Token, _ string) (Token, error) {
			return cloudLogin(ctx, m, old, awsssoFind)
		},
		Install: func(ctx context.Context, m *Machine, old, _ Token) error {
			return cloudReplaced(ctx, m, old, awsssoHolds)
		},
		Writes:      func(Token) []string { return nil }, // the program does by which one logs in
		Fits:        func(string) bool { return false },  // there is nothing to paste
		RevokeFirst: true,
		NeedsPerson: true,
		DiesWithin:  5 * time.Minute,
		Notice: []string{
			"Signing out ends the login; role sessions that were taken with it live on until they run out, up to 12 hours.",
			"The new login is made after that, by aws sso login.",
		},
	}
}

// awsssoCache is where the login is kept. Other programs keep theirs there, too.
const awsssoCache = "~/.aws/sso/cache/*.json"

// awsssoFile is a file of the cache, as far as it is a login.
type awsssoFile struct {
	StartURL              string `json:"startUrl"`
	Region                string `json:"region"`
	AccessToken           string `json:"accessToken"`
	ExpiresAt             string `json:"expiresAt"`
	RefreshToken          string `json:"refreshToken"`
	ClientID              string `json:"clientId"`
	ClientSecret          string `json:"clientSecret"`
	RegistrationExpiresAt string `json:"registrationExpiresAt"`
}

func awsssoFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	var all []Token
	login := "aws sso login"
	if !cloudHas(m, "aws") {
		login += " (it is not on the PATH)"
	}
	sessions := len(awsssoRoles(ctx, m, paths))
	err := cloudRead(ctx, m, cloudFiles(m, paths, nil, awsssoCache), func(file string, data []byte) error {
		var f awsssoFile
		if err := cloudJSON(data, &f); err != nil {
			return err
		}
		if f.AccessToken == "" || f.StartURL == "" {
			return nil // a client's registration, or another program's
		}
		if p, ok := awsPartitionOf(f.Region); !ok || f.Region == "" {
			return errors.New("it names no region of AWS")
		} else {
			name := strings.TrimSuffix(path.Base(file), ".json")
			if u, err := url.Parse(f.StartURL); err == nil && u.Hostname() != "" {
				name = u.Hostname()
			}
			t := Token{Kind: "aws-sso", Name: "aws-sso:" + name, Site: "https://portal.sso." + f.Region + "." + p.suffix, Value: secret.Of(f.AccessToken), Also: Secrets{},
				Facts: cloudFacts("region", f.Region, "start_url", f.StartURL, "expires", f.ExpiresAt, "client_id", f.ClientID, "login", login)}
			if end := cloudTime(f.RegistrationExpiresAt); f.RefreshToken != "" && f.ClientSecret != "" && (end.IsZero() || end.After(m.Now())) {
				t.Also = Secrets{"refreshToken": secret.Of(f.RefreshToken), "clientSecret": secret.Of(f.ClientSecret)}
			}
			if awsssoExpired(m, t) && !awsssoRenews(t) {
				return nil // nobody can use it any more
			}
			if sessions > 0 {
				t.Note = fmt.Sprintf("%d role sessions in ~/.aws/cli/cache were taken by a login; they live on until they run out.", sessions)
			}
			all = cloudAdd(all, t, Place{Path: file, Key: "accessToken"})
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return all, err
}

// awsssoRole is a role session that was taken by a login.
type awsssoRole struct {
	file string
	held awsCached
}

// awsssoRoles returns the role sessions in the CLI's cache that are of use still.
func awsssoRoles(ctx context.Context, m *Machine, paths []string) []awsssoRole {
	var all []awsssoRole
	_ = cloudRead(ctx, m, cloudFiles(m, paths, nil, awsRoles), func(file string, data []byte) error {
		s, err := awsSession(data)
		if end := cloudTime(s.Credentials.Expiration); err == nil && s.ProviderType == "sso" && (end.IsZero() || end.After(m.Now())) {
			all = append(all, awsssoRole{file, s})
		}
		return err
	}) // what cannot be read is told of by kind aws
	return all
}

// awsssoExpired reports whether the access token of t has run out by itself.
func awsssoExpired(m *Machine, t Token) bool {
	end := cloudTime(t.Facts["expires"])
	return !end.IsZero() && end.Before(m.Now())
}

// awsssoDo asks the portal, with the access token.
func awsssoDo(ctx context.Context, m *Machine, t Token, access secret.Value, method, what, target string) (*call.Response, error) {
	base, err := awsssoBase(m, t, "portal.sso")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	res, err := m.Call.Do(ctx, call.Request{Method: method, URL: base + target, What: what, Repeatable: true,
		Header: http.Header{"X-Amz-Sso_bearer_token": {access.Reveal()}}})
	if err == nil && res.Status != http.StatusOK {
		return nil, res.Refused(what, "")
	}
	return res, err
}

// awsssoBase returns the address of a service of t's region. The region comes
// from a file, and the login goes there.
func awsssoBase(m *Machine, t Token, service string) (string, error) {
	region := t.Facts["region"]
	p, ok := awsPartitionOf(region)
	if !ok || region == "" {
		return "", fmt.Errorf("%w: %q is no region of AWS", ErrNotPossible, region)
	}
	return m.Site("aws-sso", "https://"+service+"."+region+"."+p.suffix), nil
}

// awsssoAccounts asks for the accounts that the login can reach, a page of them.
func awsssoAccounts(ctx context.Context, m *Machine, t Token, access secret.Value) (Identity, error) {
	const what = "ask AWS which accounts the login reaches"
	res, err := awsssoDo(ctx, m, t, access, "GET", what, "/assignment/accounts?max_result=20")
	if err != nil {
		return Identity{}, err
	}
	var answer struct {
		Next     string `json:"nextToken"`
		Accounts *[]struct {
			ID   string `json:"accountId"`
			Name string `json:"accountName"`
		} `json:"accountList"`
	}
	if err := res.Into(&answer); err != nil || answer.Accounts == nil {
		return Identity{}, fmt.Errorf("%s: %w", what, cmp.Or(err, call.ErrGarbled))
	}
	id := Identity{Answer: Alive, Expires: cloudTime(t.Facts["expires"])}
	for _, a := range *answer.Accounts {
		id.Reach = append(id.Reach, strings.TrimSpace("AWS account "+a.ID+" "+a.Name))
	}
	if answer.Next != "" {
		id.Reach = append(id.Reach, "more AWS accounts")
	}
	return id, nil
}

// awsssoUnauthorized reports whether the portal said that it does not take the
// token.
func awsssoUnauthorized(err error) bool {
	var status *call.StatusError
	return errors.As(err, &status) && status.Status == http.StatusUnauthorized
}

// awsssoRenews reports whether t has what gets it new access tokens.
func awsssoRenews(t Token) bool { return !t.Also["refreshToken"].Empty() }

// awsssoIdentify asks with the access token only: getting another one may use
// up the one in the file, and log the person out.
func awsssoIdentify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	id, err := awsssoAccounts(ctx, m, t, t.Value)
	switch {
	case awsssoUnauthorized(err) && awsssoRenews(t):
		return Identity{Note: "Its hour is over, but it may still get new ones."}, nil
	case awsssoUnauthorized(err):
		return Identity{Answer: Dead}, nil
	case err != nil:
		return cloudTell(ctx, err)
	}
	for _, r := range awsssoRoles(ctx, m, nil) {
		id.Note = "Role sessions that were taken with it lie in ~/.aws/cli/cache; the last of those that say so ends at " + r.held.Credentials.Expiration + "."
	}
	return id, nil
}

// awsssoRenew gets an access token by the refresh token; the answer is Dead if
// AWS does not take it. It may be used up by that, so that it is sent once.
func awsssoRenew(ctx context.Context, m *Machine, t Token) (secret.Value, Answer, error) {
	const what = "ask AWS whether the login goes on"
	base, err := awsssoBase(m, t, "oidc")
	if err != nil {
		return secret.Value{}, CouldNotTell, fmt.Errorf("%s: %w", what, err)
	}
	header, body, err := call.JSON(map[string]string{"clientId": t.Facts["client_id"], "clientSecret": t.Also["clientSecret"].Reveal(),
		"grantType": "refresh_token", "refreshToken": t.Also["refreshToken"].Reveal()})
	if err != nil {
		return secret.Value{}, CouldNotTell, fmt.Errorf("%s: %w", what, err)
	}
	res, err := m.Call.Do(ctx, call.Request{Method: "POST", URL: base + "/token", What: what, Header: header, Body: body})
	if err != nil {
		return secret.Value{}, CouldNotTell, err
	}
	var answer struct {
		AccessToken string `json:"accessToken"`
		Error       string `json:"error"`
	}
	err = res.Into(&answer)
	switch {
	case err == nil && res.Status == http.StatusOK && answer.AccessToken != "":
		return secret.Of(answer.AccessToken), Alive, nil
	case err == nil && (res.Status == http.StatusBadRequest || res.Status == http.StatusUnauthorized) &&
		(answer.Error == "invalid_grant" || answer.Error == "expired_token" || answer.Error == "invalid_client"):
		return secret.Value{}, Dead, nil
	case res.Status == http.StatusOK:
		return secret.Value{}, CouldNotTell, fmt.Errorf("%s: %w", what, call.ErrGarbled)
	}
	return secret.Value{}, CouldNotTell, res.Refused(what, answer.Error)
}

// awsssoRevoke signs out. An access token that ran out is replaced for that.
func awsssoRevoke(ctx context.Context, m *Machine, old, _ Token) error {
	const what = "sign out of AWS"
	err := error(&call.StatusError{What: what, Status: http.StatusUnauthorized})
	if !awsssoExpired(m, old) {
		_, err = awsssoDo(ctx, m, old, old.Value, "POST", what, "/logout")
	}
	if !awsssoUnauthorized(err) {
		return err
	}
	if !awsssoRenews(old) {
		return nil // the portal does not take it any more
	}
	access, a, err := awsssoRenew(ctx, m, old)
	if a != Alive {
		return err
	}
	_, err = awsssoDo(ctx, m, old, access, "POST", what, "/logout")
	return err
}

// awsssoIsDead asks both for the access token and for the one that gets more.
func awsssoIsDead(ctx context.Context, m *Machine, old Token) (Answer, error) {
	id, err := awsssoAccounts(ctx, m, old, old.Value)
	if awsssoUnauthorized(err) {
		id, err = Identity{Answer: Dead}, nil
		if awsssoRenews(old) {
			_, id.Answer, err = awsssoRenew(ctx, m, old)
		}
	}
	if err != nil {
		id, err = cloudTell(ctx, err)
	}
	return id.Answer, err
}

// awsssoHolds reports whether a file of the cache is the login v.
func awsssoHolds(data []byte, v secret.Value) bool {
	var f awsssoFile
	return cloudJSON(data, &f) == nil && !v.Empty() && secret.Of(f.AccessToken).Equal(v)
}

// awsssoForget removes the login from the cache, and with it the role sessions
// that were taken by one: they would be used on by whoever reads them.
func awsssoForget(ctx context.Context, m *Machine, old Token) error {
	for _, p := range old.Places {
		if err := cloudErase(m, p.Path, func(data []byte) bool { return awsssoHolds(data, old.Value) }); err != nil {
			return err
		}
	}
	for _, r := range awsssoRoles(ctx, m, nil) {
		m.Person.Say("Role session " + r.held.Credentials.AccessKeyId + ", which was taken by an AWS login, is removed from " + r.file + "; AWS takes it until " +
			cmp.Or(r.held.Credentials.Expiration, "it runs out") + ".")
		err := cloudErase(m, r.file, func(data []byte) bool {
			s, err := awsSession(data)
			return err == nil && s.Credentials.AccessKeyId == r.held.Credentials.AccessKeyId
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// awsssoPages is the portal, and what a person types.
func awsssoPages(t Token) []Page {
	portal := t.Facts["start_url"]
	if u, err := url.Parse(portal); err != nil || u.Scheme != "https" {
		portal = "https://console.aws.amazon.com/singlesignon"
	}
	return []Page{
		{URL: portal, Title: "AWS: sign out", Steps: []string{
			"Sign out", "Whoever runs IAM Identity Center can end your sessions under Users, your name, Active sessions, and the role sessions by a policy (AWSRevokeOlderSessions)",
		}},
		{URL: portal, Title: "AWS: log in again", Steps: []string{"Run: " + t.Facts["login"]}},
	}
}
