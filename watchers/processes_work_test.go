package watchers

import (
	"testing"
	"time"
)

// TestQuietBut: what npm wrote just before a script is npm's, what a script wrote
// is not, also if somebody else begins to install a moment later.
func TestQuietBut(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	w := newWork(begin)
	w.stamp = 5 * time.Millisecond
	first := w.begin()
	first.installs.more(at(0))
	first.scripts.more(at(1000))
	first.scripts.less(at(1050))
	first.scripts.more(at(1200))
	first.scripts.less(at(1210))
	first.installs.less(at(1300))
	second := w.begin()
	second.installs.more(at(1340))
	for ms, want := range map[int]bool{985: true, 997: false, 1020: false, 1100: true, 1205: false, 1250: true, 1320: false, 1400: true} {
		if got := w.quietBut("/home/me/app/node_modules/pnpm", at(ms), at(ms)); got != want {
			t.Errorf("a change at %d ms: %v", ms, got)
		}
	}
	third := w.begin()
	third.installs.more(at(2000))
	third.scripts.more(at(2010))
	third.scripts.less(at(2030))
	third.installs.less(at(2040))
	fourth := w.begin()
	fourth.installs.more(at(2060))
	second.installs.less(at(1500))
	if w.quietBut("/home/me/app/node_modules/pnpm", at(2025), at(2025)) {
		t.Error("what a script wrote is vouched for by who began to install 35 ms later")
	}
}

// TestMatters: who writes counts while a package manager is at work, and while a
// script is alive that one has started or left behind.
func TestMatters(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	w := newWork(begin)
	w.stamp = 0
	one := w.begin()
	one.installs.more(at(100))
	one.scripts.more(at(150))
	one.installs.less(at(200))
	one.scripts.less(at(300)) // it outlives its package manager
	w.stray.scripts.more(at(500))
	w.stray.scripts.less(at(600))
	for _, tt := range []struct {
		from, to int
		want     bool
	}{{0, 50, false}, {0, 120, true}, {190, 220, true}, {250, 260, true}, {350, 400, false}, {450, 550, true}, {610, 700, false}, {350, 1000, true}} {
		if got := w.matters(at(tt.from), at(tt.to)); got != tt.want {
			t.Errorf("from %d to %d ms: %v", tt.from, tt.to, got)
		}
	}
}
