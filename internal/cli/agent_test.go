package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/agent/api"
)

// serve starts the agent's own API over a real store that holds one alert, and
// returns its socket.
func serve(t *testing.T) (socket string, a wormbell.Alert) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the API needs to know its peer, which works on Linux only for now")
	}
	dir, err := os.MkdirTemp("", "wormbell-cli") // short: a socket's name has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	store, err := alert.Open(alert.Config{Dir: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	f := theft().Findings[0]
	f.Process = f.Evidence[0].Process
	f.Time = f.Evidence[0].Time
	for i := range f.Evidence {
		f.Evidence[i].User = strconv.Itoa(os.Getuid())
	}
	if a, err = store.Record(f, alert.Meta{Title: "A program read credentials"}); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "run", "s.sock")
	server, err := api.Listen(api.Config{Socket: socket, Store: store,
		At: func(int) *wormbell.Process { return nil }, // could not tell who asks
		Backend: api.Backend{
			Status:  func() wormbell.Status { return wormbell.Status{Version: "9.9.9", Homes: []string{"/home/alice"}} },
			Guarded: func() []wormbell.Guarded { return nil },
			Events: func(ctx context.Context, _ string) <-chan wormbell.Event {
				c := make(chan wormbell.Event, 1)
				c <- f.Evidence[0]
				context.AfterFunc(ctx, func() { close(c) })
				return c
			},
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, store.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return socket, a
}

// TestRealAgent: the commands against the agent's own API.
func TestRealAgent(t *testing.T) {
	t.Parallel()
	socket, a := serve(t)
	do := func(ctx context.Context, args ...string) (string, string, int) {
		var out, errs bytes.Buffer
		status := Run(ctx, append([]string{"--socket", socket}, args...), Streams{strings.NewReader(""), &out, &errs})
		return out.String(), errs.String(), status
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string // in either output
	}{
		{[]string{"status"}, exitFine, "9.9.9"},
		{[]string{"alerts"}, exitFine, a.ID},
		{[]string{"alerts", "--min-severity", "high"}, exitAlerts, a.ID},
		{[]string{"alerts", "--min-severity", "critical"}, exitFine, "No open alerts"},
		{[]string{"alert", "show", a.ID}, exitFine, "postinstall of colour-strings@1.0.3"},
		{[]string{"alert", "show", a.ID[:4]}, exitFine, a.ID},
		{[]string{"alert", "show", "zzzzzzzz"}, exitCannot, "hint: 'wormbell alerts --all'"},
		{[]string{"alert", "close", a.ID, "--reason", "x"}, exitCannot, "could not tell who asks"},
		{[]string{"pause"}, exitCannot, "wormbell: "},
		{[]string{"alert", "freeze", a.ID}, exitCannot, "wormbell: "},
		{[]string{"trust", "add", "--store", "nonsense", "--who", "exe:/x", "--reason", "r"}, exitCannot, "no such store"},
		{[]string{"trust", "remove", "nonsense"}, exitCannot, "hint: 'wormbell trust list'"},
		{[]string{"calls", "--json"}, exitFine, `"calls":[]`},
		{[]string{"credentials", "--json"}, exitFine, `"credentials":[]`},
		{[]string{"trust", "list", "--json"}, exitFine, `"trust":[]`},
	} {
		out, errs, status := do(t.Context(), tt.args...)
		if status != tt.status || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%v ends with %d, want %d and %q:\n%s%s", tt.args, status, tt.status, tt.want, out, errs)
		}
	}
	out, _, _ := do(t.Context(), "alerts", "--json")
	var doc struct {
		Version int
		Alerts  []wormbell.Alert
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Version != 1 || len(doc.Alerts) != 1 || doc.Alerts[0].State != wormbell.Open {
		t.Errorf("alerts --json: %v: %s", err, out)
	}

	// What follows ends with Ctrl-C, once it has shown what there is.
	for _, args := range [][]string{{"alerts", "--follow"}, {"alerts", "--follow", "--json"}, {"record"}} {
		ctx, interrupt := context.WithTimeout(t.Context(), 20*time.Second)
		var out, errs watched
		out.until, errs.until = "colour-strings", "~/.npmrc"
		out.then, errs.then = interrupt, interrupt
		if args[0] != "record" {
			errs.until = "\x00"
		}
		if status := Run(ctx, append([]string{"--socket", socket}, args...), Streams{strings.NewReader(""), &out, &errs}); status != exitFine {
			t.Errorf("%v ends with %d: %s", args, status, errs.String())
		}
		if context.Cause(ctx) == context.DeadlineExceeded || !strings.Contains(out.String(), "colour-strings") {
			t.Errorf("%v shows %s", args, out.String())
		}
		interrupt()
	}
}

// watched is an output that calls then once until was written to it.
type watched struct {
	bytes.Buffer
	until string
	then  func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.until) {
		w.then()
	}
	return n, err
}
