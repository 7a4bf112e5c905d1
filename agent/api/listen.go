package api

import (
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"wormbell/internal/answer"
)

// Free returns [ErrInUse], naming the agent, if one serves the socket. An agent
// asks before it looks at any file: a second one that then has to give up would
// have looked like a thief to the first.
func Free(socket string) error { return free(socket) }

// Listen makes the socket and returns the server for it; the kernel queues who
// connects before [Server.Serve] is called. A socket that a dead agent left is
// replaced; [ErrInUse] names the agent that serves it otherwise.
func Listen(c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	l, remove, err := listen(c.Socket, c.System)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, remove: remove, refusals: rate{most: maxRefused}, loosened: rate{most: maxLoosened}, look: answer.New(scratchTime)}
	s.listener = &listener{Listener: l, server: s, byUser: map[int]int{}}
	return s, nil
}

// listener lets in a bounded number of connections of each user and notes whose
// they are.
type listener struct {
	net.Listener
	server *Server

	mu     sync.Mutex // guards what follows
	byUser map[int]int
	all    int
}

// conn is a connection with its peer.
type conn struct {
	net.Conn
	peer *peer
	once sync.Once
	done func()
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.peer.close(); c.done() })
	return err
}

// Accept returns the next connection that may be served. Others are closed
// without a word: an answer would cost what the limit is there to save.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p, err := identify(raw)
		if err != nil {
			raw.Close()
			l.server.Log.Warn("connection refused", "err", err)
			continue
		}
		if !l.admit(p.uid) {
			p.close()
			raw.Close()
			if l.server.tells(p) {
				l.server.Log.Warn("connection refused", "uid", p.uid, "pid", p.pid, "why", "too many, or not this user's agent")
			}
			continue
		}
		return &conn{Conn: raw, peer: p, done: func() { l.leave(p.uid) }}, nil
	}
}

func (l *listener) admit(uid int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := maxOverall
	if uid != 0 {
		most -= keptForRoot
	}
	if l.all >= most || l.byUser[uid] >= maxPerUser && uid != 0 || !l.server.System && uid != 0 && uid != self() {
		return false
	}
	l.all++
	l.byUser[uid]++
	return true
}

func (l *listener) leave(uid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.byUser[uid]--; l.byUser[uid] == 0 {
		delete(l.byUser, uid)
	}
}
