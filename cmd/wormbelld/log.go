package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// logLines is how many lines wait for whoever reads the log.
const logLines = 1024

// tardy is a log that never waits for who reads it: a terminal that was
// stopped with Ctrl-S or a full pipe must not stop the agent. What finds no
// room is counted and told in its place.
type tardy struct {
	to    io.Writer
	lines chan []byte
	lost  atomic.Int64
	end   sync.Once
	ended chan struct{}
}

// newTardy returns a log that is written to to; close it.
func newTardy(to io.Writer) *tardy {
	t := &tardy{to: to, lines: make(chan []byte, logLines), ended: make(chan struct{})}
	go t.run() // ends after close, once everything is written
	return t
}

// Write takes one line. It must not follow close.
func (t *tardy) Write(line []byte) (int, error) {
	select {
	case t.lines <- append([]byte(nil), line...):
	default:
		t.lost.Add(1)
	}
	return len(line), nil
}

func (t *tardy) run() {
	defer close(t.ended)
	for line := range t.lines {
		if line == nil {
			return
		}
		if n := t.lost.Swap(0); n > 0 {
			fmt.Fprintf(t.to, "level=WARN msg=\"log lines were lost, nobody read them in time\" count=%d\n", n)
		}
		t.to.Write(line) // where else could a failure be told
	}
}

// close writes what is left, for no longer than within.
func (t *tardy) close(within time.Duration) {
	t.end.Do(func() {
		timeout := time.NewTimer(within)
		defer timeout.Stop()
		select {
		case t.lines <- nil: // not closed: goroutines that end with the process may still write
		case <-timeout.C:
			return
		}
		select {
		case <-t.ended:
		case <-timeout.C:
		}
	})
}
