package dashboard

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/browser"
	"wormbell/internal/secret"
	"wormbell/internal/words"
)

// This file runs a response for pages to look at: they may be left, come back
// to, or never be opened again; it goes on.

// stage is how far a response has come.
type stage string

const (
	stageNone      stage = ""          // there is none
	stagePreparing stage = "preparing" // looking, nothing is touched
	stagePlanned   stage = "planned"   // waits for the person to agree
	stageRunning   stage = "running"
	stageDone      stage = "done" // or failed: see err
)

// line is something that was said on the way.
type line struct {
	At    time.Time
	Text  string      // in the person's language, as far as there are words
	Parts words.Parts // the same
	URL   string      // a page to open, "" if there is none
}

// question is something that the response asks the person.
type question struct {
	ID     string
	Text   string // in the person's language, as far as there are words
	Parts  words.Parts
	Secret bool
	answer chan reply
}

type reply struct {
	yes   bool
	value secret.Value
}

const maxLines = 500

// responding is the one response that is looked at. It is safe for concurrent use.
type responding struct {
	base context.Context // of Serve: a response outlives the request that began it
	wg   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	id       string     // of the alert
	run      string     // tells this plan from the one before
	how      How
	stage    stage
	prepared *Prepared
	lines    []line
	asked    *question
	result   incident.Result
	err      error
	stop     context.CancelFunc
	planned  time.Time // when the plan was made
}

// planTime is how long a plan may be begun: what it was made of changes, and
// the agent believes our reading for that long.
const planTime = 10 * time.Minute

// progress is what a page shows of a response.
type progress struct {
	ID, Run  string
	How      How
	Stage    stage
	Steps    []string
	Problems []string
	Lines    []line
	Asked    *question
	Result   incident.Result
	Err      error
}

var (
	errBusy  = errors.New("another response is under way")
	errStale = errors.New("this is not the plan that was shown")
)

// busy reports whether something is under way that must not be ended.
func (p *responding) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stage == stageRunning
}

func (p *responding) wait() { p.wg.Wait() }

// now returns what there is to show.
func (p *responding) now() progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := progress{ID: p.id, Run: p.run, How: p.how, Stage: p.stage, Lines: append([]line(nil), p.lines...), Asked: p.asked, Result: p.result, Err: p.err}
	if p.prepared != nil {
		out.Steps, out.Problems = p.prepared.Steps, p.prepared.Problems
	}
	return out
}

// plan begins to prepare an answer to alert id. What was planned before, and
// not begun, is forgotten.
func (s *Server) plan(id string, how How) error {
	p := &s.response
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage == stageRunning {
		return errBusy
	}
	if p.stop != nil {
		p.stop()
	}
	ctx, stop := context.WithCancel(p.base)
	run := secretText()[:12]
	p.id, p.run, p.how, p.stage, p.stop = id, run, how, stagePreparing, stop
	p.prepared, p.lines, p.asked, p.result, p.err = nil, nil, nil, incident.Result{}, nil
	p.wg.Go(func() { // until it is planned
		prepared, err := s.c.Prepare(ctx, id, how, s.person(run))
		p.mu.Lock()
		if p.run == run {
			p.prepared, p.err, p.asked = prepared, err, nil
			p.stage, p.planned = stagePlanned, s.c.Now()
			if err != nil {
				p.stage = stageDone
			}
		}
		p.mu.Unlock()
		s.hub.tell(topicRespond)
	})
	return nil
}

// start carries out the plan that was shown as run.
func (s *Server) start(id, run string) error {
	p := &s.response
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != id || p.run != run || p.stage != stagePlanned || s.c.Now().Sub(p.planned) > planTime {
		return errStale
	}
	ctx, stop := context.WithCancel(p.base)
	p.stop() // what prepared has ended
	p.stage, p.stop, p.lines = stageRunning, stop, nil
	prepared := p.prepared
	p.wg.Go(func() { // until it is done
		defer stop()
		var result incident.Result
		var err error
		if prepared.Ready != nil {
			err = prepared.Ready(ctx)
		}
		if err == nil {
			result, err = prepared.Do(ctx)
		}
		p.mu.Lock()
		p.stage, p.result, p.err, p.asked = stageDone, result, err, nil
		p.mu.Unlock()
		s.hub.tell(topicRespond)
		s.hub.tell(topicAlerts)
	})
	return nil
}

// interrupt stops what is under way; what was begun is gone on with another time.
func (s *Server) interrupt(id, run string) error {
	p := &s.response
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != id || p.run != run {
		return errStale
	}
	if p.stop != nil {
		p.stop()
	}
	if p.stage == stagePlanned || p.stage == stageDone {
		p.id, p.run, p.stage, p.prepared = "", "", stageNone, nil
	}
	return nil
}

// reply answers the question id.
func (s *Server) reply(question string, r reply) error {
	p := &s.response
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == nil || p.asked.ID != question {
		return errStale
	}
	p.asked.answer <- r // has room for the one answer there can be
	p.asked = nil
	return nil
}

// person is who sits in front of the page. What a response says is English, and
// so is what it writes down; here it becomes what a person is shown.
func (s *Server) person(run string) respond.Person {
	p := &s.response
	add := func(l line) {
		p.mu.Lock()
		if p.run == run && len(p.lines) < maxLines {
			l.At = s.c.Now()
			p.lines = append(p.lines, l)
		}
		p.mu.Unlock()
		s.hub.tell(topicRespond)
	}
	var one sync.Mutex // one question at a time
	ask := func(ctx context.Context, text string, secretly bool) (reply, error) {
		one.Lock()
		defer one.Unlock()
		parts := s.c.Words.Translate(text)
		q := &question{ID: secretText()[:12], Text: parts.String(), Parts: parts, Secret: secretly, answer: make(chan reply, 1)}
		p.mu.Lock()
		if p.run != run {
			p.mu.Unlock()
			return reply{}, context.Canceled
		}
		p.asked = q
		p.mu.Unlock()
		s.hub.tell(topicRespond)
		select {
		case r := <-q.answer:
			s.hub.tell(topicRespond)
			return r, nil
		case <-ctx.Done():
			p.mu.Lock()
			if p.asked == q {
				p.asked = nil
			}
			p.mu.Unlock()
			return reply{}, ctx.Err()
		}
	}
	secretly := func(ctx context.Context, prompt string) (secret.Value, error) {
		r, err := ask(ctx, prompt, true)
		if err == nil && r.value.Empty() {
			err = respond.ErrNobody
		}
		return r.value, err
	}
	return respond.Person{
		Say: func(text string) {
			parts := s.c.Words.Translate(text)
			add(line{Text: parts.String(), Parts: parts})
		},
		Confirm: func(ctx context.Context, text string) (bool, error) {
			r, err := ask(ctx, text, false)
			return r.yes, err
		},
		Secret: secretly,
		Paste:  secretly, // every answer carries its question: one is never taken for the other
		Browse: func(_ context.Context, url string) error {
			if err := browser.Check(url); err != nil {
				return err
			}
			text := s.c.Words.Say(words.DashOpenPage)
			add(line{Text: text, Parts: words.Parts{{Text: text}}, URL: url})
			return nil
		},
	}
}

// trouble says how a response ended that did not end well, nothing if it did.
func (s *Server) trouble(err error) (text words.Parts, hint string) {
	w := s.c.Words
	switch {
	case err == nil:
		return nil, ""
	case errors.Is(err, incident.ErrWaiting):
		return w.Translate(err.Error()), w.Say(words.DashHintWaiting)
	case errors.Is(err, incident.ErrUnannounced): // why not is what the agent says
		return w.Translate(incident.ErrUnannounced.Error()), w.Translate(s.explain(err).Text).String()
	case errors.Is(err, keychain.ErrNone):
		return w.Translate(err.Error()), w.Say(words.DashHintKeychain)
	case errors.Is(err, context.Canceled):
		return words.Parts{{Text: w.Say(words.DashInterrupted)}}, w.Say(words.DashHintAgain)
	}
	f := s.explain(err)
	return w.Translate(f.Text), f.Hint
}

// step is a line of a plan.
type step struct {
	Text  string
	Sub   bool     // it belongs to the step before
	Quiet []string // in place of Text: lines that ask for nothing, which would hide those that do
}

// steps reads the lines of a plan.
func steps(lines []string) (out []step) {
	for _, l := range lines {
		text, below := strings.TrimSpace(l), strings.HasPrefix(l, "  ")
		if !below || !strings.HasPrefix(text, "note ") && !strings.HasPrefix(text, "not looked at: ") {
			out = append(out, step{Text: text, Sub: below})
			continue
		}
		if len(out) == 0 || out[len(out)-1].Quiet == nil {
			out = append(out, step{Sub: true})
		}
		last := &out[len(out)-1]
		last.Quiet = append(last.Quiet, text)
	}
	return out
}
