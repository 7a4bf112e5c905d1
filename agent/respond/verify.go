package respond

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wormbell/agent/respond/journal"
)

// verify asks the service until it takes the new token.
func (x *run) verify(ctx context.Context) error {
	x.say("Checking that the new token works.")
	begun, delay := x.m.Now(), time.Second
	var answer Answer
	var why string
	for asked := 1; ; asked++ {
		var err error
		if answer, why, err = x.works(ctx); err != nil {
			return err
		}
		x.e.NewAnswer = answer.String()
		if answer == Alive {
			break
		}
		// Where the old one could not be asked about, the new one cannot either.
		hopeless := answer == CouldNotTell && x.e.Mute && asked >= 3
		if hopeless || x.k.Works == nil && x.k.Identify == nil || x.m.Now().Sub(begun) >= verifyWithin {
			return x.unverified(ctx, answer, why)
		}
		if err := x.m.Call.Sleep(ctx, delay); err != nil {
			return err
		}
		delay = min(2*delay, 15*time.Second)
	}
	if err := x.e.Move(journal.Verified); err != nil {
		return err
	}
	x.did("verify", "the new token works")
	return nil
}

// works asks whether the new token can do what the old one could.
func (x *run) works(ctx context.Context) (a Answer, why string, err error) {
	if x.k.Works != nil {
		a, err := x.k.Works(ctx, x.m, x.old, x.new)
		if ctx.Err() != nil {
			return CouldNotTell, "", ctx.Err()
		}
		if err != nil && a == Dead { // the error says why it will not do
			return Dead, err.Error(), nil
		}
		if err != nil {
			return CouldNotTell, err.Error(), nil
		}
		return a, "", nil
	}
	if x.k.Identify == nil {
		return CouldNotTell, "", nil
	}
	id, err := x.k.Identify(ctx, x.m, x.new)
	if ctx.Err() != nil {
		return CouldNotTell, "", ctx.Err()
	}
	if err != nil {
		return CouldNotTell, err.Error(), nil
	}
	if id.Answer == Alive && x.e.Owner != "" && id.Owner != "" && id.Owner != x.e.Owner {
		return Dead, fmt.Sprintf("it belongs to %s, the old one to %s", id.Owner, x.e.Owner), nil
	}
	return id.Answer, id.Note, nil
}

// unverified decides on a new token of which the service does not say that it
// works.
func (x *run) unverified(ctx context.Context, answer Answer, why string) error {
	why = ifs(why == "", "", ": "+x.safe(why))
	if answer == Dead && x.e.Pasted {
		x.say("The service does not take it%s.", why)
		if x.refused++; x.refused < pastes {
			return x.discard(ctx)
		}
		if err := x.discard(ctx); err != nil {
			return err
		}
	}
	if answer == Dead {
		x.did("verify", "the service does not take the new token"+why)
		return fmt.Errorf("the service does not take the new %s%s", x.k.Title, why)
	}
	yes, err := x.m.Person.Confirm(ctx, fmt.Sprintf("It cannot be checked whether the new %s works%s. Use it all the same?", x.k.Title, why))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || !yes {
		x.did("verify", "it could not be told whether the new token works"+why)
		return errors.Join(fmt.Errorf("it could not be told whether the new %s works%s", x.k.Title, why), err)
	}
	if err := x.e.Move(journal.Verified); err != nil {
		return err
	}
	x.did("verify", "it could not be told whether the new token works; a person said to use it")
	return nil
}

// discard forgets a pasted token that proved to be none.
func (x *run) discard(ctx context.Context) error {
	if err := wipe(ctx, x.m.Keys, x.e.ID, "new"); err != nil {
		return err
	}
	x.new = Token{}
	x.e.New, x.e.NewKept, x.e.Pasted, x.e.NewAnswer, x.e.Unplaced = nil, false, false, "", false
	return x.e.Move(journal.Planned)
}

// drop revokes the new token, which is not in its place and never will be.
func (x *run) drop(ctx context.Context) {
	if x.k.Revoke == nil || x.new.Value.Empty() || x.e.Pasted {
		return
	}
	if err := x.k.Revoke(ctx, x.m, x.new, x.old); err != nil {
		x.did("revoke", "the new token could not be revoked: "+err.Error())
		return
	}
	x.did("revoke", "the new token, which was not used, was revoked")
	if n := len(x.e.Creates); n > 0 {
		x.e.Creates[n-1].Result = journal.Revoked
	}
}
