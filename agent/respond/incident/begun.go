package incident

import (
	"context"
	"fmt"
	"slices"
	"time"

	"wormbell/agent/respond"
	"wormbell/agent/respond/journal"
)

// This file holds what an earlier answer has begun or done: it may have been
// cut off anywhere, also after the new token was put where the old one stood.

// earlier takes out of Tokens those that an earlier answer to the same has
// replaced, or is about to, unless they were exposed anew; what it began and
// did not end is gone on with. The stolen token may be alive although it stands
// nowhere any more.
func (r *Response) earlier() {
	past, err := r.rotator.History()
	if err != nil {
		r.problem(err)
	}
	alert := ""
	if r.c.Alert != nil {
		alert = r.c.Alert.ID
	}
	// Who wants a token dead must not get a new one instead, nor the other way round.
	r.Tokens = slices.DeleteFunc(r.Tokens, func(t respond.Token) bool {
		i := slices.IndexFunc(past, func(u respond.Outcome) bool {
			placed := slices.Contains([]journal.State{journal.Installed, journal.Revoking, journal.Dead}, u.State) // it is another token that stands there now
			return same(u, t) && !u.Done && !u.Abandoned && (u.Mode == journal.RevokeOnly) != r.c.RevokeOnly && !(r.c.RevokeOnly && placed)
		})
		if i < 0 {
			return false
		}
		r.ByHand = append(r.ByHand, fmt.Sprintf("%s: something else was begun with it %s and has not ended. 'wormbell rotate --resume' goes on with that; 'wormbell rotate --give-up %s' gives it up, and then run this again.",
			t.Name, when(past[i].Begun), past[i].ID))
		return true
	})
	past = slices.DeleteFunc(past, func(u respond.Outcome) bool {
		// A token that is named again is meant again.
		return u.Alert != alert || u.Abandoned || u.Done && alert == "" || (u.Mode == journal.RevokeOnly) != r.c.RevokeOnly
	})
	of := func(t respond.Token) func(respond.Outcome) bool {
		return func(u respond.Outcome) bool {
			// Which of a site's tokens has which name depends on what else there is.
			return same(u, t) && slices.ContainsFunc(u.Places, func(p respond.Place) bool { return slices.Contains(t.Places, p) })
		}
	}
	for _, u := range past {
		// By name only what is named is gone on with.
		if !u.Done && (alert != "" || slices.ContainsFunc(r.Tokens, func(t respond.Token) bool { return of(t)(u) })) {
			r.Begun = append(r.Begun, u)
		}
	}
	r.Tokens = slices.DeleteFunc(r.Tokens, func(t respond.Token) bool {
		i := slices.IndexFunc(past, of(t)) // the youngest
		if i < 0 || r.exposedAfter(t, past[i].Begun) || past[i].Done && !r.noted(past) {
			return false
		}
		r.Replaced = append(r.Replaced, t)
		return true
	})
}

// noted reports whether the agent, too, knows of the rotations among past that
// are said to be done: a new token was put in place for each. Journals lie where
// every program of the user's may write, and a thief would like us to believe
// that what he stole was replaced; on an alert only our own programs note.
func (r *Response) noted(past []respond.Outcome) bool {
	for _, u := range past {
		if !u.Done {
			continue
		}
		done, known := 0, 0
		for _, o := range past {
			if o.Done && o.Kind == u.Kind {
				done++
			}
		}
		for _, a := range r.c.Alert.Actions {
			if a.What == u.Kind+"-token-install" && !a.Time.Before(u.Begun.Add(-skew)) {
				known++
			}
		}
		if known < done || u.Begun.After(r.c.Machine.Now().Add(skew)) {
			return false
		}
	}
	return true
}

// skew is how far the times of the agent and ours may lie apart: it notes what
// we tell it a moment later.
const skew = time.Minute

// goOn goes on with u. If the token that stood where u's stood when the plan was
// made still does, and is not the one that u has made, then u was about
// something else, whatever it says, and the token is answered for by itself.
func (r *Response) goOn(ctx context.Context, u respond.Outcome) (respond.Outcome, error) {
	i := slices.IndexFunc(r.Replaced, func(t respond.Token) bool { return t.Kind == u.Kind && t.Name == u.Token })
	made := i < 0 || r.rotator.Made(ctx, u.ID, r.Replaced[i]) // it forgets that as it ends
	resume := r.rotator.Resume
	if r.c.ContainNow {
		resume = r.rotator.Contain
	}
	out, err := resume(ctx, u.ID)
	if err != nil || !out.Done || made || !r.stands(ctx, r.Replaced[i]) {
		return out, err
	}
	r.c.Machine.Person.Say("What was begun has ended, and " + u.Token + " still stands where it stood.")
	return r.rotator.Rotate(ctx, r.Replaced[i], r.options())
}

// stands reports whether t still stands in one of its files.
func (r *Response) stands(ctx context.Context, t respond.Token) bool {
	k := r.kind(t.Kind)
	if k == nil {
		return false
	}
	paths := []string{} // nil would mean all
	for _, p := range t.Places {
		if p.Path == "" {
			p.Path = t.Facts["beside"] // see respond.Token
		}
		if p.Path != "" {
			paths = append(paths, p.Path)
		}
	}
	now, _ := respond.Find(ctx, r.c.Machine, []respond.Kind{*k}, paths)
	return slices.ContainsFunc(now, func(n respond.Token) bool { return n.Site == t.Site && n.Value.Equal(t.Value) })
}

// exposedAfter reports whether the token that stands where t stands may have
// been read after at. The agent does not tell of every read of one program, so
// the thief must have been stopped by then and not let go since.
func (r *Response) exposedAfter(t respond.Token, at time.Time) bool {
	if r.c.Alert == nil {
		return false
	}
	stopped := false
	for _, a := range r.c.Alert.Actions {
		switch a.What {
		case "freeze", "kill":
			stopped = stopped || !a.Time.After(at)
		case "resume":
			stopped = false
		}
	}
	return !stopped || slices.ContainsFunc(t.Places, func(p respond.Place) bool { return r.read[p.Path].After(at) })
}

// ongoing are the steps of a plan that go on with what was begun.
func (r *Response) ongoing(add func(string, ...any)) {
	for _, t := range r.Replaced {
		if !slices.ContainsFunc(r.Begun, func(u respond.Outcome) bool { return same(u, t) }) {
			add("%s was replaced already, and nothing has read it since: it stays.", t.Name)
		}
	}
	for _, u := range r.Begun {
		add("%s: go on with what was begun %s. %s", u.Token, when(u.Begun), u.Sentence)
		if r.c.ContainNow && u.Mode == journal.Rotate && u.OldAnswer != respond.Dead {
			add("  Revoke the old one at once, before all else that is left.")
		}
		for _, l := range u.Left {
			add("  %s", l)
		}
	}
}

func same(u respond.Outcome, t respond.Token) bool { return u.Kind == t.Kind && u.Token == t.Name }

func when(at time.Time) string { return at.Local().Format("2006-01-02 15:04") }
