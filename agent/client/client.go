// Package client speaks to the agent over its unix socket.
//
// It is for the command line and the tray. It knows the dictionary and nothing
// of how the agent works, and it believes only an agent that the kernel says is
// root's, or the user's own.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wormbell"
)

// Config says which agent to speak to.
type Config struct {
	Socket string // path of its socket; "" for the system's agent if there is one, else the user's own
}

// Client speaks to one agent. It is safe for concurrent use. Make it with
// [Dial].
type Client struct {
	socket string
	uid    int // of the process that must serve the socket; -1 for root or ourselves, and for whoever it is when root names a socket
	http   *http.Client
}

// ErrNoAgent is wrapped by errors that say that no agent answers.
var ErrNoAgent = errors.New("no agent is running")

// ErrImpostor is wrapped by errors that say that somebody else than the agent
// serves the socket.
var ErrImpostor = errors.New("the socket is not served by the agent")

// Error is what the agent, or the way to it, says against a request.
type Error struct {
	Status int    // HTTP status; 0 if no agent answered
	Text   string // one sentence
	Advice string // what to do, "" if there is nothing to say
	cause  error
}

func (e *Error) Error() string { return e.Text }

// Hint returns what a person can do about it, "" if there is nothing to say.
func (e *Error) Hint() string { return e.Advice }

// Unwrap returns the cause: [ErrNoAgent], [ErrImpostor] or nil.
func (e *Error) Unwrap() error { return e.cause }

func noAgent(socket string, why error) *Error {
	return &Error{Text: fmt.Sprintf("%v at %s: %v", ErrNoAgent, socket, why), cause: ErrNoAgent,
		Advice: "'wormbell status' says whether it is installed, and why it does not run; 'sudo wormbell install' installs it"}
}

// dialTime is how long connecting may take; the agent is on this machine.
const dialTime = 2 * time.Second

// Dial connects to the agent once, to see that it is there and who serves it,
// and returns a client for it. The error wraps [ErrNoAgent] or [ErrImpostor].
func Dial(c Config) (*Client, error) {
	try := []*Client{newClient(c.Socket, -1)}
	if c.Socket == "" {
		own := wormbell.UserSocket(os.Getenv("XDG_RUNTIME_DIR"), strconv.Itoa(os.Getuid()))
		try = []*Client{newClient(wormbell.SystemSocket, 0), newClient(own, os.Getuid())}
	} else if c.Socket == wormbell.SystemSocket {
		try = []*Client{newClient(c.Socket, 0)}
	}
	var first error
	for _, one := range try {
		ctx, cancel := context.WithTimeout(context.Background(), dialTime)
		conn, err := one.dial(ctx, "", "")
		cancel()
		if err == nil {
			conn.Close()
			return one, nil
		}
		if !errors.Is(err, ErrNoAgent) {
			return nil, err // an impostor, or a socket that we may not open
		}
		if first == nil {
			first = err
		}
	}
	if len(try) > 1 {
		return nil, noAgent(try[0].socket+" or "+try[1].socket, errors.New("nobody listens"))
	}
	return nil, first
}

// newClient makes a client of the socket that uid must serve.
func newClient(socket string, uid int) *Client {
	c := &Client{socket: socket, uid: uid}
	c.http = &http.Client{Transport: &http.Transport{DialContext: c.dial, DisableCompression: true, MaxIdleConns: 2, IdleConnTimeout: 20 * time.Second}}
	return c
}

// Socket is the path of the agent's socket.
func (c *Client) Socket() string { return c.socket }

// Release lets go of idle connections; the client can still be used.
func (c *Client) Release() { c.http.CloseIdleConnections() }

// dial connects and checks who listens: anybody can make a socket in a folder
// that they can write.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	path, done := reachable(c.socket)
	defer done()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR),
		errors.Is(err, syscall.EINVAL): // the last: too long a path whose folder is not there
		return nil, noAgent(c.socket, errors.New("nobody listens"))
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{Text: fmt.Sprintf("the agent's socket %s may not be opened", c.socket), Advice: "it is another user's agent", cause: fs.ErrPermission}
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, context.DeadlineExceeded):
		return nil, noAgent(c.socket, errors.New("it does not answer"))
	default:
		return nil, fmt.Errorf("connect to %q: %w", c.socket, err)
	}
	uid, err := servedBy(conn)
	if err == nil && (uid == c.uid || c.uid < 0 && (uid == 0 || uid == os.Getuid() || os.Getuid() == 0)) {
		return conn, nil
	}
	conn.Close()
	text := fmt.Sprintf("%v: %s belongs to uid %d", ErrImpostor, c.socket, uid)
	if err != nil {
		text = fmt.Sprintf("%v: %s: %v", ErrImpostor, c.socket, err)
	}
	return nil, &Error{Text: text, Advice: "do not trust what it says; look who made that socket", cause: ErrImpostor}
}

// maxAnswer is how long an answer may be, in bytes; streams have no limit but
// for a line.
const maxAnswer = 256 << 20

// do sends a request and decodes the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	} else {
		err = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	return nil
}

// send sends a request and returns the answer if it is a good one.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://wormbell/v1/"+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return nil, e
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			return nil, noAgent(c.socket, errors.New("it ended the conversation"))
		}
		return nil, fmt.Errorf("ask the agent: %w", errors.Unwrap(err))
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var said struct{ Error, Hint string }
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said) != nil || said.Error == "" {
		said.Error = "the agent answered " + resp.Status
	}
	return nil, &Error{Status: resp.StatusCode, Text: said.Error, Advice: said.Hint}
}

// Status returns what the agent says of itself.
func (c *Client) Status(ctx context.Context) (s wormbell.Status, err error) {
	return s, c.do(ctx, "GET", "status", nil, &s)
}

// Usage returns what the agent took in each ten minutes of the last day, oldest
// first; the last span may be a shorter one. The error is an [Error] with status
// 404 where an older agent knows no such thing.
func (c *Client) Usage(ctx context.Context) ([]wormbell.Usage, error) {
	var out struct{ Usage []wormbell.Usage }
	err := c.do(ctx, "GET", "usage", nil, &out)
	return out.Usage, err
}

// Alerts returns the open alerts, or those in every state, newest first.
func (c *Client) Alerts(ctx context.Context, all bool) ([]wormbell.Alert, error) {
	path := "alerts"
	if all {
		path += "?all=1"
	}
	var out struct{ Alerts []wormbell.Alert }
	err := c.do(ctx, "GET", path, nil, &out)
	return out.Alerts, err
}

// Brief returns the open alerts as Alerts does, each finding with the first few
// events of its evidence only. An agent that does not know how sends all.
func (c *Client) Brief(ctx context.Context) ([]wormbell.Alert, error) {
	var out struct{ Alerts []wormbell.Alert }
	err := c.do(ctx, "GET", "alerts?evidence=3", nil, &out)
	return out.Alerts, err
}

// Alert returns one alert; id may be a beginning of at least four characters.
func (c *Client) Alert(ctx context.Context, id string) (a wormbell.Alert, err error) {
	return a, c.do(ctx, "GET", "alerts/"+url.PathEscape(id), nil, &a)
}

// Close closes an alert: it is dealt with.
func (c *Client) Close(ctx context.Context, id, reason string) error {
	return c.change(ctx, id, "close", reason)
}

// Mute goes on recording an alert but shows it no more.
func (c *Client) Mute(ctx context.Context, id, reason string) error {
	return c.change(ctx, id, "mute", reason)
}

// Reopen opens an alert again.
func (c *Client) Reopen(ctx context.Context, id, reason string) error {
	return c.change(ctx, id, "reopen", reason)
}

func (c *Client) change(ctx context.Context, id, verb, reason string) error {
	return c.do(ctx, "POST", "alerts/"+url.PathEscape(id)+"/"+verb, map[string]string{"reason": reason}, nil)
}

// Freeze stops the processes an alert is about, and says in a sentence how it went.
func (c *Client) Freeze(ctx context.Context, id string) (string, error) {
	return c.processes(ctx, id, "freeze")
}

// Resume lets frozen processes go on, and says how it went.
func (c *Client) Resume(ctx context.Context, id string) (string, error) {
	return c.processes(ctx, id, "resume")
}

// Kill ends the processes an alert is about, and says how it went.
func (c *Client) Kill(ctx context.Context, id string) (string, error) {
	return c.processes(ctx, id, "kill")
}

func (c *Client) processes(ctx context.Context, id, verb string) (string, error) {
	var out struct{ Outcome string }
	err := c.do(ctx, "POST", "alerts/"+url.PathEscape(id)+"/"+verb, nil, &out)
	return out.Outcome, err
}

// Act notes on an alert what was done about it: a.What, in lower-case letters,
// digits and hyphens, and in one sentence a.Outcome. When and by whom is the
// agent's word. The agent takes it from our own programs only; see [Client.Announce].
func (c *Client) Act(ctx context.Context, id string, a wormbell.Action) error {
	return c.do(ctx, "POST", "alerts/"+url.PathEscape(id)+"/action", map[string]string{"what": a.What, "outcome": a.Outcome}, nil)
}

// Announce says that this process is going to read credential files, at most 64
// and named with ~, within d, at most ten minutes: the agent then takes these
// reads for no finding. It believes the programs that are installed beside it,
// and of those of a user only one that has made itself undumpable before, so
// that no other program can be behind it. What this process starts is not
// meant. The error is an [Error] with status 403 where the agent does not
// believe it, 501 where it knows no such thing.
func (c *Client) Announce(ctx context.Context, paths []string, d time.Duration) error {
	return c.do(ctx, "POST", "announce", map[string]any{"paths": paths, "seconds": d.Seconds()}, nil)
}

// Credentials returns the guarded files; never a value.
func (c *Client) Credentials(ctx context.Context) ([]wormbell.Guarded, error) {
	var out struct{ Credentials []wormbell.Guarded }
	err := c.do(ctx, "GET", "credentials", nil, &out)
	return out.Credentials, err
}

// Trust returns the rows of the trust table.
func (c *Client) Trust(ctx context.Context) ([]wormbell.TrustRow, error) {
	var out struct{ Trust []wormbell.TrustRow }
	err := c.do(ctx, "GET", "trust", nil, &out)
	return out.Trust, err
}

// AddTrust adds a row and returns it with its ID. The agent says whose it is.
func (c *Client) AddTrust(ctx context.Context, row wormbell.TrustRow) (out wormbell.TrustRow, err error) {
	return out, c.do(ctx, "POST", "trust", row, &out)
}

// RemoveTrust takes a row back.
func (c *Client) RemoveTrust(ctx context.Context, id string) error {
	return c.do(ctx, "DELETE", "trust/"+url.PathEscape(id), nil, nil)
}

// Calls returns the accepted calls that loosened the guard, announcements
// among them, newest first. Line
// says what was asked; of the process only PID and Exe are kept.
func (c *Client) Calls(ctx context.Context) ([]wormbell.Event, error) {
	var out struct{ Calls []wormbell.Event }
	err := c.do(ctx, "GET", "calls", nil, &out)
	return out.Calls, err
}

// Pause keeps notifications back for so long; 0 ends that.
func (c *Client) Pause(ctx context.Context, d time.Duration) error {
	return c.do(ctx, "POST", "pause", map[string]float64{"seconds": d.Seconds()}, nil)
}

// Protect switches the denying of reads that would raise an alert.
func (c *Client) Protect(ctx context.Context, on bool) error {
	return c.do(ctx, "POST", "protect", map[string]bool{"on": on}, nil)
}

// Demo asks the agent to guard a scratch home for a while, at most 15 minutes;
// it returns once that is so.
func (c *Client) Demo(ctx context.Context, home string, within time.Duration) error {
	return c.do(ctx, "POST", "demo", map[string]any{"home": home, "seconds": within.Seconds()}, nil)
}

// lines calls each for every line of a stream until it ends.
func (c *Client) lines(ctx context.Context, path string, each func(json.RawMessage) error) error {
	resp, err := c.send(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var line json.RawMessage
		if err := dec.Decode(&line); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return noAgent(c.socket, errors.New("it ended the conversation"))
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// Events calls each for every event from now on, one's own or, for root, all,
// until ctx is done or each returns an error, which it then returns. It does not
// reconnect: a record must not have holes that nobody knows of.
func (c *Client) Events(ctx context.Context, each func(wormbell.Event) error) error {
	return c.lines(ctx, "events", func(b json.RawMessage) error {
		var e wormbell.Event
		if err := json.Unmarshal(b, &e); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		return each(e)
	})
}

// Changes calls changed at once and then whenever an alert, or a pause of
// notifications, may have changed, until ctx is done or changed returns an
// error, which it then returns. Unlike
// [Client.Watch] it does not reconnect: when the agent goes away, it returns an
// error that wraps [ErrNoAgent] at once, for who shows that.
func (c *Client) Changes(ctx context.Context, changed func() error) error {
	return c.lines(ctx, "watch", func(b json.RawMessage) error {
		var t struct{ Changed bool }
		if json.Unmarshal(b, &t) != nil || !t.Changed {
			return nil
		}
		return changed()
	})
}

// Watch calls changed at once and then whenever an alert may have changed, until
// ctx is done. When the agent goes away it tries again, later each time, for a
// minute; then it returns an error that wraps [ErrNoAgent]. changed ends it by
// returning an error.
func (c *Client) Watch(ctx context.Context, changed func() error) error {
	const first, most, patience = 100 * time.Millisecond, 5 * time.Second, time.Minute
	delay, lost, connected := first, time.Time{}, false
	for {
		var own error
		err := c.lines(ctx, "watch", func(b json.RawMessage) error {
			connected, delay, lost = true, first, time.Time{}
			var t struct{ Changed bool }
			if json.Unmarshal(b, &t) == nil && t.Changed {
				own = changed()
			}
			return own
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case own != nil && !errors.Is(own, ErrNoAgent):
			return own
		case !connected || !errors.Is(err, ErrNoAgent):
			return err
		}
		if lost.IsZero() {
			lost = time.Now()
		} else if time.Since(lost) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
		delay = min(2*delay, most)
	}
}

// Follow calls each for the open alerts, oldest first, and then for every one
// that is new or has changed, also when it was muted or closed, until ctx is
// done; it then returns nil. It reconnects as [Client.Watch] does.
func (c *Client) Follow(ctx context.Context, each func(wormbell.Alert)) error {
	seen := map[string]string{}
	return c.Watch(ctx, func() error {
		open, err := c.Alerts(ctx, false)
		if err != nil {
			return err
		}
		slices.Reverse(open)
		for id := range seen {
			if slices.ContainsFunc(open, func(a wormbell.Alert) bool { return a.ID == id }) {
				continue
			}
			a, err := c.Alert(ctx, id)
			var e *Error
			if errors.As(err, &e) && e.Status == http.StatusNotFound {
				delete(seen, id)
				continue
			}
			if err != nil {
				return err
			}
			if a.ID != id { // merged into one that is shown under its own ID
				delete(seen, id)
				continue
			}
			open = append(open, a)
		}
		for _, a := range open {
			if v := version(a); seen[a.ID] != v {
				seen[a.ID] = v
				each(a)
			}
			if a.State == wormbell.Closed {
				delete(seen, a.ID)
			}
		}
		return nil
	})
}

// version changes with everything about an alert that is worth showing.
func version(a wormbell.Alert) string {
	return strings.Join([]string{string(a.State), a.Severity.String(), strconv.Itoa(a.Count), strconv.Itoa(len(a.Actions))}, " ")
}
