package watchers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/watchers/internal/fanotify"
	"wormbell/watchers/internal/inotifyopen"
)

// errRefused says that the system does not let us hold openers.
var errRefused = errors.New("fanotify refused")

const (
	perm = "fanotify"
	// scarceTurn is how often we look whether descriptors are free again.
	scarceTurn = 400 * time.Millisecond

	whyNoFiles = "out of file descriptors: credential reads are not seen until some are free"
	whyDenied  = "the system kept the agent from opening a file beside a guarded one: a guarded file that is replaced is guarded again only a moment later"
)

// runPerm watches by permission events until ctx is done. errRefused is
// returned before anything is told.
func (c *credentials) runPerm(ctx context.Context) error {
	folders := true // marks on folders
	blind := false  // and told so
	for ctx.Err() == nil {
		err := c.hold(ctx, folders, func() { blind = false })
		switch {
		case err == nil || errors.Is(err, errRefused):
			return err
		case errors.Is(err, fanotify.ErrDenied) && folders:
			// An opener was turned away because we are: never again.
			c.log.Warn("folders are not marked any more", "err", err)
			folders = false
		case errors.Is(err, fanotify.ErrNoFiles), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
			if !blind {
				c.log.Error("out of file descriptors, guard dropped", "err", err)
				c.dropped(whyNoFiles)
				blind = true
			}
			c.awaitFiles(ctx)
		default:
			return err
		}
	}
	return nil
}

// hold holds openers through one group until that fails or ctx is done. It
// calls armed once all marks are set.
func (c *credentials) hold(ctx context.Context, folders bool, armed func()) error {
	var k *keeper
	c.ctx = ctx
	p, err := fanotify.NewPerm(fanotify.PermConfig{
		Guarded:   c.book.mayBeGuarded,
		Ignorable: c.book.ignorable,
		Handle:    func(o *fanotify.Open) { c.opened(o, k) },
		Lost:      func(n int) { c.gap(perm, n, "reads of guarded files, more at once than could be looked at") },
		Failed: func(o *fanotify.Open, why any, stack []byte) {
			c.log.Error("attribution failed", "err", fmt.Sprint(why), "stack", string(stack))
			if f, ok := c.book.find(&o.File); ok {
				c.out.Emit(f.read(perm, o.Time, nil))
			}
		},
		Alive: c.host.Alive,
		Rest:  c.host.Rest,
		Watch: c.host.Watch,
	})
	if fanotify.Refused(err) {
		return fmt.Errorf("%w: %w", errRefused, err)
	} else if errors.Is(err, unix.EMFILE) && fanotify.FilesToSpare() {
		return errors.New("no fanotify group is left: see /proc/sys/fs/fanotify/max_user_groups")
	} else if err != nil {
		return err
	}
	k, err = newKeeper(c)
	if err != nil {
		p.Close()
		return err
	}
	defer k.close()
	k.back = &permBackend{perm: p, folders: folders, unfit: make(map[fanotify.ID]bool)}
	return c.tend(ctx, k, func() {
		armed()
		why := ""
		if !folders {
			why = whyDenied
		}
		c.out.Sees(perm, true, why)
	}, p.Run)
}

// opened is called for an opener that waits. It lets it go on as soon as it is
// known who it is; nothing before that waits for anything but /proc and the
// lineage.
func (c *credentials) opened(o *fanotify.Open, k *keeper) {
	f, ok := c.book.find(&o.File)
	if !ok || o.WritesOnly() {
		return
	}
	p := c.who(o.PID)
	if p != nil && o.Exited() && p.Start.After(o.Time) {
		p = nil // it was killed while it waited, and its number given to another
	}
	e := f.read(perm, o.Time, p)
	if c.host.Protect == nil || p == nil || !c.host.Protect.Judge(e) {
		o.Allow()
		c.tell(k, o.PID, e)
		return
	}
	if !o.Hold(protectTime, func() { c.turnAway(o, k, e) }) {
		e.Protect = wormbell.Late // it is one of hundreds, and most likely of the same tree
		o.Allow()
		c.tell(k, o.PID, c.host.Protect.Done(c.ctx, e))
	}
}

// protectTime is how long a reader is held while what it belongs to is stopped.
// The watchdog does not mind: who answers goes round meanwhile.
const protectTime = time.Second

// turnAway stops what the reader of e belongs to and then refuses it the file. If
// something of that may still run the reader goes on: what sees a refusal may be
// what wipes the disk.
func (c *credentials) turnAway(o *fanotify.Open, k *keeper, e wormbell.Event) {
	e.Protect = wormbell.Unstopped
	if c.host.Protect.Stop(c.ctx, e, protectTime*9/10) || o.Exited() { // killed meanwhile: it sees nothing any more
		if e.Protect = wormbell.Denied; !o.Deny() {
			e.Protect = wormbell.Late
		}
	}
	o.Allow()
	c.tell(k, o.PID, c.host.Protect.Done(c.ctx, e))
}

// dropped tells that no file is guarded for the time being.
func (c *credentials) dropped(why string) {
	c.out.Sees(perm, true, why)
	on, list := planGuards(c.host.Homes, c.table, c.host.Stores)
	decoys, _, _ := c.host.Decoys.news(-1)
	on = append(on, planDecoys(c.host.Homes, decoys)...)
	for i := range on {
		list = append(list, on[i].guarded(on[i].path, wormbell.GuardNot, "out of file descriptors"))
	}
	sortGuarded(list)
	c.out.Guards(list)
	c.gap(perm, 0, why)
}

// awaitFiles returns when there are descriptors to spare or ctx is done, but
// not at once: it may be another limit that was met.
func (c *credentials) awaitFiles(ctx context.Context) {
	turn := time.NewTicker(scarceTurn)
	defer turn.Stop()
	for {
		c.host.Alive()
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
		if fanotify.FilesToSpare() {
			return
		}
	}
}

// permBackend marks files and folders in a group of permission events. It
// belongs to the keeper's goroutine.
type permBackend struct {
	perm    *fanotify.Perm
	folders bool
	unfit   map[fanotify.ID]bool // folders with files that we cannot open
}

func (b *permBackend) mask() uint32            { return 0 }
func (b *permBackend) event(inotifyopen.Event) {}
func (b *permBackend) turn()                   {}

// tick takes files beside the guarded ones into account again.
func (b *permBackend) tick(now time.Time) { b.perm.Heed(verifyEvery/2, now) }

func (b *permBackend) folder(dir *place, _ int32, guarded bool) error {
	if !guarded || !b.folders || b.unfit[dir.id()] {
		return nil
	}
	return b.perm.MarkFolder(fanotify.ProcFD(dir.fd))
}

func (b *permBackend) file(at, in *place, _ guardedFile, known bool) error {
	path := fanotify.ProcFD(at.fd)
	if !known {
		// The kernel opens the file for us when somebody else does, and turns
		// them away if we may not.
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			return cannotGuard(reason(err)) // of which the reader learns as well
		} else if err != nil {
			b.unfit[in.id()] = true
			b.perm.UnmarkFolder(fanotify.ProcFD(in.fd))
			return cannotGuard("the agent cannot open it: " + reason(err))
		}
		unix.Close(fd)
	}
	if err := b.perm.MarkFile(path); err != nil {
		return cannotGuard("cannot be marked: " + reason(err))
	}
	return nil
}
