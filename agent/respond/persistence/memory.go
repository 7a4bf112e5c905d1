package persistence

import (
	"sync"
	"time"
)

const (
	// stall is how long a process may take to let us read its memory. Its command
	// line lies there, and a page of it may lie on a file system that its owner
	// never lets answer.
	stall = 200 * time.Millisecond
	// hungMax is how many such readers may hang before memory is read no more.
	hungMax = 8
)

// identity is one process: its PID and when it was started.
type identity struct {
	pid   int
	start uint64
}

// memories reads what lies in the memory of processes. A reader that hangs costs
// a thread, which ends when its process does: a system call in the kernel cannot
// be given up in any other way. So there is an end to their number, for a look
// and all that is disabled after it.
type memories struct {
	mu   sync.Mutex
	hung map[identity]chan []byte // readers that were given up on; one may answer yet
}

func newMemories() *memories { return &memories{hung: map[identity]chan []byte{}} }

// read returns what slurp does, or that it stalls. A process that has stalled is
// not waited for again.
func (m *memories) read(id identity, slurp func() []byte) (b []byte, stalled bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := m.hung[id]
	if done != nil {
		select {
		case b := <-done:
			delete(m.hung, id)
			return b, false
		default:
			return nil, true
		}
	}
	if len(m.hung) >= hungMax {
		m.forget()
		if len(m.hung) >= hungMax {
			return nil, true
		}
	}
	done = make(chan []byte, 1) // so that a late answer goes nowhere
	go func() { done <- slurp() }()
	t := time.NewTimer(stall)
	defer t.Stop()
	select {
	case b := <-done:
		return b, false
	case <-t.C:
	}
	select { // we may have been kept waiting ourselves
	case b := <-done:
		return b, false
	default:
		m.hung[id] = done
		return nil, true
	}
}

// forget gives back the places of readers that have come to an end since.
func (m *memories) forget() {
	for id, done := range m.hung {
		if len(done) > 0 {
			delete(m.hung, id)
		}
	}
}
