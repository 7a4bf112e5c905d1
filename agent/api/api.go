// Package api serves the agent to the programs of the people on this machine:
// HTTP and JSON over a unix socket, with the identity of the peer from the
// kernel.
//
// It decides who may see and change what. A user sees their own alerts, root
// sees all; a call that loosens the guard is judged by where its caller
// descends from, because anything a worm runs has the user's uid too. It must
// not know how alerts are made, kept or detected.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/internal/answer"
)

// Limits that keep a hostile user from exhausting the agent.
const (
	maxHeader       = 4 << 10 // net/http adds 4 KiB to it
	maxBody         = 64 << 10
	maxPerUser      = 32  // connections of one uid
	maxOverall      = 128 // connections altogether,
	keptForRoot     = 16  // of which these are root's
	headerTime      = 2 * time.Second
	requestTime     = 5 * time.Second
	answerTime      = 10 * time.Second // also for one line of a stream
	idleTime        = 30 * time.Second
	heartbeat       = 15 * time.Second
	shutdownTime    = 2 * time.Second
	maxListed       = 1000 // alerts in one answer
	maxDemo         = 15 * time.Minute
	maxRefused      = 10             // refusals of a uid that are told at once
	maxLoosened     = 200            // calls of a uid at once that may loosen the guard
	maxAnnounced    = 64             // files of one announcement
	maxPause        = 24 * time.Hour // of everybody's notifications
	maxOwnPause     = time.Hour      // of one's own
	maxAnnouncedFor = 10 * time.Minute
	host            = "wormbell" // the only Host that is served
)

// ErrInUse is returned by [Listen] when a living agent serves the socket.
var ErrInUse = errors.New("another agent serves this socket")

// Backend is what only the agent knows. A nil function means that this agent
// cannot do it, and the route says so.
type Backend struct {
	Status  func() wormbell.Status
	Guarded func() []wormbell.Guarded
	Usage   func() []wormbell.Usage // of the last day, oldest first
	// Events returns the events from now on of user, of everybody if user is "".
	// The channel is closed once ctx is done.
	Events func(ctx context.Context, user string) <-chan wormbell.Event
	Emit   func(wormbell.Event) // takes an agent.call event; must not block
	// Announce shows agent.call events to the detectors and returns once they
	// have seen them.
	Announce func([]wormbell.Event) error
	// Trust returns the rows that nobody added by a call: built-in, first-use and
	// those of the administrator's files.
	Trust func() []wormbell.TrustRow
	// SetTrust is told the rows of persons after each change.
	SetTrust func([]wormbell.TrustRow)
	// Digest returns what a row remembers of the files that who names, for a row
	// that uid asks for; see [wormbell.TrustRow]. An error whose Temporary method
	// says true is one that a second try may not meet.
	Digest func(who string, uid int) (string, error)
	// Fallen reports whether a row of first use vouches for nothing any more, and
	// Forget takes such a row back for uid: one that stands falls, and of one that
	// has fallen, what is there now is trusted.
	Fallen  func(id string) bool
	Forget  func(id string, uid int) error
	Protect func(on bool) error
	// Locked returns the administrator's file that has locked a setting or an act,
	// "" if none has; see [wormbell.Setting].
	Locked func(name string) string
	// Decoys returns those of user, of everybody if user is "".
	Decoys func(user string) []wormbell.Decoy
	// PlantDecoy takes the file at Path in Home, which uid says to have planted as a
	// decoy of Kind, for one, and returns it as it is known from then on.
	PlantDecoy func(ctx context.Context, uid int, d wormbell.Decoy) (wormbell.Decoy, error)
	// ForgetDecoy no longer takes a file for one.
	ForgetDecoy func(id string) error
	// Demo guards a scratch home and returns once that is so. The server has
	// checked who asks, the folder and the time.
	Demo func(ctx context.Context, home string, within time.Duration) error
}

// Config is what a [Server] needs.
type Config struct {
	Socket  string // path of the socket
	Exe     string // the agent's own program, absolute and without symlinks: ours are those beside it. "" if there are none
	System  bool   // everybody may connect, the peer's identity decides; else only our uid and root
	Store   *alert.Store
	At      func(pid int) *wormbell.Process // who is who, with ancestry; nil results are "could not tell"
	Living  func(root wormbell.ProcessID) []wormbell.ProcessID
	Spare   []int // PIDs that freeze must leave alone, besides the agent and its parent
	Backend Backend
	Log     *slog.Logger     // nil for silence
	Now     func() time.Time // nil for time.Now
}

// Server answers on a socket. Make it with [Listen].
type Server struct {
	Config
	listener net.Listener
	remove   func()         // takes the socket away if it is still ours
	look     *answer.Looker // asks folders that callers name
	refusals rate           // of log lines and events about refused requests: ten at once
	loosened rate           // of calls that may loosen the guard: maxLoosened at once
	acting   sync.Mutex
	pausing  sync.Mutex // guards pauses, and one pause from another
	pauses   pauses
}

// Serve answers until ctx is done and every request has ended, then removes the
// socket. It returns nil when ctx ended it.
func (s *Server) Serve(ctx context.Context) error {
	defer s.remove()
	// Streams end with the base context, the rest gets a moment to finish.
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	srv := &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, c.(*conn).peer)
		},
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s.listener) }() // waited for below
	select {
	case err := <-ended:
		return fmt.Errorf("serve %q: %w", s.Socket, err)
	case <-ctx.Done():
	}
	stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	<-ended
	return nil
}

type peerKey struct{}

// call is one request with who makes it.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	peer *peer
}

func (c *call) user() string { return strconv.Itoa(c.peer.uid) }

// sees is the user whose alerts the peer may see; "" is everybody's.
func (c *call) sees() string {
	if c.peer.uid == 0 {
		return ""
	}
	return c.user()
}

// owns reports whether the peer is whom the whole agent belongs to: root, or
// the user that runs it.
func (c *call) owns() bool { return c.peer.uid == 0 || c.peer.uid == os.Geteuid() }

// fault is an answer that refuses.
type fault struct {
	status int
	Text   string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}

func (f *fault) Error() string { return f.Text }

func faultf(status int, hint, format string, args ...any) *fault {
	return &fault{status, fmt.Sprintf(format, args...), hint}
}

// routes is the table of what can be asked.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*call) (any, error){
		"DELETE /v1/decoys/{id}":      s.forgetDecoy,
		"DELETE /v1/trust/{id}":       s.removeTrust,
		"GET /v1/alerts":              s.alerts,
		"GET /v1/alerts/{id}":         s.alert,
		"GET /v1/calls":               s.calls,
		"GET /v1/credentials":         s.credentials,
		"GET /v1/decoys":              s.decoys,
		"GET /v1/events":              s.events,
		"GET /v1/status":              s.status,
		"GET /v1/trust":               s.trust,
		"GET /v1/usage":               s.usage,
		"GET /v1/watch":               s.watch,
		"POST /v1/alerts/{id}/{verb}": s.change,
		"POST /v1/announce":           s.announce,
		"POST /v1/decoys":             s.plantDecoy,
		"POST /v1/demo":               s.demo,
		"POST /v1/pause":              s.pause,
		"POST /v1/protect":            s.protect,
		"POST /v1/trust":              s.addTrust,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c := &call{w, r, r.Context().Value(peerKey{}).(*peer)}
			s.answer(c, do)
		})
	}
	return mux
}

// answer runs do and writes what it returns. A nil answer was written already.
func (s *Server) answer(c *call, do func(*call) (any, error)) {
	v, err := do(c)
	if err == nil {
		if v != nil {
			write(c.w, http.StatusOK, v)
		}
		return
	}
	var f *fault
	if !errors.As(err, &f) {
		s.Log.Error("request failed", "method", c.r.Method, "uid", c.peer.uid, "err", err)
		f = faultf(http.StatusInternalServerError, "see the agent's log", "the agent could not do it")
	}
	write(c.w, f.status, f)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // a peer that went away is no error of ours
}

// guard refuses what no program of ours sends: a browser's requests first of
// all. A page that a browser shows must not reach the agent, by whatever way
// the socket is exposed.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why := ""
		switch {
		case r.Host != host:
			why = "foreign host"
		case r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "":
			why = "comes from a web page"
		case r.ProtoMajor != 1:
			why = "not HTTP/1"
		}
		for name := range r.Header {
			if len(name) > 10 && name[:10] == "Sec-Fetch-" {
				why = "comes from a browser"
			}
		}
		if why != "" {
			p := r.Context().Value(peerKey{}).(*peer)
			if s.tells(p) {
				s.Log.Warn("request refused", "why", why, "uid", p.uid, "pid", p.pid)
			}
			write(w, http.StatusForbidden, faultf(0, "use the wormbell program", "refused: the request %s", map[string]string{
				"foreign host": "is for another host", "comes from a web page": why, "comes from a browser": why, "not HTTP/1": "is " + why}[why]))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(&plainErrors{ResponseWriter: w}, r)
	})
}

// plainErrors turns net/http's own text answers (404, 405) into ours.
type plainErrors struct {
	http.ResponseWriter
	swallow bool
}

func (p *plainErrors) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *plainErrors) WriteHeader(status int) {
	if status >= 400 && p.Header().Get("Content-Type") != "application/json" {
		p.swallow = true
		p.Header().Set("Content-Type", "application/json")
		p.Header().Del("X-Content-Type-Options")
		p.ResponseWriter.WriteHeader(status)
		json.NewEncoder(p.ResponseWriter).Encode(faultf(status, "this program may be older or newer than the agent", "there is no such call"))
		return
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *plainErrors) Write(b []byte) (int, error) {
	if p.swallow {
		return len(b), nil
	}
	return p.ResponseWriter.Write(b)
}

// body decodes the request's JSON into v; an empty body leaves v as it is.
func (c *call) body(v any) error {
	dec := json.NewDecoder(c.r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	var big *http.MaxBytesError
	switch {
	case err == nil && !dec.More(), err != nil && err.Error() == "EOF":
		return nil
	case errors.As(err, &big):
		return faultf(http.StatusRequestEntityTooLarge, "", "the request is longer than %d bytes", maxBody)
	}
	return faultf(http.StatusBadRequest, "", "the request is not the JSON expected")
}

// rate allows a uid so many of something at once and one more each second, so
// that nobody fills the log or the event queue. Safe for concurrent use.
type rate struct {
	most float64    // at once; does not change
	mu   sync.Mutex // guards what follows
	left map[int]float64
	last time.Time
}

func (r *rate) allow(uid int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil {
		r.left = map[int]float64{}
	}
	gained := max(0, now.Sub(r.last).Seconds())
	r.last = now
	for u, n := range r.left {
		if r.left[u] = n + gained; r.left[u] >= r.most {
			delete(r.left, u)
		}
	}
	n, known := r.left[uid]
	if !known {
		n = r.most
	}
	if n < 1 {
		return false
	}
	r.left[uid] = n - 1
	return true
}
