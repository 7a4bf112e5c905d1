package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wormbell/agent/respond/journal"
	"wormbell/agent/respond/keychain"
)

// Made reports whether t is the token that rotation id has made, as far as that
// is kept: it is forgotten when the rotation ends.
func (r *Rotator) Made(ctx context.Context, id string, t Token) bool {
	if r.Machine.Keys == nil {
		return false
	}
	new, err := recall(ctx, r.Machine.Keys, id, "new")
	return err == nil && new.Value.Equal(t.Value)
}

// load reads what was kept, after a crash.
func (x *run) load(ctx context.Context) error {
	x.old, x.new = unwritten(x.e.Old), Token{}
	if err := x.loadOld(ctx); err != nil || x.m.Keys == nil {
		return err
	}
	new, err := recall(ctx, x.m.Keys, x.e.ID, "new")
	switch {
	case err == nil:
		x.new = new
	case errors.Is(err, keychain.ErrNotFound):
		x.new = x.inPlace(ctx)
	default:
		return err
	}
	if x.e.New != nil && !placed(x.e.Rotation) && x.new.Value.Empty() {
		return x.lose()
	}
	return nil
}

func (x *run) loadOld(ctx context.Context) error {
	if x.m.Keys == nil && x.e.Kept {
		return fmt.Errorf("%w, and what it is about is kept in one", keychain.ErrNone)
	}
	err := keychain.ErrNotFound
	if x.m.Keys != nil {
		var old Token
		if old, err = recall(ctx, x.m.Keys, x.e.ID, "old"); err == nil {
			if old.Kind != x.e.Old.Kind || old.Site != x.e.Old.Site { // it would be sent where it must not go
				return fmt.Errorf("the journal and what is in %s are about different tokens: somebody has changed one of them; give this rotation up and begin again", x.m.Keys.Where())
			}
			x.old = old
			x.e.Kept = true
			return nil
		}
	}
	switch {
	case !errors.Is(err, keychain.ErrNotFound):
		return err
	case x.e.State == journal.Dead: // wiped, or never needed: only the end is missing
		return nil
	case x.e.State == journal.Planned && !x.e.Kept:
		return x.again(ctx)
	case !x.e.Kept:
		return fmt.Errorf("the old token was not kept, for there was no keychain; if it still stands in %s, give this rotation up and begin again", where(x.old))
	}
	return fmt.Errorf("what it is about is not in %s: %w", x.m.Keys.Where(), err)
}

// doubt asks the service again if the journal says that the old token is dead.
// The journal lies where every program of the user's may write, and whoever
// stole a token would like us to believe that.
func (x *run) doubt(ctx context.Context) error {
	if !x.e.OldDead && x.e.State != journal.Dead || x.old.Value.Empty() {
		return nil
	}
	if answer, err := x.isDead(ctx); err != nil || answer != Alive {
		return err
	}
	x.say("It was written down that %s is dead, but the service takes it.", x.old.Name)
	x.e.OldDead, x.e.ByWord, x.e.Accepted, x.e.ByPage = false, false, time.Time{}, false
	if x.e.State == journal.Dead {
		return x.e.Move(journal.Revoking)
	}
	return x.e.Save()
}

// contain makes a rotation one that contains, as far as it has not come further.
func (x *run) contain() error {
	if x.e.Mode != journal.Rotate || x.e.OldDead || !x.e.Asked.IsZero() || placed(x.e.Rotation) {
		return nil
	}
	x.e.Mode = journal.ContainNow
	x.e.Unplaced = x.e.New != nil
	return x.e.Save()
}

// again finds the token of a rotation that crashed before it had kept it:
// nothing was done yet, so what stands there now is what is meant.
func (x *run) again(ctx context.Context) error {
	if x.k.Find == nil {
		return fmt.Errorf("%s cannot be looked for", x.e.Old.Name)
	}
	var paths []string // all, if it stands in no file: what names a keychain item may be in any
	if p := x.old.paths(); len(p) > 0 {
		paths = p
	}
	found, err := Find(ctx, x.m, []Kind{*x.k}, paths)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, t := range found {
		if t.Site == x.old.Site && slices.ContainsFunc(t.Places, func(p Place) bool { return slices.Contains(x.old.Places, p) }) {
			t.Name = x.e.Old.Name
			x.old, x.e.Old = t, t.written()
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%s is not there any more; nothing was done to it", x.e.Old.Name), err)
}

// inPlace returns the new token as it stands where the old one stood, or one
// without a value.
func (x *run) inPlace(ctx context.Context) Token {
	if !x.e.Installs || x.k.Find == nil || x.e.New == nil {
		return Token{}
	}
	found, _ := x.k.Find(ctx, x.m, x.old.paths())
	for _, t := range found {
		if t.Site == x.old.Site && !t.Value.Equal(x.old.Value) && slices.ContainsFunc(t.Places, func(p Place) bool { return slices.Contains(x.old.Places, p) }) {
			t.Kind = x.k.ID
			return t
		}
	}
	return Token{}
}

// lose notes that the new token is gone: its value was not kept before a crash.
func (x *run) lose() error {
	x.say("The new token was lost before it was kept.")
	x.e.New, x.e.NewKept, x.e.Pasted = nil, false, false
	if n := len(x.e.Creates); n > 0 && x.e.Creates[n-1].Result == journal.Made {
		x.e.Creates[n-1].Result = journal.Unknown
	}
	switch x.e.State {
	case journal.Planned, journal.Revoking, journal.Dead: // another is made when the old one is dead
		x.e.Unplaced = false
		return x.e.Save()
	}
	return x.e.Move(journal.Planned)
}
