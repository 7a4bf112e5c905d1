package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/journal"
	"wormbell/internal/secret"
)

const (
	// creates is how often a new token is asked for in one run.
	creates = 3
	// pastes is how often a person may paste something that is none.
	pastes = 3
	// settles is how long after a request that kills the old token a service
	// may still be carrying it out: only then does "alive" mean that it was
	// never carried out, and that it may be sent again.
	settles = time.Minute
	// verifyWithin is how long a new token may take until the service knows it
	// everywhere. AWS takes some seconds.
	verifyWithin = 2 * time.Minute
)

// create comes from any state without a new token to Created, or returns an
// error.
func (x *run) create(ctx context.Context) error {
	if !x.new.Value.Empty() { // it arrived and was kept; then we crashed
		return x.created(ctx, x.new)
	}
	for range creates {
		if err := x.settle(ctx); err != nil {
			return err
		}
		if err := x.writable(ctx); err != nil {
			return err
		}
		if x.k.Create == nil {
			return x.byHand(ctx, "the service has no call that makes one")
		}
		if x.k.CreateKills && (x.e.OldDead || !x.e.Asked.IsZero()) {
			return x.byHand(ctx, "only the old one could have made it")
		}
		new, err := x.ask(ctx)
		if err == nil {
			return x.created(ctx, new)
		}
		if ctx.Err() != nil {
			return err
		}
		x.did("create", "no new token arrived: "+err.Error())
		switch {
		case errors.Is(err, ErrNotPossible):
			return x.byHand(ctx, err.Error())
		case refusal(err) && !errors.Is(err, ErrNobody):
			return x.byHand(ctx, err.Error())
		case noEffect(err):
			return err
		}
		// Lost: find out, then ask again.
	}
	if err := x.settle(ctx); err != nil {
		return err
	}
	if x.e.OldDead && x.k.CreateKills {
		return x.byHand(ctx, "the answer with the new one was lost")
	}
	return fmt.Errorf("make a new %s: %d answers were lost", x.k.Title, creates)
}

// ask sends one request for a new token, after writing down that it will.
func (x *run) ask(ctx context.Context) (Token, error) {
	label := "wormbell-" + x.e.ID
	if n := len(x.e.Creates); n > 0 {
		label += fmt.Sprintf("-%d", n+1) // the one before may yet turn up under its own
	}
	x.e.Creates = append(x.e.Creates, journal.Create{Label: label, Time: x.m.Now().UTC()})
	if err := x.e.Save(); err != nil {
		x.e.Creates = x.e.Creates[:len(x.e.Creates)-1]
		return Token{}, err
	}
	x.say("Making a new %s named %s.", x.k.Title, label)
	old := x.old
	old.Owner = cmp.Or(old.Owner, x.e.Owner) // a dead one does not say whose it was
	new, err := x.k.Create(ctx, x.m, old, label)
	try := &x.e.Creates[len(x.e.Creates)-1]
	switch {
	case err == nil && (new.Value.Empty() || new.Value.Equal(x.old.Value)):
		return Token{}, fmt.Errorf("make a new %s: %w: no new one is in it", x.k.Title, call.ErrGarbled)
	case err == nil:
		// From here to created nothing may go wrong or be cancelled: the value
		// is in this process alone.
		new.Kind, new.Name = x.old.Kind, x.old.Name
		if new.Places == nil {
			new.Places = x.old.Places
		}
		if new.Site == "" {
			new.Site = x.old.Site
		}
		try.Result = journal.Made
		return new, nil
	case noEffect(err):
		try.Result = journal.None
		if serr := x.e.Save(); serr != nil {
			return Token{}, errors.Join(x.clean(err), serr)
		}
	}
	return Token{}, x.clean(err)
}

// created keeps a new token and notes that there is one.
func (x *run) created(ctx context.Context, new Token) error {
	x.new = new
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	x.e.NewKept = true
	if err := keep(ctx, x.m.Keys, x.e.ID, "new", new); err != nil {
		// It is in our hands, so go on: the next steps put it into its place.
		// Should we crash before, it is lost, and found again by its label.
		x.e.NewKept = false
		x.m.Log.Error("new token is not kept", "rotation", x.e.ID, "err", x.clean(err))
		x.say("The new token could not be kept safe until it is in its place: %s", x.safe(err.Error()))
	}
	if n := len(x.e.Creates); n > 0 && x.e.Creates[n-1].Result == journal.Unknown {
		x.e.Creates[n-1].Result = journal.Made // by an earlier run, which kept it
	}
	w := new.written()
	x.e.New = &w
	if shows(fmt.Sprint(w), new) || shows(fmt.Sprint(w), x.old) {
		x.m.Log.Error("a token's description shows its secret", "kind", x.k.ID)
		x.e.New = &journal.Token{Kind: new.Kind, Name: new.Name, Site: new.Site, Places: x.e.Old.Places}
	}
	if x.k.CreateKills && !x.e.Pasted && !x.e.NewKept && x.k.Install != nil {
		// The old one is dead, and a crash would take the new one with it.
		x.e.Installs = true
		if err := x.e.Save(); err != nil {
			x.m.Log.Error("journal is not written", "rotation", x.e.ID, "err", err)
		}
		if err := x.k.Install(ctx, x.m, x.old, new); err != nil {
			x.say("Nor could it be put into its place: %s", x.safe(err.Error()))
		}
	}
	if err := x.e.Move(journal.Created); err != nil {
		return err
	}
	x.did("create", "a new token was made"+ifs(x.e.Pasted, " by a person", ""))
	return nil
}

// settle finds out what became of a request for a new token whose answer never
// came.
func (x *run) settle(ctx context.Context) error {
	n := len(x.e.Creates) - 1
	if n < 0 || x.e.Creates[n].Result != journal.Unknown {
		return nil
	}
	try := &x.e.Creates[n]
	var err error
	if x.k.CreateKills {
		err = x.settleKilling(ctx, try)
	} else {
		err = x.settleLabel(ctx, try)
	}
	if err != nil {
		return err
	}
	return x.e.Save()
}

// settleLabel looks for the token by its label and revokes it: its value is
// lost, and it must not stay alive without anybody who has it.
func (x *run) settleLabel(ctx context.Context, try *journal.Create) error {
	x.say("It is not known whether a token named %s was made: looking for it.", try.Label)
	if x.k.Lost == nil {
		try.Result = journal.Unsure
		return nil
	}
	found, err := x.k.Lost(ctx, x.m, x.old, try.Label)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNotPossible) || refusal(err):
		try.Result = journal.Unsure
	case err != nil:
		return fmt.Errorf("look for the token named %s, which may have been made: %w", try.Label, err)
	case found:
		try.Result = journal.Revoked
		x.did("create", "the answer with a new token named "+try.Label+" was lost; it was found and revoked")
	case x.k.NeedsPerson:
		try.Result = journal.None // looking again would ask the person again
	default:
		try.Result = journal.Unsure // not listed yet, or never made: see sweep
	}
	return nil
}

// settleKilling asks the old token: if the request was carried out, it is dead.
// The request is never sent again while that is not known.
func (x *run) settleKilling(ctx context.Context, try *journal.Create) error {
	x.say("It is not known whether a new token was made, which kills the old one: asking the service about the old one.")
	delay := time.Second
	for {
		now := x.m.Now()
		answer, err := x.isDead(ctx)
		if err != nil {
			return err
		}
		late := now.Sub(try.Time) >= settles
		switch {
		case answer == Dead:
			return x.settleLost(ctx, try)
		case late && answer == Alive:
			try.Result = journal.None
			return nil
		case late && delay > settles:
			x.browse(ctx, x.page(ctx, false))
			return fmt.Errorf("make a new %s: no answer came, and it cannot be told whether it was made and the old one killed", x.k.Title)
		}
		if err := x.m.Call.Sleep(ctx, delay); err != nil {
			return err
		}
		delay *= 2
	}
}

// settleLost notes that the old token is dead and the new one unknown to us.
func (x *run) settleLost(ctx context.Context, try *journal.Create) error {
	x.e.OldDead = true
	try.Result = journal.Lost
	x.did("create", "the service made a new token and killed the old one, and its answer was lost: neither works here")
	if x.k.Lost != nil {
		found, err := x.k.Lost(ctx, x.m, x.old, try.Label)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && found {
			try.Result = journal.Revoked
		}
	}
	return nil
}

// byHand leaves the making of a new token to a person; what can be contained
// before, is.
func (x *run) byHand(ctx context.Context, why string) error {
	if x.e.Mode == journal.ContainNow && !x.e.OldDead && x.e.Asked.IsZero() {
		return x.revoke(ctx)
	}
	return x.paste(ctx, x.safe(why))
}

// paste lets a person make the new token and paste it.
func (x *run) paste(ctx context.Context, why string) error {
	p := x.page(ctx, true)
	byHand := fmt.Errorf("a person must make the new %s and paste it%s: %s", x.k.Title, ifs(p.URL != "", " ("+p.URL+")", ""), why)
	x.say("A new %s must be made by hand: %s.", x.k.Title, why)
	x.browse(ctx, p)
	for range pastes {
		v, err := x.m.Person.Paste(ctx, fmt.Sprintf("The new %s for %s, or nothing to stop here: ", x.k.Title, x.old.Name))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%w: %w", byHand, err)
		}
		v = secret.Of(strings.TrimSpace(v.Reveal()))
		switch {
		case v.Empty():
			return fmt.Errorf("%w: %w", byHand, ErrNobody)
		case v.Equal(x.old.Value):
			x.say("That is the old one.")
			continue
		case x.k.Fits != nil && !x.k.Fits(v.Reveal()):
			x.say("That does not look like a %s.", x.k.Title)
			continue
		}
		new := x.old
		new.Value, new.ID = v, ""
		if x.k.Pasted != nil {
			new = x.k.Pasted(x.old, v)
		}
		if new.Value.Equal(x.old.Value) {
			x.say("That is the old one.")
			continue
		}
		x.new, x.e.Pasted = new, true
		if err := x.e.Save(); err != nil {
			return err
		}
		return x.created(ctx, new)
	}
	return fmt.Errorf("%w: what was pasted is none", byHand)
}

// page is where a person does it, as the service says where it is.
func (x *run) page(ctx context.Context, create bool) Page {
	x.here = x.old
	x.here.Value, x.here.Also = secret.Value{}, nil // a page holds none
	if x.k.Locate != nil {
		x.here = x.k.Locate(ctx, x.m, x.here)
	}
	return x.k.page(x.here, create)
}

// page is where a person makes a new token, or revokes the old one; without an
// address if there is none.
func (k *Kind) page(t Token, create bool) Page {
	if k.Pages == nil {
		return Page{}
	}
	pages := k.Pages(t)
	switch {
	case len(pages) == 0:
		return Page{}
	case create && len(pages) > 1:
		return pages[1] // the first is for revoking
	}
	return pages[0]
}

// browse opens p and says what to do there.
func (x *run) browse(ctx context.Context, p Page) {
	if p.URL == "" {
		return
	}
	if err := x.m.Person.Browse(ctx, p.URL); err != nil {
		x.say("Open %s", p.URL)
	}
	for i, s := range p.Steps {
		x.say("  %d. %s", i+1, s)
	}
}
