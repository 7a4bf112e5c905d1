package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/client"
)

// TestAdmit: only what our own program announced since it asks vouches for it.
func TestAdmit(t *testing.T) {
	t.Parallel()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	const announced = "read ~/.npmrc within 10s"
	for _, tt := range []struct {
		what      string
		line, exe string
		pid       int
		after     time.Duration
		want      bool
	}{
		{"an announcement", announced, own, 77, time.Millisecond, true},
		{"one of several files", "read 2 files within 10s: ~/.npmrc ~/.netrc", own, 77, time.Second, true},
		{"one from before it asked", announced, own, 77, -time.Millisecond, false},
		{"another process", announced, own, 78, time.Second, false},
		{"no process", announced, own, 0, time.Second, false},
		{"another program", announced, "/tmp/wormbell", 77, time.Second, false},
		{"an alert that was closed", "close abcd2345 all is well", own, 77, time.Second, false},
		{"a call that was doubted", "doubted: read ~/.npmrc", own, 77, time.Second, false},
		{"a pause", "pause your notifications until 2026-11-20T10:00:00Z", own, 77, time.Second, false},
	} {
		s := &standIn{status: wormbell.Status{Privileged: true}, events: []wormbell.Event{{Time: since.Add(tt.after).UTC(), Kind: wormbell.AgentCall,
			Process: &wormbell.Process{PID: tt.pid, Exe: tt.exe}, Line: tt.line}}}
		a := &app{connect: func(string) (Agent, error) { return s, nil }}
		pid := 77
		if tt.pid == 0 {
			pid = 0
		}
		if err := a.admit(t.Context(), pid, since); (err == nil) != tt.want {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// TestLinkUnseen: the link is not written to what is no terminal, unless somebody wants that.
func TestLinkUnseen(t *testing.T) {
	t.Setenv("BROWSER", "/bin/true")
	const link = "http://127.0.0.1:1/enter?ticket=x"
	for _, open := range []bool{true, false} {
		var out bytes.Buffer
		a := &app{streams: Streams{nil, &out, &out}}
		a.opened(t.Context(), link, open)
		if strings.Contains(out.String(), link) == open {
			t.Errorf("a browser is wanted: %v; written is %q", open, out.String())
		}
	}
}

// TestVouched: of an agent that can tell only a yes is one.
func TestVouched(t *testing.T) {
	t.Parallel()
	privileged := wormbell.Status{Privileged: true}
	for name, tt := range map[string]struct {
		agent   *standIn
		connect error
		want    string // of the reason, "" for yes
	}{
		"yes":             {&standIn{status: privileged}, nil, ""},
		"no agent":        {nil, fmt.Errorf("%w: nobody listens", client.ErrNoAgent), ""},
		"it cannot tell":  {&standIn{refuse: errors.New("no")}, nil, ""},
		"refused":         {&standIn{status: privileged, refuse: &client.Error{Status: 403, Text: "refused to announce"}}, nil, "hand over tokens: refused to announce"},
		"another fault":   {&standIn{status: privileged, refuse: &client.Error{Status: 503, Text: "busy"}}, nil, "busy"},
		"not known there": {&standIn{status: privileged, refuse: &client.Error{Status: 404, Text: "no such call"}}, nil, "no such call"},
		"no answer":       {&standIn{status: privileged, refuse: context.DeadlineExceeded}, nil, "deadline"},
		"no status":       {&standIn{unwell: errors.New("cut off")}, nil, "cut off"},
		"an impostor":     {nil, fmt.Errorf("%w: uid 1000", client.ErrImpostor), "uid 1000"},
		"a closed socket": {nil, fs.ErrPermission, "permission"},
	} {
		a := &app{connect: func(string) (Agent, error) { return tt.agent, tt.connect }}
		err := a.vouched(t.Context(), "hand over tokens")
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
