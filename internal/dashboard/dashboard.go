// Package dashboard serves the pages on which a person sees their alerts and
// answers them, to that person's browser on this machine.
//
// It runs as the user, asks the agent over its local API, and keeps nothing
// but sessions and the one response that may be under way. Everything it shows
// may have been named by an attacker: it leaves for the browser through
// html/template, made visible by package plain first. It knows the dictionary
// and what a response looks like, and nothing of sensors, detectors or how
// tokens are replaced.
package dashboard

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/internal/exposure"
	"wormbell/internal/words"
)

// Agent is what the dashboard asks of the agent; see [client.Client] for what
// its methods do.
type Agent interface {
	Status(ctx context.Context) (wormbell.Status, error)
	Alerts(ctx context.Context, all bool) ([]wormbell.Alert, error)
	Alert(ctx context.Context, id string) (wormbell.Alert, error)
	Close(ctx context.Context, id, reason string) error
	Mute(ctx context.Context, id, reason string) error
	Reopen(ctx context.Context, id, reason string) error
	Freeze(ctx context.Context, id string) (string, error)
	Resume(ctx context.Context, id string) (string, error)
	Kill(ctx context.Context, id string) (string, error)
	Act(ctx context.Context, id string, a wormbell.Action) error
	Credentials(ctx context.Context) ([]wormbell.Guarded, error)
	Usage(ctx context.Context) ([]wormbell.Usage, error)
	Trust(ctx context.Context) ([]wormbell.TrustRow, error)
	AddTrust(ctx context.Context, row wormbell.TrustRow) (wormbell.TrustRow, error)
	RemoveTrust(ctx context.Context, id string) error
	Events(ctx context.Context, each func(wormbell.Event) error) error
	Changes(ctx context.Context, changed func() error) error
	Pause(ctx context.Context, d time.Duration) error
}

// Suggestion is a trust row that "It was me" would make.
type Suggestion struct {
	Row      wormbell.TrustRow
	Sentence string // what it would mean, in the person's language
}

// How says how an alert is to be answered; see incident.Config.
type How struct{ ContainNow, Force bool }

// Prepared is an answer that has been planned; nothing was touched yet.
type Prepared struct {
	Steps    []string // what would be done, as wormbell.Plan has it
	Problems []string // what could not be looked at
	// Ready is called once, when the person has agreed: it gets what carrying
	// out needs, such as a place for new tokens. An error means that nothing
	// was done. It may be nil.
	Ready func(ctx context.Context) error
	// Do carries it out. The result is good whatever the error.
	Do func(ctx context.Context) (incident.Result, error)
}

// Config is what a [Server] needs.
type Config struct {
	// Dial connects to the agent; its error is shown, and it is tried again.
	Dial func() (Agent, error)
	// Prepare plans an answer to an alert. It asks and tells the person through
	// person. nil: this program cannot answer alerts.
	Prepare func(ctx context.Context, id string, how How, person respond.Person) (*Prepared, error)
	// Suggest says which rows "It was me" would make of an alert, or why there
	// can be none. They hold for last. nil: there are none.
	Suggest func(a wormbell.Alert, last time.Duration, now time.Time) (rows []Suggestion, why string)
	// Expose adds to what an alert laid open what only the person's files can
	// tell. nil: nobody is asked.
	Expose func(ctx context.Context, a wormbell.Alert, x *exposure.Exposure) error
	// UsedTwice is called when one link came from two browsers: one of them stole
	// it, and all sessions were ended. nil: only the second browser is told.
	UsedTwice func()
	Words     *words.Words
	Log       *slog.Logger     // nil: nothing is logged
	Now       func() time.Time // nil: time.Now
	Zone      *time.Location   // in which times are shown; nil: local
	Host      string           // name of this machine, for reports
	Idle      time.Duration    // without a page open it ends; 0: an hour
	// Ticks say when to look whether a page is open; nil: often enough for Idle.
	Ticks <-chan time.Time
}

// Times and sizes.
const (
	idleTime    = time.Hour
	ticketTime  = 60 * time.Second
	sessionTime = 12 * time.Hour
	headerTime  = 5 * time.Second
	requestTime = 10 * time.Second
	answerTime  = 60 * time.Second // ending a tree of processes takes its time
	lineTime    = 10 * time.Second // for one message of a stream
	beatTime    = 20 * time.Second
	askTime     = 5 * time.Second  // of the agent, for what a page shows of it
	listTime    = 20 * time.Second // for all of its alerts
	tickTime    = 5 * time.Second
	retryTime   = time.Second // between two tries to reach the agent
	graceTime   = 2 * time.Second
	maxHeader   = 16 << 10
	maxBody     = 64 << 10
	maxConns    = 64
	maxStreams  = 24
	maxSessions = 32
	maxTickets  = 16
	perPage     = 50
)

// Server serves the dashboard. Make it with [Listen].
type Server struct {
	c        Config
	listener net.Listener
	host     string // "127.0.0.1:PORT", the only Host that is served
	cookie   string // name of the session's cookie
	pages    map[string]*template.Template
	gate     gate
	list     list
	hub      hub
	seen     added
	response responding
	looking  looking

	mu    sync.Mutex // guards what follows
	agent Agent      // nil: not reached yet
}

// Listen takes a free port on 127.0.0.1 and returns the server for it; nothing
// is answered before [Server.Serve] is called.
func Listen(c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.Local
	}
	if c.Words == nil {
		c.Words = words.For(os.Getenv)
	}
	if c.Idle == 0 {
		c.Idle = idleTime
	}
	if err := canTell(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	s := &Server{c: c, host: l.Addr().String(), cookie: "wormbell" + hex.EncodeToString(random(8))}
	s.listener = &bounded{Listener: l, slots: make(chan struct{}, maxConns), log: c.Log}
	s.gate.now, s.hub.now = c.Now, c.Now
	s.hub.touch()
	if s.pages, err = s.templates(); err != nil {
		l.Close()
		return nil, err
	}
	return s, nil
}

// random returns n bytes that nobody can guess.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, says its documentation
	return b
}

// Pages are the pages that can be asked for by name, but for those of an alert.
var pageNames = []string{"/", "/credentials", "/trust", "/packages", "/status"}

// Page reports whether path is a page of the dashboard.
func Page(path string) bool {
	for _, p := range pageNames {
		if path == p {
			return true
		}
	}
	rest, ok := strings.CutPrefix(path, "/alerts/")
	if !ok {
		return false
	}
	id, what, more := strings.Cut(rest, "/")
	return idForm.MatchString(id) && (!more || what == "respond" || what == "it-was-me")
}

// Link returns a new link that opens page, one of those for which [Page] is
// true, or the first. It works once, within a minute.
func (s *Server) Link(page string) string {
	if !Page(page) {
		page = "/"
	}
	return "http://" + s.host + "/enter?ticket=" + s.gate.issue(page)
}

// Serve answers until ctx is done, or until no page has been open for
// Config.Idle and no response is under way. It returns nil in both cases, once
// every request and a response that was interrupted have ended.
func (s *Server) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	srv := &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: headerTime * 6,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(s.c.Log.Handler(), slog.LevelDebug),
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	s.response.base = ctx
	wg.Go(func() { s.follow(ctx) })     // tells pages that something changed
	wg.Go(func() { s.arrivals(ctx) })   // packages, while a page shows them
	wg.Go(func() { s.tick(ctx) })       // what changes all the time, while a page is open
	wg.Go(func() { s.idle(ctx, stop) }) // ends it when nobody looks
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s.listener) }() // waited for below
	var err error
	select {
	case err = <-ended:
		err = fmt.Errorf("serve %s: %w", s.host, err)
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
		cancel()
		<-ended
	}
	stop()
	s.response.wait()
	return err
}

// idle calls stop once nobody has looked for long enough.
func (s *Server) idle(ctx context.Context, stop func()) {
	ticks := s.c.Ticks
	if ticks == nil {
		every := time.NewTicker(min(s.c.Idle/4+time.Millisecond, time.Minute))
		defer every.Stop()
		ticks = every.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			if !s.response.busy() && s.hub.idle() >= s.c.Idle {
				s.c.Log.Info("nobody looks, ending")
				stop()
				return
			}
		}
	}
}

// errNoAgent is what pages show when the agent cannot be reached.
var errNoAgent = errors.New("no agent")

// ask returns the agent, connecting to it if that has not been done.
func (s *Server) ask() (Agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agent == nil {
		a, err := s.c.Dial()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoAgent, err)
		}
		s.agent = a
	}
	return s.agent, nil
}

// forget has the next one who asks connect again: another agent may be there.
func (s *Server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agent = nil
}

// status asks the agent what it says of itself. An agent that does not answer soon
// is none.
func (s *Server) status(ctx context.Context) (wormbell.Status, error) {
	a, err := s.ask()
	if err != nil {
		return wormbell.Status{}, err
	}
	within, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	st, err := a.Status(within)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		err = fmt.Errorf("%w: it does not answer", errNoAgent)
	}
	return st, err
}

// bounded is a listener that serves so many connections of this user at once;
// more of them wait in the kernel. Those of others are closed, and take no place.
type bounded struct {
	net.Listener
	slots chan struct{}
	log   *slog.Logger
}

// Accept waits for a connection, then for a free place.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if err := ours(c); err != nil {
			b.log.Warn("connection refused", "why", err)
			c.Close()
			continue
		}
		b.slots <- struct{}{} // places come free as connections time out
		return &place{Conn: c, free: sync.OnceFunc(func() { <-b.slots })}, nil
	}
}

// place is a connection that gives its place back.
type place struct {
	net.Conn
	free func()
}

func (p *place) Close() error {
	defer p.free()
	return p.Conn.Close()
}
