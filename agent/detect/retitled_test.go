package detect_test

import (
	"testing"

	"wormbell"
	"wormbell/agent/detect"
)

// TestRetitledReader: npm writes its title over its arguments. A read by what
// may be npm is "could not tell" and no finding, but below a dependency's
// script, and with arguments that say what runs, it is one.
func TestRetitledReader(t *testing.T) {
	person := &wormbell.Process{PID: 2, User: "1000", Exe: "/usr/bin/node", Script: "/home/ann/release.js", Args: []string{"node", "release.js"}, Cwd: "/home/ann"}
	dependency := *person
	dependency.Lifecycle, dependency.Package = "postinstall", &wormbell.Package{Ecosystem: "npm", Name: "evil", Version: "1.0.0"}
	for _, tt := range []struct {
		name   string
		reader wormbell.Process
		rings  bool
	}{
		{"a title of npm", wormbell.Process{ArgsLate: true, Args: []string{"npm publish"}, Parent: person}, false},
		{"the same, and the kernel has told that it was started so", wormbell.Process{Args: []string{"npm publish"}, Parent: person}, true},
		{"the same below a dependency", wormbell.Process{ArgsLate: true, Args: []string{"npm publish"}, Parent: &dependency, Package: dependency.Package, Lifecycle: "postinstall"}, true},
		{"a title of something else", wormbell.Process{ArgsLate: true, Args: []string{"worker"}, Parent: person}, true},
		{"arguments that were seen", wormbell.Process{Args: []string{"node", "npm"}, Script: "/home/ann/npm", Parent: person}, true},
		{"code on the command line", wormbell.Process{Args: []string{"node", "-e", "0"}, Parent: person}, true},
	} {
		p := tt.reader
		p.PID, p.User, p.Exe, p.Cwd = 3, "1000", "/usr/bin/node", "/home/ann"
		en := detect.NewEngine(detect.All, detect.NewTrust())
		found := en.Observe(wormbell.Event{Kind: wormbell.FileRead, Source: "fanotify", User: "1000", Path: "~/.npmrc", Process: &p})
		if got := len(found) > 0; got != tt.rings {
			t.Errorf("%s: rings %v, want %v", tt.name, got, tt.rings)
		}
	}
}
