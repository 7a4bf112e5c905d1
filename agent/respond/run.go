package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/respond/call"
	"wormbell/agent/respond/journal"
)

// run is one rotation that is being worked on, by one goroutine.
type run struct {
	r       *Rotator
	m       *Machine
	k       *Kind
	e       *journal.Entry
	old     Token
	new     Token // since there is one
	here    Token // the old one without its secrets and with its website, since a page of it was needed
	resumed bool
	refused int // pasted tokens that proved to be none
}

// loop takes one step after the other until nothing is left to do.
func (x *run) loop(ctx context.Context) error {
	for !x.e.State.Ended() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (x *run) next(ctx context.Context) error {
	err := x.step(ctx)
	if errors.Is(err, errPending) && x.e.Unplaced {
		return x.e.Move(journal.Created) // contained as far as can be: now to its place
	}
	if errors.Is(err, errPending) && x.e.New == nil && wantsNew(x.e.Rotation) {
		return x.create(ctx) // contained as far as can be: its successor need not wait
	}
	return err
}

func (x *run) step(ctx context.Context) error {
	if early := x.e.State == journal.Created || x.e.State == journal.Verified; early && x.e.Unplaced && x.e.Asked.IsZero() && !x.e.OldDead {
		return x.revoke(ctx)
	}
	switch x.e.State {
	case journal.Planned:
		return x.planned(ctx)
	case journal.Created:
		return x.verify(ctx)
	case journal.Verified:
		return x.install(ctx)
	case journal.Installed:
		if x.e.OldDead {
			return x.e.Move(journal.Dead)
		}
		return x.revoke(ctx)
	case journal.Revoking:
		return x.revoke(ctx)
	case journal.Dead:
		if x.e.New != nil && x.e.Unplaced {
			return x.e.Move(journal.Created)
		}
		if x.e.New == nil && wantsNew(x.e.Rotation) {
			return x.create(ctx)
		}
		return x.finish(ctx)
	}
	return fmt.Errorf("rotation %s: state %q leads nowhere", x.e.ID, x.e.State)
}

// planned begins: the old token is kept, and looked at once.
func (x *run) planned(ctx context.Context) error {
	fresh := len(x.e.Creates) == 0 && x.e.Asked.IsZero() && !x.resumed
	if fresh && x.e.Mode == journal.Rotate {
		if err := x.writable(ctx); ctx.Err() != nil {
			return err
		} else if err != nil {
			return x.refuse(ctx, err)
		}
	}
	if !x.e.Kept && x.m.Keys != nil {
		if err := keep(ctx, x.m.Keys, x.e.ID, "old", x.old); err != nil {
			if fresh {
				return x.refuse(ctx, err)
			}
			return err
		}
		x.e.Kept = true
		if err := x.e.Save(); err != nil {
			return err
		}
	}
	if len(x.e.Creates) == 0 && x.e.Asked.IsZero() && !x.e.OldDead && x.e.OldAnswer == "" {
		if err := x.look(ctx); err != nil {
			return err
		}
	}
	switch {
	case x.e.OldDead && !wantsNew(x.e.Rotation):
		return x.e.Move(journal.Dead)
	case x.e.Mode == journal.Rotate, x.e.OldDead,
		!x.e.Asked.IsZero(), // what was pasted after it was revoked proved to be none
		x.e.Mode == journal.ContainNow && x.k.CreateKills && x.k.Create != nil: // nothing kills faster
		return x.create(ctx)
	}
	return x.revoke(ctx)
}

// refuse ends a rotation before anything was done.
func (x *run) refuse(ctx context.Context, why error) error {
	if err := x.wipe(ctx); err != nil {
		return errors.Join(why, err)
	}
	x.e.Reason = x.safe(why.Error())
	if err := x.e.Move(journal.Abandoned); err != nil {
		return errors.Join(why, err)
	}
	return fmt.Errorf("%w; nothing was done", why)
}

// containLook is how long a token that is to die at once lives on while its
// service is asked whose it is and what it may do: when it is dead, nobody can
// tell any more, and the new one shall not be able to do more.
const containLook = 5 * time.Second

// identify asks the service about the old token, briefly if that is to die at
// once.
func (x *run) identify(ctx context.Context) (Identity, error) {
	if x.k.Identify == nil {
		return Identity{}, nil
	}
	if x.e.Mode != journal.Rotate {
		within := containLook
		if x.r.look > 0 {
			within = x.r.look
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, within, errNotInTime)
		defer cancel()
	}
	id, err := x.k.Identify(ctx, x.m, x.old)
	if err != nil && errors.Is(context.Cause(ctx), errNotInTime) {
		err = errNotInTime
	}
	return id, err
}

var errNotInTime = errors.New("The service did not answer in time.")

// look asks who the old token belongs to.
func (x *run) look(ctx context.Context) error {
	x.say("Asking the service about %s.", x.old.Name)
	id, err := x.identify(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && id.Answer == CouldNotTell {
		id.Note = err.Error()
	}
	x.e.OldAnswer, x.e.Owner, x.e.Mute = id.Answer.String(), id.Owner, id.Answer == CouldNotTell
	if id.Answer == Dead {
		x.e.OldDead = true
		if !x.e.Replace && x.e.Mode != journal.RevokeOnly {
			yes, err := x.m.Person.Confirm(ctx, fmt.Sprintf("The service refuses %s already. Make a new one in its place?", x.old.Name))
			if err != nil && !errors.Is(err, ErrNobody) {
				return err
			}
			x.e.Replace = yes
		}
	} else if id.Answer == CouldNotTell {
		x.say("It could not be told whether %s is alive. %s", x.old.Name, x.safe(id.Note))
	}
	return x.e.Save()
}

// finish removes a token that has no successor from where it stands, wipes what
// was kept, and ends.
func (x *run) finish(ctx context.Context) error {
	if x.e.Mode == journal.RevokeOnly && x.k.Forget != nil && !x.old.Value.Empty() {
		if err := x.k.Forget(ctx, x.m, x.old); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// It is dead: that it still stands there harms nobody.
			x.say("The dead token could not be removed from %s: %s", where(x.old), x.safe(err.Error()))
			x.did("forget", "the dead token still stands in "+where(x.old)+": "+x.safe(err.Error()))
		} else {
			x.did("forget", "the dead token was removed from "+where(x.old))
		}
	}
	if err := x.sweep(ctx); err != nil {
		return err
	}
	if err := x.wipe(ctx); err != nil {
		return err
	}
	x.e.Problem, x.e.Next = "", time.Time{}
	return x.e.Move(journal.Done)
}

// sweep looks once more for the tokens that were made, it seems, without
// arriving, and were not found then: services list what is new with a delay.
func (x *run) sweep(ctx context.Context) error {
	if x.k.Lost == nil || x.k.NeedsPerson || x.old.Value.Empty() {
		return nil
	}
	by := x.old
	if !x.new.Value.Empty() {
		by = x.new
	}
	for i := range x.e.Creates {
		c := &x.e.Creates[i]
		if c.Result != journal.Unsure {
			continue
		}
		found, err := x.k.Lost(ctx, x.m, by, c.Label)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			continue // Outcome.Left names it
		}
		c.Result = journal.None
		if found {
			c.Result = journal.Revoked
		}
	}
	return nil
}

// wipe removes what was kept. ctx must not keep it from that for long.
func (x *run) wipe(ctx context.Context) error {
	if x.m.Keys == nil {
		return nil
	}
	for _, which := range []string{"new", "old"} {
		if err := wipe(ctx, x.m.Keys, x.e.ID, which); err != nil {
			return err
		}
	}
	return nil
}

// end lets go of the rotation and says how far it has come.
func (x *run) end(ctx context.Context, err error) (Outcome, error) {
	defer x.e.Close()
	if errors.Is(err, errPending) {
		err = nil
	} else if err != nil {
		err = x.clean(err)
	}
	if err != nil && !x.e.State.Ended() {
		x.e.Problem = err.Error()
		if ctx.Err() != nil {
			x.e.Problem = "it was interrupted"
		}
		if serr := x.e.Save(); serr != nil {
			err = errors.Join(err, serr)
		}
	}
	o := outcome(x.e.Rotation, x.k)
	if len(o.Pages) > 0 && x.here.Web != "" {
		o.Pages = x.k.Pages(x.here)
	}
	if err != nil {
		return o, fmt.Errorf("rotation %s of %s: %w", x.e.ID, x.e.Old.Name, err)
	}
	return o, nil
}

func (x *run) say(format string, args ...any) {
	x.m.Person.Say(x.safe(fmt.Sprintf(format, args...)))
}

// did tells of a thing that was done: what, of the token's kind, and how.
func (x *run) did(what, how string) {
	how = x.safe(how)
	x.m.Log.Info("rotation step", "rotation", x.e.ID, "token", x.e.Old.Name, "what", what, "outcome", how)
	if x.r.Did != nil {
		x.r.Did(x.e.Alert, wormbell.Action{Time: x.m.Now().UTC(), By: x.r.By, What: x.e.Old.Kind + "-token-" + what, Outcome: how})
	}
}

// shows reports whether a secret of t stands in text.
func shows(text string, t Token) bool {
	for _, s := range t.secrets() {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// secrets are what must never be shown of t: too short ones would be found
// everywhere.
func (t Token) secrets() []string {
	var all []string
	for _, v := range append([]string{t.Value.Reveal()}, t.also()...) {
		if len(v) >= 8 {
			all = append(all, v)
		}
	}
	return all
}

func (t Token) also() []string {
	var all []string
	for _, v := range t.Also {
		all = append(all, v.Reveal())
	}
	return all
}

// safe returns text without the secrets that this rotation knows. Kinds put
// none into their errors; if one does by mistake it ends here.
func (x *run) safe(text string) string {
	for _, t := range []Token{x.old, x.new} {
		for _, s := range t.secrets() {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	return text
}

// clean returns err, or one with its text if that shows a secret.
func (x *run) clean(err error) error {
	if s := err.Error(); x.safe(s) != s {
		return errors.New(x.safe(s))
	}
	return err
}

// refusal reports whether err says that the service refused for good: it was
// asked, understood, and did nothing.
func refusal(err error) bool {
	var s *call.StatusError
	return errors.As(err, &s) && s.Status >= 400 && s.Status < 500 && s.Status != 408 && s.Status != 429
}

// noEffect reports whether err says that the request it is of did nothing.
func noEffect(err error) bool {
	var unsent *call.NotSentError
	var s *call.StatusError
	var lost *call.LostError
	switch {
	case errors.As(err, &lost):
		return false
	case errors.As(err, &unsent), errors.Is(err, ErrNobody), errors.Is(err, ErrNotPossible), refusal(err):
		return true
	case errors.As(err, &s):
		return s.Status == 429
	}
	return false
}
