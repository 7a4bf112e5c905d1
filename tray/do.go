package tray

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/plain"
	"wormbell/internal/words"
	"wormbell/tray/notify"
)

// doer does what a person chose. It is for one goroutine, but for what it starts.
type doer struct {
	Config
	say  func(notify.Notice)
	look func() // read the agent anew

	now   reading
	about atomic.Pointer[string] // the alert of the last outcome that was told; nil: it was of none
	wg    sync.WaitGroup
	busy  sync.Map // acts under way, so that a second click waits for the first one's outcome
}

func (d *doer) agent(r reading) { d.now = r }
func (d *doer) wait()           { d.wg.Wait() }

// idForm is how an alert's ID looks. One that does not is never made an argument
// of a command or part of an address.
var idForm = regexp.MustCompile(`^[a-z0-9]{4,32}$`)

// answer does what was chosen on a notice.
func (d *doer) answer(ctx context.Context, a notify.Answer) {
	var act Act
	switch a.Action {
	case notify.Respond:
		act.Verb = Respond
	case notify.Freeze:
		act.Verb = Freeze
	case notify.Resume:
		act.Verb = Resume
	case notify.ItWasMe:
		act.Verb = ItWasMe
	case notify.EndPause:
		act.Verb = EndPause
	case notify.Details:
		switch act.Verb = Show; a.Notice {
		case notify.DigestID, notify.PauseID:
			act.Verb = All
		case notify.AgentID, notify.NameID:
			act.Verb = Health
		case notify.OutcomeID:
			if id := d.about.Load(); id != nil {
				a.Notice = *id
			} else {
				act.Verb = Health
			}
		}
	default: // dismissed, or one that a later notifier knows
		return
	}
	if act.Verb != All && act.Verb != Health && act.Verb != EndPause {
		act.Alert = a.Notice
	}
	d.act(ctx, act)
}

// pages are where the dashboard does what a verb asks for; ID stands for the
// alert's. "It was me" only leads to the page that asks once more: a row of the
// trust table is not made by a click that missed its aim.
var pages = map[Verb]struct {
	page    string
	command string
}{
	Show:    {"/alerts/ID", "alert show ID"},
	Respond: {"/alerts/ID/respond", "respond ID"},
	ItWasMe: {"/alerts/ID/it-was-me", "alert trust ID"},
	All:     {"/", "alerts"},
	Health:  {"/status", "status"},
}

// act does what a click asks for, in a goroutine that wait waits for.
func (d *doer) act(ctx context.Context, act Act) {
	if act.Alert != "" && !idForm.MatchString(act.Alert) {
		d.Log.Warn("an alert has a strange ID", "alert", act.Alert)
		return
	}
	if _, already := d.busy.LoadOrStore(act, true); already {
		return
	}
	agent := d.now.agent
	d.wg.Go(func() {
		defer d.busy.Delete(act)
		d.Log.Info("chosen", "verb", string(act.Verb), "alert", act.Alert)
		if p, ok := pages[act.Verb]; ok {
			d.open(ctx, strings.ReplaceAll(p.page, "ID", act.Alert), strings.Fields(strings.ReplaceAll(p.command, "ID", act.Alert)))
			return
		}
		frozen := act.Verb == Close && leaves(ctx, agent, act.Alert)
		if frozen && d.Dashboard != nil { // the alert's page asks what is to become of them
			show := pages[Show]
			d.open(ctx, strings.ReplaceAll(show.page, "ID", act.Alert), strings.Fields(strings.ReplaceAll(show.command, "ID", act.Alert)))
			return
		}
		n, err := d.ask(ctx, agent, act)
		if err == nil && frozen {
			n.Body = d.Words.Say(words.TrayClosedFrozen, act.Alert)
		}
		if err != nil && ctx.Err() == nil {
			n = d.refusal(err)
		}
		if n.Title != "" {
			d.about.Store(nil)
			if act.Alert != "" {
				d.about.Store(&act.Alert)
			}
			d.say(n)
		}
		d.look()
	})
}

// leaves reports whether processes of an alert would stay frozen when it is closed.
func leaves(ctx context.Context, agent Agent, id string) bool {
	if agent == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	a, err := agent.Alert(ctx, id)
	return err == nil && a.Frozen()
}

// ask asks the agent to do what act says, and returns a notice of what came of
// it if that cannot be seen in the menu.
func (d *doer) ask(ctx context.Context, agent Agent, act Act) (n notify.Notice, err error) {
	if agent == nil {
		return n, client.ErrNoAgent
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askTime) // a large tree is frozen in several rounds
	defer cancel()
	done := func(title words.Key, body string) {
		n = notify.Notice{ID: notify.OutcomeID, Severity: wormbell.Medium, Title: d.Words.Say(title), Body: body}
	}
	var outcome string
	switch act.Verb {
	case Freeze:
		if outcome, err = agent.Freeze(ctx, act.Alert); err == nil {
			done(d.froze(ctx, agent, act.Alert, outcome))
		}
	case Resume:
		if outcome, err = agent.Resume(ctx, act.Alert); err == nil {
			done(d.resumed(ctx, agent, act.Alert, outcome))
		}
	case Close:
		if err = agent.Close(ctx, act.Alert, "closed in the tray"); err == nil {
			done(words.TrayClosed, d.Words.Say(words.TrayClosedBody, act.Alert))
		}
	case Pause:
		err = agent.Pause(ctx, PauseFor)
	case EndPause:
		err = agent.Pause(ctx, 0)
	case Protect, Unprotect:
		err = agent.Protect(ctx, act.Verb == Protect)
	}
	return n, err
}

// last is the last action of a kind that the agent notes of an alert, if it
// notes one, and whether processes of the alert are frozen now.
func last(ctx context.Context, agent Agent, id string, kinds ...string) (did wormbell.Action, ok, frozen bool) {
	a, err := agent.Alert(ctx, id)
	if err != nil {
		return did, false, false // what the agent said of it stands
	}
	for _, did := range slices.Backward(a.Actions) {
		if slices.Contains(kinds, did.What) {
			return did, true, a.Frozen()
		}
	}
	return did, false, a.Frozen()
}

// none is how what the agent says begins where nothing came of it.
const none = "no process was "

// froze tells what came of a freeze: how many processes were stopped. Where that
// is not counted, what the agent said of it stands.
func (d *doer) froze(ctx context.Context, agent Agent, id, outcome string) (words.Key, string) {
	did, _, _ := last(ctx, agent, id, "freeze", notify.FreezeNone)
	switch {
	case did.Done > 0 && did.Left > 0:
		return words.TrayFroze, d.Words.Join(d.Words.Say(words.TrayFrozeBody, did.Done), d.Words.Say(words.TrayFrozeLeft, did.Left))
	case did.Done > 0:
		return words.TrayFroze, d.Words.Say(words.TrayFrozeBody, did.Done)
	case did.Left > 0:
		return words.TrayFrozeNone, d.Words.Say(words.TrayFrozeFailed, did.Left)
	case did.What == notify.FreezeNone:
		return words.TrayFrozeNone, d.Words.Say(words.TrayFrozeNoneBody)
	case strings.HasPrefix(outcome, none):
		return words.TrayFrozeNone, plain.Text(outcome)
	}
	return words.TrayFroze, plain.Text(outcome)
}

// resumed tells what came of letting processes go on. What was left alone may
// never have been frozen, such as a shell: it is told while some are.
func (d *doer) resumed(ctx context.Context, agent Agent, id, outcome string) (words.Key, string) {
	did, ok, frozen := last(ctx, agent, id, "resume")
	switch {
	case did.Done > 0 && did.Left > 0 && frozen:
		return words.TrayResumed, d.Words.Join(d.Words.Say(words.TrayResumedBody, did.Done), d.Words.Say(words.TrayResumedLeft, did.Left, id))
	case did.Done > 0:
		return words.TrayResumed, d.Words.Say(words.TrayResumedBody, did.Done)
	case words.RunsAlready(did):
		return words.TrayResumedNone, d.Words.Say(words.PageRunsAlready)
	case did.Left > 0:
		return words.TrayResumeFailed, d.Words.Say(words.TrayResumedLeft, did.Left, id)
	case ok:
		return words.TrayResumedNone, d.Words.Say(words.TrayResumedNoneBody)
	case strings.HasPrefix(outcome, none):
		return words.TrayResumeFailed, plain.Text(outcome)
	}
	return words.TrayResumed, plain.Text(outcome)
}

// refusal tells what the agent said against it, word for word.
func (d *doer) refusal(err error) notify.Notice {
	d.Log.Warn("not done", "err", err)
	n := notify.Notice{ID: notify.OutcomeID, Severity: wormbell.Medium, Title: d.Words.Say(words.TrayRefused), Body: plain.Text(err.Error())}
	var e *client.Error
	if errors.As(err, &e) && e.Hint() != "" {
		n.Body = d.Words.Say(words.TrayRefusedHint, e.Error(), e.Hint())
	}
	return n
}

// open opens a page, or runs the command that shows the same in a terminal; it
// says which if there is neither.
func (d *doer) open(ctx context.Context, page string, command []string) {
	err := errors.New("there is neither a browser nor a terminal window")
	if d.Dashboard != nil {
		if err = d.Dashboard(ctx, page); err == nil {
			return
		}
		d.Log.Warn("the dashboard does not open", "err", err)
	}
	if d.Terminal != nil {
		fail := d.Terminal(ctx, command...)
		if fail == nil {
			return
		}
		d.Log.Warn("no terminal opens", "err", fail)
		err = errors.Join(err, fail)
	}
	if ctx.Err() != nil {
		return
	}
	d.about.Store(nil)
	d.say(notify.Notice{ID: notify.OutcomeID, Severity: wormbell.Medium, Title: d.Words.Say(words.TrayCannotShow),
		Body: d.Words.Say(words.TrayInsteadRun, strings.Join(command, " "), strings.ReplaceAll(err.Error(), "\n", "; "))})
}
