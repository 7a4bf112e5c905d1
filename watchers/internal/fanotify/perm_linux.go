package fanotify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/watchers/internal/decode"
)

// ErrNoFiles ends [Perm.Run] when descriptors run out. The kernel needs one for
// each opener it tells us of, and turns the opener away with EPERM without.
var ErrNoFiles = errors.New("out of file descriptors")

// ErrDenied ends [Perm.Run] when the system did not let this process open what
// somebody else was opening; the kernel has turned that opener away.
var ErrDenied = errors.New("an opened file may not be opened by the agent")

const (
	// idleTurn is how often the reader goes round: as seldom as the watchdog
	// allows while it bears with one beat that is lost.
	idleTurn = 400 * time.Millisecond
	// restTurn is the same while it rests, as it does when nobody has come for
	// restAfter: an idle machine is to be woken for little.
	restTurn  = 5 * time.Second
	restAfter = 2 * time.Second
	// stuckAfter is how long a worker may be busy with one opener before the
	// agent counts as deadlocked. The opener itself went on at its deadline.
	stuckAfter = 3 * time.Second
	// A read takes at most readBytes/32 events, two descriptors each.
	readBytes = 1024
)

// PermConfig says what to do with openers.
type PermConfig struct {
	// Guarded decides which opens are handed to Handle; the others go on at
	// once. It is called by the goroutine that answers: it must not block, open
	// anything or wait for a lock that is held over anything slow.
	Guarded func(f *File) bool
	// Ignorable says whether opens of this file, which is not guarded but lies
	// beside such files, may go unreported from now on. Called like Guarded.
	Ignorable func(f *File) bool
	// Handle looks at an opener that waits. The opener goes on when Handle
	// calls Allow, returns or panics, or at the deadline; unless Handle has
	// called [Open.Hold]. Called by several goroutines.
	Handle func(o *Open)
	// Lost says that n openers went on unseen because too many came at once;
	// Failed that Handle panicked. Called by those goroutines.
	Lost   func(n int)
	Failed func(o *Open, why any, stack []byte)
	// Alive is called about every 400 ms or oftener while all of this works.
	Alive func()
	// Rest is called instead, every five seconds, while nobody waits and Watch has
	// agreed; Alive is called before the next opener is taken. Watch gets the
	// descriptor at which openers queue. nil: Alive alone is called.
	Rest  func()
	Watch func(fd int) bool

	Deadline time.Duration // the longest an opener waits; 0: 100 ms
	Queue    int           // openers that may wait; 0: 1024, or less when descriptors are few
	Workers  int           // goroutines that call Handle; 0: 4
}

// Perm holds the openers of marked files until they are answered. It turns one
// away only if it is told to, by [Open.Deny].
type Perm struct {
	cfg   PermConfig
	group *Group
	self  int32
	start time.Time // busy counts from here, by the monotonic clock

	jobs chan *Open
	busy []atomic.Int64 // per worker: since when it handles one opener, ns after start; 0: idle
	lost atomic.Int64

	holding sync.WaitGroup // goroutines of Hold
	longer  atomic.Int64   // how many openers are held for longer
	watched bool           // Watch has agreed

	// Of the reader alone.
	rests bool      // nobody waits, and whoever watches sees it when somebody does
	came  time.Time // when events were last read
	held  []*Open   // in order of time
	late  []*Open   // of these, those that are held for longer
	alive time.Time
	fds   fdBudget
	hot   siblings
}

// Open is one opener that is held.
type Open struct {
	File
	PID  int       // of the process, in our namespace; 0 if it has none there
	Time time.Time // when we learned of it

	perm     *Perm
	pidfd    int32
	answered atomic.Bool
	handed   bool // to a goroutine of Hold; of the worker alone
	closed   atomic.Bool
	until    atomic.Int64 // held until then, ns after the start of perm; 0: until the deadline
}

// Allow lets the opener go on, once; later calls do nothing.
func (o *Open) Allow() {
	if o.answered.CompareAndSwap(false, true) {
		o.perm.allow(int32(o.fd))
	}
}

// Deny turns the opener away with EPERM and reports whether it has not got the
// file: it may have gone on before. One that was killed meanwhile has not.
func (o *Open) Deny() bool {
	if !o.answered.CompareAndSwap(false, true) {
		return false
	}
	return o.perm.answer(int32(o.fd), unix.FAN_DENY)
}

// Hold keeps the opener beyond the deadline, for at most d from now on, and calls
// do in a goroutine of its own, so that the worker is free for others. The opener
// goes on when do calls Allow or Deny, returns or panics, or when d is over; it
// may have gone on already, which Deny tells. Hold reports false, and do is not
// called, if too many are held. It is for Handle to call, once.
func (o *Open) Hold(d time.Duration, do func()) bool {
	p := o.perm
	if p.longer.Add(1) > int64(2*cap(p.jobs)) { // two descriptors each, as of those that wait for a worker
		p.longer.Add(-1)
		return false
	}
	o.until.Store(int64(time.Since(p.start) + d))
	o.handed = true
	p.holding.Go(func() {
		defer func() {
			p.finish(o, recover())
			p.longer.Add(-1)
		}()
		do()
	})
	return true
}

// due is when the opener goes on whatever happens.
func (o *Open) due() time.Time {
	if until := o.until.Load(); until != 0 {
		return o.perm.start.Add(time.Duration(until))
	}
	return o.Time.Add(o.perm.cfg.Deadline)
}

// WritesOnly reports whether the opener cannot read through this open. It must
// be asked before Allow. In doubt it says no.
func (o *Open) WritesOnly() bool { return o.PID > 0 && writesOnly(o.PID) }

// Exited reports whether the process has ended since; false if that cannot be
// told.
func (o *Open) Exited() bool {
	if o.pidfd < 0 {
		return false
	}
	fds := []unix.PollFd{{Fd: o.pidfd, Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

func (o *Open) close() {
	unix.Close(o.fd)
	if o.pidfd >= 0 {
		unix.Close(int(o.pidfd))
	}
}

// NewPerm makes a Perm, or says by an error for which [Refused] holds that the
// system does not let us.
func NewPerm(cfg PermConfig) (*Perm, error) {
	const flags = unix.FAN_CLASS_CONTENT | unix.FAN_UNLIMITED_QUEUE | unix.FAN_UNLIMITED_MARKS
	// O_NONBLOCK: what is opened for us must not wait for a lease.
	const eventFlags = unix.O_RDONLY | unix.O_NONBLOCK
	group, err := NewGroup(flags|unix.FAN_REPORT_PIDFD, eventFlags)
	if errors.Is(err, unix.EINVAL) { // before Linux 5.15
		group, err = NewGroup(flags, eventFlags)
	}
	if err != nil {
		return nil, err
	}
	// Kernels without CONFIG_FANOTIFY_ACCESS_PERMISSIONS make the group and
	// refuse the mark. This one sees nothing: it has no FAN_ONDIR.
	if err := group.Mark(unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM, "/"); err != nil {
		group.Close()
		return nil, fmt.Errorf("mark for permission events: %w", err)
	}
	if err := group.Mark(unix.FAN_MARK_REMOVE, unix.FAN_OPEN_PERM, "/"); err != nil {
		group.Close()
		return nil, fmt.Errorf("remove a mark: %w", err)
	}
	if cfg.Deadline == 0 {
		cfg.Deadline = 100 * time.Millisecond
	}
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Queue == 0 {
		cfg.Queue = min(1024, int(limits().Max/8))
	}
	return &Perm{
		cfg:     cfg,
		group:   group,
		self:    int32(os.Getpid()),
		start:   time.Now(),
		jobs:    make(chan *Open, cfg.Queue),
		busy:    make([]atomic.Int64, cfg.Workers),
		hot:     siblings{evictable: true},
		came:    time.Now(),
		watched: cfg.Rest != nil && cfg.Watch != nil && cfg.Watch(group.fd),
	}, nil
}

// MarkFile asks for the openers of the file that path names, under whatever
// name and in whatever namespace they open it.
func (p *Perm) MarkFile(path string) error {
	if err := p.group.Mark(unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM, path); err != nil {
		return err
	}
	// It may have been ignored under another name.
	return p.unignore(path, 0)
}

// MarkFolder asks for the openers of every file right in the folder that path
// names, also of files that come later.
func (p *Perm) MarkFolder(path string) error {
	return p.group.Mark(unix.FAN_MARK_ADD|unix.FAN_MARK_ONLYDIR, unix.FAN_OPEN_PERM|unix.FAN_EVENT_ON_CHILD, path)
}

// UnmarkFolder takes MarkFolder back.
func (p *Perm) UnmarkFolder(path string) error {
	return p.group.Mark(unix.FAN_MARK_REMOVE|unix.FAN_MARK_ONLYDIR, unix.FAN_OPEN_PERM|unix.FAN_EVENT_ON_CHILD, path)
}

// Close ends a Perm whose Run was never called.
func (p *Perm) Close() { p.group.Close() }

// Run answers openers until ctx is done, then returns nil. However it returns,
// every opener has gone on and no mark is left. It is called once.
func (p *Perm) Run(ctx context.Context) error {
	file := p.group.File()
	stop := context.AfterFunc(ctx, func() { file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var workers sync.WaitGroup
	for i := range p.busy {
		workers.Go(func() { p.work(&p.busy[i]) })
	}
	p.fds.keep()
	err := p.read(ctx, file)
	p.group.Close()
	close(p.jobs)
	workers.Wait()
	p.holding.Wait()
	return err
}

// read is the goroutine that answers. It opens nothing, logs nothing and waits
// for nothing but the kernel's events.
//
// It waits in Go's poller: when it has handed on an opener and waits again, the
// worker runs on the same thread, which is faster than to wake another one.
func (p *Perm) read(ctx context.Context, file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for fanotify events: %w", err)
	}
	var buf [readBytes]byte
	var n int
	var errRead error
	var scarce bool
	read := func() { n, errRead = p.group.Read(buf[:]) }
	ready := func(uintptr) bool {
		rests := p.rests
		if rests && !p.rouse() {
			return false
		}
		scarce = !p.fds.read(time.Now(), read)
		// The kernel says EAGAIN also of an opener whose file it cannot open at once,
		// as one with a lease that its owner has taken (F_SETLEASE). That one the
		// kernel has turned away; whoever waits behind it makes no new edge for the poller.
		return scarce || rests || !errors.Is(errRead, unix.EAGAIN) || p.group.waiting()
	}
	for {
		now := time.Now()
		if err := file.SetReadDeadline(now.Add(p.patience(now))); err != nil {
			return fmt.Errorf("wait for fanotify events: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		n, errRead = 0, nil
		err := conn.Read(ready)
		now = time.Now()
		switch {
		case ctx.Err() != nil && n == 0:
			return nil
		case scarce:
			return ErrNoFiles
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return fmt.Errorf("wait for fanotify events: %w", err)
		case errRead == nil:
			p.came = now
			if err := p.take(buf[:n], now); err != nil {
				return err
			}
		case errors.Is(errRead, unix.EMFILE), errors.Is(errRead, unix.ENFILE):
			return fmt.Errorf("%w: %w", ErrNoFiles, errRead)
		case errors.Is(errRead, unix.EACCES), errors.Is(errRead, unix.EPERM):
			return fmt.Errorf("%w: %w", ErrDenied, errRead)
		case errors.Is(errRead, unix.EBADF), errors.Is(errRead, unix.EFAULT), errors.Is(errRead, unix.EINVAL):
			return fmt.Errorf("read fanotify events: %w", errRead)
		}
		// Any other error is that of one file, which its opener meets as well.
		p.sweep(now)
		p.beat(now)
	}
}

// sweep lets those go on whose deadline has come. held is in order of time, and
// so of what is due but for those that are held for longer.
func (p *Perm) sweep(now time.Time) {
	i := 0
	for ; i < len(p.held); i++ {
		o := p.held[i]
		if !o.answered.Load() {
			if o.until.Load() != 0 {
				p.late = append(p.late, o)
			} else if now.Before(o.due()) {
				break
			} else {
				o.Allow()
			}
		}
		p.held[i] = nil
	}
	p.held = p.held[i:]
	if len(p.held) == 0 {
		p.held = nil
	}
	p.late = slices.DeleteFunc(p.late, func(o *Open) bool {
		if !o.answered.Load() && !now.Before(o.due()) {
			o.Allow()
		}
		return o.answered.Load()
	})
}

// take answers or hands on every event in b.
func (p *Perm) take(b []byte, now time.Time) error {
	for len(b) > 0 {
		var e decode.Fanotify
		rest, err := decode.NextFanotify(b, &e)
		if err != nil {
			return err
		}
		b = rest
		p.event(&e, now)
	}
	return nil
}

func (p *Perm) event(e *decode.Fanotify, now time.Time) {
	if e.FD < 0 {
		if e.Mask&decode.FanQOverflow != 0 {
			p.lost.Add(1) // cannot happen with an unlimited queue
		}
		return
	}
	if p.hold(e, now) {
		return
	}
	if e.PidFD >= 0 {
		unix.Close(int(e.PidFD))
	}
	unix.Close(int(e.FD))
}

// hold hands a guarded open to the workers. If it reports false, the opener
// has gone on and the descriptors are the caller's to close.
func (p *Perm) hold(e *decode.Fanotify, now time.Time) bool {
	if e.PID == p.self {
		p.allow(e.FD)
		return false
	}
	var f File
	if err := f.identify(int(e.FD)); err != nil || !p.cfg.Guarded(&f) {
		p.allow(e.FD)
		if err == nil {
			p.sibling(&f, now)
		}
		return false
	}
	o := &Open{File: f, PID: int(e.PID), Time: now, perm: p, pidfd: e.PidFD}
	select {
	case p.jobs <- o:
		p.held = append(p.held, o)
		return true
	default:
		p.lost.Add(1)
		p.allow(e.FD)
		return false
	}
}

func (p *Perm) allow(fd int32) { p.answer(fd, unix.FAN_ALLOW) }

// answer reports whether this is the answer. It is not once Close has let all go on.
func (p *Perm) answer(fd int32, response uint32) bool {
	g := p.group
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.fd < 0 {
		return false
	}
	r := unix.FanotifyResponse{Fd: fd, Response: response}
	err := writeResponse(g.fd, &r)
	return err == nil || errors.Is(err, unix.ENOENT) // its opener was killed
}

// work is a goroutine that looks at openers which wait.
func (p *Perm) work(busy *atomic.Int64) {
	for o := range p.jobs {
		busy.Store(max(int64(time.Since(p.start)), 1))
		p.handle(o)
		busy.Store(0)
		if n := p.lost.Load(); n > 0 && (len(p.jobs) == 0 || n > 4096) {
			p.cfg.Lost(int(p.lost.Swap(0)))
		}
	}
}

func (p *Perm) handle(o *Open) {
	defer func() {
		if why := recover(); !o.handed || why != nil {
			p.finish(o, why)
		}
	}()
	p.cfg.Handle(o)
}

// finish lets an opener go on at whom nobody looks any more; why is what the look
// panicked with.
func (p *Perm) finish(o *Open, why any) {
	o.Allow()
	if why != nil {
		p.cfg.Failed(o, why, debug.Stack())
	}
	if o.closed.CompareAndSwap(false, true) {
		o.close()
	}
}
