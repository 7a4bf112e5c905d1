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
// for a link, over a unix socket that is closed to others.

const (
	controlTime = 5 * time.Second
	maxControl  = 4 << 10
	maxAsking   = 8
)

// asking is what is sent to the socket, given what comes back; a line of JSON each.
type asking struct {
	Open string `json:"open"`
}

type given struct {
	Link  string `json:"link,omitempty"`
	Error string `json:"error,omitempty"`
}

// ErrNotAdmitted is wrapped by the error of [Ask] when the dashboard that runs
// does not give the asker a link.
var ErrNotAdmitted = errors.New("the dashboard that runs gives no link")

// Control gives out links at the unix socket path until ctx is done, then
// removes it. The folder must be the user's alone, and the caller the only one
// who serves there. admit judges who asks by its PID, 0 where that cannot be
// told; nil lets in every process of this user.
func (s *Server) Control(ctx context.Context, path string, admit func(ctx context.Context, pid int) error) error {
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
			s.give(ctx, c, admit)
		})
	}
}

// give answers one asker.
func (s *Server) give(ctx context.Context, c net.Conn, admit func(context.Context, int) error) {
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
		lines := bufio.NewScanner(c)
		lines.Buffer(nil, maxControl)
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &in) != nil {
			out.Error = "the request makes no sense"
			break
		}
		if admit != nil {
			if err := admit(ctx, pid); err != nil {
				s.c.Log.Warn("link refused", "pid", pid, "err", err)
				out.Error = err.Error()
				break
			}
		}
		s.hub.touch()
		out.Link = s.Link(in.Open)
	}
	json.NewEncoder(c).Encode(out) // an asker that went away is no error of ours
}

// Ask returns a link to page from the dashboard that serves the socket path.
func Ask(ctx context.Context, path, page string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*controlTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return "", fmt.Errorf("ask the dashboard that runs: %w", err)
	}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		c.SetDeadline(until)
	}
	if uid, _, err := asker(c); err == nil && uid != os.Getuid() {
		return "", fmt.Errorf("%w: it is another user's", ErrNotAdmitted)
	}
	if err := json.NewEncoder(c).Encode(asking{page}); err != nil {
		return "", fmt.Errorf("ask the dashboard that runs: %w", err)
	}
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxControl)
	var out given
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &out) != nil {
		return "", errors.New("the dashboard that runs does not answer")
	}
	if out.Error != "" || out.Link == "" {
		return "", fmt.Errorf("%w: %s", ErrNotAdmitted, out.Error)
	}
	return out.Link, nil
}
