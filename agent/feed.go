package agent

import (
	"context"
	"sync"

	"wormbell"
)

// How many events a slow listener may be behind before it is told that it missed
// some. Who hears of everybody, which is root alone, has more to take in: a build
// starts and ends thousands of processes a second.
const (
	feedLength    = 1 << 12
	feedLengthAll = 1 << 14
)

// feed hands a copy of every event to those who record.
type feed struct {
	mu        sync.Mutex // guards listeners; sends under it never block
	listeners map[*listener]bool
}

type listener struct {
	user   string // only this user's events; "" for all
	events chan wormbell.Event
	lost   int
}

func newFeed() *feed { return &feed{listeners: map[*listener]bool{}} }

// subscribe returns the events from now on, of one user or of all if user is
// "". The channel is closed when ctx is done. A listener that falls behind
// finds a gap where events are missing.
func (f *feed) subscribe(ctx context.Context, user string) <-chan wormbell.Event {
	room := feedLength
	if user == "" {
		room = feedLengthAll
	}
	l := &listener{user: user, events: make(chan wormbell.Event, room)}
	f.mu.Lock()
	f.listeners[l] = true
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, l)
		close(l.events)
	})
	return l.events
}

func (f *feed) send(e wormbell.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.listeners {
		if l.user != "" && e.User != l.user {
			continue
		}
		if l.lost > 0 {
			select {
			case l.events <- wormbell.Event{Time: e.Time, Kind: wormbell.Gap, Source: "feed", Count: l.lost, Line: "the listener could not keep up"}:
				l.lost = 0
			default:
				l.lost++
				continue
			}
		}
		select {
		case l.events <- e:
		default:
			l.lost++
		}
	}
}
