package agent

import (
	"testing"

	"wormbell"
	"wormbell/watchers"
)

// A worm that works in a scratch home does not make the theft of a real
// credential a demonstration.
func TestWhatIsADemonstration(t *testing.T) {
	ds := demos{list: []*demo{{home: watchers.Home{Dir: "/tmp/scratch"}}}}
	for _, tc := range []struct {
		event wormbell.Event
		want  bool
	}{
		{wormbell.Event{Kind: wormbell.ProcessStart, Process: &wormbell.Process{Cwd: "/tmp/scratch/app"}}, true},
		{wormbell.Event{Kind: wormbell.ProcessStart, Process: &wormbell.Process{Cwd: "/tmp/scratch2"}}, false},
		{wormbell.Event{Kind: wormbell.FileRead, Path: "~/.npmrc", Process: &wormbell.Process{Cwd: "/tmp/scratch"}}, false},
		{wormbell.Event{Kind: wormbell.ManifestChange, Path: "~/app/package.json", Process: &wormbell.Process{Cwd: "/tmp/scratch"}}, false},
		{wormbell.Event{Kind: wormbell.FileRead, Demo: true, Process: &wormbell.Process{Cwd: "/"}}, true},
	} {
		if got := ds.mark(tc.event).Demo; got != tc.want {
			t.Errorf("%s in %s: %v, want %v", tc.event.Kind, tc.event.Process.Cwd, got, tc.want)
		}
	}
}
