package respond

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// googlesaDo calls IAM about the keys of t's account, with an access token that
// by gets for it. tail is what follows in the address.
func googlesaDo(ctx context.Context, m *Machine, t, by Token, method, what, tail string, in, out any) (now time.Time, err error) {
	g, a, err := googlesaGet(ctx, m, by)
	if a != Alive {
		return now, err
	}
	r := call.Request{Method: method, What: what, Repeatable: method != "POST" || strings.HasSuffix(tail, ":disable"), Header: http.Header{},
		URL: m.Site("google-sa", "https://iam.googleapis.com") + "/v1/projects/-/serviceAccounts/" + url.PathEscape(t.Facts["email"]) + "/keys" + tail}
	if in != nil {
		if r.Header, r.Body, err = call.JSON(in); err != nil {
			return now, err
		}
	}
	r.Header.Set("Authorization", "Bearer "+g.access.Reveal())
	res, err := m.Call.Do(ctx, r)
	if err != nil {
		return now, err
	}
	if now, err = http.ParseTime(res.Header.Get("Date")); err != nil {
		now = m.Now()
	}
	if res.Status == http.StatusOK {
		if err = res.Into(out); err != nil {
			err = fmt.Errorf("%s: %w", what, err)
		}
	} else {
		var why struct {
			Error struct {
				Status string `json:"status"`
			} `json:"error"`
		}
		_ = res.Into(&why) // what is no refusal of IAM's says nothing
		err = res.Refused(what, why.Error.Status)
	}
	if err != nil && !r.Repeatable {
		err = cloudTouched(what, err)
	}
	return now, err
}

// googlesaRefused returns IAM's word in err: "PERMISSION_DENIED".
func googlesaRefused(err error) string {
	var status *call.StatusError
	if errors.As(err, &status) {
		return status.Code
	}
	return ""
}

// googlesaKey is what IAM says of a key.
type googlesaKey struct {
	Name  string    `json:"name"` // projects/…/serviceAccounts/…/keys/ID
	Since time.Time `json:"validAfterTime"`
	Data  string    `json:"privateKeyData"` // when it is made
}

func (k googlesaKey) id() string { return k.Name[strings.LastIndexByte(k.Name, '/')+1:] }

func googlesaList(ctx context.Context, m *Machine, t Token) ([]googlesaKey, time.Time, error) {
	const what = "ask Google for the keys of the service account"
	var answer struct {
		Keys []googlesaKey `json:"keys"`
	}
	now, err := googlesaDo(ctx, m, t, t, "GET", what, "?keyTypes=USER_MANAGED", nil, &answer)
	if err == nil && len(answer.Keys) == 0 {
		err = fmt.Errorf("%s: %w: no keys", what, call.ErrGarbled) // the one that asked is one
	}
	return answer.Keys, now, err
}

// googlesaTail is the end of the address of a key.
func googlesaTail(id string) string { return "/" + url.PathEscape(id) }

func googlesaDelete(ctx context.Context, m *Machine, t, by Token, id string) error {
	_, err := googlesaDo(ctx, m, t, by, "DELETE", "delete key "+id+" of the service account", googlesaTail(id), nil, new(struct{}))
	if googlesaRefused(err) == "NOT_FOUND" {
		return nil
	}
	return err
}

// googlesaWhy makes an error for a person of a refusal that only a person can
// do something about.
func googlesaWhy(err error) error {
	switch googlesaRefused(err) {
	case "PERMISSION_DENIED":
		return cloudDisallowed("IAM does not let the service account manage its own keys, or its API is switched off", err)
	case "FAILED_PRECONDITION":
		return cloudDisallowed("a policy of the organisation forbids it", err)
	case "RESOURCE_EXHAUSTED":
		return cloudDisallowed("the service account has as many keys as it may have, or asked too often", err)
	}
	return err
}

// googlesaCreate makes another key. Keys have no names, so that which ones
// there are is noted before; see [googlesaLost].
func googlesaCreate(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
	keys, now, err := googlesaList(ctx, m, old)
	if err != nil {
		return Token{}, googlesaWhy(err)
	}
	before := cloudBefore{At: now}
	for _, k := range keys {
		before.Known = append(before.Known, k.id())
	}
	if err := cloudWrite(m, old.Kind, label, before); err != nil {
		return Token{}, err
	}
	const what = "ask Google for a new key of the service account"
	var made googlesaKey
	_, err = googlesaDo(ctx, m, old, old, "POST", what, "", map[string]string{"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE", "keyAlgorithm": "KEY_ALG_RSA_2048"}, &made)
	var refused *call.StatusError
	var unsent *call.NotSentError
	if errors.As(err, &refused) || errors.As(err, &unsent) {
		if forgotten := cloudArrived(m, old.Kind, label); forgotten != nil {
			return Token{}, forgotten
		}
		return Token{}, googlesaWhy(err)
	} else if err != nil {
		return Token{}, err
	}
	data, err := base64.StdEncoding.DecodeString(made.Data)
	f, ok := googlesaRead(data)
	if err != nil || !ok || f.Email != old.Facts["email"] {
		return Token{}, &call.LostError{What: what, Why: "it makes no sense"}
	}
	return Token{Kind: "google-sa", Name: old.Name, Site: old.Site, Owner: old.Owner, ID: f.PrivateKeyID, Places: slices.Clone(old.Places), Value: secret.Of(f.PrivateKey),
		Facts: cloudFacts("email", f.Email, "project", old.Facts["project"], "universe", old.Facts["universe"], "created", m.Now().UTC().Format(time.RFC3339), "label", label)}, nil
}

// googlesaLost deletes the key that googlesaCreate made under label and that
// never arrived: the one that was not there before and came into being right
// then. by asks, the old key or its successor. If there are several, a person
// decides.
func googlesaLost(ctx context.Context, m *Machine, by Token, label string) (found bool, err error) {
	before, noted, err := cloudNoted(m, by.Kind, label)
	if err != nil || !noted {
		return false, err
	}
	var lost []string
	_, err = cloudUntil(ctx, m, cloudListed, Alive, func() (Answer, error) {
		keys, _, err := googlesaList(ctx, m, by)
		for _, k := range keys {
			if before.candidate(k.id(), k.Since) && k.id() != by.ID {
				lost = append(lost, k.id())
			}
		}
		if len(lost) > 0 || err != nil {
			return Alive, err
		}
		return Dead, nil
	})
	switch {
	case err != nil:
		return false, googlesaWhy(err)
	case len(lost) == 0:
		return false, nil
	case len(lost) > 1:
		return true, fmt.Errorf("%w: the keys %s were made at the same time, and one of them never arrived; delete those that you do not know", ErrNotPossible, strings.Join(lost, " and "))
	}
	if err := googlesaDelete(ctx, m, by, by, lost[0]); err != nil {
		return true, googlesaWhy(err)
	}
	return true, cloudArrived(m, by.Kind, label)
}

// googlesaRevoke disables the old key and, if there is a new one, deletes it
// once Google refuses it. Without a new one the old one disables itself, which
// a person can undo.
func googlesaRevoke(ctx context.Context, m *Machine, old, by Token) error {
	self := by.Value.Empty()
	if self {
		by = old
	}
	id := old.ID
	ask := func() (Answer, error) { return googlesaIsDead(ctx, m, old) }
	if self {
		if a, err := ask(); err != nil || a == Dead {
			return err
		}
	}
	_, err := googlesaDo(ctx, m, old, by, "POST", "disable key "+id+" of the service account", googlesaTail(id)+":disable", struct{}{}, new(struct{}))
	switch googlesaRefused(err) {
	case "NOT_FOUND":
		return nil // IsDead tells
	case "PERMISSION_DENIED", "FAILED_PRECONDITION": // not allowed, or disabled already
		if self && googlesaRefused(err) == "FAILED_PRECONDITION" {
			return err
		}
		if err := googlesaDelete(ctx, m, old, by, id); err != nil {
			return googlesaWhy(err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if self {
		m.Person.Say("Key " + id + " of " + old.Facts["email"] + " is disabled; delete it on the console's page, which nobody can undo.")
		return nil
	}
	a, err := cloudUntil(ctx, m, cloudKnown, Dead, ask)
	if err != nil {
		return err
	}
	if a == Dead {
		err = googlesaDelete(ctx, m, old, by, id)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case a != Dead || err != nil:
		m.Person.Say("Key " + id + " of " + old.Facts["email"] + " is disabled, but not deleted. Delete it on the console's page.")
	}
	return cloudArrived(m, by.Kind, by.Facts["label"])
}
