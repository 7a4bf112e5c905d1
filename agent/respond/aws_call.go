package respond

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// The two services of AWS that say who a key belongs to (STS) and manage it
// (IAM) take forms and answer in XML (the "Query API"). Signing is the SDK's;
// its clients for these services would cost megabytes for a handful of calls.

// awsVersions are the versions of the services' APIs, which never change.
var awsVersions = map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}

// awsPartition is a part of AWS with accounts of its own. A key of one is
// unknown in the others.
type awsPartition struct {
	prefix  string // of the names of its regions
	name    string // for a person
	suffix  string // of host names
	region  string // for which requests are signed
	sts     string
	iam     string
	console string
}

// awsPartitions are those whose addresses are known, the public one first. The
// names are from the endpoint tables of AWS's SDKs.
var awsPartitions = []awsPartition{
	{"", "AWS", "amazonaws.com", "us-east-1", "https://sts.amazonaws.com", "https://iam.amazonaws.com", "https://console.aws.amazon.com"},
	{"cn-", "AWS China", "amazonaws.com.cn", "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn", "https://iam.cn-north-1.amazonaws.com.cn", "https://console.amazonaws.cn"},
	{"us-gov-", "AWS GovCloud", "amazonaws.com", "us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com", "https://iam.us-gov.amazonaws.com", "https://console.amazonaws-us-gov.com"},
	{"eusc-", "AWS European Sovereign Cloud", "amazonaws.eu", "eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu", "https://iam.eusc-de-east-1.amazonaws.eu", "https://console.amazonaws-eusc.eu"},
}

// awsRegionName is what the name of a region looks like. It becomes part of a
// host name and comes from a file.
var awsRegionName = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+){1,2}-[0-9]{1,2}$`)

// awsPartitionOf returns the partition of a region; ok is false if its
// addresses are not known.
func awsPartitionOf(region string) (p awsPartition, ok bool) {
	for _, p := range awsPartitions[1:] {
		if strings.HasPrefix(region, p.prefix) {
			return p, true
		}
	}
	return awsPartitions[0], !strings.Contains(region, "-iso") && (region == "" || awsRegionName.MatchString(region))
}

// awsEndpoint is where a service is asked.
type awsEndpoint struct {
	base, region string
	guess        bool // nothing says that the key is the public partition's
}

// awsPlace says where service is asked about t: by m, the environment, the
// profile's settings, or the partition of the profile's region.
func awsPlace(m *Machine, t Token, service string) (awsEndpoint, error) {
	region, settings := awsSettings(m, t)
	p, known := awsPartitionOf(region)
	e := awsEndpoint{region: p.region}
	if base := cmp.Or(m.Site("aws", ""), awsOwn(m, settings, service)); base != "" {
		if !awsSafe(base) {
			return e, fmt.Errorf("%w: the address that is set for AWS is not https", ErrNotPossible)
		}
		e.base = strings.TrimRight(base, "/")
		return e, nil
	}
	if !known {
		return e, fmt.Errorf("%w: the addresses of region %q are not known", ErrNotPossible, region)
	}
	e.base, e.guess = p.sts, region == "" && t.Facts["created"] == "" // what was made there is known there
	if service == "iam" {
		e.base = p.iam
	}
	return e, nil
}

// awsOwn returns the address that the environment or the profile's settings
// name for a service, "" for AWS's own.
func awsOwn(m *Machine, settings map[string]string, service string) string {
	return cmp.Or(m.Getenv("AWS_ENDPOINT_URL_"+strings.ToUpper(service)), m.Getenv("AWS_ENDPOINT_URL"), settings["endpoint_url"])
}

// awsSafe reports whether keys may be made at base: nobody listens on the way.
func awsSafe(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// awsSettings returns the region of t's profile, "" if none is set, and the
// other settings of the profile. They hold no secrets.
func awsSettings(m *Machine, t Token) (region string, settings map[string]string) {
	settings = map[string]string{}
	file := "~/.aws/config"
	if f := m.Getenv("AWS_CONFIG_FILE"); f != "" {
		file = m.tilde(f)
	}
	if data, err := edit.Read(m.Abs(file)); err == nil { // without it the defaults hold
		for _, e := range edit.INI(data) {
			if name := t.Facts["profile"]; len(e.Path) == 2 && name != "" &&
				(awsProfile(e.Path[0]) == name && (strings.HasPrefix(e.Path[0], "profile ") || name == "default")) {
				settings[strings.ToLower(e.Path[1])] = e.Value
			}
		}
	}
	for _, region := range []string{t.Facts["region"], settings["region"], m.Getenv("AWS_REGION"), m.Getenv("AWS_DEFAULT_REGION")} {
		if region != "" {
			return region, settings
		}
	}
	return "", settings
}

// awsCall is a call of the Query API.
type awsCall struct {
	service string // "iam" or "sts"
	action  string
	with    url.Values // parameters
	once    bool       // it must not be repeated
	into    any        // where the answer goes, a struct for encoding/xml; nil: nowhere
	at      *awsEndpoint
}

// awsDo makes a call that is signed by t and returns the service's time. Error
// codes are in *call.StatusError. What is refused for the clock of this machine
// or for being too often is asked again, for a refusal had no effect.
func awsDo(ctx context.Context, m *Machine, t Token, c awsCall) (time.Time, error) {
	what := "ask AWS for " + c.action
	if c.at == nil {
		e, err := awsPlace(m, t, c.service)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", what, err)
		}
		c.at = &e
	}
	form := url.Values{"Action": {c.action}, "Version": {awsVersions[c.service]}}
	for k, v := range c.with {
		form[k] = v
	}
	header, body := call.Form(form)
	header.Set("Accept", "text/xml")
	var skew time.Duration
	for try := 1; ; try++ {
		res, err := m.Call.Do(ctx, call.Request{
			Method: "POST", URL: c.at.base + "/", What: what, Header: header, Body: body, Repeatable: !c.once,
			Sign: func(q *http.Request, body []byte) error { return awsSign(q, body, t, c, m.Now().Add(skew)) },
		})
		if err != nil {
			return time.Time{}, err
		}
		now, err := http.ParseTime(res.Header.Get("Date"))
		if err != nil {
			now = m.Now()
		}
		if res.Status == http.StatusOK {
			if err := awsDecode(res.Body, c.action, c.into); err != nil {
				return now, c.touched(what, fmt.Errorf("%s: %w", what, err))
			}
			return now, nil
		}
		code := awsCode(res.Body)
		wrong := now.Sub(m.Now())
		switch {
		case try == 1 && wrong.Abs() > cloudSkew && slices.Contains([]string{"SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"}, code):
			m.Log.Warn("the clock of this machine is wrong", "by", wrong.Abs())
			skew = wrong
			continue
		case try <= 3 && slices.Contains([]string{"Throttling", "ThrottlingException", "RequestLimitExceeded"}, code):
			if err := m.Call.Sleep(ctx, time.Duration(try)*2*time.Second); err != nil {
				return now, err
			}
			continue
		}
		return now, c.touched(what, res.Refused(what, code))
	}
}

func (c awsCall) touched(what string, err error) error {
	if c.once {
		return cloudTouched(what, err)
	}
	return err
}

func awsSign(q *http.Request, body []byte, t Token, c awsCall, now time.Time) error {
	sum := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(q.Context(), aws.Credentials{
		AccessKeyID: t.ID, SecretAccessKey: t.Value.Reveal(), SessionToken: t.Also["aws_session_token"].Reveal(),
	}, q, hex.EncodeToString(sum[:]), c.service, c.at.region, now)
}

// awsDecode reads an answer, whose root is named after the action.
func awsDecode(body []byte, action string, into any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: no XML", call.ErrGarbled)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != action+"Response" {
			return fmt.Errorf("%w: XML of another shape", call.ErrGarbled)
		}
		if into == nil {
			into = new(struct{})
		}
		if d.DecodeElement(into, &start) != nil {
			return fmt.Errorf("%w: XML of another shape", call.ErrGarbled)
		}
		return nil
	}
}

// awsCode returns the code in a refusal, "" if it is none of AWS's.
func awsCode(body []byte) string {
	var refusal struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
	}
	if xml.Unmarshal(body, &refusal) != nil {
		return ""
	}
	return refusal.Code
}

// awsRefused returns AWS's code in err, "" if it is no refusal of AWS's.
func awsRefused(err error) string {
	var status *call.StatusError
	if errors.As(err, &status) {
		return status.Code
	}
	return ""
}

// awsDenied reports whether err says that IAM does not allow it.
func awsDenied(err error) bool {
	code := awsRefused(err)
	return code == "AccessDenied" || code == "AccessDeniedException"
}

// awsCaller is who signed a request.
type awsCaller struct {
	ARN     string `xml:"GetCallerIdentityResult>Arn"`
	Account string `xml:"GetCallerIdentityResult>Account"`
}

// user returns the name of the IAM user, "" if it is none: the root user or a role.
func (c awsCaller) user() string {
	_, path, ok := strings.Cut(c.ARN, ":user/")
	if !ok {
		return ""
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// awsAsk asks whose key t is. An error comes only if ctx ended; why says what
// is in the way of an answer.
func awsAsk(ctx context.Context, m *Machine, t Token) (a Answer, who awsCaller, why string, err error) {
	e, err := awsPlace(m, t, "sts")
	if err == nil {
		a, who, err = awsAskAt(ctx, m, t, e)
	}
	if a != Dead || !e.guess {
		return awsTold(ctx, a, who, "", err)
	}
	// A key of another partition is unknown in the public one, too.
	for _, p := range awsPartitions[1:] {
		a, who, err := awsAskAt(ctx, m, t, awsEndpoint{base: p.sts, region: p.region})
		switch a {
		case Alive:
			return awsTold(ctx, a, who, "It is a key of "+p.name+"; set a region of it in ~/.aws/config, so that more can be done about it.", nil)
		case CouldNotTell:
			return awsTold(ctx, a, who, "AWS does not know it, but "+p.name+" could not be asked; set its region in ~/.aws/config.", err)
		}
	}
	return Dead, who, "", ctx.Err()
}

func awsTold(ctx context.Context, a Answer, who awsCaller, why string, err error) (Answer, awsCaller, string, error) {
	if ctx.Err() != nil {
		return CouldNotTell, awsCaller{}, "", ctx.Err()
	}
	if err != nil && why == "" {
		why = err.Error() + "."
	}
	return a, who, why, nil
}

// awsAskAt asks one partition. Everything that is no clear yes or no is an
// error and CouldNotTell: a wrong signature can be a proxy's doing or the
// clock's.
func awsAskAt(ctx context.Context, m *Machine, t Token, e awsEndpoint) (Answer, awsCaller, error) {
	var who awsCaller
	_, err := awsDo(ctx, m, t, awsCall{service: "sts", action: "GetCallerIdentity", into: &who, at: &e})
	var status *call.StatusError
	switch {
	case err == nil && who.ARN != "":
		return Alive, who, nil
	case err == nil:
		return CouldNotTell, who, fmt.Errorf("ask AWS whose key it is: %w: it names nobody", call.ErrGarbled)
	case errors.As(err, &status) && (status.Status == http.StatusForbidden || status.Status == http.StatusBadRequest) &&
		(status.Code == "InvalidClientTokenId" || awsTemporary(t) && (status.Code == "ExpiredToken" || status.Code == "ExpiredTokenException")):
		return Dead, who, nil
	}
	return CouldNotTell, who, err
}

// awsKeyID is what the IDs of access keys look like that AWS issues: long-lived
// ones and those of sessions. Other services that speak the same protocol have
// other ones.
var awsKeyID = regexp.MustCompile(`^A(KIA|SIA)[A-Z0-9]{12,124}$`)

// awsSecret is what the secrets of access keys look like.
var awsSecret = regexp.MustCompile(`^[A-Za-z0-9/+=]{30,128}$`)

// awsPasted takes apart an ID and a secret as the console's page or its CSV
// file have them.
func awsPasted(s string) (id string, key secret.Value, ok bool) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;:\"'", r) })
	if len(parts) != 2 || !awsKeyID.MatchString(parts[0]) || !awsSecret.MatchString(parts[1]) {
		return "", secret.Value{}, false
	}
	return parts[0], secret.Of(parts[1]), true
}
