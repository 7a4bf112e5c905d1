package watchers

import (
	"crypto/sha256"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"wormbell/watchers/internal/signer"
)

const (
	sumLimit  = 256 << 20       // bytes of one file; a node has 120 MB
	sumKnown  = 256             // files whose sum is remembered
	sumQueue  = 16              // files that wait to be read
	sumBudget = 2 * time.Second // of reading for one user at once; a tenth of the time is given back

	sumPatience = time.Second
)

// sums are the sums of files, by what tells whether a file has changed. Nobody
// can make the agent read big files all the time: each user has a budget. Nor
// can a disk that does not answer keep anybody waiting: one goroutine reads,
// and goes on when nobody waits any more, so that the sum is known next time.
type sums struct {
	patience time.Duration             // as long as whoever judges a read waits; a person who adds a row waits three times as long
	through  func(io.Reader) io.Reader // what is read goes through it, for tests; nil for nothing
	closed   atomic.Bool

	mu    sync.Mutex // guards what follows
	known map[signer.Ident][sha256.Size]byte
	spent map[int]spent   // by uid of the file's owner
	first map[string]bool // names that were read for a row, which is free once
	jobs  map[signer.Ident]*job
	queue []*job        // those of jobs that wait, the next first
	began time.Time     // when the one that runs did; zero for none
	idle  chan struct{} // closed when the goroutine that reads ends; nil for none
}

type spent struct {
	time time.Duration
	at   time.Time
}

// job is a file that is to be read.
type job struct {
	files *signer.Files
	name  string
	is    signer.Found
	free  bool

	done chan struct{} // closed when what follows is set
	sum  [sha256.Size]byte
	err  error
}

// later is an error that a second try may not meet.
type later string

func (e later) Error() string { return string(e) }

// Temporary is true: see [net.Error] for the convention.
func (later) Temporary() bool { return true }

// errBusy is returned for a file whose owner's budget is used up, errLate for
// one that could not be read in time.
const (
	errBusy = later("too much has been read lately; try again in a few seconds")
	errLate = later("it was not read in time")
)

// left reports whether uid may have another file read. s.mu is held.
func (s *sums) left(uid int) bool {
	was := s.spent[uid]
	return was.time-time.Since(was.at)/10 < sumBudget
}

// spend takes what reading took from uid's budget. s.mu is held.
func (s *sums) spend(uid int, d time.Duration) {
	if s.spent == nil {
		s.spent = map[int]spent{}
	}
	was := s.spent[uid]
	s.spent[uid] = spent{max(0, was.time-time.Since(was.at)/10) + d, time.Now()}
	for u, w := range s.spent {
		if u != uid && w.time < time.Since(w.at)/10 {
			delete(s.spent, u)
		}
	}
}

// of returns the sum of a file that may refuses no. It waits for wait at most.
// For a row, the first reading of a name is free: when the agent starts, it
// knows no sum, and that is nobody's doing.
func (s *sums) of(files *signer.Files, name string, wait time.Duration, row bool, may func(signer.Found) error) ([sha256.Size]byte, signer.Found, error) {
	unread := false
	sum, found, err := files.Sum(name, sumLimit, func(f signer.Found) (sum [sha256.Size]byte, err error) {
		if err := may(f); err != nil {
			return sum, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if sum, ok := s.known[f.Ident]; ok && f.Ctime != 0 { // without one nothing tells that it is unchanged
			return sum, nil
		}
		unread = true
		return sum, nil
	}, nil)
	if err != nil || !unread {
		return sum, found, err
	}
	j, wait, err := s.ask(files, name, found, row, wait)
	if err != nil {
		return sum, found, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-j.done:
		return j.sum, found, j.err
	case <-timer.C:
		return sum, found, errLate
	}
}

// ask has a file read, and says for how long to wait for that: no longer than
// for the file that is being read already. Else a file that is never read to
// its end would be waited for again and again.
func (s *sums) ask(files *signer.Files, name string, f signer.Found, row bool, wait time.Duration) (*job, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began.IsZero() {
		wait -= time.Since(s.began)
	}
	if j := s.jobs[f.Ident]; j != nil {
		return j, wait, nil
	}
	free := row && !s.first[name] && len(s.first) < sumKnown
	switch {
	case s.closed.Load():
		return nil, 0, errLate
	case !free && !s.left(f.UID) || len(s.queue) >= sumQueue:
		return nil, 0, errBusy
	}
	if s.jobs == nil {
		s.jobs, s.first = map[signer.Ident]*job{}, map[string]bool{}
	}
	if free {
		s.first[name] = true
	}
	j := &job{files: files, name: name, is: f, free: free, done: make(chan struct{})}
	s.jobs[f.Ident] = j
	s.queue = append(s.queue, j)
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.read()
	}
	return j, wait, nil
}

// read reads what waits, and ends when nothing does.
func (s *sums) read() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		j := s.queue[0]
		s.queue = s.queue[1:]
		s.began = time.Now()
		s.mu.Unlock()
		sum, err := s.sum(j)
		s.mu.Lock()
		j.sum, j.err = sum, err
		if !j.free {
			s.spend(j.is.UID, time.Since(s.began))
		}
		if err == nil {
			if s.known == nil || len(s.known) >= sumKnown {
				s.known = map[signer.Ident][sha256.Size]byte{}
			}
			s.known[j.is.Ident] = sum
		}
		delete(s.jobs, j.is.Ident)
		close(j.done)
	}
	s.began = time.Time{}
	close(s.idle)
	s.idle = nil
}

// sum reads the file of j, if it is still the one that was asked for.
func (s *sums) sum(j *job) ([sha256.Size]byte, error) {
	sum, _, err := j.files.Sum(j.name, sumLimit, func(f signer.Found) (none [sha256.Size]byte, err error) {
		switch {
		case s.closed.Load():
			return none, errLate
		case f.Ident != j.is.Ident || f.Path != j.is.Path:
			return none, signer.ErrChanging
		}
		return none, signer.ErrUnknown
	}, func(r io.Reader) io.Reader {
		if s.through != nil {
			r = s.through(r)
		}
		return &untilClosed{r, &s.closed}
	})
	return sum, err
}

// untilClosed is a reader that gives up when the agent ends.
type untilClosed struct {
	io.Reader
	closed *atomic.Bool
}

func (r *untilClosed) Read(b []byte) (int, error) {
	if r.closed.Load() {
		return 0, errLate
	}
	return r.Reader.Read(b)
}

// close ends the reading and waits for that. A disk that does not answer keeps
// nobody from ending: it is waited for no longer than otherwise.
func (s *sums) close() {
	s.closed.Store(true)
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(sumPatience)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
