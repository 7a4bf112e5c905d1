package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"wormbell/agent/respond/call"
)

// cloudSubject is a fake with a key in a file of the machine's.
type cloudSubject struct {
	f interface {
		http.Handler
		state(id string) string
		ids(but ...string) []string
		count(action string) int
	}
	m      *Machine
	old    Token
	second func() Token // makes another key of the same owner's
}

// cloudKeyFaults makes, revokes and rotates keys with everything going wrong.
// active is the state of a key that works, create the action that makes one.
// Whatever goes wrong, a key works, and none is made blindly.
func cloudKeyFaults(t *testing.T, kind Kind, active, create string, start func(*testing.T, *faultBench) cloudSubject) {
	t.Helper()
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			w := start(t, b)
			var made Token
			return faultSubject{Service: w.f, Run: func(ctx context.Context) (err error) {
				made, err = kind.Create(ctx, w.m, w.old, "label")
				return err
			}, After: func(t *testing.T, r faultRun) {
				if w.f.count(create) > 1 {
					t.Error("a key was asked for twice")
				}
				if (r.Err == nil) == made.Value.Empty() || w.f.state(w.old.ID) != active {
					t.Errorf("no key and no error, or both, or the old one is gone: %v", r.Err)
				}
				made := w.f.ids(w.old.ID)
				if r.Err == nil {
					return
				}
				// A key that was made is one of which the error says that it may have been.
				var lost *call.LostError
				if len(made) > 0 && !errors.As(r.Err, &lost) {
					t.Errorf("a key was made, and the error does not say that it may have been: %v", r.Err)
				}
				// It is found when all works again, and nothing else is.
				w.m.Call = call.New(call.Config{Sleep: func(context.Context, time.Duration) error { return nil }, Log: w.m.Log})
				server := httptest.NewServer(w.f)
				defer server.Close()
				w.m.Sites[kind.ID] = server.URL
				found, err := kind.Lost(t.Context(), w.m, w.old, "label")
				if err != nil || found != (len(made) > 0) || len(w.f.ids()) != 1 || w.f.state(w.old.ID) != active {
					t.Errorf("found %v of %d: %v; left %v", found, len(made), err, w.f.ids())
				}
			}}
		})
	})
	for _, self := range []bool{false, true} {
		t.Run(fmt.Sprintf("revoke, self %v", self), func(t *testing.T) {
			t.Parallel()
			faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
				w := start(t, b)
				by := Token{}
				if !self {
					by = w.second()
				}
				return faultSubject{Service: w.f, Run: func(ctx context.Context) error { return kind.Revoke(ctx, w.m, w.old, by) },
					After: func(t *testing.T, r faultRun) {
						if !self && w.f.state(by.ID) != active {
							t.Error("the new key is gone")
						}
						if r.Err == nil && w.f.state(w.old.ID) == active {
							t.Error("it is said to be revoked, and works")
						}
					}}
			})
		})
	}
	// Whatever goes wrong, the key that stands in the file works, unless the
	// rotation says that it may not.
	t.Run("rotate", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			w := start(t, b)
			stood, err := kind.Find(t.Context(), w.m, nil)
			if err != nil || stood[0].ID != w.old.ID {
				t.Fatal(err)
			}
			var o Outcome
			return faultSubject{Service: w.f, Run: func(ctx context.Context) (err error) {
				o, err = (&Rotator{Machine: w.m, Kinds: []Kind{kind}}).Rotate(ctx, w.old, Options{})
				return err
			}, After: func(t *testing.T, r faultRun) {
				found, err := kind.Find(t.Context(), w.m, nil)
				if err != nil || len(found) != len(stood) || w.f.state(found[0].ID) != active {
					t.Fatalf("the key in its place does not work: %+v %v", o, r.Err)
				}
				moved := found[0].ID != w.old.ID
				if o.Works == NewWorks && !moved || o.Works == OldWorks && moved || o.Done && (!moved || w.f.state(w.old.ID) == active) {
					t.Errorf("it says that %s works, and moved is %v, done %v", o.Works, moved, o.Done)
				}
				if r.Fault == "" && !o.Done {
					t.Errorf("%+v %v", o, r.Err)
				}
				// What was made is in its place, or known to be left over.
				if orphans := len(w.f.ids(w.old.ID, found[0].ID)); orphans > 0 && len(o.Left) == 0 && r.Err == nil {
					t.Errorf("%d keys that nobody has, and nobody is told", orphans)
				}
			}}
			// These differ in what a rotation makes of them, and each run writes a
			// journal to the disk many times.
		}, "403", "500", "cut before", "time-out after", "garbage", "cancelled after", "not reached")
	})
}
