package words_test

import (
	"strings"
	"testing"
	"time"

	"wormbell"
)

// TestDenied: what was denied is not told as read, and what was read besides is.
func TestDenied(t *testing.T) {
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	npm := &wormbell.Process{PID: 6, Start: at, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Args: []string{"node", "/usr/bin/npm", "install"}, Signer: "deb:npm", Cwd: "/home/me/app"}
	p := &wormbell.Process{PID: 7, Start: at, Exe: "/usr/bin/node", Script: "/home/me/app/x.js", Args: []string{"node", "x.js"}, Cwd: "/home/me/app",
		Package: &wormbell.Package{Name: "evil", Version: "1.0.0"}, Lifecycle: "postinstall", Parent: npm}
	read := func(path, protect string) wormbell.Event {
		return wormbell.Event{Time: at, Kind: wormbell.FileRead, Process: p, Path: path, Protect: protect}
	}
	finding := func(detector string, evidence ...wormbell.Event) wormbell.Alert {
		return wormbell.Alert{Findings: []wormbell.Finding{{Detector: detector, Subject: evidence[0].Path, Severity: wormbell.High, Summary: "s", Evidence: evidence}}}
	}
	denied, other := read("~/.npmrc", wormbell.Denied), read("~/.config/gh/hosts.yml", "")
	for _, test := range []struct {
		name           string
		a              wormbell.Alert
		has, hasNot    string
		title, noTitle string
		next           string
	}{
		{"denied", finding("credential-read", denied), "was stopped before it read your npm tokens (~/.npmrc): it was denied, and nothing was read", "It also", "denied", " read", "need not be replaced"},
		{"in part", finding("credential-read", denied, other), "read your GitHub token (~/.config/gh/hosts.yml), and was stopped before it read your npm tokens (~/.npmrc)", "nothing was read", " read", "denied", "stolen"},
		{"late", finding("credential-read", read("~/.npmrc", wormbell.Late)), "read your npm tokens", "denied", " read", "denied", "stolen"},
		{"sweep", finding("credential-sweep", other, read("~/.aws/credentials", ""), denied), "opened 3 kinds of credentials", "nothing was read", "collects", "denied", ""},
		{"decoy", finding("decoy-read", read("~/.npmrc.bak", wormbell.Denied)), "was stopped as it opened", "also", "", "denied", ""},
	} {
		check(t, test.a)
		told := english.Alert(test.a)
		if !strings.Contains(told.What, test.has) || strings.Contains(told.What, test.hasNot) {
			t.Errorf("%s: %s", test.name, told.What)
		}
		if !strings.Contains(told.Title, test.title) || strings.Contains(told.Title, test.noTitle) || !strings.Contains(told.Next, test.next) {
			t.Errorf("%s: %q, %q", test.name, told.Title, told.Next)
		}
	}
	if what := english.Alert(finding("credential-sweep", other, denied)).What; !strings.Contains(what, "it was denied your npm tokens (~/.npmrc)") {
		t.Error(what)
	}
}
