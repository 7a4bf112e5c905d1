package detect_test

import (
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/detect"
)

// TestFollowed: a connection of a tree that has taken a credential is evidence
// for that finding; one of anybody else is nothing.
func TestFollowed(t *testing.T) {
	begin := time.Unix(1000, 0)
	shell := &wormbell.Process{PID: 10, Start: begin, Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "pts/0", Leader: true, User: "1000"}
	script := &wormbell.Process{PID: 11, Start: begin, Exe: "/usr/bin/node", Args: []string{"node", "x.js"}, Script: "/home/me/x.js", Parent: shell, User: "1000"}
	sender := &wormbell.Process{PID: 12, Start: begin, Exe: "/usr/bin/curl", Args: []string{"curl"}, Parent: script, Signer: "deb:curl", User: "0"}
	other := &wormbell.Process{PID: 13, Start: begin, Exe: "/usr/bin/curl", Args: []string{"curl"}, Parent: shell, Signer: "deb:curl", User: "1000"}
	seen := func(p *wormbell.Process) wormbell.Event {
		return wormbell.Event{Time: begin.Add(2 * time.Second), Kind: wormbell.ConnectionSeen, Source: "proc", User: p.User, Process: p, Address: "192.0.2.1:443"}
	}
	e := detect.NewEngine(detect.All, detect.NewTrust())
	if got := e.Observe(seen(sender)); len(got) != 0 {
		t.Errorf("before anything was read: %v", got)
	}
	read := e.Observe(wormbell.Event{Time: begin.Add(time.Second), Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Process: script, Path: "~/.npmrc", Demo: true})
	if len(read) != 1 || read[0].Again {
		t.Fatalf("the read: %v", read)
	}
	got := e.Observe(seen(sender))
	if len(got) != 1 {
		t.Fatalf("%d findings, want 1", len(got))
	}
	f := got[0]
	if !f.Again || f.Detector != read[0].Detector || f.Subject != read[0].Subject || f.Summary != read[0].Summary || f.Severity != read[0].Severity || !f.Time.Equal(read[0].Time) {
		t.Errorf("%+v, want the read once more", f)
	}
	if len(f.Evidence) != 1 || f.Evidence[0].Address != "192.0.2.1:443" || f.Evidence[0].User != "1000" || !f.Evidence[0].Demo || f.Evidence[0].Process != sender {
		t.Errorf("evidence %+v, want the connection alone, as the incident's", f.Evidence)
	}
	if got := e.Observe(seen(other)); len(got) != 0 {
		t.Errorf("of another tree: %v", got)
	}
	if root, whole := detect.Followed(read[0]); root != script || !whole {
		t.Errorf("%v, whole %v is looked at", root, whole)
	}
	if root, whole := detect.Followed(wormbell.Finding{Process: shell}); root != shell || whole {
		t.Errorf("of a shell that is typed at, %v, whole %v is looked at", root, whole)
	}
}
