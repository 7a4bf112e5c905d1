package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/esiqveland/notify"
	"github.com/godbus/dbus/v5"

	"wormbell/internal/plain"
)

// The notification service (Desktop Notifications Specification 1.2).
const (
	daemonName    = "org.freedesktop.Notifications"
	daemonPath    = "/org/freedesktop/Notifications"
	callNotify    = daemonName + ".Notify"
	callClose     = daemonName + ".CloseNotification"
	callAbilities = daemonName + ".GetCapabilities"
	callServer    = daemonName + ".GetServerInformation"
	signalAction  = daemonName + ".ActionInvoked"
	signalClosed  = daemonName + ".NotificationClosed"
	defaultKey    = "default" // the action of a click on the notification itself
)

// desktop shows notices by the desktop's notification daemon.
//
// Of the notify library it uses the words and not the Notifier: that one
// panics on a signal with other arguments, does not say who sent it, and
// waits without limit.
type desktop struct {
	Config
	answers chan Answer
	done    chan struct{}  // closed by Close
	ears    sync.WaitGroup // of the goroutines that listen to a connection

	// turn is held by whoever speaks with the daemon or takes in what it said,
	// so that an answer is not looked at before its notice has a number. It is a
	// lock that one can cease to wait for; it guards what follows.
	turn   chan struct{}
	conn   *dbus.Conn
	server server
	shown  map[string]*shown // by the ID of the notice
	closed bool
}

// server is who owns the daemon's name.
type server struct {
	owner     string // its unique name; "" for nobody
	name      string // "xfce4-notifyd 0.7.3"
	abilities []string
}

func (s server) can(ability string) bool { return slices.Contains(s.abilities, ability) }

// shown is a notice that was handed to a daemon.
type shown struct {
	notice   Notice
	number   uint32 // the daemon's; 0 once that daemon is gone
	answered bool
	since    time.Time // when it was last shown
}

func newDesktop(c Config) *desktop {
	return &desktop{Config: c, answers: make(chan Answer, answerRoom), done: make(chan struct{}), turn: make(chan struct{}, 1), shown: map[string]*shown{}}
}

func (d *desktop) lock(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the notification daemon: %w", ctx.Err())
	}
}

func (d *desktop) unlock() { <-d.turn }

// current connects, and returns who shows notices now; a zero server if nobody
// is known to.
func (d *desktop) current(ctx context.Context) server {
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	if d.lock(ctx) != nil {
		return server{}
	}
	defer d.unlock()
	if err := d.connect(ctx); err != nil {
		d.Log.Debug("no notification daemon", "err", err)
	}
	return d.server
}

// peek returns who showed notices last, without asking.
func (d *desktop) peek() server {
	d.turn <- struct{}{} // whoever holds it does so for its patience at most
	defer d.unlock()
	return d.server
}

func (d *desktop) show(ctx context.Context, n Notice) error {
	if err := d.start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	if err := d.connect(ctx); err != nil {
		return err
	}
	if d.server.owner == "" { // its signal has not been taken in yet
		if err := d.meet(ctx, true); err != nil {
			return err
		}
	}
	err := d.put(ctx, n)
	if noDaemon(err) { // it went, and its signal has not been taken in yet
		if err = d.meet(ctx, true); err == nil {
			err = d.put(ctx, n)
		}
	}
	return err
}

// startLimit is how long D-Bus may take to start a notification daemon. While it
// does, a notice that is given up is not known to be shown or not, and would be
// shown twice, or on the terminals, too. On a slow machine that is just logging
// in, a desktop's daemon takes more than [showLimit].
const startLimit = 30 * time.Second

// start has D-Bus start a notification daemon if none is there. Others need not
// wait for it.
func (d *desktop) start(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	if err := d.lock(short); err != nil {
		return err
	}
	err := d.connect(short)
	conn, there := d.conn, d.server.owner != ""
	d.unlock()
	if err != nil || there {
		return err
	}
	long, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	// One that D-Bus cannot start may have come by itself just now; who calls it will see.
	if err := conn.BusObject().CallWithContext(long, callStart, 0, daemonName, uint32(0)).Err; err != nil && !noDaemon(err) {
		return fmt.Errorf("start a notification daemon: %w", err)
	}
	return nil
}

// put hands a notice to the daemon that was met, and to no other: the numbers
// are that one's. The turn is held.
func (d *desktop) put(ctx context.Context, n Notice) error {
	s := d.shown[n.ID]
	if s == nil {
		s = &shown{}
	}
	m := d.compose(n)
	m.ReplacesID = s.number
	actions := []string{}
	for _, a := range m.Actions {
		actions = append(actions, a.Key, a.Label)
	}
	var number uint32
	err := ask(ctx, d.conn, d.server.owner, daemonPath, callNotify, m.AppName, m.ReplacesID, m.AppIcon, m.Summary, m.Body,
		actions, m.Hints, int32(m.ExpireTimeout.Milliseconds())).Store(&number)
	if err != nil {
		return fmt.Errorf("hand a notice to the notification daemon: %w", err)
	}
	s.notice, s.number, s.answered, s.since = n, number, false, time.Now()
	d.shown[n.ID] = s
	d.forget()
	return nil
}

// maxShown bounds what is remembered of notices. The policy shows ten an hour.
const maxShown = 200

// forget drops notices that can no longer be answered when there are many.
func (d *desktop) forget() {
	if len(d.shown) <= maxShown {
		return
	}
	for id, s := range d.shown {
		if s.number == 0 || !s.notice.Sticky {
			delete(d.shown, id)
		}
		if len(d.shown) <= maxShown/2 {
			return
		}
	}
}

func (d *desktop) withdraw(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	s := d.shown[id]
	delete(d.shown, id)
	if s == nil || s.number == 0 || d.server.owner == "" || !d.conn.Connected() {
		return nil
	}
	// It may be gone already, or the daemon, or the bus with all of them.
	if err := ask(ctx, d.conn, d.server.owner, daemonPath, callClose, s.number).Err; err != nil && ctx.Err() != nil {
		return fmt.Errorf("withdraw a notice: %w", err)
	}
	return nil
}

// connect sees that there is a connection to the bus. The turn is held.
func (d *desktop) connect(ctx context.Context) error {
	if d.closed {
		return fmt.Errorf("%w: closed", ErrNone)
	}
	if d.conn != nil && d.conn.Connected() {
		return nil
	}
	d.conn, d.server = nil, server{}
	conn, err := dialBus(ctx, d.Bus)
	if err != nil {
		return err
	}
	signals := make(chan *dbus.Signal, answerRoom)
	conn.Signal(signals)
	for _, match := range [][]dbus.MatchOption{
		// The bus knows the owner of a name that stands for a sender, and lets
		// through what comes from that one.
		{dbus.WithMatchSender(daemonName), dbus.WithMatchInterface(daemonName), dbus.WithMatchObjectPath(daemonPath)},
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, daemonName)},
	} {
		if err := conn.AddMatchSignalContext(ctx, match...); err != nil {
			conn.Close()
			return fmt.Errorf("listen to the notification daemon: %w", err)
		}
	}
	d.conn = conn
	d.ears.Go(func() { d.listen(conn, signals) }) // until the connection ends
	if err := d.meet(ctx, false); err != nil && !noDaemon(err) {
		return err
	}
	return nil
}

// meet learns who owns the daemon's name and what it can do; with start, D-Bus
// may start one. What stood on the screen of the one before is gone; what is
// to stay is shown by this one. The turn is held.
func (d *desktop) meet(ctx context.Context, start bool) error {
	d.part()
	var s server
	flags := dbus.FlagNoAutoStart
	if start {
		flags = 0
	}
	if err := d.conn.Object(daemonName, daemonPath).CallWithContext(ctx, callAbilities, flags).Store(&s.abilities); err != nil {
		return fmt.Errorf("ask the notification daemon what it can do: %w", err)
	}
	if err := d.conn.BusObject().CallWithContext(ctx, getOwner, 0, daemonName).Store(&s.owner); err != nil {
		return fmt.Errorf("ask who the notification daemon is: %w", err)
	}
	var info notify.ServerInformation
	if err := ask(ctx, d.conn, s.owner, daemonPath, callServer).Store(&info.Name, &info.Vendor, &info.Version, &info.SpecVersion); err == nil {
		s.name = plain.Cut(strings.TrimSpace(info.Name+" "+info.Version), maxTitle)
	}
	d.server = s
	for _, s := range d.shown {
		if err := d.put(ctx, s.notice); err != nil {
			d.Log.Warn("a notice was not shown again", "notice", s.notice.ID, "err", err)
		}
	}
	return nil
}

// part notes that the daemon is gone. The turn is held.
func (d *desktop) part() {
	d.server = server{}
	for id, s := range d.shown {
		s.number = 0
		if !s.notice.Sticky || s.answered {
			delete(d.shown, id)
		}
	}
}

// listen takes in what the bus says until the connection ends.
func (d *desktop) listen(conn *dbus.Conn, signals <-chan *dbus.Signal) {
	for signal := range signals {
		select {
		case d.turn <- struct{}{}:
		case <-d.done:
			return
		}
		var answer *Answer
		if d.conn == conn {
			answer = d.take(signal)
		}
		d.unlock()
		if answer == nil {
			continue
		}
		select {
		case d.answers <- *answer:
		case <-d.done:
			return
		}
	}
}

// take takes in one signal, and returns the answer that it is. The turn is
// held. A signal can be sent to us alone by any program, past what we asked
// the bus for, so its sender is looked at.
func (d *desktop) take(signal *dbus.Signal) *Answer {
	switch {
	case signal.Sender == busName && signal.Name == ownerChanged:
		d.changed(signal.Body)
		return nil
	case signal.Sender != d.server.owner || d.server.owner == "" || signal.Path != daemonPath:
		return nil
	}
	if len(signal.Body) != 2 {
		return nil
	}
	number, ok := signal.Body[0].(uint32)
	if !ok || number == 0 {
		return nil
	}
	for id, s := range d.shown {
		if s.number != number {
			continue
		}
		switch signal.Name {
		case signalAction:
			key, _ := signal.Body[1].(string)
			return d.chosen(s, key)
		case signalClosed:
			reason, _ := signal.Body[1].(uint32)
			delete(d.shown, id)
			if notify.Reason(reason) == notify.ReasonDismissedByUser && !s.answered {
				return &Answer{id, Dismissed}
			}
		}
		return nil
	}
	return nil
}

// settle is how long a notice must have been there before its "let it go on" is
// taken for meant: it stands where "freeze it" stood just before, where the
// second click of an impatient person lands.
const settle = time.Second

// chosen is the answer that an action is. A double click counts once.
func (d *desktop) chosen(s *shown, key string) *Answer {
	action := Action(key)
	if key == defaultKey {
		action = Details
	} else if !slices.ContainsFunc(s.notice.Buttons, func(b Button) bool { return b.Action == action }) {
		return nil
	}
	if s.answered {
		return nil
	}
	if action == Resume && time.Since(s.since) < settle {
		return nil
	}
	s.answered = true
	return &Answer{s.notice.ID, action}
}

// changed takes in that the daemon has gone or come. The turn is held.
func (d *desktop) changed(body []any) {
	if len(body) != 3 {
		return
	}
	from, _ := body[1].(string)
	to, _ := body[2].(string)
	switch {
	case to != "" && to != d.server.owner:
		ctx, cancel := context.WithTimeout(d.conn.Context(), d.patience())
		defer cancel()
		if err := d.meet(ctx, false); err != nil {
			d.Log.Warn("the notification daemon does not answer", "err", err)
		}
	case to == "" && from == d.server.owner:
		d.part()
	}
}

func (d *desktop) close() error {
	d.turn <- struct{}{}
	if d.closed {
		d.unlock()
		return nil
	}
	d.closed = true
	conn := d.conn
	close(d.done)
	d.unlock()
	var err error
	if conn != nil {
		err = conn.Close()
	}
	d.ears.Wait()
	close(d.answers)
	return err
}
