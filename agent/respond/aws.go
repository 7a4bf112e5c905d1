package respond

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// awsKind is what is known of access keys of AWS: the long-lived ones of IAM
// users in the profiles of ~/.aws/credentials, and those of sessions, which
// cannot be revoked one by one and die by themselves.
//
// Its calls: docs.aws.amazon.com/IAM/latest/APIReference and
// docs.aws.amazon.com/STS/latest/APIReference.
func awsKind() Kind {
	return Kind{
		ID: "aws", Title: "AWS access key", Stores: []string{"aws"},
		Find: awsFind, Identify: awsIdentify, Create: awsCreate, Lost: awsLost, Install: awsInstall, Forget: awsForget,
		Revoke: awsRevoke, IsDead: awsIsDead, Pages: awsPages,
		Fits: func(pasted string) bool { _, _, ok := awsPasted(pasted); return ok },
		Pasted: func(old Token, pasted secret.Value) Token {
			new := old
			new.Also = nil
			new.ID, new.Value, _ = awsPasted(pasted.Reveal())
			return new
		},
		DiesWithin: 5 * time.Minute,
		Notice: []string{
			"The old key is made inactive, which can be undone, and deleted once AWS refuses it; where there is no new key, or AWS does not let it be deleted, it stays inactive.",
			"Sessions that were made with the key live on until they run out, up to 36 hours; only a policy ends them (see the page).",
			"Whatever else uses the same key, such as CI or another machine, needs the new one, too.",
		},
	}
}

func awsIsDead(ctx context.Context, m *Machine, old Token) (Answer, error) {
	a, _, _, err := awsAsk(ctx, m, old)
	return a, err
}

// awsGroup is one key in a file of profiles, with what belongs to it.
type awsGroup struct {
	section           string
	id, key, session  *edit.Entry
	region, ends, who string
}

// awsGroups returns the keys in a file. A section may hold two by mistake; the
// program takes the last one, a thief both.
func awsGroups(data []byte) []awsGroup {
	var all []awsGroup
	for _, e := range edit.INI(data) {
		if len(e.Path) != 2 {
			continue
		}
		var g *awsGroup
		if n := len(all); n > 0 && all[n-1].section == e.Path[0] {
			g = &all[n-1]
		}
		name := strings.ToLower(e.Path[1])
		if g == nil || name == "aws_access_key_id" && g.id != nil || name == "aws_secret_access_key" && g.key != nil {
			all = append(all, awsGroup{section: e.Path[0]})
			g = &all[len(all)-1]
		}
		switch name {
		case "aws_access_key_id":
			g.id = &e
		case "aws_secret_access_key":
			g.key = &e
		case "aws_session_token":
			g.session = &e
		case "region":
			g.region = e.Value
		case "expiration", "aws_expiration", "x_security_token_expires":
			g.ends = e.Value
		case "assumed_role_arn", "x_principal_arn":
			g.who = e.Value
		}
	}
	return slices.DeleteFunc(all, func(g awsGroup) bool {
		return g.id == nil || g.key == nil || !awsKeyID.MatchString(g.id.Value) || g.key.Value == ""
	})
}

// holds reports whether g is the key of t.
func (g awsGroup) holds(t Token) bool {
	return g.id.Value == t.ID && secret.Of(g.key.Value).Equal(t.Value)
}

// awsProfile returns the name of a section's profile: in ~/.aws/config those
// but the default one have a word in front.
func awsProfile(section string) string {
	return strings.TrimSpace(strings.TrimPrefix(section, "profile "))
}

// awsTemporary reports whether t is the key of a session.
func awsTemporary(t Token) bool {
	return strings.HasPrefix(t.ID, "ASIA") || !t.Also["aws_session_token"].Empty()
}

// awsRoles is where the CLI keeps the sessions that it has taken, one a file.
const awsRoles = "~/.aws/cli/cache/*.json"

// awsFind reads the profiles and the CLI's cache of sessions. ~/.aws/config
// holds settings, and keys only by way of exception.
func awsFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	files := []string{"~/.aws/credentials", "~/.aws/config"}
	for _, name := range []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		if f := m.Getenv(name); f != "" {
			files = append(files, m.tilde(f))
		}
	}
	var all []Token
	err := cloudRead(ctx, m, cloudFiles(m, paths, files), func(file string, data []byte) error {
		for _, g := range awsGroups(data) {
			profile := awsProfile(g.section)
			t := Token{Kind: "aws", Name: "aws:" + profile, Site: awsSite(g.region), ID: g.id.Value, Owner: g.who,
				Facts: cloudFacts("profile", profile, "region", g.region), Value: secret.Of(g.key.Value)}
			if g.session != nil && g.session.Value != "" {
				t.Also = Secrets{"aws_session_token": secret.Of(g.session.Value)}
			}
			awsEnds(&t, g.ends)
			awsShow(m, &t)
			all = cloudAdd(all, t, Place{Path: file, Key: "[" + g.section + "]"})
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	cached := cloudRead(ctx, m, cloudFiles(m, paths, nil, awsRoles), func(file string, data []byte) error {
		s, err := awsSession(data)
		if err != nil || !awsKeyID.MatchString(s.Credentials.AccessKeyId) {
			return err
		}
		if end := cloudTime(s.Credentials.Expiration); !end.IsZero() && end.Before(m.Now()) {
			return nil // nobody can use it any more
		}
		name := strings.TrimSuffix(path.Base(file), ".json")
		t := Token{Kind: "aws", Name: "aws:session-" + name[:min(len(name), 8)], Site: awsSite(""), ID: s.Credentials.AccessKeyId, Owner: s.AssumedRoleUser.Arn,
			Facts: Facts{}, Value: secret.Of(s.Credentials.SecretAccessKey), Also: Secrets{"aws_session_token": secret.Of(s.Credentials.SessionToken)}}
		awsEnds(&t, s.Credentials.Expiration)
		awsShow(m, &t)
		all = cloudAdd(all, t, Place{Path: file, Key: "Credentials"})
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return all, errors.Join(err, cached)
}

// awsSite is the address of STS for a region, which is what a person is shown.
func awsSite(region string) string {
	p, ok := awsPartitionOf(region)
	if !ok {
		return ""
	}
	return p.sts
}

// awsShow makes t's site the one that is really asked about it, so that a person
// sees it: anything that runs as the user can set an address of its own, whose
// word that a key is dead is worth nothing.
func awsShow(m *Machine, t *Token) {
	_, settings := awsSettings(m, *t)
	for _, service := range []string{"iam", "sts"} {
		if own := awsOwn(m, settings, service); own != "" {
			t.Site = strings.TrimRight(own, "/")
			if !awsSafe(own) {
				t.Site = ""
			}
			return
		}
	}
}

// awsEnds notes on the key of a session when it ends.
func awsEnds(t *Token, ends string) {
	if !awsTemporary(*t) {
		return
	}
	t.Facts["temporary"] = "yes"
	t.Note = "It is a session's and cannot be revoked alone; it dies by itself."
	if end := cloudTime(ends); !end.IsZero() {
		t.Facts["expires"] = end.Format(time.RFC3339)
		t.Note = "It is a session's and cannot be revoked alone; it dies by itself at " + end.Format("15:04 on 2 January 2006") + " UTC."
	}
}

// awsCached is a file of the CLI's cache of sessions.
type awsCached struct {
	ProviderType    string // "sso" for those that came by IAM Identity Center
	Credentials     struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	AssumedRoleUser struct{ Arn string }
}

func awsSession(data []byte) (s awsCached, err error) {
	err = cloudJSON(data, &s)
	return s, err
}

// awsIdentify says whose key it is and, as far as IAM allows it, what it may do.
func awsIdentify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	a, who, why, err := awsAsk(ctx, m, t)
	id := Identity{Answer: a, Owner: who.ARN, Note: why, Expires: cloudTime(t.Facts["expires"])}
	if err != nil || a != Alive {
		return id, err
	}
	switch user := who.user(); {
	case strings.HasSuffix(who.ARN, ":root"):
		id.Reach = []string{"everything in AWS account " + who.Account + ": it is the root user's"}
	case user != "" && !awsTemporary(t):
		id.Reach = []string{"AWS account " + who.Account + " as user " + user}
		if id.Scopes, err = awsPolicies(ctx, m, t, user); err != nil {
			return Identity{}, err
		}
		for _, p := range id.Scopes {
			switch {
			case p == "AdministratorAccess":
				id.Reach = append(id.Reach, "everything in AWS account "+who.Account)
			case strings.HasPrefix(p, "AWSCompromisedKeyQuarantine"):
				id.Note = "AWS itself has found this key somewhere and put the user in quarantine."
			}
		}
	default:
		id.Reach = []string{"AWS account " + who.Account + " as " + who.ARN[strings.LastIndexByte(who.ARN, ':')+1:]}
	}
	return id, nil
}

// awsPolicies returns the names of the policies and groups of a user, a page of
// each. What IAM does not tell is left out; an error comes only if ctx ended.
func awsPolicies(ctx context.Context, m *Machine, t Token, user string) ([]string, error) {
	var answer struct {
		Attached []string `xml:"ListAttachedUserPoliciesResult>AttachedPolicies>member>PolicyName"`
		Inline   []string `xml:"ListUserPoliciesResult>PolicyNames>member"`
		Groups   []string `xml:"ListGroupsForUserResult>Groups>member>GroupName"`
	}
	for _, action := range []string{"ListAttachedUserPolicies", "ListUserPolicies", "ListGroupsForUser"} {
		_, err := awsDo(ctx, m, t, awsCall{service: "iam", action: action, into: &answer, with: url.Values{"UserName": {user}, "MaxItems": {"20"}}})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			m.Log.Debug("IAM does not tell what a user may do", "action", action, "err", err)
			break // the others would not, either
		}
	}
	names := slices.Concat(answer.Attached, answer.Inline)
	for _, g := range answer.Groups {
		names = append(names, "group "+g)
	}
	return names, nil
}

// awsInstall puts the new key where the old one stands, in every profile that
// has it.
func awsInstall(ctx context.Context, m *Machine, old, new Token) error {
	if new.Value.Empty() || new.ID == "" || awsTemporary(old) {
		return fmt.Errorf("%w: there is no new key to put in place", ErrNotPossible)
	}
	return awsEach(ctx, m, old, func(file string, data []byte, keys []string) (changes []edit.Change, err error) {
		for _, g := range awsGroups(data) {
			at := slices.Index(keys, "["+g.section+"]")
			switch {
			case g.holds(old):
				for e, value := range map[*edit.Entry]string{g.id: new.ID, g.key: new.Value.Reveal()} {
					c, err := e.Replace(data, value)
					if err != nil {
						return nil, err
					}
					changes = append(changes, c)
				}
			case !g.holds(new):
				continue
			}
			if at >= 0 {
				keys = slices.Delete(keys, at, at+1)
			}
		}
		if len(keys) > 0 {
			return nil, fmt.Errorf("%w: profile %s of %s holds another key", edit.ErrChanged, keys[0], file)
		}
		return changes, nil
	})
}

// awsForget removes the key from all profiles that have it. Sections stay:
// they may hold other settings.
func awsForget(ctx context.Context, m *Machine, old Token) error {
	for _, p := range old.Places {
		if p.Key != "Credentials" {
			continue
		}
		err := cloudErase(m, p.Path, func(data []byte) bool {
			s, err := awsSession(data)
			return err == nil && secret.Of(s.Credentials.SecretAccessKey).Equal(old.Value)
		})
		if err != nil {
			return err
		}
	}
	return awsEach(ctx, m, old, func(_ string, data []byte, _ []string) ([]edit.Change, error) {
		var gone []edit.Entry
		for _, g := range awsGroups(data) {
			if !g.holds(old) {
				continue
			}
			gone = append(gone, *g.id, *g.key)
			if g.session != nil {
				gone = append(gone, *g.session)
			}
		}
		return edit.RemoveAll(data, gone), nil
	})
}

// awsEach changes each file of profiles in which t stands, once; keys are the
// places in it.
func awsEach(ctx context.Context, m *Machine, t Token, change func(file string, data []byte, keys []string) ([]edit.Change, error)) error {
	keys := map[string][]string{}
	for _, p := range t.Places {
		if p.Key != "Credentials" {
			keys[p.Path] = append(keys[p.Path], p.Key)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(keys)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := edit.Apply(m.Abs(file), func(data []byte) ([]edit.Change, error) {
			return change(file, data, slices.Clone(keys[file]))
		})
		if errors.Is(err, fs.ErrNotExist) {
			_, err = change(file, nil, keys[file])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// awsPages is the console. Its address has no place for the user's name.
func awsPages(t Token) []Page {
	p, _ := awsPartitionOf(t.Facts["region"])
	credentials, users := p.console+"/iam/home#/security_credentials", p.console+"/iam/home#/users"
	sessions := Page{URL: users, Title: "AWS: end the sessions made with the key", Steps: []string{
		"Open the user, or each role that it could take (under Roles: Revoke sessions does it)",
		`Add an inline policy with "Effect": "Deny", "Action": "*", "Resource": "*" and "Condition": {"DateLessThan": {"aws:TokenIssueTime": "<now, as 2006-01-02T15:04:05Z>"}}, which is what AWSRevokeOlderSessions is`,
	}}
	if awsTemporary(t) {
		return []Page{sessions}
	}
	return []Page{
		{URL: credentials, Title: "AWS: your access keys", Steps: []string{
			"Sign in as the user whose key it is",
			"Find " + t.ID + " under Access keys; Actions, Deactivate; then Actions, Delete",
		}},
		{URL: credentials, Title: "AWS: new access key", Steps: []string{
			"Under Access keys: Create access key",
			"Paste the access key and the secret access key here in one line, with a space between them",
			"Better than any key: aws configure sso, or aws login, which keep none for long",
		}},
		sessions,
	}
}
