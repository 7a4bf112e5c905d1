package respond

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// awsFake is STS, IAM, and IAM Identity Center's portal and OIDC service, as
// their API references have them. It checks signatures by making them again.
type awsFake struct {
	cloudFake[*awsFakeKey]
	throws []string // codes of the next refusals
	arn    string   // of GetCallerIdentity, instead of the user's
	hosts  []string // to which requests were addressed

	// Identity Center.
	access  map[string]bool // access tokens by whether they are alive
	refresh map[string]bool
	logouts int
}

type awsFakeKey struct {
	user, secret, session, status string
	created, used                 time.Time
	unknown                       int // how many requests it takes until it is known
	known                         int // how many requests it is still taken for after it is dead
}

func (k *awsFakeKey) state() string   { return k.status }
func (k *awsFakeKey) made() time.Time { return k.created }

func newAWSFake(now func() time.Time, mint func(string, int) string) *awsFake {
	return &awsFake{cloudFake: newCloudFake[*awsFakeKey](now, mint), access: map[string]bool{}, refresh: map[string]bool{}}
}

// awsKeyIn makes an ID and a secret of the right shape.
func awsKeyIn(mint func(string, int) string) (id, secret string) {
	return "AKIA" + strings.ToUpper(testRandom(16)), mint("", 40)
}

// add makes a key for alice that there was all along.
func (f *awsFake) add() (id, secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, secret = awsKeyIn(f.mint)
	f.keys[id] = &awsFakeKey{user: "alice", secret: secret, status: "Active", created: f.now().Add(-400 * 24 * time.Hour)}
	return id, secret
}

var awsFakeAuth = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/([0-9]{8})/([a-z0-9-]+)/([a-z]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}$`)

func (f *awsFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts = append(f.hosts, r.Host)
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	if r.URL.Path != "/" {
		f.center(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	action := form.Get("Action")
	id, code, status := f.caller(r, body, action, form.Get("Version"))
	f.said = append(f.said, action)
	w.Header().Set("Content-Type", "text/xml")
	if code == "" && len(f.throws) > 0 {
		code, status = f.throws[0], 400
		f.throws = f.throws[1:]
	}
	if code == "" && slices.Contains(f.deny, action) {
		code, status = "AccessDenied", 403
	}
	result := ""
	if code == "" {
		result, code, status = f.act(action, f.keys[id], form)
	}
	if code != "" {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>%s</Code><Message>you sent %s</Message></Error><RequestId>7a62c49f</RequestId></ErrorResponse>`, code, r.Header.Get("X-Amz-Security-Token"))
		return
	}
	if result != "" {
		result = "<" + action + "Result>" + result + "</" + action + "Result>"
	}
	fmt.Fprintf(w, `<?xml version="1.0"?><%[1]sResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">%[2]s<ResponseMetadata><RequestId>7a62c49f</RequestId></ResponseMetadata></%[1]sResponse>`, action, result)
}

// caller returns who signed, or why that is not taken.
func (f *awsFake) caller(r *http.Request, body []byte, action, version string) (id, code string, status int) {
	m := awsFakeAuth.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil || r.Method != "POST" {
		return "", "MissingAuthenticationToken", 403
	}
	id, region, service := m[1], m[3], m[4]
	want := "iam"
	if action == "GetCallerIdentity" {
		want = "sts"
	}
	if service != want || version != map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}[service] {
		return id, "InvalidAction", 400
	}
	if host := map[string]string{"cn-north-1": ".com.cn", "us-gov-west-1": "gov", "eusc-de-east-1": ".eu"}[region]; !strings.Contains(r.Host, host) {
		return id, "SignatureDoesNotMatch", 403
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if wrong := f.now().Sub(at); err != nil || wrong.Abs() > 5*time.Minute || at.Format("20060102") != m[2] {
		return id, "SignatureDoesNotMatch", 403
	}
	k := f.keys[id]
	switch {
	case k == nil:
		return id, "InvalidClientTokenId", 403
	case k.unknown > 0:
		k.unknown--
		return id, "InvalidClientTokenId", 403
	case k.status == "Inactive" && k.known > 0:
		k.known--
	case k.status == "Inactive":
		return id, "InvalidClientTokenId", 403
	case k.status == "Expired":
		return id, "ExpiredToken", 403
	}
	again, _ := http.NewRequest(r.Method, "http://"+r.Host+"/", bytes.NewReader(body))
	for _, h := range strings.Split(m[5], ";") {
		if v, ok := r.Header[http.CanonicalHeaderKey(h)]; ok && h != "x-amz-date" {
			again.Header[http.CanonicalHeaderKey(h)] = v
		}
	}
	if !slices.Contains(strings.Split(m[5], ";"), "content-length") {
		again.ContentLength = 0 // the CLI does not sign it
	}
	if r.Header.Get("X-Amz-Security-Token") != k.session {
		return id, "InvalidClientTokenId", 403
	}
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: id, SecretAccessKey: k.secret, SessionToken: k.session}, again, hex.EncodeToString(sum[:]), service, region, at)
	if err != nil || again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		return id, "SignatureDoesNotMatch", 403
	}
	k.used = f.now()
	return id, "", 0
}

// act does what was asked, by the key by.
func (f *awsFake) act(action string, by *awsFakeKey, form url.Values) (result, code string, status int) {
	id := form.Get("AccessKeyId")
	k := f.keys[id]
	if k != nil && (k.user != by.user || k.session != "") {
		k = nil
	}
	switch action {
	case "UpdateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed":
		if k == nil {
			return "", "NoSuchEntity", 404
		}
	}
	switch action {
	case "GetCallerIdentity":
		arn := f.arn
		if arn == "" {
			arn = "arn:aws:iam::111122223333:user/team/" + by.user
		}
		return "<Arn>" + arn + "</Arn><UserId>AIDAEXAMPLE</UserId><Account>111122223333</Account>", "", 0
	case "ListAccessKeys":
		return f.list(by), "", 0
	case "CreateAccessKey":
		mine := 0
		for _, k := range f.keys {
			if k.user == by.user && k.session == "" {
				mine++
			}
		}
		if mine >= 2 {
			return "", "LimitExceeded", 409
		}
		id, secret := awsKeyIn(f.mint)
		f.keys[id] = &awsFakeKey{user: by.user, secret: secret, status: "Active", created: f.now(), unknown: 2}
		if f.fails {
			return "", "ServiceFailure", 500
		}
		return "<AccessKey><UserName>" + by.user + "</UserName><AccessKeyId>" + id + "</AccessKeyId><Status>Active</Status><SecretAccessKey>" + secret +
			"</SecretAccessKey><CreateDate>" + f.now().UTC().Format(time.RFC3339) + "</CreateDate></AccessKey>", "", 0
	case "UpdateAccessKey":
		if k.status != form.Get("Status") {
			k.status, k.known = form.Get("Status"), 2
		}
		return "", "", 0
	case "DeleteAccessKey":
		delete(f.keys, id)
		return "", "", 0
	case "GetAccessKeyLastUsed":
		last := "<Region>N/A</Region><ServiceName>N/A</ServiceName>"
		if !k.used.IsZero() {
			last = "<LastUsedDate>" + k.used.UTC().Format(time.RFC3339) + "</LastUsedDate><Region>us-east-1</Region><ServiceName>s3</ServiceName>"
		}
		return "<UserName>" + k.user + "</UserName><AccessKeyLastUsed>" + last + "</AccessKeyLastUsed>", "", 0
	case "ListAttachedUserPolicies":
		return "<IsTruncated>false</IsTruncated><AttachedPolicies><member><PolicyName>AdministratorAccess</PolicyName><PolicyArn>arn:aws:iam::aws:policy/AdministratorAccess</PolicyArn></member>" +
			"<member><PolicyName>AWSCompromisedKeyQuarantineV3</PolicyName></member></AttachedPolicies>", "", 0
	case "ListUserPolicies":
		return "<PolicyNames><member>own-keys</member></PolicyNames>", "", 0
	case "ListGroupsForUser":
		return "<Groups><member><GroupName>builders</GroupName></member></Groups>", "", 0
	}
	return "", "InvalidAction", 400
}

func (f *awsFake) list(by *awsFakeKey) string {
	var s strings.Builder
	for _, id := range f.listing(func(k *awsFakeKey) bool { return k.user == by.user && k.session == "" }) {
		k := f.keys[id]
		fmt.Fprintf(&s, "<member><UserName>%s</UserName><AccessKeyId>%s</AccessKeyId><Status>%s</Status><CreateDate>%s</CreateDate></member>", k.user, id, k.status, k.created.UTC().Format(time.RFC3339))
	}
	return "<UserName>" + by.user + "</UserName><AccessKeyMetadata>" + s.String() + "</AccessKeyMetadata><IsTruncated>false</IsTruncated>"
}

// center is IAM Identity Center.
func (f *awsFake) center(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	f.said = append(f.said, r.Method+" "+r.URL.Path)
	bearer := r.Header.Get("X-Amz-Sso_bearer_token")
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "message": "Session token not found or invalid: " + bearer})
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /assignment/accounts", "POST /logout":
		if !f.access[bearer] {
			refuse(401, "UnauthorizedException")
			return
		}
		if r.URL.Path == "/logout" {
			f.logouts++
			clear(f.access)
			clear(f.refresh)
			return
		}
		if n, err := strconv.Atoi(r.URL.Query().Get("max_result")); err != nil || n < 1 || n > 100 {
			refuse(400, "InvalidRequestException")
			return
		}
		_, _ = io.WriteString(w, `{"nextToken":"more","accountList":[{"accountId":"111122223333","accountName":"prod","emailAddress":"aws@example.com"},{"accountId":"444455556666","accountName":"dev","emailAddress":"aws@example.com"}]}`)
	case "POST /token":
		var in map[string]string
		if json.NewDecoder(r.Body).Decode(&in) != nil || in["grantType"] != "refresh_token" || in["clientId"] == "" || in["clientSecret"] == "" {
			refuse(400, "invalid_request")
			return
		}
		if !f.refresh[in["refreshToken"]] {
			refuse(400, "invalid_grant")
			return
		}
		delete(f.refresh, in["refreshToken"]) // it is used up
		access, refresh := f.mint("aoa", 80), f.mint("aor", 80)
		f.access[access], f.refresh[refresh] = true, true
		_ = json.NewEncoder(w).Encode(map[string]any{"accessToken": access, "refreshToken": refresh, "tokenType": "Bearer", "expiresIn": 3600})
	default:
		refuse(404, "ResourceNotFoundException")
	}
}
