package respond

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// googleKind is what is known of logins of a person to Google, as gcloud leaves
// them on disk: a refresh token, which gets access tokens for an hour each. A
// new one comes by logging in, which puts it in place itself.
//
// Its calls: developers.google.com/identity/protocols/oauth2/native-app.
func googleKind() Kind {
	return Kind{
		ID: "google", Title: "Google login (gcloud)", Stores: []string{"gcloud"},
		Find: googleFind, Identify: googleIdentify, Forget: googleForget, Revoke: googleRevoke, IsDead: googleIsDead, Pages: googlePages,
		Create: func(ctx context.Context, m *Machine, old Token, _ string) (Token, error) {
			return cloudLogin(ctx, m, old, googleFind)
		},
		Install: func(ctx context.Context, m *Machine, old, _ Token) error {
			return cloudReplaced(ctx, m, old, googleHolds)
		},
		Writes:      func(Token) []string { return nil }, // the program does by which one logs in
		Fits:        func(string) bool { return false },  // there is nothing to paste
		RevokeFirst: true,                                // one that is made before dies with the old one
		NeedsPerson: true,
		DiesWithin:  10 * time.Minute,
		Notice: []string{
			"Revoking ends every login of the same program for the same person, on other machines, too; the new login is made after that.",
		},
	}
}

func googleIsDead(ctx context.Context, m *Machine, old Token) (Answer, error) {
	id, err := googleAsk(ctx, m, old)
	return id.Answer, err
}

// googleFile is a file of gcloud's, or one like it.
type googleFile struct {
	Type         string `json:"type"`
	Universe     string `json:"universe_domain"`
	QuotaProject string `json:"quota_project_id"`
	// A person's login.
	Account      string `json:"account"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
	// A login in the place of a service account.
	Impersonates string      `json:"service_account_impersonation_url"`
	Source       *googleFile `json:"source_credentials"`
	// A service account's key.
	Email        string `json:"client_email"`
	Project      string `json:"project_id"`
	PrivateKey   string `json:"private_key"`
	PrivateKeyID string `json:"private_key_id"`
}

// googleFiles are the files where gcloud and others keep logins.
func googleFiles(m *Machine, paths []string) []string {
	dirs := []string{"~/.config/gcloud", "~/AppData/Roaming/gcloud"}
	if dir := m.Getenv("CLOUDSDK_CONFIG"); dir != "" {
		dirs = append(dirs, m.tilde(dir))
	}
	var files, patterns []string
	for _, dir := range dirs {
		files = append(files, dir+"/application_default_credentials.json")
		patterns = append(patterns, dir+"/legacy_credentials/*/adc.json")
	}
	if f := m.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); f != "" {
		files = append(files, m.tilde(f))
	}
	return cloudFiles(m, paths, files, patterns...)
}

// googleAccount returns the account that a file of gcloud's own belongs to, ""
// if it is none.
func googleAccount(file string) string {
	if dir := path.Dir(file); path.Base(path.Dir(dir)) == "legacy_credentials" {
		return path.Base(dir)
	}
	return ""
}

func googleFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	missing := ""
	if !cloudHas(m, "gcloud") {
		missing = " (gcloud is not on the PATH)"
	}
	var all []Token
	err := cloudRead(ctx, m, googleFiles(m, paths), func(file string, data []byte) error {
		var f googleFile
		if err := cloudJSON(data, &f); err != nil {
			return err
		}
		key, impersonates := "refresh_token", ""
		if f.Source != nil {
			key, impersonates = "source_credentials refresh_token", f.Impersonates
			f = *f.Source
		}
		if f.Type != "authorized_user" || f.RefreshToken == "" {
			return nil
		}
		account := googleAccount(file)
		t := Token{Kind: "google", Name: "google:application-default", Site: "https://oauth2.googleapis.com", Owner: account,
			Value: secret.Of(f.RefreshToken), Also: Secrets{"client_secret": secret.Of(f.ClientSecret)},
			Facts: cloudFacts("client_id", f.ClientID, "quota_project", f.QuotaProject, "universe", f.Universe, "account", account,
				"login", "gcloud auth application-default login"+missing)}
		if account != "" {
			t.Name = "google:" + account
			t.Facts["login"] = "gcloud auth login " + account + missing
			t.Note = "gcloud keeps it in its own database, too, from which gcloud auth revoke " + account + " removes it."
		} else if f.Account != "" {
			t.Owner = f.Account
		}
		if impersonates != "" {
			t.Facts["impersonates"] = googleImpersonated(impersonates)
			t.Facts["login"] = "gcloud auth application-default login --impersonate-service-account=" + t.Facts["impersonates"] + missing
		}
		all = cloudAdd(all, t, Place{Path: file, Key: key})
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return all, err
}

// googleImpersonated returns the service account in the address of its API.
func googleImpersonated(address string) string {
	_, account, _ := strings.Cut(address, "/serviceAccounts/")
	account, _, _ = strings.Cut(account, ":")
	return account
}

// googleGrant is what the token endpoint answers.
type googleGrant struct {
	access secret.Value
	scopes []string
	owner  string // from the ID token, which comes with some scopes
	now    time.Time
}

// googleRefused is what the token endpoint says when it refuses: RFC 6749,
// section 5.2, and Google's additions. The description stays in here: it may
// quote what was sent.
type googleRefused struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Subtype     string `json:"error_subtype"`
}

// googleAnother is the error for accounts of Google's technology elsewhere,
// whose services have other addresses.
func googleAnother(t Token) error {
	if u := t.Facts["universe"]; u != "" && u != "googleapis.com" {
		return fmt.Errorf("%w: it belongs to another cloud than Google's public one", ErrNotPossible)
	}
	return nil
}

// googleGet asks the token endpoint at base for an access token. If it refuses,
// the error is a *call.StatusError and why says more.
func googleGet(ctx context.Context, m *Machine, base string, form url.Values) (g googleGrant, why googleRefused, err error) {
	const what = "ask Google for an access token"
	header, body := call.Form(form)
	res, err := m.Call.Do(ctx, call.Request{Method: "POST", URL: base + "/token", What: what, Header: header, Body: body, Repeatable: true})
	if err != nil {
		return g, why, err
	}
	if g.now, err = http.ParseTime(res.Header.Get("Date")); err != nil {
		g.now = m.Now()
	}
	if res.Status != http.StatusOK {
		_ = res.Into(&why) // what is no refusal of Google's says nothing
		return g, why, res.Refused(what, why.Error)
	}
	var answer struct {
		Access string `json:"access_token"`
		Scope  string `json:"scope"`
		ID     string `json:"id_token"`
	}
	if err := res.Into(&answer); err != nil || answer.Access == "" {
		return g, why, fmt.Errorf("%s: %w", what, errors.Join(err, call.ErrGarbled))
	}
	g.access, g.scopes, g.owner = secret.Of(answer.Access), strings.Fields(answer.Scope), googleEmail(answer.ID)
	return g, why, nil
}

// googleEmail returns whom an ID token is about. It comes from Google itself, so
// its signature need not be checked (OpenID Connect Core, section 3.1.3.7).
func googleEmail(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Email string `json:"email"`
	}
	if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(raw, &claims) != nil {
		return ""
	}
	return claims.Email
}

// googleAsk gets an access token, which is dropped: there is no other call that
// takes a refresh token. One request tells the owner and the scopes as well.
func googleAsk(ctx context.Context, m *Machine, t Token) (Identity, error) {
	if err := googleAnother(t); err != nil {
		return cloudTell(ctx, err)
	}
	g, why, err := googleGet(ctx, m, m.Site("google", "https://oauth2.googleapis.com"), url.Values{"grant_type": {"refresh_token"},
		"refresh_token": {t.Value.Reveal()}, "client_id": {t.Facts["client_id"]}, "client_secret": {t.Also["client_secret"].Reveal()}})
	var status *call.StatusError
	switch {
	case err == nil:
		return Identity{Answer: Alive, Owner: g.owner, Scopes: g.scopes}, nil
	case ctx.Err() != nil:
		return Identity{}, ctx.Err()
	case errors.As(err, &status) && status.Status == http.StatusBadRequest && why.Error == "invalid_grant":
		if why.Subtype == "invalid_rapt" || why.Subtype == "rapt_required" {
			return Identity{Note: "Google wants the person to log in again before it says more; the token lives."}, nil
		}
		return Identity{Answer: Dead}, nil
	}
	return cloudTell(ctx, err)
}

func googleIdentify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	id, err := googleAsk(ctx, m, t)
	if err != nil || id.Answer != Alive {
		return id, err
	}
	if id.Owner == "" {
		id.Owner = t.Owner
	}
	for _, s := range id.Scopes {
		switch strings.TrimPrefix(s, "https://www.googleapis.com/auth/") {
		case "cloud-platform":
			id.Reach = append(id.Reach, "everything that "+cmp.Or(id.Owner, "the person")+" may do in Google Cloud")
		case "drive":
			id.Reach = append(id.Reach, "read and write Google Drive")
		case "compute":
			id.Reach = append(id.Reach, "virtual machines")
		case "sqlservice.login":
			id.Reach = append(id.Reach, "log in to Cloud SQL databases")
		case "appengine.admin":
			id.Reach = append(id.Reach, "deploy to App Engine")
		}
	}
	if account := t.Facts["impersonates"]; account != "" {
		id.Reach = append(id.Reach, "act as service account "+account)
	}
	if p := t.Facts["quota_project"]; p != "" {
		id.Reach = append(id.Reach, "project "+p)
	}
	return id, nil
}

// googleRevoke revokes the refresh token and the access tokens that came of it.
func googleRevoke(ctx context.Context, m *Machine, old, _ Token) error {
	const what = "revoke the Google login"
	if err := googleAnother(old); err != nil {
		return err
	}
	header, body := call.Form(url.Values{"token": {old.Value.Reveal()}})
	res, err := m.Call.Do(ctx, call.Request{Method: "POST", URL: m.Site("google", "https://oauth2.googleapis.com") + "/revoke", What: what,
		Header: header, Body: body, Repeatable: true})
	if err != nil || res.Status == http.StatusOK {
		return err
	}
	var why googleRefused
	if res.Into(&why) == nil && res.Status == http.StatusBadRequest && why.Error == "invalid_token" {
		return nil // it is revoked already, or was never one; IsDead tells
	}
	return res.Refused(what, why.Error)
}

// googleForget removes the files, as gcloud's own revoke does, and for gcloud's
// own logins what it wrote beside them for other programs.
func googleForget(ctx context.Context, m *Machine, old Token) error {
	for _, p := range old.Places {
		if err := ctx.Err(); err != nil {
			return err
		}
		files := []string{p.Path}
		if googleAccount(p.Path) != "" {
			for _, name := range []string{".boto", "singlestore_bq.json"} {
				files = append(files, path.Join(path.Dir(p.Path), name))
			}
		}
		for _, file := range files {
			if err := cloudErase(m, file, func(data []byte) bool { return googleHolds(data, old.Value) }); err != nil {
				return err
			}
		}
	}
	if account := old.Facts["account"]; account != "" {
		m.Person.Say("gcloud still has the login of " + account + " in its database; this removes it: gcloud auth revoke " + account)
	}
	return nil
}

// googleHolds reports whether v stands in a file, as it is or as JSON writes it.
func googleHolds(data []byte, v secret.Value) bool {
	if v.Empty() {
		return false
	}
	if bytes.Contains(data, []byte(v.Reveal())) {
		return true
	}
	all, err := edit.JSON(data)
	return err == nil && slices.ContainsFunc(all, func(e edit.Entry) bool { return secret.Of(e.Value).Equal(v) })
}

// googleReplace puts values by their names into the object at a path of a JSON
// file. is says whether what stands for the key there is the old one, or the
// new one already.
func googleReplace(m *Machine, file string, at []string, values map[string]string, is func(held string) (isOld, isNew bool)) error {
	err := edit.Apply(m.Abs(file), func(data []byte) (changes []edit.Change, err error) {
		all, err := edit.JSON(data)
		if err != nil {
			return nil, errNoJSON
		}
		isOld, isNew := is(forgeSibling(all, append(slices.Clone(at), ""), "private_key"))
		if isNew {
			return nil, nil
		} else if !isOld {
			return nil, fmt.Errorf("%w: %s holds another key", edit.ErrChanged, file)
		}
		for _, e := range all {
			n := len(e.Path) - 1
			value, ok := values[e.Path[n]]
			if !ok || !slices.Equal(e.Path[:n], at) {
				continue
			}
			c, err := e.Replace(data, value)
			if err != nil {
				return nil, err
			}
			changes = append(changes, c)
		}
		return changes, nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", edit.ErrChanged, err)
	}
	return err
}

// googlePages is the account's page, and what a person types.
func googlePages(t Token) []Page {
	return []Page{
		{URL: "https://myaccount.google.com/permissions", Title: "Google: revoke the login", Steps: []string{
			"Sign in as the person whose login it is", "Open Google Cloud SDK, or Google Auth Library, and remove its access",
		}},
		{URL: "https://docs.cloud.google.com/docs/authentication/provide-credentials-adc", Title: "Google: log in again", Steps: []string{"When the old login is dead, run: " + t.Facts["login"]}},
	}
}
