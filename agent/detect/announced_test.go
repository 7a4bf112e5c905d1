package detect_test

import (
	"fmt"
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
