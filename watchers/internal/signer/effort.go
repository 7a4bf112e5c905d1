package signer

import (
	"errors"
	"time"
)

// effort bounds what processes can have us look for, all together: folders that
// their environment names, deep and many, by as many processes as somebody likes
// to start, while a reader waits and everything else waits for us.
type effort struct {
	left   int // steps: folders and links looked at on the way along a path, two microseconds each
	filled time.Time
	out    time.Time // when nothing was left, last
}

const (
	effortMax    = 100_000 // that may be spent at once
	effortSecond = 50_000  // that are added each second
)

// errEffort says that nothing more is looked for now. What would have been is not
// vouched for.
var errEffort = errors.New("too much was to be looked for")

// overlooked says in a sentence, for ten minutes, that something was not looked for.
func (s *Signer) overlooked() []string {
	if out := s.effort.out; out.IsZero() || s.cfg.Now().Sub(out) > 10*time.Minute {
		return nil
	}
	return []string{"programs name more folders for their libraries and modules than can be looked through; some of them are vouched for by nobody"}
}

// look is [Files.Lookup] for what a process has us look for. s.mu is held.
func (s *Signer) look(name string) (Found, error) {
	e := &s.effort
	if now := s.cfg.Now(); !e.filled.IsZero() {
		if more := now.Sub(e.filled).Seconds() * effortSecond; more >= 1 {
			e.left, e.filled = min(effortMax, e.left+int(min(more, 2*effortMax))), now
		}
	} else {
		e.filled = now
	}
	if e.left <= 0 {
		e.out = s.cfg.Now()
		return Found{}, errEffort
	}
	found, steps, err := s.files.lookup(name)
	e.left -= steps + 1
	return found, err
}
