package agent

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/watchers"
)

// Of each guarded file those who read it lately are known, one a program, and
// the alert that their reading belongs to.
func TestReaders(t *testing.T) {
	s := newSensors(slog.New(slog.DiscardHandler))
	o := s.add(watchers.Watcher{Name: "credentials"}, newQueue(1), nil)
	list := []wormbell.Guarded{{Store: "npm", Path: "~/.npmrc", User: "1000"}, {Store: "netrc", Path: "~/.netrc", User: "1000"}, {Store: "npm", Path: "~/.npmrc", User: "0"}}
	o.Guards(slices.Clone(list))
	t0 := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	shell := &wormbell.Process{PID: 5, Start: t0, Exe: "/bin/bash", Signer: "deb:bash", TTY: "/dev/pts/0", Leader: true, Parent: &wormbell.Process{PID: 1, Exe: "/sbin/init"}}
	read := func(second int, path string, p *wormbell.Process) wormbell.Event {
		e := wormbell.Event{Time: t0.Add(time.Duration(second) * time.Second), Kind: wormbell.FileRead, User: "1000", Path: path, Process: p}
		s.read(e)
		return e
	}
	run := func(pid int, exe, script string) *wormbell.Process {
		return &wormbell.Process{PID: pid, Start: t0, Exe: exe, Script: script, Parent: shell}
	}
	who := func(i int) string {
		var out []string
		for _, r := range s.credentials()[i].Readers {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s", int(r.Time.Sub(t0).Seconds()), r.By, r.Alert)))
		}
		return strings.Join(out, "; ")
	}
	same := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if who(0) != "" {
		t.Error("read by", who(0))
	}
	read(1, "~/.npmrc", run(10, "/bin/cat", ""))
	thief := run(11, "/bin/node", "/home/me/x.js")
	e := read(2, "~/.npmrc", thief)
	s.alerted("ab12cd34", []wormbell.Event{{Kind: wormbell.ProcessStart, Process: thief}, e})
	same(who(0), "2 x.js (pid 11) ab12cd34; 1 cat (pid 10)")
	read(3, "~/.npmrc", run(12, "/bin/cat", ""))
	same(who(0), "3 cat (pid 12); 2 x.js (pid 11) ab12cd34")
	read(4, "~/.npmrc", thief) // of this the detector says no more
	same(who(0), "4 x.js (pid 11) ab12cd34; 3 cat (pid 12)")
	read(5, "~/.npmrc", run(13, "/bin/node", "/home/me/x.js")) // another run of it
	same(who(0), "5 x.js (pid 13); 3 cat (pid 12)")
	s.read(wormbell.Event{Time: t0.Add(6 * time.Second), Kind: wormbell.FileRead, User: "1000", Path: "~/.npmrc", Demo: true, Process: thief})
	s.read(wormbell.Event{Time: t0.Add(6 * time.Second), Kind: wormbell.FileRead, User: "1000", Path: "~/.other", Process: thief})
	same(who(0), "5 x.js (pid 13); 3 cat (pid 12)")
	same(who(1)+who(2), "")
	for i := range 9 {
		read(10+i, "~/.npmrc", run(20+i, fmt.Sprintf("/bin/p%d", i), ""))
	}
	read(30, "~/.npmrc", nil)
	same(who(0), "30 an unknown process; 18 p8 (pid 28); 17 p7 (pid 27); 16 p6 (pid 26); 15 p5 (pid 25)")
	if g := s.credentials()[0]; g.LastBy != "an unknown process" || !g.LastRead.Equal(t0.Add(30*time.Second)) {
		t.Error(g.LastBy, g.LastRead)
	}
	before := s.credentials()[0].Readers
	read(31, "~/.npmrc", nil)
	if !before[0].Time.Equal(t0.Add(30 * time.Second)) {
		t.Error("what was told changes later")
	}
	o.Guards(slices.Clone(list[:1])) // the list is told anew, one file is gone from it
	same(who(0), "31 an unknown process; 18 p8 (pid 28); 17 p7 (pid 27); 16 p6 (pid 26); 15 p5 (pid 25)")
	if len(s.readers) != 1 {
		t.Error(len(s.readers), "files are remembered")
	}
}
