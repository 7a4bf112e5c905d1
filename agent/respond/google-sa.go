package respond

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// googlesaKind is what is known of keys of Google's service accounts: files with
// an RSA key, which as a rule never runs out by itself.
//
// Its calls: docs.cloud.google.com/iam/docs/reference/rest (projects.serviceAccounts.keys)
// and developers.google.com/identity/protocols/oauth2/service-account.
func googlesaKind() Kind {
	return Kind{
		ID: "google-sa", Title: "Google service account key", Stores: []string{"gcloud"},
		Find: googlesaFind, Identify: googlesaIdentify, Create: googlesaCreate, Lost: googlesaLost, Install: googlesaInstall, Forget: googlesaForget,
		Revoke: googlesaRevoke, IsDead: googlesaIsDead, Pages: googlesaPages,
		Fits: func(pasted string) bool { _, ok := googlesaRead([]byte(pasted)); return ok },
		Pasted: func(old Token, pasted secret.Value) Token {
			f, _ := googlesaRead([]byte(pasted.Reveal()))
			new := old
			new.ID, new.Value, new.Owner = f.PrivateKeyID, secret.Of(f.PrivateKey), f.Email
			new.Facts = cloudFacts("email", f.Email, "project", f.Project, "universe", f.Universe)
			return new
		},
		DiesWithin: 10 * time.Minute,
		Notice: []string{
			"The old key is disabled, which can be undone, and deleted once Google refuses it; where there is no new key it stays disabled.",
			"Access tokens that were got with the key live on for up to an hour, unless the service account itself is disabled.",
			"Whatever else uses the same key file needs the new one, too.",
		},
	}
}

func googlesaIsDead(ctx context.Context, m *Machine, old Token) (Answer, error) {
	id, err := googlesaAsk(ctx, m, old)
	return id.Answer, err
}

const (
	// googlesaScope is what a key is asked for. IAM decides what it is good for.
	googlesaScope = "https://www.googleapis.com/auth/cloud-platform"
	// googlesaAudience is whom an assertion is for, wherever it is sent.
	googlesaAudience = "https://oauth2.googleapis.com/token"
	// googlesaLife is how long an assertion is good for; an hour is the most.
	googlesaLife = 5 * time.Minute
)

func googlesaFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	var all []Token
	err := cloudRead(ctx, m, googleFiles(m, paths), func(file string, data []byte) error {
		var f googleFile
		if err := cloudJSON(data, &f); err != nil {
			return err
		}
		key := "private_key"
		if f.Source != nil {
			f, key = *f.Source, "source_credentials private_key"
		}
		if f.Type != "service_account" || f.PrivateKey == "" || f.PrivateKeyID == "" || f.Email == "" {
			return nil
		}
		user, _, _ := strings.Cut(f.Email, "@")
		t := Token{Kind: "google-sa", Name: "google-sa:" + user, Site: "https://iam.googleapis.com", Owner: f.Email, ID: f.PrivateKeyID, Value: secret.Of(f.PrivateKey),
			Facts: cloudFacts("email", f.Email, "project", f.Project, "universe", f.Universe)}
		if account := googleAccount(file); account != "" {
			t.Note = "gcloud keeps it in its own database, too; after a change run gcloud auth activate-service-account with the new key file."
		}
		all = cloudAdd(all, t, Place{Path: file, Key: key})
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return all, err
}

// googlesaRead reads a key file.
func googlesaRead(data []byte) (f googleFile, ok bool) {
	err := cloudJSON(data, &f)
	return f, err == nil && f.Type == "service_account" && f.PrivateKey != "" && f.PrivateKeyID != "" && f.Email != ""
}

// googlesaAssertion is a JWT (RFC 7523) by which t asks for an access token.
func googlesaAssertion(t Token, now time.Time) (string, error) {
	block, _ := pem.Decode([]byte(t.Value.Reveal()))
	if block == nil {
		return "", errors.New("the private key is no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || key.Size() < 128 || key.Size() > 1024 {
		return "", errors.New("the private key is no RSA key")
	}
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": t.ID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iss": t.Facts["email"], "scope": googlesaScope, "aud": googlesaAudience,
		"iat": now.Unix(), "exp": now.Add(googlesaLife).Unix()})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("the private key does not sign")
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// googlesaGet gets an access token with the key. The answer is Dead only where
// Google says that it knows no such key or account: it says invalid_grant for
// wrong clocks, too, for which the assertion is made again by Google's clock.
func googlesaGet(ctx context.Context, m *Machine, t Token) (googleGrant, Answer, error) {
	if err := googleAnother(t); err != nil {
		return googleGrant{}, CouldNotTell, err
	}
	now := m.Now()
	for try := 1; ; try++ {
		assertion, err := googlesaAssertion(t, now)
		if err != nil {
			return googleGrant{}, CouldNotTell, fmt.Errorf("sign with the key: %w", err)
		}
		g, why, err := googleGet(ctx, m, m.Site("google-sa", "https://oauth2.googleapis.com"),
			url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}})
		var status *call.StatusError
		switch {
		case err == nil:
			return g, Alive, nil
		case !errors.As(err, &status) || status.Status != http.StatusBadRequest || why.Error != "invalid_grant":
			return g, CouldNotTell, err
		case strings.HasPrefix(why.Description, "Invalid JWT Signature"), strings.Contains(why.Description, "account not found"):
			return g, Dead, err
		}
		if wrong := g.now.Sub(now); try == 1 && wrong.Abs() > cloudSkew {
			m.Log.Warn("the clock of this machine is wrong", "by", wrong.Abs())
			now = g.now
			continue
		}
		return g, CouldNotTell, err
	}
}

func googlesaAsk(ctx context.Context, m *Machine, t Token) (Identity, error) {
	_, a, err := googlesaGet(ctx, m, t)
	if a == CouldNotTell {
		return cloudTell(ctx, err)
	}
	return Identity{Answer: a}, ctx.Err()
}

func googlesaIdentify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	id, err := googlesaAsk(ctx, m, t)
	if err == nil && id.Answer == Alive {
		id.Owner = t.Facts["email"]
		id.Scopes = []string{googlesaScope}
		id.Reach = []string{"everything that IAM grants " + id.Owner}
		if p := t.Facts["project"]; p != "" {
			id.Reach = append(id.Reach, "project "+p)
		}
	}
	return id, err
}

// googlesaInstall puts the new key into the files; all else in them stays.
func googlesaInstall(ctx context.Context, m *Machine, old, new Token) error {
	if new.ID == "" || new.Value.Empty() {
		return errors.New("put the new key in place: there is none")
	}
	for _, p := range old.Places {
		if err := ctx.Err(); err != nil {
			return err
		}
		var at []string
		if p.Key != "private_key" {
			at = []string{"source_credentials"}
		}
		err := googleReplace(m, p.Path, at, map[string]string{"private_key": new.Value.Reveal(), "private_key_id": new.ID}, func(held string) (isOld, isNew bool) {
			v := secret.Of(held)
			return v.Equal(old.Value), v.Equal(new.Value)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// googlesaForget removes the files.
func googlesaForget(ctx context.Context, m *Machine, old Token) error {
	for _, p := range old.Places {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := cloudErase(m, p.Path, func(data []byte) bool { return googleHolds(data, old.Value) }); err != nil {
			return err
		}
	}
	return nil
}

// googlesaPages is the console.
func googlesaPages(t Token) []Page {
	email := t.Facts["email"]
	keys := "https://console.cloud.google.com/iam-admin/serviceaccounts/details/" + url.PathEscape(email) + "/keys"
	if p := t.Facts["project"]; p != "" {
		keys += "?project=" + url.QueryEscape(p)
	}
	return []Page{
		{URL: keys, Title: "Google Cloud: keys of the service account", Steps: []string{
			"Delete key " + t.ID,
			"To end the access tokens that were got with it, which live up to an hour, disable the service account itself until then",
		}},
		{URL: keys, Title: "Google Cloud: new key", Steps: []string{
			"Add key, Create new key, JSON; put the file in place of the old one",
			"Or paste it here in one line: jq -c . the-new-file.json",
			"Better than any key: impersonation (gcloud auth application-default login --impersonate-service-account=" + email + "), which keeps none on disk",
		}},
	}
}
