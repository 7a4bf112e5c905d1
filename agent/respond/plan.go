package respond

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wormbell"
)

// Plan spells out what [Rotator.Rotate] would do with tokens, one after the
// other. Its Do does it; each, unless it is nil, is shown how far each rotation
// came. A rotation that stops does not keep the others from being tried, unless
// ctx ends.
func (r *Rotator) Plan(tokens []Token, o Options, each func(Outcome, error)) wormbell.Plan {
	p := wormbell.Plan{Steps: []string{}}
	for _, t := range tokens {
		for _, s := range r.Steps(t, o) {
			if len(tokens) > 1 {
				s = t.Name + ": " + s
			}
			p.Steps = append(p.Steps, s)
		}
	}
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

// Steps are the sentences in which [Rotator.Plan] says what would be done with t.
func (r *Rotator) Steps(t Token, o Options) []string {
	k := r.kind(t.Kind)
	if k == nil {
		return []string{fmt.Sprintf("Nothing: there are no tokens of kind %q.", t.Kind)}
	}
	host := t.Site
	if host == "" {
		host = "the service"
	}
	var s []string
	if k.Identify != nil {
		s = append(s, fmt.Sprintf("Ask %s who the %s in %s belongs to.", host, k.Title, where(t)))
	}
	create, revoke := k.createSteps(t, host), k.revokeSteps(t, host)
	switch {
	case o.RevokeOnly:
		s = append(s, revoke...)
		s = append(s, ifs(k.Forget != nil, "Remove the dead token from "+where(t)+".", "Leave the dead token in "+where(t)+"."),
			"No new token is made: what uses this one stops working.")
	case o.ContainNow && k.CreateKills && k.Create != nil:
		s = append(s, create...)
		s = append(s, "Should the service refuse that: revoke the old token at once, and let a person make the new one.")
	case o.ContainNow || k.RevokeFirst:
		s = append(s, revoke...)
		s = append(s, "From here until the new token is in its place none works, perhaps for good.")
		s = append(s, create...)
	default:
		s = append(s, create...)
		s = append(s, revoke...)
	}
	return append(s, k.Notice...)
}

// createSteps say how a new token is made and put into its place.
func (k *Kind) createSteps(t Token, host string) []string {
	var s []string
	switch {
	case k.Create == nil && k.Pages == nil:
		s = append(s, fmt.Sprintf("You make a new %s and paste it here.", k.Title))
	case k.Create == nil:
		s = append(s, fmt.Sprintf("You make a new %s on a page that is opened%s, and paste it here.", k.Title, k.at(t, true)))
	case k.CreateKills:
		s = append(s, fmt.Sprintf("Ask %s for a new %s. That kills the old one in the same breath: if the answer is lost, perhaps neither works, and you make one on its page%s.",
			host, k.Title, k.at(t, true)))
	default:
		s = append(s, fmt.Sprintf("Ask %s for a new %s with the same grants or fewer%s; where it has no call for this token, you make it on its page%s.",
			host, k.Title, ifs(k.NeedsPerson, ", for which you log in", ""), k.at(t, true)))
	}
	s = append(s, "Keep the new token in the keychain until it is in its place, and check that it works.")
	if k.Install == nil {
		return append(s, "You put it into "+where(t)+".")
	}
	return append(s, "Put it into "+where(t)+", changing nothing else there.")
}

// revokeSteps say how the old one is killed.
func (k *Kind) revokeSteps(t Token, host string) []string {
	within := k.DiesWithin
	if within == 0 {
		within = diesWithin
	}
	first := fmt.Sprintf("Revoke the old one at %s.", host)
	switch {
	case k.Revoke == nil:
		first = fmt.Sprintf("You revoke the old one on a page that is opened%s.", k.at(t, false))
	case k.CreateKills:
		first = "Revoke the old one if it should still be alive."
	}
	if k.Mute != "" || k.IsDead == nil && k.Identify == nil {
		return []string{first, "The service cannot be asked whether it is dead: you look on its page."}
	}
	return []string{first, fmt.Sprintf("Ask until it is refused, which takes up to %s; if you do not wait, it is pending and can be gone on with.", inWords(within))}
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
