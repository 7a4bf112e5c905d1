package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// awsKeysPerUser is how many access keys IAM lets a user have.
const awsKeysPerUser = 2

// awsWhyNot is the usual reason for AccessDenied.
const awsWhyNot = "IAM does not let this key do it; a policy may ask for MFA, or AWS has put the user in quarantine"

// awsKey is what IAM says of an access key.
type awsKey struct {
	User    string    `xml:"UserName"`
	ID      string    `xml:"AccessKeyId"`
	Status  string    `xml:"Status"`
	Created time.Time `xml:"CreateDate"`
}

// awsList returns the keys of the user whose key t is, and AWS's time.
func awsList(ctx context.Context, m *Machine, t Token) ([]awsKey, time.Time, error) {
	var answer struct {
		Keys []awsKey `xml:"ListAccessKeysResult>AccessKeyMetadata>member"`
	}
	now, err := awsDo(ctx, m, t, awsCall{service: "iam", action: "ListAccessKeys", into: &answer})
	if err == nil && !slices.ContainsFunc(answer.Keys, func(k awsKey) bool { return k.ID != "" }) {
		err = fmt.Errorf("ask AWS for ListAccessKeys: %w: no keys", call.ErrGarbled) // the one that signed is one
	}
	return answer.Keys, now, err
}

// awsUsed says when a key was last used, in words; known is false if IAM does
// not tell.
func awsUsed(ctx context.Context, m *Machine, t Token, id string) (words string, ever, known bool) {
	var answer struct {
		User string `xml:"GetAccessKeyLastUsedResult>UserName"`
		Last string `xml:"GetAccessKeyLastUsedResult>AccessKeyLastUsed>LastUsedDate"`
		For  string `xml:"GetAccessKeyLastUsedResult>AccessKeyLastUsed>ServiceName"`
	}
	_, err := awsDo(ctx, m, t, awsCall{service: "iam", action: "GetAccessKeyLastUsed", with: url.Values{"AccessKeyId": {id}}, into: &answer})
	at := cloudTime(answer.Last)
	switch {
	case err != nil || answer.For == "":
		return "nobody knows when it was last used", false, false
	case at.IsZero():
		return "never used", false, true
	}
	return "last used on " + at.Format(time.DateOnly) + " for " + answer.For, true, true
}

// awsDelete deletes a key; there being none is no error.
func awsDelete(ctx context.Context, m *Machine, by Token, id string) error {
	_, err := awsDo(ctx, m, by, awsCall{service: "iam", action: "DeleteAccessKey", with: url.Values{"AccessKeyId": {id}}})
	if awsRefused(err) == "NoSuchEntity" {
		return nil
	}
	return err
}

// awsCreate makes a second key for the user whose key old is. Keys have no
// names, so that which ones there are is noted before; see [awsLost].
func awsCreate(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
	if awsTemporary(old) {
		return Token{}, fmt.Errorf("%w: a session's key has no successor; take a new session", ErrNotPossible)
	}
	keys, now, err := awsList(ctx, m, old)
	if awsDenied(err) {
		return Token{}, cloudDisallowed(awsWhyNot, err)
	} else if err != nil {
		return Token{}, err
	}
	if len(keys) >= awsKeysPerUser {
		if err := awsMakeRoom(ctx, m, old, keys); err != nil {
			return Token{}, err
		}
	}
	before := cloudBefore{At: now}
	for _, k := range keys {
		before.Known = append(before.Known, k.ID)
	}
	if err := cloudWrite(m, old.Kind, label, before); err != nil {
		return Token{}, err
	}
	var answer struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	_, err = awsDo(ctx, m, old, awsCall{service: "iam", action: "CreateAccessKey", once: true, into: &answer})
	var refused *call.StatusError
	var unsent *call.NotSentError
	if errors.As(err, &refused) || errors.As(err, &unsent) {
		if forgotten := cloudArrived(m, old.Kind, label); forgotten != nil {
			return Token{}, forgotten
		}
		switch {
		case awsDenied(err):
			return Token{}, cloudDisallowed(awsWhyNot, err)
		case awsRefused(err) == "LimitExceeded":
			return Token{}, cloudDisallowed("the user has two access keys already, and AWS allows no more", err)
		}
	}
	if err != nil {
		return Token{}, err
	}
	if !awsKeyID.MatchString(answer.ID) || answer.Secret == "" {
		return Token{}, &call.LostError{What: "ask AWS for CreateAccessKey", Why: "it makes no sense"}
	}
	return Token{Kind: "aws", Name: old.Name, Site: old.Site, Owner: old.Owner, ID: answer.ID, Places: slices.Clone(old.Places), Value: secret.Of(answer.Secret),
		Facts: cloudFacts("profile", old.Facts["profile"], "region", old.Facts["region"], "created", m.Now().UTC().Format(time.RFC3339), "label", label)}, nil
}

// awsMakeRoom asks whether the other key of the user may go, and deletes it.
func awsMakeRoom(ctx context.Context, m *Machine, old Token, keys []awsKey) error {
	i := slices.IndexFunc(keys, func(k awsKey) bool { return k.ID != old.ID })
	if i < 0 {
		return nil
	}
	other := keys[i]
	used, _, _ := awsUsed(ctx, m, old, other.ID)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	where := "no profile beside it uses it"
	if profile := awsLocal(m, old)[other.ID]; profile != "" {
		where = "YOUR PROFILE " + profile + " USES IT"
	}
	yes, err := m.Person.Confirm(ctx, fmt.Sprintf("AWS allows user %s two access keys, and there are two. Delete the other one, %s (%s, %s, made on %s; %s), to make room for a new one?",
		cmp.Or(other.User, "you"), other.ID, strings.ToLower(cmp.Or(other.Status, "state unknown")), used, other.Created.Format(time.DateOnly), where))
	if err != nil {
		return fmt.Errorf("ask which of two AWS access keys may go: %w", err)
	}
	if !yes {
		return fmt.Errorf("%w: AWS allows two access keys, and both are to stay", ErrNotPossible)
	}
	if err := awsDelete(ctx, m, old, other.ID); awsDenied(err) {
		return cloudDisallowed(awsWhyNot, err)
	} else if err != nil {
		return err
	}
	return nil
}

// awsLocal returns the profiles by the ID of their key, in the files in which
// old stands.
func awsLocal(m *Machine, old Token) map[string]string {
	profiles := map[string]string{}
	for _, p := range old.Places {
		data, err := edit.Read(m.Abs(p.Path))
		if err != nil {
			continue
		}
		for _, g := range awsGroups(data) {
			profiles[g.id.Value] = awsProfile(g.section)
		}
	}
	return profiles
}

// awsLost deletes the key that awsCreate made under label and of which the
// secret never arrived: the one that was not there before, came into being
// right then, is in no profile and was never used. by signs, the old key or its
// successor. IAM takes some seconds to list a new key.
func awsLost(ctx context.Context, m *Machine, by Token, label string) (found bool, err error) {
	before, noted, err := cloudNoted(m, by.Kind, label)
	if err != nil || !noted {
		return false, err
	}
	var lost []string
	_, err = cloudUntil(ctx, m, cloudListed, Alive, func() (Answer, error) {
		keys, _, err := awsList(ctx, m, by)
		for _, k := range keys {
			if before.candidate(k.ID, k.Created) && k.ID != by.ID && awsLocal(m, by)[k.ID] == "" {
				lost = append(lost, k.ID)
			}
		}
		if len(lost) > 0 || err != nil {
			return Alive, err
		}
		return Dead, nil
	})
	if awsDenied(err) {
		return false, cloudDisallowed("a key may have been made whose secret did not arrive; delete it on the page", err)
	} else if err != nil {
		return false, err
	}
	for _, id := range lost {
		used, ever, _ := awsUsed(ctx, m, by, id)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if ever {
			m.Person.Say("AWS access key " + id + " is new and in no profile here, and somebody has its secret (" + used + "): delete it if you did not make it.")
			continue
		}
		if err := awsDelete(ctx, m, by, id); awsDenied(err) {
			return true, cloudDisallowed("key "+id+" was made and its secret did not arrive; delete it on the page", err)
		} else if err != nil {
			return true, err
		}
		found = true
	}
	if found {
		err = cloudArrived(m, by.Kind, label)
	}
	return found, err
}

// awsRevoke makes the old key inactive and, if there is a new one, deletes it
// once AWS refuses it. Without a new one the old one does it to itself, and
// then cannot be deleted: inactive it stays, which a person can undo.
func awsRevoke(ctx context.Context, m *Machine, old, by Token) error {
	if awsTemporary(old) {
		return fmt.Errorf("%w: a session cannot be revoked alone; a policy ends all of them, see the page", ErrNotPossible)
	}
	self := by.Value.Empty()
	if self {
		by = old
	}
	id := old.ID
	ask := func() (Answer, error) { return awsIsDead(ctx, m, old) }
	err := awsDeactivate(ctx, m, by, id, self)
	switch code := awsRefused(err); {
	case awsDenied(err):
		// The quarantine policy denies this, but not deleting.
		if err := awsDelete(ctx, m, by, id); awsDenied(err) {
			return cloudDisallowed(awsWhyNot, err)
		} else if err != nil {
			return err
		}
		m.Person.Say("AWS access key " + id + " is deleted; IAM did not let it be made inactive only.")
		return nil
	case self && code == "InvalidClientTokenId", code == "NoSuchEntity":
		// It is so already, or the new key is another user's.
		if a, gone := ask(); gone != nil {
			return gone
		} else if a != Dead {
			return err
		}
		return nil
	case err != nil:
		return err
	}
	if self {
		m.Person.Say("AWS access key " + id + " is inactive; delete it on the console's page, which nobody can undo.")
		return nil
	}
	a, err := cloudUntil(ctx, m, cloudKnown, Dead, ask)
	if err != nil {
		return err
	}
	if a == Dead {
		err = awsDelete(ctx, m, by, id)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case a != Dead || err != nil:
		m.Person.Say("AWS access key " + id + " is inactive, but not deleted: it counts as one of the two that AWS allows. Delete it on the console's page.")
		return nil
	}
	return errors.Join(awsShowOthers(ctx, m, by), cloudArrived(m, by.Kind, by.Facts["label"]))
}

// awsDeactivate makes a key inactive. A new key that AWS does not know yet is
// given some time.
func awsDeactivate(ctx context.Context, m *Machine, by Token, id string, self bool) error {
	var last error
	_, err := cloudUntil(ctx, m, cloudKnown, Alive, func() (Answer, error) {
		_, last = awsDo(ctx, m, by, awsCall{service: "iam", action: "UpdateAccessKey", with: url.Values{"AccessKeyId": {id}, "Status": {"Inactive"}}})
		if awsRefused(last) == "InvalidClientTokenId" && !self {
			return Dead, nil
		}
		return Alive, nil
	})
	if err != nil {
		return err
	}
	return last
}

// awsShowOthers tells of the keys that the user has besides by and that are in
// no profile here: a thief may have made one. An error comes only if ctx ended.
func awsShowOthers(ctx context.Context, m *Machine, by Token) error {
	keys, _, err := awsList(ctx, m, by)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		m.Person.Say("Whether the user has other AWS access keys could not be found out: look at the console's page.")
		return nil
	}
	local := awsLocal(m, by)
	for _, k := range keys {
		if k.ID != by.ID && local[k.ID] == "" {
			m.Person.Say(fmt.Sprintf("User %s has another AWS access key, %s (%s, made on %s), which is in no profile here: delete it if you do not know it.",
				k.User, k.ID, strings.ToLower(k.Status), k.Created.Format(time.DateOnly)))
		}
	}
	return nil
}
