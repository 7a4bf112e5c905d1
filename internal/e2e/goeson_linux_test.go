package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/secretservice"
)

// TestGoesOn: a person freezes a program of their own in the dashboard, then
// says that it was them: the real agent takes the row, and the program goes on.
// Undone, the row is gone and the alert open.
func TestGoesOn(t *testing.T) {
	needRoot(t)
	home, err := os.MkdirTemp("/srv", "wormbell-e2e-home") // nothing in a temporary folder is ever allowed
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	s := &stage{machine: prepare(t, options{home: home}), session: &secretservice.Session{}}
	s.uid = person
	s.own(person)
	if err := os.Chown(s.dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	s.shell = s.login("PATH=" + bin + ":" + os.Getenv("PATH"))
	s.launch(options{})
	s.ready()
	s.write("~/bin/mine.js", `
const fs = require('fs')
fs.readFileSync(process.env.HOME + '/.npmrc')
fs.writeFileSync(process.env.HOME + '/pid', String(process.pid))
setInterval(() => fs.writeFileSync(process.env.HOME + '/tick', String(Date.now())), 20)
setTimeout(() => process.exit(), 300000)`)
	s.shell.types("node ~/bin/mine.js & mine=$!")
	s.alert, _ = s.rings("credential-read")
	pid := 0
	s.until("the program to say who it is", time.Minute, func() bool {
		b, _ := os.ReadFile(s.path("~/pid"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return pid > 1
	})
	t.Cleanup(func() { s.shell.types("kill -KILL $mine") })
	link, _ := s.dashboard()
	w := s.browse(link)
	w.press("[data-id=\"" + s.alert.ID + "\"] a")
	w.press("form[action$=\"/freeze\"] button")
	w.sees("that it is frozen", "document.querySelector('#flash').innerText.includes('1 process was frozen.') && document.querySelector('.badge.frozen')")
	s.until("the program to be stopped", time.Minute, func() bool { return state(pid) == "T" })
	w.press("a[href$=\"/it-was-me\"]")
	w.sees("what will be", "document.body.innerText.includes('Once you have allowed this, they go on.')")
	w.press("form.rows button.main")
	w.sees("that it goes on", "document.querySelector('#flash').innerText.includes('1 process goes on.')")
	before, _ := os.ReadFile(s.path("~/tick"))
	s.until("the program to go on", time.Minute, func() bool {
		now, _ := os.ReadFile(s.path("~/tick"))
		return state(pid) != "T" && len(now) > 0 && string(now) != string(before)
	})
	rows := func() string {
		out, _ := s.wormbell("trust", "list")
		return out
	}
	is := func(want wormbell.State) bool {
		for _, a := range s.alerts("--all") {
			if a.ID == s.alert.ID {
				return a.State == want
			}
		}
		return false
	}
	if !strings.Contains(rows(), "mine.js") || !is(wormbell.Closed) {
		t.Errorf("it is not allowed, or the alert is open:\n%s", rows())
	}
	w.press("#flash form button")
	w.sees("that it is undone", "document.querySelector('#flash').innerText.startsWith('Undone:')")
	if strings.Contains(rows(), "mine.js") || !is(wormbell.Open) {
		t.Errorf("it is allowed, or the alert is closed:\n%s", rows())
	}
}
