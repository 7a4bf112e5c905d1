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

	"wormbell"
	"wormbell/agent/client"
)

// This file tells open pages that something changed; they then read again.

// What can change; a page names those that it shows.
const (
	topicAlerts  = "alerts"
	topicStatus  = "status"
	topicRespond = "respond"
)

// hub knows who listens. It is safe for concurrent use.
type hub struct {
	now func() time.Time

	mu      sync.Mutex // guards what follows
	streams map[chan string]struct{}
	last    time.Time // somebody asked for something
	version int       // of the alerts
	told    int       // how often anything was told
	reached bool      // the agent is being watched, so version is to be believed
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

// join returns a channel of topics, nil if too many listen already.
func (h *hub) join() chan string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) >= maxStreams {
		return nil
	}
	if h.streams == nil {
		h.streams = map[chan string]struct{}{}
	}
	c := make(chan string, 8) // of three topics; one that is full will be read
	h.streams[c] = struct{}{}
	return c
}

// at is how often anything was told: a page that was made at one number and
// listens at another has missed something.
func (h *hub) at() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told
}

func (h *hub) leave(c chan string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, c)
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
	for c := range h.streams {
		select {
		case c <- topic:
		default: // what waits there makes it read again all the same
		}
	}
}

// reach notes whether the agent is being watched, and tells when that changed.
func (h *hub) reach(yes bool) {
	h.mu.Lock()
	changed := h.reached != yes
	h.reached = yes
	h.mu.Unlock()
	if changed {
		h.tell(topicAlerts)
		h.tell(topicStatus)
	}
}

// alerts returns the version of the alerts, and whether it is to be believed.
func (h *hub) alerts() (int, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.version, h.reached
}

// follow watches the agent's alerts until ctx is done, and tries again when the
// agent goes away.
func (s *Server) follow(ctx context.Context) {
	const again = 2 * time.Second
	begun := false
	for ctx.Err() == nil {
		if a, err := s.ask(); err == nil {
			// Nothing says that the connection was lost until it is there again or
			// a minute has passed; a page that is asked for meanwhile sees it.
			a.Watch(ctx, func() error {
				s.hub.reach(true)
				s.hub.tell(topicAlerts)
				if !begun { // the list is what is looked at first, by a browser that still starts
					begun = true
					if _, err := s.rows(ctx, false); err != nil {
						s.c.Log.Debug("the list is read when it is asked for", "err", err)
					}
				}
				return nil
			})
		}
		s.hub.reach(false)
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// live is GET /live: server-sent events (HTML, 9.2), one for each change.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	in := sessionOf(r)
	topics := s.hub.join()
	if topics == nil {
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer s.hub.leave(topics)
	ctx, stop := context.WithDeadline(r.Context(), in.until)
	defer stop()
	if r.URL.Query().Get("page") == "packages" {
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		wg.Go(func() { s.watchPackages(ctx) })
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
	first := "retry: 2000\n\n"
	if r.URL.Query().Get("at") != strconv.Itoa(s.hub.at()) { // between the page and its stream
		for _, topic := range []string{topicAlerts, topicStatus, topicRespond} {
			first += "event: changed\ndata: " + topic + "\n\n"
		}
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
		case topic := <-topics:
			text = "event: changed\ndata: " + topic + "\n\n"
		}
		if !write(text) {
			return
		}
	}
}

// added remembers packages that appeared while somebody looked at that page.
type added struct {
	mu    sync.Mutex // guards what follows
	list  []arrival  // newest first
	since time.Time  // when it began to look; zero: never
	why   string     // why it cannot look, ""
}

// arrival is a package that appeared.
type arrival struct {
	Time    time.Time
	Package wormbell.Package
	Path    string
	By      string
}

const maxArrivals = 200

// watchPackages notes package.add events while ctx lasts.
func (s *Server) watchPackages(ctx context.Context) {
	a, err := s.ask()
	if err != nil {
		return // the page says so
	}
	s.seen.mu.Lock()
	if s.seen.since.IsZero() {
		s.seen.since = s.c.Now()
	}
	s.seen.mu.Unlock()
	err = a.Events(ctx, func(e wormbell.Event) error {
		if e.Kind != wormbell.PackageAdd || e.Package == nil {
			return nil
		}
		s.seen.mu.Lock()
		s.seen.list = append([]arrival{{e.Time, *e.Package, e.Path, e.Process.String()}}, s.seen.list[:min(len(s.seen.list), maxArrivals-1)]...)
		s.seen.mu.Unlock()
		return nil
	})
	if ctx.Err() == nil && err != nil {
		s.c.Log.Debug("events ended", "err", err)
	}
}

func (a *added) get() ([]arrival, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list), a.since
}

// usage is the agent's own load over time, for as long as pages were open.
type usage struct {
	mu      sync.Mutex // guards what follows
	points  []point    // oldest first
	lastCPU float64
	lastAt  time.Time
	pid     int
}

// point is one sample.
type point struct {
	At  time.Time
	CPU float64 // per cent of one core, since the sample before
	RSS int64   // bytes
}

const (
	sampleTime = 5 * time.Second
	maxPoints  = 720 // an hour
)

// sample asks for the agent's load while a page is open, until ctx is done.
func (s *Server) sample(ctx context.Context) {
	every := time.NewTicker(sampleTime)
	defer every.Stop()
	for {
		if s.hub.watched() {
			if a, err := s.ask(); err == nil {
				if st, err := a.Status(ctx); err == nil {
					s.usage.add(st, s.c.Now())
					s.hub.tell(topicStatus)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// add takes in what the agent says of itself at a time.
func (u *usage) add(st wormbell.Status, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	between := now.Sub(u.lastAt)
	if u.pid == st.PID && between < sampleTime/2 {
		return // the clock of a process ticks in hundredths: too short a time says nothing
	}
	if u.pid == st.PID && !u.lastAt.IsZero() && between > 0 && between < 10*sampleTime && st.CPU >= u.lastCPU {
		u.points = append(u.points, point{now, 100 * (st.CPU - u.lastCPU) / between.Seconds(), st.RSS})
		if len(u.points) > maxPoints {
			u.points = slices.Delete(u.points, 0, len(u.points)-maxPoints)
		}
	}
	u.pid, u.lastCPU, u.lastAt = st.PID, st.CPU, now
}

func (u *usage) get() []point {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.points)
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

// away reports whether err says that the agent cannot be reached.
func away(err error) bool {
	return errors.Is(err, errNoAgent) || errors.Is(err, client.ErrNoAgent) || errors.Is(err, client.ErrImpostor)
}
