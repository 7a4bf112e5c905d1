package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"wormbell/agent/respond"
)

const (
	// askAllWithin is how long a list waits for all services together, unless
	// --wait says otherwise.
	askAllWithin = 30 * time.Second
	// askWithin is how long one service is waited for where each is asked by
	// itself. A network that swallows what it is sent would keep a person waiting
	// for minutes.
	askWithin = 20 * time.Second
	// askAtOnce is how many services are asked at the same time: they are slow,
	// not we.
	askAtOnce = 16
)

// askAll asks the services about all rows that have a value, and is back when
// all have answered, or soon after wait is over. known is called as each row is
// known, by one goroutine at a time.
func askAll(ctx context.Context, m *respond.Machine, rows []tokenRow, wait time.Duration, known func(i int)) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	each := wait
	if len(rows) > askAtOnce {
		each = wait / 2 // silent ones must not keep those behind them from being asked at all
	}
	var asking sync.WaitGroup
	var one sync.Mutex
	turn := make(chan struct{}, askAtOnce)
	for i := range rows {
		asking.Go(func() {
			if !rows[i].Value.Empty() {
				select {
				case turn <- struct{}{}:
					rows[i].ask(ctx, m, each)
					<-turn
				case <-ctx.Done():
					rows[i].late(wait)
				}
			}
			one.Lock()
			defer one.Unlock()
			known(i)
		})
	}
	asking.Wait()
}

// ask fills in what the service says within that time.
func (r *tokenRow) ask(ctx context.Context, m *respond.Machine, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	k := respond.ByID(r.Kind)
	if k.Identify == nil {
		r.Answer = respond.CouldNotTell.String()
		return
	}
	id, err := k.Identify(ctx, m, r.Token)
	switch {
	case id.Answer == respond.CouldNotTell && ctx.Err() != nil:
		r.late(within)
		return
	case id.Answer == respond.CouldNotTell && err != nil:
		id.Note = err.Error()
	}
	r.Answer = id.Answer.String()
	if id.Owner != "" {
		r.Owner = id.Owner
	}
	r.Scopes, r.Reach = append(r.Scopes, id.Scopes...), append(r.Reach, id.Reach...)
	if !id.Expires.IsZero() {
		r.Expires = &id.Expires
	}
	r.note(id.Note)
}

// late says that nothing came in time.
func (r *tokenRow) late(within time.Duration) {
	r.Answer = respond.CouldNotTell.String()
	r.note(fmt.Sprintf("It could not be told in time: its service did not answer within %s.", within))
}

func (r *tokenRow) note(s string) {
	if s != "" {
		r.Note = strings.TrimSpace(r.Note + " " + s)
	}
}

// inTurn returns what writes rows as they are known: at once where a person
// watches, else in their order, so that two lists can be compared.
func (p *printer) inTurn(rows []tokenRow, watched bool) func(i int) {
	if watched {
		return func(i int) { p.token(rows[i]) }
	}
	known, next := make([]bool, len(rows)), 0
	return func(i int) {
		known[i] = true
		for ; next < len(rows) && known[next]; next++ {
			p.token(rows[next])
		}
	}
}

// progress returns show, and says on a terminal beside the list how far it is.
func (a *app) progress(rows []tokenRow, show func(int)) func(int) {
	if !isTerminal(a.streams.Err) {
		return show
	}
	n := 0
	say := func() { fmt.Fprintf(a.streams.Err, "\r%d of %d tokens asked about ", n, len(rows)) }
	say()
	return func(i int) {
		n++
		if say(); n == len(rows) {
			fmt.Fprintln(a.streams.Err)
		}
		show(i)
	}
}

// isTerminal reports whether a person sees what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
