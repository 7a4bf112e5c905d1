package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"wormbell/agent/client"
)

// This file tells open pages that something changed; they then read again.

// What can change; a page names those that it shows. Of topicAgent every page
// takes in what stands in its frame.
const (
	topicAlerts   = "alerts"
	topicStatus   = "status"
	topicRespond  = "respond"
	topicPackages = "packages"
	topicAgent    = "agent" // whether it can be asked, and a pause of notifications
)

var topics = []string{topicAlerts, topicStatus, topicRespond, topicPackages, topicAgent}

// stream is one page that listens; the hub's lock guards it.
type stream struct {
	wake    chan struct{} // holds one when there is something
	changed []string      // topics that were not taken yet, each once
}

// hub knows who listens. It is safe for concurrent use.
type hub struct {
	now func() time.Time

	mu      sync.Mutex // guards what follows
	streams map[*stream]struct{}
	last    time.Time // somebody asked for something
	version int       // of the alerts
	told    int       // how often anything was told
	reach   reach     // how the agent was found; version is to be believed while it is being watched
	paused  time.Time // until when notifications are, as pages were told
}

// touch says that somebody looks.
func (h *hub) touch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = h.now()
}

// idle is how long nobody has looked.
func (h *hub) idle() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) > 0 {
		return 0
	}
	return h.now().Sub(h.last)
}

// watched reports whether a page is open.
func (h *hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams) > 0
}

// join returns a new stream, nil if too many listen already.
func (h *hub) join() *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) >= maxStreams {
		return nil
	}
	if h.streams == nil {
		h.streams = map[*stream]struct{}{}
	}
	st := &stream{wake: make(chan struct{}, 1)}
	h.streams[st] = struct{}{}
	return st
}

// take returns what changed since it was called before.
func (h *hub) take(st *stream) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := st.changed
	st.changed = nil
	return changed
}

// at is how often anything was told: a page that was made at one number and
// listens at another has missed something.
func (h *hub) at() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told
}

func (h *hub) leave(st *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, st)
	h.last = h.now()
}

// tell says to every stream that topic changed.
func (h *hub) tell(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told++
	if topic == topicAlerts {
		h.version++
	}
	for st := range h.streams {
		if !slices.Contains(st.changed, topic) {
			st.changed = append(st.changed, topic)
		}
		select {
		case st.wake <- struct{}{}:
		default: // it will be woken
		}
	}
}

// found notes how the agent was found, and tells when that changed.
func (h *hub) found(now reach) {
	h.mu.Lock()
	changed := h.reach != now
	h.reach = now
	h.mu.Unlock()
	if changed {
		h.tell(topicAlerts)
		h.tell(topicStatus)
		h.tell(topicAgent)
	}
}

// pause notes until when notifications are paused, the zero time for no pause,
// and tells when that changed.
func (h *hub) pause(until time.Time) {
	h.mu.Lock()
	changed := !h.paused.Equal(until)
	h.paused = until
	h.mu.Unlock()
	if changed {
		h.tell(topicAgent)
	}
}

// alerts returns the version of the alerts, and whether it is to be believed.
func (h *hub) alerts() (int, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.version, h.reach == here
}

// follow watches the agent's alerts until ctx is done. When the agent goes away
// it says so at once, and looks for it again until it is back.
func (s *Server) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.watch(ctx)
		if ctx.Err() != nil {
			return
		}
		s.forget()
		s.hub.found(reachOf(err))
		select {
		case <-ctx.Done():
		case <-time.After(retryTime):
		}
	}
}

// watch watches the agent's alerts until the agent goes away, or cannot be
// reached at all.
func (s *Server) watch(ctx context.Context) error {
	a, err := s.ask()
	if err != nil {
		return err
	}
	first := true
	return a.Changes(ctx, func() error {
		s.hub.found(here)
		s.hub.tell(topicAlerts)
		if first { // the list is what is looked at first, by a browser that still starts
			first = false
			rows, err := s.rows(ctx, false)
			if err == nil && len(rows) == 0 { // then the others are counted
				_, err = s.rows(ctx, true)
			}
			if err != nil {
				s.c.Log.Debug("the list is read when it is asked for", "err", err)
			}
		}
		if st, err := s.status(ctx); err == nil {
			s.hub.pause(s.pausedUntil(st))
		}
		return nil
	})
}

// live is GET /live: server-sent events (HTML, 9.2), one for each change.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	in := sessionOf(r)
	st := s.hub.join()
	if st == nil {
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer s.hub.leave(st)
	ctx, stop := context.WithDeadline(r.Context(), in.until)
	defer stop()
	if r.URL.Query().Get("page") == "packages" {
		defer s.seen.look()()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	write := func(text string) bool {
		out.SetWriteDeadline(time.Now().Add(lineTime)) // a reader that does not read is cut
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	// The page sends its forms only to who knows its mark: when we have ended,
	// another program may listen here.
	first := "retry: 1000\nevent: here\ndata: " + in.csrf + "\n\n"
	if r.URL.Query().Get("at") != strconv.Itoa(s.hub.at()) { // between the page and its stream
		first += told(topics)
	}
	if !write(first) {
		return
	}
	beat := time.NewTicker(beatTime)
	defer beat.Stop()
	for {
		text := ": beat\n\n"
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		case <-st.wake:
			text = told(s.hub.take(st))
		}
		if !write(text) {
			return
		}
	}
}

// told writes topics as events.
func told(topics []string) (text string) {
	for _, topic := range topics {
		text += "event: changed\ndata: " + topic + "\n\n"
	}
	return text
}

// tick tells of what changes all the time while a page is open, until ctx is done.
func (s *Server) tick(ctx context.Context) {
	every := time.NewTicker(tickTime)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if !s.hub.watched() {
			continue
		}
		st, err := s.status(ctx)
		if err == nil {
			s.hub.pause(s.pausedUntil(st)) // one may have run out
		}
		s.hub.tell(topicStatus)
		if errors.Is(err, errNoAgent) { // it is there, and does not answer
			s.hub.tell(topicAlerts)
		}
	}
}

// explain turns an error of the agent into what a person is told.
func (s *Server) explain(err error) flash {
	f := flash{Text: err.Error(), Error: true, Agent: true}
	var said *client.Error
	if errors.As(err, &said) {
		f.Text, f.Hint = said.Text, said.Hint()
	}
	f.Text = strings.TrimSuffix(f.Text, ".")
	return f
}
