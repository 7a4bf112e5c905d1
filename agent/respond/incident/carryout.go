package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/persistence"
)

// Result is how an answer went.
type Result struct {
	Frozen    string            `json:"frozen,omitempty"` // how freezing went
	Disabled  []string          `json:"disabled"`         // what was taken out of service, and where its copy lies
	Rotations []respond.Outcome `json:"rotations"`        // one for each token that was begun with
	Ended     string            `json:"ended,omitempty"`  // how ending the thief went
	Problems  []string          `json:"problems"`         // what went wrong, one sentence each
	Left      []string          `json:"left"`             // what is left to do, in order
	Complete  bool              `json:"complete"`         // nothing is left to do
	Closed    bool              `json:"closed"`           // the alert was closed
}

// Plan is the answer in words. Its Do carries it out; how it went, done is
// told, whatever the error.
func (r *Response) Plan(done func(Result)) wormbell.Plan {
	p := wormbell.Plan{Steps: []string{}}
	add := func(format string, args ...any) { p.Steps = append(p.Steps, fmt.Sprintf(format, args...)) }
	blocking := r.Persistence.Blocking()
	if r.demo() {
		add("Freeze every process that alert %s is about, and all they started: they stop where they are and lose nothing.", r.c.Alert.ID)
		add("This is a demonstration: nothing of yours is looked at, disabled or revoked.")
		add("After a real attack, what was left behind would be looked for and disabled here, and then every exposed token replaced and revoked.")
		add("End the frozen processes, and close the alert if nothing is left to do.")
		p.Do = r.do(done)
		return p
	}
	if r.c.Alert != nil {
		add("Freeze every process that alert %s is about, and all they started: they stop where they are and lose nothing.", r.c.Alert.ID)
		add("Look once more for what was left behind to start again, or to wait for a token to die. So far:")
	} else {
		add("Look for what may be waiting for a token to die. So far:")
	}
	for _, line := range r.Persistence.Summary() {
		add("  %s", line)
	}
	for _, f := range blocking {
		add("Disable %s: stop it and move it away, with a copy from which it can be put back.", named(f))
	}
	if len(blocking) > 0 {
		add("Nothing is revoked while one of these is alive%s. If you would rather take no risk: take this machine off the network now, and revoke from another one%s.",
			ifs(r.c.Force, ", but for --force", ""), r.elsewhere())
	}
	if r.failed != nil {
		add("That look failed: %v. So nobody can say that nothing lies in wait: %s", r.failed,
			ifs(r.c.Force, "for --force, tokens are revoked all the same.", "no token is revoked. Run this again; with --force tokens are revoked all the same."))
	}
	o := r.options()
	for _, t := range r.Tokens {
		p.Steps = append(p.Steps, r.rotator.Steps(t, o)...)
	}
	r.ongoing(add)
	p.Steps = append(p.Steps, r.rotator.Notices(r.Tokens, o)...)
	for _, name := range r.Alike {
		add("%s is the same token: it dies with it, and its file is yours to change.", name)
	}
	for _, d := range r.Decoys {
		add("%s is a decoy: there is nothing to revoke.", d)
	}
	for _, s := range r.ByHand {
		add("You: %s", s)
	}
	if r.c.Doubt != "" {
		add("%s", r.c.Doubt)
	}
	if r.c.Alert != nil {
		if len(r.Tokens)+len(r.Begun)+len(r.Replaced)+len(r.ByHand) == 0 {
			add("No token was exposed that is known of: nothing is revoked.")
		}
		add("End the frozen processes, and close the alert if nothing is left to do.")
	}
	p.Do = r.do(done)
	return p
}

// do returns what carries the plan out and tells done how it went.
func (r *Response) do(done func(Result)) func(context.Context) error {
	return func(ctx context.Context) error {
		res, err := r.carryOut(ctx)
		if r.froze && res.Ended == "" {
			res.Left = append(res.Left, fmt.Sprintf("The processes of the alert stay stopped: 'wormbell alert kill %s' ends them.", r.c.Alert.ID))
		}
		if done != nil {
			done(res)
		}
		return err
	}
}

// elsewhere names the pages on which tokens are revoked.
func (r *Response) elsewhere() string {
	var urls []string
	for _, t := range r.Tokens {
		if k := r.kind(t.Kind); k != nil && k.Pages != nil {
			if pages := k.Pages(t); len(pages) > 0 && pages[0].URL != "" {
				urls = append(urls, pages[0].URL)
			}
		}
	}
	for _, u := range r.Begun {
		if len(u.Pages) > 0 && u.Pages[0].URL != "" && !slices.Contains(urls, u.Pages[0].URL) {
			urls = append(urls, u.Pages[0].URL)
		}
	}
	if len(urls) == 0 {
		return ""
	}
	return ": " + strings.Join(urls, " , ")
}

func (r *Response) options() respond.Options {
	o := respond.Options{ContainNow: r.c.ContainNow, RevokeOnly: r.c.RevokeOnly, Replace: !r.c.RevokeOnly}
	if r.c.Alert != nil {
		o.Alert = r.c.Alert.ID
	}
	return o
}

// carryOut does it, in order. A step that fails keeps those from being done
// that must not come without it, and no others.
func (r *Response) carryOut(ctx context.Context) (Result, error) {
	res := Result{Disabled: []string{}, Rotations: []respond.Outcome{}, Problems: []string{}, Left: []string{}}
	say := r.c.Machine.Person.Say
	if r.c.Alert != nil && r.c.Agent != nil {
		outcome, err := r.c.Agent.Freeze(ctx, r.c.Alert.ID)
		if err != nil {
			outcome = "The thief could not be frozen: " + err.Error()
			res.Problems = append(res.Problems, outcome)
		}
		r.froze = err == nil
		res.Frozen = outcome
		say(outcome)
	}
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if r.demo() {
		r.end(ctx, &res)
		return res, nil
	}
	waiting, err := r.disable(ctx, &res)
	if err != nil {
		return res, err
	}
	if len(waiting) > 0 && !r.c.Force && len(r.Tokens)+len(r.Begun) > 0 {
		for _, o := range waiting {
			res.Left = append(res.Left, o.todo)
		}
		res.Left = append(res.Left, "Then run this again; with --force tokens are revoked all the same.")
		r.act("", wormbell.Action{What: "revoke-refused", Outcome: fmt.Sprintf("nothing was revoked, for %d reasons, of which the first is %s", len(waiting), waiting[0].what)})
		return res, fmt.Errorf("%w: %s; nothing was revoked", ErrWaiting, waiting[0].what)
	}
	var errs []error
	took := func(name string, out respond.Outcome, err error) {
		if out.Token != "" {
			res.Rotations = append(res.Rotations, out) // whoever shows the result says how it went
			for _, l := range out.Left {
				res.Left = append(res.Left, name+": "+l)
			}
		}
		if err != nil {
			errs = append(errs, err)
			res.Problems = append(res.Problems, err.Error())
			if len(out.Left) == 0 && !out.Done {
				res.Left = append(res.Left, name+": it was neither replaced nor revoked.")
			}
		}
	}
	for _, u := range r.Begun {
		say("Going on with what was begun " + when(u.Begun) + ".")
		out, err := r.goOn(ctx, u)
		took(u.Token, out, err)
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
	}
	for _, t := range r.Tokens {
		out, err := r.rotate(ctx, t)
		took(t.Name, out, err)
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
	}
	res.Left = append(res.Left, r.ByHand...)
	r.end(ctx, &res)
	return res, errors.Join(errs...)
}

// rotate answers for one token, going on with what was begun before.
func (r *Response) rotate(ctx context.Context, t respond.Token) (respond.Outcome, error) {
	out, err := r.rotator.Rotate(ctx, t, r.options())
	if !errors.Is(err, respond.ErrUnfinished) {
		return out, err
	}
	begun, lerr := r.rotator.Unfinished()
	if lerr != nil {
		r.c.Machine.Person.Say(lerr.Error())
	}
	for _, u := range begun {
		if u.Token == t.Name {
			r.c.Machine.Person.Say("Going on with what was begun " + when(u.Begun) + ".")
			r.Replaced = append(r.Replaced, t)
			return r.goOn(ctx, u)
		}
	}
	return out, err
}

// obstacle is a reason for which nothing may be revoked.
type obstacle struct {
	what string // in words, for the middle of a sentence
	todo string // what a person can do about it, a sentence
}

// resists is what still lies in wait.
func resists(f persistence.Trap) obstacle {
	return obstacle{named(f), fmt.Sprintf("Disable %s: %s.", named(f), strings.Join(f.Why, "; "))}
}

// unknown is a look that failed: what it has not seen may lie in wait. That it
// could not read one thing or another is no such failure.
func unknown(err error) obstacle {
	return obstacle{fmt.Sprintf("the look for it failed: %v", err), fmt.Sprintf("The look for what may lie in wait failed: %v. See that it can be done.", err)}
}

// disable takes out of service what may lie in wait, and returns what is still
// there afterwards, or may be. What the plan did not name is asked about.
func (r *Response) disable(ctx context.Context, res *Result) ([]obstacle, error) {
	report := r.Persistence
	var waiting []obstacle
	if r.failed != nil { // the person has agreed to a plan that could not name everything
		waiting = append(waiting, unknown(r.failed))
	}
	if r.c.Alert != nil {
		// The thief is frozen now: what it did since the plan was made is there to see.
		again, err := r.c.Look(ctx, r.look(r.announced))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		} else if err != nil {
			res.Problems = append(res.Problems, err.Error())
			if r.failed == nil || err.Error() != r.failed.Error() {
				waiting = append(waiting, unknown(err))
			}
			again.Traps = union(again.Traps, report.Traps) // it may not have come as far
		}
		report = again
		outcome := report.Summary()[0]
		if err != nil {
			outcome += ", but the look failed: " + err.Error()
		}
		r.act("", wormbell.Action{What: "persistence-scan", Outcome: outcome})
	}
	known := map[string]bool{}
	for _, f := range r.Persistence.Blocking() {
		known[f.ID] = true
	}
	var there []obstacle
	for _, f := range report.Blocking() {
		if !known[f.ID] {
			yes, err := r.c.Machine.Person.Confirm(ctx, "This was not there when the plan was made: "+f.String()+". Disable it?")
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil || !yes {
				there = append(there, resists(f))
				continue
			}
		}
		done, err := f.Disable(ctx, r.look(r.announced))
		copied := func(what string) string {
			if done.Folder == "" {
				return what + "."
			}
			return fmt.Sprintf("%s. 'wormbell restore %s' puts it back.", what, done.Folder)
		}
		if err != nil {
			res.Problems = append(res.Problems, err.Error())
			r.act("", wormbell.Action{What: "persistence-disable", Outcome: copied(err.Error())})
			there = append(there, resists(f))
			continue
		}
		how := copied("Disabled " + named(f))
		res.Disabled = append(res.Disabled, how)
		r.c.Machine.Person.Say(how)
		r.act("", wormbell.Action{What: "persistence-disable", Outcome: how})
	}
	return append(there, waiting...), nil
}

// union is a, and what of b is not in it; those that block come first.
func union(a, b []persistence.Trap) []persistence.Trap {
	out := slices.Clone(a)
	for _, f := range b {
		if !slices.ContainsFunc(a, func(g persistence.Trap) bool { return g.ID == f.ID }) {
			out = append(out, f)
		}
	}
	rank := func(f persistence.Trap) int {
		if f.Weight == persistence.Blocks {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b persistence.Trap) int { return rank(a) - rank(b) })
	return out
}

// end ends the thief and, if nothing is left to do, closes the alert.
func (r *Response) end(ctx context.Context, res *Result) {
	res.Complete = len(res.Left) == 0 && len(res.Problems) == 0
	for _, o := range res.Rotations {
		res.Complete = res.Complete && o.Done
	}
	if r.c.Alert == nil || r.c.Agent == nil {
		return
	}
	say := r.c.Machine.Person.Say
	outcome, err := r.c.Agent.Kill(ctx, r.c.Alert.ID)
	if err != nil {
		outcome = "The frozen processes could not be ended: " + err.Error()
		res.Problems = append(res.Problems, outcome)
		res.Complete = false
	}
	res.Ended = outcome
	say(outcome)
	if !res.Complete {
		return
	}
	if err := r.c.Agent.Close(ctx, r.c.Alert.ID, "answered by wormbell respond"); err != nil {
		say("The alert could not be closed: " + err.Error())
		return
	}
	res.Closed = true
}

// act notes on the alert what was done. That it cannot be noted is said and
// stops nothing.
func (r *Response) act(_ string, a wormbell.Action) {
	if r.c.Alert == nil || r.c.Agent == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), actWithin)
	defer cancel()
	if err := r.c.Agent.Act(ctx, r.c.Alert.ID, a); err != nil && !r.mute {
		r.mute = true // once is enough
		r.c.Machine.Person.Say("What is done cannot be noted on the alert: " + err.Error())
	}
}

// named names a trap for a sentence.
func named(f persistence.Trap) string {
	s := "the " + f.What + " " + f.Path
	if f.Entry != "" {
		s += " (" + f.Entry + ")"
	}
	return s
}

func ifs(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
