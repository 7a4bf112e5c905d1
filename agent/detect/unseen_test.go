package detect_test

import (
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/detect"
)

// A reader that was gone before it could be looked at is nobody we know, unless
// what started it speaks against it.
func TestReaderThatWasNotSeen(t *testing.T) {
	shell := &wormbell.Process{PID: 10, Start: time.Unix(1, 0), Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "pts/0", Leader: true}
	script := &wormbell.Process{PID: 11, Start: time.Unix(2, 0), Exe: "/usr/bin/node", Args: []string{"node", "x.js"}, Script: "/home/me/x.js", Parent: shell}
	pkg := &wormbell.Process{PID: 12, Start: time.Unix(2, 0), Exe: "/bin/sh", Args: []string{"sh"}, Lifecycle: "postinstall", Package: &wormbell.Package{Name: "evil"}, Parent: shell}
	hasty := &wormbell.Process{PID: 13, Start: time.Unix(2, 0), Exe: "/usr/bin/node", Args: []string{"node", "x.js"}, Script: "/home/me/x.js", Unjudged: true, Parent: shell}
	for _, tc := range []struct {
		name  string
		above *wormbell.Process
		want  int
	}{{"a shell", shell, 0}, {"a script", script, 1}, {"a package", pkg, 1}, {"a script that was gone, too", hasty, 0}} {
		e := detect.NewEngine(detect.All, detect.NewTrust())
		got := e.Observe(wormbell.Event{Time: time.Unix(100, 0), Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Path: "~/.npmrc",
			Process: &wormbell.Process{PID: 20, Start: time.Unix(99, 0), Parent: tc.above}})
		if len(got) != tc.want {
			t.Errorf("below %s: %d findings, want %d: %v", tc.name, len(got), tc.want, got)
		}
		// The same if the kernel said what it was told: nobody could check who vouches for it.
		e = detect.NewEngine(detect.All, detect.NewTrust())
		got = e.Observe(wormbell.Event{Time: time.Unix(100, 0), Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Path: "~/.npmrc",
			Process: &wormbell.Process{PID: 20, Start: time.Unix(99, 0), Exe: "/home/me/x", Args: []string{"x"}, Unjudged: true, Foreign: true, Parent: tc.above}})
		if len(got) != tc.want {
			t.Errorf("known but not judged, below %s: %d findings, want %d: %v", tc.name, len(got), tc.want, got)
		}
	}
}
