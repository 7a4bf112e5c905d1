package api_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"wormbell"
)

// The browser that the dashboard opened is not stopped by the button that it shows:
// no other would be left to let things go on. What a worm put in its place is.
func TestFreezeSparesTheBrowser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	s := newSuite(t)
	dashboard, command := []string{"wormbell", "dashboard"}, []string{"wormbell", "alert", "freeze"}
	for _, tt := range []struct {
		name    string
		args    []string
		program func() string
		browser wormbell.Process
		spared  bool
	}{
		{"the browser", dashboard, func() string { return s.path("wormbell") }, wormbell.Process{Exe: "/usr/bin/firefox", Signer: "deb:firefox"}, true},
		{"what nobody vouches for", dashboard, func() string { return s.path("wormbell") }, wormbell.Process{Exe: "/home/u/firefox"}, false},
		{"what was something else", dashboard, func() string { return s.path("wormbell") }, wormbell.Process{Exe: "/usr/bin/firefox", Signer: "deb:firefox", Replaced: "/home/u/x.js"}, false},
		{"what the command line started", command, func() string { return s.path("wormbell") }, wormbell.Process{Exe: "/usr/bin/firefox", Signer: "deb:firefox"}, false},
		{"what a copy of it started", dashboard, func() string { return suite{t, publicDir(t)}.copy("wormbell") }, wormbell.Process{Exe: "/usr/bin/firefox", Signer: "deb:firefox"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("sleep", "30")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
			browser := &tt.browser
			browser.PID, browser.Start, browser.Parent = cmd.Process.Pid, start, bash
			r := rigWith(t, s.path("wormbelld"))
			id := r.raise(strconv.Itoa(nobody), browser)
			var mu sync.Mutex
			var asks *wormbell.Process
			r.says(func(pid int) *wormbell.Process {
				mu.Lock()
				defer mu.Unlock()
				if pid == browser.PID {
					b := *browser
					b.Parent = asks
					return &b
				}
				if asks == nil || asks.PID != pid {
					asks = &wormbell.Process{PID: pid, Start: start, Exe: "/usr/bin/wormbell", Signer: "root", Args: tt.args, TTY: bash.TTY, Parent: bash}
				}
				return asks
			})
			status, out := r.asks(asker{program: tt.program(), uid: nobody, env: []string{"WORMBELL_TEST_HIDE=1"}}, "alerts/"+id+"/freeze", "")
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", browser.PID))
			if err != nil {
				t.Fatal(err)
			}
			stopped := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))[0] == "T"
			if status != 200 || stopped == tt.spared || tt.spared != strings.Contains(out, "it shows the page on which this was asked for") {
				t.Errorf("%d %s, stopped %v", status, out, stopped)
			}
		})
	}
}
