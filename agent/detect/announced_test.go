package detect_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/detect"
	"wormbell/internal/scene"
)

// TestAnnouncementsOfOthers: one account that announces without end costs
// bounded memory, and does not push out what another one announced.
func TestAnnouncementsOfOthers(t *testing.T) {
	en := engine(detect.ByID("credential-read"))
	start := scene.Begin
	announce := func(user string, pid int, path string) *wormbell.Process {
		p := &wormbell.Process{PID: pid, Start: start, Exe: "/tmp/wormbell", User: user}
		en.Observe(wormbell.Event{Time: start, Kind: wormbell.AgentCall, Line: wormbell.Announced, User: user, Process: p, Path: path, Count: 600})
		return p
	}
	rings := func(p *wormbell.Process, path string) bool {
		return len(en.Observe(wormbell.Event{Time: start.Add(time.Second), Kind: wormbell.FileRead, User: p.User, Process: p, Path: path})) > 0
	}
	alice := announce("1000", 10, "~/.npmrc")
	first := announce("1001", 11, "~/.npmrc")
	var last *wormbell.Process
	for i := range 20000 {
		last = announce("1001", 100+i, fmt.Sprintf("~/.aws/sso/cache/%d.json", i))
	}
	if rings(alice, "~/.npmrc") {
		t.Error("what another account announced was pushed out")
	}
	if rings(last, "~/.aws/sso/cache/19999.json") {
		t.Error("the latest announcement does not hold")
	}
	if !rings(first, "~/.npmrc") {
		t.Error("one account may announce without end")
	}
}

// TestAtOthersBidding: of what our own program reads below what nobody vouches
// for, no built-in row says that it may, although root installed it. A person's
// own row does, and so does what was announced.
func TestAtOthersBidding(t *testing.T) {
	start := scene.Begin
	shell := &wormbell.Process{PID: 10, Start: start, Exe: "/bin/bash", Args: []string{"bash"}, Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true, Foreground: true,
		Parent: &wormbell.Process{PID: 1, Exe: "/usr/lib/systemd/systemd", Signer: "deb:systemd"}}
	dropper := &wormbell.Process{PID: 20, Start: start, Exe: "/home/me/.cache/dropper", TTY: "/dev/pts/0", Foreground: true, Parent: shell}
	sh := &wormbell.Process{PID: 21, Start: start, Exe: "/bin/sh", Signer: "deb:dash", TTY: "/dev/pts/0", Foreground: true, Parent: dropper}
	for i, tt := range []struct {
		name, exe string
		parent    *wormbell.Process
		replaced  string
		announced bool
		rows      []wormbell.TrustRow
		rings     bool
	}{
		{"typed", "/usr/bin/wormbell", shell, "", false, nil, false},
		{"by cron", "/usr/bin/wormbell", shell.Parent, "", false, nil, false},
		{"below a dropper", "/usr/bin/wormbell", dropper, "", false, nil, true},
		{"the tray, below a dropper", "/usr/bin/wormbell-tray", dropper, "", false, nil, true},
		{"below a dropper's shell", "/usr/bin/wormbell", sh, "", false, nil, true},
		{"once a dropper", "/usr/bin/wormbell", shell, "/home/me/.cache/dropper", false, nil, true},
		{"announced", "/usr/bin/wormbell", sh, "", true, nil, false},
		{"a person's row", "/usr/bin/wormbell", dropper, "", false, []wormbell.TrustRow{{Store: "npm", Who: "exe:/usr/bin/wormbell", Under: "not-a-dependency-script", By: "0"}}, false},
		{"another program", "/usr/bin/cat", dropper, "", false, nil, false},
	} {
		trust := detect.NewTrust()
		trust.SetRows(tt.rows)
		en := detect.NewEngine([]detect.Detector{detect.ByID("credential-read")}, trust)
		p := &wormbell.Process{PID: 30 + i, Start: start, Exe: tt.exe, Signer: "root", TTY: tt.parent.TTY, Foreground: true, Replaced: tt.replaced, Parent: tt.parent}
		if tt.announced {
			en.Observe(wormbell.Event{Time: start, Kind: wormbell.AgentCall, Line: wormbell.Announced, Process: p, Path: "~/.npmrc", Count: 60})
		}
		found := en.Observe(wormbell.Event{Time: start, Kind: wormbell.FileRead, Process: p, Path: "~/.npmrc"})
		if rings := slices.ContainsFunc(found, func(f wormbell.Finding) bool { return f.Subject == "~/.npmrc" }); rings != tt.rings {
			t.Errorf("%s: rings: %v, want %v", tt.name, rings, tt.rings)
		}
	}
}
