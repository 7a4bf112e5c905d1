package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"
)

// This file lets a second `wormbell dashboard` of the same user ask the first
// to open a page in the browser, over a unix socket that is closed to others.
// No link is handed out there: every program of the user may ask, and who has a
// link is taken for the person.

const (
	controlTime = 5 * time.Second
	maxControl  = 4 << 10
	maxAsking   = 8
)

// asking is what is sent to the socket, given what comes back, once when it
// listens and once as an answer; a line of JSON each.
type asking struct {
	Open string `json:"open"`
}

type given struct {
	Ready  bool   `json:"ready,omitempty"`
	Opened bool   `json:"opened,omitempty"`
	Error  string `json:"error,omitempty"`
}

// ErrNotOpened is wrapped by the error of [Ask] when the dashboard that runs
// does not open the page.
var ErrNotOpened = errors.New("the dashboard that runs does not open it")

// Browser says how pages are opened for others, see [Server.Control].
type Browser struct {
	// Open shows a link to the person and returns soon.
	Open func(ctx context.Context, link string) error
	// Admit judges who asks by its PID, 0 where that cannot be told, and what is
	// known of that process since it was listened to; nil lets every process of
	// this user ask. The process is the same one until Admit returns. A browser is told the link by its command
	// line, so who may have one opened may still see it before it is used up.
	Admit func(ctx context.Context, pid int, since time.Time) error
}

// Control opens pages in the person's browser for who asks at the unix socket
// path until ctx is done, then removes it. The folder must be the user's alone,
// and the caller the only one who serves there.
func (s *Server) Control(ctx context.Context, path string, b Browser) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was killed
		return fmt.Errorf("remove %q: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen at %q: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("close %q to others: %w", path, err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { <-ctx.Done(); l.Close() }) // ends Accept
	defer stop()
	slots := make(chan struct{}, maxAsking)
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		} else if err != nil {
			return fmt.Errorf("accept at %q: %w", path, err)
		}
		select {
		case slots <- struct{}{}:
		default:
			c.Close()
			continue
		}
		wg.Go(func() { // answers one asker
			defer func() { <-slots }()
			defer c.Close()
			s.give(ctx, c, b)
		})
	}
}

// give answers one asker.
func (s *Server) give(ctx context.Context, c net.Conn, b Browser) {
	ctx, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	c.SetDeadline(time.Now().Add(controlTime))
	var out given
	uid, pid, err := asker(c)
	var in asking
	switch {
	case err != nil && !errors.Is(err, errCannotTell):
		out.Error = "it could not be told who asks"
	case err == nil && uid != os.Getuid():
		out.Error = "another user asks"
	default:
		start, since := startOf(pid), time.Now()
		json.NewEncoder(c).Encode(given{Ready: true}) // an asker that went away says nothing, either
		lines := bufio.NewScanner(c)
		lines.Buffer(nil, maxControl)
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &in) != nil {
			out.Error = "the request makes no sense"
			break
		}
		if err := s.open(ctx, b, caller{pid, start, since}, in.Open); err != nil {
			s.c.Log.Warn("page not opened", "pid", pid, "err", err)
			out.Error = err.Error()
			break
		}
		out.Opened = true
	}
	c.SetDeadline(time.Now().Add(controlTime)) // a browser takes its time
	json.NewEncoder(c).Encode(out)             // an asker that went away is no error of ours
}

// caller is a process that asks.
type caller struct {
	pid   int
	start string // see startOf
	since time.Time
}

// open opens a page for a process.
func (s *Server) open(ctx context.Context, b Browser, by caller, page string) error {
	if !Page(page) {
		return fmt.Errorf("there is no page %q", page)
	}
	if b.Admit != nil {
		if err := b.Admit(ctx, by.pid, by.since); err != nil {
			return err
		}
		if startOf(by.pid) != by.start { // what is known of the number is of another process
			return errors.New("who asked has ended")
		}
	}
	s.hub.touch()
	return b.Open(ctx, s.Link(page))
}

// Ask has the dashboard that serves the socket path open a page in the person's
// browser. ready is called once that listens: what Admit is to know of this
// process has to happen then. nil: there is nothing to be done.
func Ask(ctx context.Context, path, page string, ready func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*controlTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("ask the dashboard that runs: %w", err)
	}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		c.SetDeadline(until)
	}
	if uid, _, err := asker(c); err == nil && uid != os.Getuid() {
		return fmt.Errorf("%w: it is another user's", ErrNotOpened)
	}
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxControl)
	var out given
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &out) != nil {
		return errors.New("the dashboard that runs does not answer")
	} else if !out.Ready {
		return fmt.Errorf("%w: %s", ErrNotOpened, out.Error)
	}
	if ready != nil {
		if err := ready(ctx); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(c).Encode(asking{page}); err != nil {
		return fmt.Errorf("ask the dashboard that runs: %w", err)
	}
	out = given{}
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &out) != nil {
		return errors.New("the dashboard that runs does not answer")
	}
	if out.Error != "" || !out.Opened {
		return fmt.Errorf("%w: %s", ErrNotOpened, out.Error)
	}
	return nil
}
