package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// npmCreate makes a token that may what old may.
func npmCreate(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
	s, err := npmAt(m, old)
	if err != nil {
		return Token{}, err
	}
	if old.Facts[npmAuth] == npmBasic {
		return Token{}, fmt.Errorf("%w: it is a password", ErrNotPossible)
	}
	id, err := s.whoami(ctx, npmAuthOf(old))
	if err != nil {
		return Token{}, npmUndone(err)
	}
	if id.Answer == CouldNotTell {
		return Token{}, &call.NotSentError{What: "make a token", Why: cmp.Or(id.Note, "whose the old one is could not be told")}
	}
	owner := cmp.Or(id.Owner, old.Owner)
	if g, ok := s.seenGrants(old); ok && owner == "" { // it is dead, and said so before
		owner = g.Owner
	}
	v, user, err := s.signIn(ctx, owner)
	if err != nil && !errors.Is(err, errNpmNoWeb) {
		return Token{}, npmUndone(err)
	}
	var t Token
	switch {
	case errors.Is(err, errNpmNoWeb):
		t, err = s.createByPassword(ctx, old, owner, id.Answer, label)
	case err == nil:
		t, err = s.createBySession(ctx, old, v, user, id.Answer, label)
		if t.Facts[npmLife] != npmSession {
			s.leave(ctx, v)
		}
	}
	if err != nil {
		return Token{}, err
	}
	t.Facts[npmLabel] = label
	return t, nil
}

// createBySession makes it in the public registry's way.
func (s npmSite) createBySession(ctx context.Context, old Token, session secret.Value, user string, alive Answer, label string) (Token, error) {
	all, err := s.list(ctx, npmBearer(session))
	if err != nil {
		return Token{}, npmUndone(err)
	}
	was, err := npmOnly(npmMatching(all, old.Value))
	switch {
	case errors.Is(err, errNpmUnlisted) && alive == Alive:
		// Sessions are not listed, so this is one, and the new sign-in its successor.
		s.m.Memory.Set(s.sessionKey(user), secret.Value{}) // it is not ours to end any more
		t := npmSuccessor(old, user)
		t.Value, t.Facts[npmLife] = session, npmSession
		t.Note = "It comes from a sign-in and ends by itself after two hours."
		return t, nil
	case errors.Is(err, errNpmUnlisted):
		if was, err = s.rightsOfDead(ctx, old, user, false); err != nil {
			return Token{}, npmUndone(err)
		}
	case err != nil:
		return Token{}, fmt.Errorf("%w: %w", ErrNotPossible, err)
	}
	if len(was.Scopes) > 0 && was.permission("package") == "" && was.permission("org") == "" {
		return Token{}, fmt.Errorf("%w: what the old token may do makes no sense to us", ErrNotPossible)
	}
	return s.create(ctx, npmOrder{old, was, all, user, npmBearer(session), label})
}

// createByPassword makes it in Verdaccio's way: by authority of the old token,
// or of the password if that is dead or read-only.
func (s npmSite) createByPassword(ctx context.Context, old Token, owner string, alive Answer, label string) (Token, error) {
	if owner == "" {
		return Token{}, fmt.Errorf("%w: whose it was is not known", ErrNotPossible)
	}
	if alive != Alive {
		was, err := s.rightsOfDead(ctx, old, owner, true)
		if err != nil {
			return Token{}, npmUndone(err)
		}
		return s.create(ctx, npmOrder{old, was, nil, owner, secret.Value{}, label})
	}
	all, err := s.list(ctx, npmAuthOf(old))
	if err != nil {
		return Token{}, npmNoAPI(err)
	}
	was, err := npmOnly(npmMatching(all, old.Value))
	if err != nil && !errors.Is(err, errNpmUnlisted) {
		return Token{}, fmt.Errorf("%w: %w", ErrNotPossible, err)
	} // unlisted: it comes from a login and may all that its owner may
	if was.ReadOnly { // then it may not make one
		return s.create(ctx, npmOrder{old, was, nil, owner, secret.Value{}, label})
	}
	return s.create(ctx, npmOrder{old, was, all, owner, npmAuthOf(old), label})
}

// npmNoAPI makes of a registry's 404 that it has no tokens to manage.
func npmNoAPI(err error) error {
	var refused *call.StatusError
	if errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 && refused.Status != http.StatusTooManyRequests {
		return fmt.Errorf("%w: %w", ErrNotPossible, err)
	}
	return npmUndone(err)
}

// npmOrder is a token that is to be made.
type npmOrder struct {
	old    Token
	was    npmListed    // what it may do
	before []npmListed  // what there is
	owner  string       //
	auth   secret.Value // by what it is made; empty: by the password, by which before is yet to be learned
	label  string
}

const npmMake = "make a token"

// create asks for the password and sends the request.
func (s npmSite) create(ctx context.Context, o npmOrder) (Token, error) {
	s.m.Person.Say("The new token may: " + o.was.rights(s.m.Now()) + ".")
	prompt := fmt.Sprintf("Password of %s at %s, which wants it for a new token", o.owner, s.host())
	for try := 1; ; try++ {
		password, err := s.m.Person.Secret(ctx, prompt)
		if err == nil && password.Empty() {
			err = fmt.Errorf("%w: no password was given", ErrNobody)
		}
		if err != nil {
			return Token{}, npmUndone(err)
		}
		t, err := s.createOnce(ctx, o, password)
		if err == nil || try == npmTries || !errors.Is(err, errNpmPassword) {
			return t, err
		}
		prompt = fmt.Sprintf("%s does not take that password. Password of %s", s.host(), o.owner)
	}
}

// errNpmPassword is wrapped by refusals that are for the password: 401, and not
// for want of a second factor.
var errNpmPassword = errors.New("the password is not the one")

// createOnce sends the request with a password.
func (s npmSite) createOnce(ctx context.Context, o npmOrder, password secret.Value) (Token, error) {
	auth := o.auth
	if auth.Empty() {
		auth = npmPassword(o.owner, password)
		var refused *call.StatusError
		var err error
		if o.before, err = s.list(ctx, auth); errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			return Token{}, fmt.Errorf("%w: %w", errNpmPassword, err)
		} else if err != nil {
			return Token{}, npmUndone(err)
		}
	}
	// Not every registry keeps the label by which a lost one is found.
	note := npmMaking{Site: s.base, At: s.m.Now().UTC()}
	for _, l := range o.before {
		note.Keys = append(note.Keys, l.Key)
	}
	if err := npmKeep(s.m, npmMakingFile, o.label, note); err != nil {
		return Token{}, npmUndone(fmt.Errorf("write down which tokens there are: %w", err))
	}
	body, err := o.was.like(o.label, password.Reveal(), s.m.Now())
	if err != nil {
		return Token{}, npmUndone(fmt.Errorf("%s: %w", npmMake, err))
	}
	r, err := s.guarded(ctx, auth, npmRequest{method: http.MethodPost, path: "/-/npm/v1/tokens", what: npmMake, body: body})
	switch {
	case err != nil:
		return Token{}, err
	case r.Status == http.StatusOK || r.Status == http.StatusCreated:
		return npmMade(r, o)
	case r.Status/100 == 3: // it was sent elsewhere, where we did not go
		return Token{}, npmUndone(r.Refused(npmMake, ""))
	case r.Status >= 500 || r.Status == http.StatusRequestTimeout:
		return Token{}, &call.LostError{What: npmMake, Why: fmt.Sprintf("the registry answered %d, which does not say whether there is one now", r.Status)}
	case r.Status == http.StatusUnauthorized && !npmAsksSecond(r):
		return Token{}, fmt.Errorf("%w: %w", errNpmPassword, r.Refused(npmMake, ""))
	}
	return Token{}, r.Refused(npmMake, "")
}

// npmMade reads the answer to a request for a token. What cannot be read is a
// token that exists and is lost.
func npmMade(r *call.Response, o npmOrder) (Token, error) {
	var l npmListed
	v := secret.Value{}
	if err := r.Into(&l); err == nil {
		v = secret.Of(l.Token)
	}
	if !npmIsWord(v) || !npmFits(v.Reveal()) || v.Equal(o.old.Value) {
		return Token{}, &call.LostError{What: npmMake, Why: "the registry's answer holds no token"}
	}
	t := npmSuccessor(o.old, o.owner)
	t.Value = v
	if npmIsName(l.Key) {
		t.ID = l.Key
	}
	if npmIsName(o.was.Key) {
		t.Facts[npmReplaces] = o.was.Key
	}
	t.Facts[npmWrites] = "yes"
	if !o.was.writes() {
		delete(t.Facts, npmWrites)
	} else if !l.writes() {
		t.Facts[npmWrites] = "no"
	}
	if end := l.expires(); !end.IsZero() {
		t.Note = "It ends on " + end.Format(time.DateOnly) + "."
	}
	return t, nil
}

// npmSuccessor returns what a new token has in common with old.
func npmSuccessor(old Token, owner string) Token {
	return Token{Kind: "npm", Name: old.Name, Site: old.Site, Owner: owner, Places: slices.Clone(old.Places), Facts: Facts{}}
}

// npmLost looks for a token that was made under label, and deletes it.
func npmLost(ctx context.Context, m *Machine, old Token, label string) (bool, error) {
	s, err := npmAt(m, old)
	if err != nil {
		return false, err
	}
	id, err := s.whoami(ctx, npmAuthOf(old))
	if err != nil {
		return false, err
	}
	owner := cmp.Or(id.Owner, old.Owner)
	v, _, err := s.signIn(ctx, owner)
	if err == nil {
		defer s.leave(ctx, v)
		return s.lostIn(ctx, npmBearer(v), label)
	}
	if !errors.Is(err, errNpmNoWeb) {
		return false, err
	}
	var note npmMaking
	if ok, err := npmRecall(m, npmMakingFile, label, &note); !ok {
		return false, err // it is written before anything is made
	}
	auth := npmAuthOf(old)
	if id.Answer != Alive {
		if owner == "" {
			return false, fmt.Errorf("%w: whose it was is not known", ErrNotPossible)
		}
		password, err := m.Person.Secret(ctx, fmt.Sprintf("Password of %s at %s, to look for a token that was made", owner, s.host()))
		if err != nil {
			return false, err
		}
		auth = npmPassword(owner, password)
	}
	return s.lostIn(ctx, auth, label)
}

// lostIn looks for the label in the registry's list; where it keeps none, for
// what was not there before.
func (s npmSite) lostIn(ctx context.Context, auth secret.Value, label string) (bool, error) {
	all, err := s.list(ctx, auth)
	if err != nil {
		return false, err
	}
	named := slices.DeleteFunc(slices.Clone(all), func(l npmListed) bool { return l.Name != label || l.Key == "" || l.Revoked != nil })
	var note npmMaking
	known, err := npmRecall(s.m, npmMakingFile, label, &note)
	if err != nil {
		return false, err
	}
	if nameless := !slices.ContainsFunc(all, func(l npmListed) bool { return l.Name != "" }); len(named) == 0 && known && nameless && note.Site == s.base {
		for _, l := range all {
			if l.Key != "" && l.Revoked == nil && !slices.Contains(note.Keys, l.Key) {
				named = append(named, l)
			}
		}
		if len(named) > 1 { // others were made meanwhile: by the time, then
			named = slices.DeleteFunc(named, func(l npmListed) bool {
				made := l.made()
				return made.Before(note.At.Add(-npmClock)) || made.After(note.At.Add(npmClock))
			})
		}
		if len(named) > 1 {
			return false, fmt.Errorf("%w: %d tokens were made at the same time, and only you know which are yours", ErrNotPossible, len(named))
		}
	}
	for _, l := range named {
		if err := s.remove(ctx, auth, l.Key); err != nil {
			return true, err
		}
	}
	npmForgetMade(s.m, label)
	return len(named) > 0, nil
}

// npmClock is how far the registry's clock may be from ours, and how long it may
// take until it has made a token.
const npmClock = 5 * time.Minute
