package detect

import (
	"path"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/ancestry"
)

// Limits of what is remembered. A plan names 64 files at most; an account's
// own announcements never push out another's.
const (
	maxAnnounced     = 8192
	maxAnnouncedUser = 1024
	maxAnnouncedFor  = 10 * time.Minute // whatever an event asks for
)

// announced are the reads that our own programs said they were about to make:
// [wormbell.Announced]. Who may say so is the API's part. One holds for that
// file, for that process while it runs that program, until its time is over or
// the process ends; what the process starts is not meant.
type announced []announcement

type announcement struct {
	user    string
	process wormbell.ProcessID
	exe     string
	path    string
	at      time.Time
	within  time.Duration
}

// observe takes in what e says about announcements.
func (as *announced) observe(e wormbell.Event) {
	if e.Process == nil {
		return
	}
	id := e.Process.ID()
	switch e.Kind {
	case wormbell.AgentCall:
		within := time.Duration(e.Count) * time.Second
		if e.Line != wormbell.Announced || e.Path == "" || e.Count <= 0 || within > maxAnnouncedFor {
			return
		}
		as.add(announcement{e.User, id, e.Process.Exe, e.Path, e.Time, within})
	case wormbell.ProcessExit:
		as.drop(func(a announcement) bool { return a.process == id })
	case wormbell.ProcessStart:
		// It executes something else now. The start of the program that made
		// the announcement may be told after it, but happened before.
		as.drop(func(a announcement) bool { return a.process == id && e.Time.After(a.at) })
	}
}

func (as *announced) drop(which func(announcement) bool) {
	if slices.ContainsFunc(*as, which) {
		*as = slices.DeleteFunc(*as, which)
	}
}

func (as *announced) add(a announcement) {
	as.drop(func(old announcement) bool { return old.over(a.at) || old.process == a.process && old.path == a.path })
	own := 0
	for _, old := range *as {
		if old.user == a.user {
			own++
		}
	}
	if own >= maxAnnouncedUser {
		i := slices.IndexFunc(*as, func(old announcement) bool { return old.user == a.user })
		*as = slices.Delete(*as, i, i+1)
	} else if len(*as) >= maxAnnounced {
		*as = slices.Delete(*as, 0, 1)
	}
	*as = append(*as, a)
}

// over reports whether a's time does not reach to now. A clock that was set
// back must not keep it for ever.
func (a announcement) over(now time.Time) bool { return now.Sub(a.at).Abs() > a.within }

// covers reports whether the read e was announced.
func (as announced) covers(e wormbell.Event) bool {
	p := e.Process
	return p != nil && slices.ContainsFunc(as, func(a announcement) bool {
		return a.path == e.Path && a.process == p.ID() && a.exe == p.Exe && p.Script == "" && !a.over(e.Time)
	})
}

// atOthersBidding reports whether p calls itself one of our own programs and
// something that nobody vouches for started it. That one may have given it a
// proxy and certificates of its own, so that it sends what it reads to whom it
// must not; and with another --socket it announces nothing. No built-in row
// covers what it reads then.
func atOthersBidding(p *wormbell.Process) bool {
	switch strings.TrimSuffix(path.Base(p.Exe), ".exe") {
	case "wormbell", "wormbell-tray":
		return ancestry.Unvouched(p, func(a *wormbell.Process) bool { return a == p }) != nil
	}
	return false
}
