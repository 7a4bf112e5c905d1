package dashboard

import (
	"context"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/exposure"
)

// How long the person's files may take to tell what an alert laid open; a disk
// answers in milliseconds. A file system in user space (FUSE) need not answer
// at all, and whoever is accused in an alert may have made one.
const (
	exposeTime = 200 * time.Millisecond // for a page
	reportTime = 2 * time.Second        // for a file that is kept
)

// looking has room for one look at a time, so that looks that never end cost
// one goroutine and not one for each page. It is safe for concurrent use.
type looking struct {
	once sync.Once
	turn chan struct{}
}

func (l *looking) room() chan struct{} {
	l.once.Do(func() { l.turn = make(chan struct{}, 1) })
	return l.turn
}

// expose returns what an alert laid open, and whether what the person's files
// tell is missing because they did not answer in time.
func (s *Server) expose(ctx context.Context, a wormbell.Alert, limit time.Duration) (x exposure.Exposure, late bool) {
	x = exposure.Of(a)
	if s.c.Expose == nil {
		return x, false
	}
	end := time.NewTimer(limit)
	defer end.Stop()
	turn := s.looking.room()
	select {
	case turn <- struct{}{}:
	case <-end.C:
		return x, true
	}
	said := make(chan exposure.Exposure, 1)
	go func() { // ends when the file system answers
		defer func() { <-turn }()
		more := exposure.Of(a)
		if err := s.c.Expose(ctx, a, &more); err != nil {
			s.c.Log.Debug("not all of what was exposed is known", "err", err)
		}
		said <- more
	}()
	select {
	case more := <-said:
		return more, false
	case <-end.C:
		return x, true
	}
}
