package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/journal"
)

const (
	// revokes is how often a request to revoke is sent in one run when its
	// answers are lost.
	revokes = 3
	// diesWithin is how long a service takes that does not say.
	diesWithin = time.Minute
	// containWait is how long a contained token's successor waits for its death;
	// after that it is made, and the death is waited for again at the end.
	containWait = time.Minute
	// pollAtMost is the longest pause between two questions whether a token is
	// dead yet.
	pollAtMost = time.Minute
)

// install puts the new token where the old one stands, and looks whether it is
// there.
func (x *run) install(ctx context.Context) error {
	x.say("Putting the new token into %s.", where(x.old))
	if !x.e.Installs {
		x.e.Installs = true
		if err := x.e.Save(); err != nil {
			return err
		}
	}
	err := ErrNotPossible
	if x.k.Install != nil {
		err = x.k.Install(ctx, x.m, x.old, x.new)
	}
	if errors.Is(err, ErrNotPossible) {
		err = x.installByHand(ctx)
	} else if err == nil {
		err = x.installed(ctx)
	} else if why := x.k.unwritable(x.m, x.old, edit.Writable); why != nil && ctx.Err() == nil {
		err = x.installMended(ctx, why)
	}
	if err != nil {
		if ctx.Err() == nil {
			x.did("install", "the new token is not in its place: "+err.Error())
		}
		return err
	}
	// Noted first: one that dies in between notes it again, and one that never
	// noted it would have the next answer take the new token for the stolen one.
	x.did("install", "the new token stands in "+where(x.old))
	x.e.Unplaced = false
	return x.e.Move(journal.Installed)
}

// installMended lets a person see to it that the file can be changed, and tries
// again; or to it that the new token is there.
func (x *run) installMended(ctx context.Context, why error) error {
	x.say("The new token cannot be put into its place: %s.", why)
	x.sayWhereKept()
	yes, err := x.m.Person.Confirm(ctx, "Mend that, or put the new token there yourself. Is it done?")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || !yes {
		return fmt.Errorf("the new token is kept and not in its place: %w; when that is mended, go on with 'wormbell rotate --resume'", why)
	}
	if err := x.k.Install(ctx, x.m, x.old, x.new); err != nil && x.installed(ctx) != nil {
		return err
	}
	return x.installed(ctx)
}

// sayWhereKept tells a person who is to put the new token into its place where
// to find it.
func (x *run) sayWhereKept() {
	if !x.e.Pasted && x.m.Keys != nil {
		x.say("The new token is in %s: service %q, account %q.", x.m.Keys.Where(), keptService, keptAccount(x.e.ID, "new", 0))
	}
}

func (x *run) installByHand(ctx context.Context) error {
	x.sayWhereKept()
	yes, err := x.m.Person.Confirm(ctx, fmt.Sprintf("Put the new token into %s. Is it there?", where(x.old)))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || !yes {
		return errors.Join(fmt.Errorf("a person must put the new token into %s", where(x.old)), err)
	}
	return nil
}

// installed looks where the old token stood. The old token is revoked next, and
// then the new one is wiped from where it is kept: what Install says is not
// enough for that.
func (x *run) installed(ctx context.Context) error {
	if x.k.Find == nil {
		return nil
	}
	found, err := x.k.Find(ctx, x.m, x.old.paths())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	there := false
	for _, t := range found {
		if t.Value.Equal(x.new.Value) {
			there = true
		}
		if t.Value.Equal(x.old.Value) && t.Site == x.old.Site {
			if i := slices.IndexFunc(t.Places, func(p Place) bool { return slices.Contains(x.old.Places, p) }); i >= 0 {
				return fmt.Errorf("%s still holds the old token", t.Places[i])
			}
		}
	}
	for _, p := range x.old.Places {
		if p.Path != "" {
			continue
		}
		there = true // Find need not look into the keychain for these files: what Install says must do
		if x.m.Items == nil {
			continue
		}
		if v, err := x.m.Items.Get(ctx, p.Service, p.Key); err == nil && v.Equal(x.old.Value) {
			return fmt.Errorf("%s still holds the old token", p)
		}
	}
	if !there {
		return errors.Join(fmt.Errorf("the new token is not found in %s", where(x.old)), err)
	}
	return nil
}

// revoke kills the old token, and waits until it is dead.
func (x *run) revoke(ctx context.Context) error {
	first := x.e.Asked.IsZero()
	if first {
		x.e.Asked = x.m.Now().UTC()
	}
	if x.e.State != journal.Revoking {
		if err := x.e.Move(journal.Revoking); err != nil {
			return err
		}
	} else if first {
		if err := x.e.Save(); err != nil {
			return err
		}
	}
	if err := x.overdue(ctx); err != nil {
		return err
	}
	if x.e.Accepted.IsZero() {
		if err := x.kill(ctx); err != nil {
			return err
		}
	}
	return x.poll(ctx)
}

// overdue looks whether an old token that should long be dead is alive: then
// its revocation had no effect and is asked for again.
func (x *run) overdue(ctx context.Context) error {
	if x.e.Accepted.IsZero() || x.m.Now().Sub(x.e.Accepted) < x.within() {
		return nil
	}
	answer, err := x.isDead(ctx)
	if err != nil {
		return err
	}
	if answer == Alive {
		x.say("The service still takes the old token: revoking it once more.")
		x.e.Accepted, x.e.ByPage = time.Time{}, false
	}
	return nil
}

// kill asks for the old token's death until that is accepted.
func (x *run) kill(ctx context.Context) error {
	if x.k.CreateKills && x.e.New != nil && !x.e.Pasted {
		// Making the new one killed it. Only if that is not so is there
		// anything to do.
		if answer, err := x.isDead(ctx); err != nil || answer != Alive {
			x.e.Accepted = x.m.Now().UTC()
			return errors.Join(err, x.e.Save())
		}
	}
	x.say("Revoking the old token.")
	for try := 1; ; try++ {
		err := ErrNotPossible
		if x.k.Revoke != nil {
			err = x.k.Revoke(ctx, x.m, x.old, x.new)
		}
		switch {
		case err == nil:
			x.e.Accepted, x.e.ByPage = x.m.Now().UTC(), false
			x.did("revoke", "the service accepted that the old token be revoked")
			return x.e.Save()
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrNotPossible), errors.Is(err, ErrNobody), refusal(err):
			return x.killByHand(ctx, err)
		case noEffect(err):
			x.did("revoke", "the old token is not revoked yet: "+err.Error())
			return err
		}
		answer, aerr := x.isDead(ctx)
		if aerr != nil {
			return aerr
		}
		if answer == Dead {
			x.e.Accepted = x.m.Now().UTC()
			return x.e.Save()
		}
		if try == revokes {
			x.did("revoke", "it is not known whether the old token was revoked: "+err.Error())
			return err
		}
		if err := x.m.Call.Sleep(ctx, time.Duration(try)*2*time.Second); err != nil {
			return err
		}
	}
}

// killByHand sends a person to the page, unless the refusal came because the
// token is dead.
func (x *run) killByHand(ctx context.Context, why error) error {
	answer, err := x.isDead(ctx)
	if err != nil {
		return err
	}
	if answer == Dead {
		x.e.Accepted = x.m.Now().UTC()
		return x.e.Save()
	}
	p := x.page(ctx, false)
	x.say("The old token must be revoked by hand: %s.", x.safe(why.Error()))
	x.browse(ctx, p)
	yes, err := x.m.Person.Confirm(ctx, fmt.Sprintf("Revoke %s%s. Is it done?", x.old.Name, ifs(p.URL != "", " at "+p.URL, "")))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || !yes {
		x.e.Problem = x.safe(fmt.Sprintf("a person must revoke the old token%s: %v", ifs(p.URL != "", " ("+p.URL+")", ""), why))
		x.did("revoke", x.e.Problem)
		return errors.Join(errPending, x.e.Save())
	}
	x.e.Accepted, x.e.ByPage = x.m.Now().UTC(), true
	x.did("revoke", "a person revoked the old token on the service's page")
	return x.e.Save()
}

func (x *run) within() time.Duration {
	if x.k.DiesWithin > 0 {
		return x.k.DiesWithin
	}
	return diesWithin
}

// poll waits until the service refuses the old token.
func (x *run) poll(ctx context.Context) error {
	patience := x.within()
	if p := x.r.Patience; p > 0 {
		patience = min(p, patience)
	}
	if wantsNew(x.e.Rotation) && (x.e.New == nil || x.e.Unplaced) {
		patience = min(patience, containWait)
	}
	begun, delay, told := x.m.Now(), time.Second, false
	for asked := 1; ; asked++ {
		answer, err := x.isDead(ctx)
		if err != nil {
			return err
		}
		if answer == Dead {
			return x.dead("the service refuses the old token")
		}
		rest := patience - x.m.Now().Sub(begun)
		if rest <= 0 || x.k.IsDead == nil && x.k.Identify == nil || x.e.Mute && asked >= 3 {
			return x.undead(ctx, answer, delay)
		}
		if !told {
			x.say("Waiting until the service refuses the old token: up to %s.", inWords(patience))
			told = true
		}
		if err := x.m.Call.Sleep(ctx, min(delay, rest)); err != nil {
			return err
		}
		delay = min(2*delay, pollAtMost)
	}
}

func (x *run) dead(how string) error {
	x.did("dead", how) // first, as with what is installed
	x.e.OldDead, x.e.Problem, x.e.Next = true, "", time.Time{}
	return x.e.Move(journal.Dead)
}

// undead leaves the old token pending, unless nobody but a person can say that
// it is dead, and does.
func (x *run) undead(ctx context.Context, answer Answer, delay time.Duration) error {
	if x.e.Mute && !x.e.Accepted.IsZero() {
		yes, err := x.e.ByPage, error(nil) // then the person was asked just now
		if !yes {
			yes, err = x.m.Person.Confirm(ctx, fmt.Sprintf("The service cannot be asked whether %s is dead. Have you seen on its page that it is gone?", x.old.Name))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && yes {
			x.e.ByWord = true
			return x.dead("a person saw that the old token is gone; the service cannot be asked")
		}
	}
	x.e.Next = x.m.Now().UTC().Add(min(2*delay, 10*time.Minute))
	if err := x.e.Save(); err != nil {
		return err
	}
	x.did("dead", "pending: "+ifs(answer == Alive, "the service still takes the old token", "it could not be told whether the old token is dead"))
	return errPending
}

// isDead asks whether the service still takes the old token. The error is that
// of ctx alone: what else goes wrong is "could not tell".
func (x *run) isDead(ctx context.Context) (Answer, error) {
	answer := CouldNotTell
	var err error
	switch {
	case x.old.Value.Empty():
	case x.k.IsDead != nil:
		answer, err = x.k.IsDead(ctx, x.m, x.old)
	case x.k.Identify != nil:
		var id Identity
		id, err = x.k.Identify(ctx, x.m, x.old)
		answer = id.Answer
	}
	if ctx.Err() != nil {
		return CouldNotTell, ctx.Err()
	}
	if err != nil {
		x.m.Log.Debug("could not tell", "rotation", x.e.ID, "err", x.clean(err))
		answer = CouldNotTell
	}
	if answer != CouldNotTell {
		x.e.Mute = false
	}
	x.e.OldAnswer = answer.String()
	return answer, nil
}
