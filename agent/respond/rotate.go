package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"wormbell"
	"wormbell/agent/respond/journal"
	"wormbell/agent/respond/keychain"
)

// Rotator makes new tokens, puts them where the old ones stand and kills the
// old ones, in the order that loses none, and goes on where it was interrupted.
// Several may work at once, also in several processes; no two have one token.
type Rotator struct {
	Machine *Machine
	Kinds   []Kind // nil: [All]
	// Did, unless it is nil, is told of each thing that was done, for the alert
	// that it answers, "" for none. The action's By is By.
	Did func(alert string, a wormbell.Action)
	By  string // uid or SID of who asked, for Did
	// Patience is how long one call waits at most until a revoked token is
	// refused; then it is pending. 0: as long as the service may take.
	Patience time.Duration

	// look, unless it is 0, stands in for containLook.
	look time.Duration
	// step, unless it is nil, is called around each thing that is written down:
	// tests die there.
	step func(string)
}

// Options are what a person can choose of a rotation.
type Options struct {
	ContainNow bool   // kill the old token first: for a while, and perhaps for good, there is none
	RevokeOnly bool   // kill it, remove it from where it stands, and make no new one
	Alert      string // ID of the alert it answers
	Replace    bool   // make a new one even if the old one proves to be dead already; else a person is asked
}

func (o Options) mode() journal.Mode {
	switch {
	case o.RevokeOnly:
		return journal.RevokeOnly
	case o.ContainNow:
		return journal.ContainNow
	}
	return journal.Rotate
}

// leaveWithin is how long ending a login may take after all is done.
const leaveWithin = 15 * time.Second

// ErrUnfinished is wrapped by errors that say that a rotation of this token was
// begun before and must be ended first, by [Rotator.Resume] or [Rotator.Abandon].
var ErrUnfinished = errors.New("a rotation of it was begun and has not ended")

// ErrOnlyOne is wrapped by errors that say that what is to be given up is the
// only token that may work.
var ErrOnlyOne = errors.New("it may be the only token that works")

// errPending says that the old token is not dead yet, and nothing more can be
// done about it now.
var errPending = errors.New("the old token is not dead yet")

// Rotate carries out what o says with t, which is one of those that [Find]
// returned. The Outcome is true whatever the error: it says which token works.
// There is no error if all is done or if the old token's death is pending.
//
// Unless only the old token's death is wanted, Machine.Keys must be there:
// otherwise the error wraps [keychain.ErrNone], and nothing was done.
func (r *Rotator) Rotate(ctx context.Context, t Token, o Options) (Outcome, error) {
	defer r.leave(ctx)
	return r.rotate(ctx, t, o)
}

func (r *Rotator) rotate(ctx context.Context, t Token, o Options) (Outcome, error) {
	k := r.kind(t.Kind)
	o.ContainNow = o.ContainNow || k != nil && k.RevokeFirst
	plain := journal.Rotation{State: journal.Planned, Mode: o.mode(), Alert: o.Alert, Old: t.written(), Replace: o.Replace}
	if k == nil {
		return outcome(plain, nil), fmt.Errorf("rotate %s: there are no tokens of kind %q", t.Name, t.Kind)
	}
	if t.Value.Empty() {
		return outcome(plain, k), fmt.Errorf("rotate %s: it has no value", t.Name)
	}
	if r.Machine.Keys == nil && !o.RevokeOnly {
		return outcome(plain, k), fmt.Errorf("rotate %s: %w to keep the new token in until it is in its place; nothing was done", t.Name, keychain.ErrNone)
	}
	if b, err := json.Marshal(plain); err != nil || shows(string(b), t) {
		return outcome(plain, k), fmt.Errorf("rotate %s: its secret stands in its description, which is a fault in kind %q; nothing was done", t.Name, k.ID)
	}
	d, err := r.journals()
	if err != nil {
		return outcome(plain, k), fmt.Errorf("rotate %s: %w", t.Name, err)
	}
	e, err := d.New(plain, func(unfinished []journal.Rotation) error { return r.free(ctx, t, unfinished) })
	if err != nil {
		return outcome(plain, k), fmt.Errorf("rotate %s: %w", t.Name, err)
	}
	x := &run{r: r, m: r.Machine, k: k, e: e, old: t}
	return x.end(ctx, x.loop(ctx))
}

// free returns an error if one of unfinished is a rotation of t, or is about to
// write where t stands.
func (r *Rotator) free(ctx context.Context, t Token, unfinished []journal.Rotation) error {
	for _, u := range unfinished {
		if u.Old.Kind != t.Kind {
			continue
		}
		same := u.Old.Name == t.Name
		if u.Kept && r.Machine.Keys != nil {
			if old, err := recall(ctx, r.Machine.Keys, u.ID, "old"); err == nil {
				same = old.Value.Equal(t.Value) && old.Site == t.Site
			}
		}
		// One whose token is in place does nothing there any more.
		if u.Mode != journal.RevokeOnly && !placed(u) && slices.ContainsFunc(u.Old.Places, func(p journal.Place) bool { return slices.Contains(t.Places, Place(p)) }) {
			same = true
		}
		if same {
			return fmt.Errorf("%w: rotation %s", ErrUnfinished, u.ID)
		}
	}
	return ctx.Err()
}

// Resume goes on with rotation id where it stopped. Machine.Keys must be the
// store that it was begun with.
func (r *Rotator) Resume(ctx context.Context, id string) (Outcome, error) {
	return r.resume(ctx, id, false)
}

// Contain goes on with rotation id as [Rotator.Resume] does, and as if it had
// been begun with [Options].ContainNow: the old token dies before all else, also
// if there is a new one already that is not in its place.
func (r *Rotator) Contain(ctx context.Context, id string) (Outcome, error) {
	return r.resume(ctx, id, true)
}

func (r *Rotator) resume(ctx context.Context, id string, contain bool) (Outcome, error) {
	defer r.leave(ctx)
	d, err := r.journals()
	if err != nil {
		return Outcome{ID: id}, fmt.Errorf("go on with rotation %s: %w", id, err)
	}
	e, err := d.Take(id)
	if err != nil {
		return r.read(d, id), fmt.Errorf("go on with rotation %s: %w", id, err)
	}
	x := &run{r: r, m: r.Machine, k: r.kind(e.Old.Kind), e: e, resumed: true}
	if e.State.Ended() {
		return x.end(ctx, nil)
	}
	if x.k == nil {
		return x.end(ctx, fmt.Errorf("there are no tokens of kind %q", e.Old.Kind))
	}
	e.Problem = ""
	err = x.load(ctx)
	if err == nil {
		err = x.doubt(ctx)
	}
	if err == nil && contain {
		err = x.contain()
	}
	if err == nil {
		err = x.loop(ctx)
	}
	return x.end(ctx, err)
}

// read says how far a rotation has come that somebody else has; if that cannot
// be read either, only its ID is set.
func (r *Rotator) read(d *journal.Dir, id string) Outcome {
	x, err := d.Read(id)
	if err != nil {
		return Outcome{ID: id}
	}
	return outcome(x, r.kind(x.Old.Kind))
}

// Unfinished returns the rotations that were begun and have not ended, the
// youngest first. An error comes with those that could be read.
func (r *Rotator) Unfinished() ([]Outcome, error) { return r.list(false) }

// History returns all rotations that are still on record, the youngest first.
func (r *Rotator) History() ([]Outcome, error) { return r.list(true) }

func (r *Rotator) list(ended bool) ([]Outcome, error) {
	d, err := r.journals()
	if err != nil {
		return nil, err
	}
	all, err := d.List()
	var out []Outcome
	for _, x := range all {
		if ended || !x.State.Ended() {
			out = append(out, outcome(x, r.kind(x.Old.Kind)))
		}
	}
	return out, err
}

// Abandon gives rotation id up, for a reason of the person's, and wipes what
// was kept for it. A new token that is not in its place is revoked if it can
// be; but if it may be the only one that works, the error wraps [ErrOnlyOne]
// unless anyway is true.
func (r *Rotator) Abandon(ctx context.Context, id, reason string, anyway bool) (Outcome, error) {
	defer r.leave(ctx)
	d, err := r.journals()
	if err != nil {
		return Outcome{ID: id}, fmt.Errorf("give up rotation %s: %w", id, err)
	}
	e, err := d.Take(id)
	if err != nil {
		return r.read(d, id), fmt.Errorf("give up rotation %s: %w", id, err)
	}
	x := &run{r: r, m: r.Machine, k: r.kind(e.Old.Kind), e: e, resumed: true}
	if e.State.Ended() {
		return x.end(ctx, nil)
	}
	unplaced := e.New != nil && !placed(e.Rotation)
	if unplaced && oldMayBeDead(e.Rotation, x.k) && !anyway {
		return x.end(ctx, fmt.Errorf("%w: the new one, which is not in its place yet", ErrOnlyOne))
	}
	if x.k != nil {
		// Whatever is not known of the new one, a person is told of its label.
		if err := x.load(ctx); err == nil && unplaced && !oldMayBeDead(e.Rotation, x.k) {
			x.drop(ctx)
		}
	}
	for i := range e.Creates {
		if c := &e.Creates[i]; c.Result == journal.Unknown || c.Result == journal.Made && unplaced {
			c.Result = journal.Unsure
		}
	}
	if err := x.wipe(ctx); err != nil {
		return x.end(ctx, err)
	}
	e.Reason, e.Problem, e.Unplaced = x.safe(reason), "", unplaced
	if err := e.Move(journal.Abandoned); err != nil {
		return x.end(ctx, err)
	}
	x.did("abandon", "the rotation was given up: "+e.Reason)
	return x.end(ctx, nil)
}

// leave ends what kinds began for themselves, such as logins, also if ctx has
// ended.
func (r *Rotator) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	for _, k := range r.kinds() {
		if k.Leave != nil {
			k.Leave(ctx, r.Machine)
		}
	}
}

func (r *Rotator) kinds() []Kind {
	if r.Kinds == nil {
		return All
	}
	return r.Kinds
}

func (r *Rotator) journals() (*journal.Dir, error) {
	return journal.Open(r.Machine.State, journal.Config{Now: r.Machine.Now, Step: r.step})
}

func (r *Rotator) kind(id string) *Kind {
	kinds := r.kinds()
	for i := range kinds {
		if kinds[i].ID == id {
			return &kinds[i]
		}
	}
	return nil
}
