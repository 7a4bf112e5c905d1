package watchers

import (
	"context"
	"os"
	"slices"
	"time"

	"wormbell"
	"wormbell/watchers/internal/decode"
	"wormbell/watchers/internal/sockets"
)

// connectionsWatcher tells where the trees of [Host.Trees] have connected to. It
// looks again and again, since nobody tells it: a connection that is over
// between two looks is missed. Of everything else on the machine it reads nothing.
var connectionsWatcher = Watcher{
	Name:  "connections",
	Kinds: []wormbell.Kind{wormbell.ConnectionSeen},
	Run:   runConnections,
}

const (
	maxTrees     = 32      // looked at, at a time; the oldest makes room
	maxInTree    = 256     // processes of one tree that are looked at
	maxAddresses = 20      // told of one tree
	maxSockets   = 1 << 14 // remembered of one tree
	lookFor      = time.Minute
	paceAnew     = 10 * time.Second // a tree that is asked for again is looked at as often as at first, if that was so long ago
)

// paces says how long after it was asked for a tree is looked at how often: what
// follows a theft at once is most often the sending. Between two looks lies at
// least cost times what the last one took: whoever makes a tree of thousands of
// processes must not so take the processor.
var paces = []struct {
	until, every time.Duration
	cost         time.Duration
}{
	{100 * time.Millisecond, 2 * time.Millisecond, 4}, {time.Second, 10 * time.Millisecond, 4}, {5 * time.Second, 50 * time.Millisecond, 20},
	{20 * time.Second, 250 * time.Millisecond, 50}, {lookFor, time.Second, 50},
}

// treeLooked is one tree under the eye.
type treeLooked struct {
	treeAsked
	begun, until, next time.Time
	sockets            map[uint64]uint // by inode: how often it was seen; settled once its address is known
	told               map[connection]bool
}

// settled is more often than any socket is seen.
const settled = ^uint(0)

type connection struct {
	process wormbell.ProcessID
	address string
}

type connections struct {
	host  Host
	out   Out
	trees []*treeLooked // in the order in which they were asked for
	spare int
	open  []uint64 // of one look, kept for its room
}

func runConnections(ctx context.Context, host Host, out Out) error {
	if !sockets.Available || host.Trees == nil {
		out.Sees("none", false, sockets.ErrUnsupported.Error())
		<-ctx.Done()
		return nil
	}
	why := ""
	if os.Geteuid() != 0 || !looksInto() {
		why = "not root: other people's processes are not looked at"
	}
	out.Sees("proc", true, why)
	c := &connections{host: host, out: out}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if len(c.trees) > 0 {
			next := slices.MinFunc(c.trees, func(a, b *treeLooked) int { return a.next.Compare(b.next) }).next
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-host.Trees.wake:
			for _, t := range host.Trees.take() {
				c.add(t, time.Now())
			}
		case <-timer.C:
		}
		c.round(time.Now)
	}
}

// add takes in a tree that was asked for.
func (c *connections) add(asked treeAsked, now time.Time) {
	for _, t := range c.trees {
		if t.root == asked.root {
			t.whole = t.whole || asked.whole
			t.until = now.Add(lookFor)
			if now.Sub(t.begun) > paceAnew {
				t.begun, t.next = now, now
			}
			return
		}
	}
	if len(c.trees) >= maxTrees {
		c.trees = c.trees[1:]
	}
	c.trees = append(c.trees, &treeLooked{treeAsked: asked, begun: now, until: now.Add(lookFor), next: now,
		sockets: map[uint64]uint{}, told: map[connection]bool{}})
}

// round looks at the trees whose time has come and forgets those that are over.
func (c *connections) round(clock func() time.Time) {
	c.trees = slices.DeleteFunc(c.trees, func(t *treeLooked) bool {
		now := clock()
		if now.Before(t.next) {
			return false
		}
		lives := c.look(t)
		done := clock()
		pause := t.pause(now, done.Sub(now))
		if c.host.leaves(&c.spare) {
			pause *= spareFactor
		}
		t.next = done.Add(pause)
		return !lives || now.After(t.until) || len(t.told) >= maxAddresses
	})
}

// pause is how long after a look at now, which took some time, comes the next.
func (t *treeLooked) pause(now time.Time, took time.Duration) time.Duration {
	p := paces[len(paces)-1]
	for _, p = range paces {
		if now.Sub(t.begun) < p.until {
			break
		}
	}
	return max(p.every, p.cost*took)
}

// look looks at every process of a tree once, and reports whether any lives.
func (c *connections) look(t *treeLooked) bool {
	ids := []wormbell.ProcessID{t.root}
	if t.whole {
		ids = c.host.Lineage.Living(t.root)
	}
	lives := false
	for _, id := range ids[:min(len(ids), maxInTree)] {
		if !c.host.Lineage.Alive(id) {
			continue
		}
		lives = true
		c.process(t, id)
	}
	return lives
}

// process tells what one process of a tree has connected to since the last look.
func (c *connections) process(t *treeLooked, id wormbell.ProcessID) {
	var err error
	if c.open, err = sockets.Open(id.PID, c.open[:0]); err != nil {
		return // gone by now, or somebody else's
	}
	unknown := false
	for _, inode := range c.open {
		if t.sockets[inode] == settled {
			continue
		}
		if len(t.sockets) >= maxSockets {
			clear(t.sockets) // what is told twice is told by the same address
		}
		n := t.sockets[inode] + 1
		t.sockets[inode] = n
		// Most are none of the network's. Reading the table is what costs, so it
		// is read for a socket that is seen for the 1st, 2nd, 4th, 8th time.
		unknown = unknown || n&(n-1) == 0
	}
	if !unknown {
		return
	}
	var p *wormbell.Process
	err = sockets.Connected(id.PID, func(s decode.Socket) {
		if n := t.sockets[s.Inode]; n == settled || n == 0 || !slices.Contains(c.open, s.Inode) {
			return
		}
		if s.State == decode.TCPSynSent {
			t.sockets[s.Inode] = 1 // the other end has not answered: look again soon
			return
		}
		t.sockets[s.Inode] = settled
		to := connection{id, s.Remote.String()}
		if p == nil {
			// Whose descriptors these were is known only if it is still there.
			if p = c.host.Lineage.At(id.PID); p == nil || p.ID() != id {
				p = nil
				return
			}
		}
		if t.told[to] || len(t.told) >= maxAddresses {
			return
		}
		t.told[to] = true
		c.out.Emit(wormbell.Event{Time: time.Now().UTC(), Kind: wormbell.ConnectionSeen, Source: "proc", User: p.User, Process: p, Address: to.address})
	})
	if err != nil {
		c.host.Log.Debug("connections of a process are not known", "pid", id.PID, "err", err)
	}
}
