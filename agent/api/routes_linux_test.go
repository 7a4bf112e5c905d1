package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
	"wormbell/agent/client"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	scratch := publicDir(t)
	theirs := publicDir(t)
	if os.Getuid() == 0 {
		os.Chown(theirs, nobody, nobody)
	}
	link := filepath.Join(t.TempDir(), "link")
	os.Symlink(theirs, link)
	file := filepath.Join(scratch, "file")
	os.WriteFile(file, nil, 0o600)
	home := publicDir(t)
	r.homes = []string{filepath.Join(home, "someone")}
	for _, tt := range []struct {
		name, home string
		seconds    float64
		uid, want  int
	}{
		{"scratch", scratch, 60, 0, 200},
		{"too long", scratch, 901, 0, 400},
		{"no time", scratch, 0, 0, 400},
		{"relative", "tmp", 60, 0, 400},
		{"a file", file, 60, 0, 403},
		{"not there", scratch + "x", 60, 0, 403},
		{"elsewhere", "/usr/lib", 60, 0, 403},
		{"the temp folder", os.TempDir(), 60, 0, 403},
		{"the root", "/", 60, 0, 403},
		{"above a guarded home", home, 60, 0, 403},
		{"another user's, for root", theirs, 60, 0, 403},
		{"root's, for another user", scratch, 60, nobody, 403},
		{"their own", theirs, 60, nobody, 200},
		{"another user's through a symlink", link, 60, 0, 403},
	} {
		if os.Getuid() != 0 && tt.home == theirs && tt.uid == 0 {
			continue // it is our own then
		}
		body, _ := json.Marshal(map[string]any{"home": tt.home, "seconds": tt.seconds})
		var status int
		var out string
		if tt.uid == 0 {
			status, out = r.ask("POST", "demo", string(body))
		} else {
			status, out = r.askAs(tt.uid, "POST", "demo", string(body))
		}
		if status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, out, tt.want)
		}
	}
	r.says(child(evil))
	if status, out := r.ask("POST", "demo", `{"home":"`+scratch+`"}`); status != 403 {
		t.Errorf("below a postinstall: %d %s", status, out)
	}
}

// Freezing stops the processes of an alert, notes it, and is undone by resume.
func TestFreeze(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cmd := exec.Command("sleep", "30")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	pid := cmd.Process.Pid
	victim := &wormbell.Process{PID: pid, Start: start, Exe: "/bin/sleep", User: "0", Parent: bash}
	id := r.raise(strconv.Itoa(os.Getuid()), victim)
	r.says(func(p int) *wormbell.Process {
		if p == pid {
			return victim
		}
		return child(bash)(p)
	})
	state := func() string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))[0]
	}
	for _, tt := range []struct{ verb, want, say string }{{"freeze", "T", "stopped sleep"}, {"close", "T", `"state":"closed"`}, {"resume", "S", "continued sleep"}, {"resume", "S", "none of the tree was stopped"}, {"kill", "Z", "ended sleep"}} {
		status, out := r.ask("POST", "alerts/"+id+"/"+tt.verb, "")
		for end := time.Now().Add(30 * time.Second); state() == "R" && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // continued, on its way back to sleep
		}
		if status != 200 || !strings.Contains(out, tt.say) || state() != tt.want {
			t.Errorf("%s: %d %s, state %s", tt.verb, status, out, state())
		}
	}
	// It has ended and nobody has asked how; then it is gone altogether.
	for range 2 {
		if status, out := r.ask("POST", "alerts/"+id+"/freeze", ""); status != 200 || !strings.Contains(out, "no process was stopped: all of the tree has ended") {
			t.Errorf("freeze of what has ended: %d %s", status, out)
		}
		cmd.Wait()
	}
	a, err := r.store.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, x := range a.Actions {
		what = append(what, fmt.Sprint(x.What, " ", x.Done, " ", x.Left))
	}
	if !slices.Equal(what, []string{"freeze 1 0", "close 0 0", "resume 1 0", "resume 0 0", "kill 1 0", "freeze-none 0 0", "freeze-none 0 0"}) {
		t.Errorf("actions %v", what)
	}
	if lines := r.lines(); !slices.Equal(lines, []string{"accepted close " + id, "accepted resume " + id, "accepted resume " + id}) {
		t.Errorf("events %v", lines)
	}
}

// The client gets what the store has, and follows it over a restart.
func TestClient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := strconv.Itoa(os.Getuid())
	c, err := client.Dial(client.Config{Socket: r.socket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if a, err := c.Alerts(ctx, true); err != nil || a == nil || len(a) > 0 {
		t.Errorf("no alerts: %v %v", a, err)
	}
	got := make(chan wormbell.Alert, 100)
	ended := make(chan error)
	follow, stop := context.WithCancel(ctx)
	go func() { ended <- c.Follow(follow, func(a wormbell.Alert) { got <- a }) }()
	next := func(what string, ok func(wormbell.Alert) bool) {
		t.Helper()
		for {
			select {
			case a := <-got:
				if ok(a) {
					return
				}
			case <-ctx.Done():
				t.Fatal("never followed: " + what)
			}
		}
	}
	id := r.raise(me, &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
	next("the alert", func(a wormbell.Alert) bool { return a.ID == id && a.Count == 1 })
	r.raise(me, &wormbell.Process{PID: 99, Start: start, Exe: "/opt/x", Parent: bash})
	next("its growth", func(a wormbell.Alert) bool { return a.ID == id && a.Count == 2 })
	if err := c.Mute(ctx, id, "mine"); err != nil {
		t.Error(err)
	}
	next("its muting", func(a wormbell.Alert) bool { return a.ID == id && a.State == wormbell.Muted })
	if err := c.Reopen(ctx, id, ""); err != nil {
		t.Error(err)
	}
	if err := c.Act(ctx, id, wormbell.Action{What: "npm-token-revoke", Outcome: "done"}); err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx, id[:4], "done"); err != nil {
		t.Error(err)
	}
	next("its closing", func(a wormbell.Alert) bool { return a.ID == id && a.State == wormbell.Closed })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Follow ended with %v", err)
	}

	row, err := c.AddTrust(ctx, wormbell.TrustRow{Store: "npm", Who: "exe:/opt/x", Under: "person", Reason: "mine"})
	if err != nil {
		t.Error(err)
	}
	if rows, err := c.Trust(ctx); err != nil || len(rows) != 2 || rows[1].ID != row.ID {
		t.Errorf("trust %v %v", rows, err)
	}
	if err := c.RemoveTrust(ctx, row.ID); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx); err != nil || s.Version != "test" {
		t.Errorf("status %v %v", s, err)
	}
	if g, err := c.Credentials(ctx); err != nil || len(g) == 0 && os.Getuid() == 0 {
		t.Errorf("credentials %v %v", g, err)
	}
	if u, err := c.Usage(ctx); err != nil || len(u) != 2 || u[0] != (wormbell.Usage{Time: start, Seconds: 600, CPU: 0.25, RSS: 1 << 20, Lost: 2}) {
		t.Errorf("usage %v %v", u, err)
	}
	if calls, err := c.Calls(ctx); err != nil || len(calls) != 4 || calls[3].Line != "mute "+id || calls[0].Process.PID != os.Getpid() {
		t.Errorf("calls %v %v", calls, err)
	}
	if err := c.Pause(ctx, time.Minute); err != nil {
		t.Error(err)
	}
	if r.store.Setting("paused_until") == "" {
		t.Error("the pause is not kept")
	}
	if err := c.Pause(ctx, 0); err != nil || r.store.Setting("paused_until") != "" {
		t.Error("the pause does not end", err)
	}
	if err := c.Protect(ctx, true); err != nil {
		t.Error(err)
	}
	if err := c.Demo(ctx, publicDir(t), time.Minute); err != nil {
		t.Error(err)
	}
	var seen []string
	err = c.Events(ctx, func(e wormbell.Event) error { seen = append(seen, e.Path); return nil })
	if os.Getuid() == 0 && !slices.Equal(seen, []string{"~/root", "~/nobody"}) || !errors.Is(err, client.ErrNoAgent) {
		t.Errorf("events %v %v", seen, err)
	}
	_, err = c.Alert(ctx, "zzzzzzzz")
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 404 || e.Hint() == "" {
		t.Errorf("no such alert: %v", err)
	}
}

// Who read a guarded file is told with the alert that the peer finds: not with
// one of somebody else's, nor with one that is not there.
func TestReaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	me := strconv.Itoa(os.Getuid())
	mine, theirs := r.raise(me, tool), r.raise(strconv.Itoa(nobody), tool)
	given := []wormbell.Reader{{Time: start, By: "a", Alert: mine}, {Time: start, By: "b"}, {Time: start, By: "c", Alert: "zzzzzzzz"}}
	theirsToo := []wormbell.Reader{{Time: start, By: "d", Alert: theirs}}
	r.mu.Lock()
	r.guards = []wormbell.Guarded{{Store: "netrc", Path: "~/.netrc", User: me, Readers: given}, {Store: "netrc", Path: "~/.netrc", User: strconv.Itoa(nobody), Readers: theirsToo}}
	r.mu.Unlock()
	readers := func(out string) (list []string) {
		var got struct{ Credentials []wormbell.Guarded }
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err, out)
		}
		for _, g := range got.Credentials {
			for _, x := range g.Readers {
				list = append(list, x.By+" "+x.Alert)
			}
		}
		return list
	}
	_, out := r.ask("GET", "credentials", "")
	want := []string{"a " + mine, "b ", "c "}
	if os.Getuid() == 0 {
		want = append(want, "d "+theirs)
	}
	if got := readers(out); !slices.Equal(got, want) {
		t.Errorf("readers %q, want %q", got, want)
	}
	if given[2].Alert == "" {
		t.Error("what the agent keeps was changed")
	}
	_, out = r.askAs(nobody, "GET", "credentials", "")
	if got := readers(out); !slices.Equal(got, []string{"d " + theirs}) {
		t.Errorf("nobody's readers %q", got)
	}
}

// A list for those who show many alerts has little evidence in it, and the
// store keeps all.
func TestBrief(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := &wormbell.Process{PID: 900, Start: start, Exe: "/opt/x", Parent: bash}
	f := wormbell.Finding{Detector: "credential-read", Subject: "~/.npmrc", Severity: wormbell.High, Process: p}
	for i := range 5 {
		f.Evidence = append(f.Evidence, wormbell.Event{Time: time.Now(), Kind: wormbell.FileRead, User: strconv.Itoa(os.Getuid()), Process: p, Path: fmt.Sprintf("~/%d/.npmrc", i)})
	}
	if _, err := r.store.Record(f, alert.Meta{Title: "t"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		query string
		want  int
	}{{"?evidence=2", 2}, {"?evidence=0", 0}, {"?evidence=100", 5}, {"", 5}} {
		_, out := r.ask("GET", "alerts"+tt.query, "")
		var got struct{ Alerts []wormbell.Alert }
		if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Alerts) != 1 || len(got.Alerts[0].Findings) != 1 {
			t.Fatalf("%q: %v %s", tt.query, err, out)
		}
		if e := got.Alerts[0].Findings[0].Evidence; len(e) != tt.want || tt.want > 0 && e[0].Path != "~/0/.npmrc" {
			t.Errorf("%q: %d events, want %d: %+v", tt.query, len(e), tt.want, e)
		}
	}
}
