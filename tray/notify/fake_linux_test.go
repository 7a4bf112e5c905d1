package notify_test

import (
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	serviceName = "org.freedesktop.Notifications"
	servicePath = "/org/freedesktop/Notifications"
)

// service is a notification daemon that notes what it is told.
type service struct {
	conn *dbus.Conn
	caps []string
	hang chan struct{} // closed: it answers; nil: at once

	mu     sync.Mutex // guards what follows
	notes  []note
	closed []uint32
	next   uint32
}

// note is one call of Notify.
type note struct {
	number, replaces    uint32
	icon, summary, body string
	actions             []string
	hints               map[string]dbus.Variant
	timeout             int32
}

// serve takes the daemon's name on the bus.
func (b *bus) serve(t testing.TB, caps ...string) *service {
	t.Helper()
	s := &service{conn: b.connect(t), caps: caps}
	s.own(t)
	return s
}

func (s *service) own(t testing.TB) {
	t.Helper()
	if err := s.conn.ExportMethodTable(map[string]any{
		"GetCapabilities":      func() ([]string, *dbus.Error) { return s.caps, nil },
		"GetServerInformation": func() (a, b, c, d string, err *dbus.Error) { return "fake\x1b[1m", "test", "1.0", "1.2", nil },
		"CloseNotification": func(n uint32) *dbus.Error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.closed = append(s.closed, n)
			return nil
		},
		"Notify": func(_ string, replaces uint32, icon, summary, body string, actions []string, hints map[string]dbus.Variant, timeout int32) (uint32, *dbus.Error) {
			if s.hang != nil {
				<-s.hang
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			number := replaces
			if number == 0 {
				s.next++
				number = s.next
			}
			s.notes = append(s.notes, note{number, replaces, icon, summary, body, actions, hints, timeout})
			return number, nil
		},
	}, servicePath, serviceName); err != nil {
		t.Fatal(err)
	}
	// The bus may not know yet that the daemon before has gone.
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		r, err := s.conn.RequestName(serviceName, dbus.NameFlagDoNotQueue)
		if err == nil && r == dbus.RequestNameReplyPrimaryOwner {
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("own the name: %v %v", r, err)
		}
	}
}

func (s *service) all() []note {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]note(nil), s.notes...)
}

// withdrawn are the numbers that the daemon was told to close.
func (s *service) withdrawn() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint32(nil), s.closed...)
}

// last is the last call of Notify.
func (s *service) last(t testing.TB) note {
	t.Helper()
	all := s.all()
	if len(all) == 0 {
		t.Fatal("nothing was shown")
	}
	return all[len(all)-1]
}

// emit sends a signal of the daemon's interface to everybody.
func (s *service) emit(t testing.TB, name string, body ...any) {
	t.Helper()
	if err := s.conn.Emit(servicePath, serviceName+"."+name, body...); err != nil {
		t.Fatal(err)
	}
}

// tell sends such a signal from any connection to one program alone, which no
// match rule keeps out.
func tell(t testing.TB, conn *dbus.Conn, to, name string, body ...any) {
	t.Helper()
	m := &dbus.Message{Type: dbus.TypeSignal, Flags: dbus.FlagNoReplyExpected, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(to), dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(servicePath)),
		dbus.FieldInterface: dbus.MakeVariant(serviceName), dbus.FieldMember: dbus.MakeVariant(name)}}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	if call := conn.Send(m, nil); call != nil && call.Err != nil {
		t.Fatal(call.Err)
	}
}
