// Package browser opens a page in the user's browser, without a shell and
// without waiting for it.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// ErrNone is wrapped by errors that say that there is no browser to open a
// page in: a session without a desktop, or root's.
var ErrNone = errors.New("no browser can be opened here")

// startTime is how long a program that opens pages is given to say that it
// cannot. Most end at once; a browser that was not running stays.
const startTime = 3 * time.Second

// Check returns an error if page is not one to be shown to a person: anything
// but https, or http on this machine. Pages come from services' answers, which
// may be hostile.
func Check(page string) error {
	u, err := url.Parse(page)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsFunc(page, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return errors.New("its address makes no sense")
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	if u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("a page by %q is not opened", u.Scheme)
}

// Open opens page by $BROWSER, as many Unix programs understand it (a list
// with colons, "%s" for the page), else by the system's own way. It returns an
// error that wraps ErrNone if there is nothing to open it with.
func Open(ctx context.Context, page string, getenv func(string) string) error {
	return open(ctx, page, getenv, startTime)
}

// open is Open with another startTime.
func open(ctx context.Context, page string, getenv func(string) string, start time.Duration) error {
	if err := Check(page); err != nil {
		return err
	}
	commands := candidates(page, getenv)
	if len(commands) == 0 {
		return ErrNone
	}
	var last error
	for _, c := range commands {
		if last = run(ctx, c, start); last == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", ErrNone, last)
}

// candidates returns the commands to try, in order.
func candidates(page string, getenv func(string) string) [][]string {
	var out [][]string
	for _, b := range strings.Split(getenv("BROWSER"), ":") {
		words := strings.Fields(b)
		if len(words) == 0 {
			continue
		}
		given := false
		for i, w := range words {
			if strings.Contains(w, "%s") {
				words[i], given = strings.ReplaceAll(w, "%s", page), true
			}
		}
		if !given {
			words = append(words, page)
		}
		out = append(out, words)
	}
	switch {
	case runtime.GOOS == "darwin":
		out = append(out, []string{"/usr/bin/open", page})
	case runtime.GOOS == "windows":
		out = append(out, []string{"rundll32", "url.dll,FileProtocolHandler", page})
	case os.Geteuid() != 0 && (getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != ""):
		out = append(out, []string{"xdg-open", page})
	}
	return out
}

// run starts a command and waits a moment to learn whether it works.
func run(ctx context.Context, command []string, start time.Duration) error {
	cmd := exec.Command(command[0], command[1:]...) // not ended with ctx: the person is looking at the page
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %q: %w", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // reaps it; ends with the browser or with us
	t := time.NewTimer(start)
	defer t.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%q: %w", command[0], err)
		}
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}
