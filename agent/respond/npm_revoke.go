package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"wormbell/agent/respond/call"
)

// npmRevoke kills old, in the ways that registries have, and by asking whose it
// is between them, for there are ways that are answered with 200 and do nothing:
//
//  1. by a session of this run, which made the successor;
//  2. by the list, if any token may see it (Verdaccio);
//  3. by logging it out, which needs nothing but the token itself;
//  4. by a session, for which a person must sign in, or by the password.
//
// Without a successor the third comes before all else, also before asking whose
// it is: it is the fastest.
func npmRevoke(ctx context.Context, m *Machine, old, by Token) error {
	s, err := npmAt(m, old)
	if err != nil {
		return err
	}
	if old.Facts[npmAuth] == npmBasic {
		return fmt.Errorf("%w: it is a password, which must be changed", ErrNotPossible)
	}
	r := &npmRevocation{npmSite: s, old: old, by: by, key: cmp.Or(old.ID, by.Facts[npmReplaces])}
	if by.Value.Empty() {
		if g, ok := s.seenGrants(old); ok {
			s.keepGrants(old, g.Owner, g.Was) // this may be the end of what the registry says of it
		}
		return r.inTurn(ctx, r.byLogout, r.whose, r.byList, r.bySignIn)
	}
	return r.inTurn(ctx, r.whose, r.bySessionOfRun, r.byList, r.byLogout, r.bySignIn)
}

// whose asks whose the token is, which the ways after it want to know. It is no
// way itself, but where the token proves to be dead it is the end of it.
func (r *npmRevocation) whose(ctx context.Context) error {
	id, err := r.whoami(ctx, npmAuthOf(r.old))
	r.owner = cmp.Or(id.Owner, r.old.Owner, r.by.Owner)
	if err == nil && id.Answer != Dead {
		err = errNpmNext
	}
	return err
}

// inTurn goes one way after the other until the token is dead.
func (r *npmRevocation) inTurn(ctx context.Context, ways ...func(context.Context) error) error {
	var last error
	for _, way := range ways {
		err := way(ctx)
		if errors.Is(err, errNpmNext) {
			continue
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		// Refused, or no answer: it may have had its effect.
		if dead, _ := r.dies(ctx, 1); dead {
			return nil
		}
		var unsent *call.NotSentError
		var lost *call.LostError
		if !errors.Is(err, ErrNobody) && (errors.As(err, &unsent) || errors.As(err, &lost)) {
			return err
		}
		last = err
	}
	return last
}

// errNpmNext says that a way is not to be had, or did nothing.
var errNpmNext = errors.New("it takes another way")

// npmRevocation is one revocation on its way.
type npmRevocation struct {
	npmSite
	old, by    Token
	owner, key string
	unlisted   bool // the registry's list does not have it
}

func (r *npmRevocation) bySessionOfRun(ctx context.Context) error {
	v := r.session(r.owner)
	if v.Empty() || r.key == "" {
		return errNpmNext
	}
	return r.remove(ctx, npmBearer(v), r.key)
}

func (r *npmRevocation) byList(ctx context.Context) error {
	for _, t := range []Token{r.by, r.old} {
		if t.Value.Empty() || t.Facts[npmAuth] == npmBasic {
			continue
		}
		all, err := r.list(ctx, npmAuthOf(t))
		var refused *call.StatusError
		if errors.As(err, &refused) {
			continue // only sessions may, or there is no list
		}
		if err != nil {
			return err
		}
		was, err := npmOnly(npmMatching(all, r.old.Value))
		if errors.Is(err, errNpmUnlisted) {
			r.unlisted = true
			return errNpmNext
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotPossible, err)
		}
		r.keepGrants(r.old, r.owner, was)
		if err := r.remove(ctx, npmAuthOf(t), was.Key); err != nil {
			return err
		}
		return r.orNext(ctx)
	}
	return errNpmNext
}

func (r *npmRevocation) byLogout(ctx context.Context) error {
	if err := r.forgetSelf(ctx, r.old.Value); err != nil {
		return err
	}
	return r.orNext(ctx)
}

// orNext returns nil if the token is dead now, and otherwise goes on: a registry
// may have accepted and done nothing.
func (r *npmRevocation) orNext(ctx context.Context) error {
	dead, err := r.dies(ctx, 3)
	if err == nil && !dead {
		err = errNpmNext
	}
	return err
}

// dies asks up to n times, a little later each, whether the token is dead.
func (r *npmRevocation) dies(ctx context.Context, n int) (bool, error) {
	for i := range n {
		id, err := r.whoami(ctx, npmAuthOf(r.old))
		if err != nil || id.Answer == Dead {
			return err == nil, err
		}
		if i < n-1 {
			if err := r.m.Call.Sleep(ctx, time.Duration(i+1)*time.Second); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

func (r *npmRevocation) bySignIn(ctx context.Context) error {
	v, _, err := r.signIn(ctx, r.owner)
	if errors.Is(err, errNpmNoWeb) {
		return r.byPassword(ctx)
	}
	if err != nil {
		return err
	}
	defer r.leave(ctx, v)
	key := r.key
	all, err := r.list(ctx, npmBearer(v))
	if err == nil {
		var was npmListed
		if was, err = npmOnly(npmMatching(all, r.old.Value)); err == nil {
			key = was.Key
			r.keepGrants(r.old, r.owner, was)
		}
	}
	if key == "" {
		if errors.Is(err, errNpmUnlisted) || errors.Is(err, errNpmAmbiguous) {
			err = fmt.Errorf("%w: %w", ErrNotPossible, err)
		}
		return err
	}
	err = r.remove(ctx, npmBearer(v), key)
	var refused *call.StatusError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		// Gone already, while whoami does not know it yet.
		return nil
	}
	return err
}

// byPassword is for tokens that may not revoke themselves where nobody can sign
// in: Verdaccio's read-only ones.
func (r *npmRevocation) byPassword(ctx context.Context) error {
	if r.unlisted || r.owner == "" {
		return fmt.Errorf("%w: the registry has no way to revoke it; it ends when the password is changed", ErrNotPossible)
	}
	prompt := fmt.Sprintf("Password of %s at %s, which wants it to revoke a token", r.owner, r.host())
	for try := 1; ; try++ {
		password, err := r.m.Person.Secret(ctx, prompt)
		if err != nil {
			return err
		}
		auth := npmPassword(r.owner, password)
		all, err := r.list(ctx, auth)
		var refused *call.StatusError
		if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && try < npmTries {
			prompt = fmt.Sprintf("%s does not take that password. Password of %s", r.host(), r.owner)
			continue
		}
		if err != nil {
			return npmNoAPI(err)
		}
		was, err := npmOnly(npmMatching(all, r.old.Value))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotPossible, err)
		}
		r.keepGrants(r.old, r.owner, was)
		return r.remove(ctx, auth, was.Key)
	}
}
