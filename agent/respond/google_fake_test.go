package respond

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// googleFake is Google's token endpoint and the part of IAM that keeps the keys
// of service accounts, as their documents have them. It checks what is signed.
type googleFake struct {
	cloudFake[*googleFakeKey] // an action is a right: "keys.create"

	logins map[string]*googleFakeLogin // by refresh token
	access map[string]string           // tokens, whose they are
	say    string                      // status of the next refusal by IAM, such as FAILED_PRECONDITION
	rapt   bool                        // it wants people to log in again now and then
	minted int                         // how many keys were made
}

type googleFakeLogin struct {
	client, secret, email string
	scopes                string
	revoked               bool
}

type googleFakeKey struct {
	email    string
	public   *rsa.PublicKey
	disabled bool
	created  time.Time
	unknown  int // how many assertions it takes until it is known
	known    int // how many are taken after it is dead
}

func (k *googleFakeKey) state() string {
	if k.disabled {
		return "disabled"
	}
	return "enabled"
}

func (k *googleFakeKey) made() time.Time { return k.created }

func newGoogleFake(now func() time.Time, mint func(string, int) string) *googleFake {
	return &googleFake{cloudFake: newCloudFake[*googleFakeKey](now, mint), logins: map[string]*googleFakeLogin{}, access: map[string]string{}}
}

// googleFakeRSA are RSA keys: making one takes a while.
var googleFakeRSA = sync.OnceValue(func() (keys []*rsa.PrivateKey) {
	for range 6 {
		k, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			panic(err) // a test's
		}
		keys = append(keys, k)
	}
	return keys
})

const googleFakeEmail = "ci@proj-1.iam.gserviceaccount.com"

// add makes a key that there was all along, and its file.
func (f *googleFake) add() (id, file string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.make(f.now().Add(-400 * 24 * time.Hour))
}

func (f *googleFake) make(created time.Time) (id, file string) {
	private := googleFakeRSA()[f.minted%6]
	f.minted++
	id = fmt.Sprintf("%040x", sha256.Sum256([]byte(f.mint("", 30))))[:40]
	f.keys[id] = &googleFakeKey{email: googleFakeEmail, public: &private.PublicKey, created: created}
	der, _ := x509.MarshalPKCS8PrivateKey(private)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	data, _ := json.MarshalIndent(map[string]string{"type": "service_account", "project_id": "proj-1", "private_key_id": id, "private_key": text,
		"client_email": googleFakeEmail, "client_id": "1234567890", "token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com"}, "", "  ")
	return id, string(data) + "\n"
}

// googleCanary is a part of a key file that must not be shown.
func googleCanary(file string) string {
	_, key, _ := strings.Cut(file, "BEGIN PRIVATE KEY-----\\n")
	return key[100:130] // within a line of it
}

func (f *googleFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	switch {
	case r.Method == "POST" && r.URL.Path == "/token" && form.Get("grant_type") == "refresh_token":
		f.said = append(f.said, "refresh")
		f.refresh(w, form)
	case r.Method == "POST" && r.URL.Path == "/token":
		f.said = append(f.said, "assertion")
		f.assertion(w, form)
	case r.Method == "POST" && r.URL.Path == "/revoke":
		f.said = append(f.said, "revoke")
		f.revoke(w, form)
	default:
		f.iam(w, r)
	}
}

func googleSay(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func googleNo(w http.ResponseWriter, status int, code, description string) {
	googleSay(w, status, map[string]string{"error": code, "error_description": description})
}

func (f *googleFake) refresh(w http.ResponseWriter, form url.Values) {
	l := f.logins[form.Get("refresh_token")]
	switch {
	case l != nil && (form.Get("client_id") != l.client || form.Get("client_secret") != l.secret):
		googleNo(w, 401, "invalid_client", "Unauthorized")
	case l == nil || l.revoked:
		googleNo(w, 400, "invalid_grant", "Token has been expired or revoked.")
	case f.rapt:
		googleSay(w, 400, map[string]string{"error": "invalid_grant", "error_description": "reauth related error (invalid_rapt)", "error_subtype": "invalid_rapt"})
	default:
		token := f.mint("ya29.", 80)
		f.access[token] = l.email
		id := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"email":"`+l.email+`"}`)) + ".c2ln"
		googleSay(w, 200, map[string]any{"access_token": token, "expires_in": 3599, "scope": l.scopes, "token_type": "Bearer", "id_token": id})
	}
}

func (f *googleFake) revoke(w http.ResponseWriter, form url.Values) {
	l := f.logins[form.Get("token")]
	if l == nil || l.revoked {
		googleNo(w, 400, "invalid_token", "Token expired or revoked")
		return
	}
	for _, o := range f.logins { // the grant goes, with all that came of it
		o.revoked = o.revoked || o.client == l.client && o.email == l.email
	}
	googleSay(w, 200, struct{}{})
}

func (f *googleFake) assertion(w http.ResponseWriter, form url.Values) {
	var header struct{ Alg, Typ, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	parts := strings.Split(form.Get("assertion"), ".")
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 {
		googleNo(w, 400, "unsupported_grant_type", "Invalid grant_type")
		return
	}
	h, _ := base64.RawURLEncoding.DecodeString(parts[0])
	c, _ := base64.RawURLEncoding.DecodeString(parts[1])
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if json.Unmarshal(h, &header) != nil || json.Unmarshal(c, &claims) != nil || header.Alg != "RS256" || claims.Aud != "https://oauth2.googleapis.com/token" || claims.Scope == "" {
		googleNo(w, 400, "invalid_request", "Bad Request")
		return
	}
	now := f.now().Unix()
	if claims.Iat > now+300 || claims.Exp < now-300 || claims.Exp-claims.Iat > 3600 {
		googleNo(w, 400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
		return
	}
	if !slices.ContainsFunc(f.ids2(), func(k *googleFakeKey) bool { return k.email == claims.Iss }) {
		googleNo(w, 400, "invalid_grant", "Invalid grant: account not found")
		return
	}
	k := f.keys[header.Kid]
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	bad := k == nil || k.email != claims.Iss || rsa.VerifyPKCS1v15(k.public, crypto.SHA256, sum[:], signature) != nil
	if !bad && k.unknown > 0 {
		k.unknown--
		bad = true
	}
	if !bad && k.disabled {
		k.known--
		bad = k.known < 0
	}
	if bad {
		googleNo(w, 400, "invalid_grant", "Invalid JWT Signature.")
		return
	}
	token := f.mint("ya29.", 80)
	f.access[token] = claims.Iss
	googleSay(w, 200, map[string]any{"access_token": token, "expires_in": 3599, "token_type": "Bearer"})
}

// ids2 returns the keys, and one more so that the account is there without any.
func (f *googleFake) ids2() []*googleFakeKey {
	all := []*googleFakeKey{{email: googleFakeEmail}}
	for _, k := range f.keys {
		all = append(all, k)
	}
	return all
}

func (f *googleFake) iam(w http.ResponseWriter, r *http.Request) {
	no := func(status int, code string) {
		googleSay(w, status, map[string]any{"error": map[string]any{"code": status, "message": "you sent " + r.Header.Get("Authorization"), "status": code}})
	}
	email := f.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/v1/projects/-/serviceAccounts/"+url.PathEscape(googleFakeEmail)+"/keys")
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, "/"), ":")
	right := map[string]string{"GET": "keys.list", "POST": "keys.create", "DELETE": "keys.delete"}[r.Method]
	if verb != "" {
		right = "keys." + verb
	}
	f.said = append(f.said, right)
	k := f.keys[id]
	switch {
	case email == "":
		no(401, "UNAUTHENTICATED")
	case !ok || right == "":
		no(404, "NOT_FOUND")
	case f.say != "":
		no(map[string]int{"FAILED_PRECONDITION": 400, "RESOURCE_EXHAUSTED": 429}[f.say], f.say)
	case email != googleFakeEmail || slices.Contains(f.deny, right):
		no(403, "PERMISSION_DENIED")
	case right == "keys.list":
		googleSay(w, 200, map[string]any{"keys": f.list()})
	case right == "keys.create":
		id, file := f.make(f.now())
		f.keys[id].unknown = 3
		f.mintCanary(file)
		if f.fails {
			no(500, "INTERNAL")
			return
		}
		googleSay(w, 200, map[string]any{"name": "projects/proj-1/serviceAccounts/" + googleFakeEmail + "/keys/" + id, "validAfterTime": f.now().UTC().Format(time.RFC3339),
			"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE", "privateKeyData": base64.StdEncoding.EncodeToString([]byte(file))})
	case k == nil:
		no(404, "NOT_FOUND")
	case right == "keys.disable":
		if !k.disabled {
			k.disabled, k.known = true, 2
		}
		googleSay(w, 200, struct{}{})
	case right == "keys.delete":
		delete(f.keys, id)
		googleSay(w, 200, struct{}{})
	default:
		no(404, "NOT_FOUND")
	}
}

// mintCanary says that a part of a key file is secret.
func (f *googleFake) mintCanary(file string) { f.mint("\x00"+googleCanary(file), 0) }

func (f *googleFake) list() (rows []map[string]string) {
	for _, id := range f.listing(func(*googleFakeKey) bool { return true }) {
		rows = append(rows, map[string]string{"name": "projects/proj-1/serviceAccounts/" + googleFakeEmail + "/keys/" + id, "validAfterTime": f.keys[id].created.UTC().Format(time.RFC3339), "keyType": "USER_MANAGED"})
	}
	return rows
}

// googleMint makes what a fake mints canaries of b.
func googleMint(b *faultBench) func(prefix string, n int) string {
	return func(prefix string, n int) string {
		if part, ok := strings.CutPrefix(prefix, "\x00"); ok {
			return b.Canary(part)
		}
		return b.Token(prefix, n)
	}
}

// googleMachine is a machine with a fake.
func googleMachine(t *testing.T) (*Machine, *googleFake) {
	t.Helper()
	m := testMachine(t)
	f := newGoogleFake(m.Now, func(prefix string, n int) string { return prefix + testRandom(n) })
	googleServe(t, m, f)
	return m, f
}
