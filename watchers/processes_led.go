package watchers

import (
	"time"

	"wormbell/watchers/internal/procs"
)

// lead asks anew what the scripts of r and of all above it lead to, and reports
// whether any answer differs from the last: then snapshots are to be made anew.
// It is asked at each read: a link that led to a tool when the process began,
// to something else when the script was opened, and to the tool again now has
// changed since, so neither what it led to then nor what it leads to now says
// what runs. Only a path that has stood still all the while does.
func (t *table) lead(r *run) bool {
	differs := false
	for a := r; a != nil; a = a.parent {
		if a.img.led == "" || a.forked {
			continue // what was forked runs what its parent opened, long before it began
		}
		led := ""
		if !a.node.ended && a.node.run == a {
			age := procs.Uptime() - time.Duration(t.startOf(a.node))*(time.Second/procs.TicksPerSecond)
			if found := t.sign.Led(a.node.pid, a.img.script, age); found == a.img.led {
				led = found
			}
		}
		if led != a.led {
			a.led, a.snap, differs = led, nil, true
		}
	}
	return differs
}
