package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wormbell"
	"wormbell/agent/respond/edit"
	"wormbell/agent/respond/keychain"
)

// Plan spells out what [Rotator.Rotate] would do with tokens, one after the
// other. Its Do does it; each, unless it is nil, is shown how far each rotation
// came. A rotation that stops does not keep the others from being tried, unless
// ctx ends.
func (r *Rotator) Plan(tokens []Token, o Options, each func(Outcome, error)) wormbell.Plan {
	p := wormbell.Plan{Steps: []string{}}
	for _, t := range tokens {
		p.Steps = append(p.Steps, r.Steps(t, o)...)
	}
	p.Steps = append(p.Steps, r.Notices(tokens, o)...)
	p.Do = func(ctx context.Context) error {
		defer r.leave(ctx) // once: one login may do for several tokens
		var errs []error
		for _, t := range tokens {
			if ctx.Err() != nil {
				return errors.Join(append(errs, ctx.Err())...)
			}
			out, err := r.rotate(ctx, t, o)
			if each != nil {
				each(out, err)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return p
}

// Steps are the sentences in which [Rotator.Plan] says what would be done with
// t: a first one that names it, and those that belong to it, which begin with
// two spaces.
func (r *Rotator) Steps(t Token, o Options) []string {
	k := r.kind(t.Kind)
	if k == nil {
		return []string{fmt.Sprintf("Nothing is done with %s: there are no tokens of kind %q.", t.Name, t.Kind)}
	}
	contain := o.ContainNow || k.RevokeFirst
	kills := contain && k.CreateKills && k.Create != nil
	host := t.Site
	if host == "" {
		host = "the service"
	}
	why := r.unwritable(k, t)
	s := []string{fmt.Sprintf(ifs(o.RevokeOnly, "Revoke %s, the %s in %s, and make no new one: what uses it stops working.", "Replace %s, the %s in %s."), t.Name, k.Title, where(t))}
	add := func(lines ...string) {
		for _, l := range lines {
			if l != "" {
				s = append(s, "  "+l)
			}
		}
	}
	if why != nil && !o.RevokeOnly && !contain {
		add(fmt.Sprintf("It cannot be done now: %v. No new token is made, and the old one stays alive, until that is mended and this is run again. "+
			"With --contain-now the old one is revoked all the same, and the new one is kept until it can be put there.", why))
		return s
	}
	if k.Identify != nil {
		add(fmt.Sprintf("Ask %s whose it is and what it may do%s.", host, ifs(contain || o.RevokeOnly, fmt.Sprintf(", for %s at most", inWords(containLook)), "")))
	}
	create, revoke := k.createSteps(t, host, r.keeping(), why), k.revokeSteps(t, r.Patience)
	switch {
	case o.RevokeOnly:
		add(revoke...)
		switch {
		case k.Forget == nil:
			add("Leave the dead token in " + where(t) + ".")
		case why != nil:
			add("The dead token stays where it stands: " + why.Error() + ".")
		default:
			add("Remove the dead token from " + where(t) + ".")
		}
	case kills:
		add(create...)
		add("Should the service refuse that: revoke the old one at once, and you make the new one.")
	case contain:
		add(revoke...)
		add("From here until the new one is in its place none works, perhaps for good.")
		add(create...)
	default:
		add(create...)
		add(revoke...)
	}
	return s
}

// unwritable is the reason why a new token could not be put where t stands.
func (r *Rotator) unwritable(k *Kind, t Token) error {
	if r.Machine == nil {
		return nil
	}
	return k.unwritable(r.Machine, t, edit.Writable)
}

// Notices are what a person must know beforehand of the kinds of tokens, each
// once.
func (r *Rotator) Notices(tokens []Token, o Options) []string {
	var s, told []string
	for _, t := range tokens {
		k := r.kind(t.Kind)
		if k == nil || len(k.Notice) == 0 || slices.Contains(told, k.ID) {
			continue
		}
		told = append(told, k.ID)
		s = append(s, "Before you agree, know of the "+k.Title+":")
		for _, n := range k.Notice {
			s = append(s, "  "+n)
		}
		if o.ContainNow && k.NoticeContained != "" {
			s = append(s, "  "+k.NoticeContained)
		}
	}
	return s
}

// keeping says where a new token is kept until it is in its place.
func (r *Rotator) keeping() string {
	if r.Machine != nil {
		if _, sealed := r.Machine.Keys.(*keychain.Sealed); r.Machine.Keys == nil || sealed {
			return "Keep it in a file sealed with a passphrase until it is in its place, as there is no keychain here, and see that it works."
		}
	}
	return "Keep it in the keychain until it is in its place, and see that it works."
}

// createSteps say how a new token is made and put into its place; keep is the step
// between, unwritable why it cannot be put there, nil if it can.
func (k *Kind) createSteps(t Token, host, keep string, unwritable error) []string {
	page := k.at(t, true)
	var make string
	switch {
	case k.Create == nil && k.Pages == nil:
		make = "You make a new one, and paste it here."
	case k.Create == nil:
		make = "You make a new one on a page that is opened" + page + ", and paste it here."
	case k.CreateKills:
		make = fmt.Sprintf("Ask %s for a new one, which kills the old one in the same breath. If the answer is lost, perhaps neither works, and you make one on its page%s.", host, page)
	default:
		make = fmt.Sprintf("Ask %s for a new one that may do no more%s. If it has no call for that, you make it on its page%s.", host, ifs(k.NeedsPerson, "; you sign in for it", ""), page)
	}
	switch {
	case k.Install == nil:
		return []string{make, keep, "You put it into " + where(t) + "."}
	case unwritable != nil:
		return []string{make, keep, "But it cannot be put into its place yet: " + unwritable.Error() + ". When that is mended, 'wormbell rotate --resume' does it."}
	}
	return []string{make, keep, "Put it into " + where(t) + ", changing nothing else there."}
}

// revokeSteps say how the old one is killed, and how long that is waited for.
func (k *Kind) revokeSteps(t Token, patience time.Duration) []string {
	within := k.DiesWithin
	if within == 0 {
		within = diesWithin
	}
	first := "Revoke the old one"
	switch {
	case k.Revoke == nil:
		first = "You revoke the old one on a page that is opened" + k.at(t, false)
	case k.CreateKills:
		first = "Revoke the old one if it should still be alive"
	}
	switch {
	case k.Mute != "" || k.IsDead == nil && k.Identify == nil:
		return []string{first + ". The service cannot be asked whether it is dead: you look on its page."}
	case patience > 0 && patience < within:
		return []string{first + fmt.Sprintf(", and ask until it is refused. That may take %s; after %s it is left pending, and 'wormbell rotate --resume' asks again.", inWords(within), inWords(patience))}
	}
	return []string{first + fmt.Sprintf(", and ask until it is refused, which may take %s.", inWords(within))}
}

// at names the page for making a token, or for revoking one.
func (k *Kind) at(t Token, create bool) string {
	if p := k.page(t, create); p.URL != "" {
		return " (" + p.URL + ")"
	}
	return ""
}

func inWords(d time.Duration) string {
	switch {
	case d == time.Minute:
		return "a minute"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d == time.Hour:
		return "an hour"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d hours", int(d.Hours()))
}
